"""Forecasters: the family's promises, each by eye, what is issued of them, and coverage on real series."""

import copy
import math
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import forecasting, parameters, tables
from analytics.forecasting import FORECASTERS, ISSUES, LEARNED, NAIVE, Array, Asked, Subject
from analytics.tables import TableError
from tests.conftest import SHARED, needs_shared
from tests.published import prsa_forecasts
from tests.rows import spoil

PLAN = forecasting.load()
SETTINGS = PLAN.settings
NAN = math.nan
each = pytest.mark.parametrize("name", FORECASTERS)


def noisy(
    hours: int, series: int = 1, *, wave: float = 8.0, noise: float = 1.0, kept: float = 0.9, seed: int = 1
) -> Array:
    """[hours, series] a day's wave around 40 and an error that keeps the share `kept` of itself each hour."""
    rng = np.random.default_rng(seed)
    errors = np.zeros((hours, series))
    for hour in range(1, hours):
        errors[hour] = kept * errors[hour - 1] + noise * rng.normal(size=series)
    return np.asarray(40 + wave * np.sin(2 * np.pi * np.arange(hours)[:, None] / 24) + errors)


def ahead(name: str, history: Array, *origins: int) -> Array:
    return np.asarray(FORECASTERS[name](history, np.array(origins or [len(history)]), SETTINGS))


def issue(history: Array, subject: Subject | None = None, reason: str = "") -> dict[int, dict[str, Any]]:
    """What is issued, by column."""
    mine = subject or Subject("made_up", models=("harmonic",))
    asked = [Asked(number, mine, mine.models, reason) for number in range(history.shape[1])]
    made = forecasting.issue(history, asked, SETTINGS)
    assert made.schema == pl.Schema(ISSUES)
    return {row["series"]: row for row in made.iter_rows(named=True)}


# The table


def test_every_subject_is_a_parameter_with_hourly_means_and_known_models() -> None:
    known = parameters.load()
    for name, subject in PLAN.subjects.items():
        assert known[name].mean in ("arithmetic", "energy"), name
        assert "hour" in known[name].averagings, name
        assert set(subject.models) <= (FORECASTERS.keys() | set(LEARNED)) - set(NAIVE), name
    assert set(NAIVE) < FORECASTERS.keys()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("settings", "leads", "value"), 72.5, r"\[settings\] 'leads': 'value' cannot be 72.5"),
        (("settings", "leads", "value"), 48, r"'groups' must rise and end with 'leads'"),
        (("settings", "groups", "value"), [24, 6, 72], r"'groups' must rise"),
        (("settings", "groups", "value"), [6, "24", 72], r"'groups' 'value' must hold whole numbers"),
        (("settings", "step", "value"), 0, r"'step' is too small"),
        (("settings", "step", "value"), 13, r"'backtest' must hold whole steps"),
        (("settings", "level", "value"), 80, r"'level' and 'rate' must lie between 0 and 1"),
        (("settings", "history", "value"), 700, r"fit into 'history'"),
        (("settings", "damping", "source"), None, r"'damping': 'source' is missing"),
        (("settings", "damping"), None, r"\[settings\]: 'damping' is missing"),
        (("settings", "speed"), {"value": 1, "source": "", "confidence": ""}, r"unknown key 'speed'"),
        (("parameters", "pm25", "scale"), "cube", r"\[parameters.pm25\] 'scale' cannot be 'cube'"),
        (("parameters", "pm25", "floor"), None, r"\[parameters.pm25\] 'scale' 'root' needs a 'floor'"),
        (("parameters", "turbidity", "offset"), 0, r"\[parameters.turbidity\] 'scale' 'log' needs an 'offset' above 0"),
        (("settings", "wide", "value"), 0.7, r"'wide' must lie between 'level' and 1"),
        (("settings", "calendar", "value"), "XX", r"\[settings\] 'calendar' cannot be 'XX'"),
        (("settings", "beside", "value"), ["pm25", 5], r"'beside' 'value' must hold names"),
        (("parameters", "pm25", "limits"), [75, "150"], r"\[parameters.pm25\] 'limits' must hold numbers"),
        (("parameters", "pm25", "models"), "harmonic", r"\[parameters.pm25\]: 'models' cannot be 'harmonic'"),
        (("parameters", "pm25"), 5, r"\[parameters\] 'pm25' must be a table"),
    ],
)
def test_a_wrong_table_is_refused_by_block_and_key(path: tuple[str, ...], value: Any, message: str) -> None:
    content: Any = copy.deepcopy(tables.read(forecasting.TABLE))
    spoil(content, path, value)
    with pytest.raises(TableError, match=message):
        forecasting.parse(content)


def test_days_on_which_nobody_works() -> None:
    """The National Day of 2015 was a Thursday; the Saturday of the week after it was worked."""
    assert forecasting.free("CN", date(2015, 9, 30), date(2015, 10, 11)) == {
        *(date(2015, 10, day) for day in range(1, 8)),
        date(2015, 10, 11),
    }
    assert forecasting.free("", date(2015, 9, 30), date(2015, 10, 11)) == frozenset()


@given(st.lists(st.floats(0, 500), min_size=1, max_size=5))
def test_a_scale_is_left_as_it_was_entered(values: list[float]) -> None:
    subjects = [Subject("", scale="root", floor=0), Subject("", scale="log", offset=1, floor=0), Subject("")]
    grid = np.array(values)[:, None].repeat(3, axis=1)
    assert np.allclose(forecasting.back(forecasting.onto(grid, subjects), subjects), grid)


def test_nothing_leaves_its_limits() -> None:
    subjects = [Subject("", scale="root", floor=0), Subject("", floor=0, ceiling=100)]
    assert forecasting.back(np.array([[-3.0, -3.0], [3.0, 103.0]]), subjects).tolist() == [[0, 0], [9, 100]]


# What every member promises


@each
def test_a_forecast_has_every_lead_of_every_origin(name: str) -> None:
    found = ahead(name, noisy(800, 3), 700, 750, 800)
    assert found.shape == (3, SETTINGS.leads, 3)
    assert np.isfinite(found).all()


@each
@settings(max_examples=15, deadline=None)
@given(st.integers(1, 799), st.integers(0, 2**32 - 1))
def test_no_forecast_knows_what_came_after_its_origin(name: str, origin: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    history = np.where(rng.random((800, 1)) < 0.1, NAN, noisy(800, seed=seed))
    other = history.copy()
    other[origin:] = rng.choice([NAN, 0.0, 1e6], (800 - origin, 1))
    assert np.array_equal(ahead(name, history, origin), ahead(name, other, origin), equal_nan=True)


@each
def test_a_series_is_forecast_alike_alone_and_among_others(name: str) -> None:
    history = noisy(800, 5)
    history[200:260, 1] = NAN
    history[:, 2] = NAN
    together = ahead(name, history, 500, 800)
    for number in range(5):
        assert np.array_equal(
            ahead(name, history[:, [number]], 500, 800)[:, :, 0], together[:, :, number], equal_nan=True
        )


@each
def test_gaps_short_constant_and_empty_series_are_run_through(name: str) -> None:
    """Never an infinity, never a word of warning; what cannot be said is NaN."""
    history = noisy(800, 6)
    history[np.random.default_rng(3).random(800) < 0.3, 0] = NAN
    history[:790, 1] = NAN
    history[:, 2] = 7.0
    history[:, 3] = 0.0
    history[:, 4] = NAN
    history[700:, 5] = NAN
    found = ahead(name, history, 1, 30, 800)
    assert not np.isinf(found).any()
    assert np.isnan(found[:, :, 4]).all()
    assert np.isfinite(found[-1, :, 0]).all()
    constant = found[-1, :, 2:4]
    assert np.isnan(constant).all() or np.allclose(constant, [7.0, 0.0])


# Each by eye


def test_persistence_stays_as_it_is_while_fresh() -> None:
    history = np.array([3.0, 5.0, *[NAN] * 5])[:, None]
    assert set(ahead("persistence", history)[0, :, 0]) == {5.0}
    assert np.isnan(ahead("persistence", np.vstack([history, [[NAN]]]))).all()


def test_damped_persistence_returns_to_the_mean() -> None:
    """Mean of 27 hours 10 and an hour 38: 11; 36 h ahead the difference is a third of what it was."""
    history = np.array([*[10.0] * 27, 38.0])[:, None]
    found = ahead("damped-persistence", history)[0, :, 0]
    assert found[0] == pytest.approx(11 + 27 * math.exp(-1 / 36))
    assert found[35] == pytest.approx(11 + 27 / math.e)
    late = ahead("damped-persistence", np.vstack([history, [[NAN]]]))[0, :, 0]
    assert late[0] == pytest.approx(found[1])  # an hour later, counted from the newest value
    assert np.isnan(ahead("damped-persistence", history[5:])).all()  # 23 hours are no mean


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.just(NAN), st.integers(0, 99).map(float)), min_size=1, max_size=40), st.integers(0, 40))
def test_damped_persistence_is_the_obvious_loop(values: list[float], origin: int) -> None:
    few = replace(SETTINGS, mean=12, least=3, leads=4, fresh=3)
    origin = min(origin, len(values))
    found = FORECASTERS["damped-persistence"](np.array(values)[:, None], np.array([origin]), few)[0, :, 0]
    recent = [value for value in values[max(origin - 12, 0) : origin] if not math.isnan(value)]
    ages = [age for age in (1, 2, 3) if age <= origin and not math.isnan(values[origin - age])]
    for lead in range(4):
        if len(recent) < 3 or not ages:
            assert math.isnan(found[lead])
        else:
            mean, last = sum(recent) / len(recent), values[origin - ages[0]]
            assert found[lead] == pytest.approx(mean + (last - mean) * math.exp(-(lead + ages[0]) / 36))


def test_seasonal_naive_repeats_the_day_and_passes_over_gaps() -> None:
    history = np.arange(96.0)[:, None]
    found = ahead("seasonal-naive", history)[0, :, 0]
    assert found.tolist() == [*range(72, 96)] * 3
    history[80] = NAN  # lead 9: the day before that
    assert ahead("seasonal-naive", history)[0, 8, 0] == 56
    assert ahead("seasonal-naive", history)[0, 32, 0] == 56
    history[8::24] = NAN  # never measured at that hour: the hour before
    assert ahead("seasonal-naive", history)[0, 8, 0] == 79


def test_an_analyser_that_reads_every_fourth_hour_is_forecast_by_the_naive() -> None:
    history = noisy(1440)
    history[np.arange(1440) % 4 != 3] = NAN
    for name in NAIVE:
        assert np.isfinite(ahead(name, history)).all()
    assert np.isnan(ahead("harmonic", history)).all()


def test_harmonic_goes_on_with_the_wave() -> None:
    """A wave with next to no noise is continued; so it is after half a day of silence."""
    truth = noisy(1440 + 72, noise=0.01)
    history = truth[:1440].copy()
    assert np.abs(ahead("harmonic", history)[0, :, 0] - truth[1440:, 0]).max() < 0.1
    history[1428:] = NAN
    assert np.abs(ahead("harmonic", history)[0, :, 0] - truth[1440:, 0]).max() < 0.1


def test_harmonic_lets_the_error_of_now_die_away() -> None:
    """No wave, an error that keeps 0.9 of itself an hour, and ends 20 above the mean."""
    history = noisy(1440, wave=0, kept=0.9, seed=4)
    history[-1] = history[-672:].mean() + 20
    left = ahead("harmonic", history)[0, :, 0] - 40
    assert 16 < left[0] < 20
    assert left[9] == pytest.approx(20 * 0.9**10, abs=2)
    assert abs(left[71]) < 1.5


def test_harmonic_learns_again_in_time_for_each_stretch() -> None:
    """The wave grows half way: origins before and after it are served by what was known then."""
    history = noisy(1440, wave=2, noise=0.05)
    history[720:] = noisy(1440, wave=12, noise=0.05)[720:]
    early, late = ahead("harmonic", history, 710, 1440)[:, :24, 0]
    assert np.ptp(early) == pytest.approx(4, abs=1)
    assert np.ptp(late) == pytest.approx(24, abs=2)


def test_harmonic_says_nothing_of_errors_that_never_die_away() -> None:
    history = (1.001 ** np.arange(1440))[:, None] + noisy(1440, noise=0.001, wave=0)
    found = ahead("harmonic", history)
    assert np.isnan(found).all() or np.isfinite(found).all()
    assert not (np.abs(found) > 1e4).any()


# What is issued


def test_the_model_is_served_where_it_proved_itself() -> None:
    row = issue(noisy(1440))[0]
    assert row["models"] == ["harmonic"] * 72
    assert row["reason"] == ""
    assert min(row["skill"]) > 0.2
    assert len(row["value"]) == len(row["low"]) == len(row["high"]) == len(row["skill"]) == 72
    assert all(low <= value <= high for low, value, high in zip(row["low"], row["value"], row["high"], strict=True))


def test_random_walks_are_served_by_the_naive_group_by_group_and_say_why() -> None:
    """Nothing beats staying where it is, but by luck; a group is the model's, or named among those it lost."""
    spans = {"1-6 h": slice(0, 6), "7-24 h": slice(6, 24), "25-72 h": slice(24, 72)}
    won = []
    for row in issue(noisy(1440, 12, wave=0, kept=1.0, seed=6)).values():
        for span, leads in spans.items():
            (model,) = set(row["models"][leads])
            (skill,) = set(row["skill"][leads])
            assert (model in NAIVE) == (f"{span} (MAE" in row["reason"])
            assert skill > 0 if model == "harmonic" else skill == 0
            won.append(model == "harmonic")
    assert 0 < sum(won) < len(won) / 3


def test_short_histories_fall_back_and_say_so() -> None:
    """Of 20, 30, 100 and 400 hours: nothing; untested with a wide band; untested; tested, but too new for the model."""
    history = np.full((1440, 4), NAN)
    for number, hours in enumerate((20, 30, 100, 400)):
        history[-hours:, number] = noisy(1440)[-hours:, 0]
    found = issue(history)
    assert found.keys() == {1, 2, 3}
    assert set(found[1]["models"]) == set(found[2]["models"]) == {"damped-persistence"}
    assert found[1]["skill"] == [None] * 72
    assert found[1]["reason"].startswith("too short a history to test at 1-6 h, 7-24 h, 25-72 h; harmonic cannot say")
    assert found[1]["reason"].endswith("twice the spread of the history stands in")
    assert found[3]["reason"] == "harmonic has too few verified forecasts at 1-6 h, 7-24 h, 25-72 h"
    assert None not in found[3]["skill"]
    known = noisy(1440)[-30:, 0]
    assert all(low < known.min() for low in found[1]["low"])
    assert all(high > known.max() for high in found[1]["high"])


def test_a_silent_series_is_not_forecast() -> None:
    history = noisy(1440, 2)
    history[-6:, 0] = NAN
    history[-5:, 1] = NAN
    assert issue(history).keys() == {1}


def test_what_cannot_be_negative_is_not() -> None:
    """Small values with great errors: nothing below zero, the band less so than symmetric."""
    values = np.maximum(noisy(1440, wave=3, noise=3, seed=9) - 38, 0)
    row = issue(values, PLAN.subjects["pm25"])[0]
    assert min(row["low"]) >= 0
    wet = issue(np.minimum(noisy(1440, wave=20) + 40, 100), PLAN.subjects["relative_humidity"])[0]
    assert max(wet["high"]) <= 100


def test_a_reason_given_by_the_caller_is_kept() -> None:
    row = issue(noisy(1440), Subject("made_up"), "beyond the budget")[0]
    assert row["reason"] == "beyond the budget"
    assert set(row["models"]) <= set(NAIVE)


def test_what_is_issued_does_not_depend_on_neighbours() -> None:
    history = noisy(1440, 12, noise=3)
    history[:1200, 3] = NAN
    history[300:400, 5] = NAN
    together = issue(history)
    for number in range(12):
        assert issue(history[:, [number]])[0] | {"series": number} == together[number]


def test_the_wide_band_holds_the_other_and_chances_fall_with_the_limit() -> None:
    """A limit far below is passed but for what nobody has seen, one far above hardly; in between by the hour."""
    subject = Subject("made_up", models=("harmonic",), limits=(0.0, 40.0, 100.0))
    row = issue(noisy(1440), subject)[0]
    for low, high, wide_low, wide_high in zip(*(row[e] for e in ("low", "high", "wide_low", "wide_high")), strict=True):
        assert wide_low <= low <= high <= wide_high
    assert row["limits"] == [0.0, 40.0, 100.0]
    below, at, above = np.array(row["chance"]).reshape(3, 72)
    assert below.min() > 0.95
    assert above.max() < 0.05
    crest = np.array(row["value"]) > 45
    trough = np.array(row["value"]) < 35
    assert at[crest].min() > 0.8
    assert at[trough].max() < 0.2
    assert issue(noisy(1440))[0]["chance"] is None


def test_where_nothing_was_verified_no_chance_is_told() -> None:
    history = np.full((1440, 1), NAN)
    history[-30:] = noisy(1440)[-30:]
    assert set(issue(history, Subject("made_up", limits=(40.0,)))[0]["chance"][31:]) == {None}


# Coverage


def test_made_up_series_are_covered_as_promised() -> None:
    """200 series whose errors keep 0.9 of themselves: the truth lies in the band 80 % of the time."""
    truth = noisy(1440 + 72, 200, noise=2, seed=12)
    found = issue(truth[:1440], Subject("made_up"))
    low, high = (np.array([found[number][end] for number in range(200)]).T for end in ("low", "high"))
    inside = (low <= truth[1440:]) & (truth[1440:] <= high)
    for rows in (slice(0, 6), slice(6, 24), slice(24, 72)):
        assert 0.74 < inside[rows].mean() < 0.88
    low, high = (np.array([found[number][end] for number in range(200)]).T for end in ("wide_low", "wide_high"))
    assert 0.925 < ((low <= truth[1440:]) & (truth[1440:] <= high)).mean() < 0.98


@needs_shared
def test_pm25_of_beijing_is_covered() -> None:
    """Two stations, a year, every sixth day: nominal 80 %."""
    known, came = prsa_forecasts.windows(prsa_forecasts.read("PM2.5", ("Dongsi", "Huairou"))[-365 * 24 :], every=149)
    made = prsa_forecasts.issue(known, "pm25")
    assert np.isfinite(made["value"]).mean() > 0.95
    for share in (prsa_forecasts.coverage(made, came)[group] for group in ("1-6 h", "7-24 h", "25-72 h")):
        assert 0.72 < share < 0.88


@needs_shared
@pytest.mark.parametrize(
    ("column", "parameter"),
    [("vwc_5cm", "soil_moisture"), ("vwc_40cm", "soil_moisture"), ("soiltemp_5cm", "soil_temperature")],
)
def test_soil_of_kings_creek_is_covered(column: str, parameter: str) -> None:
    """Rain comes unannounced: days ahead the band of soil moisture is a little too narrow, hours ahead too wide."""
    path = SHARED / "data" / "kings-creek" / "kings_creek_2022-01_2023-06_hourly.csv.gz"
    values = pl.read_csv(path, columns=[column], schema_overrides={column: pl.Float64}).to_numpy()
    known, came = prsa_forecasts.windows(values, every=149)
    made = prsa_forecasts.issue(known, parameter)
    found = prsa_forecasts.coverage(made, came)
    assert 0.76 < found["1-6 h"] < 0.96
    assert 0.70 < found["7-24 h"] < 0.90
    assert 0.68 < found["25-72 h"] < 0.86


@needs_shared
def test_the_gate_serves_ozone_better_than_any_naive_forecast() -> None:
    known, came = prsa_forecasts.windows(prsa_forecasts.read("O3", ("Dongsi",))[-365 * 24 :], every=97)
    served = prsa_forecasts.issue(known, "o3")["value"]
    made = {name: prsa_forecasts.apart(known, "o3", name) for name in NAIVE} | {"served": served}
    shared = np.isfinite(came) & np.all([np.isfinite(values) for values in made.values()], axis=0)
    off = {name: np.abs(values - came)[shared].mean() for name, values in made.items()}
    assert off["served"] < 0.95 * min(off[name] for name in NAIVE)
