"""Covers, soils and coefficients: those of the standards, and the figures of the paper."""

import csv
import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import crops, irrigation, tables
from analytics.tables import TableError
from tests.conftest import SHARED, needs_shared
from tests.evapotranspiration.figures import number
from tests.irrigation.season import DAY0, LAND

PUBLISHED = tomllib.loads((Path(__file__).parents[1] / "published" / "fao56_vectors.toml").read_text(encoding="utf-8"))
STANDARDS = SHARED / "standards"


def lits(**values: float) -> dict[str, Any]:
    return {name: pl.lit(float(value)) for name, value in values.items()}


# Tables


def shared(name: str) -> list[dict[str, str]]:
    with open(STANDARDS / f"{name}.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@needs_shared
def test_covers_are_those_of_the_standards() -> None:
    ours = {row["cover"]: row for row in rows("covers")}
    theirs = [row for row in shared("soil_kc_fao56") if row["cover"] != "reed swamp, standing water"]
    names = {"height": "h_max_m", "root_min": "zr_min_m", "root_max": "zr_max_m", "p": "p"}
    names |= {name: name for name in ("kc_ini", "kc_mid", "kc_end")}
    assert len(theirs) == 9
    for row in theirs:
        mine = ours[row["cover"]]
        assert {key: mine[key] for key in names} == {key: row[other] for key, other in names.items()}


@needs_shared
def test_soils_and_landscape_factors_are_those_of_the_standards() -> None:
    columns = {"available_min": "fc_minus_wp_min", "available_max": "fc_minus_wp_max"}
    columns |= {name: name for name in ("texture", "fc_min", "fc_max", "wp_min", "wp_max")}
    assert [{key: row[key] for key in columns} for row in rows("soils")] == [
        {key: row[other] for key, other in columns.items()} for row in shared("soil_texture_fao56")
    ]
    theirs = [
        (row["factor"].split()[0], row["level"].partition(" (")[0], row["min"], row["max"])
        for row in shared("soil_landscape_coefficients")
    ]
    assert [(row["factor"], row["level"], row["min"], row["max"]) for row in rows("landscape")] == theirs


@needs_shared
def test_efficiency_and_rain_are_those_of_the_standards() -> None:
    facts = tomllib.loads((STANDARDS / "soil_fao56.toml").read_text(encoding="utf-8"))
    assert {name: method.efficiency for name, method in LAND.methods.items()} == facts["landscape"]["efficiency"]
    bands = [(float(band.get("below", "inf")), band["factor"]) for band in facts["effective_rain"]["china_daily"]]
    assert list(LAND.rain) == bands


def rows(name: str) -> list[dict[str, str]]:
    content = tables.read(name)
    assert isinstance(content, list)
    return content


def contents() -> dict[str, Any]:
    return {name: tables.read(name) for name in crops.TABLES}


@pytest.mark.parametrize(
    ("table", "row", "change", "reason"),
    [
        ("covers", 0, {"kc_mid": ""}, "needs kc_ini, kc_mid, kc_end"),
        ("covers", 10, {"species": "enormous"}, "needs kc_ini, kc_mid, kc_end"),
        ("covers", 4, {"late": ""}, "needs all of start, initial"),
        ("covers", 4, {"start": "15 March"}, "'start' must be a month and a day"),
        ("covers", 0, {"p": "1.4"}, "'p' lies outside"),
        ("covers", 0, {"p": "half"}, "covers, row 1: 'p' cannot be 'half'"),
        ("covers", 1, {"cover": "turf, cool season"}, "stands there twice"),
        ("soils", 0, {"wp_max": "0.9"}, "'sand' holds no water"),
    ],
)
def test_a_table_that_cannot_be_is_refused(table: str, row: int, change: dict[str, str], reason: str) -> None:
    changed = contents()
    changed[table] = [dict(found) for found in changed[table]]
    changed[table][row] |= change
    with pytest.raises(TableError, match=reason):
        crops.parse(changed)


@pytest.mark.parametrize(
    ("record", "change", "reason"),
    [
        ("method_drip", {"efficiency": 1.2}, r"\[method_drip\] 'efficiency' lies outside"),
        ("rain", {"bands": [{"factor": 1.0}, {"factor": 0.5}]}, r"\[rain\] band 1: 'below' is missing"),
        ("rain", {"bands": []}, "'bands' must rise"),
        ("rain", {"bands": [{"below": 9, "factor": 0}, {"below": 5, "factor": 1}, {"factor": 1}]}, "must rise"),
        ("advice", {"ahead": "soon"}, r"\[advice\]: 'ahead' cannot be 'soon'"),
    ],
)
def test_a_record_that_cannot_be_is_refused(record: str, change: dict[str, Any], reason: str) -> None:
    changed = contents()
    changed["irrigation"] = {**changed["irrigation"], record: {**changed["irrigation"][record], **change}}
    with pytest.raises(TableError, match=reason):
        crops.parse(changed)


# Coefficients


@pytest.mark.parametrize("vector", PUBLISHED["crop"]["vectors"])
def test_the_coefficient_of_another_climate(vector: dict[str, float]) -> None:
    made = crops.kc_climate(**lits(kc=vector["kc_table"], u2=vector["u2"], rh_min=vector["rh_min"], height=vector["h"]))
    assert number(made) == pytest.approx(vector["expected"], abs=0.00005)


def test_the_coefficient_of_a_landscape() -> None:
    vector = PUBLISHED["landscape"]["vector"]
    made = crops.landscape_coefficient(**lits(species=vector["ks"], density=vector["kd"], microclimate=vector["kmc"]))
    assert number(made) == pytest.approx(vector["expected_kl"], abs=0.05)
    assert number(made * vector["eto"]) == pytest.approx(vector["expected_etl"], abs=0.0005)
    covers = {row["cover"]: row for row in LAND.covers.iter_rows(named=True)}
    assert covers["shrubs, moderate water use"]["kc_mid"] == pytest.approx(0.5)
    assert covers["street trees, moderate water use"]["kc_mid"] == pytest.approx(0.5 * 1.25)
    assert not covers["shrubs, moderate water use"]["adjusted"]


#: FAO-56 climate: nothing is moved.
PLAIN = {"u2": pl.lit(2.0), "rh_min": pl.lit(45.0)}


def kc(cover: str, day: date, latitude: float = 40.0) -> float:
    frame = LAND.covers.filter(pl.col("cover") == cover).with_columns(day=pl.lit(day))
    return float(frame.select(crops.coefficient(day=pl.col("day"), latitude=pl.lit(latitude), **PLAIN)).item())


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 3, 31), 0.5),  # before the season
        (date(2026, 4, 1), 0.5),
        (date(2026, 4, 26), 0.8),  # half of the ten days of development
        (date(2026, 5, 1), 1.1),
        (date(2026, 9, 7), 1.1),  # the last of mid season
        (date(2026, 9, 23), 0.875),  # half of the thirty late days
        (date(2026, 10, 8), 0.5),  # after the season
        (date(2026, 12, 31), 0.5),
    ],
)
def test_a_coefficient_goes_through_its_stages(day: date, expected: float) -> None:
    assert kc("walnut orchard", day) == pytest.approx(expected)
    half_a_year_later = day + timedelta(days=182)
    assert kc("walnut orchard", half_a_year_later, latitude=-35) == pytest.approx(expected, abs=0.04)


def test_turf_has_one_coefficient_all_year() -> None:
    assert {kc("turf, cool season", DAY0 + timedelta(days=d)) for d in range(0, 365, 30)} == {0.95}


# The soil


def test_the_soil_of_the_paper() -> None:
    vector = PUBLISHED["soil_water"]["vector"]
    taw = irrigation.total_available_water(**lits(fc=vector["fc"], wp=vector["wp"], root=vector["zr"]))
    p = irrigation.depletion_fraction(**lits(p=vector["p_table"], etc=vector["etc"]))
    ks = irrigation.stress(taw=taw, raw=p * taw, depletion=pl.lit(float(vector["dr"])))
    assert number(taw) == pytest.approx(vector["expected_taw"], abs=0.05)
    assert number(p) == pytest.approx(vector["expected_p"], abs=0.00005)
    assert number(p * taw) == pytest.approx(vector["expected_raw"], abs=0.0005)
    assert number(ks) == pytest.approx(vector["expected_ks"], abs=0.00005)
    assert number(ks * vector["etc"]) == pytest.approx(vector["expected_etc_stress"], abs=0.0001)


def test_the_day_of_the_paper() -> None:
    vector = PUBLISHED["soil_water"]["balance_vector"]
    facts = lits(before=vector["dr_before"], water=vector["rain"] + vector["irrigation"], etc=vector["etc"])
    lost = irrigation.percolation(**facts)
    made = irrigation.depletion(**facts, percolation=lost, taw=pl.lit(float(vector["taw"])))
    assert (number(made), number(lost)) == (vector["expected_dr"], vector["expected_dp"])


@pytest.mark.parametrize(("rain", "counts"), [(0, 0), (4.9, 0), (5, 5), (12, 12), (49.9, 49.9), (50, 37.5), (100, 75)])
def test_rain_counts_by_its_band(rain: float, counts: float) -> None:
    assert number(irrigation.effective_rain(pl.lit(float(rain)), LAND.rain)) == pytest.approx(counts)


@pytest.mark.parametrize("vector", PUBLISHED["effective_rain"]["vectors_usda"])
def test_rain_of_a_month_counts_by_the_rule_of_the_paper(vector: dict[str, float]) -> None:
    assert number(irrigation.effective_rain_month(pl.lit(float(vector["p"])))) == pytest.approx(vector["expected"])


@pytest.mark.parametrize(
    ("probes", "root", "expected"),
    [
        ([(0.0, 0.2)], 0.6, 0.2),  # one without a depth
        ([(0.1, 0.3), (0.3, 0.1)], 0.4, 0.2),  # 0 to 0.2, 0.2 to 0.4
        ([(0.3, 0.1), (0.1, 0.3)], 0.4, 0.2),  # in any order
        ([(0.1, 0.3), (0.3, 0.1)], 1.0, 0.14),  # the lower one down to 1 m
        ([(0.1, 0.3), (0.3, 0.1), (0.9, 0.5)], 0.4, 0.2),  # below the roots
        ([(0.8, 0.25), (1.2, 0.5)], 0.5, 0.25),  # all below: the uppermost
        ([(0.1, 0.3), (0.3, None)], 0.4, 0.3),  # one that is silent
    ],
)
def test_probes_stand_for_the_soil_around_them(
    probes: list[tuple[float, float | None]], root: float, expected: float
) -> None:
    frame = pl.DataFrame(
        [(1, depth, value, root) for depth, value in probes], schema=["zone", "depth", "value", "root"], orient="row"
    )
    assert irrigation.root_zone(frame, ["zone"])["moisture"].item() == pytest.approx(expected)
