"""Faults and events of eight kinds, injected into real series: what is found of them is known without anybody's labels.

Real series keep their own noise, gaps and seasons; only the truth is added. The kinds are those that a detector must
tell apart and that have a size: five ways a sensor fails (as the simulated district has them) and three ways the world
changes. Gaps and impossible values are left out, since quality control has them; a capped reading is a stuck one.

    fault  stuck     the last good value stays
           spike     one reading off
           offset    off at once, and back at once
           drift     off more and more, then put right at once
           noisy     scatter of the size
    event  pulse     rises and falls smoothly, at one station: a plume that passes
           decay     rises at once and fades slowly: a discharge, the first flush of a storm
           regional  rises, stays and falls at most stations of a parameter, an hour or so apart: haze

Time is cut into slots, and no two spans meet. What a slot has for a series is drawn by seed, name and number alone:
neither other series nor the rows before and after change the draw.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.frames import TIME

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FAULT, EVENT = "fault", "event"
#: What was injected where; half-open. `size` [robust standard deviations] is signed, null where the kind has none.
TRUTH: Mapping[str, pl.DataType] = {
    "series": pl.String(),
    "kind": pl.String(),
    "group": pl.String(),
    "start": TIME,
    "stop": TIME,
    "size": pl.Float64(),
}

SIZES = (2.0, 3.0, 4.0, 6.0, 8.0, 10.0)
SLOT = timedelta(days=14)
_SLOT = SLOT // timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Nothing is injected into the first weeks of a series: a detector must have seen something.
QUIET = timedelta(days=42)
#: Stations that a regional event needs, the share of them that it meets, and the latest that it comes to one [h].
STATIONS, SHARE, LAG = 3, 0.8, 3.0
#: Of a normal distribution: standard deviation over median absolute deviation.
NORMAL = 1.4826
HOUR = 3_600_000_000  # [µs]

Shape = Callable[[Array, np.random.Generator], Array]


@dataclass(frozen=True, slots=True)
class Kind:
    """`hours`: shortest and longest; `shape`: what is added over the parts 0 to 1 of it, in units of its size."""

    group: str
    hours: tuple[float, float]
    shape: Shape | None


KINDS: Mapping[str, Kind] = {
    "stuck": Kind(FAULT, (6, 48), None),
    "spike": Kind(FAULT, (0, 0), lambda part, draw: np.ones(len(part))),
    "offset": Kind(FAULT, (24, 120), lambda part, draw: np.ones(len(part))),
    "drift": Kind(FAULT, (120, 240), lambda part, draw: part),
    "noisy": Kind(FAULT, (6, 36), lambda part, draw: draw.standard_normal(len(part))),
    "pulse": Kind(EVENT, (3, 12), lambda part, draw: np.sin(np.pi * part) ** 2),
    "decay": Kind(EVENT, (6, 36), lambda part, draw: np.minimum(part / 0.03, np.exp(-4 * part))),
    "regional": Kind(EVENT, (12, 60), lambda part, draw: np.clip(np.minimum(part, 1 - part) / 0.25, 0, 1)),
}
LOCAL = [name for name in KINDS if name != "regional"]


def inject(
    rows: pl.DataFrame, seed: int, sizes: Sequence[float] = SIZES, spread: str = "day"
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`rows` (station, parameter, series, time, value, label) with a fault or an event in each slot, and `TRUTH`;
    sizes count the robust standard deviations of one of `SPREADS`.

    `label` is true inside of what was injected, null where it was true before (what really happened there is not asked
    for) and false elsewhere. A slot stays empty where rows are missing or labelled, or hardly anything would change.
    """
    rows = rows.sort("series", "time", maintain_order=True)
    slot = (pl.col("time").to_physical() // _SLOT).alias("slot")
    stations = rows.group_by("parameter", slot).agg(pl.col("station").n_unique())
    networks = set(stations.filter(pl.col("station") >= STATIONS).select("parameter", "slot").iter_rows())
    parts, truth = [rows.clear()], []
    for part in rows.partition_by("series", maintain_order=True):
        series = _Series(part, SPREADS[spread])
        truth += [
            (part["series"][0], kind, KINDS[kind].group, start, stop, size)
            for number in series.slots()
            if (plan := _plan(seed, part["series"][0], part["parameter"][0], number, sizes, networks)) is not None
            for kind, start, stop, size in series.put(plan)
        ]
        parts.append(part.with_columns(pl.Series("value", series.value), series.labels()))
    return pl.concat(parts), pl.DataFrame(truth, schema=dict(TRUTH), orient="row")


def found(
    truth: pl.DataFrame, scored: pl.DataFrame, line: float = 1.0, grace: timedelta = timedelta(0)
) -> pl.DataFrame:
    """`truth` with `found`: `scored` (series, time, score) is at `line` in it or up to `grace` later; and `delay` [h].

    Where `scored` has a column `group`, `said` is the one of the first alarm.
    """
    named = [pl.col("group").alias("said")] if "group" in scored.columns else [pl.lit(None, pl.String).alias("said")]
    alarms = scored.filter(pl.col("score") >= line).select("series", "time", *named).sort("series", "time")
    number = truth.with_row_index("row")
    hits = (
        number.join(alarms, on="series")
        .filter(pl.col("time") >= pl.col("start"), pl.col("time") < pl.col("stop") + grace)
        .group_by("row")
        .agg(pl.col("time").min(), pl.col("said").sort_by("time").first())
    )
    hours = (pl.col("time") - pl.col("start")).dt.total_seconds(fractional=True) / 3600
    joined = number.join(hits, on="row", how="left", maintain_order="left")
    return joined.select(*truth.columns, pl.col("time").is_not_null().alias("found"), hours.alias("delay"), "said")


def of_day(value: Array, time: Ints) -> float:
    """Robust standard deviation of values within their day; the plain one where most days stand still."""
    frame = pl.DataFrame({"day": time // (24 * HOUR), "value": value})
    off = frame.select((pl.col("value") - pl.col("value").median().over("day")).abs().median() * NORMAL).item()
    return float(off) if off > 0 else float(np.std(value))


def of_series(value: Array, time: Ints) -> float:
    """Robust standard deviation of all values; the plain one where most are the same."""
    off = float(np.median(np.abs(value - np.median(value)))) * NORMAL
    return off if off > 0 else float(np.std(value))


#: What a size is counted in: a series scatters less within a day than over its seasons.
SPREADS: Mapping[str, Callable[[Array, Ints], float]] = {"day": of_day, "series": of_series}


class _Plan(NamedTuple):
    """What a slot has for a series: `size` [robust standard deviations], `begin` [µs], `hours`, and chance for more."""

    kind: str
    size: float
    begin: int
    hours: float
    draw: np.random.Generator


def _plan(
    seed: int, name: str, parameter: str, number: int, sizes: Sequence[float], networks: set[tuple[str, int]]
) -> _Plan | None:
    """What slot `number` has for the series `name`; None where an event passes it by."""
    common, draw = _draw(seed, parameter, number), _draw(seed, name, number)
    if (parameter, number) not in networks or common.random() >= 1 / len(KINDS):
        kind = LOCAL[int(draw.integers(len(LOCAL)))]
        return _Plan(kind, draw.choice([-1.0, 1.0]) * _size(draw, sizes), *_span(draw, kind, number), draw)
    size, (begin, hours) = _size(common, sizes), _span(common, "regional", number)
    met = draw.random() < SHARE
    begin += int(draw.uniform(0, LAG) * HOUR)
    return _Plan("regional", size * draw.uniform(0.7, 1.3), begin, hours, draw) if met else None


def _size(draw: np.random.Generator, sizes: Sequence[float]) -> float:
    return float(sizes[int(draw.integers(len(sizes)))])


def _span(draw: np.random.Generator, kind: str, number: int) -> tuple[int, float]:
    """Start [µs] and length [h]: it and its lag end a day before the next slot."""
    hours = draw.uniform(*KINDS[kind].hours)
    room = SLOT / timedelta(hours=1) - 24 - LAG - hours
    return number * _SLOT + int(draw.uniform(0, room) * HOUR), hours


class _Series:
    """A series that takes what is planned for it, where it can."""

    def __init__(self, rows: pl.DataFrame, spread: Callable[[Array, Ints], float]) -> None:
        self.time, self.before = rows["time"].to_physical().to_numpy(), rows["value"].to_numpy()
        self.value, self.inside = self.before.copy(), np.zeros(len(rows), dtype=np.bool_)
        self.busy = rows["label"].fill_null(value=True).to_numpy()
        self.step = float(np.median(np.diff(self.time))) if len(rows) > 1 else 0.0
        self.sigma, self.digits = spread(self.before, self.time), _digits(self.before)
        self.lowest = self.before.min()

    def slots(self) -> range:
        """Numbers of the slots that lie whole within it; none where nothing ever changes."""
        start = self.time[0] + QUIET // timedelta(microseconds=1)
        return range(-(-start // _SLOT), self.time[-1] // _SLOT) if self.sigma > 0 and self.step > 0 else range(0)

    def labels(self) -> pl.Series:
        """What `inject` says of them."""
        said = pl.select(pl.when(pl.Series(self.inside | ~self.busy)).then(pl.Series(self.inside)).alias("label"))
        return said["label"]

    def put(self, plan: _Plan) -> Iterator[tuple[str, datetime, datetime, float | None]]:
        """Changes the rows; kind, start, stop and size where that could be done."""
        first = int(np.searchsorted(self.time, plan.begin))
        last = max(int(np.searchsorted(self.time, plan.begin + plan.hours * HOUR)), first + 1)
        whole = (last - first) * self.step
        if self.busy[first - 1 : last + 1].any() or self.time[last] - self.time[first - 1] > 1.2 * whole + self.step:
            return
        rows, size, shape = slice(first, last), plan.size, KINDS[plan.kind].shape
        if shape is None:
            after = np.full(last - first, self.before[first - 1])
        else:
            added = size * self.sigma * shape((self.time[rows] - self.time[first] + self.step / 2) / whole, plan.draw)
            # Nothing falls below what was ever seen: a fall that would is a rise.
            if size < 0 and (self.before[rows] + added).min() < self.lowest:
                added, size = -added, -size
            after = np.round(np.maximum(self.before[rows] + added, self.lowest), self.digits)
        if np.abs(after - self.before[rows]).max() < self.sigma / 2:
            return
        self.value[rows], self.inside[rows] = after, True
        start, stop = (EPOCH + timedelta(microseconds=int(self.time[row])) for row in (first, last))
        yield plan.kind, start, stop, None if shape is None else size


def _draw(seed: int, name: str, number: int) -> np.random.Generator:
    """The chance of a slot: that of its name and number, whatever else is drawn."""
    return np.random.Generator(np.random.PCG64([seed, number, *name.encode()]))


def _digits(value: Array) -> int:
    """Decimals that a series is written with, at most 6: injected values must not give themselves away by more."""
    return next((digits for digits in range(6) if np.abs(value - np.round(value, digits)).max() < 1e-5), 6)
