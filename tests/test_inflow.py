"""What the first page says of the ways in: the worst of each, in both languages, from a snapshot alone."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from analytics import clocks
from analytics.frames import TIME
from analytics.metrics import Snapshot
from analytics.store import pulls, rejects, spools
from analytics.texts import TEXTS, Language
from jobs.web.inflow import BAD, WARN, WELL, Line, inflow

T = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def spool(door: str, told: datetime = T, oldest: datetime | None = None, *, full: bool = False) -> tuple[object, ...]:
    return door, told, 900, 3 if oldest else 0, oldest, full, 41, 0, 12, 0.25, ""


def seen(**frames: pl.DataFrame) -> Snapshot:
    return Snapshot(T, frames)


def test_before_the_store_was_looked_at_nothing_is_said() -> None:
    assert inflow(None, Language.en, 8) is None
    found = inflow(seen(), Language.en, 8)
    assert found is not None
    assert (found.waiting, found.refused, found.doors, found.pulls, found.clocks) == (0, [], [], [], [])


@pytest.mark.parametrize(
    ("row", "style", "key", "said"),
    [
        (spool("hj212"), WELL, "door_well", ""),
        (spool("hj212", oldest=T - MINUTE), WELL, "door_well", ""),
        (spool("hj212", oldest=T - 5 * MINUTE), WARN, "door_waits", "5 min ago"),
        (spool("hj212", told=T - 3 * MINUTE), BAD, "door_silent", "3 min ago"),
        (spool("http@db", told=T - 3 * MINUTE), WELL, "door_well", ""),
        (spool("mqtt", told=T - 3 * MINUTE, oldest=T - 5 * MINUTE, full=True), BAD, "door_full", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_of_a_door_the_worst_is_said(row: tuple[object, ...], style: str, key: str, said: str) -> None:
    frame = pl.DataFrame([row], schema=dict(spools.SPOOLS), orient="row")
    for language in (Language.en, Language.zh):
        found = inflow(seen(spools=frame), language, 8)
        assert found is not None
        [line] = found.doors
        assert (line.name, line.style) == (row[0], style)
        assert line.words.startswith(TEXTS[key][language == "zh"].partition("{")[0])
        assert said in line.words or language is Language.zh


def test_pulls_and_clocks_are_told_only_where_something_is_wrong() -> None:
    pulled = [("well", T, 0, T + MINUTE), ("twice", T, 2, T), ("fails", T, 3, T), ("late", T, 0, T - 31 * MINUTE)]
    rows = [(name, well, failures, 0, 1, 1, 1, 0, 0, due) for name, well, failures, due in pulled]
    off = pl.DataFrame(
        [("A", "hj212", 120.0), ("B", "hj212", 121.0), ("C", "http", -4000.0)],
        schema={name: clocks.CLOCKS[name] for name in ("station", "source", "offset")},
        orient="row",
    )
    found = inflow(seen(pulls=pl.DataFrame(rows, schema=dict(pulls.TOLD), orient="row"), clocks=off), Language.en, 8)
    assert found is not None
    assert found.pulls == [
        Line("fails", "failed 3 times in a row", WARN),
        Line("late", "was due 31 min ago, and nobody asked", WARN),
    ]
    assert [(line.station, line.words) for line in found.clocks] == [
        ("C", "4,000 s behind, or its readings are late (http)"),
        ("B", "121 s ahead (hj212)"),
    ]


def test_refusals_are_told_by_reason_the_most_frequent_first_and_bounded() -> None:
    kinds = [*dict.fromkeys(rejects.KINDS.values()), rejects.OTHER]
    reasons = pl.DataFrame({"source": ["hj212"] * len(kinds), "reason": kinds, "rejects": range(len(kinds))})
    waits = pl.DataFrame({"waiting": [2]})
    for language in (Language.en, Language.zh):
        found = inflow(seen(reasons=reasons, rejects=waits), language, 100)
        assert found is not None
        assert found.waiting == 2
        assert [count for _, _, count in found.refused] == sorted(range(len(kinds)), reverse=True)
        assert len({words for _, words, _ in found.refused}) == len(kinds)
    few = inflow(seen(reasons=reasons), Language.zh, 3)
    assert few is not None
    assert next(words for _, words, _ in few.refused) == "其他"
    assert len(few.refused) == 3


def test_times_of_a_snapshot_are_times() -> None:
    """What is compared with `taken` has its type: a frame of another would be read as never."""
    assert (spools.SPOOLS["told"], spools.SPOOLS["oldest"], pulls.TOLD["due"]) == (TIME, TIME, TIME)
