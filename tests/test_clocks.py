"""Clocks of devices: what is ahead of its receipt, how far one is off, how fast it drifts."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from statistics import median

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import clocks
from analytics.clocks import AHEAD, DELAYS, EARLY
from analytics.frames import CELLS, REJECTS, TIME, Batch, empty

T = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
STEPS = pl.DataFrame({"station": ["A", "B"], "step": [60, 3600]})


def cells(*times: datetime) -> pl.DataFrame:
    rows = [("A", "pm25", time, float(number), ord("D"), 7) for number, time in enumerate(times)]
    return pl.DataFrame(rows, schema=dict(CELLS), orient="row")


def batch(*times: datetime, received: pl.Series | datetime | None = None) -> Batch:
    places = pl.Series(range(1, len(times) + 1))
    return Batch(cells(*times), empty(REJECTS), places=places, place="line", received=received)


def test_ten_minutes_ahead_is_taken_and_a_second_more_is_not() -> None:
    found = clocks.early(batch(T + AHEAD, T + AHEAD + SECOND), T)
    assert found.cells["value"].to_list() == [0.0]
    assert found.places is not None
    assert found.places.to_list() == [1]
    assert found.read == 2
    (row,) = found.rejects.to_dicts()
    assert (row["reason"], row["place"], row["stamp"]) == (EARLY, "line 2", "2026-06-01T12:10:01Z")
    assert (row["text"], row["value"], row["mark"], row["revision"]) == ("1.0", 1.0, ord("D"), 7)


def test_each_is_held_against_its_own_receipt_and_what_has_none_against_now() -> None:
    """A record of last month, read again today, is as early as it was."""
    late = T + timedelta(days=30)
    received = pl.Series([T, None, late], dtype=TIME)
    found = clocks.early(batch(T + HOUR, T + HOUR, T + HOUR, received=received), late)
    assert found.cells["value"].to_list() == [1.0, 2.0]
    assert isinstance(found.received, pl.Series)
    assert found.received.to_list() == [None, late]
    assert clocks.early(batch(T + HOUR, received=T), late).cells.is_empty()
    whole = batch(T)
    assert clocks.early(whole, T) is whole
    assert clocks.early(Batch(cells(T + HOUR), empty(REJECTS)), T).rejects["place"].to_list() == [None]


def test_an_hour_keeps_its_least_delay_and_what_came_at_no_known_time_none() -> None:
    received = pl.Series([T + 5 * SECOND, T + 2 * SECOND, T + HOUR, None], dtype=TIME)
    found = clocks.delays(batch(T, T, T + HOUR + 30 * SECOND, T, received=received))
    assert found.rows() == [("A", T, 2.0), ("A", T + HOUR, -30.0)]
    assert clocks.delays(batch(T)).is_empty()
    assert clocks.delays(batch(T, received=T + SECOND)).rows() == [("A", T, 1.0)]


def hours(delays: list[float], station: str = "A") -> pl.DataFrame:
    rows = [(station, "x", T + number * HOUR, delay) for number, delay in enumerate(delays)]
    return pl.DataFrame(rows, schema=dict(DELAYS), orient="row")


@pytest.mark.parametrize(
    ("delay", "station", "offset"),
    [(-90.0, "A", 90.0), (0.0, "A", 0.0), (60.0, "A", 0.0), (200.0, "A", -140.0), (3600.0, "B", 0.0), (30.0, "C", 0.0)],
)
def test_a_clock_is_off_where_neither_way_nor_period_explains_it(delay: float, station: str, offset: float) -> None:
    found = clocks.estimate(hours([delay] * 8, station), STEPS).row(0, named=True)
    assert (found["delay"], found["offset"], found["drift"]) == (delay, offset, None)


def test_a_slow_way_is_no_drift() -> None:
    """Most hours of a day the way takes minutes; the clock gains two seconds a day all the while."""
    gains = [20.0 - 2.0 * number / 24 for number in range(7 * 24)]
    delays = [gain + (0.0 if number % 6 == 0 else 300.0) for number, gain in enumerate(gains)]
    found = clocks.estimate(hours(delays), STEPS).row(0, named=True)
    assert found["drift"] == pytest.approx(2.0, abs=1e-6)


def test_one_garbled_stamp_an_hour_moves_nothing() -> None:
    assert clocks.estimate(hours([3.0, -1e9, 3.0, 3.0, -1e9, 3.0, 3.0, 4.0]), STEPS)["delay"].to_list() == [3.0]


def test_one_batch_of_last_week_and_one_garbled_stamp_are_no_clock_yet() -> None:
    assert clocks.estimate(hours([7 * 86_400.0, -1e9]), STEPS).is_empty()
    assert clocks.estimate(hours([7 * 86_400.0, 3.0, 4.0]), STEPS)["offset"].to_list() == [0.0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("AB"), st.sampled_from("xy"), st.integers(0, 400), st.floats(-1e6, 1e6, allow_nan=False)
        ),
        unique_by=lambda row: row[:3],
        max_size=60,
    )
)
def test_the_estimate_is_that_of_the_obvious_loop(rows: list[tuple[str, str, int, float]]) -> None:
    told = [(station, source, T + hour * HOUR, delay) for station, source, hour, delay in rows]
    found = clocks.estimate(pl.DataFrame(told, schema=dict(DELAYS), orient="row"), STEPS).to_dicts()
    assert found == clocks.estimate(pl.DataFrame(told[::-1], schema=dict(DELAYS), orient="row"), STEPS).to_dicts()
    groups: dict[tuple[str, str], dict[datetime, float]] = {}
    for station, source, hour, delay in told:
        groups.setdefault((station, source), {})[hour] = delay
    told_of = [key for key, mine in groups.items() if sum(hour > max(mine) - timedelta(days=1) for hour in mine) >= 3]
    assert [(row["station"], row["source"]) for row in found] == sorted(told_of)
    for row in found:
        mine = groups[row["station"], row["source"]]
        newest = max(mine)
        last = sorted(hour for hour in mine if hour > newest - timedelta(days=1))[-8:]
        assert row["seen"] == newest
        assert row["delay"] == pytest.approx(median(mine[hour] for hour in last))
        least: dict[datetime, float] = {}
        for hour, delay in mine.items():
            if hour > newest - timedelta(days=7):
                piece = hour.replace(hour=hour.hour // 6 * 6)
                least[piece] = min(delay, least.get(piece, delay))
        slopes = [(least[a] - least[b]) / ((b - a) / timedelta(days=1)) for a, b in combinations(sorted(least), 2)]
        assert row["drift"] == (None if len(least) < 5 else pytest.approx(median(slopes)))
