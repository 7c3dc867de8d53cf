"""Runs of a condition, with hysteresis: averages of a station -> episodes.

A rule (tables/episodes.toml) turns each value into two whole numbers: how many of its levels it is beyond (`over`), of
how many it is beyond the off line (`hold`; none: the period is quiet). Everything after that looks at those alone, so
rules of several editions can follow one another within one run.

The state at a time depends on nothing before a quiet stretch longer than the bridge, nor on anything after the next
one: `borders` finds them, and between them an episode may be made again by itself (DESIGN.md, law 3).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from analytics import tables
from analytics.averaging import Averaging
from analytics.frames import EPISODES, TIME, conform, settle
from analytics.parameters import Parameter
from analytics.standards import places
from analytics.tables import NUMBER, Content, TableError

TABLE = "episodes"

#: +1: values beyond a level are above it; -1: below.
DIRECTIONS: Mapping[str, int] = {"above": 1, "below": -1}
#: Kinds of averaging with a value an hour.
HOURLY = ("hour", "moving")

MICRO = 1_000_000
#: Length of a period, and what `silence` counts in.
PERIOD = pl.duration(hours=1)
SUBJECT = ["station", "rule"]

#: What `conditions` makes of a value. `excess` [millionths of the unit] is what it exceeds the first level by.
CONDITIONS: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "rule": pl.String(),
    "time": TIME,
    "value": pl.Float64(),
    "over": pl.Int16(),
    "hold": pl.Int16(),
    "excess": pl.Int64(),
    "sign": pl.Int8(),
    "bridge": pl.Int32(),
    "minimum": pl.Int32(),
    "silence": pl.Int32(),
}


@dataclass(frozen=True, slots=True)
class Lines:
    """Levels, and the line at which each of them ends [unit of the parameter], the mildest first."""

    levels: tuple[float, ...]
    off: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What an episode of one kind is; see the head of tables/episodes.toml."""

    name: str
    parameter: str
    averaging: str
    direction: str
    bridge: int
    minimum: int
    silence: int
    title: str
    title_zh: str
    source: str
    confidence: str
    #: lines by place; "" holds anywhere
    lines: Mapping[str, Lines]
    hours: tuple[int, int] | None = None
    #: number of levels
    depth: int = field(default=0)


def load() -> dict[str, Rule]:
    """The rules of the package table, by name."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Rule]:
    """The rules of `content`, by name. Raises `TableError` naming block and key."""
    return {name: _rule(name, record) for name, record in tables.records(content, TABLE).items()}


def _rule(name: str, record: Mapping[str, Any]) -> Rule:
    place = f"{TABLE}: [{name}]"
    texts = ("parameter", "averaging", "direction", "title", "title_zh", "source", "confidence")
    counts = ("bridge", "minimum", "silence")
    tables.check(
        record,
        place,
        needs={**dict.fromkeys(texts, str), **dict.fromkeys(counts, int)},
        allows={"levels": list, "off": list, "places": dict, "hours": list},
    )
    if record["direction"] not in DIRECTIONS:
        raise TableError(f"{place} 'direction' cannot be {record['direction']!r}: one of {', '.join(DIRECTIONS)}")
    if record["bridge"] < 0 or record["minimum"] < 1 or record["silence"] < 1:
        raise TableError(f"{place}: 'bridge' must be 0 or more, 'minimum' and 'silence' 1 or more")
    if ("places" in record) == ("levels" in record):
        raise TableError(f"{place}: needs either 'levels' and 'off' or 'places'")
    held = record.get("places", {"": {key: record[key] for key in ("levels", "off") if key in record}})
    sign = DIRECTIONS[record["direction"]]
    lines = {where: _lines(f"{place} {where}".strip(), given, sign) for where, given in held.items()}
    depths = {len(line.levels) for line in lines.values()}
    if len(depths) != 1:
        raise TableError(f"{place}: every place must have as many levels as the others")
    hours = record.get("hours")
    if hours is not None and not (
        len(hours) == 2 and all(isinstance(hour, int) and 0 <= hour < 24 for hour in hours) and hours[0] != hours[1]
    ):
        raise TableError(f"{place}: 'hours' cannot be {hours!r}: two different hours of the day")
    return Rule(
        name=name,
        **{key: record[key] for key in (*texts, *counts)},
        lines=lines,
        hours=None if hours is None else (hours[0], hours[1]),
        depth=depths.pop(),
    )


def _lines(place: str, given: Any, sign: int) -> Lines:
    if not isinstance(given, dict):
        raise TableError(f"{place}: must be a table")
    tables.check(given, place, needs={"levels": list, "off": list})
    levels, off = given["levels"], given["off"]
    numbers = [*levels, *off]
    if not levels or len(levels) != len(off) or not all(isinstance(x, NUMBER) for x in numbers):
        raise TableError(f"{place}: 'levels' and 'off' must be as many numbers, one at least")
    up, down = [sign * x for x in levels], [sign * x for x in off]
    if up != sorted(set(up)) or down != sorted(down) or any(low > high for low, high in zip(down, up, strict=True)):
        raise TableError(f"{place}: 'levels' must grow worse, 'off' not better, and no off line lie beyond its level")
    return Lines(tuple(map(float, levels)), tuple(map(float, off)))


def check(rules: Mapping[str, Rule], parameters: Mapping[str, Parameter], averagings: Mapping[str, Averaging]) -> None:
    """Nothing, where every rule's parameter has the rule's averaging, and it has a value an hour. Or `TableError`."""
    for rule in rules.values():
        parameter = parameters.get(rule.parameter)
        if parameter is None or rule.averaging not in parameter.averagings:
            raise TableError(f"{TABLE}: [{rule.name}]: {rule.parameter!r} has no averaging {rule.averaging!r}")
        if averagings[rule.averaging].kind not in HOURLY:
            raise TableError(f"{TABLE}: [{rule.name}] 'averaging': {rule.averaging!r} has no value an hour")


def conditions(spoken: pl.DataFrame, stations: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """What each value says under each rule (`CONDITIONS`), by station, rule and time.

    `spoken` has station, parameter, averaging, time and value (no nulls), `stations` station, `offset` [min] and
    `places`. Values that no rule speaks of have no row.
    """
    terms, depth = _terms(rules), max((rule.depth for rule in rules.values()), default=0)
    rows = spoken.join(terms, on=["parameter", "averaging"]).join(stations.select("station", "offset"), on="station")
    minute = pl.col("time").to_physical() // (60 * MICRO) + pl.col("offset")
    rows = rows.with_columns(minute.alias("minute"))
    anywhere, somewhere = rows.filter(pl.col("place") == ""), rows.filter(pl.col("place") != "")
    if somewhere.height:
        day = (pl.col("minute") // 1440).cast(pl.Int32).cast(pl.Date).alias("day")
        somewhere = somewhere.with_columns(day)
        there = places(stations, somewhere.select("station", "day"))
        anywhere = pl.concat([anywhere, somewhere.join(there, on=["station", "day", "place"]).drop("day")])
    beyond, sign = pl.col("sign") * pl.col("value"), pl.col("sign")
    holds = (pl.col("minute") % 1440 // 60 - pl.col("first")) % 24 < pl.col("hours")
    if not depth:
        return pl.DataFrame(schema=dict(CONDITIONS))
    return (
        anywhere.with_columns(
            over=_count(beyond > sign * pl.col(f"level{k}") for k in range(depth)),
            hold=_count(beyond > sign * pl.col(f"off{k}") for k in range(depth)),
            excess=((beyond - sign * pl.col("level0")) * MICRO).round().cast(pl.Int64).clip(lower_bound=0),
        )
        .with_columns(pl.when(holds).then(pl.col("over", "hold", "excess")).otherwise(0))
        .select(pl.col(name).cast(dtype) for name, dtype in CONDITIONS.items())
        .sort(*SUBJECT, "time")
    )


def _terms(rules: Mapping[str, Rule]) -> pl.DataFrame:
    """A row a rule and place: what it speaks of, its lines as level0, off0, ..., its hours as `first` and how many."""
    rows = [
        {
            "rule": rule.name,
            "parameter": rule.parameter,
            "averaging": rule.averaging,
            "place": place,
            "sign": DIRECTIONS[rule.direction],
            "bridge": rule.bridge,
            "minimum": rule.minimum,
            "silence": rule.silence,
            "first": rule.hours[0] if rule.hours else 0,
            "hours": (rule.hours[1] - rule.hours[0]) % 24 if rule.hours else 24,
            **{f"level{k}": level for k, level in enumerate(lines.levels)},
            **{f"off{k}": line for k, line in enumerate(lines.off)},
        }
        for rule in rules.values()
        for place, lines in rule.lines.items()
    ]
    texts = dict.fromkeys(("rule", "parameter", "averaging", "place"), pl.String)
    numbers = dict.fromkeys(("sign", "bridge", "minimum", "silence", "first", "hours"), pl.Int32)
    depth = max((rule.depth for rule in rules.values()), default=0)
    lines = dict.fromkeys((f"{what}{k}" for what in ("level", "off") for k in range(depth)), pl.Float64)
    return pl.DataFrame(rows, schema={**texts, **numbers, **lines})


def _count(facts: Iterable[pl.Expr]) -> pl.Expr:
    """How many of `facts` are so; a level that a rule has not is none."""
    return pl.sum_horizontal(*(fact.fill_null(value=False).cast(pl.Int16) for fact in facts))


def runs(marked: pl.DataFrame) -> pl.DataFrame:
    """The episodes (`frames.EPISODES`) in `marked` (`CONDITIONS`, each station, rule and time once), by their key.

    An episode begins with the first period beyond the first level and ends with the last one that is not quiet before
    a quiet stretch longer than the bridge; `closed` says whether that stretch, or a value from beyond the silence, has
    followed. The dose is the excess over the first level, each period counted for an hour.
    """
    rows = _stretches(marked)
    # A value between two lines keeps the level that was: on above the level, off at the off line, else as before.
    depth = int(str(rows["over"].max() or 1))
    levels = [_kept(k) for k in range(2, depth + 1)]
    rows = rows.with_columns(pl.sum_horizontal(pl.lit(1, pl.Int16), *levels).cast(pl.Int16).alias("level"))
    group = [*SUBJECT, "stretch"]
    rows = rows.filter(pl.col("quiet") <= pl.col("bridge"))  # the others part stretches and are in none
    begun, goes_on = pl.col("over") > 0, pl.col("hold") > 0
    held = rows.filter(begun.cum_max().over(group), goes_on.cum_max(reverse=True).over(group))
    changes = pl.col("level") != pl.col("level").shift()
    made = (
        held.with_columns(changes.fill_null(value=True).over(group).alias("turn"))
        .group_by(group, maintain_order=True)
        .agg(
            pl.col("last").first(),
            pl.col("minimum").first(),
            pl.col("time").first(),
            (pl.col("time").last() + PERIOD).alias("stop"),
            pl.col("level").max(),
            pl.col("value").get((pl.col("value") * pl.col("sign")).arg_max()).alias("peak"),
            pl.col("time").get((pl.col("value") * pl.col("sign")).arg_max()).alias("peak_time"),
            pl.col("excess").sum(),
            (pl.col("hold") > 0).sum().alias("count"),
            _story().alias("levels"),
        )
        .filter(pl.col("count") >= pl.col("minimum"))
        .with_columns(
            (pl.col("stretch") < pl.col("last")).alias("closed"), settle(pl.col("excess") / MICRO).alias("dose")
        )
    )
    return conform(made, EPISODES)


def _kept(k: int) -> pl.Expr:
    on = pl.when(pl.col("over") >= k).then(1).when(pl.col("hold") < k).then(0)
    return on.forward_fill().fill_null(0).over([*SUBJECT, "silent"]).cast(pl.Int16)


def _story() -> pl.Expr:
    """JSON of the changes of level, as PostgreSQL writes it: [["2026-01-01T05:00:00Z", 1], ...]."""
    stamp = pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    pair = pl.format('["{}", {}]', stamp, pl.col("level")).filter(pl.col("turn"))
    return pl.lit("[") + pair.str.join(", ") + pl.lit("]")


def _stretches(marked: pl.DataFrame) -> pl.DataFrame:
    """`marked` with the number of the stretch in which a period stands, of the `last` one, and of the `silent` ones.

    Silences and the quiet periods beyond the bridge part stretches: two periods that are not quiet belong together
    exactly if they stand in one.
    """
    late = pl.col("time").diff() > pl.duration(hours=pl.col("silence"))
    rows = marked.sort(*SUBJECT, "time").with_columns(
        late.fill_null(value=False).cum_sum().over(SUBJECT).alias("silent")
    )
    rows = rows.with_columns(_quiet([*SUBJECT, "silent"]).alias("quiet"))
    ends = pl.col("quiet") > pl.col("bridge")
    rows = rows.with_columns((pl.col("silent") + ends.cum_sum().over(SUBJECT)).alias("stretch"))
    return rows.with_columns(pl.col("stretch").last().over(SUBJECT).alias("last"))


def _quiet(group: list[str]) -> pl.Expr:
    """How many quiet periods end here, this one included, within `group`."""
    number = pl.int_range(1, pl.len() + 1)
    before = pl.when(pl.col("hold") > 0).then(number).forward_fill().fill_null(0)
    return (number - before).over(group)


def borders(marked: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """`windows` (window, station, rule, start, stop) with `after` and `until`, null where `marked` does not reach far
    enough.

    Whatever changes inside [start, stop), no episode that begins at or before `after`, or after `until`, is another
    one. `marked` (`CONDITIONS` and `window`) holds what is known around each window, whole hours in a row.
    """
    rows = marked.join(windows.select("window", "start", "stop"), on="window").sort("window", "time")
    rows = rows.with_columns(
        pl.when(pl.col("time") < pl.col("start")).then(-1).when(pl.col("time") >= pl.col("stop")).then(1).alias("side")
    )
    rows = rows.with_columns(_quiet(["window", "side"]).alias("quiet")).filter(pl.col("quiet") > pl.col("bridge"))
    found = rows.group_by("window").agg(
        pl.col("time").filter(pl.col("side") == -1).max().alias("after"),
        pl.col("time").filter(pl.col("side") == 1).min().alias("until"),
    )
    return windows.join(found, on="window", how="left", maintain_order="left")
