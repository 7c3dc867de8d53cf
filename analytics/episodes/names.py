"""Public names of episodes and regions, and what becomes of them when late data change what there is.

A name follows the hours it stood for. Of all pairs of a named one and a new one that have hours in common, the pair
with the most goes first; of equal ones that whose named one began earlier, then was named earlier. So

- one that grows, shrinks or moves keeps its name (`extended`, `shortened`, or both);
- of two that become one, the one with more hours in it lends its name, the other is `merged into` it;
- of one that becomes two, the part with more of its hours keeps the name, the other is new and `split from` it;
- one that has nothing in common with any is `withdrawn`, and a new one is `opened`;
- a name that was merged or withdrawn comes back (`restored`) with its hours, as when a correction is ended.

An open one that goes on is no event: that is its life. This is outside law 2 (DESIGN.md): it records what was known.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import polars as pl

from analytics.frames import TIME, empty

#: Where what has a name lay, a row a station; `gone` where it was merged or withdrawn: its last extent.
NAMED: Mapping[str, pl.DataType] = {
    "name": pl.Int64(),
    "station": pl.Int32(),
    "rule": pl.String(),
    "time": TIME,
    "stop": TIME,
    "closed": pl.Boolean(),
    "gone": pl.Boolean(),
}
#: Where what there is now lies, a row a station; `key` tells one from another.
FOUND: Mapping[str, pl.DataType] = {
    "key": pl.Int64(),
    "station": pl.Int32(),
    "rule": pl.String(),
    "time": TIME,
    "stop": TIME,
    "closed": pl.Boolean(),
}
#: What became of a name. `other` is the name it was merged into or split from; `time`, `stop` its extent now, null
#: where it has none.
EVENTS: Mapping[str, pl.DataType] = {
    "name": pl.Int64(),
    "event": pl.String(),
    "other": pl.Int64(),
    "time": TIME,
    "stop": TIME,
}
OPENED, EXTENDED, SHORTENED, MERGED, SPLIT, WITHDRAWN, RESTORED = (
    "opened",
    "extended",
    "shortened",
    "merged into",
    "split from",
    "withdrawn",
    "restored",
)
_PART = ["station", "rule"]


class Named(NamedTuple):
    """`key` and `name` of each that was found, by key, and `EVENTS`, by name."""

    names: pl.DataFrame
    events: pl.DataFrame


class _Extent(NamedTuple):
    time: datetime
    stop: datetime
    closed: bool
    gone: bool


def name(before: pl.DataFrame, found: pl.DataFrame, first: int) -> Named:
    """The names of what was `found` (`FOUND`), given what had names `before` (`NAMED`); new ones count from `first`.

    Both hold all of what can have hours in common: whoever calls makes a stretch again as a whole (`runs.borders`).
    """
    old, new = _extents(before, "name"), _extents(found, "key")
    pairs = _pairs(before, found)
    pairs.sort(key=lambda pair: (old[pair[0]].gone, -pair[2], old[pair[0]].time, pair[0], new[pair[1]].time, pair[1]))
    held: dict[int, int] = {}
    names: dict[int, int] = {}
    for mine, key, _ in pairs:
        if mine not in held and key not in names:
            held[mine], names[key] = key, mine
    fresh = sorted(new.keys() - names.keys(), key=lambda key: (new[key].time, key))
    names |= {key: number for number, key in enumerate(fresh, start=first)}
    events: list[tuple[int, str, int | None, datetime | None, datetime | None]] = []
    for mine, was in old.items():
        if mine in held:
            now = new[held[mine]]
            events += [(mine, word, None, now.time, now.stop) for word in _changes(was, now)]
        elif not was.gone:
            into = next((names[key] for one, key, _ in pairs if one == mine), None)
            events.append((mine, WITHDRAWN if into is None else MERGED, into, None, None))
    for key in fresh:
        source = next((one for one, other, _ in pairs if other == key and not old[one].gone), None)
        now = new[key]
        events.append((names[key], OPENED if source is None else SPLIT, source, now.time, now.stop))
    made = pl.DataFrame(sorted(events, key=lambda event: event[:2]), schema=dict(EVENTS), orient="row")
    schema = {"key": pl.Int64, "name": pl.Int64}
    return Named(pl.DataFrame(sorted(names.items()), schema=schema, orient="row"), made)


def _changes(was: _Extent, now: _Extent) -> list[str]:
    """What happened to one that keeps its name."""
    longer = now.time < was.time or (now.stop > was.stop and was.closed)
    shorter = now.time > was.time or now.stop < was.stop
    return [word for word, so in ((RESTORED, was.gone), (EXTENDED, longer), (SHORTENED, shorter)) if so]


def _extents(parts: pl.DataFrame, key: str) -> dict[int, _Extent]:
    gone = pl.col("gone").all() if "gone" in parts.columns else pl.lit(value=False)
    whole = parts.group_by(key).agg(
        pl.col("time").min(), pl.col("stop").max(), pl.col("closed").all(), gone.alias("gone")
    )
    return {row[0]: _Extent(*row[1:]) for row in whole.sort(key).iter_rows()}


def _pairs(before: pl.DataFrame, found: pl.DataFrame) -> list[tuple[int, int, float]]:
    """(name, key, seconds in common), over all stations."""
    both = before.join(found, on=_PART, suffix="_new")
    common = pl.min_horizontal("stop", "stop_new") - pl.max_horizontal("time", "time_new")
    shared = both.with_columns(common.dt.total_seconds().alias("common")).filter(pl.col("common") > 0)
    return list(shared.group_by("name", "key").agg(pl.col("common").sum()).iter_rows())


def listed(made: pl.DataFrame) -> pl.DataFrame:
    """`FOUND` of episodes (`frames.EPISODES`): each is one by itself, its key its row."""
    if made.is_empty():
        return empty(FOUND)
    return made.with_row_index("key").select(pl.col(name).cast(dtype) for name, dtype in FOUND.items())
