"""The water balance of a zone: by eye, against the obvious loop, and against a peer's season."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import irrigation
from tests.conftest import SHARED, needs_shared
from tests.irrigation.season import DAY0, LAND, days, run, start, zone
from tests.stories import EXAMPLES


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


def test_a_probe_is_weighed_against_the_balance_and_the_difference_kept() -> None:
    # loam: 0.25 at field capacity, 0.5 m of roots: 0.21 is 20 mm less than that
    made = run([{}, {"moisture": 0.21}, {}], depletion=0.0)
    probed = made.row(1, named=True)
    modelled = made["etc"][0] + made["etc"][1]
    assert modelled + 2 < probed["depletion"] < 20.0
    assert probed["correction"] == pytest.approx(probed["depletion"] - modelled, abs=1e-9)
    assert made["trusted"].to_list() == [None, True, None]
    assert made["doubt"][1] < made["doubt"][0]
    assert made["depletion"][2] > probed["depletion"]


def test_a_probe_that_says_what_cannot_be_is_not_believed() -> None:
    told = [{"moisture": 0.22 - 0.0075 * day} for day in range(8)]
    made = run([*told, {"moisture": 0.4}, {"moisture": 0.01}], depletion=15.0, probe=1)
    assert made["trusted"].to_list() == [True] * 8 + [False] * 2
    assert made["correction"][8:].to_list() == [0.0, 0.0]
    assert made["depletion"][9] > made["depletion"][8] > made["depletion"][7]


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
#: As kept.
BEFORE = st.none() | st.floats(0, 65).map(lambda lost: round(lost, 6))


@settings(deadline=None, max_examples=EXAMPLES or 15)
@given(SEASON, BEFORE)
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
        exact = 1e-9 if state is not None else 1e-6  # half of RAW is rounded to begin with
        state = 0.5 * row["raw"] if state is None else state
        ks = 1.0 if state <= row["raw"] else max((facts["taw"] - state) / (facts["taw"] - row["raw"]), 0)
        assert row["ks"] == pytest.approx(ks, abs=1e-5)
        water = row["effective"] + row["irrigation"]
        used = min(ks * row["factor"] * (demand or 0.0), facts["taw"] - state + water)
        assert (row["etc"] or 0.0) == pytest.approx(used, abs=1e-4)
        assert row["percolation"] == pytest.approx(max(water - used - state, 0), abs=1e-4)
        closed = state - water + (row["etc"] or 0.0) + row["percolation"] + row["correction"]
        assert row["depletion"] == pytest.approx(closed, abs=exact)
        assert 0 <= row["depletion"] <= facts["taw"]
        assert (row["trusted"] is None) == (change.get("moisture") is None)
        if not row["trusted"]:
            assert row["correction"] == 0.0
        state = row["depletion"]


@settings(deadline=None, max_examples=EXAMPLES or 8)
@given(SEASON, BEFORE, st.integers(0, 15))
def test_day_by_day_equals_all_at_once(season: list[dict[str, Any]], before: float | None, cut: int) -> None:
    whole = run(season, depletion=before)
    weather, place = days(season), zone()
    edge = DAY0 + timedelta(days=cut)
    first = irrigation.balance(weather.filter(pl.col("day") < edge), place, LAND, start(before))
    last = first.select("zone", "day", "depletion", "joined").tail(1)
    rest = irrigation.balance(weather, place, LAND, last if last.height else start(before))
    assert pl.concat([first, rest]).equals(whole)


@settings(deadline=None, max_examples=EXAMPLES or 8)
@given(SEASON, st.integers(0, 14), st.floats(0, 40))
def test_more_rain_never_leaves_a_drier_zone(season: list[dict[str, Any]], day: int, more: float) -> None:
    """Of zones without a probe: one that says the rain did not come is heard."""
    dry = [change | {"moisture": None} for change in season]
    wet = [dict(change) for change in dry]
    wet[day % len(wet)]["rain"] = (wet[day % len(wet)].get("rain") or 0.0) + more
    less, most = run(dry)["depletion"], run(wet)["depletion"]
    assert (most <= less + 2e-5).all()


@settings(deadline=None, max_examples=EXAMPLES or 8)
@given(SEASON, st.floats(0.02, 0.5), st.floats(0.0, 0.2))
def test_a_wetter_probe_that_is_believed_never_leaves_a_drier_zone(
    season: list[dict[str, Any]], said: float, more: float
) -> None:
    drier, wetter = (run([*season, {"moisture": reading}]).row(-1, named=True) for reading in (said, said + more))
    if drier["trusted"] and wetter["trusted"]:
        assert wetter["depletion"] <= drier["depletion"] + 2e-5


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
