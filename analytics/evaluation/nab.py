"""The score of the Numenta Anomaly Benchmark (A. Lavin and S. Ahmad 2015, and GitHub numenta/NAB, `nab/sweeper.py`).

A window is a run of labelled rows. The earliest alarm in it earns what is left of it: by a scaled sigmoid of its place,
1 at the left edge, next to 0 at the right one. A window without an alarm costs. So does every alarm row outside, from
next to nothing just after a window to its full weight three windows later, and before the first one. The first 15 % of
a file, at most 750 rows, count for nothing. Of all files together 100 is perfect, 0 is what silence earns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Share of a file that is not scored, and the length [rows] at which it stops to grow.
PROBATION, LONGEST = 0.15, 5000


@dataclass(frozen=True, slots=True)
class Profile:
    """What an alarm in a window is worth, one outside costs, and a window missed."""

    found: float
    false: float
    missed: float


#: `config/profiles.json` of the benchmark.
PROFILES: Mapping[str, Profile] = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward_low_FP_rate": Profile(1.0, 0.22, 1.0),
    "reward_low_FN_rate": Profile(1.0, 0.11, 2.0),
}

#: Label and score of each row of a file, in its order; NaN where the detector could not judge.
File = tuple[Bools, Array]


def worth(label: Bools, profile: Profile) -> Array:
    """[rows] what an alarm at each row is worth, or costs: before it is said which one in a window counts."""
    windows = _windows(label)
    rows = np.arange(len(label))
    place = np.full(len(label), 3.0)
    for start, stop in windows:
        # A window of one row has no width to be near to: what follows is far away.
        place[stop:] = (rows[stop:] - stop + 1) / max(stop - start - 1, 1e-12)
    for start, stop in windows:
        place[start:stop] = (rows[start:stop] - stop) / (stop - start)
    value = np.where(place >= 3.0, -1.0, _sigmoid(place))
    return np.where(label, value * profile.found / _sigmoid(np.array(-1.0)), value * profile.false)


def score(files: Sequence[File], line: float, profile: Profile) -> float:
    """Of `files` at `line`, normalised; NaN where no file has a window."""
    return _normalised(sum(raw(file, line, profile) for file in files), files, profile)


def raw(file: File, line: float, profile: Profile) -> float:
    """Of one file at `line`, as the benchmark's tables a file have it."""
    lines, gains = _gains(file, profile)
    return _silence(file, profile) + float(gains[lines >= line].sum())


def best(files: Sequence[File], profile: Profile) -> tuple[float, float]:
    """The line of the highest score of all `files` together, found with the labels as the benchmark does, and it."""
    found = [_gains(file, profile) for file in files]
    lines, gains = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(-lines, kind="stable")
    lines, total = lines[order], np.cumsum(gains[order])
    last = np.diff(lines, append=-np.inf) != 0  # rows of one score are called out together
    lines = np.concatenate([[np.inf], lines[last]])
    total = np.concatenate([[0.0], total[last]]) + sum(_silence(file, profile) for file in files)
    place = int(np.argmax(total))
    return float(lines[place]), _normalised(float(total[place]), files, profile)


def _gains(file: File, profile: Profile) -> tuple[Array, Array]:
    """Scores of the rows that count, and what each adds to a file's score when the line comes down to it."""
    label, found = file
    value = worth(label, profile)
    start = _probation(len(label))
    lines, gains = [], []
    alone = ~label & (np.arange(len(label)) >= start)
    lines.append(found[alone])
    gains.append(value[alone])
    for first, stop in _windows(label):
        rows = np.arange(max(first, start), stop)
        order = rows[np.argsort(-np.nan_to_num(found[rows], nan=-np.inf), kind="stable")]
        # Only the best of the alarms of a window counts; the first one also makes good the window missed.
        so_far = np.maximum.accumulate(np.concatenate([[-profile.missed], value[order]]))
        lines.append(found[order])
        gains.append(np.diff(so_far))
    every, added = np.concatenate(lines), np.concatenate(gains)
    judged = ~np.isnan(every)
    return every[judged], added[judged]


def _silence(file: File, profile: Profile) -> float:
    """What no alarm at all earns: a window that lies within probation is none."""
    label, _ = file
    start = _probation(len(label))
    return -profile.missed * sum(stop > start for _, stop in _windows(label))


def _normalised(total: float, files: Sequence[File], profile: Profile) -> float:
    windows = sum(len(_windows(label)) for label, _ in files)
    nothing, perfect = -profile.missed * windows, profile.found * windows
    return 100 * (total - nothing) / (perfect - nothing) if windows else float("nan")


def _probation(rows: int) -> int:
    return int(PROBATION * min(rows, LONGEST))


def _sigmoid(place: Array) -> Array:
    """2 σ(-5 place) - 1."""
    return np.asarray(np.tanh(-2.5 * place))


def _windows(label: Bools) -> list[tuple[int, int]]:
    """First row of each run of `label`, and the row after its last."""
    turns = np.flatnonzero(np.diff(label.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(stop)) for start, stop in turns.reshape(-1, 2)]
