"""Channels and how long they have been silent; sources and stations, and how many of their channels are.

A channel is silent while its newest live reading is older than its own limit. What came late, was filled in or read
again is no live reading and ends no silence. Silence counts only while we were listening: from when we did without a
break until now, and only once a limit has passed since; before that nothing is known (`judged`), and what is remembered
goes blind. A channel that was silent is so (`down`) until it was heard again so many times as its rule asks.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics.frames import TIME

#: What is known of a channel that was ever heard live. `live` is its newest live reading, `since` from when on we have
#: been listening to it, null: we are not; `source` and `door` are of the batch of that reading, null: unknown;
#: `retired`: nothing is expected of it any more; `long` and `late` [s] as they were learned, null: the registered
#: `cadence` [s] stands.
CHANNELS: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("series", "station", "source"), pl.Int32()),
    "door": pl.String(),
    "cadence": pl.Int32(),
    "live": TIME,
    "since": TIME,
    "retired": pl.Boolean(),
    **dict.fromkeys(("long", "late"), pl.Float64()),
}
#: Channels that are down, and how often each of them was heard again.
MEMORY: Mapping[str, pl.DataType] = {"series": pl.Int32(), "live": TIME, "again": pl.Int32()}
#: How many channels of a station, or of a source, are silent (`shares`).
SHARES: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("channels", "silent"), pl.Int64()),
    "share": pl.Float64(),
    **dict.fromkeys(("out", "judged", "maybe"), pl.Boolean()),
    **dict.fromkeys(("due", "edge", "live", "onset"), TIME),
}
#: When we last looked, and since when without a break: of ourselves (door '') and of each door.
EARS: Mapping[str, pl.DataType] = {"door": pl.String(), "seen": TIME, "since": TIME}
#: Without a look, or a word of a door, for so long, nobody was listening; what waits so long in a spool was not heard.
BREAK = timedelta(seconds=60)


def listen(ears: pl.DataFrame, doors: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """`EARS` from now on, by door; who hears nothing now is seen no later than before.

    `doors` has door, told (when its program last told of its spool), oldest (what waits there) and full.
    """
    here = pl.lit(now, TIME)
    well = (here - pl.col("told") <= BREAK) & (here - pl.col("oldest") <= BREAK).fill_null(value=True) & ~pl.col("full")
    who = pl.concat(
        [
            pl.DataFrame({"door": [""], "well": [True]}),
            doors.select("door", well.fill_null(value=False).alias("well")),
        ]
    )
    broken = (here - pl.col("seen") > BREAK).fill_null(value=True)
    ours = (pl.col("since").filter(pl.col("door") == "").first()).alias("ours")
    return (
        who.join(ears, on="door", how="left", maintain_order="left")
        .with_columns(
            pl.when("well").then(here).otherwise("seen").alias("seen"),
            # A clock that was set back: what is said to begin later begins now.
            pl.when(pl.col("well") & broken).then(here).otherwise(pl.min_horizontal("since", here)).alias("since"),
        )
        .with_columns(ours)
        .with_columns(pl.max_horizontal("since", "ours").alias("since"))
        .select(*EARS)
    )


def heard_since(ears: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """door, since: from when on what came through each door was heard, null where nothing is now."""
    away = pl.lit(now, TIME) - pl.col("seen") > BREAK
    return ears.select("door", pl.when(~away).then("since").alias("since"))


def retired(stations: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """station: those that were somewhere (`places`, standards.PLACES) and are nowhere any more, by their local day."""
    day = (pl.lit(now, TIME) + pl.duration(minutes=pl.col("offset"))).dt.date().alias("day")
    until = pl.col("places").struct.field("until")
    return (
        stations.drop_nulls("places")
        .select("station", day, "places")
        .explode("places", empty_as_null=True)
        .group_by("station")
        .agg((until.is_not_null() & (until <= pl.col("day"))).all().alias("left"))
        .filter("left")
        .select("station")
    )


def judge(channels: pl.DataFrame, memory: pl.DataFrame, keys: Mapping[str, Any], now: datetime) -> pl.DataFrame:
    """`channels` (CHANNELS) with `limit`, `due` (when it runs out, of what we listened to), `silent` by its readings,
    `judged`: that is known; `again`: how often it was heard since it was, and `down`.

    `memory` (MEMORY) is of the last look, or what is known of before.
    """
    here = pl.lit(now, TIME)
    usual = keys["factor"] * (pl.col("long") + pl.col("late"))
    limit = pl.max_horizontal(
        pl.duration(microseconds=(usual * 1e6).fill_null(0).cast(pl.Int64)),
        pl.duration(seconds=keys["cadences"] * pl.col("cadence").cast(pl.Int64)),
        pl.lit(timedelta(minutes=keys["at_least"])),
    )
    before = memory.lazy().select("series", pl.col("live").alias("live_before"), pl.col("again").alias("again_before"))
    known, back = pl.col("again_before").is_not_null(), pl.col("live") > pl.col("live_before")
    silent = pl.col("silent")
    return (
        channels.lazy()
        .with_columns(limit.alias("limit"))
        .with_columns(
            (pl.max_horizontal("live", "since") + pl.col("limit")).alias("due"),
            ((here - pl.col("live") > pl.col("limit")) & ~pl.col("retired")).alias("silent"),
        )
        .with_columns((~silent | (pl.col("since").is_not_null() & (pl.col("due") < here))).alias("judged"))
        .join(before, on="series", how="left", maintain_order="left")
        .with_columns(
            pl.when(silent).then(0).when(known).then(pl.col("again_before") + back).cast(pl.Int32).alias("again")
        )
        .with_columns((~pl.col("retired") & (pl.col("again") < keys["clear"]).fill_null(value=False)).alias("down"))
        .drop("live_before", "again_before")
        .collect()
    )


def remember(judged: pl.DataFrame) -> pl.DataFrame:
    """`MEMORY` of `judged` (`judge`) for the next look."""
    return judged.filter("down").select(*MEMORY)


def shares(
    judged: pl.DataFrame, by: str, keys: Mapping[str, Any], lasting: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """A row a `by` (station, source) of the channels in `judged` (`judge`): `channels`, `silent` (those that are down),
    `share`; `out`, and `judged`: that is known; `due`: since when; `maybe`: not out, but of those of which it can be
    known by now so many are silent, and the others may be; `edge`: when one of the silent was heard last, `live`: when
    any was.

    Those count that were live in the `recent` [h] before now, or before the onset of what is `lasting` (`by`, onset).
    Where more than `share` of them are silent, or all, and no fewer than `least`, it is out; what lasts is so until no
    more than half of that are.
    """
    # What is heard again ends nothing yet, and begins nothing either.
    share, down = float(keys["share"]), pl.when(pl.col("onset").is_null()).then("silent").otherwise("down")
    if not judged["down"].any() and lasting.is_empty():  # nobody needs to know how many are silent
        return pl.DataFrame(schema={by: CHANNELS[by], **SHARES})
    counted = judged.lazy().filter(~pl.col("retired")).drop_nulls(by).join(lasting.lazy(), on=by, how="left")
    if "recent" in keys:
        ago = pl.coalesce("onset", pl.lit(now, TIME)) - pl.col("live")
        counted = counted.filter(ago <= pl.duration(hours=keys["recent"]) + pl.col("limit"))
    sure, last = down & pl.col("judged"), pl.col("live").filter(down).max()
    lasts = pl.col("onset").is_not_null()
    part, least = pl.when(lasts).then(share / 2).otherwise(share), pl.when(lasts).then(1).otherwise(keys["least"])

    def enough(silent: pl.Expr, channels: pl.Expr) -> pl.Expr:
        return (silent >= least) & ((silent > part * channels) | (silent == channels))

    silent, channels, certain = pl.col("silent"), pl.col("channels"), pl.col("certain")
    # The one with which it was enough.
    nth = pl.max_horizontal(pl.min_horizontal((share * channels).floor() + 1, channels), keys["least"])
    return (
        counted.group_by(by)
        .agg(
            pl.col("onset").first(),
            pl.len().cast(pl.Int64).alias("channels"),
            down.sum().cast(pl.Int64).alias("silent"),
            sure.sum().cast(pl.Int64).alias("certain"),
            (~down & (pl.col("live") > last)).sum().cast(pl.Int64).alias("heard"),
            last.alias("edge"),
            pl.col("live").max(),
            pl.col("due").filter(sure).sort().alias("dues"),
        )
        .with_columns(
            (silent / channels).alias("share"),
            enough(silent, channels).alias("out"),
            enough(certain, channels).alias("judged"),
            pl.col("dues").list.get(nth.cast(pl.Int64) - 1, null_on_oob=True).alias("due"),
        )
        .with_columns((~pl.col("out") & enough(silent, silent + pl.col("heard"))).alias("maybe"))
        .select(by, *SHARES)
        .sort(by)
        .collect()
    )
