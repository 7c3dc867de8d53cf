"""Labelled readings as anybody may give them: CSV or Parquet with series, time, value and label, besides station and
parameter where there are any.

A time has an offset; a label is true, 1, false, 0, or empty where nobody said. A row without a value is left out. Where
there is no `station` a series stands alone, where there is no `parameter` it is called as the series.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from analytics.frames import TIME

COLUMNS: Mapping[str, pl.DataType] = {
    "station": pl.String(),
    "series": pl.String(),
    "parameter": pl.String(),
    "time": TIME,
    "value": pl.Float64(),
    "label": pl.Boolean(),
}
NEEDED = ("series", "time", "value", "label")
ENDINGS = (".csv", ".csv.gz", ".parquet")
#: Rows of all files together, and bytes of one: more is refused, not read.
MOST, BYTES = 20_000_000, 2**30
TRUE, FALSE = ("true", "1", "1.0"), ("false", "0", "0.0")


class NotLabelled(ValueError):
    """A file holds no labelled readings; the message names it and what is wrong."""


def read(path: Path) -> pl.DataFrame:
    """`COLUMNS` of a file, or of all files in a folder by name, in their order. Raises `NotLabelled`."""
    files = sorted(file for file in path.iterdir() if file.name.endswith(ENDINGS)) if path.is_dir() else [path]
    if not files:
        raise NotLabelled(f"{path} holds no {', '.join(ENDINGS)}")
    parts, rows = [], 0
    for file in files:
        part = _file(file)
        rows += part.height
        if rows > MOST:
            raise NotLabelled(f"{file}: more than {MOST:,} rows in all")
        parts.append(part)
    return pl.concat(parts)


def _file(file: Path) -> pl.DataFrame:
    if not file.is_file():
        raise NotLabelled(f"{file} is no file")
    if file.stat().st_size > BYTES:
        raise NotLabelled(f"{file}: more than {BYTES:,} bytes")
    try:
        raw = _raw(file)
    except (pl.exceptions.PolarsError, OSError) as problem:
        raise NotLabelled(f"{file} cannot be read: {str(problem).splitlines()[0]}") from problem
    if missing := [name for name in NEEDED if name not in raw.columns]:
        raise NotLabelled(f"{file} has no column {', '.join(missing)}")
    text = raw.select(pl.col(name).cast(pl.String) for name in COLUMNS if name in raw.columns and name != "time")
    time, label = raw["time"], pl.col("label").str.strip_chars().str.to_lowercase()
    if time.dtype == pl.String:
        # A naive time is none: it would be a reading of another hour somewhere else.
        time = time.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    elif not isinstance(time.dtype, pl.Datetime) or time.dtype.time_zone is None:
        raise NotLabelled(f"{file}: its times have no offset")
    known = text.with_columns(
        time.cast(TIME).alias("time"),
        pl.col("value").cast(pl.Float64, strict=False).alias("number"),
        pl.when(label.is_in(TRUE)).then(True).when(label.is_in(FALSE)).then(False).alias("said"),
        (pl.col("label").is_null() | label.is_in(["", *TRUE, *FALSE])).alias("sayable"),
    )
    bad = known.with_row_index("row").filter(
        pl.col("series").is_null()
        | pl.col("time").is_null()
        | ~pl.col("sayable")
        | (pl.col("value").is_not_null() & (pl.col("value") != "") & pl.col("number").is_null())
    )
    if bad.height:
        raise NotLabelled(
            f"{file}: row {bad['row'][0] + 1:,} of {known.height:,} cannot be read ({bad.height:,} in all)"
        )
    given = {"station": pl.col("series"), "parameter": pl.col("series")}
    return (
        known.with_columns(
            value for name, one in given.items() if name not in raw.columns for value in [one.alias(name)]
        )
        .filter(pl.col("number").is_finite())
        .select(
            "station", "series", "parameter", "time", pl.col("number").alias("value"), pl.col("said").alias("label")
        )
    )


def _raw(file: Path) -> pl.DataFrame:
    if file.name.endswith(".parquet"):
        return pl.scan_parquet(file, glob=False).head(MOST + 1).collect()
    return pl.read_csv(file, infer_schema=False, n_rows=MOST + 1)
