"""The final pass: a reading held against those of the series around it at the same time.

Two things are asked of the neighbours. *Does the reading lie where they lie?* One that does not is suspect, never
worse: a lone event is real as often as not, and what is suspect still counts. *Did they move as it moved?* Then what
`spike` or `rate` object to is an event, and the objection falls: on New Year's Eve every station of Beijing jumps.

Only the first pass of a neighbour counts, so nothing goes round in circles. It is heard where that pass is good or
objects to no more than its value and its steps: that is what an event looks like, and a median bears those that are
wrong. What is stuck, marked by its device, missing or void is not heard.

Kin: the buddy check of titanlib (mean and standard deviation of the stations within a radius, a least number and a
least deviation), SaQC's flagDriftFromNorm. Median and MAD instead, since one broken station must not hide another; the
event guard is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics import tables
from analytics.frames import VERDICTS, conform, empty
from analytics.parameters import Parameter
from analytics.quality.codes import BITS, CADENCES, GOOD, NOT_EVALUATED, SECOND, SLACK, SUSPECT
from analytics.quality.own import TESTS, Setting, marks, ordered, own_limits, setting, votes

#: How far from a reading this pass looks, both ways, in cadences: its own readings next to it, and what lies near them.
REACH = CADENCES + 1

NEIGHBOURS = "neighbours"
#: Tests whose objection is what an event looks like.
STEPS = ("spike", "rate")
_BEARABLE = sum(BITS[name] for name in (*STEPS, "gross_range", "gap"))
_RANGE = BITS["gross_range"]
_STEPS = sum(BITS[name] for name in STEPS)
_KEY = ["series", "time"]
#: One standard deviation of normal noise in units of its MAD.
_SIGMA = 1.4826

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Truths: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a row of the table says, and the cadence it is read by.

    `floor` [unit] and `share` [1] of a value bound how far it may lie from others, `factor` [1] standard deviations of
    these do too; `least` neighbours must be there, their readings within `tolerance` [cadences] of the time.
    """

    cadence: int
    least: int
    floor: float
    factor: float
    share: float
    tolerance: float
    #: of the map: `surroundings` reads them
    radius: float = 0.0
    most: int = 0

    @property
    def near(self) -> int:
        """Distance in time [µs] at which a reading of a neighbour still counts."""
        return int(self.tolerance * self.cadence * SECOND)


def compare(
    asked: pl.DataFrame,
    readings: pl.DataFrame,
    first: pl.DataFrame,
    pairs: pl.DataFrame,
    series: pl.DataFrame,
    parameters: Mapping[str, Parameter],
    flags: Mapping[str, int | None] | None = None,
) -> pl.DataFrame:
    """Final verdicts (`frames.VERDICTS`) of the readings `asked` for that are not good, sorted by series and time.

    `asked` and `readings` as `frames.OBSERVATIONS`: these are all that lie within REACH of those, of their own series
    and of its neighbours, each once; `first` has their first verdicts, `pairs` (`frames.PAIRS`) who is around whom, and
    `series` is `frames.SERIES` of those asked for; `flags` as `quality.marks()` gives them, None for the package table.
    A reading without neighbours, or of a parameter without limits for them, keeps its first verdict.
    """
    flags = marks(tables.read("marks")) if flags is None else flags
    rows = (
        ordered(asked)
        .join(first, on=_KEY, how="left", maintain_order="left")
        .with_columns(pl.col("code").fill_null(GOOD), pl.col("tests").fill_null(0))
        .select(*_KEY, "value", "code", "tests")
    )
    held = series.join(pairs.select("series").unique(), on="series", how="semi")
    kept = [rows.join(held.select("series"), on="series", how="anti")]
    heard = _Heard.of(readings, first)
    alike = ["parameter", "cadence"]
    for name, cadence, members in held.group_by(alike).agg(pl.col("series").unique()).sort(alike).iter_rows():
        mine = pl.col("series").is_in(members)
        part = rows.filter(mine)
        given = parameters[name].quality.get(NEIGHBOURS) if name in parameters else None
        if given is None or part.is_empty():
            kept.append(part)
            continue
        limits = Limits(cadence, **given)
        around = _Around(_Maps.of(pairs.filter(mine), part), heard, limits)
        own = own_limits(name, parameters, computed=False)
        lifted = _lift(part, readings.filter(mine), around, own, setting(cadence, flags))
        kept.append(_fold(lifted, around))
    found = pl.concat([empty(VERDICTS), *(conform(part, VERDICTS) for part in kept)])
    return found.filter(pl.col("code") != GOOD).sort(_KEY)


@dataclass(frozen=True, slots=True)
class _Heard:
    """Readings that count as a neighbour's, by series and time."""

    ids: Ints
    starts: Ints
    times: Ints
    values: Floats

    @classmethod
    def of(cls, readings: pl.DataFrame, first: pl.DataFrame) -> "_Heard":
        """Those of `readings` that their `first` verdict lets be heard."""
        beyond = (pl.col("code") > SUSPECT) & (pl.col("tests") & _RANGE != 0)
        out = first.filter(beyond | (pl.col("tests") & ~pl.lit(_BEARABLE) != 0))
        rows = (
            ordered(readings)
            .filter(pl.col("value").is_not_null())
            .join(out, on=_KEY, how="anti", maintain_order="left")
        )
        ids, starts = np.unique(rows["series"].to_numpy(), return_index=True)
        times = rows["time"].to_physical().to_numpy()
        return cls(ids.astype(np.int64), np.append(starts, len(times)), times, rows["value"].to_numpy())

    def nearest(self, members: Ints, which: Ints, times: Ints, near: int) -> Floats:
        """The values of the neighbours in the row `which` of `members` (ids) nearest to each of `times` [µs], NaN where
        none lies within `near` [µs]. Of two as near as each other the earlier one counts.
        """
        found = np.full((len(times), members.shape[1]), np.nan)
        if not len(self.times) or not found.size:
            return found
        begin = min(int(self.times.min()), int(times.min()))
        width = max(int(self.times.max()), int(times.max())) - begin + 1 + near
        place = np.minimum(np.searchsorted(self.ids, members), len(self.ids) - 1)
        known = self.ids[place] == members
        # Series one after the other on one line, each with room for all times: one search finds all. The line is an
        # int8: where it is too short for so many series over so long a time, it is walked several times.
        room = max(1, _END // width)
        for low in range(0, len(self.ids), room):
            high = min(low + room, len(self.ids))
            here, sizes = slice(self.starts[low], self.starts[high]), np.diff(self.starts[low : high + 1])
            line = np.repeat(np.arange(high - low), sizes) * width + (self.times[here] - begin)
            mine = known & (place >= low) & (place < high)
            shift = np.where(mine, (place - low) * width - begin, _NOWHERE)
            line = np.concatenate(([-_END], line, [_END + _END // 2]))
            values = np.concatenate(([np.nan], self.values[here], [np.nan]))
            for first in range(0, len(times), _ROWS):
                rows = slice(first, first + _ROWS)
                some = _nearest(line, values, shift[which[rows]] + times[rows, None], near)
                found[rows] = np.where(np.isnan(some), found[rows], some)
        return found


#: Where a line ends, and a place before it that is far from both ends.
_END, _NOWHERE = 1 << 62, -(1 << 61)
#: Rows looked up at once: what is made on the way stays small.
_ROWS = 65_536


def _nearest(line: Ints, values: Floats, wanted: Ints, near: int) -> Floats:
    """The one of `values` on the rising `line` nearest to each of `wanted`, NaN where none is within `near`."""
    place = np.searchsorted(line, wanted) - 1
    early, late = wanted - line[place], line[place + 1] - wanted
    found: Floats = values[place + (late < early)]
    found[np.minimum(early, late) > near] = np.nan
    return found


@dataclass(frozen=True, slots=True)
class _Maps:
    """Who is around each row: `members` has a row of neighbours (-1: none) a map, `which` the number of a row's map."""

    rows: pl.DataFrame
    which: Ints
    members: Ints

    @classmethod
    def of(cls, pairs: pl.DataFrame, rows: pl.DataFrame) -> "_Maps":
        """The map that holds at each of `rows` (by series and time); the last of `members` is the empty one."""
        maps = (
            pairs.group_by("series", "start", "stop")
            .agg(pl.col("neighbour").sort())
            .sort("series", "start")
            .with_row_index("map")
        )
        slots = int(maps["neighbour"].list.len().max() or 0)  # type: ignore[arg-type]  # a number
        members = np.full((maps.height + 1, slots), -1, dtype=np.int64)
        for slot in range(slots):
            members[:-1, slot] = maps["neighbour"].list.get(slot, null_on_oob=True).fill_null(-1).to_numpy()
        found = rows.select(_KEY).join_asof(
            maps.select("series", pl.col("start").alias("time"), "stop", "map"),
            on="time",
            by="series",
            strategy="backward",
            check_sortedness=False,
        )
        holds = pl.col("stop").is_null() | (pl.col("time") < pl.col("stop"))
        which = found.select(pl.when(holds).then("map").fill_null(maps.height).cast(pl.Int64)).to_series()
        return cls(rows.select(_KEY), which.to_numpy(), members)


@dataclass(frozen=True, slots=True)
class _Around:
    """The neighbours of some rows."""

    maps: _Maps
    heard: _Heard
    limits: Limits

    def values(self, rows: Ints, times: pl.Series) -> Floats:
        """What the neighbours of the `rows` (numbers) read at `times`, a column each, NaN where there is nothing."""
        missing = times.is_null()
        at = times.fill_null(self.maps.rows["time"][0]).to_physical().to_numpy()
        found = self.heard.nearest(self.maps.members, self.maps.which[rows], at, self.limits.near)
        if missing.any():
            found[missing.to_numpy()] = np.nan
        return found

    def apart(self, values: Floats) -> tuple[Truths, Truths]:
        """Whether there are enough neighbours to judge by, and whether each of `values` lies apart from them."""
        near = self.values(np.arange(len(values)), self.maps.rows["time"])
        centre, count = _median(near)
        spread, _ = _median(np.abs(near - centre[:, None]))
        limit = np.maximum(self.limits.floor, self.limits.factor * _SIGMA * spread)
        limit = np.maximum(limit, self.limits.share * np.abs(centre))
        enough = (count >= self.limits.least) & ~np.isnan(values)
        return enough, enough & (np.abs(values - centre) > limit + SLACK)

    def moved(self, own: Floats, others: Floats) -> Truths:
        """Whether at least so many of `others` moved the way that each of `own` did, and about as far or farther."""
        short = np.maximum(self.limits.floor, self.limits.share * np.abs(own))
        along = others * np.sign(own)[:, None]
        enough = (along > 0) & (along + SLACK >= (np.abs(own) - short)[:, None])
        counted: Truths = enough.sum(axis=1) >= self.limits.least
        return counted


def _median(values: Floats) -> tuple[Floats, Ints]:
    """Median of each row without its NaN, NaN where it has nothing else; and how many values it has."""
    count = (~np.isnan(values)).sum(axis=1)
    if not values.shape[1]:
        return np.full(len(values), np.nan), count
    rising = np.sort(values, axis=1)  # NaN last
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, values.shape[1] - 1)
    rows = np.arange(len(values))
    return (rising[rows, low] + rising[rows, high]) / 2, count


def _lift(
    rows: pl.DataFrame, readings: pl.DataFrame, around: _Around, own: Mapping[str, Mapping[str, Any]], at: Setting
) -> pl.DataFrame:
    """`rows` without the objections to a step that the neighbours took too; `readings` are of their series."""
    numbered = rows.with_row_index("row")
    objected = numbered.filter(pl.col("tests") & _STEPS != 0)
    if objected.is_empty():
        return rows
    mine = ordered(readings).join(objected.select("series").unique(), on="series", how="semi", maintain_order="left")
    beside = votes(mine, own, at).collect().drop("value")
    asked = objected.join(beside, on=_KEY, how="left", maintain_order="left")
    numbers = asked["row"].to_numpy().astype(np.int64)
    now, before, after = (around.values(numbers, asked[name]) for name in ("time", "_since", "_until"))
    value, early, late = (asked[name].fill_null(np.nan).to_numpy() for name in ("value", "_before", "_after"))
    events = {
        "spike": around.moved(value - (early + late) / 2, now - (before + after) / 2),
        "rate": around.moved(value - early, now - before),
    }
    lifted = np.sum([BITS[name] * seen for name, seen in events.items()], axis=0)
    left = asked.with_columns(_was="tests", tests=pl.col("tests") & ~pl.Series(lifted).cast(pl.Int32))
    again = left.filter(pl.col("tests") != pl.col("_was")).select("row", _code=_worst(own), _tests="tests")
    return (
        numbered.join(again, on="row", how="left", maintain_order="left")
        .with_columns(code=pl.coalesce("_code", "code"), tests=pl.coalesce("_tests", "tests"))
        .select(rows.columns)
    )


def _worst(own: Mapping[str, Mapping[str, Any]]) -> pl.Expr:
    """The worst flag of the tests in `tests`. What a far test says cannot be seen from here; it never fails."""
    flags = [
        pl.when(pl.col("tests") & TESTS[name].bit != 0).then(pl.lit(SUSPECT) if TESTS[name].far else pl.col(name))
        for name in own
    ]
    worst = pl.max_horizontal(pl.lit(None, pl.Int16), *flags).fill_null(pl.col("code"))
    return pl.when(pl.col("tests") == 0).then(GOOD).otherwise(worst).cast(pl.Int16)


def _fold(rows: pl.DataFrame, around: _Around) -> pl.DataFrame:
    """`rows` with the word of their neighbours on where they lie."""
    judged, apart = around.apart(rows["value"].fill_null(np.nan).to_numpy())
    code, tests = pl.col("code"), pl.col("tests")
    unheard = (code == NOT_EVALUATED) & (tests == 0)  # no test could judge it, this one can
    return rows.with_columns(_judged=pl.Series(judged), _apart=pl.Series(apart)).with_columns(
        code=pl.when("_apart")
        .then(pl.max_horizontal(code, pl.lit(SUSPECT, pl.Int16)))
        .when(pl.col("_judged") & unheard)
        .then(GOOD)
        .otherwise(code),
        tests=pl.when("_apart").then(tests | BITS[NEIGHBOURS]).otherwise(tests),
    )
