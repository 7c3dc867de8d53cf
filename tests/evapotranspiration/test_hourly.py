"""Hours of reference evapotranspiration: a year of Ref-ET, and what stands in for what is missing."""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from analytics import evapotranspiration as et
from tests.conftest import needs_shared
from tests.evapotranspiration.test_oracles import LANGLEY, MPH, REF, REFET

PRACTICE = et.Practice(REF.solar_constant, 24 * 2.042e-10, least_wind=0.0, refet=True)


def fallon() -> tuple[pl.DataFrame, pl.DataFrame]:
    """The hours of 2015 as HOURS with `stamp` (their local end), and what Ref-ET printed: stamp, etr, eto [mm]."""
    raw = gzip.decompress((REFET / "FALN_Agrimet_hourly_raw_2015.csv.gz").read_bytes())
    read = pl.read_csv(raw, infer_schema=False)
    value = {name: pl.col(name).cast(pl.Float64) for name in ("OB", "TP", "WS", "SI")}
    parts = [pl.col(name).cast(pl.Int32) for name in ("YEAR", "MONTH", "DAY", "HOUR")]
    weather = read.select(
        stamp=pl.datetime(*parts),
        time=pl.datetime(*parts, time_zone="UTC") + timedelta(hours=7),  # UTC-08:00, and the end of the hour
        latitude=39.4575,
        longitude=-118.77388,
        altitude=1208.5,
        t=(value["OB"] - 32) * 5 / 9,
        dewpoint=(value["TP"] - 32) * 5 / 9,
        rh=pl.lit(None, pl.Float64),
        wind=value["WS"] * MPH,
        wind_height=3.0,
        radiation=value["SI"] * LANGLEY,
    )
    text = gzip.decompress((REFET / "FALN_Agrimet_hourly_raw_2015.out.gz").read_bytes()).decode("latin-1")
    rows = [line.split() for line in text.splitlines()]
    found = [
        (datetime(2015, int(row[0]), int(row[1]), int(row[4]) // 100), float(row[10]), float(row[11]))  # noqa: DTZ001
        for row in rows
        if len(row) == 13 and row[2] == "2015"
    ]
    return weather, pl.DataFrame(found, schema=["stamp", "etr", "eto"], orient="row")


@needs_shared
@pytest.mark.parametrize(("surface", "column"), [("hour_short_asce", "eto"), ("hour_tall_asce", "etr")])
def test_ref_et_is_met_to_a_hundredth_of_a_millimetre_an_hour(surface: str, column: str) -> None:
    weather, printed = fallon()
    made = et.hourly(weather, practice=PRACTICE, surface=et.SURFACES[surface]).join(printed, on="stamp")
    assert made.height == 8758
    off = (made["et0"] - made[column]).abs()
    # Two decimals are printed, as are the inputs. On one evening the sun stands at 0.3 rad to the fourth digit, and
    # the clouds of its night are another hour's: seven of the rest.
    assert (off > 0.0101).sum() <= 27
    assert off.median() < 0.003  # type: ignore[operator]


def hours(**other: object) -> pl.DataFrame:
    base: dict[str, Any] = {
        "latitude": 39.9,
        "longitude": 116.4,
        "altitude": 44.0,
        "t": 25.0,
        "dewpoint": None,
        "rh": 60.0,
        "wind": 2.5,
        "wind_height": 2.0,
        "radiation": None,
    }
    rows = []
    for number in range(48):
        sun = max(0.0, 2.5 - 0.07 * ((number + 8) % 24 - 12) ** 2)
        time = datetime(2026, 6, 20, tzinfo=UTC) + timedelta(hours=number)
        rows.append(base | {"time": time, "radiation": sun, "t": 20.0 + 3 * sun} | other)
    return pl.DataFrame(rows, schema_overrides=et.HOURS)


@pytest.mark.parametrize(
    ("absent", "said"),
    [
        ({}, set()),
        ({"rh": None}, {"humidity_tmin"}),
        ({"wind": None}, {"wind_default"}),
        ({"radiation": None}, {"radiation_share"}),
    ],
)
def test_what_is_missing_is_stood_in_for_and_said(absent: dict[str, None], said: set[str]) -> None:
    made, whole = et.hourly(hours(**absent)), et.hourly(hours())
    assert set(made["fallbacks"].explode().drop_nulls()) == said
    assert made["et0"].null_count() == 0
    assert made["et0"].sum() == pytest.approx(whole["et0"].sum(), rel=0.35)


def test_by_night_nobody_needs_to_measure_that_there_is_no_sun() -> None:
    made = et.hourly(hours(radiation=None))
    night = made.filter(pl.col("time").dt.hour().is_between(14, 18))
    assert night["fallbacks"].list.len().sum() == 0
    assert night["et0"].max() < 0.1  # type: ignore[operator]


def test_without_a_temperature_there_is_no_figure() -> None:
    made = et.hourly(hours(t=None))
    assert made["et0"].null_count() == 48
    assert made["fallbacks"].list.len().sum() == 0


def test_the_hours_of_a_day_come_near_its_day() -> None:
    whole = et.hourly(hours())["et0"].sum() / 2
    assert 4.0 < whole < 8.0
