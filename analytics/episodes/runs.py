"""Runs of a condition, with hysteresis: what hours say (`conditions`) -> episodes.

Only `over`, of how many of its levels a value is beyond, and `hold`, of how many off lines (none: the period is quiet),
are looked at here, so rules of several editions can follow one another within one run.

The state at a time depends on nothing before a quiet stretch longer than the bridge, nor on anything after the next
one: `borders` finds them, and between them an episode may be made again by itself (DESIGN.md, law 3).
"""

import polars as pl

from analytics.episodes.conditions import SUBJECT
from analytics.episodes.measures import MICRO
from analytics.frames import EPISODES, conform, settle

#: Length of a period, and what `silence` counts in.
PERIOD = pl.duration(hours=1)


def runs(marked: pl.DataFrame) -> pl.DataFrame:
    """The episodes (`frames.EPISODES`) in `marked` (`CONDITIONS`, each station, rule and time once), by their key.

    An episode begins with the first period beyond the first level and ends with the last one that is not quiet before
    a quiet stretch longer than the bridge; `closed` says whether that stretch, or a value from beyond the silence, has
    followed. The dose is the excess over the first level, each period counted for an hour.
    """
    rows = _stretches(marked)
    # A value between two lines keeps the level that was: on above the level, off at the off line, else as before.
    depth = int(str(rows["over"].max() or 1))
    levels = [_kept(k) for k in range(2, depth + 1)]
    rows = rows.with_columns(pl.sum_horizontal(pl.lit(1, pl.Int16), *levels).cast(pl.Int16).alias("level"))
    group = [*SUBJECT, "stretch"]
    rows = rows.filter(pl.col("quiet") <= pl.col("bridge"))  # the others part stretches and are in none
    begun, goes_on = pl.col("over") > 0, pl.col("hold") > 0
    held = rows.filter(begun.cum_max().over(group), goes_on.cum_max(reverse=True).over(group))
    changes = pl.col("level") != pl.col("level").shift()
    made = (
        held.with_columns(changes.fill_null(value=True).over(group).alias("turn"))
        .group_by(group, maintain_order=True)
        .agg(
            pl.col("last").first(),
            pl.col("minimum").first(),
            pl.col("time").first(),
            (pl.col("time").last() + PERIOD).alias("stop"),
            pl.col("level").max(),
            pl.col("value").get((pl.col("value") * pl.col("sign")).arg_max()).alias("peak"),
            pl.col("time").get((pl.col("value") * pl.col("sign")).arg_max()).alias("peak_time"),
            pl.col("excess").sum(),
            (pl.col("hold") > 0).sum().alias("count"),
            _story().alias("levels"),
        )
        .filter(pl.col("count") >= pl.col("minimum"))
        .with_columns(
            (pl.col("stretch") < pl.col("last")).alias("closed"), settle(pl.col("excess") / MICRO).alias("dose")
        )
    )
    return conform(made, EPISODES)


def _kept(k: int) -> pl.Expr:
    on = pl.when(pl.col("over") >= k).then(1).when(pl.col("hold") < k).then(0)
    return on.forward_fill().fill_null(0).over([*SUBJECT, "silent"]).cast(pl.Int16)


def _story() -> pl.Expr:
    """JSON of the changes of level, as PostgreSQL writes it: [["2026-01-01T05:00:00Z", 1], ...]."""
    stamp = pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    pair = pl.format('["{}", {}]', stamp, pl.col("level")).filter(pl.col("turn"))
    return pl.lit("[") + pair.str.join(", ") + pl.lit("]")


def _stretches(marked: pl.DataFrame) -> pl.DataFrame:
    """`marked` with the number of the stretch in which a period stands, of the `last` one, and of the `silent` ones.

    Silences and the quiet periods beyond the bridge part stretches: two periods that are not quiet belong together
    exactly if they stand in one.
    """
    late = pl.col("time").diff() > pl.duration(hours=pl.col("silence"))
    rows = marked.sort(*SUBJECT, "time").with_columns(
        late.fill_null(value=False).cum_sum().over(SUBJECT).alias("silent")
    )
    rows = rows.with_columns(_quiet([*SUBJECT, "silent"]).alias("quiet"))
    ends = pl.col("quiet") > pl.col("bridge")
    rows = rows.with_columns((pl.col("silent") + ends.cum_sum().over(SUBJECT)).alias("stretch"))
    return rows.with_columns(pl.col("stretch").last().over(SUBJECT).alias("last"))


def _quiet(group: list[str]) -> pl.Expr:
    """How many quiet periods end here, this one included, within `group`."""
    number = pl.int_range(1, pl.len() + 1)
    before = pl.when(pl.col("hold") > 0).then(number).forward_fill().fill_null(0)
    return (number - before).over(group)


def borders(marked: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """`windows` (window, station, rule, start, stop) with `after` and `until`, null where `marked` does not reach far
    enough.

    Whatever changes inside [start, stop), no episode that begins at or before `after`, or after `until`, is another
    one. `marked` (`CONDITIONS` and `window`) holds what is known around each window, whole hours in a row.
    """
    rows = marked.join(windows.select("window", "start", "stop"), on="window").sort("window", "time")
    rows = rows.with_columns(
        pl.when(pl.col("time") < pl.col("start")).then(-1).when(pl.col("time") >= pl.col("stop")).then(1).alias("side")
    )
    rows = rows.with_columns(_quiet(["window", "side"]).alias("quiet")).filter(pl.col("quiet") > pl.col("bridge"))
    found = rows.group_by("window").agg(
        pl.col("time").filter(pl.col("side") == -1).max().alias("after"),
        pl.col("time").filter(pl.col("side") == 1).min().alias("until"),
    )
    return windows.join(found, on="window", how="left", maintain_order="left")
