"""The model of many stations: it learns, knows nothing of what came later, is made again to the bit, and is data."""

import io
import json
import math
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import forecasting
from analytics.forecasting import FORECASTERS, Array, Fit, Panel, Shape, Subject, _panel, boosting
from analytics.forecasting._boosting import learning
from analytics.forecasting._boosting.blocks import fold as fold_of
from analytics.forecasting._boosting.trees import NODE
from analytics.skill import truth

SETTINGS = forecasting.load().settings
START = datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=8)))
NAN = math.nan
HOURS, TAUGHT = 4600, 4000
SHAPE = Shape(rounds=25, rate=0.2, rows=8000, leads=(1, 6, 24, 72), networks=1, hidden=(16,))


def made_up(hours: int = HOURS, series: int = 4, seed: int = 1) -> Panel:
    """Air that wind clears: what is blown away comes six hours after the wind, so that the wind tells what is ahead."""
    rng = np.random.default_rng(seed)
    speed = np.zeros((hours, 1))
    level = np.zeros((hours, series))
    for hour in range(1, hours):
        speed[hour] = 0.95 * speed[hour - 1] + 0.3 * rng.normal()
        blown = speed[max(hour - 6, 0)]
        level[hour] = 0.9 * level[hour - 1] - 0.4 * blown + 0.1 * rng.normal(size=series)
    wave = np.sin(2 * np.pi * np.arange(hours)[:, None] / 24)
    places = np.stack([np.arange(series) * 5.0, np.zeros(series)], axis=1)
    return Panel(START, 10 + wave + level, places, {"wind_speed": np.broadcast_to(speed, level.shape) + 2})


@pytest.fixture(scope="module")
def panel() -> Panel:
    return made_up()


@pytest.fixture(scope="module")
def fit(panel: Panel) -> Fit:
    return learned(panel)


def learned(panel: Panel, until: int = TAUGHT, shape: Shape = SHAPE) -> Fit:
    found = boosting.learn(panel, until, SETTINGS, shape)
    assert found is not None
    return found


def ahead(panel: Panel, fit: Fit, *origins: int) -> Array:
    return boosting.forecast(panel, np.array(origins), SETTINGS, fit)


def cut(panel: Panel, rows: slice) -> Panel:
    start = panel.start + timedelta(hours=rows.start or 0)
    beside = {name: grid[rows] for name, grid in panel.beside.items()}
    return replace(panel, start=start, values=panel.values[rows], beside=beside)


def test_it_learns_what_the_naive_cannot_know(panel: Panel, fit: Fit) -> None:
    """Of hours after those it was taught: six hours ahead it knows of the wind."""
    origins = np.arange(TAUGHT, HOURS - 72)
    came = truth(panel.values, origins, 72)
    mae = np.abs(boosting.forecast(panel, origins, SETTINGS, fit) - came).mean(axis=(0, 2))
    for name in forecasting.NAIVE:
        bar = np.abs(FORECASTERS[name](panel.values, origins, SETTINGS) - came).mean(axis=(0, 2))
        assert mae[5] < 0.8 * bar[5], name
        assert (mae < 1.02 * bar)[:24].all(), name


def test_it_learns_days_on_which_nobody_works() -> None:
    """Works that stand still at weekends and holidays. Of the National Day, a Wednesday, it says less than if it were
    worked; and of the Sunday before it, which is worked instead, more than of any other."""
    hours, first, last = 7200, date(2025, 1, 1), date(2025, 11, 30)
    free = forecasting.free("CN", first, last)
    off = np.array([(START + timedelta(hours=hour)).date() in free for hour in range(hours)])
    calm = made_up(hours, series=2)
    panel = replace(calm, values=calm.values - 6.0 * off[:, None], free=free)
    sunday, until, wednesday = ((date(2025, *day) - first).days * 24 for day in ((9, 28), (9, 27), (10, 1)))
    fit = learned(panel, until, replace(SHAPE, rows=4000, leads=(6, 24)))
    other = replace(panel, free=free ^ {date(2025, 9, 28), date(2025, 10, 1)})
    more = (ahead(panel, fit, sunday, wednesday) - ahead(other, fit, sunday, wednesday))[:, 6:24].mean(axis=(1, 2))
    assert more[0] > 1.5
    assert more[1] < -1.5


def test_what_came_later_changes_nothing(panel: Panel, fit: Fit) -> None:
    """Neither a fit nor what it says: rows after the last it was taught, and after the origin, are not read."""
    later = replace(panel, values=panel.values.copy(), beside={"wind_speed": panel.beside["wind_speed"].copy()})
    later.values[TAUGHT:] = 1e6
    later.beside["wind_speed"][TAUGHT:] = NAN
    assert boosting.pack(learned(later)) == boosting.pack(fit)
    assert np.array_equal(ahead(later, fit, TAUGHT), ahead(panel, fit, TAUGHT))
    assert np.array_equal(ahead(cut(panel, slice(0, TAUGHT)), fit, TAUGHT), ahead(panel, fit, TAUGHT))


@settings(max_examples=15, deadline=None)
@given(st.integers(900, HOURS - 1), st.integers(0, 2**32 - 1))
def test_no_column_reads_a_row_from_the_origin_on(origin: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = made_up(HOURS // 4, seed=3)
    origin %= len(one.values)
    other = replace(one, values=one.values.copy(), beside={"wind_speed": one.beside["wind_speed"].copy()})
    other.values[origin:] = rng.choice([NAN, 0.0, 1e6], other.values[origin:].shape)
    other.beside["wind_speed"][origin:] = rng.choice([NAN, 0.0], other.values[origin:].shape)
    at = np.array([origin])
    read = []
    for past in (one, other):
        known = _panel.anchor(past.values, at, SETTINGS)
        columns = _panel.base(past, at, 6), *_panel.at_leads(past, at, [30], SETTINGS, known)
        read.append(np.concatenate([known.ravel(), *(part.ravel() for part in columns)]))
    assert np.array_equal(read[0], read[1], equal_nan=True)


def test_a_past_that_it_was_taught_is_told_by_what_was_not_taught_it(panel: Panel, fit: Fit) -> None:
    """Each origin by one of three; of what one was taught, nothing within a lead of the block it is tested on."""
    blocks = fold_of(panel.start, np.arange(HOURS), SHAPE.block)
    for fold in range(3):
        mine = np.flatnonzero(blocks[:TAUGHT] == fold)[::200]
        spoiled = tuple(
            tuple(trees if number == fold else trees[:1] for number, trees in enumerate(folds)) for folds in fit.trees
        )
        mute = tuple(
            (replace(n, sizes=0 * n.sizes),) if number != fold else (n,) for number, (n,) in enumerate(fit.networks)
        )
        other = replace(fit, trees=spoiled, networks=mute)
        assert np.array_equal(ahead(panel, fit, *mine), ahead(panel, other, *mine), equal_nan=True)
        assert not np.array_equal(ahead(panel, fit, TAUGHT), ahead(panel, other, TAUGHT))


def test_a_test_on_the_past_flatters_nobody() -> None:
    """Of random walks, which nobody can tell: it is no better on what it was taught than staying where it is."""
    rng = np.random.default_rng(5)
    walks = np.cumsum(rng.normal(size=(HOURS, 4)), axis=0)
    panel = Panel(START, walks, np.full((4, 2), NAN))
    fit = learned(panel)
    origins = np.arange(1000, TAUGHT - 72, 7)
    came = truth(walks, origins, 72)
    mae, bar = (
        np.abs(made - came).mean()
        for made in (
            boosting.forecast(panel, origins, SETTINGS, fit),
            FORECASTERS["persistence"](walks, origins, SETTINGS),
        )
    )
    assert mae > 0.97 * bar


def test_the_same_from_its_manifest(panel: Panel, fit: Fit) -> None:
    """Bytes there and back; what says how it was made makes it again."""
    blob = boosting.pack(fit)
    again = boosting.unpack(blob)
    assert boosting.pack(again) == blob
    assert np.array_equal(ahead(panel, again, 2000, TAUGHT), ahead(panel, fit, 2000, TAUGHT))
    until = int((again.until - panel.start) / timedelta(hours=1))
    assert until == TAUGHT
    assert boosting.pack(learned(panel, until, boosting.shape_of(again.manifest))) == blob
    assert boosting.pack(learned(panel, until, replace(SHAPE, seed=8))) != blob


def test_panels_that_begin_elsewhere_agree(panel: Panel, fit: Fit) -> None:
    """The sixty days that are read each hour say what all of the past says, in the fold of the calendar."""
    for origin in (3000, TAUGHT, 4400):
        late = cut(panel, slice(origin - SETTINGS.history, origin))
        assert np.allclose(ahead(late, fit, SETTINGS.history), ahead(panel, fit, origin), atol=1e-6)


def test_gaps_constant_new_silent_and_lonely_series_are_run_through(panel: Panel, fit: Fit) -> None:
    """Never an infinity, never a word of warning; NaN exactly where persistence around the day cannot say either."""
    values = np.tile(panel.values, (1, 2))
    rng = np.random.default_rng(3)
    values[rng.random(HOURS) < 0.4, 0] = NAN
    values[:, 1] = 7.0
    values[: HOURS - 30, 2] = NAN  # new
    values[: HOURS - 10, 3] = NAN  # newer than can be said anything of
    values[HOURS - 6 :, 4] = NAN  # silent
    values[:, 5] = NAN
    places = np.concatenate([panel.places, np.full((4, 2), NAN)])
    wind = np.tile(panel.beside["wind_speed"], (1, 2))
    wind[:, 6] = NAN
    wide = replace(panel, values=values, places=places, beside={"wind_speed": wind})
    found = ahead(wide, fit, 1, HOURS)
    assert not np.isinf(found).any()
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[-1]).all(axis=0).tolist() == [True, True, True, False, False, False, True, True]
    assert boosting.learn(wide, TAUGHT, SETTINGS, replace(SHAPE, rounds=2)) is not None
    one = Panel(START, values[:, :1], panel.places[:1])
    assert np.isfinite(ahead(one, learned(one, shape=replace(SHAPE, rounds=2)), HOURS)).all()


def test_too_little_is_not_learned_from(panel: Panel) -> None:
    """Of nothing, of a month (a block has nobody to test), of gaps alone."""
    assert boosting.learn(panel, 0, SETTINGS, SHAPE) is None
    assert boosting.learn(panel, 700, SETTINGS, SHAPE) is None
    assert boosting.learn(replace(panel, values=np.full_like(panel.values, NAN)), TAUGHT, SETTINGS, SHAPE) is None


def test_other_columns_than_it_was_taught_are_refused(panel: Panel, fit: Fit) -> None:
    with pytest.raises(ValueError, match="the fit reads"):
        ahead(replace(panel, beside={}), fit, HOURS)


def test_the_anchor_is_damped_persistence_around_the_wave() -> None:
    """A wave is gone on with; by loops; where the day has no wave it is damped persistence."""
    rng = np.random.default_rng(2)
    history = rng.normal(size=(800, 2)) + 5
    history[rng.random(history.shape) < 0.2] = NAN
    for origin in (100, 799, 800):
        found = _panel.anchor(history, np.array([origin]), SETTINGS)[0]
        for series in range(2):
            past = history[max(origin - 720, 0) : origin, series]
            hours = np.arange(max(origin - 720, 0), origin) % 24
            usual = [np.nanmean(past[hours == hour]) for hour in range(24)]
            newest = max(row for row in range(origin) if not math.isnan(history[row, series]))
            off = history[newest, series] - usual[newest % 24]
            for lead in (1, 30, 72):
                row = origin + lead - 1
                assert found[lead - 1, series] == pytest.approx(usual[row % 24] + off * math.exp((newest - row) / 36))
    flat = np.repeat(np.arange(40.0), 24)[:, None]
    at = np.array([960])
    assert np.allclose(_panel.anchor(flat, at, SETTINGS), FORECASTERS["damped-persistence"](flat, at, SETTINGS))


def test_neighbours_are_read_by_distance_and_upwind() -> None:
    """West 10, here 20, east 40; wind from the west asks the west."""
    values = np.tile([10.0, 20.0, 40.0], (50, 1))
    places = np.array([[-5.0, 0.0], [0.0, 0.0], [5.0, 0.0]])
    wind = {"wind_east": np.full((50, 3), 3.0), "wind_north": np.zeros((50, 3))}
    around, upwind = _panel._around(Panel(START, values, places, wind), values[:1], np.array([50]), 6)
    assert (around[0, 1], upwind[0, 1]) == (pytest.approx(5), pytest.approx(-10))
    assert math.isnan(upwind[0, 0])  # nobody lies to the west of it


def test_weather_ahead_is_read_by_its_origin(panel: Panel, fit: Fit) -> None:
    """The wind of the next day tells a day ahead; asked of two origins it says what it says of each."""
    wind = panel.beside["wind_speed"]
    knows = replace(panel, ahead={"wind_speed": lambda origins: truth(wind, origins, SETTINGS.leads)})
    taught = learned(knows)
    origins = np.arange(TAUGHT, HOURS - 72)
    came = truth(panel.values, origins, 72)[:, 23]
    mae = [
        np.abs(boosting.forecast(one, origins, SETTINGS, of)[:, 23] - came).mean()
        for one, of in ((knows, taught), (panel, fit))
    ]
    assert mae[0] < 0.7 * mae[1]
    apart = [ahead(knows, taught, origin)[0] for origin in (2000, TAUGHT)]
    assert np.allclose(ahead(knows, taught, 2000, TAUGHT), apart)
    with pytest.raises(ValueError, match="ahead"):
        ahead(panel, taught, HOURS)


def test_the_slope_of_a_panel_is_told() -> None:
    """Two more a kilometre to the east, one less to the north, a gap passed over; of four in a line nothing."""
    places = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0], [5.0, 5.0], [2.0, 9.0], [NAN, NAN]])
    values = np.tile(7 + 2 * places[:, 0] - places[:, 1], (2, 1))
    values[0, 4], values[:, 5] = NAN, 1e6
    assert np.allclose(np.stack(_panel._slope(values, places)), np.array([2.0, -1.0])[:, None, None])
    line = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    assert np.isnan(_panel._slope(values[:, :4], line)).all()


def test_what_is_trusted_is_what_errs_least_in_units() -> None:
    """On the scale of roots a model that is right of low values alone seems good; in units the other one is."""
    anchors, come = np.tile([1.0, 10.0], 50), np.tile([1.0, 1.0], 50)
    low, high = np.where(anchors < 5, come, 0.15), np.where(anchors > 5, come, 0.1)
    plain, root = (learning._trust(low, high, come, anchors, Subject("", scale)) for scale in ("none", "root"))
    assert root[1] > root[0]
    assert plain != root


def spoiled(blob: bytes, change: Callable[[list[Any]], None]) -> bytes:
    """`blob` with other parts: manifest, starts, trust, nodes, weights of networks."""
    source = io.BytesIO(zlib.decompress(blob))
    parts: list[Any] = [np.load(source) for _ in range(5)]
    parts[0] = json.loads(parts[0].tobytes())
    parts[3] = parts[3].view(NODE).copy()
    change(parts)
    parts[0] = np.frombuffer(json.dumps(parts[0], sort_keys=True).encode(), np.uint8)
    parts[3] = parts[3].view(np.uint8)
    with io.BytesIO() as out:
        for part in parts:
            np.save(out, part)
        return zlib.compress(out.getvalue())


def assign(place: int, key: Any, value: Any) -> Callable[[list[Any]], None]:
    def change(parts: list[Any]) -> None:
        parts[place][key] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        assign(0, "leads", [6, 1, 24, 72]),
        assign(0, "leads", [1, 6]),
        assign(0, "leads", "1"),
        assign(0, "until", "soon"),
        assign(0, "beside", None),
        assign(0, "columns_read", 3),
        assign(0, "nodes", [[[3]]]),
        assign(0, "nodes", [[[-1, 4]] * 3] * 4),
        lambda parts: parts[0].pop("seed"),
        assign(1, (0, 0), NAN),
        assign(2, (0, 0), math.inf),
        assign(0, "widths", [3, 16, 4]),
        assign(0, "widths", [-1, 16, 4]),
        assign(4, (0, 0, 7), NAN),
        lambda parts: parts.__setitem__(4, parts[4][:2]),
        lambda parts: parts[3]["left"].__setitem__(parts[3]["left"] > 0, 0xFFFF),
        lambda parts: parts[3]["right"].__setitem__(parts[3]["left"] > 0, 1 - 1),
        lambda parts: parts[3]["value"].__setitem__(0, NAN),
        lambda parts: parts.__setitem__(3, parts[3][:-1]),
        lambda parts: parts.__setitem__(1, parts[1][:2]),
    ],
)
def test_what_is_no_fit_is_refused(fit: Fit, change: Callable[[list[Any]], None]) -> None:
    blob = boosting.pack(fit)
    assert boosting.pack(boosting.unpack(spoiled(blob, lambda _: None))) == blob
    with pytest.raises(ValueError, match=r".+"):
        boosting.unpack(spoiled(blob, change))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 10**6), st.booleans())
def test_garbage_is_refused(garbage: bytes, at: int, squeezed: bool) -> None:
    """Anything, squeezed or not, and a fit that is cut."""
    with pytest.raises(ValueError, match=r".*"):
        boosting.unpack(zlib.compress(garbage) if squeezed else garbage)
    whole = zlib.compress(garbage * (at % 50))
    with pytest.raises(ValueError, match=r".*"):
        boosting.unpack(whole[: at % len(whole)])


def test_times_are_times() -> None:
    assert fold_of(datetime(1970, 1, 1, tzinfo=UTC), np.array([0, 671, 672, 2016]), 672).tolist() == [0, 0, 1, 0]
