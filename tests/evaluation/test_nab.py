"""NAB's score: the corners by eye, the obvious loop, and the figures that the benchmark itself published."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.evaluation import nab, sets
from analytics.evaluation.nab import PROFILES, Bools, File, Profile
from tests.conftest import SHARED, needs_shared
from tests.published.rivals import windowed_gaussian

NAB = SHARED / "data" / "nab"
STANDARD = PROFILES["standard"]
#: Of all 58 files.
WINDOWS = 116


def windows(rows: int, *spans: tuple[int, int]) -> Bools:
    label = np.zeros(rows, dtype=np.bool_)
    for start, stop in spans:
        label[start:stop] = True
    return label


def alarms(rows: int, *at: int) -> nab.Array:
    score = np.zeros(rows)
    score[list(at)] = 1.0
    return score


def test_perfect_silent_late_and_false() -> None:
    label = windows(1000, (400, 500), (700, 800))
    assert nab.score([(label, alarms(1000, 400, 700))], 1.0, STANDARD) == pytest.approx(100)
    assert nab.score([(label, alarms(1000))], 1.0, STANDARD) == 0
    middle = math.tanh(2.5 * 0.5) / math.tanh(2.5)
    assert nab.raw((label, alarms(1000, 450, 480, 700)), 1.0, STANDARD) == pytest.approx(middle + 1)
    assert nab.raw((label, alarms(1000, 300, 400, 700)), 1.0, STANDARD) == pytest.approx(2 - 0.11)
    assert nab.raw((label, alarms(1000, 400, 600, 700)), 1.0, STANDARD) == pytest.approx(
        2 - 0.11 * math.tanh(2.5 * 101 / 99)
    )
    assert nab.raw((label, alarms(1000, 400, 700)), 1.0, PROFILES["reward_low_FN_rate"]) == pytest.approx(2)
    assert nab.raw((label, alarms(1000, 400)), 1.0, PROFILES["reward_low_FN_rate"]) == pytest.approx(1 - 2)


def test_probation_is_not_scored() -> None:
    label = windows(1000, (100, 200))
    assert nab.raw((label, alarms(1000, 10, 149)), 1.0, STANDARD) == -1
    assert nab.raw((label, alarms(1000, 150)), 1.0, STANDARD) == pytest.approx(math.tanh(2.5 * 0.5) / math.tanh(2.5))
    assert nab.raw((windows(100_000), alarms(100_000, 749, 750)), 1.0, STANDARD) == -0.11


def test_a_detector_that_never_judges_is_silent() -> None:
    silent = [(windows(100, (40, 60)), np.full(100, np.nan))]
    assert nab.best(silent, STANDARD) == (math.inf, 0.0)
    assert nab.score(silent, 1.0, STANDARD) == 0


@st.composite
def files(draw: st.DrawFn) -> list[File]:
    made = []
    for _ in range(draw(st.integers(1, 3))):
        cells = draw(st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=2, max_size=8))
        label = np.concatenate([np.full(count, on) for count, on in cells])
        score = draw(
            st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, math.nan]), min_size=len(label), max_size=len(label))
        )
        made.append((label, np.array(score)))
    return made


def loop(file: File, line: float, profile: Profile) -> float:
    """As the words of `nab.py` say it, row by row."""
    label, score = file
    total, best, after, width = 0.0, -math.inf, None, 0
    probation = min(math.floor(0.15 * len(label)), 750)
    start = stop = 0
    for row, inside in enumerate(label):
        if inside and (row == 0 or not label[row - 1]):
            start = row
            stop = next((end for end in range(row, len(label)) if not label[end]), len(label))
            best = -math.inf if stop <= probation else -profile.missed
        on, counts = score[row] >= line, row >= probation
        if inside and on and counts:
            best = max(best, profile.found * math.tanh(2.5 * (stop - row) / (stop - start)) / math.tanh(2.5))
        if not inside and on and counts:
            place = 3.0 if after is None else math.inf if width == 1 else (row - after) / (width - 1)
            total += profile.false * (-1.0 if place >= 3 else math.tanh(-2.5 * place))
        if inside and row == stop - 1:
            after, width = row, stop - start
            total += best if math.isfinite(best) else 0.0
    return total


@settings(deadline=None)
@given(files(), st.sampled_from(list(PROFILES.values())))
def test_like_the_obvious_loop_at_every_line_and_best_is_the_best(drawn: list[File], profile: Profile) -> None:
    totals = {}
    for line in (0.0, 0.25, 0.5, 1.0, math.inf):
        found = [nab.raw(file, line, profile) for file in drawn]
        assert found == pytest.approx([loop(file, line, profile) for file in drawn], abs=1e-9)
        totals[line] = nab.score(drawn, line, profile)
    line, score = nab.best(drawn, profile)
    if any(label.any() for label, _ in drawn):
        assert score == pytest.approx(max(totals.values()), abs=1e-9)
        assert totals[line] == pytest.approx(score, abs=1e-9)
    else:
        assert math.isnan(score)


@needs_shared
@pytest.mark.parametrize("name", PROFILES)
def test_tables_a_file_add_up_to_the_published_scores(name: str) -> None:
    """The benchmark's own raw scores of all 58 files, normalised as we do, are its final results."""
    final = pl.read_json(NAB / "results" / "final_results.json")
    for detector in ("numenta", "windowedGaussian"):
        table = pl.read_csv(NAB / "results" / detector / f"{detector}_{name}_scores.csv")
        total = sum(table.drop_nulls("File")["Score"])
        missed = PROFILES[name].missed
        found = 100 * (total / WINDOWS + missed) / (1 + missed)
        assert found == pytest.approx(final[detector][0][name], abs=1e-6)


@needs_shared
def test_a_published_detector_scores_as_published_on_every_file() -> None:
    """Windowed Gaussian by its definition, from the shared file through our reader and scorer to NAB's table."""
    parts = sets.read("nab").partition_by("station", maintain_order=True)
    files = {
        part["station"][0]: (part["label"].to_numpy(), windowed_gaussian(part["value"].to_numpy())) for part in parts
    }
    for name, profile in PROFILES.items():
        table = pl.read_csv(NAB / "results" / "windowedGaussian" / f"windowedGaussian_{name}_scores.csv")
        known = dict(table.select(pl.col("File").str.strip_suffix(".csv"), "Score").iter_rows())
        found = {station: nab.raw(file, 1.0, profile) for station, file in files.items()}
        assert found == pytest.approx({station: known[station] for station in files}, abs=1e-6)


@needs_shared
def test_its_published_line_is_the_best_one() -> None:
    """On the files of which NAB's own scores of each row are shared."""
    labels = {part["station"][0]: part["label"].to_numpy() for part in sets.read("nab").partition_by("station")}
    folder = NAB / "results" / "windowedGaussian" / "realKnownCause"
    files = []
    for path in sorted(folder.glob("*.csv.gz")):
        station = f"realKnownCause/{path.name.removeprefix('windowedGaussian_').removesuffix('.csv.gz')}"
        rows = pl.read_csv(path)
        assert labels[station].tolist() == (rows["label"] == 1).to_list()
        files.append((labels[station], rows["anomaly_score"].to_numpy()))
    assert len(files) == 7
    for profile in PROFILES.values():
        assert nab.best(files, profile)[0] == 1.0
