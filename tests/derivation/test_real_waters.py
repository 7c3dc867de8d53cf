"""The bay of Apalachicola: a year teaches the tide of the next; its sonde says its oxygen in percent, too."""

from datetime import UTC, datetime

import numpy as np
import polars as pl

from analytics import derivation
from analytics.derivation import tide_removed
from analytics.frames import AVERAGES, TIME, conform
from tests.conftest import SHARED, needs_shared
from tests.derivation.hours import DERIVED, HOUR, KINDS, derive, formula

FILE = SHARED / "data" / "swmp-apalachicola" / "apacpwq.parquet"
BORDER = datetime(2013, 1, 1, tzinfo=UTC)


def high(rows: pl.DataFrame, speed: float) -> float:
    """Height [m] of the wave of `speed` [°/h] in `rows`."""
    turn = np.radians(speed * np.array([(time - tide_removed.EPOCH) / HOUR for time in rows["time"]]))
    value = rows["value"].to_numpy()
    found, *_ = np.linalg.lstsq(np.vstack([np.cos(turn), np.sin(turn)]).T, value - value.mean(), rcond=None)
    return float(np.hypot(*found))


@needs_shared
def test_a_year_of_a_real_bay_teaches_the_tide_of_the_next() -> None:
    level = (
        pl.read_parquet(FILE, columns=["datetimestamp", "depth"])
        .select(pl.col("datetimestamp").dt.replace_time_zone("UTC").cast(TIME).alias("time"), value="depth")
        .group_by(pl.col("time").dt.truncate("1h"))
        .agg(pl.col("value").cast(pl.Float64).mean())
        .drop_nulls()
        .with_columns(averaging=pl.lit("hour"), count=1, expected=1, series=1)
        .sort("time")
    )
    constants = KINDS["water-level-detided"].constants
    taught = level.filter(pl.col("time") < BORDER).with_columns(series=pl.lit(DERIVED, pl.Int32))
    made = tide_removed.fit(taught.select("series", "time", "value"), constants)
    fits = {"tide-removed": made.with_columns(pl.lit(BORDER, TIME).alias("valid_from"))}
    later = level.filter(pl.col("time") >= BORDER)
    left = derivation.derive(conform(later, AVERAGES), formula("water-level-detided", {"level": 1}), KINDS, fits)
    assert left.height == later.height > 8000
    speeds = dict(constants["speeds"])
    for wave in ("M2", "K1", "O1"):
        assert high(later, speeds[wave]) > 0.1
        assert high(left, speeds[wave]) < 0.1 * high(later, speeds[wave])
    means = [float(rows.select(pl.col("value").mean()).item()) for rows in (left, later)]
    assert abs(means[0] - means[1]) < 0.01


@needs_shared
def test_oxygen_saturation_is_what_a_sonde_makes_of_it_itself() -> None:
    """The instrument has its own program for it, and prints mg/L to 0.1 (0.7 % of saturation) and % to 0.1."""
    names = ("temp", "sal", "do_mgl", "do_pct")
    rows = (
        pl.read_parquet(FILE, columns=[*names, *(f"f_{name}" for name in names)])
        .filter(pl.all_horizontal(pl.col(f"f_{name}").str.contains("<0>") for name in names), pl.col("sal") > 0.1)
        .select(pl.col(names).cast(pl.Float64))
        .drop_nulls()
        .gather_every(11)
    )
    assert rows.height > 5000
    found = derive(
        "oxygen-saturation",
        {
            "oxygen": rows["do_mgl"].to_list(),
            "temperature": rows["temp"].to_list(),
            "salinity": rows["sal"].to_list(),
            "pressure": [1013.25] * rows.height,
        },
    )
    off = rows.select(pl.Series(found) - pl.col("do_pct")).to_series()
    assert off.abs().max() < 1.0  # type: ignore[operator]  # floats
    assert abs(float(off.sum()) / rows.height) < 0.2
