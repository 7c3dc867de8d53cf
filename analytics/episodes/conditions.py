"""What the hours of a station say under each rule: of how many levels they are on the wrong side, and of off lines.

A fact that is not there is not known, not calm: where it decides, the period says nothing, and neither ends nor extends
an episode.
"""

from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from analytics.episodes.measures import KEY, MEASURED, MICRO, facts, less, ratio, window
from analytics.episodes.rules import Rule, Term
from analytics.frames import TIME, empty
from analytics.standards import places

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

#: Planned events, of a station or (null) of all: while one of its `kind` goes on, such a rule can hold.
PLANNED: Mapping[str, pl.DataType] = {"station": pl.Int32(), "kind": pl.String(), "start": TIME, "stop": TIME}


def conditions(
    spoken: pl.DataFrame, stations: pl.DataFrame, rules: Mapping[str, Rule], planned: pl.DataFrame | None = None
) -> pl.DataFrame:
    """What each value says under each rule (`CONDITIONS`), by station, rule and time.

    `spoken` has station, parameter, averaging, time and value (no nulls), as far back as `Rule.back`; `stations`
    station, `offset` [min] and `places`; `planned` (`PLANNED`) none where it is null. Values that no rule speaks of
    have no row.
    """
    said = set(spoken["parameter"].unique())
    rules = {name: rule for name, rule in rules.items() if rule.parameter in said}
    if not rules:
        return empty(CONDITIONS)
    depth = max(rule.depth for rule in rules.values())
    rows = _mains(spoken, rules).join(stations.select("station", "offset"), on="station")
    rows = _placed(rows.join(_terms(rules, depth), on="rule"), stations)
    beyond, sign = pl.col("sign") * pl.col("value"), pl.col("sign")
    minute = pl.col("time").to_physical() // (60 * MICRO) + pl.col("offset")
    holds = (minute % 1440 // 60 - pl.col("first")) % 24 < pl.col("hours")
    found = rows.with_columns(
        over=_count(beyond > sign * pl.col(f"level{k}") for k in range(depth)),
        hold=_count(beyond > sign * pl.col(f"off{k}") for k in range(depth)),
        excess=((beyond - sign * pl.col("level0")) * MICRO).round().cast(pl.Int64).clip(lower_bound=0),
    ).with_columns(pl.when(holds).then(pl.col("over", "hold", "excess")).otherwise(0))
    found = _joined(_during(found, rules, planned), spoken, rules)
    return found.select(pl.col(name).cast(dtype) for name, dtype in CONDITIONS.items()).sort(*SUBJECT, "time")


def measured(spoken: pl.DataFrame, term: Term, asked: pl.DataFrame | None = None) -> pl.DataFrame:
    """`MEASURED` of what `term` looks at, at the hours that have a value, or those of `asked` (station, time)."""
    own = facts(spoken, (term.parameter, term.averaging))
    if term.minus is not None:
        own = less(own, facts(spoken, term.minus))
    if term.per is not None:
        own = ratio(own, facts(spoken, term.per))
    if term.measure != "value":
        return window(own, own if asked is None else asked, term.measure, term.hours, term.values)
    return own if asked is None else own.join(asked, on=KEY, how="semi")


def _mains(spoken: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """station, rule, time, value: what each rule's levels are of. Plain values of all rules are one join."""
    plain, found = [], []
    for rule in rules.values():
        term = rule.term
        if (term.measure, term.minus) == ("value", None):
            plain.append((rule.name, term.parameter, term.averaging))
        else:
            found.append(measured(spoken, term).with_columns(rule=pl.lit(rule.name)))
    names = pl.DataFrame(plain, schema=dict.fromkeys(("rule", "parameter", "averaging"), pl.String), orient="row")
    found.append(spoken.join(names, on=["parameter", "averaging"]))
    columns = [pl.col("rule"), *(pl.col(name).cast(dtype) for name, dtype in MEASURED.items())]
    return pl.concat(some.select(columns) for some in found)


def _placed(rows: pl.DataFrame, stations: pl.DataFrame) -> pl.DataFrame:
    """The `rows` whose lines hold anywhere, or at a place in which their station is on that day."""
    anywhere, somewhere = rows.filter(pl.col("place") == ""), rows.filter(pl.col("place") != "")
    if somewhere.is_empty():
        return anywhere
    minute = pl.col("time").to_physical() // (60 * MICRO) + pl.col("offset")
    somewhere = somewhere.with_columns((minute // 1440).cast(pl.Int32).cast(pl.Date).alias("day"))
    there = places(stations, somewhere.select("station", "day"))
    return pl.concat([anywhere, somewhere.join(there, on=["station", "day", "place"]).drop("day")])


def _terms(rules: Mapping[str, Rule], depth: int) -> pl.DataFrame:
    """A row a rule and place: its lines as level0, off0, ..., its hours as `first` and how many."""
    rows = [
        {
            "rule": rule.name,
            "place": place,
            "sign": rule.term.sign,
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
    texts = dict.fromkeys(("rule", "place"), pl.String)
    numbers = dict.fromkeys(("sign", "bridge", "minimum", "silence", "first", "hours"), pl.Int32)
    lines = dict.fromkeys((f"{what}{k}" for what in ("level", "off") for k in range(depth)), pl.Float64)
    return pl.DataFrame(rows, schema={**texts, **numbers, **lines})


def _count(facts: Iterable[pl.Expr]) -> pl.Expr:
    """How many of `facts` are so; a level that a rule has not is none."""
    return pl.sum_horizontal(*(fact.fill_null(value=False).cast(pl.Int16) for fact in facts))


def _during(rows: pl.DataFrame, rules: Mapping[str, Rule], planned: pl.DataFrame | None) -> pl.DataFrame:
    """`rows`, those of rules that go with planned events quiet outside of them."""
    kinds = {rule.name: rule.planned for rule in rules.values() if rule.planned}
    if not kinds:
        return rows
    bound = rows.select(*SUBJECT, "time").filter(pl.col("rule").is_in(list(kinds)))
    events = (empty(PLANNED) if planned is None else planned).rename({"station": "where"})
    inside = (
        bound.with_columns(pl.col("rule").replace_strict(kinds).alias("kind"))
        .join(events, on="kind")
        .filter(
            pl.col("where").is_null() | (pl.col("where") == pl.col("station")),
            pl.col("time") >= pl.col("start").dt.truncate("1h"),
            pl.col("time") < pl.col("stop"),
        )
        .select(*SUBJECT, "time")
        .unique()
        .with_columns(pl.lit(value=True).alias("inside"))
    )
    free = ~pl.col("rule").is_in(list(kinds)) | pl.col("inside").fill_null(value=False)
    found = rows.join(inside, on=[*SUBJECT, "time"], how="left")
    return found.with_columns(pl.when(free).then(pl.col("over", "hold", "excess")).otherwise(0)).drop("inside")


def _joined(rows: pl.DataFrame, spoken: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """`rows` as far as what must hold as well lets them: on where it is on, held where it is held, and none where it
    is not known whether it is."""
    asking = {name: rule for name, rule in rules.items() if rule.also}
    bound = pl.col("rule").is_in(list(asking))
    out = [rows.filter(~bound)]
    for name, rule in asking.items():
        mine = rows.filter(pl.col("rule") == name)
        for number, term in enumerate(rule.also):
            said = measured(spoken, term, mine.select(KEY)).rename({"value": f"also{number}"})
            mine = mine.join(said, on=KEY, how="left", maintain_order="left")
        mine = mine.with_columns(
            _enough(rule, beyond).alias(word) for word, beyond in (("on", "levels"), ("kept", "off"))
        )
        quiet = pl.col("hold") == 0
        out.append(
            mine.filter(quiet | pl.col("kept").is_not_null())
            .with_columns(
                pl.when(pl.col("on").fill_null(value=False) & ~quiet).then(pl.col("over", "excess")).otherwise(0),
                pl.when(pl.col("kept").fill_null(value=False)).then("hold").otherwise(0).alias("hold"),
            )
            .select(rows.columns)
        )
    return pl.concat(out)


def _enough(rule: Rule, which: str) -> pl.Expr:
    """Whether enough of what must hold as well is beyond its level (`levels`) or its `off` line; null: not known."""
    facts = list(_beyond(rule, which))
    sure = pl.sum_horizontal(*(fact.fill_null(value=False).cast(pl.Int16) for fact in facts))
    possible = pl.sum_horizontal(*(fact.fill_null(value=True).cast(pl.Int16) for fact in facts))
    return pl.when(sure >= rule.least).then(True).when(possible < rule.least).then(False)


def _beyond(rule: Rule, which: str) -> Iterator[pl.Expr]:
    for number, term in enumerate(rule.also):
        (line,) = term.lines.levels if which == "levels" else term.lines.off
        yield term.sign * pl.col(f"also{number}") > term.sign * line
