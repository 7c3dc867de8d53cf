"""Air: averages × HJ 633 -> index, class, primary pollutants; × GB 3095 -> what exceeds a limit.

The index is whole-number arithmetic on millionths of the unit: 60 µg/m³ gives 100, not 101.
"""

import polars as pl

from analytics.assessment._common import dated, micros, rounded
from analytics.frames import ASSESSMENTS, conform, empty, settle
from analytics.standards import Standards, in_force, in_phase

CURVE = ["standard", "parameter", "column"]
#: What gets one row. `kind` numbers the pairs of standard and assessment averaging.
SUBJECT = ["station", "kind", "time"]


def assess(averages: pl.DataFrame, stations: pl.DataFrame, standards: Standards) -> pl.DataFrame:
    """Assessments (`frames.ASSESSMENTS`), by station, standard, averaging and time.

    A row for each (station, standard in force on the local day of `time`, assessment averaging, time) with at least
    one pollutant that has an index. `averages`: station, parameter, averaging, time, value [unit of the parameter],
    one row each; `stations`: station, offset [min], places (`standards.PLACES`). `index` is the highest of the
    pollutants, null where the edition asks for all of them and some are missing; `class` its level; `primary` the
    pollutants that have it, in table order, above the index from which the edition names them. HJ 633, clauses 4, 5.
    """
    uses = _uses(standards)
    rows = _usable(averages, stations, standards, uses)
    if rows.is_empty():
        return empty(ASSESSMENTS)
    curves = uses.select("curve", *CURVE).unique()
    found = indices(rows.select("curve", "value").unique().join(curves, on="curve"), standards).join(curves, on=CURVE)
    rows = rows.join(found.select("curve", "value", "iaqi"), on=["curve", "value"])
    first, later = (rows.filter(pl.col("step") == step) for step in (1, 2))
    # A later step stands in only where the first has a concentration beyond its column.
    beyond = first.filter(pl.col("iaqi").is_null())
    later = later.join(beyond, on=[*SUBJECT, "bit"], how="semi")
    held = pl.concat([first, later]).filter(pl.col("iaqi").is_not_null())
    return conform(_overall(held, standards, uses), ASSESSMENTS)


def indices(concentrations: pl.DataFrame, standards: Standards) -> pl.DataFrame:
    """Individual index `iaqi` of each distinct (standard, parameter, column, value [unit of the parameter]).

    HJ 633, equation 1, rounded up; the concentration is first rounded half to even and not below zero. Beyond the
    last breakpoint the index is `above` of the column, null where it has none.
    """
    distinct = concentrations.select(*CURVE, "value").unique()
    fixed = standards.columns.select(*CURVE, "above").unique(CURVE)
    points = standards.breakpoints.select(*CURVE, "index", at=micros("concentration")).sort("at")
    previous = pl.col("index", "at").shift().over(CURVE).name.suffix("_low")
    rows = (
        distinct.join(standards.rounding.select(*CURVE[:2], "decimals"), on=CURVE[:2], how="left")
        .join(fixed, on=CURVE, how="left")
        .with_columns(at=rounded(micros("value").clip(0), pl.col("decimals")))
        .sort("at")
        .join_asof(
            points.with_columns(previous).drop_nulls(),
            on="at",
            by=CURVE,
            strategy="forward",
            coalesce=False,
            check_sortedness=False,
        )
    )
    rise = (pl.col("index") - pl.col("index_low")) * (pl.col("at") - pl.col("at_low"))
    run = pl.col("at_right") - pl.col("at_low")
    inside = pl.col("index_low") + (rise + run - 1) // run
    return rows.select(*CURVE, "value", iaqi=pl.coalesce(inside, "above"))


def exceedances(
    averages: pl.DataFrame, stations: pl.DataFrame, standards: Standards, *, area: str = "class2"
) -> pl.DataFrame:
    """Averages strictly above a limit in force on their local day, by station, standard, parameter and time.

    station, standard, phase, parameter, averaging, time, value, limit [unit of the parameter] and `multiple`, how
    many times the limit the excess is [1] (HJ 663: (C - S) / S). `averages` and `stations` as `assess` takes them;
    `area` is the class of the area, `class1` or `class2`. GB 3095, tables 1 and 2.
    """
    limits = standards.limits.select(
        "standard", "phase", "valid_from", "valid_to", "parameter", "averaging", limit=area
    )
    limited = averages.join(limits, on=["parameter", "averaging"], how="semi").filter(pl.col("value").is_not_null())
    days = dated(limited, stations)
    rows = (
        days.join(in_force(standards.adoptions, stations, days.select("station", "day")), on=["station", "day"])
        .join(limits, on=["standard", "parameter", "averaging"])
        .filter(in_phase(pl.col("day")), pl.col("value") > pl.col("limit"))
    )
    return rows.select(
        "station",
        "standard",
        "phase",
        "parameter",
        "averaging",
        "time",
        "value",
        "limit",
        multiple=settle((pl.col("value") - pl.col("limit")) / pl.col("limit")),
    ).sort("station", "standard", "parameter", "averaging", "time")


def _uses(standards: Standards) -> pl.DataFrame:
    """The columns table with numbers for what rows are joined and grouped by; a pollutant is a bit, in table order."""
    return (
        standards.columns.sort("order")
        .with_columns(
            code=pl.col("standard").rank("dense"),
            kind=pl.struct("standard", "averaging").rank("dense"),
            pair=pl.struct("parameter", "uses").rank("dense"),
            curve=pl.struct(*CURVE).rank("dense"),
            first=pl.col("order").min().over("standard", "averaging", "parameter"),
        )
        .with_columns(bit=2 ** pl.col("first").rank("dense").over("standard", "averaging").cast(pl.Int64))
    )


def _usable(averages: pl.DataFrame, stations: pl.DataFrame, standards: Standards, uses: pl.DataFrame) -> pl.DataFrame:
    """The averages that a standard in force uses, once for each use: subject, curve, step, bit, value."""
    pairs = uses.select("pair", "parameter", averaging="uses").unique()
    kept = averages.filter(pl.col("value").is_not_null()).join(pairs, on=["parameter", "averaging"])
    days = dated(kept.select("station", "time", "pair", "value"), stations)
    force = in_force(standards.adoptions, stations, days.select("station", "day"))
    coded = force.join(uses.select("standard", "code").unique(), on="standard").select("station", "day", "code")
    return (
        days.join(coded, on=["station", "day"])
        .join(uses.select("code", "pair", "kind", "curve", "step", "bit"), on=["code", "pair"])
        .select(*SUBJECT, "curve", "step", "bit", "value")
    )


def _overall(held: pl.DataFrame, standards: Standards, uses: pl.DataFrame) -> pl.DataFrame:
    """Index, class and primary pollutants of each subject from the indices of its pollutants."""
    kinds = uses.group_by("kind", "standard", "averaging").agg(asked=pl.col("bit").unique().sum())
    # One pass: the index of each pollutant in a column of its own, instead of a second grouping of those at the top.
    bits = held["bit"].unique().sort().to_list()
    each = {f"_{bit}": pl.when(pl.col("bit") == bit).then("iaqi").max() for bit in bits}
    top = pl.sum_horizontal(
        pl.lit(0, pl.Int64), *((pl.col(f"_{b}") == pl.col("index")).fill_null(value=False) * pl.lit(b) for b in bits)
    )
    rows = (
        held.group_by(SUBJECT)
        .agg(pl.col("iaqi").max().alias("index"), came=pl.col("bit").sum(), count=pl.len(), **each)
        .select(*SUBJECT, "index", "came", "count", bit=top)
        .join(kinds, on="kind")
        .join(standards.rules, on="standard")
    )
    missing, low = pl.col("came") != pl.col("asked"), pl.col("index") <= pl.col("complete_up_to")
    rows = rows.with_columns(index=pl.when(~(missing & low.fill_null(value=False))).then("index"))
    named = rows.with_columns(
        bit=pl.when(pl.col("index") > pl.col("primary_above")).then("bit"), exceedance=pl.lit(None, pl.Float64)
    )
    classes = standards.classes.select("standard", pl.col("low").alias("index"), pl.col("level").alias("class"))
    return (
        named.join(_names(named, uses), on=["kind", "bit"], how="left")
        .sort("index")
        .join_asof(classes.sort("index"), on="index", by="standard", strategy="backward", check_sortedness=False)
        .sort("station", "standard", "averaging", "time")
    )


def _names(rows: pl.DataFrame, uses: pl.DataFrame) -> pl.DataFrame:
    """Text `primary` of each set of bits of a kind: the pollutants joined by commas, in table order."""
    sets = rows.select("kind", "bit").drop_nulls().unique()
    members = sets.join(uses.select("kind", "parameter", one="bit").unique(), on="kind")
    chosen = members.filter((pl.col("bit") & pl.col("one")) > 0).sort("one")
    return chosen.group_by("kind", "bit", maintain_order=True).agg(pl.col("parameter").str.join(",").alias("primary"))
