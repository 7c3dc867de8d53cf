"""How far a series is off what its neighbours say at the same time: ours, not the neighbour's; or one sensor's fault.

Each neighbour is moved by how far it usually is off this one. The score is the distance that half of them are within,
over the line: one that agrees of two is enough, so that the neighbours of a plume are not called out with it. Where the
past is skewed the line grows with what they say. Near to it: the buddy check of titanlib; the line is the series' own,
as everywhere here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import compress
from typing import Any

import numpy as np
import polars as pl

from analytics import tables
from analytics.detection._residual import NORMAL, SKEW, wanted
from analytics.detection._rows import Array, Ints, Readings, by_series
from analytics.frames import PAIRS, SCORES, TIME, conform, empty, settle
from analytics.parameters import Parameter

NAME = "network"
SETTING: Mapping[str, Any] = {
    "means": list,
    **dict.fromkeys(("window", "least"), int),
    **dict.fromkeys(("spread", "quantile", "margin", "share"), tables.NUMBER),
    "source": str,
    "confidence": str,
}
#: A score reads other series, but no other time.
REACH = 0
#: Fewest neighbours that must speak, and most that are heard.
FEWEST, MOST = 2, 8
_BLOB = pl.Struct(
    {
        "members": pl.List(pl.Int32),
        "shifts": pl.List(pl.Float64),
        **dict.fromkeys(("line", "foot"), pl.Float64),
        "count": pl.Int64,
    }
)


def fit(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob`: neighbours, how far each is usually off [unit], line [unit, or 1 where `foot` is not null].

    `near` of `voices` lists the series that stand near each, the nearest first; without it nobody has neighbours.
    """
    made = []
    near = dict(voices.select("series", "near").drop_nulls().iter_rows()) if "near" in voices.columns else {}
    rows = wanted(steps, voices, parameters, setting).unique(["series", "time"], keep="last", maintain_order=True)
    by_series = {int(str(key)): part for (key,), part in rows.group_by("series")}
    for series in sorted(near.keys() & by_series.keys()):
        members = [one for one in near[series] if one in by_series and one != series][:MOST]
        blob = _learn(by_series[series], {one: by_series[one] for one in members}, setting)
        if blob is not None:
            made.append((series, json.dumps(blob).encode()))
    return pl.DataFrame(made, schema={"subject": pl.Int32(), "blob": pl.Binary()}, orient="row")


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step: distance from what the neighbours say, over the line; null where too few speak."""
    learned = fits.select(
        "subject",
        pl.col("valid_from").cast(TIME).to_physical(),
        pl.col("blob").cast(pl.String).str.json_decode(_BLOB).alias("fit"),
    ).unnest("fit")
    until = pl.col("valid_from").shift(-1).over("subject", order_by="valid_from").alias("until")
    read = by_series(steps)
    heard, said = _Heard(read), {series: np.full(len(time), np.nan) for series, (time, _) in read.items()}
    for known in learned.with_columns(until).iter_rows(named=True):
        series = known["subject"]
        if series in read:
            time, value = read[series]
            stop = len(time) if known["until"] is None else np.searchsorted(time, known["until"])
            span = slice(np.searchsorted(time, known["valid_from"]), stop)
            theirs = [heard.then(one, series, span) + shift for one, shift in _shifts(known) if one in read]
            said[series][span] = _score(value[span], theirs, known)
    if not read:
        return empty(SCORES)
    made = pl.DataFrame(
        {
            "series": np.repeat(list(read), [len(time) for time, _ in read.values()]),
            "time": np.concatenate([time for time, _ in read.values()]),
            "value": np.concatenate(list(said.values())),
        }
    )
    rounded = settle(pl.col("value").fill_nan(None))
    return conform(made.with_columns(pl.col("time").cast(TIME), rounded, pl.lit(NAME).alias("detector")), SCORES)


def _shifts(known: Mapping[str, Any]) -> Iterable[tuple[int, float]]:
    return zip(known["members"], known["shifts"], strict=True)


class _Heard:
    """What was `read` of series, at the times of another one."""

    def __init__(self, read: Mapping[int, Readings]) -> None:
        self._read = read
        self._axis = np.unique(np.concatenate([time for time, _ in read.values()])) if read else np.array([], np.int64)
        # On one axis where that is hardly longer than what was read: as most series of a network are.
        self._even = len(self._axis) * len(read) <= 2 * sum(len(time) for time, _ in read.values())
        self._places: dict[int, Ints] = {}
        self._grids: dict[int, Array] = {}

    def then(self, one: int, series: int, span: slice) -> Array:
        """What was read of `one` at the times of the readings `span` of `series`; NaN where nothing was."""
        if self._even:
            return self._grid(one)[self._place(series)[span]]
        (theirs, value), time = self._read[one], self._read[series][0][span]
        place = np.minimum(np.searchsorted(theirs, time), len(theirs) - 1)
        return np.where(theirs[place] == time, value[place], np.nan)

    def _place(self, series: int) -> Ints:
        if series not in self._places:
            self._places[series] = np.searchsorted(self._axis, self._read[series][0])
        return self._places[series]

    def _grid(self, series: int) -> Array:
        if series not in self._grids:
            grid = np.full(len(self._axis), np.nan)
            grid[self._place(series)] = self._read[series][1]
            self._grids[series] = grid
        return self._grids[series]


def _score(value: Array, theirs: Sequence[Array], known: Mapping[str, Any]) -> Array:
    """Distance from what `theirs` say, over the line; NaN where too few speak."""
    if len(theirs) < FEWEST or not len(value):
        return np.full(len(value), np.nan)
    speak = np.sum([~np.isnan(one) for one in theirs], axis=0)
    rows, most = np.arange(len(value)), np.maximum(speak - 1, 0)
    said = [np.where(np.isnan(one), np.inf, one) for one in theirs]
    off = _ordered([np.abs(value - one) for one in said])[most // 2, rows]
    scale: Array | float = 1.0
    # Where nobody speaks the nearest is without end.
    with np.errstate(invalid="ignore"):
        if known["foot"] is not None:
            ordered = _ordered(said)
            expected = (ordered[most // 2, rows] + ordered[(most + 1) // 2, rows]) / 2
            scale = np.maximum(expected, 0.0) + known["foot"]
        return np.where(speak >= FEWEST, off * (1.0 / (known["line"] * scale)), np.nan)


def _ordered(columns: Sequence[Array]) -> Array:
    """[column, row] each row in order. Few columns of many rows: pair by pair is faster than row by row."""
    out = list(columns)
    for last in range(len(out) - 1, 0, -1):
        for at in range(last):
            low, high = out[at], out[at + 1]
            out[at], out[at + 1] = np.minimum(low, high), np.maximum(low, high)
    return np.stack(out)


def among(fits: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """`fits` (subject, valid_from, blob) that hear of their members only those that are around the series then, by
    `pairs` (`frames.PAIRS`): cut where that changes, so that who is around whom has one source."""
    around: dict[int, list[tuple[int, datetime, datetime | None]]] = {}
    for series, neighbour, start, stop in pairs.select(list(PAIRS)).iter_rows():
        around.setdefault(series, []).append((neighbour, start, stop))
    until = pl.col("valid_from").shift(-1).over("subject", order_by="valid_from").alias("until")
    made = []
    for subject, begins, blob, ends in fits.with_columns(until).sort("subject", "valid_from").iter_rows():
        known, near = json.loads(blob), around.get(subject, [])
        cuts = {time for _, start, stop in near for time in (start, stop) if time is not None and time > begins}
        for cut in [begins, *sorted(cut for cut in cuts if ends is None or cut < ends)]:
            here = {one for one, start, stop in near if start <= cut and (stop is None or stop > cut)}
            heard = [one in here for one in known["members"]]
            kept = {name: list(compress(known[name], heard)) for name in ("members", "shifts")}
            made.append((subject, cut, blob if all(heard) else json.dumps(known | kept).encode()))
    return pl.DataFrame(made, schema={"subject": pl.Int32(), "valid_from": TIME, "blob": pl.Binary()}, orient="row")


def _agree(said: pl.Expr) -> list[pl.Expr]:
    """Of a group: what neighbours say on the whole, how far off that half of them are within, how many speak."""
    off = (pl.col("value") - said).abs().quantile(0.5, "lower")
    return [said.median().alias("expected"), off.alias("off"), pl.len().alias("speak")]


def _learn(mine: pl.DataFrame, theirs: Mapping[int, pl.DataFrame], setting: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept of a series; None where too few neighbours were there often enough, or nothing ever changed."""
    shifts, moved = {}, []
    for member, part in theirs.items():
        both = mine.select("time", "value").join(part.select("time", pl.col("value").alias("theirs")), on="time")
        if both.height >= setting["least"]:
            shift = float((both["value"] - both["theirs"]).median())  # type: ignore[arg-type]
            shifts[member] = round(shift, 9)
            moved.append(both.select("time", "value", pl.col("theirs") + shift))
    if len(shifts) < FEWEST:
        return None
    said = pl.concat(moved).group_by("time").agg(pl.col("value").first().alias("mine"), *_agree(pl.col("theirs")))
    said = said.filter(pl.col("speak") >= FEWEST).sort("time")
    if said.height < setting["least"]:
        return None
    value, expected = said["mine"].to_numpy(), said["expected"].to_numpy()
    low, mid, high = np.quantile(value, [0.01, 0.5, 0.99])
    skewed = low >= 0 and high - mid > SKEW * (mid - low)
    foot = round(float(max(mid, setting["share"] * (high - mid))), 9) if skewed else None
    off = said["off"].to_numpy() / (1.0 if foot is None else np.maximum(expected, 0) + foot)
    line = max(
        setting["spread"] * NORMAL * float(np.median(off)),
        setting["margin"] * float(np.quantile(off, setting["quantile"])),
        setting["share"] * float(high - low) / (1.0 if foot is None else float(mid) + foot),
    )
    if not line > 0:
        return None
    return {
        "members": list(shifts),
        "shifts": list(shifts.values()),
        "line": round(line, 9),
        "foot": foot,
        "count": said.height,
    }
