"""Regions: made again at the end of a take of `detect`, where its episodes may have joined, parted or changed one.

They are of all stations, a take has but some: whoever changed episodes of a rule waits for others that did, reads what
these committed, and makes what its own touch. So the last of them has seen all, in whatever order they came.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from analytics import regions
from analytics.regions import Reach
from analytics.store import derived, ledger, names, registry, terms
from analytics.store import regions as store
from analytics.store.connection import Connection
from analytics.store.ledger import Take

_HOUR, _INSTANT = timedelta(hours=1), timedelta(microseconds=1)


def gather(take: Take, reaches: Mapping[str, Reach], made: pl.DataFrame, changed: pl.DataFrame) -> None:
    """Nothing; regions are as episodes make them now. `made` (`frames.EPISODES`) may have changed, and so did what
    begins or began at the keys `changed` (rule, station, time)."""
    conn = take.conn
    times = pl.concat([made.select("rule", "time", "stop"), changed.select("rule", "time", stop="time")])
    spans = times.group_by("rule").agg(pl.col("time").min(), pl.col("stop").max())
    numbers = terms.numbers(conn, "episode")
    places = registry.load_stations(conn).select("station", "longitude", "latitude")
    for number, rule, start, stop in sorted((numbers[rule], rule, *rest) for rule, *rest in spans.iter_rows()):
        if rule in reaches:
            _gather(take, number, reaches[rule], places, start, stop)


def _gather(take: Take, number: int, reach: Reach, places: pl.DataFrame, start: datetime, stop: datetime) -> None:
    conn = take.conn
    store.lock(conn, number)
    whole, first, last = _whole(conn, number, reach, places, start, stop)
    found = regions.merge(whole, places, {reach.rule: reach})
    # What begins between the two is whole; what lies around may be cut, and stays as it is.
    mine = found.regions.filter(pl.col("time").is_between(first, last))
    key = mine.select("region", pl.lit(number, pl.Int32).alias("rule"), "station", "time")
    members = found.members.rename({"station": "member", "time": "since"}).join(key, on="region")
    windows = pl.DataFrame([(number, first, last + _INSTANT)], schema=dict(ledger.WINDOWS), orient="row")
    derived.write(take, derived.REGION, mine.with_columns(pl.lit(number, pl.Int32).alias("rule")), windows=windows)
    derived.write(take, derived.MEMBER, members.select(list(derived.MEMBER.columns)), windows=windows)
    named = found.members.join(mine.select("region", "rule", "closed"), on="region").select(
        pl.col("region").alias("key"), "station", "rule", "time", "stop", "closed"
    )
    names.keep_regions(conn, number, named, first, last)


def _whole(
    conn: Connection, number: int, reach: Reach, places: pl.DataFrame, start: datetime, stop: datetime
) -> tuple[pl.DataFrame, datetime, datetime]:
    """Episodes of the rule, and two times: of every region that is other now, or was before, and of all that begin
    between the two, all episodes are there. What is other touches [`start`, `stop`]."""
    lag = reach.lag * _HOUR
    before = store.touched(conn, number, start, stop)
    first, last = _hull([(start, stop), *before.iter_rows()])
    margin = 2 * lag + _HOUR
    early, late = first - margin, last + margin
    while True:
        rows = store.episodes(conn, number, reach.rule, early, late)
        parts = regions.components(rows, places, reach)
        here = parts.filter(pl.col("time") <= stop, pl.col("stop") >= start)
        first, last = _hull([(first, last), *here.iter_rows()])
        asked = parts.filter(pl.col("time") <= last, pl.col("time") >= first)
        low, high = _hull([(first, last), *asked.iter_rows()])
        if low - lag >= early and high + lag <= late:
            return rows, first, last
        margin *= 2
        early, late = min(early, low - lag - margin), max(late, high + lag + margin)


def _hull(spans: list[tuple[datetime, datetime]]) -> tuple[datetime, datetime]:
    return min(start for start, _ in spans), max(stop for _, stop in spans)
