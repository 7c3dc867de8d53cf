"""The chain from reading to index: what each stage loads, computes and writes. `settle`, workers and the demo share it.

decide    readings that compete, once priorities changed -> observation
flag      own series                      -> first_verdict, corrected
compare   first verdicts, neighbours'     -> verdict
hour      readings and their verdicts     -> average `hour`
derive    hours, by registered formulas   -> average `hour` of derived series
average   hours                           -> average moving24, running8, day, mda8, mda1
assess    averages of a station           -> assessment
detect    averages of a station           -> episode; its hours and the fits -> score
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl
import structlog

from analytics import assessment, averaging, corrections, quality
from analytics.store import derived, ledger, priorities, registry, terms
from analytics.store.connection import Connection
from analytics.store.ledger import WHOLE, Lane, Stage, Take
from analytics.store.register import Effect
from jobs import compare as compare_job
from jobs import derive as derive_job
from jobs.again import with_codes
from jobs.detect import detect
from jobs.facts import speak
from jobs.readings import Readings as Readings
from jobs.readings import load_readings as load_readings
from jobs.readings import readings as readings
from jobs.rules import RuleBook as RuleBook
from jobs.rules import Rules as Rules
from jobs.rules import by_rules, within
from jobs.rules import load_rules as load_rules

log = structlog.get_logger()

#: Rows a take loads at most: some hundred bytes each while a stage works on them.
BUDGET = 1_500_000
#: What is taken together of several shards, at most: marks and the hours they span. At a reading each ten minutes that
#: is the budget, which cuts what is denser.
PACK = 250_000
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def decide(take: Take, rules: list[Rules]) -> None:
    """Who wins where sources disagree, by the priorities as they are now."""
    ledger.mark_readings(take.conn, priorities.decide(take), take.now)


def flag(take: Take, rules: list[Rules]) -> None:
    """Judges the readings of the affected windows."""
    series = registry.load_series(take.conn, take.load["subject"].unique().to_list())
    found = load_readings(take.conn, take.load)
    take.read += found.received.height
    here = within(rules, take.affected)
    made = by_rules(here, lambda rule: quality.flag(found.counted, series, rule.parameters, rule.marks))
    if found.layers.height:  # where no layer ever was, nothing is stored
        derived.write(take, derived.CORRECTED, corrections.differing(found.received, found.counted))
    for rule in here:
        derived.judged(take, rule.edition, rule.since, rule.until)
    changed = derived.write(take, derived.FIRST_VERDICT, made)
    # The readings that marked this window are new or other, whatever their verdict: their hours are made again, and
    # whoever reads them or the verdicts beside them that changed compares again.
    _mark(take, "hour", take.claimed)
    moved = pl.concat([take.claimed, ledger.runs(changed, "series")])
    _mark(take, "compare", compare_job.hearers(take.conn, moved))


def compare(take: Take, rules: list[Rules]) -> None:
    """Final verdicts of the affected windows."""
    changed = compare_job.compare(take, rules)
    _mark(take, "hour", ledger.runs(changed, "series", _HOUR))


def hour(take: Take, rules: list[Rules]) -> None:
    """Hourly means of the affected windows."""
    series = registry.load_series(take.conn, take.load["subject"].unique().to_list())
    counted = readings(take.conn, take.load)
    verdicts = derived.load(take.conn, derived.VERDICT, take.load)
    take.read += counted.height + verdicts.height
    judged = with_codes(counted, verdicts)
    here = within(rules, take.affected)
    made = by_rules(here, lambda rule: averaging.hours(judged, series, rule.parameters, rule.averagings))
    windows = derive_job.measured(take.conn, take.affected)
    _mark_hours(take, derived.write(take, derived.AVERAGE, made, {"averaging": ["hour"]}, windows=windows), series)


def derive(take: Take, rules: list[Rules]) -> None:
    """Hours of derived series in the affected windows, from those of what they are made of."""
    changed = derive_job.derive(take, rules)
    _mark_hours(take, changed, registry.load_series(take.conn, changed["series"].unique().to_list()))


def average(take: Take, rules: list[Rules]) -> None:
    """Everything that is built from hours: running means, days, daily maxima."""
    series = registry.load_series(take.conn, take.load["subject"].unique().to_list())
    hours = derived.load(take.conn, derived.AVERAGE, take.load, {"averaging": ["hour"]})
    take.read += hours.height
    here = within(rules, take.affected)
    made = by_rules(here, lambda rule: averaging.windows(hours, series, rule.parameters, rule.averagings))
    names = sorted({name for rule in rules for name in rule.averagings} - {"hour"})
    changed = derived.write(take, derived.AVERAGE, made, {"averaging": names})
    _mark_stations(take, changed, series)
    # Changed hours are what marked this window: with them, and with what they changed here, all is said that episodes
    # and scores can depend on, once an hour of a live series.
    facts = {fact for rule in rules for item in rule.episodes.values() for fact in item.facts}
    heard = {averaging for _, averaging in facts}
    moved = terms.decode(take.conn, changed, "averaging", "averaging").filter(pl.col("averaging").is_in(list(heard)))
    theirs = _of_stations(pl.concat([take.claimed, ledger.runs(moved, "series", _HOUR)]), series)
    # And whoever is held against what is around it hears of its neighbours' hours.
    around = compare_job.stations(take.conn, take.claimed, series)
    _mark(take, "detect", _apart(pl.concat([theirs, around])))


def assess(take: Take, rules: list[Rules]) -> None:
    """Indices of the affected windows."""
    stations = registry.load_stations(take.conn).filter(pl.col("station").is_in(take.load["subject"].implode()))
    stations = stations.join(
        registry.load_places(take.conn),
        on="station",
        how="left",
    )
    everything = registry.load_series(take.conn)
    voices = everything.join(registry.load_authorities(take.conn), on="series").filter(
        pl.col("station").is_in(stations["station"].implode())
    )
    windows = take.load.rename({"subject": "station"}).join(voices.select("station", "series"), on="station")
    averages = derived.load(take.conn, derived.AVERAGE, windows.select("series", "start", "stop"))
    take.read += averages.height
    spoken = speak(averages, voices)
    here = within(rules, take.affected)
    made = by_rules(here, lambda rule: assessment.assess(spoken, stations, rule.standards))
    derived.write(take, derived.ASSESSMENT, made)


Run = Callable[[Take, list[Rules]], None]

STAGES: Mapping[str, tuple[Stage, Run]] = {
    "decide": (ledger.DECIDE, decide),
    "flag": (
        Stage(
            "flag",
            ledger.CODES["flag"],
            "series",
            quality.BACK,
            quality.FORWARD,
            cadences=quality.CADENCES,
            sealed=True,
        ),
        flag,
    ),
    "compare": (compare_job.STAGE, compare),
    "hour": (
        Stage(
            "hour",
            ledger.CODES["hour"],
            "series",
            grid=_HOUR,
            period=_HOUR,
            tick=timedelta(minutes=1),
            sealed=True,
            after="compare",
        ),
        hour,
    ),
    "derive": (Stage("derive", ledger.CODES["derive"], "series", grid=_HOUR, period=_HOUR, tick=_HOUR), derive),
    "average": (
        Stage(
            "average",
            ledger.CODES["average"],
            "series",
            averaging.BACK,
            averaging.FORWARD,
            grid=_HOUR,
            period=_HOUR,
            tick=_HOUR,
        ),
        average,
    ),
    "assess": (Stage("assess", ledger.CODES["assess"], "station"), assess),
    "detect": (
        Stage("detect", ledger.CODES["detect"], "station", grid=_HOUR, period=_HOUR, tick=_HOUR),
        detect,
    ),
}


def _mark(take: Take, stage: str, windows: pl.DataFrame) -> None:
    ledger.mark(take.conn, STAGES[stage][0], windows, take.now)


def _of_stations(windows: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS of stations from those of their series; what is less than a day apart is one."""
    stations = series.select(pl.col("series").alias("subject"), "station")
    return _apart(windows.join(stations, on="subject").select(pl.col("station").alias("subject"), "start", "stop"))


def _apart(windows: pl.DataFrame) -> pl.DataFrame:
    """`windows` (WINDOWS); what is less than a day apart is one."""
    return ledger.merge(windows.with_columns(pl.col("stop") + _DAY)).with_columns(pl.col("stop") - _DAY)


def _mark_hours(take: Take, changed: pl.DataFrame, series: pl.DataFrame) -> None:
    """Nothing; what is made of the hours that `changed` is marked."""
    windows = ledger.runs(changed, "series", _HOUR)
    _mark(take, "average", windows)
    _mark(take, "derive", derive_job.of_dependents(take.conn, windows))
    _mark_stations(take, changed, series)


def _mark_stations(take: Take, changed: pl.DataFrame, series: pl.DataFrame) -> None:
    rows = changed.join(series.select("series", "station"), on="series").select("station", "time").unique()
    _mark(take, "assess", ledger.runs(rows, "station", _DAY))


def mark_registered(conn: Connection, effect: Effect, now: datetime) -> None:
    """Nothing; what a registration touches in stored results is marked. Call it in the registration's transaction."""
    ledger.mark(conn, ledger.DECIDE, effect.decide, now)
    ledger.mark(conn, STAGES["derive"][0], effect.derive, now)
    ledger.mark(conn, STAGES["average"][0], effect.average, now)
    for stage in ("assess", "detect"):
        ledger.mark(conn, STAGES[stage][0], effect.assess, now)


@dataclass(slots=True)
class Work:
    """What a stage did in one `settle`."""

    stage: str
    takes: int = 0
    marks: int = 0
    #: hours of all affected windows: what the stages' declared reach allows to be touched
    reach: int = 0
    read: int = 0
    written: int = 0
    seconds: float = field(default=0.0)
    #: whether the last take left something of its shards
    left: bool = False


def settle(
    conn: Connection,
    clock: Callable[[], datetime],
    *,
    budget: int = BUDGET,
    notice: Callable[[Work, int], None] = lambda work, marks: None,
) -> list[Work]:
    """What each stage did until nothing was due. Marks that another settler holds are waited for.

    Every take is a transaction of its own: killed between or inside takes, what is done stays and the rest is still
    marked. `notice` hears of every take, with the marks taken so far.
    """
    work, book = {name: Work(name) for name in STAGES}, RuleBook()
    while marks := due(conn, clock()):
        took = 0
        for name in STAGES:
            for shards in packs(STAGES[name][0], marks.get(name, {})):
                more = True
                while more:  # all of it: who has neighbours in the next take would be compared again after that
                    took += take_once(conn, name, shards, book, clock, budget, work[name])
                    notice(work[name], sum(item.marks for item in work.values()))
                    more = work[name].left
            if took:
                marks = due(conn, clock())  # what a stage marked, the next one does in the same round
        if not took:
            time.sleep(0.05)  # every due shard is in another settler's hands
    return list(work.values())


def take_once(
    conn: Connection,
    name: str,
    shards: Sequence[int],
    book: RuleBook,
    clock: Callable[[], datetime],
    budget: int,
    work: Work,
    lane: Lane = WHOLE,
) -> bool:
    """Whether there was something to do for the stage `name` on `shards`; it is done, and added to `work`.

    Only what is in the `lane`.
    """
    began = time.perf_counter()
    stage, run = STAGES[name]
    work.left = False
    with ledger.take(conn, stage, shards, clock(), lambda subjects: steps(conn, stage, subjects), budget, lane) as take:
        if take is None:
            return False
        run(take, book.open(conn))
    work.takes += 1
    work.left = take.left
    work.marks += take.marks
    work.reach += round((take.affected["stop"] - take.affected["start"]).sum() / _HOUR)  # type: ignore[operator]  # a time
    work.read += take.read
    work.written += take.written
    work.seconds += time.perf_counter() - began
    log.debug("take", stage=name, shards=len(shards), marks=take.marks, read=take.read, written=take.written)
    return True


def due(conn: Connection, now: datetime, lane: Lane = WHOLE) -> dict[str, dict[int, int]]:
    """Stage -> shard -> weight of the marks due in the `lane`, if there are any: their number and hours they span."""
    names = {stage.code: name for name, (stage, _) in STAGES.items()}
    rows = conn.execute(
        "SELECT stage::int4, subject %% %s, count(*) + extract(epoch FROM sum(stop - start))::int8 / 3600 FROM stale"
        " WHERE due <= %s AND stage = ANY(%s) AND stop > %s AND stop <= %s"
        " GROUP BY 1, 2 ORDER BY 2",
        [ledger.SHARDS, now, list(names), *lane],
    ).fetchall()
    found: dict[str, dict[int, int]] = {}
    for code, shard, weight in rows:
        found.setdefault(names[int(str(code))], {})[int(str(shard))] = int(str(weight))
    return found


def gathering(
    conn: Connection, name: str, marks: Mapping[str, Mapping[int, int]], since: datetime, little: int
) -> set[int]:
    """Shards of the stage `name` that are better left: what makes them due is still at work, and none waits `since`.

    A station's stages are due by each of its series, and `compare` by each neighbour: taken after each, a station would
    be made as often as it has series, a series compared as often as it has neighbours. Of what goes abreast all shards
    are left, or none; and none for a weight of `little` that is still to be judged: so much comes in all the time.
    """
    stage, _ = STAGES[name]
    by_series = stage.subject == "station" and any(STAGES[other][0].subject == "series" for other in marks)
    ahead = sum(marks.get(ledger.READINGS.name, {}).values())
    if not (by_series or (stage.abreast and ahead > little)):
        return set()
    rows = conn.execute(
        "SELECT subject %% %s FROM stale WHERE stage = %s GROUP BY 1 HAVING min(due) > %s",
        [ledger.SHARDS, stage.code, since],
    ).fetchall()
    early = {int(str(row[0])) for row in rows}
    return set() if stage.abreast and not early.issuperset(marks.get(name, {})) else early


def packs(stage: Stage, weights: Mapping[int, int]) -> Iterator[list[int]]:
    """The shards of `weights`, light ones together: a take has its price, whatever there is to do in it.

    A heavy one stays alone, so that several workers find work each; but where subjects go abreast all are together.
    """
    if stage.abreast and weights:
        yield list(weights)
        return
    pack: list[int] = []
    size = 0
    for shard, weight in weights.items():
        if pack and size + weight > PACK:
            yield pack
            pack, size = [], 0
        pack.append(shard)
        size += weight
    if pack:
        yield pack


def steps(conn: Connection, stage: Stage, subjects: list[int]) -> pl.DataFrame:
    """`subject`, `cadence` [s] as registered, and `step` [s] between the rows a subject of `stage` really reads.

    A series may be far denser than it was registered: what a take loads is bounded by what is there. Where subjects go
    abreast also of those that they read, whom each of them `reads`, and the times of its `first` and `last` reading.
    """
    reads = compare_job.around(conn, subjects) if stage.abreast else None
    asked = subjects if reads is None else reads["reads"].explode(empty_as_null=False).unique().to_list()
    series = registry.load_density(conn, stage.subject, asked)
    if stage.subject == "station":
        hours = pl.lit(3600.0) / (pl.len() * 3)
        return series.group_by(pl.col("station").alias("subject")).agg(pl.col("cadence").min(), hours.alias("step"))
    hourly = stage.name in ("average", "derive")
    step = pl.lit(3600.0) if hourly else pl.min_horizontal(pl.col("cadence").cast(pl.Float64), "spacing")
    if stage.name == "decide":  # several rows compete for each, and savers of the series wait while it is decided
        step = step / 5
    found = series.select(pl.col("series").alias("subject"), "cadence", step.alias("step"), "first", "last")
    return found.drop("first", "last") if reads is None else found.join(reads, on="subject", how="left")
