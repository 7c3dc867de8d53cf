"""The chain from reading to index: what each stage loads, computes and writes. `settle`, workers and the demo share it.

flag      own series                      -> verdict
hour      readings and their verdicts     -> average `hour`
average   hours                           -> average moving24, running8, day, mda8, mda1
assess    averages of a station           -> assessment
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl
import structlog

from analytics import assessment, averaging, parameters, quality, standards, tables
from analytics.store import derived, ledger, migrations, observations, registry
from analytics.store.connection import Connection
from analytics.store.ledger import Stage, Take
from analytics.store.register import Effect

log = structlog.get_logger()

#: Rows a take loads at most: some hundred bytes each while a stage works on them.
BUDGET = 1_000_000
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """The package tables in force for observations of [since, until), parsed. None is without end."""

    since: datetime | None
    until: datetime | None
    edition: int
    parameters: Mapping[str, parameters.Parameter]
    averagings: Mapping[str, averaging.Averaging]
    marks: Mapping[str, int | None]
    standards: standards.Standards

    def covers(self, time: pl.Expr) -> pl.Expr:
        """Whether `time` lies in the period."""
        early = pl.lit(True) if self.since is None else time >= self.since
        return early if self.until is None else early & (time < self.until)


def load_rules(conn: Connection, known: datetime | None = None) -> list[Rules]:
    """The rules of every period, oldest first: a package table that changed holds for what is observed from then on.

    With `known`, as they were at that time.
    """
    dated = {name: migrations.editions(conn, name, known) for name in tables.names()}
    starts = sorted({since for found in dated.values() for _, since, _ in found if since is not None})
    site = registry.load_adoptions(conn)
    out = []
    for since, until in zip([None, *starts], [*starts, None], strict=True):
        valid = {
            name: [item for item in found if item[1] is None or (since is not None and item[1] <= since)][-1]
            for name, found in dated.items()
        }
        content = {name: item[2] for name, item in valid.items()}
        content["standards/adoptions"] = [*content["standards/adoptions"], *site]
        out.append(
            Rules(
                since,
                until,
                valid["parameters"][0],
                parameters.parse(content["parameters"]),
                averaging.parse(content["averagings"]),
                quality.marks(content["marks"]),
                standards.parse(content),
            )
        )
    return out


@dataclass(slots=True)
class RuleBook:
    """The rules as they are in the database now, read again only when they changed."""

    _state: object = None
    _rules: list[Rules] = field(default_factory=list)

    def open(self, conn: Connection) -> list[Rules]:
        """`load_rules`. Ask inside a take: marks made under new rules are never settled by old ones."""
        state = conn.execute(
            "SELECT (SELECT max(id) FROM edition), (SELECT string_agg(a::text, '|' ORDER BY a::text) FROM adoption a)"
        ).fetchone()
        if state != self._state:
            self._rules, self._state = load_rules(conn), state
        return self._rules


def make_again(readings: pl.DataFrame, series: pl.DataFrame, rules: list[Rules]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Verdicts and all averages of `readings`, by the same functions as the stages, without the store."""
    verdicts = _by_rules(rules, lambda rule: quality.flag(readings, series, rule.parameters, rule.marks))
    judged = _with_codes(readings, verdicts)
    hours = _by_rules(rules, lambda rule: averaging.hours(judged, series, rule.parameters, rule.averagings))
    rest = _by_rules(rules, lambda rule: averaging.windows(hours, series, rule.parameters, rule.averagings))
    return verdicts, pl.concat([hours, rest])


def _with_codes(readings: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    return readings.join(verdicts.select("series", "time", "code"), on=["series", "time"], how="left")


def flag(take: Take, rules: list[Rules]) -> None:
    """Judges the readings of the affected windows."""
    series = registry.load_series(take.conn, take.load["subject"].unique().to_list())
    readings = observations.load(take.conn, take.load)
    take.read += readings.height
    made = _by_rules(rules, lambda rule: quality.flag(readings, series, rule.parameters, rule.marks))
    for rule in rules:
        derived.judged(take, rule.edition, rule.since, rule.until)
    changed = derived.write(take, derived.VERDICT, made)
    # The readings that marked this window are new or other, whatever their verdict: the hour is made again for them
    # and for every reading whose verdict changed beside them.
    _mark(take, "hour", ledger.merge(pl.concat([take.claimed, ledger.runs(changed, "series", _HOUR)])))


def hour(take: Take, rules: list[Rules]) -> None:
    """Hourly means of the affected windows."""
    series = registry.load_series(take.conn, take.load["subject"].unique().to_list())
    readings = observations.load(take.conn, take.load)
    verdicts = derived.load(take.conn, derived.VERDICT, take.load)
    take.read += readings.height + verdicts.height
    judged = _with_codes(readings, verdicts)
    made = _by_rules(rules, lambda rule: averaging.hours(judged, series, rule.parameters, rule.averagings))
    changed = derived.write(take, derived.AVERAGE, made, {"averaging": ["hour"]})
    _mark(take, "average", ledger.runs(changed, "series", _HOUR))
    _mark_stations(take, changed, series)


def average(take: Take, rules: list[Rules]) -> None:
    """Everything that is built from hours: running means, days, daily maxima."""
    series = registry.load_series(take.conn, take.load["subject"].unique().to_list())
    hours = derived.load(take.conn, derived.AVERAGE, take.load, {"averaging": ["hour"]})
    take.read += hours.height
    made = _by_rules(rules, lambda rule: averaging.windows(hours, series, rule.parameters, rule.averagings))
    names = sorted({name for rule in rules for name in rule.averagings} - {"hour"})
    changed = derived.write(take, derived.AVERAGE, made, {"averaging": names})
    _mark_stations(take, changed, series)


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
    made = _by_rules(rules, lambda rule: assessment.assess(spoken, stations, rule.standards))
    derived.write(take, derived.ASSESSMENT, made)


def speak(averages: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
    """station, parameter, averaging, time, value: the mean of the series that speaks, else of its stand-in."""
    return (
        averages.filter(pl.col("value").is_not_null())
        .join(voices.select("series", "station", "parameter", "rank"), on="series")
        .sort("rank")
        .unique(["station", "parameter", "averaging", "time"], keep="first", maintain_order=True)
        .select("station", "parameter", "averaging", "time", "value")
    )


def _by_rules(rules: list[Rules], make: Callable[[Rules], pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([make(rule).filter(rule.covers(pl.col("time"))) for rule in rules])


Run = Callable[[Take, list[Rules]], None]

STAGES: Mapping[str, tuple[Stage, Run]] = {
    "flag": (
        Stage("flag", ledger.CODES["flag"], "series", quality.BACK, quality.FORWARD, cadences=quality.CADENCES),
        flag,
    ),
    "hour": (
        Stage("hour", ledger.CODES["hour"], "series", grid=_HOUR, period=_HOUR, tick=timedelta(minutes=1)),
        hour,
    ),
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
}


def _mark(take: Take, stage: str, windows: pl.DataFrame) -> None:
    ledger.mark(take.conn, STAGES[stage][0], windows, take.now)


def _mark_stations(take: Take, changed: pl.DataFrame, series: pl.DataFrame) -> None:
    rows = changed.join(series.select("series", "station"), on="series").select("station", "time").unique()
    _mark(take, "assess", ledger.runs(rows, "station", _DAY))


def mark_registered(conn: Connection, effect: Effect, now: datetime) -> None:
    """Nothing; what a registration touches in stored results is marked. Call it in the registration's transaction."""
    ledger.mark(conn, STAGES["average"][0], effect.average, now)
    ledger.mark(conn, STAGES["assess"][0], effect.assess, now)


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
    while shards := _due(conn, clock()):
        took = 0
        for name, (stage, run) in STAGES.items():
            for shard in sorted(shard for code, shard in shards if code == stage.code):
                took += _take_once(conn, stage, run, book, shard, clock, budget, work[name])
                notice(work[name], sum(item.marks for item in work.values()))
            if took:
                shards = _due(conn, clock())  # what a stage marked, the next one does in the same round
        if not took:
            time.sleep(0.05)  # every due shard is in another settler's hands
    return list(work.values())


def _take_once(
    conn: Connection,
    stage: Stage,
    run: Run,
    book: RuleBook,
    shard: int,
    clock: Callable[[], datetime],
    budget: int,
    work: Work,
) -> bool:
    began = time.perf_counter()
    with ledger.take(conn, stage, shard, clock(), lambda: steps(conn, stage), budget) as take:
        if take is None:
            return False
        run(take, book.open(conn))
    work.takes += 1
    work.marks += take.marks
    work.reach += round((take.affected["stop"] - take.affected["start"]).sum() / _HOUR)  # type: ignore[operator]  # a time
    work.read += take.read
    work.written += take.written
    work.seconds += time.perf_counter() - began
    log.debug("take", stage=stage.name, shard=shard, marks=take.marks, read=take.read, written=take.written)
    return True


def _due(conn: Connection, now: datetime) -> set[tuple[int, int]]:
    """(stage, shard) of every mark that is due."""
    rows = conn.execute(
        "SELECT DISTINCT stage::int4, subject %% %s FROM stale WHERE due <= %s AND stage = ANY(%s)",
        [ledger.SHARDS, now, [stage.code for stage, _ in STAGES.values()]],
    ).fetchall()
    return set(rows)  # type: ignore[arg-type]  # pairs of ints


def steps(conn: Connection, stage: Stage) -> pl.DataFrame:
    """`subject`, `cadence` [s] as registered, and `step` [s] between the rows a subject of `stage` really reads.

    A series may be far denser than it was registered: what a take loads is bounded by what is there.
    """
    series = registry.load_density(conn)
    if stage.subject == "station":
        hours = pl.lit(3600.0) / (pl.len() * 3)
        return series.group_by(pl.col("station").alias("subject")).agg(pl.col("cadence").min(), hours.alias("step"))
    hourly = stage.name == "average"
    step = pl.lit(3600.0) if hourly else pl.min_horizontal(pl.col("cadence").cast(pl.Float64), "spacing")
    return series.select(pl.col("series").alias("subject"), "cadence", step.alias("step"))
