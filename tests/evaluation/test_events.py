"""Event by event: by eye, against the obvious loop, and what must not pay."""

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.evaluation import SCORED, events
from analytics.frames import conform

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
Text = str


def rows(labels: Text, scores: Text, series: str = "a", station: str = "s", step: timedelta = HOUR) -> pl.DataFrame:
    """A row a letter: labels `.` no, `x` yes, `?` not judged; scores `.` 0, `_` null, `#` the line, or a digit."""
    known = {".": False, "x": True, "?": None}
    said = {".": 0.0, "_": None, "#": 1.0}
    frame = pl.DataFrame(
        {
            "station": station,
            "series": series,
            "time": [START + number * step for number in range(len(labels))],
            "label": [known[letter] for letter in labels],
            "score": [said[letter] if letter in said else float(letter) for letter in scores],
        }
    )
    return conform(frame, SCORED)


@pytest.mark.parametrize(
    ("labels", "scores", "found", "false", "delay"),
    [
        ("...xxx....", "....#.....", 1, 0, 1.0),
        ("...xxx....", "..#.......", 1, 0, 0.0),  # a row early still hits, and is not late
        ("...xxx....", ".#........", 0, 1, math.nan),
        ("...xxx....", "......#...", 1, 0, 3.0),
        ("...xxx....", ".......#..", 0, 1, math.nan),
        ("...x.x....", ".....#....", 1, 0, 2.0),  # one event: widened runs meet
        ("...x...x..", "...#...#..", 2, 0, 0.0),
        ("..........", "#..#...#..", 0, 2, math.nan),  # two rows between are bridged, three are not
        ("...???....", "....#.....", 0, 0, math.nan),  # nobody judged
        ("...xxx....", "____#_____", 1, 0, 1.0),
        ("...xxx....", "__________", 0, 0, math.nan),
        ("", "", 0, 0, math.nan),
    ],
)
def test_alarms_and_events(labels: Text, scores: Text, found: int, false: int, delay: float) -> None:
    figures = events.judge(rows(labels, scores))
    assert (figures.found, figures.false) == (found, false)
    assert figures.delay == delay or (math.isnan(figures.delay) and math.isnan(delay))


def test_series_do_not_touch_one_another() -> None:
    both = pl.concat([rows("...x", "...."), rows("x...", "#...", series="b"), rows("....", "...#", series="c")])
    figures = events.judge(both)
    assert (figures.events, figures.found, figures.false) == (2, 1, 1)


def test_shares_and_rates() -> None:
    figures = events.judge(rows("x" + "." * 41 + "x" + "." * 41 + "x" + "." * 83, "#" + "." * 20 + "#" + "." * 146))
    assert (figures.events, figures.found, figures.false, figures.weeks) == (3, 1, 1, 1.0)
    assert (figures.precision, figures.recall, figures.f1) == (1 / 2, 1 / 3, 2 / 5)
    assert figures.false_rate == 1.0


def test_weeks_are_of_the_station_and_without_gaps() -> None:
    one = rows("." * 84, "." * 84)
    late = one.with_columns(pl.col("time") + timedelta(days=30))
    twin = one.with_columns(pl.lit("b").alias("series"))
    assert events.judge(pl.concat([one, late, twin])).weeks == pytest.approx(1.0)


def test_always_on_is_not_perfect() -> None:
    figures = events.judge(rows("x" + "." * 70 + "x" + "." * 168, "#" * 240))
    assert (figures.events, figures.found, figures.false) == (2, 1, 9)  # of the second it says nothing new
    figures = events.judge(rows("." * 49, "#" * 49))
    assert figures.false == 3  # two days and an hour


def test_best_line_is_found_and_is_the_highest_that_does() -> None:
    line, figures = events.best(rows(".x....x....x......", ".5....3....2...2.."))
    assert (line, figures.f1) == (2.0, 6 / 7)
    line, figures = events.best(rows(".x....x....x.............", ".5....3....1....22...2..2"))
    assert (line, figures.f1) == (3.0, 4 / 5)
    line, figures = events.best(rows("....", "...."))
    assert math.isinf(line)
    assert figures.found == 0


def test_together_is_the_highest_score_of_a_station() -> None:
    both = pl.concat([rows("..x", "12_"), rows("..x", "_13", series="b")])
    assert events.together(both)["score"].to_list() == [1.0, 2.0, 3.0]
    assert events.together(both)["label"].to_list() == [False, False, True]


def test_halves_are_of_each_series() -> None:
    both = pl.concat([rows("....", "...."), rows("..", "..", series="b")])
    first, second = events.halves(both)
    assert first.group_by("series").len().sort("series").rows() == [("a", 2), ("b", 1)]
    assert pl.concat([first, second]).height == both.height


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(".x?"), st.sampled_from(".#_3")), max_size=60), st.integers(1, 9))
def test_like_the_obvious_loop(drawn: list[tuple[str, str]], hours: int) -> None:
    labels, scores = "".join(a for a, _ in drawn), "".join(b for _, b in drawn)
    frame = rows(labels, scores, step=hours * HOUR)
    wide = [any(label == "x" for label in labels[max(row - 1, 0) : row + 2]) for row in range(len(labels))]
    on = [score in "#3" and label != "?" for label, score in zip(labels, scores, strict=True)]
    spans: list[list[int]] = []
    for row, inside in enumerate(wide):
        if inside and (row == 0 or not wide[row - 1]):
            spans.append([])
        if inside:
            spans[-1].append(row)
    alarms: list[list[int]] = []
    for row in (row for row, alarm in enumerate(on) if alarm):
        if not alarms or row - alarms[-1][-1] > 3:
            alarms.append([])
        alarms[-1].append(row)
    false = 0
    for alarm in alarms:
        out = sum(not wide[row] for row in alarm) * hours * (len(labels) > 1)
        false += out // 24 if any(wide[row] for row in alarm) else max(math.ceil(out / 24), 1)
    figures = events.judge(frame)
    assert figures.events == len(spans)
    found = 0
    for span in spans:
        start = next(row for row in span if labels[row] == "x")
        found += any(set(span) & set(alarm) and (start - alarm[0]) * hours <= 24 for alarm in alarms)
    assert figures.found == found
    assert figures.false == false


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(".x"), st.sampled_from(".123456789")), min_size=1, max_size=60))
def test_best_is_the_best_of_all_lines_that_find_more(drawn: list[tuple[str, str]]) -> None:
    frame = rows("".join(a for a, _ in drawn), "".join(b for _, b in drawn))
    line, best = events.best(frame)
    tried = {float(number): events.judge(frame, float(number)) for number in range(10)}
    for number, figures in tried.items():
        # A line that finds as many as the one above it is no peak of an event.
        if figures.found > tried.get(number + 1, events.judge(frame, math.inf)).found:
            assert (figures.f1, number) <= (best.f1, line)
