"""Our figures against those that CNEMC published in 2019, and the reason of each difference.

`python -m tests.published.cnemc_report` prints the table. The set is not part of the repository: `../shared/data`.
Labels of the set are Beijing time and the END of the hour.
"""

from pathlib import Path

import polars as pl

from analytics import assessment, averaging, parameters, quality, standards
from analytics.frames import OBSERVATIONS, SERIES, conform

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "cnemc-2019"
NAMES = {"PM2.5": "pm25", "PM10": "pm10", "SO2": "so2", "NO2": "no2", "CO": "co", "O3": "o3"}
#: Published means of 24 hours, and the unit of their last digit. O3_24h is a maximum.
MEANS_24 = {"PM2.5_24h": 1.0, "PM10_24h": 1.0, "SO2_24h": 1.0, "NO2_24h": 1.0, "CO_24h": 0.1}
#: O3_8h goes no higher; this many stations off in the same hour are no accident.
CEILING, TOGETHER = 300, 3
PARAMETERS, AVERAGINGS = parameters.load(), averaging.load()


def wide() -> pl.DataFrame:
    """The set: station [number], time (start of the hour, UTC), the published columns, `gaps` (pollutants missing)."""
    start = (pl.col("ts") - pl.duration(hours=9)).dt.replace_time_zone("UTC")
    frame = pl.read_parquet(FOLDER / "sixty_stations_jan_oct.parquet").with_columns(
        station=pl.col("station").rank("dense").cast(pl.Int32),
        time=start,
        gaps=pl.sum_horizontal(pl.col(list(NAMES)).is_null()),
    )
    return frame.drop("ts").with_columns(pl.col(pl.Float32).cast(pl.Float64).round(3)).sort("station", "time")


def readings(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Observations and series of the set."""
    long = frame.unpivot(on=list(NAMES), index=["station", "time"], variable_name="parameter").drop_nulls("value")
    long = long.with_columns(pl.col("parameter").replace_strict(NAMES))
    series = long.select("station", "parameter").unique().sort("station", "parameter").with_row_index("series")
    facts = {"position": "", "statistic": "", "cadence": 3600, "offset": 480}
    rows = long.join(series, on=["station", "parameter"]).with_columns(mark=None).sort("series", "time")
    return conform(rows, OBSERVATIONS), conform(series.with_columns(**{k: pl.lit(v) for k, v in facts.items()}), SERIES)


def averages(observations: pl.DataFrame, series: pl.DataFrame, verdicts: pl.DataFrame | None) -> pl.DataFrame:
    """Hours and windows with station and parameter; `verdicts` None: every reading enters."""
    code = pl.lit(None, pl.Int16).alias("code")
    coded = (
        observations.with_columns(code)
        if verdicts is None
        else observations.join(verdicts.select("series", "time", "code"), on=["series", "time"], how="left")
    )
    hours = averaging.hours(coded, series, PARAMETERS, AVERAGINGS)
    rows = pl.concat([hours, averaging.windows(hours, series, PARAMETERS, AVERAGINGS)])
    return rows.join(series.select("series", "station", "parameter"), on="series")


def assessments(found: pl.DataFrame) -> pl.DataFrame:
    """Assessments of the set's stations."""
    stations = found.select("station").unique().with_columns(offset=pl.lit(480), places=pl.lit([], standards.PLACES))
    return assessment.assess(found, stations, standards.load())


def index_reasons(frame: pl.DataFrame, found: pl.DataFrame, result: pl.DataFrame) -> pl.DataFrame:
    """Published hourly AQI against ours, of the hours that have both: `complete` and `reason`."""
    ours = result.filter(pl.col("averaging") == "hour").select("station", "time", "index", "primary")
    rows = frame.select("station", "time", "AQI", "gaps").join(ours, on=["station", "time"], how="left")
    exact = pl.col("index") - pl.col("AQI")
    reason = (
        pl.when(exact == 0)
        .then(pl.lit("equal"))
        .when(pl.col("AQI").is_null() & pl.col("index").is_null())
        .then(pl.lit("equal: none"))
        .when(pl.col("AQI").is_null())
        .then(pl.lit("published none although pollutants are there"))
        .when(pl.col("index").is_null())
        .then(pl.lit("published although no pollutant is there"))
        .when((exact == 1) & ~_rounds_up(rows, found))
        .then(pl.lit("published index rounded to the nearest, not up"))
        .when(exact < 0)
        .then(pl.lit("published higher: made of a value that the set lost"))
        .otherwise(pl.lit("not explained"))
    )
    return rows.select(complete=pl.col("gaps") == 0, reason=reason)


def _rounds_up(rows: pl.DataFrame, found: pl.DataFrame) -> pl.Series:
    """Whether the unrounded index of the hour lies nearer to the upper whole number."""
    points = standards.load().breakpoints.filter(pl.col("standard") == "HJ 633-2012")
    curve = {name: "24h" if name in ("pm25", "pm10") else "1h" for name in NAMES.values()}
    parts = []
    for name, column in curve.items():
        line = points.filter(pl.col("parameter") == name, pl.col("column") == column)
        hours = found.filter(pl.col("averaging") == "hour", pl.col("parameter") == name, pl.col("value").is_not_null())
        value, at, index = pl.col("value"), line["concentration"].to_list(), line["index"].to_list()
        real = pl.lit(float(index[-1]))
        for low, high, i, j in reversed(list(zip(at, at[1:], index, index[1:], strict=False))):
            real = pl.when(value <= high).then(i + (j - i) * (value - low) / (high - low)).otherwise(real)
        parts.append(hours.select("station", "time", real=real))
    unrounded = pl.concat(parts).group_by("station", "time").agg(pl.col("real").max())
    joined = rows.select("station", "time").join(unrounded, on=["station", "time"], how="left", maintain_order="left")
    return (joined["real"] - joined["real"].floor() >= 0.5).fill_null(value=True)


def mean_reasons(frame: pl.DataFrame, found: pl.DataFrame, column: str, digit: float) -> pl.DataFrame:
    """Published moving mean of 24 hours against ours, of the hours that have both: `complete` and `reason`."""
    return _reasons(frame, found, column, NAMES[column.removesuffix("_24h")], "moving24", digit)


def ozone_reasons(frame: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Published running mean of 8 hours against ours, where all eight lie in the same day: `complete` and `reason`."""
    hour = (pl.col("time") + pl.duration(hours=8)).dt.hour()
    return _reasons(frame.filter(hour >= 7), found, "O3_8h", "o3", "running8", 1.0)


def _reasons(
    frame: pl.DataFrame, found: pl.DataFrame, column: str, parameter: str, name: str, digit: float
) -> pl.DataFrame:
    ours = found.filter(pl.col("parameter") == parameter, pl.col("averaging") == name)
    rows = frame.select("station", "time", published=column).join(ours, on=["station", "time"]).drop_nulls("published")
    wrong = ((pl.col("published") - pl.col("value")).abs() > digit / 2 + 1e-6).fill_null(value=False)
    rows = rows.with_columns(wrong=wrong, complete=pl.col("count") == pl.col("expected"))
    together = (pl.col("wrong") & pl.col("complete")).sum().over("time") >= TOGETHER
    reason = (
        pl.when(pl.col("value").is_null())
        .then(pl.lit("ours null: too few hours"))
        .when(~pl.col("wrong"))
        .then(pl.lit("equal within rounding"))
        .when(~pl.col("complete"))
        .then(pl.lit("an hour is missing in the set"))
        .when((pl.col("published") == CEILING) & (pl.col("value") > CEILING))
        .then(pl.lit("published value stops at 300"))
        .when(together)
        .then(pl.lit("many stations in one hour: the network published another revision"))
        .otherwise(pl.lit("not explained"))
    )
    return rows.select("complete", reason=reason)


def tested(observations: pl.DataFrame, series: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """How often quality control objects: parameter, test, rows, share, and how many of the rows are void."""
    named = verdicts.join(series.select("series", "parameter"), on="series")
    whole = observations.join(series.select("series", "parameter"), on="series").group_by("parameter").len("all")
    rows = [
        named.filter(pl.col("tests") & test.bit > 0)
        .group_by("parameter")
        .agg(pl.len().alias("rows"), void=(pl.col("code") >= quality.FAIL).sum())
        .with_columns(test=pl.lit(name))
        for name, test in quality.TESTS.items()
    ]
    share = (pl.col("rows") / pl.col("all")).round(5)
    return pl.concat(rows).join(whole, on="parameter").select("test", "parameter", "rows", "void", share=share)


def counted(quantity: str, reasons: pl.DataFrame) -> pl.DataFrame:
    """Rows and their share of each reason, complete windows (or hours) apart from the others."""
    rows = reasons.group_by("complete", "reason").len("rows")
    share = (pl.col("rows") / pl.col("rows").sum().over("complete")).round(6)
    return rows.select(pl.lit(quantity).alias("quantity"), "complete", "reason", "rows", share=share)


def report() -> dict[str, pl.DataFrame]:
    """Two tables: `agreement` (quantity, complete, reason, rows, share) and `quality` (as `tested`)."""
    frame = wide()
    observations, series = readings(frame)
    verdicts = quality.flag(observations, series, PARAMETERS)
    found = averages(observations, series, None)
    parts = [counted("AQI", index_reasons(frame, found, assessments(found)))]
    parts += [counted(name, mean_reasons(frame, found, name, digit)) for name, digit in MEANS_24.items()]
    parts += [counted("O3_8h", ozone_reasons(frame, found))]
    order = ["quantity", "complete", "rows"]
    agreement = pl.concat(parts).sort(order, descending=[False, True, True])
    return {"agreement": agreement, "quality": tested(observations, series, verdicts).sort("test", "parameter")}


if __name__ == "__main__":
    with pl.Config(tbl_rows=100, fmt_str_lengths=80, tbl_hide_dataframe_shape=True):
        for name, rows in report().items():
            print(name, rows, sep="\n")
