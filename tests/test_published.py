"""Published figures: index vectors, limits, the traps of the domain, and what CNEMC published in 2019."""

import csv
import tomllib
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from analytics import assessment, parameters, standards
from tests.published import cnemc_report

PUBLISHED = Path(__file__).parent / "published"
SHARED = Path(__file__).parents[2] / "shared"
STANDARDS = standards.load()
CURVE = ["standard", "parameter", "column"]

with open(PUBLISHED / "hj633_vectors.csv", encoding="utf-8") as file:
    VECTORS = list(csv.DictReader(file))

#: Class 2 limits, GB 3095-2012 and 2026 (transition, final), tables 1 and 2. Source: GB3095_2012_PAGE, XLJ, NEWS2026.
LIMITS = tomllib.loads((PUBLISHED / "gb3095_limits.toml").read_text(encoding="utf-8"))["limit"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: " ".join(v[k] for k in (*CURVE, "concentration")))
def test_the_individual_index_of_the_vector(vector: dict[str, str]) -> None:
    row = pl.DataFrame([{k: vector[k] for k in CURVE} | {"value": float(vector["concentration"])}])
    expected = int(vector["index"]) if vector["index"] else None
    assert assessment.indices(row, STANDARDS)["iaqi"].item() == expected


@pytest.mark.parametrize("limit", LIMITS, ids=lambda v: " ".join(v[k] for k in ("edition", "parameter", "averaging")))
def test_the_limit_of_the_edition(limit: dict[str, object]) -> None:
    rows = STANDARDS.limits.filter(
        standard=limit["edition"], parameter=limit["parameter"], averaging=limit["averaging"]
    )
    assert dict(rows.select("phase", "class2").iter_rows()) == limit["class2"]


def test_trap_1h_particles_of_2026_and_moving_mean_of_2012() -> None:
    uses = STANDARDS.columns.filter(parameter="pm25").select("standard", "averaging", "uses").rows()
    assert set(uses) == {
        ("HJ 633-2012", "hour", "hour"),
        ("HJ 633-2012", "hour-moving24", "moving24"),
        ("HJ 633-2012", "day", "day"),
        ("HJ 633-2026", "hour", "hour"),
        ("HJ 633-2026", "day", "day"),
    }


def test_trap_the_24h_column_of_sulphur_dioxide_is_not_a_copy_of_the_1h_one() -> None:
    curves = STANDARDS.breakpoints.filter(parameter="so2", standard="HJ 633-2012").partition_by("column", as_dict=True)
    assert {key[0]: frame["concentration"].to_list() for key, frame in curves.items()} == {
        "24h": [0, 50, 150, 475, 800, 1600, 2100, 2620],
        "1h": [0, 150, 500, 650, 800],
    }


def test_trap_nitrogen_temperature_and_coliforms_are_not_in_the_class_of_a_section() -> None:
    judged = STANDARDS.indicators.filter(judged=1)["parameter"]
    assert (judged.len(), {"tn", "water_temperature", "fecal_coliform"} & set(judged)) == (21, set())


def test_trap_lakes_have_stricter_limits_of_phosphorus_by_a_factor_of_two_to_five() -> None:
    both = STANDARDS.water.filter(parameter="tp").pivot("water_body", index="class", values="high").sort("class")
    assert (both["river"] / both["lake"]).round(2).to_list() == [2, 4, 4, 3, 2]


def test_trap_levels_average_by_energy() -> None:
    assert parameters.load()["laeq"].mean == "energy"


def test_the_editions_change_on_the_first_of_march_2026() -> None:
    nationwide = (
        STANDARDS.adoptions.filter(pl.col("place").is_null(), pl.col("standard").str.contains("HJ 633|GB 3095"))
        .select("standard", "valid_from", "valid_to")
        .rows()
    )
    assert set(nationwide) == {
        ("HJ 633-2012", date(2016, 1, 1), date(2026, 2, 28)),
        ("GB 3095-2012", date(2016, 1, 1), date(2026, 2, 28)),
        ("HJ 633-2026", date(2026, 3, 1), None),
        ("GB 3095-2026", date(2026, 3, 1), None),
    }


NEEDS_SHARED = pytest.mark.skipif(not SHARED.exists(), reason="../shared does not exist")


@NEEDS_SHARED
def test_quality_limits_are_those_of_the_thresholds_table() -> None:
    rows = pl.read_csv(SHARED / "standards" / "qc_thresholds.csv", infer_schema=False).filter(
        pl.col("key").is_in(["pm25", "pm10", "so2", "no2", "co", "o3", "tvoc", "nmhc"])
    )
    known = parameters.load()
    for name, suspect, fail in rows.filter(test="gross_range").select("key", "suspect", "fail").iter_rows():
        limits = known[name].quality["gross_range"]
        assert [suspect.split(".."), fail.split("..")] == [list(map(str, limits[k])) for k in ("suspect", "fail")]
    # The table has a `fail` too; why we have none stands in parameters.toml.
    for name, suspect in rows.filter(test="step_per_hour").select("key", "suspect").iter_rows():
        assert known[name].quality["rate"] == {"suspect": float(suspect)}


@pytest.fixture(scope="module")
def report() -> dict[str, pl.DataFrame]:
    return cnemc_report.report()


@NEEDS_SHARED
def test_figures_of_cnemc_are_met_and_each_difference_has_its_reason(report: dict[str, pl.DataFrame]) -> None:
    complete = report["agreement"].filter("complete")
    equal = complete.filter(pl.col("reason").str.starts_with("equal"))
    share = dict(equal.select("quantity", "share").iter_rows())
    least = dict.fromkeys(["PM2.5_24h", "PM10_24h", "SO2_24h", "NO2_24h", "CO_24h", "O3_8h"], 0.9998) | {"AQI": 0.9996}
    assert share.keys() == least.keys()
    assert all(share[name] >= least[name] for name in least), share
    assert complete.filter(pl.col("reason") == "not explained")["rows"].sum() <= 10
    missing = report["agreement"].filter(~pl.col("complete"), quantity="AQI")
    both = missing.filter(pl.col("reason").is_in(["equal", "published none although pollutants are there"]))
    # With a pollutant missing CNEMC published the highest of the others, or nothing; hardly ever another figure.
    assert both["share"].sum() > 0.97


@NEEDS_SHARED
def test_quality_control_hardly_ever_voids_what_cnemc_published(report: dict[str, pl.DataFrame]) -> None:
    assert report["quality"]["void"].sum() < 10
    assert report["quality"].filter(pl.col("test") != "gap")["share"].max() < 0.01  # type: ignore[operator]
