"""Clocks of devices, held against ours: what is stamped ahead of its receipt; how far a clock is off, and its drift.

A stamp is compared with the time of receipt. What lies between them is the way (never negative, at times long), the
period a figure stands for (it is named by its start), and the clock's error. Of many the least delay has the least of
the way in it, so an hour of receipt keeps its least delay alone: the same whatever came first, and however often. The
median of eight such hours is what a clock is judged by, as NTP keeps the best of its last eight samples (RFC 5905,
section 10: the clock filter); the median of the slopes between minima is its drift (Paxson, On calibrating measurements
of packet transit times, SIGMETRICS 1998, section 4: de-noised minima, then a robust line).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from analytics.frames import REJECTS, TIME, Batch

#: A clock may be so much ahead of ours; a reading from beyond would be the newest of its series until then.
AHEAD = timedelta(minutes=10)
#: Why a cell is a reject whose stamp is further ahead of its receipt.
EARLY = "ahead of the clock"

#: Least delay [s] of what a source said of a station in an hour of receipt; negative where the stamp lies ahead.
DELAYS: Mapping[str, pl.DataType] = {
    "station": pl.String(),
    "source": pl.String(),
    "hour": TIME,
    "delay": pl.Float64(),
}
#: `offset` [s]: what the clock is ahead at least (behind: negative); 0 where nothing is proven, as a figure may come up
#: to its `step` [s] after the start of its period. `drift` [s/day]: what it gains; null before a day of hours is there.
CLOCKS: Mapping[str, pl.DataType] = {
    "station": pl.String(),
    "source": pl.String(),
    "seen": TIME,
    "delay": pl.Float64(),
    "offset": pl.Float64(),
    "drift": pl.Float64(),
}
#: Newest hours that the delay of a clock is the median of; how long they may lie apart.
HOURS, WINDOW = 8, timedelta(days=1)
#: Hours without which nothing is said: one batch of last week, or one garbled stamp, is an hour by itself.
FEWEST = 3
#: What a drift rests on: minima of so long, so many at least, in this window.
PIECE, PIECES, SPAN = timedelta(hours=6), 5, timedelta(days=7)
#: What a clock may be off before somebody is told [s].
LIMIT = 120.0
_OF = ["station", "source"]


def early(batch: Batch, now: datetime) -> Batch:
    """`batch`, what is stamped more than AHEAD after its receipt (`now` where that is not known) among its rejects.

    These rows have `value`, `mark` and `revision` beside the columns of REJECTS: with the clock put right they are
    readings.
    """
    late = _received(batch).fill_null(pl.lit(now, TIME)) + AHEAD
    ahead = batch.cells.select((pl.col("time") > late).alias("ahead")).to_series()
    if not ahead.any():
        return batch
    place = pl.lit(None, pl.String)
    if batch.places is not None:
        place = pl.format("{} {}", pl.lit(batch.place), pl.lit(batch.places.filter(ahead).cast(pl.String)))
    found = batch.cells.filter(ahead).select(
        "station",
        "channel",
        pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ").alias("stamp"),
        pl.col("value").cast(pl.String).alias("text"),
        place.alias("place"),
        pl.lit(EARLY).alias("reason"),
        "value",
        "mark",
        "revision",
    )
    received = batch.received
    return replace(
        batch,
        cells=batch.cells.filter(~ahead),
        rejects=pl.concat([batch.rejects.select(*REJECTS), found], how="diagonal"),
        places=None if batch.places is None else batch.places.filter(~ahead),
        received=received.filter(~ahead) if isinstance(received, pl.Series) else received,
    )


def _received(batch: Batch) -> pl.Expr:
    """When each cell of `batch` came; null where that is not known."""
    return pl.lit(batch.received, None if isinstance(batch.received, pl.Series) else TIME).cast(TIME)


def delays(batch: Batch) -> pl.DataFrame:
    """`station`, `hour`, `delay` [s] of the cells of `batch` whose receipt is known: the least of each hour."""
    if batch.received is None:
        return pl.DataFrame(schema={name: DELAYS[name] for name in ("station", "hour", "delay")})
    received = pl.col("received")
    return (
        batch.cells.select("station", "time", _received(batch).alias("received"))
        .drop_nulls()
        .group_by("station", received.dt.truncate("1h").alias("hour"))
        .agg(((received - pl.col("time")).dt.total_microseconds() / 1e6).min().alias("delay"))
        .sort("station", "hour")
    )


def estimate(delays: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """CLOCKS of `delays` (DELAYS), by station and source. `steps` (station, step [s]): the shortest of each station.

    Of a (station, source) whatever is older than WINDOW (SPAN, for the drift) before its newest hour is left out; with
    fewer hours than FEWEST nothing is said of it.
    """
    newest = pl.col("hour").max().over(_OF)
    known = delays.filter(pl.col("hour") > newest - SPAN).sort(*_OF, "hour")
    found = (
        known.filter(pl.col("hour") > newest - WINDOW)
        .group_by(_OF, maintain_order=True)
        .agg(pl.col("hour").max().alias("seen"), pl.col("delay").tail(HOURS).median(), pl.len().alias("hours"))
        .filter(pl.col("hours") >= FEWEST)
        .join(steps.select("station", pl.col("step").cast(pl.Float64)), on="station", how="left")
        .join(_drifts(known), on=_OF, how="left")
    )
    delay, step = pl.col("delay"), pl.col("step").fill_null(3600.0)
    offset = pl.when(delay < 0).then(-delay).when(delay > step).then(step - delay).otherwise(0.0)
    return found.with_columns(offset=offset).sort(_OF).select(*CLOCKS)


def _drifts(delays: pl.DataFrame) -> pl.DataFrame:
    """`station`, `source`, `drift` [s/day] where there are PIECES: the median slope between minima, its sign turned."""
    minima = (
        delays.group_by(*_OF, pl.col("hour").dt.truncate(PIECE).alias("piece"))
        .agg(pl.col("delay").min())
        .filter(pl.len().over(_OF) >= PIECES)
    )
    days = (pl.col("piece_right") - pl.col("piece")).dt.total_seconds() / 86400
    return (
        minima.join(minima, on=_OF)
        .filter(pl.col("piece") < pl.col("piece_right"))
        .group_by(_OF)
        .agg(((pl.col("delay") - pl.col("delay_right")) / days).median().alias("drift"))
    )
