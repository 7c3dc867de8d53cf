"""The stage `compare`: the first pass of a series, its neighbours' and what people say, folded into the final verdict.

Who is around whom is said by dated fits that `relearn` alone makes. They are few and change seldom, so a connection
keeps them all: `flag` asks at every take who reads what it has just judged.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

import polars as pl

from analytics import corrections, quality
from analytics.frames import PAIRS
from analytics.quality.surroundings import KIND
from analytics.store import corrections as layers
from analytics.store import derived, fits, ledger, registry
from analytics.store.connection import Connection
from analytics.store.ledger import Stage, Take
from jobs.readings import readings
from jobs.rules import Rules, by_rules, within

STAGE = Stage("compare", ledger.CODES["compare"], "series", cadences=quality.REACH, sealed=True, abreast=True)
#: Windows of a series that are less than this apart are marked as one: the minute's readings of all its neighbours.
_BRIDGE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Atlas:
    """All maps as they were when the fit `newest` was kept.

    `pairs`: `frames.PAIRS` and the `reach` of the series in time; `maps`: subject, since, until of each; `stations`:
    station, other, parameter, since, until, the same of the stations of the series.
    """

    newest: int
    pairs: pl.DataFrame
    maps: pl.DataFrame
    stations: pl.DataFrame


_ATLASES: WeakKeyDictionary[Connection, _Atlas] = WeakKeyDictionary()


def load_pairs(conn: Connection, known: datetime | None = None) -> pl.DataFrame:
    """`frames.PAIRS` of all maps, by series; as `known` at a time, if given."""
    return quality.pairs(fits.every(conn, KIND, known))


def _atlas(conn: Connection) -> _Atlas:
    """All maps. Ask inside a take: whoever draws a new one marks what it changes in the same transaction."""
    newest, atlas = fits.newest(conn), _ATLASES.get(conn)
    if atlas is None or atlas.newest != newest:
        pairs = load_pairs(conn)
        series = registry.load_series(conn, pairs["series"].unique().to_list())
        reach = pl.duration(seconds=quality.REACH * pl.col("cadence"))
        pairs = pairs.join(series.select("series", reach=reach), on="series")
        maps = pairs.select(pl.col("series").alias("subject"), since="start", until="stop").unique()
        places = registry.load_series(conn).select("series", "station", "parameter")
        stations = (
            pairs.join(places, on="series")
            .join(places.select(neighbour="series", other="station"), on="neighbour")
            .select("station", "other", "parameter", since="start", until="stop")
            .unique()
        )
        atlas = _ATLASES[conn] = _Atlas(newest, pairs, maps, stations)
    return atlas


def beside(conn: Connection, parameters: Collection[str]) -> pl.DataFrame:
    """station, other, parameter, since, until (null: no end): whom a station has around it that measures one of
    `parameters`, too."""
    return _atlas(conn).stations.filter(pl.col("parameter").is_in(list(parameters)))


def stations(conn: Connection, windows: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS of the stations that have one of the `series` (series, station, parameter) of `windows` (WINDOWS) around
    them then."""
    around_ = _atlas(conn).stations
    theirs = (
        windows.join(series.select("series", "station", "parameter"), left_on="subject", right_on="series")
        .join(around_, left_on=["station", "parameter"], right_on=["other", "parameter"], suffix="_hears")
        .filter(pl.col("stop") > pl.col("since"), pl.col("until").is_null() | (pl.col("start") < pl.col("until")))
    )
    return theirs.select(pl.col("station_hears").alias("subject"), "start", "stop")


def circle(conn: Connection, voices: pl.DataFrame) -> pl.DataFrame:
    """`frames.PAIRS` among `voices` (registry.load_voices), by the voice: who was held against whom, when; in the
    order of the maps."""
    speaks = voices.select("series", "voice")
    mine = _atlas(conn).pairs.join(speaks.filter(pl.col("series") == pl.col("voice")), on="series")
    return (
        mine.join(speaks, left_on="neighbour", right_on="series", suffix="_beside", maintain_order="left")
        .select("series", pl.col("voice_beside").alias("neighbour"), "start", "stop")
        .unique(maintain_order=True)
    )


def hearers(conn: Connection, windows: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS of the series whose verdicts may change with readings and first verdicts in `windows` (WINDOWS): these
    series themselves, and those that have one of them as neighbour then."""
    pairs = _atlas(conn).pairs.rename({"start": "since", "stop": "until"})
    theirs = windows.join(pairs, left_on="subject", right_on="neighbour").filter(
        pl.col("stop") + pl.col("reach") > pl.col("since"),
        pl.col("until").is_null() | (pl.col("start") - pl.col("reach") < pl.col("until")),
    )
    heard = theirs.select(pl.col("series").alias("subject"), "start", "stop")
    every = pl.concat([windows.select(*ledger.WINDOWS), heard]).with_columns(pl.col("stop") + _BRIDGE)
    return ledger.merge(every).with_columns(pl.col("stop") - _BRIDGE)


def around(conn: Connection, subjects: list[int]) -> pl.DataFrame:
    """`subject`, `reads`: each of the series `subjects`, with itself and all that ever were its neighbours."""
    mine = pl.DataFrame({"subject": subjects, "reads": subjects}, schema={"subject": pl.Int32, "reads": pl.Int32})
    theirs = _atlas(conn).pairs.filter(pl.col("series").is_in(subjects)).select(subject="series", reads="neighbour")
    return pl.concat([mine, theirs]).unique().group_by("subject").agg("reads")


def most(pairs: pl.DataFrame) -> int:
    """How many neighbours a series of `pairs` (`frames.PAIRS`) has at most."""
    return int(pairs.group_by("series", "start").len()["len"].max() or 0)  # type: ignore[arg-type]  # a number


def compare(take: Take, rules: list[Rules]) -> pl.DataFrame:
    """Key columns of the verdicts that changed: those of the affected windows are final now."""
    conn = take.conn
    first = derived.load(conn, derived.FIRST_VERDICT, take.affected)
    take.read += first.height
    held = _held(_atlas(conn).maps, take.affected)
    here, made = within(rules, take.affected), first
    if held.height:
        apart = ledger.inside(first, held, "series")
        made = pl.concat([first.join(apart, on=["series", "time"], how="anti"), _compared(take, held, here)])
    made = _spoken(conn, made, take.affected)
    for rule in here:
        derived.judged(take, rule.edition, rule.since, rule.until)
    return derived.write(take, derived.VERDICT, made)


def _held(maps: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS: the parts of `windows` (WINDOWS) in which their series has neighbours."""
    return ledger.merge(_parts(windows, maps))


def _parts(windows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS: the parts of `windows` that lie in one of `others` (subject, since, until; null: no end)."""
    parts = windows.join(others, on="subject").select(
        "subject", pl.max_horizontal("start", "since").alias("start"), pl.min_horizontal("stop", "until").alias("stop")
    )
    return parts.filter(pl.col("start") < pl.col("stop"))


def _compared(take: Take, held: pl.DataFrame, rules: list[Rules]) -> pl.DataFrame:
    """Verdicts of the windows `held`, in which series have neighbours."""
    conn = take.conn
    series = registry.load_series(conn, held["subject"].unique().to_list())
    cadences = series.select(pl.col("series").alias("subject"), "cadence")
    load = ledger.merge(ledger.widen(held, take.stage, cadences, take.stage.back, take.stage.forward))
    pairs = _atlas(conn).pairs.filter(pl.col("series").is_in(series["series"].implode())).select(*PAIRS)
    theirs = load.join(pairs, left_on="subject", right_on="series", suffix="_map").filter(
        pl.col("stop") > pl.col("start_map"),
        pl.col("stop_map").is_null() | (pl.col("start") < pl.col("stop_map")),
    )
    windows = ledger.merge(pl.concat([load, theirs.select(pl.col("neighbour").alias("subject"), "start", "stop")]))
    counted = readings(conn, windows)
    first = derived.load(conn, derived.FIRST_VERDICT, windows)
    take.read += counted.height + first.height
    asked = ledger.inside(counted, held, "series")
    return by_rules(
        rules, lambda rule: quality.compare(asked, counted, first, pairs, series, rule.parameters, rule.marks)
    )


def _spoken(conn: Connection, made: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The verdicts `made` in `windows` (WINDOWS) with the last word of people, where they said one."""
    said = corrections.in_force(layers.load(conn, windows)).filter(pl.col("kind") == "verdict")
    if said.is_empty():
        return made
    periods = said.select(pl.col("series").alias("subject"), since="start", until="stop")
    return corrections.verdicts(made, said, readings(conn, ledger.merge(_parts(windows, periods))))
