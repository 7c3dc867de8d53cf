"""The arithmetic of windows: merged, cut by a budget, widened by a reach, packed; no database."""

from datetime import timedelta
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analytics.frames import TIME
from analytics.store import ledger
from analytics.store.ledger import WINDOWS, Stage
from jobs import chain
from tests.ledger.marks import steps, windows
from tests.world import HOUR, T0


def test_windows_that_touch_become_one() -> None:
    given = windows((1, 5, 6), (1, 0, 2), (2, 1, 2), (1, 2, 3), (1, 1, 2))
    assert ledger.merge(given).equals(windows((1, 0, 3), (1, 5, 6), (2, 1, 2)))


def test_the_budget_cuts_a_window_and_loses_nothing() -> None:
    cadences = steps(3600, 3600)
    given = windows((1, 0, 10), (1, 20, 30), (2, 0, 10))
    kept, rest = ledger.cut(given, cadences, 15)
    assert ledger.merge(pl.concat([kept, rest])).equals(given)
    assert kept.equals(windows((1, 0, 10), (1, 20, 24)))
    everything, nothing = ledger.cut(given, cadences, 1000)
    assert everything.equals(given)
    assert nothing.is_empty()


def beside(cadences: pl.DataFrame, *reads: list[int] | None) -> pl.DataFrame:
    return cadences.with_columns(pl.Series("reads", reads, dtype=pl.List(pl.Int32)))


NEAR = Stage("x", 9, "series", abreast=True)


def test_abreast_the_budget_cuts_at_a_time_and_counts_no_row_twice() -> None:
    given = windows((1, 0, 10), (2, 0, 10), (2, 20, 30), (3, 5, 6))
    cadences = beside(steps(3600, 3600, 3600, 3600), [1, 2, 4], [2, 1, 4], [3], None)
    # two read three series: 3 rows an hour, and in one hour another one its own
    kept, rest = ledger.cut_abreast(given, NEAR, cadences, 25)
    assert kept.equals(windows((1, 0, 8), (2, 0, 8), (3, 5, 6)))
    assert ledger.merge(pl.concat([kept, rest])).equals(given)
    # then nothing for ten hours, then one that reads three
    assert ledger.cut_abreast(given, NEAR, cadences, 34)[1].equals(windows((2, 21, 30)))
    assert ledger.cut_abreast(given, NEAR, cadences, 1)[0].equals(windows((1, 0, 1), (2, 0, 1)))
    everything, nothing = ledger.cut_abreast(given, NEAR, cadences, 1000)
    assert everything.equals(given)
    assert nothing.is_empty()


def test_abreast_each_is_counted_by_its_own_step() -> None:
    """A series of minutes that is around one of hours, and reads it for an hour; one that nothing is known of."""
    cadences = beside(steps(3600, 60), [1], [1, 2])
    given = windows((1, 0, 1000), (2, 10, 11))
    kept, _ = ledger.cut_abreast(given, NEAR, cadences, 560)
    assert kept.equals(windows((1, 0, 500), (2, 10, 11)))
    assert ledger.cut_abreast(windows((7, 0, 10)), NEAR, cadences, 4)[0].equals(windows((7, 0, 4)))


def test_abreast_a_neighbour_counts_from_its_first_row_to_its_last() -> None:
    """Of two series of minutes around one of hours one is newer than most that is due, the other has no row yet."""
    cadences = beside(steps(3600, 60, 60), [1, 2, 3], None, None).with_columns(
        first=pl.Series([T0 - HOUR, T0 + 700 * HOUR, None], dtype=TIME),
        last=pl.Series([T0 + 800 * HOUR, T0 + 702 * HOUR, None], dtype=TIME),
    )
    given = windows((1, 0, 1000))
    for budget, stop in ((650, 650), (700 + 61, 701), (10_000, 1000)):
        assert ledger.cut_abreast(given, NEAR, cadences, budget)[0].equals(windows((1, 0, stop)))
    nowhere = cadences.with_columns(pl.lit(None, TIME).alias(name) for name in ("first", "last"))
    assert ledger.cut_abreast(given, NEAR, nowhere, 10)[0].equals(given)


def test_abreast_the_rows_of_the_reach_count_as_well() -> None:
    stage = Stage("x", 9, "series", back=HOUR, forward=HOUR, abreast=True)
    cadences = beside(steps(600), [1])
    given = windows(*((1, 20 * number, 20 * number + 1) for number in range(100)))
    kept, _ = ledger.cut_abreast(given, stage, cadences, 225)  # two hours both ways: thirty rows each
    assert kept.height == 8


def test_reach_is_the_larger_of_duration_and_cadences() -> None:
    stage = Stage("x", 9, "series", back=3 * HOUR, forward=HOUR, cadences=3)
    cadences = steps(60, 14400)
    wide = ledger.widen(windows((1, 0, 1), (2, 0, 1)), stage, cadences, stage.forward, stage.back)
    assert wide.equals(windows((1, -1, 4), (2, -12, 13)))


def test_a_gap_over_the_grain_begins_a_new_run() -> None:
    times = [T0, T0 + 3 * HOUR, T0 + 7 * HOUR, T0]
    rows = pl.DataFrame({"series": [1, 1, 1, 2], "time": times}).cast({"time": WINDOWS["start"]})
    tick = timedelta(microseconds=1)
    assert ledger.runs(rows, "series").rows() == [
        (1, T0, T0 + 3 * HOUR + tick),
        (1, T0 + 7 * HOUR, T0 + 7 * HOUR + tick),
        (2, T0, T0 + tick),
    ]


@given(st.dictionaries(st.integers(0, ledger.SHARDS - 1), st.integers(1, 2 * chain.PACK)))
def test_light_shards_are_taken_together_and_a_heavy_one_alone(weights: dict[int, int]) -> None:
    packs = list(chain.packs(chain.STAGES["flag"][0], weights))
    assert [shard for pack in packs for shard in pack] == list(weights)
    loads = [sum(weights[shard] for shard in pack) for pack in packs]
    assert all(len(pack) == 1 or load <= chain.PACK for pack, load in zip(packs, loads, strict=True))
    assert all(one + other > chain.PACK for one, other in pairwise(loads))
    assert list(chain.packs(chain.STAGES["compare"][0], weights)) == ([list(weights)] if weights else [])
