"""What a backfill changed of what people see: days and their classes, episodes, who ranks before whom.

Before is as it was known when the backfill was begun, after is now: whatever else came for the same time meanwhile is
in it, too. All from what is kept by version; nothing is made again for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from analytics import averaging
from analytics.frames import EPISODES, TIME
from analytics.store import backfills, derived, registry
from analytics.store.connection import Connection

_DAY = timedelta(days=1)
#: Versions of a station's assessments that are held at once span so long.
_PAGE = timedelta(days=366)
_ROW = ["station", "averaging", "standard", "time"]
_SUBJECT = ["station", "rule"]

#: A day whose assessments are others: its worst index and class before and after, null: there was none; `rows` of them.
DAYS = {
    **dict.fromkeys(("station", "standard", "averaging"), pl.String()),
    "day": pl.Date(),
    **dict.fromkeys(("index_before", "index_after", "class_before", "class_after"), pl.Int16()),
    "rows": pl.UInt32(),
}
#: What became of an episode: `change` is new, withdrawn, merged, split, lengthened, shortened, moved, raised, lowered
#: or revised (another peak, dose or end); before is all of those that it is made of.
CHANGES = {
    **dict.fromkeys(("station", "rule", "change"), pl.String()),
    **dict.fromkeys(("start_before", "stop_before"), TIME),
    "level_before": pl.Int16(),
    **dict.fromkeys(("start", "stop"), TIME),
    "level": pl.Int16(),
}
#: A station's place by the mean index of the time, by the mean class where a standard has no index; 1 is the cleanest.
RANKS = {
    **dict.fromkeys(("standard", "averaging", "station"), pl.String()),
    **dict.fromkeys(("mean_before", "mean_after"), pl.Float64()),
    **dict.fromkeys(("rank_before", "rank_after"), pl.UInt32()),
}


@dataclass(slots=True)
class Diff:
    """What differs between `begun` and now in [start, stop): DAYS, CHANGES of episodes, RANKS."""

    backfill: int
    begun: datetime
    start: datetime | None = None
    stop: datetime | None = None
    days: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DAYS))
    episodes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHANGES))
    ranks: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RANKS))


def diff(conn: Connection, backfill: int, begun: datetime) -> Diff:
    """What `backfill`, begun then, has changed so far: of all stations, at the times that it can have changed."""
    out = Diff(backfill, begun)
    spans = backfills.spans(conn, backfill)
    if spans.is_empty():
        return out
    first, last = spans["start"].min(), spans["stop"].max()
    assert isinstance(first, datetime)  # of a column of times
    assert isinstance(last, datetime)
    # The local day of the first reading begins up to a day before it, running means end up to a day after the last.
    out.start, out.stop = first - averaging.BACK - _DAY, last + averaging.FORWARD + _DAY
    stations = registry.load_stations(conn).sort("code")
    days, sums, changes = [pl.DataFrame(schema=DAYS)], [], [out.episodes]
    for row in stations.select("station", "code", "offset").iter_rows(named=True):
        for page in _pages(row["station"], timedelta(minutes=row["offset"]), out.start, out.stop):
            before = derived.load(conn, derived.ASSESSMENT, page, known=begun)
            after = derived.load(conn, derived.ASSESSMENT, page)
            days.append(changed_days(before, after, row["code"], row["offset"]))
            sums.append(_sums(before, after, row["code"]))
        changes.append(_changes(conn, row["station"], row["code"], out))
    order = ["station", "standard", "averaging", "day"]
    out.days = pl.concat(days).sort(order)
    out.episodes = pl.concat(changes).sort("station", "rule", pl.coalesce("start", "start_before"))
    out.ranks = ranks(pl.concat(sums))
    return out


def _pages(station: int, offset: timedelta, start: datetime, stop: datetime) -> Iterator[pl.DataFrame]:
    """Windows of about a year, of whole local days."""
    schema: dict[str, pl.DataType] = {"station": pl.Int32(), "start": TIME, "stop": TIME}
    at = (start + offset).replace(hour=0, minute=0, second=0, microsecond=0) - offset
    while at < stop:
        end = at + _PAGE
        yield pl.DataFrame([(station, at, end)], schema=schema, orient="row")
        at = end


def changed_days(before: pl.DataFrame, after: pl.DataFrame, code: str, offset: int) -> pl.DataFrame:
    """DAYS of the station `code`, `offset` [min] from UTC, some of whose assessments (ASSESSMENTS) are others."""
    day = (pl.col("time") + pl.duration(minutes=offset)).dt.date().alias("day")
    both = (
        before.select(*_ROW, "index", "class", there=True)
        .join(after.select(*_ROW, "index", "class", there=True), on=_ROW, how="full", coalesce=True, suffix="_after")
        .with_columns(day)
    )
    other = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_after")) for name in ("index", "class", "there"))
    return (
        both.group_by("standard", "averaging", "day")
        .agg(
            pl.col("index").max().alias("index_before"),
            pl.col("index_after").max(),
            pl.col("class").max().alias("class_before"),
            pl.col("class_after").max(),
            other.sum().alias("rows"),
        )
        .filter(pl.col("rows") > 0)
        .with_columns(pl.lit(code).alias("station"))
        .select(*DAYS)
    )


def _changes(conn: Connection, station: int, code: str, out: Diff) -> pl.DataFrame:
    """CHANGES of the episodes of a station that touch the time of the difference, whenever they began."""
    extent = derived.extent(conn, derived.EPISODE, [station])
    if extent.is_empty():
        return out.episodes.clear()
    begun = derived.load(conn, derived.EPISODE, extent, known=out.begun)
    now = derived.load(conn, derived.EPISODE, extent)
    touch = (pl.col("time") < out.stop) & (pl.col("stop") > out.start)
    return changed_episodes(begun.filter(touch), now.filter(touch), {station: code})


def changed_episodes(before: pl.DataFrame, after: pl.DataFrame, codes: dict[int, str]) -> pl.DataFrame:
    """CHANGES from the episodes `before` to those `after` (EPISODES): what overlaps is what became of each other."""
    key = [*_SUBJECT, "time"]
    pairs = before.join(after, on=_SUBJECT, suffix="_after").filter(
        pl.col("time") < pl.col("stop_after"), pl.col("time_after") < pl.col("stop")
    )
    same = [pl.col(name).eq_missing(pl.col(f"{name}_after")) for name in EPISODES if name not in _SUBJECT]
    parts = pl.len().over(*_SUBJECT, "time").alias("parts")
    became = (
        pairs.with_columns(parts, pl.all_horizontal(same).alias("same"))
        .group_by(*_SUBJECT, pl.col("time_after").alias("start"), maintain_order=True)
        .agg(
            pl.col("time").min().alias("start_before"),
            pl.col("stop").max().alias("stop_before"),
            pl.col("level").max().alias("level_before"),
            pl.col("stop_after").first().alias("end"),
            pl.col("level_after").first(),
            pl.len().alias("of"),
            pl.col("parts").max(),
            pl.col("same").all(),
        )
        .filter(~pl.col("same"))
        .rename({"level_after": "level"})
        .with_columns(_word())
        .rename({"end": "stop"})
    )
    new = after.join(pairs, left_on=key, right_on=[*_SUBJECT, "time_after"], how="anti")
    gone = before.join(pairs, on=key, how="anti")
    parts_ = [
        became,
        new.select(*_SUBJECT, pl.lit("new").alias("change"), pl.col("time").alias("start"), "stop", "level"),
        gone.select(
            *_SUBJECT,
            pl.lit("withdrawn").alias("change"),
            pl.col("time").alias("start_before"),
            pl.col("stop").alias("stop_before"),
            pl.col("level").alias("level_before"),
        ),
    ]
    found = pl.concat(
        [part.select(name for name in CHANGES if name in part.columns) for part in parts_], how="diagonal"
    )
    named = found.with_columns(pl.col("station").replace_strict(codes, default=None, return_dtype=pl.String))
    return named.select(pl.col(name).cast(dtype) for name, dtype in CHANGES.items())


def _word() -> pl.Expr:
    """What became of an episode that overlaps those before."""
    early, late = pl.col("start") < pl.col("start_before"), pl.col("end") > pl.col("stop_before")
    less = (pl.col("start") > pl.col("start_before")) | (pl.col("end") < pl.col("stop_before"))
    level, before = pl.col("level"), pl.col("level_before")
    return (
        pl.when(pl.col("of") > 1)
        .then(pl.lit("merged"))
        .when(pl.col("parts") > 1)
        .then(pl.lit("split"))
        .when((early | late) & less)
        .then(pl.lit("moved"))
        .when(early | late)
        .then(pl.lit("lengthened"))
        .when(less)
        .then(pl.lit("shortened"))
        .when(level > before)
        .then(pl.lit("raised"))
        .when(level < before)
        .then(pl.lit("lowered"))
        .otherwise(pl.lit("revised"))
        .alias("change")
    )


def _sums(before: pl.DataFrame, after: pl.DataFrame, code: str) -> pl.DataFrame:
    """Sums and counts of index and class of each standard and averaging, `when` before and after."""
    parts = []
    for when, rows in (("before", before), ("after", after)):
        both = [
            expression.alias(f"{name}_{what}")
            for name in ("index", "class")
            for what, expression in (("sum", pl.col(name).cast(pl.Int64).sum()), ("count", pl.col(name).count()))
        ]
        parts.append(rows.group_by("standard", "averaging").agg(both).with_columns(pl.lit(when).alias("when")))
    return pl.concat(parts).with_columns(pl.lit(code).alias("station"))


def ranks(sums: pl.DataFrame) -> pl.DataFrame:
    """RANKS of the stations in `sums`, where a mean or a rank is another."""
    figures = pl.col("index_sum", "index_count", "class_sum", "class_count")
    whole = sums.group_by("standard", "averaging", "station", "when").agg(figures.sum())
    by_index = (pl.col("index_count").sum() > 0).over("standard", "averaging")
    total = pl.when(by_index).then("index_sum").otherwise("class_sum")
    count = pl.when(by_index).then("index_count").otherwise("class_count")
    means = whole.with_columns((total / count).alias("mean")).filter(count > 0)
    ranked = means.with_columns(pl.col("mean").rank("min").over("standard", "averaging", "when").alias("rank"))
    key = ["standard", "averaging", "station"]
    sides = [
        ranked.filter(when=when).select(
            *key, pl.col("mean").alias(f"mean_{when}"), pl.col("rank").alias(f"rank_{when}")
        )
        for when in ("before", "after")
    ]
    found = sides[0].join(sides[1], on=key, how="full", coalesce=True).select(*RANKS)
    other = pl.col("mean_before").ne_missing(pl.col("mean_after")) | pl.col("rank_before").ne_missing(
        pl.col("rank_after")
    )
    return found.filter(other).sort("standard", "averaging", "rank_after", "station")
