"""Covers and soils, the water balance against the obvious loop and a peer's season, and what the advice says."""

import csv
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import crops, irrigation, tables
from analytics.frames import ZONES
from analytics.tables import TableError
from tests.conftest import SHARED, needs_shared

PUBLISHED = tomllib.loads((Path(__file__).parent / "published" / "fao56_vectors.toml").read_text(encoding="utf-8"))
STANDARDS = SHARED / "standards"
LAND = crops.load()
DAY0 = date(2026, 6, 1)


def number(expression: pl.Expr) -> float:
    return float(pl.select(expression).item())


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


# The balance

ZONE: dict[str, Any] = {
    "zone": 1,
    "code": "Z01",
    "title": "lawn",
    "title_zh": "草坪",
    "weather": 1,
    "probe": None,
    "area": 1000.0,
    "cover": "turf, cool season",
    "texture": "loam",
    "root_depth": 0.5,
    "flow": 5.0,
    "method": "sprinkler",
    "altitude": 44.0,
    "latitude": 39.92,
    "offset": 480,
}
WEATHER: dict[str, Any] = {
    "latitude": 39.92,
    "altitude": 44.0,
    "tmax": 32.0,
    "tmin": 20.0,
    "rh_max": 80.0,
    "rh_min": 45.0,
    "wind": 2.0,
    "wind_height": 2.0,
    "radiation": 22.0,
    "rain": 0.0,
    "irrigation": 0.0,
    "moisture": None,
}


def zone(**other: object) -> pl.DataFrame:
    return pl.DataFrame([ZONE | other], schema=dict(ZONES))


def days(changes: Sequence[Mapping[str, object]], number: int = 1) -> pl.DataFrame:
    made = [
        WEATHER | {"zone": number, "day": DAY0 + timedelta(days=nr)} | dict(change) for nr, change in enumerate(changes)
    ]
    return pl.DataFrame(made, schema_overrides=irrigation.DAYS).select(
        (pl.col(name) if name in made[0] else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in irrigation.DAYS.items()
    )


def start(depletion: float | None = None, day: date | None = None, number: int = 1) -> pl.DataFrame:
    schema = {"zone": pl.Int32, "day": pl.Date, "depletion": pl.Float64}
    return pl.DataFrame([(number, day, depletion)], schema=schema, orient="row")


def run(changes: Sequence[Mapping[str, object]], depletion: float | None = 0.0, **other: object) -> pl.DataFrame:
    return irrigation.balance(days(changes), zone(**other), LAND, start(depletion))


def test_without_rain_the_soil_dries_and_slows() -> None:
    made = run([{}] * 40)
    lost = made["depletion"].to_list()
    assert lost == sorted(lost)
    assert made["ks"][0] == 1.0
    assert made["ks"][-1] < 0.2
    assert lost[-1] <= made["taw"][-1] == 65.0
    used = made["etc"].to_list()
    assert used[0] == pytest.approx(made["kc"][0] * made["et0"][0], abs=1e-6)
    assert used[-1] < used[0] / 5


def test_rain_fills_the_soil_and_the_rest_runs_through() -> None:
    made = run([{}, {"rain": 40.0}, {"rain": 4.0}], depletion=20.0)
    first, rain, little = made.iter_rows(named=True)
    assert rain["effective"] == 40.0
    assert rain["percolation"] == pytest.approx(40.0 - rain["etc"] - first["depletion"], abs=1e-6)
    assert rain["depletion"] == 0.0
    assert (little["rain"], little["effective"]) == (4.0, 0.0)
    assert little["depletion"] == little["etc"]


def test_a_meter_counts_as_rain_that_all_counts() -> None:
    dry, wet = run([{}], depletion=20.0), run([{"irrigation": 3.0}], depletion=20.0)
    assert wet["depletion"].item() == pytest.approx(dry["depletion"].item() - 3.0, abs=1e-6)


def test_a_zone_nobody_measured_begins_half_way() -> None:
    made = run([{}, {}], depletion=None)
    first = made.row(0, named=True)
    assert first["fallbacks"] == ["start_raw"]
    assert first["depletion"] == pytest.approx(first["raw"] / 2 + first["etc"], abs=1e-6)
    assert made["fallbacks"][1].to_list() == []


def test_a_probe_is_believed_and_the_difference_kept() -> None:
    # loam: 0.25 at field capacity, 0.5 m of roots
    made = run([{}, {"moisture": 0.21}, {}], depletion=0.0)
    probed = made.row(1, named=True)
    assert probed["depletion"] == pytest.approx(1000 * 0.04 * 0.5)
    assert probed["correction"] == pytest.approx(probed["depletion"] - made["etc"][0] - made["etc"][1], abs=1e-5)
    assert made["depletion"][2] > probed["depletion"]
    assert run([{"moisture": 0.4}])["depletion"].item() == 0.0  # wetter than field capacity
    assert run([{"moisture": 0.01}])["depletion"].item() == 65.0  # drier than plants can make it


def test_a_day_without_weather_takes_the_days_before() -> None:
    gap = {"tmax": None}
    made = run([{"radiation": 10.0}, {"radiation": 15.0}, {"radiation": 20.0}, {"radiation": 25.0}, gap, gap])
    known = made["et0"].to_list()
    assert known[4:] == [None, None]
    assert made["etc"][4] == pytest.approx(made["kc"][4] * sum(known[1:4]) / 3, abs=1e-5)
    assert made["etc"][5] == made["etc"][4]  # of the same days: what stood in does not count as known
    assert made["fallbacks"][4].to_list() == ["et0_recent"]


def test_after_a_week_without_weather_the_soil_is_taken_as_it_was() -> None:
    made = run([{}, *[{"tmax": None}] * 8], depletion=10.0)
    last = made.row(-1, named=True)
    assert last["etc"] is None
    assert last["fallbacks"] == ["no_weather"]
    assert last["depletion"] == made["depletion"][-2]
    rained = run([{"tmax": None, "rain": 8.0}], depletion=10.0)
    assert rained["depletion"].item() == 2.0  # rain still counts


def test_no_gauge_is_said_and_no_rain_taken() -> None:
    made = run([{"rain": None}])
    assert (made["rain"].item(), made["effective"].item()) == (None, 0.0)
    assert made["fallbacks"].item().to_list() == ["no_rain"]


def test_what_stood_in_for_the_weather_is_kept() -> None:
    made = run([{"wind": None, "rain": None}])
    assert made["fallbacks"].item().to_list() == ["wind_default", "no_rain"]


def test_days_that_are_settled_are_only_looked_back_at() -> None:
    made = irrigation.balance(days([{}] * 5), zone(), LAND, start(12.0, DAY0 + timedelta(days=2)))
    assert made["day"].to_list() == [DAY0 + timedelta(days=3), DAY0 + timedelta(days=4)]
    assert made["depletion"][0] == pytest.approx(12.0 + made["etc"][0], abs=1e-6)


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "tmax": st.none() | st.floats(21, 40),
        "radiation": st.none() | st.floats(1, 30),
        "wind": st.none() | st.floats(0, 8),
        "rh_min": st.none() | st.floats(10, 79),
        "rain": st.none() | st.floats(0, 120),
        "irrigation": st.none() | st.floats(0, 20),
        "moisture": st.none() | st.floats(0.02, 0.5),
    },
)
SEASON = st.lists(CHANGES, min_size=1, max_size=15)


@settings(deadline=None, max_examples=30)
@given(SEASON, st.none() | st.floats(0, 65))
def test_the_balance_closes_and_is_the_obvious_loop(season: list[dict[str, Any]], before: float | None) -> None:
    made = run(season, depletion=before)
    facts = irrigation.soil(zone(), LAND).row(0, named=True)
    known: list[tuple[date, float]] = []
    state = before
    for row, change in zip(made.iter_rows(named=True), season, strict=True):
        if row["et0"] is not None:
            demand: float | None = row["kc"] * max(row["et0"], 0)
            known.append((row["day"], row["et0"]))
        else:
            near = [et0 for day, et0 in known if (row["day"] - day).days <= 7][-3:]
            demand = row["kc"] * max(sum(near) / len(near), 0) if near else None
        p = 0.4 if demand is None else min(max(0.4 + 0.04 * (5 - demand), 0.1), 0.8)
        assert row["raw"] == pytest.approx(p * facts["taw"], abs=2e-5)
        state = 0.5 * row["raw"] if state is None else state
        ks = 1.0 if state <= row["raw"] else max((facts["taw"] - state) / (facts["taw"] - row["raw"]), 0)
        assert row["ks"] == pytest.approx(ks, abs=1e-5)
        water = row["effective"] + row["irrigation"]
        used = min(ks * (demand or 0.0), facts["taw"] - state + water)
        assert (row["etc"] or 0.0) == pytest.approx(used, abs=1e-4)
        assert row["percolation"] == pytest.approx(max(water - used - state, 0), abs=1e-4)
        closed = state - water + (row["etc"] or 0.0) + row["percolation"] + row["correction"]
        assert row["depletion"] == pytest.approx(closed, abs=1e-5)
        assert 0 <= row["depletion"] <= facts["taw"]
        if change.get("moisture") is not None:
            probed = 1000 * (0.25 - change["moisture"]) * 0.5
            assert row["depletion"] == pytest.approx(min(max(probed, 0), facts["taw"]), abs=1e-5)
        else:
            assert row["correction"] == 0
        state = row["depletion"]


@settings(deadline=None, max_examples=15)
@given(SEASON, st.none() | st.floats(0, 65), st.integers(0, 15))
def test_day_by_day_equals_all_at_once(season: list[dict[str, Any]], before: float | None, cut: int) -> None:
    whole = run(season, depletion=before)
    weather, place = days(season), zone()
    edge = DAY0 + timedelta(days=cut)
    first = irrigation.balance(weather.filter(pl.col("day") < edge), place, LAND, start(before))
    last = first.select("zone", "day", "depletion").tail(1)
    rest = irrigation.balance(weather, place, LAND, last if last.height else start(before))
    assert pl.concat([first, rest]).equals(whole)


def test_zones_do_not_know_of_one_another() -> None:
    both = pl.concat([zone(), zone(zone=2, cover="conifer trees", texture="clay", root_depth=None)])
    weather = pl.concat([days([{}, {"rain": 9.0}]), days([{"rain": 60.0}], number=2)])
    made = irrigation.balance(weather, both, LAND, pl.concat([start(5.0), start(30.0, number=2)]))
    assert made.filter(pl.col("zone") == 1).equals(run([{}, {"rain": 9.0}], depletion=5.0))
    assert made.filter(pl.col("zone") == 2)["taw"].to_list() == [140.0]  # clay, 1 m of roots


@needs_shared
def test_a_season_of_a_peer_is_met_step_by_step() -> None:
    """pyfao56, maize 2022 at Greeley: stress, percolation and depletion of each day from that of the day before."""
    folder = SHARED / "data" / "pyfao56" / "test05"

    def read(name: str, columns: tuple[int, ...]) -> dict[str, list[float]]:
        lines = [line.split() for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        return {row[0]: [float(row[place]) for place in columns] for row in lines if row and row[0][:5] == "2022-"}

    head = next(
        line.split()
        for line in (folder / "E12FF2022_CCKcb.out").read_text(encoding="utf-8").splitlines()
        if line.startswith("Year-DOY")
    )
    wanted = ("TAW", "RAW", "ETc", "Ks", "ETa", "DP", "Dr")
    out = read("E12FF2022_CCKcb.out", tuple(head.index(name) for name in wanted))
    weather = [line.split() for line in (folder / "LIRF.wth").read_text(encoding="utf-8").splitlines()]
    names = next(row for row in weather if row and row[0] == "Year-DOY")
    rain = {row[0]: float(row[names.index("Rain")]) for row in weather if row and row[0] in out}
    water = {day: depth for day, (depth,) in read("E12FF2022.irr", (1,)).items()}
    frame = (
        pl.DataFrame(
            [(*values, rain[day] + water.get(day, 0.0)) for day, values in out.items()],
            schema=[*wanted, "water"],
            orient="row",
        )
        .with_columns(before=pl.col("Dr").shift())
        .drop_nulls()
    )
    assert frame.height > 160
    facts = {"before": pl.col("before"), "water": pl.col("water"), "etc": pl.col("ETa")}
    made = frame.with_columns(
        ks=irrigation.stress(taw=pl.col("TAW"), raw=pl.col("RAW"), depletion=pl.col("before")),
        dp=irrigation.percolation(**facts),
    ).with_columns(dr=irrigation.depletion(**facts, percolation=pl.col("dp"), taw=pl.col("TAW")))
    # Three decimals are printed, and the root zone grows by itself: new soil arrives at its first moisture.
    assert made.select((pl.col("ks") - pl.col("Ks")).abs().max()).item() < 0.002
    assert made.select((pl.col("dp") - pl.col("DP")).abs().max()).item() < 0.003
    assert made.select((pl.col("dr") - pl.col("Dr")).abs().max()).item() < 0.003


# The advice

ISSUED = datetime(2026, 6, 9, 22, tzinfo=UTC)  # 06:00 of 10 June at +08:00


def advise(
    depletion: float, issued: datetime = ISSUED, weather: Mapping[str, object] | None = None, **today: float | None
) -> dict[str, Any]:
    """Advice on the morning of 10 June after nine dry days that end with `depletion`."""
    last = irrigation.balance(days([weather or {}] * 9), zone(), LAND, start(0.0))
    newest = pl.col("day") == pl.col("day").max()
    last = last.with_columns(depletion=pl.when(newest).then(depletion).otherwise("depletion"))
    schema = {"zone": pl.Int32, **dict.fromkeys(("rain", "irrigation", "moisture", "tmax"), pl.Float64)}
    frame = pl.DataFrame([{"zone": 1, "tmax": 32.0} | today], schema=schema)
    return irrigation.advise(last, zone(), LAND, frame, issued).row(0, named=True)


RATE = 5.1  # what this weather takes a day [mm], roughly


def test_a_dry_zone_is_watered_now_back_to_field_capacity() -> None:
    said = advise(40.0)
    assert said["water"] is True
    assert said["latest"] == ISSUED
    assert said["day"] == date(2026, 6, 10)
    assert said["depth"] == said["depletion"] > 40.0  # with what was used since midnight
    # 1000 m², three quarters reach the roots, 5 m³ an hour
    assert said["volume"] == pytest.approx(said["depth"] / 0.75, abs=1e-5)
    assert said["minutes"] == pytest.approx(said["volume"] / 5 * 60, abs=1e-4)
    assert "water now (by the water balance, which knows of no watering)." in said["reason"]
    assert said["reason_zh"].endswith("请立即灌溉（依据水量平衡，未见灌溉记录）。")


def test_a_zone_that_will_be_dry_tomorrow_is_watered_today() -> None:
    raw = advise(0.0)["raw"]
    said = advise(raw - 4.5)
    assert said["water"] is True
    hours = (said["latest"] - ISSUED) / timedelta(hours=1)
    assert 10 <= hours <= 24
    assert f"water within {int(hours)} h" in said["reason"]
    assert advise(raw - 8.0)["water"] is False


def test_a_later_need_is_told_and_a_wet_zone_left_alone() -> None:
    said = advise(5.0)
    assert (said["water"], said["depth"], said["volume"], said["minutes"]) == (False, 0.0, 0.0, 0.0)
    days_left = (said["latest"] - ISSUED) / timedelta(days=1)
    assert days_left == pytest.approx((said["raw"] - said["depletion"]) / RATE, rel=0.1)
    assert "enough for" in said["reason"]
    wet = advise(0.0, weather={"radiation": 2.0, "tmax": 21.0, "rh_min": 75.0})
    assert wet["latest"] is None
    assert "no need within 14 days" in wet["reason"]


def test_rain_and_watering_of_today_count_and_a_probe_overrules() -> None:
    dry = advise(40.0)
    assert advise(40.0, rain=20.0)["depletion"] == pytest.approx(dry["depletion"] - 20.0)
    assert advise(40.0, rain=4.0)["depletion"] == dry["depletion"]  # too little to count
    assert advise(40.0, irrigation=12.0)["depletion"] == pytest.approx(dry["depletion"] - 12.0)
    probed = advise(40.0, moisture=0.24)
    assert probed["depletion"] == pytest.approx(5.0)
    assert probed["water"] is False
    assert probed["reason"].endswith("(by the probe).")


def test_nobody_waters_on_a_cold_day() -> None:
    said = advise(40.0, weather={"tmax": 3.0, "tmin": -5.0}, tmax=3.0)
    assert said["water"] is False
    assert "do not water" in said["reason"]
    assert said["depth"] == 0.0


def test_without_weather_and_probe_nothing_is_said() -> None:
    said = advise(40.0, weather={"tmin": None})
    assert (said["water"], said["depth"], said["volume"], said["minutes"], said["latest"]) == (None,) * 5
    assert "nothing can be said" in said["reason"]
    by_probe = advise(40.0, weather={"tmin": None}, moisture=0.15)
    assert by_probe["water"] is True  # the probe alone shows that the zone is dry
    assert by_probe["latest"] == ISSUED
    wet = advise(40.0, weather={"tmin": None}, moisture=0.24)
    assert (wet["water"], wet["latest"]) == (False, None)
    # Nobody knows what it loses, so nobody promises a fortnight.
    assert "no need now; how much it loses a day is not known (by the probe)." in wet["reason"]


def test_a_zone_that_is_watered_by_a_meter_is_not_called_unwatered() -> None:
    assert advise(5.0, weather={"irrigation": 1.0})["reason"].endswith("(by the water balance).")
    assert advise(40.0, irrigation=12.0)["reason"].endswith("(by the water balance).")  # this morning


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 65), st.floats(0, 65))
def test_a_drier_zone_never_gets_less(one: float, other: float) -> None:
    wetter, drier = (advise(value) for value in sorted((one, other)))
    assert drier["depth"] >= wetter["depth"]
    assert drier["water"] >= wetter["water"]
    if drier["latest"] and wetter["latest"]:
        assert drier["latest"] <= wetter["latest"]
