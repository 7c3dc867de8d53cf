"""Values by the wind they came with: sectors, cells, curves, surfaces."""

import math
from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.hints import winds
from tests.hints.rows import Hour, at, blown, hours, rows

many = st.lists(hours, min_size=1, max_size=40)
few = settings(max_examples=25, deadline=None)


def by_sector(found: pl.DataFrame) -> dict[int, dict[str, object]]:
    return {row["sector"]: row for row in found.filter(pl.col("wind") == "from").to_dicts()}


def test_sectors_by_eye() -> None:
    found = winds.sectors(
        rows(
            [
                (1.0, 3.0, 90.0),
                (9.0, 3.0, 94.0),
                (9.0, 3.0, 85.1),
                (1.0, 3.0, 95.1),
                (4.0, 0.1, 90.0),
                (2.0, None, 90.0),
                (None, 3.0, 90.0),
                (1.0, 3.0, 0.0),
                (1.0, 3.0, 360.0),
                (1.0, 3.0, 4.0),
            ]
        ),
        high=50,
    )
    told = by_sector(found)
    assert (told[90]["count"], told[90]["high"], told[90]["probability"]) == (3, 2, 0.666667)
    assert (told[90]["mean"], told[90]["days"]) == (6.333333, 1)
    assert told[90]["share"] == round(19 / 29, 6)
    assert (told[100]["count"], told[100]["high"]) == (1, 0)
    assert told[360]["count"] == 3, "0°, 360° and 4° are all north"
    assert (told[180]["count"], told[180]["probability"]) == (0, None)
    rest = found.filter(pl.col("wind") != "from")
    assert rest.select("wind", "sector", "count", "high").rows() == [("calm", None, 1, 1), ("unknown", None, 1, 1)]


@few
@given(many, st.sampled_from([10, 30, 45]), st.sampled_from([50.0, 75.0, 90.0]), st.sampled_from([100.0, 95.0]))
def test_sectors_are_what_the_obvious_loop_counts(found: list[Hour], width: int, high: float, upto: float) -> None:
    known = [hour for hour in found if hour[0] is not None]
    wind: dict[tuple[str, int | None], list[float]] = defaultdict(list)
    for value, speed, direction in known:
        assert value is not None
        if speed is None or direction is None:
            wind["unknown", None].append(value)
        elif speed <= winds.CALM:
            wind["calm", None].append(value)
        else:
            wind["from", width * math.ceil(direction / width - 0.5) or 360].append(value)
    inside = [value for (kind, _), values in wind.items() if kind != "unknown" for value in values]
    low, top = np.percentile(inside, [high, upto]) if inside else (math.inf, math.inf)
    top = math.inf if upto == 100 else top  # what came with an unknown wind may be higher than all others
    told = winds.sectors(rows(found), width=width, high=high, upto=upto)
    assert told.height == (360 // width + 2 if known else 0)
    for row in told.to_dicts():
        values = wind[row["wind"], row["sector"]]
        over = sum(low < value <= top for value in values)
        assert (row["count"], row["high"]) == (len(values), over)
        assert row["probability"] == (pytest.approx(over / len(values), abs=1e-6) if values else None)
        assert row["mean"] == (pytest.approx(sum(values) / len(values), abs=1e-6) if values else None)
    assert told["count"].sum() == len(known), "calm and unknown wind are shown, nothing is left out"


@few
@given(many, st.integers(0, 35))
def test_who_turns_the_wind_turns_the_sectors(found: list[Hour], turns: int) -> None:
    turned = [(v, s, None if d is None else (d + 10 * turns) % 360) for v, s, d in found]
    before = winds.sectors(rows(found)).with_columns(
        pl.when(pl.col("sector").is_not_null()).then((pl.col("sector") + 10 * turns - 1) % 360 + 1).cast(pl.Int16)
    )
    order = ["wind", "sector"]
    assert_frame_equal(winds.sectors(rows(turned)).sort(order), before.sort(order))


@few
@given(many)
def test_the_order_of_rows_does_not_matter(found: list[Hour]) -> None:
    one = pl.concat([rows(found), rows(found[::-1], series=2)])
    other = one.sample(fraction=1, shuffle=True, seed=len(found))
    for make in (winds.sectors, winds.cells, winds.curve, winds.surface):
        assert_frame_equal(make(one), make(other))


@few
@given(many, st.sampled_from([0.5, 2.0, 8.0]))
def test_another_unit_changes_no_probability(found: list[Hour], times: float) -> None:
    other = [(None if v is None else v * times, s, d) for v, s, d in found]
    columns = ("series", "wind", "sector", "count", "share", "high", "probability", "sure")
    assert_frame_equal(winds.sectors(rows(found)).select(columns), winds.sectors(rows(other)).select(columns))


@few
@given(many, st.sampled_from([0.5, 1.0, 0.7]))
def test_cells_are_what_the_obvious_loop_counts(found: list[Hour], step: float) -> None:
    wind: dict[tuple[int, float], list[float]] = defaultdict(list)
    inside = []
    for value, speed, direction in found:
        if value is None or speed is None or direction is None:
            continue
        inside.append(value)
        if speed > winds.CALM:
            sector = 10 * math.ceil(direction / 10 - 0.5) or 360
            wind[sector, round(math.ceil(speed / step) * step, 6)].append(value)
    told = {(row["sector"], row["speed"]): row for row in winds.cells(rows(found), step=step).to_dicts()}
    assert told.keys() == wind.keys()
    line = np.percentile(inside, 90) if inside else 0
    for key, values in wind.items():
        assert told[key]["count"] == len(values)
        assert told[key]["high"] == sum(value > line for value in values)
        assert told[key]["mean"] == pytest.approx(np.mean(values), abs=1e-6)


@few
@given(many)
def test_curve_and_surface_are_weighted_means(found: list[Hour]) -> None:
    inside = [(v, s, d) for v, s, d in found if v is not None and s is not None and d is not None]
    line = np.percentile([v for v, _, _ in inside], 90) if inside else 0
    windy = [(v, s, d) for v, s, d in inside if s > winds.CALM]

    def mean(direction: float, speed: float | None, turn: float) -> tuple[float, float, float]:
        mass = sums = over = 0.0
        for v, s, d in windy:
            off = abs(direction - d) % 360
            weight = math.exp(-0.5 * (min(off, 360 - off) / turn) ** 2)
            if speed is not None:
                weight *= math.exp(-0.5 * ((speed - s) / winds.RUN) ** 2)
            mass, sums, over = mass + weight, sums + weight * v, over + weight * (v > line)
        return mass, sums, over

    smooth = [(row, mean(row["direction"], None, 10.0)) for row in winds.curve(rows(found), width=45).to_dicts()]
    plane = winds.surface(rows(found), width=90, step=2.0).to_dicts()
    smooth += [(row, mean(row["direction"], row["speed"], winds.TURN)) for row in plane]
    assert len(smooth) == (8 + 4 * (1 + math.ceil(max(s for _, s, _ in windy) / 2)) if windy else 0)
    for row, (mass, sums, over) in smooth:
        assert row["hours"] == pytest.approx(mass, abs=2e-6)
        if abs(mass - winds.LEAST) > 1e-6:
            enough = mass > winds.LEAST
            assert row["mean"] == (pytest.approx(sums / mass, abs=2e-6) if enough else None)
            assert row["probability"] == (pytest.approx(over / mass, abs=2e-6) if enough else None)


def test_peaks_stand_above_all_around_them() -> None:
    grid = [
        (
            1,
            turn,
            float(speed),
            5.0,
            1.0,
            {(360, 1): 0.9, (360, 2): 0.8, (180, 2): 0.5, (90, 0): 0.0}.get((turn, speed), 0.1),
        )
        for turn in range(30, 361, 30)
        for speed in range(4)
    ]
    found = winds.peaks(pl.DataFrame(grid, schema=dict(winds.SURFACE), orient="row"))
    assert found.select("direction", "speed", "probability").rows() == [(360, 1.0, 0.9), (180, 2.0, 0.5)]
    round_north = [(row[0], row[1] % 360 + 30, *row[2:]) for row in grid]
    turned = winds.peaks(pl.DataFrame(round_north, schema=dict(winds.SURFACE), orient="row"))
    assert turned["direction"].to_list() == [30, 210]
    flat = [(*row[:5], 0.1) for row in grid]
    assert winds.peaks(pl.DataFrame(flat, schema=dict(winds.SURFACE), orient="row")).is_empty()
    assert winds.peaks(winds.surface(rows([]))).is_empty()


def test_a_curve_points_at_the_source() -> None:
    top = winds.curve(blown(200, 355), width=5).sort("probability", descending=True)["direction"][0]
    assert top in (350, 355, 360)


def test_many_rows_are_smoothed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = blown(20, 90)
    whole = winds.surface(found)
    monkeypatch.setattr(winds, "_BLOCK", 7)
    assert_frame_equal(winds.surface(found), whole)


def test_what_is_sure_grows_with_the_days_and_not_with_the_hours() -> None:
    day = rows([(9.0, 3.0, 90.0)] * 12 + [(1.0, 3.0, 180.0)] * 120)
    week = day.with_columns(
        time=pl.lit(at(0)) + pl.duration(days=pl.int_range(pl.len()) % 12, hours=pl.int_range(pl.len()) // 12)
    )
    one, other = (by_sector(winds.sectors(each, high=80))[90] for each in (day, week))
    assert one["probability"] == other["probability"] == 1
    assert one["sure"] == pytest.approx(1 / (1 + 1.959964**2), abs=1e-6), "Wilson, 1 of 1"
    assert other["sure"] == pytest.approx(12 / (12 + 1.959964**2), abs=1e-6), "Wilson, 12 of 12"


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        ([(5.0, 0.0, 0.0)] * 3, (0, 3, 0)),
        ([(5.0, None, None)] * 3, (0, 0, 3)),
        ([(5.0, -1.0, 90.0), (5.0, 2.0, 361.0), (5.0, 2.0, -1.0)], (0, 0, 3)),
        ([(5.0, 2.0, 90.0)] * 3, (3, 0, 0)),
        ([(None, 2.0, 90.0)] * 3, None),
        ([], None),
    ],
    ids=["calm", "unknown", "no wind", "one sector, constant", "no value", "nothing"],
)
def test_little_to_go_by(found: list[Hour], counts: tuple[int, int, int] | None) -> None:
    told = winds.sectors(rows(found))
    if counts is None:
        assert told.is_empty()
    else:
        sums = dict(told.group_by("wind").agg(pl.col("count").sum()).rows())
        assert tuple(sums[kind] for kind in ("from", "calm", "unknown")) == counts
    assert told["high"].sum() == 0, "a constant is never above itself"
    for make in (winds.cells, winds.curve, winds.surface):
        assert make(rows(found)).height == 0 or (counts is not None and counts[0] > 0)


def test_what_is_no_number_or_no_width_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        winds.sectors(rows([(math.nan, 2.0, 90.0)]))
    with pytest.raises(ValueError, match="do not fill a circle"):
        winds.sectors(rows([]), width=7)
    with pytest.raises(ValueError, match="no percentiles"):
        winds.sectors(rows([]), high=95, upto=90)
    for make in (winds.cells, winds.surface):
        with pytest.raises(ValueError, match="cannot be cut"):
            make(rows([]), step=0.0)


def test_wind_is_laid_beside_values_by_the_hour() -> None:
    values = pl.DataFrame({"series": [1, 1], "time": [at(1), at(0)], "value": [2.0, 1.0]})
    wind = pl.DataFrame({"time": [at(1)], "speed": [3.0], "direction": [90.0]})
    assert winds.beside(values, wind).rows() == [(1, at(0), 1.0, None, None), (1, at(1), 2.0, 3.0, 90.0)]
