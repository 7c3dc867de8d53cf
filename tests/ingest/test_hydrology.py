"""Soil, weather and water level: Kings Creek and the Environment Agency's downloads."""

import math
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from analytics.ingest import Source, UnreadableSource, recognise
from tests.conftest import needs_shared
from tests.ingest.reading import DATA, held, whole

CREEK = DATA / "kings-creek" / "kings_creek_2022-01_2023-06_hourly.csv.gz"
CALDER = DATA / "calder-valley"
HEADER = "measure,dateTime,date,value,completeness,quality,qcode\n"
MEASURE = "http://environment.data.gov.uk/hydrology/id/measures/"


def download(*measures: str, name: str = "x.csv", quality: str = "") -> tuple[list[str], dict[str, object], list[str]]:
    """Channels, facts by station and reasons of one reading a measure."""
    rows = [f"{MEASURE}{measure},2025-08-16T00:00:00,,1,,{quality},\n" for measure in measures]
    found = whole(held((HEADER + "".join(rows)).encode(), path=Path(name)), "ea-hydrology")
    return found.cells["channel"].to_list(), dict(found.stations), found.rejects["reason"].to_list()


@pytest.mark.parametrize(
    ("measure", "channel", "station", "step"),
    [
        ("a-1-level-i-900-m-qualified", "water_level", "a-1", 900),
        ("a-1_F1-flow-i-900-m3s-qualified", "discharge", "a-1_F1", 900),
        ("a-flow-m-86400-m3s-qualified", "discharge:mean-24h", "a", 86_400),
        ("a-level-max-86400-m-qualified", "water_level:max-24h", "a", 86_400),
        ("a-rainfall-t-86400-mm-qualified", "rain", "a", 86_400),
        ("level-i-900-level-i-60-m-qualified", "water_level", "level-i-900", 60),
    ],
)
def test_a_measure_says_all_of_its_series(measure: str, channel: str, station: str, step: int) -> None:
    facts = {"utc_offset": 0, "cadences": {channel: step}}
    assert download(measure) == ([channel], {station: facts}, [])
    assert download(measure, name="Test-Weir-Level-15min.csv")[1] == {station: {**facts, "title": "Test Weir"}}


@pytest.mark.parametrize(
    "measure",
    ["a-level-i-900-mm-q", "a-flow-m-900-m3s-q", "level-i-900-m-q", "a-level-i-0-m-q", "a-level-i-99999999-m-q", "a b"],
)
def test_a_measure_that_is_none_of_ours_is_a_reject(measure: str) -> None:
    assert download(measure) == ([], {}, ["unknown measure"])


def test_two_steps_are_not_one_series() -> None:
    channels, facts, reasons = download("a-level-i-900-m-q", "a-level-i-60-m-q", "b-level-i-60-m-q")
    assert (channels, reasons) == (["water_level"] * 2, ["another step of the same series"])
    assert [facts[station] for station in "ab"] == [
        {"utc_offset": 0, "cadences": {"water_level": step}} for step in (900, 60)
    ]


@pytest.mark.parametrize(
    ("quality", "marks"), [("Good", [78]), ("ESTIMATED", [83]), ("Suspect", [83]), ("Unchecked", [None]), ("Odd", [])]
)
def test_a_quality_is_a_mark(quality: str, marks: list[int | None]) -> None:
    content = f"{HEADER}{MEASURE}a-level-i-900-m-q,2025-08-16T00:00:00,,1,,{quality},\n".encode()
    assert whole(held(content), "ea-hydrology").cells["mark"].to_list() == marks


def test_a_download_of_other_columns_is_refused() -> None:
    with pytest.raises(UnreadableSource, match="has not the 7 columns"):
        whole(held(HEADER.replace(",qcode", "").encode()), "ea-hydrology")


@needs_shared
def test_the_files_of_the_calder_add_up() -> None:
    paths = sorted(CALDER.glob("*.gz"))
    found = [whole(Source(path), recognise(Source(path))) for path in paths]
    assert len(paths) == 9
    assert sum(batch.read for batch in found) == sum(batch.cells.height for batch in found) == 24_712
    assert sorted(batch.cells["channel"].unique().item() for batch in found) == ["rain"] * 4 + ["water_level"] * 5
    assert {fact["title"] for batch in found for fact in batch.stations.values()} >= {"Hebden Bridge", "Bacup"}
    assert min(batch.cells["time"].min() for batch in found) == datetime(2025, 8, 16, tzinfo=UTC)  # type: ignore[type-var]


@needs_shared
def test_the_hours_of_kings_creek_add_up() -> None:
    found = whole(Source(CREEK), recognise(Source(CREEK)))
    assert (found.read, found.rejects.height) == (13_104 * 16, 0)
    counts = dict(found.cells.group_by("channel").len().rows())
    missing = {channel: 13_104 - count for channel, count in counts.items() if count < 13_104}
    assert missing == {
        "air_pressure": 1,
        "solar_radiation": 5757,
        "vapour_pressure_deficit": 881,
        "wind_speed": 279,
        "wind_direction": 279,
        "discharge": 111,
    }
    top = dict(found.cells.group_by("channel").agg(pl.col("value").max()).rows())
    assert top["air_pressure"] == 993.2
    assert top["wind_direction"] == pytest.approx(math.degrees(6.274), abs=1e-9)
    # As bright as the sun gets, and no brighter.
    assert 900 < top["solar_radiation"] < 1000
    assert top["soil_moisture@-0.05"] == 0.439


@needs_shared
def test_the_sun_of_kings_creek_is_highest_at_noon() -> None:
    """At 96.6 degrees west the sun's noon is at 12:26 of UTC-6, give or take a quarter of an hour by the season."""
    sun = whole(Source(CREEK), "kings-creek").cells.filter(channel="solar_radiation")
    middle = pl.col("time") - pl.duration(hours=6) + pl.duration(minutes=30)
    hour, weight = middle.dt.hour() + middle.dt.minute() / 60, pl.col("value") / pl.col("value").sum()
    noons = sun.group_by(pl.col("time").dt.month().alias("month")).agg((hour * weight).sum().alias("noon"))["noon"]
    assert noons.len() == 12
    assert noons.is_between(12.1, 12.9).all()
