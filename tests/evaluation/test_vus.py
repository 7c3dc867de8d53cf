"""The volume against the definition as an obvious loop, and what it must do whatever the scores."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.evaluation import vus
from analytics.evaluation.vus import Array, Bools


def spans(on: Bools) -> list[tuple[int, int]]:
    """First and last of each run."""
    found = []
    for row, here in enumerate(on):
        if here and (row == 0 or not on[row - 1]):
            found.append((row, row))
        elif here:
            found[-1] = (found[-1][0], row)
    return found


def loop(label: Bools, score: Array, width: int) -> float:
    """Width by width, threshold by threshold, row by row."""
    lines = sorted(score, reverse=True)
    lines = [lines[int(place)] for place in np.linspace(0, len(score) - 1, vus.THRESHOLDS)]
    runs, areas = spans(label), []
    for wide in range(width + 1):
        reach, soft = wide // 2, label.astype(float)
        for start, stop in runs:
            for row in range(max(start - reach, 0), min(stop + reach, len(label) - 1) + 1):
                away = max(start - row, row - stop, 0)
                soft[row] = min(soft[row] + (math.sqrt(1 - away / wide) if away else 0.0), 1.0)
        joined: list[list[int]] = []
        for start, stop in runs:
            if joined and joined[-1][1] + reach >= start - reach:
                joined[-1][1] = stop
            else:
                joined.append([start, stop])
        area = before = 0.0
        for line in lines:
            on = score >= line
            true = float((soft * on).sum())
            positives = (label.sum() + label.sum() + (soft * on * ~label).sum()) / 2
            touched = sum(on[max(start - reach, 0) : stop + reach + 1].any() for start, stop in joined) / len(joined)
            recall = min(true / positives, 1.0) * touched
            area += (recall - before) * true / on.sum()
            before = recall
        areas.append(area)
    return float(np.mean(areas))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30).filter(
        lambda x: any(a for a, _ in x)
    ),
    st.integers(0, 12),
)
def test_like_the_obvious_loop(drawn: list[tuple[bool, int]], width: int) -> None:
    label, score = np.array([a for a, _ in drawn]), np.array([float(b) for _, b in drawn])
    assert vus.vus_pr(label, score, width) == pytest.approx(loop(label, score, width), abs=1e-12)


def test_a_long_series_like_the_loop() -> None:
    draw = np.random.Generator(np.random.PCG64(3))
    label = np.zeros(600, dtype=np.bool_)
    for start in (0, 100, 118, 400, 590):
        label[start : start + 12] = True
    score = draw.normal(size=600) + label
    assert vus.vus_pr(label, score, 40) == pytest.approx(loop(label, score, 40), abs=1e-12)


def test_good_scores_beat_chance_and_order_alone_matters() -> None:
    draw = np.random.Generator(np.random.PCG64(4))
    label = np.zeros(2000, dtype=np.bool_)
    label[500:520] = label[1500:1530] = True
    chance = draw.normal(size=2000)
    good = chance + 5 * label
    volume = vus.vus_pr(label, good, 50)
    assert vus.vus_pr(label, chance, 50) < 0.1 < 0.8 < volume
    assert vus.vus_pr(label, np.exp(good), 50) == volume


def test_no_label_no_volume_and_no_score_is_the_least() -> None:
    score = np.arange(50.0)
    assert math.isnan(vus.vus_pr(np.zeros(50, dtype=np.bool_), score, 5))
    label = score > 44
    empty = np.where(score < 20, np.nan, score)
    assert vus.vus_pr(label, empty, 5) == vus.vus_pr(label, np.where(score < 20, -1.0, score), 5)
    assert vus.vus_pr(label, np.full(50, np.nan), 5) == vus.vus_pr(label, np.zeros(50), 5)


@pytest.mark.parametrize(("wave", "rows"), [(24, 2000), (96, 3000), (7, 500)])
def test_the_period_is_found(wave: int, rows: int) -> None:
    draw = np.random.Generator(np.random.PCG64(5))
    value = np.sin(2 * np.pi * np.arange(rows) / wave) + 0.1 * draw.normal(size=rows)
    assert vus.period(value) % wave in (0, 1, wave - 1)


def test_no_period_is_the_usual_one() -> None:
    assert vus.period(np.ones(500)) == vus.period(np.arange(4.0)) == vus.period(np.arange(500.0)) == vus.USUAL
