"""Water: averages × GB 3838 -> class of a section, its main pollutants. Whole-number arithmetic on millionths."""

import polars as pl

from analytics.assessment._common import judged, micros, rounded
from analytics.frames import ASSESSMENTS, conform, empty, settle
from analytics.standards import Standards, places

#: The kind of membership that names a station's water body, and what it is where none is registered.
KIND, DEFAULT = "water_body:", "river"
#: Classes that have limits; what meets none of them is one worse.
CLASSES = range(1, 6)
#: What gets one row. `kind` numbers the pairs of standard and averaging.
SUBJECT = ["station", "kind", "time"]
NO_BOUND = 2**62


def assess(averages: pl.DataFrame, stations: pl.DataFrame, standards: Standards) -> pl.DataFrame:
    """Assessments (`frames.ASSESSMENTS`) of sections, by station, standard, averaging and time.

    A row for each (station, standard in force on the local day of `time`, averaging, time) with at least one of the
    indicators of the class. `averages` and `stations` as `assessment.assess` takes them; limits are those of the
    station's water body, a membership of the day. `class` is the worst of the indicators that are there, 6 is worse
    than V; `count` is their number; `primary` are the main pollutants, `exceedance` [1] is the multiple above class III
    of the first of them that has one. GB 3838, table 1, single-factor method. That 90 % of saturation is class I for
    oxygen too is left out: it asks for temperature and pressure, and the national network leaves it out as well.
    """
    rules = standards.water_rules.with_row_index("kind")
    indicators = standards.indicators.filter(pl.col("judged") == 1)
    columns = ["standard", "parameter", "order", "multiple", "first", "decimals"]
    asked = indicators.select(columns).join(rules.drop("source", "confidence", "note"), on="standard")
    rows = judged(averages, stations, standards, asked)
    if rows.is_empty():
        return empty(ASSESSMENTS)
    rows = _classed(_on_water(rows, stations), standards)
    overall = rows.group_by(SUBJECT).agg(pl.col("class").max(), pl.len().alias("count"))
    named = overall.join(rules.select("kind", "standard", "averaging"), on="kind").with_columns(
        index=pl.lit(None, pl.Int16)
    )
    made = named.join(_main(rows), on=SUBJECT, how="left")
    return conform(made, ASSESSMENTS).sort("station", "standard", "averaging", "time")


def _on_water(rows: pl.DataFrame, stations: pl.DataFrame) -> pl.DataFrame:
    """`rows` with the station's `water_body` of the day."""
    bodies = (
        places(stations, rows.select("station", "day"))
        .filter(pl.col("place").str.starts_with(KIND))
        .select("station", "day", water_body=pl.col("place").str.strip_prefix(KIND))
    )
    return rows.join(bodies, on=["station", "day"], how="left").with_columns(pl.col("water_body").fill_null(DEFAULT))


def _classed(rows: pl.DataFrame, standards: Standards) -> pl.DataFrame:
    """`rows` that have limits with the `class` of each and `over`, its multiple above the reference class [1]."""
    key = ["standard", "parameter", "water_body"]
    limits = standards.water.select(
        *key,
        "class",
        low=micros("low").fill_null(-NO_BOUND),
        high=micros("high").fill_null(NO_BOUND),
    )
    wide = limits.sort("class").group_by(key).agg("low", "high")
    # The ranges grow with the class: the smallest class that is met is one more than the number of those that are not.
    unmet = [
        (pl.col("at") < pl.col("low").list.get(number - 1)) | (pl.col("at") > pl.col("high").list.get(number - 1))
        for number in CLASSES
    ]
    reference = pl.col("high").list.get(pl.col("reference") - 1)
    over = (pl.col("at") - reference) / reference
    return (
        rows.join(wide, on=key)
        .with_columns(at=rounded(micros("value"), pl.col("decimals")))
        .with_columns(**{"class": pl.sum_horizontal(1, *unmet)})
        .with_columns(over=settle(pl.when(pl.col("multiple") == 1).then(over)))
    )


def _main(rows: pl.DataFrame) -> pl.DataFrame:
    """`primary` and `exceedance` of the subjects that have main pollutants.

    Cyanide and heavy metals first, then by class, worst first, then by multiple, greatest first, then in table order.
    """
    # One whole number that sorts so: many rows are sorted by one column in a tenth of the time that four take. Its
    # parts are 4, 41 and 5 bits; a multiple goes up to two million.
    over = (micros("over") + 1).fill_null(0).clip(0, 2**41 - 1)
    rank = (((8 * pl.col("first") + pl.col("class")) * 2**41 + over) * 32 - pl.col("order")).alias("rank")
    exceeding = rows.filter(pl.col("class") >= pl.col("primary_from"))
    ranked = exceeding.select(*SUBJECT, "parameter", "over", "primary_most", rank).sort("rank", descending=True)
    return ranked.group_by(SUBJECT, maintain_order=True).agg(
        pl.col("parameter").head(pl.col("primary_most").first()).str.join(",").alias("primary"),
        pl.col("over").drop_nulls().first().alias("exceedance"),
    )
