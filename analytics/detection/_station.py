"""What detectors of a station's sensors, taken together, share: who its members are, a fit a station, a pass a fit."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.detection._residual import wanted
from analytics.detection._rows import Array, Ints, by_series, together
from analytics.frames import SCORES, TIME, conform, empty, settle
from analytics.parameters import Parameter

#: Readings before a row that its score reads: the greatest reach that a fit may ask for.
REACH = 12
#: Fewest series of a station that have anything to say about one another.
LEAST = 3

#: Members, times and values [time, member] of a station's past, and the setting -> what is kept; None: nothing.
Learn = Callable[[list[int], Ints, Array, Mapping[str, Any]], dict[str, Any] | None]
#: Times and values [time, member] of now, and what was kept -> whether a row is judged, the score of each that is, and
#: how far out each member of those is.
Judge = Callable[[Ints, Array, Mapping[str, Any]], tuple[npt.NDArray[np.bool_], Array, Array]]


def fits(
    steps: pl.DataFrame,
    voices: pl.DataFrame,
    parameters: Mapping[str, Parameter],
    setting: Mapping[str, Any],
    learn: Learn,
) -> pl.DataFrame:
    """`subject` (the first series of a station in `voices`), `blob`: what `learn` keeps of each station, as JSON.

    Where `voices` has no `station`, nobody is related."""
    made = []
    if "station" in voices.columns:
        rows = wanted(steps, voices, parameters, setting).join(voices.select("series", "station"), on="series")
        first = dict(voices.group_by("station").agg(pl.col("series").min()).iter_rows())
        for (station,), part in rows.sort("station", "time", "series").group_by("station", maintain_order=True):
            members = _members(part, setting)
            if len(members) < LEAST:
                continue
            read = by_series(part)
            time, values = together([read[member] for member in members])
            if len(time) >= setting["least"] and (blob := learn(members, time, values, setting)) is not None:
                made.append((first[station], json.dumps(blob).encode()))
    return pl.DataFrame(made, schema={"subject": pl.Int32(), "blob": pl.Binary()}, orient="row").sort("subject")


def _members(part: pl.DataFrame, setting: Mapping[str, Any]) -> list[int]:
    """Series of a station that have enough readings, and do not stand still."""
    counts = part.group_by("series").agg(pl.len(), (pl.col("value") == pl.col("value").median()).mean().alias("same"))
    return counts.filter(pl.col("len") >= setting["least"], pl.col("same") < 1)["series"].sort().to_list()


def scores(name: str, steps: pl.DataFrame, fits: pl.DataFrame, blob: pl.Struct, judge: Judge) -> pl.DataFrame:
    """`frames.SCORES` of the detector `name`, a row a time at which all members of a fit were read and `judge` says
    something, at the member farthest out. `blob`: what a fit keeps, `members` and `cadence` [µs] among it."""
    learned = fits.select(
        "subject",
        pl.col("valid_from").cast(TIME).to_physical(),
        pl.col("blob").cast(pl.String).str.json_decode(blob).alias("fit"),
    ).unnest("fit")
    until = pl.col("valid_from").shift(-1).over("subject", order_by="valid_from").alias("until")
    read, parts = by_series(steps), []
    for known in learned.with_columns(until).sort("subject", "valid_from").iter_rows(named=True):
        if not all(member in read for member in known["members"]):
            continue
        stop = np.iinfo(np.int64).max if known["until"] is None else known["until"]
        low = int(known["valid_from"] - REACH * known["cadence"])
        inside = [(*read[member], *np.searchsorted(read[member][0], [low, stop])) for member in known["members"]]
        time, values = together([(time[a:b], value[a:b]) for time, value, a, b in inside])
        judged, score, out = judge(time, values, known)
        mine = judged & (time >= known["valid_from"])
        score, out = score[mine[judged]], out[mine[judged]]
        farthest = np.abs(out).argmax(axis=1) if len(out) else np.array([], dtype=np.int64)
        parts.append((np.array(known["members"], dtype=np.int32)[farthest], time[mine], score))
    if not parts:
        return empty(SCORES)
    series, time, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    made = pl.DataFrame({"series": series, "time": time, "value": value}).with_columns(
        pl.col("time").cast(TIME), settle(pl.col("value")), pl.lit(name).alias("detector")
    )
    return conform(made, SCORES)
