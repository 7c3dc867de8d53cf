"""What the assessments of air, water and noise share: local days, standards in force, whole-number arithmetic."""

import polars as pl

from analytics.standards import Standards, in_force

MICRO = 1_000_000


def dated(averages: pl.DataFrame, stations: pl.DataFrame) -> pl.DataFrame:
    """`averages` with the local `day` of their time."""
    day = (pl.col("time") + pl.duration(minutes=pl.col("offset"))).dt.date()
    return averages.join(stations.select("station", "offset"), on="station").with_columns(day=day)


def judged(averages: pl.DataFrame, stations: pl.DataFrame, standards: Standards, asked: pl.DataFrame) -> pl.DataFrame:
    """The averages with a value that a standard in force asks for, once for each: station, time, value, day, `asked`.

    `asked` has standard, parameter, averaging and what the assessment needs of them. Where none is asked for, a frame
    of no rows, whatever its columns.
    """
    # Numbers, where many rows are joined: words cost ten times as much.
    pairs = asked.select("parameter", "averaging").unique().with_row_index("pair")
    codes = asked.select("standard").unique().with_row_index("code")
    wanted = asked.join(pairs, on=["parameter", "averaging"]).join(codes, on="standard")
    held = averages.filter(pl.col("value").is_not_null()).join(pairs, on=["parameter", "averaging"])
    if held.is_empty():
        return held
    days = dated(held.select("station", "time", "value", "pair"), stations)
    force = in_force(standards.adoptions, stations, days.select("station", "day")).join(codes, on="standard")
    coded = days.join(force.select("station", "day", "code"), on=["station", "day"])
    return coded.join(wanted, on=["code", "pair"]).drop("code", "pair", "offset")


def micros(value: str | pl.Expr) -> pl.Expr:
    """`value` in whole millionths of its unit."""
    return ((pl.col(value) if isinstance(value, str) else value) * MICRO).round().cast(pl.Int64)


def rounded(whole: pl.Expr, decimals: pl.Expr) -> pl.Expr:
    """Millionths rounded half to even at `decimals` of the unit; as they are where that is null."""
    step = 10 ** (6 - decimals)
    low, rest = whole // step, 2 * (whole % step)
    up = (rest > step) | ((rest == step) & (low % 2 == 1))
    return pl.coalesce((low + up.cast(pl.Int64)) * step, whole)
