"""Derived series: hourly means of some -> hourly values of another. A method is a file here, its name the file's.

Each says what it makes and how far it looks:

    derive(rows, constants, fits)   `rows` with `value` [unit of the output], null where the method does not hold; it
                                    may set `count` and `expected` anew. Row by row, or all at once: the same values.
    reach(constants)                how long before an hour its value looks back
    fit(hours, constants)           of a method that learns, from its one input: subject, blob. The same hours, the same
                                    bytes; a series it can make nothing of has no row. An hour is derived by the newest
                                    fit that holds from it or earlier, and by nothing after it.

and has ROLES, GIVEN and CONSTANTS: what a block of the table must have for it.

`rows` has series (the derived one), time, offset [min], a column a role of the kind (null where it is not registered),
a column a value that a site gives, `count` and `expected` of the input that is captured least. `fits` has subject (the
derived series), valid_from, blob. `hours` has series, time, value.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from analytics import tables
from analytics.family import members
from analytics.frames import AVERAGES, TIME, conform, empty, settle
from analytics.parameters import Parameter
from analytics.tables import NUMBER, Content, TableError

TABLE = "derivations"

#: What a site registered: a row a derived series and stretch of time. `inputs` are series, each for the role in its
#: place; `given` is JSON; a null `kind` is derived no longer. Null `since` and `until` are without end.
FORMULAS: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "kind": pl.String(),
    "roles": pl.List(pl.String()),
    "inputs": pl.List(pl.Int32()),
    "given": pl.String(),
    "since": TIME,
    "until": TIME,
    "offset": pl.Int16(),
}
#: What was learned, as `derive` takes it.
FITS: Mapping[str, pl.DataType] = {"subject": pl.Int32(), "valid_from": TIME, "blob": pl.Binary()}

METHODS = members(__name__, "derive")
REACHES = members(__name__, "reach")
LEARNERS = members(__name__, "fit", all=False)
_ROLES: Mapping[str, Any] = members(__name__, "ROLES")
_GIVEN: Mapping[str, Any] = members(__name__, "GIVEN")
_CONSTANTS: Mapping[str, Any] = members(__name__, "CONSTANTS")


@dataclass(frozen=True, slots=True)
class Input:
    """A role: the parameters that can play it, the usual one first, and whether it may be left out."""

    parameters: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What a site says, between `low` and `high` [unit]; it must where there is no default."""

    low: float
    high: float
    unit: str
    default: float | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of derived series is made: a block of tables/derivations.toml."""

    name: str
    title: str
    title_zh: str
    method: str
    output: str
    inputs: Mapping[str, Input]
    constants: Mapping[str, Any]
    given: Mapping[str, Given]
    source: str
    confidence: str

    @property
    def reach(self) -> timedelta:
        """How long before an hour its value looks back."""
        found: timedelta = REACHES[self.method](self.constants)
        return found


def load() -> dict[str, Kind]:
    """The kinds of the package table, by name."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Kind]:
    """The kinds of `content`, by name. Raises `TableError` naming block and key."""
    return {name: _kind(name, record) for name, record in tables.records(content, TABLE).items()}


def _kind(name: str, record: Mapping[str, Any]) -> Kind:
    place = f"{TABLE}: [{name}]"
    texts = dict.fromkeys(("title", "title_zh", "method", "output", "source", "confidence"), str)
    tables.check(record, place, needs={**texts, "inputs": dict}, allows={"constants": dict, "given": dict})
    if record["method"] not in METHODS:
        raise TableError(f"{place} 'method' cannot be {record['method']!r}: one of {', '.join(METHODS)}")
    inputs, given = {}, {}
    for role, row in record["inputs"].items():
        here = f"{place} inputs.{role}"
        plain = {key: value for key, value in row.items() if key != "optional"} if isinstance(row, dict) else {}
        tables.check(plain, here, needs={"parameters": list})
        if not plain["parameters"] or not all(isinstance(word, str) for word in plain["parameters"]):
            raise TableError(f"{here} 'parameters' must name a parameter")
        if not isinstance(row.get("optional", False), bool):
            raise TableError(f"{here}: 'optional' cannot be {row['optional']!r}")
        inputs[role] = Input(tuple(plain["parameters"]), row.get("optional", False))
    if all(item.optional for item in inputs.values()):
        raise TableError(f"{place} 'inputs' needs a role that may not be left out")
    for key, row in record.get("given", {}).items():
        here = f"{place} given.{key}"
        if not isinstance(row, dict):
            raise TableError(f"{here}: must be a table")
        tables.check(row, here, needs={"low": NUMBER, "high": NUMBER, "unit": str}, allows={"default": NUMBER})
        given[key] = Given(**row)
        if not row["low"] <= row.get("default", row["low"]) <= row["high"]:
            raise TableError(f"{here}: 'default' {row['default']} is not within {row['low']} and {row['high']}")
        if key in inputs:
            raise TableError(f"{here} is the name of an input")
    constants = record.get("constants", {})
    _fits(place, record["method"], inputs, given, constants)
    fields = {key: record[key] for key in texts}
    return Kind(name=name, **fields, inputs=inputs, constants=constants, given=given)


def _fits(
    place: str, method: str, inputs: Mapping[str, Input], given: Mapping[str, Given], constants: Mapping[str, Any]
) -> None:
    """Nothing, where the method finds what it needs. Or `TableError`."""
    if sorted(inputs) != sorted(_ROLES[method]):
        raise TableError(f"{place} 'inputs' must be {', '.join(_ROLES[method])} for {method}")
    if absent := [key for key in _GIVEN[method] if key not in given]:
        raise TableError(f"{place} 'given' lacks {', '.join(absent)} for {method}")
    tables.check(constants, f"{place} constants", needs=_CONSTANTS[method])


def check(parameters: Mapping[str, Parameter], kinds: Mapping[str, Kind]) -> None:
    """Nothing, where what goes in and what comes out are parameters that have hours. Or `TableError`."""
    for kind in kinds.values():
        for name in (kind.output, *(name for item in kind.inputs.values() for name in item.parameters)):
            if name not in parameters or "hour" not in parameters[name].averagings:
                raise TableError(f"{TABLE}: [{kind.name}]: {name!r} is no parameter with an hourly mean")


def sources(formulas: pl.DataFrame) -> pl.DataFrame:
    """`series`, `input`: what each derived series of `formulas` (FORMULAS) is made of, whenever."""
    return (
        formulas.select("series", pl.col("inputs").alias("input"))
        .explode("input", empty_as_null=False)
        .unique(maintain_order=True)
        .cast({"input": pl.Int32})
    )


def derive(
    hours: pl.DataFrame, formulas: pl.DataFrame, kinds: Mapping[str, Kind], fits: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """Hours (`frames.AVERAGES`) of the derived series of `formulas` (FORMULAS), by series and time.

    A row where every input has one, of the formula in force at that hour. `hours` are those of the inputs, from the
    kind's reach on before the first hour that is wanted; `fits` (FITS) by method.
    """
    out = [empty(AVERAGES)]
    named = formulas.drop_nulls("kind").with_columns(pl.col("roles").list.join(" ").alias("cast"))
    for (name, _), some in named.group_by("kind", "cast", maintain_order=True):
        # A kind that the tables of that time did not have yet makes nothing.
        if (kind := kinds.get(str(name))) is None:
            continue
        rows = _rows(hours, some, kind)
        learned = fits.get(kind.method, empty(FITS))
        made = METHODS[kind.method](rows, kind.constants, learned).filter(
            (pl.col("time") >= pl.col("since")).fill_null(value=True),
            (pl.col("time") < pl.col("until")).fill_null(value=True),
        )
        value = pl.when(pl.col("value").is_finite()).then(settle(pl.col("value")))
        out.append(conform(made.with_columns(pl.lit("hour").alias("averaging"), value.alias("value")), AVERAGES))
    return pl.concat(out).sort("series", "time")


def _rows(hours: pl.DataFrame, formulas: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """What a method takes (see above), of formulas that have the same roles."""
    roles = formulas["roles"].to_list()[0]
    said = [json.loads(text) for text in formulas["given"]]
    settings = [
        pl.Series(key, [row.get(key, item.default) for row in said], pl.Float64) for key, item in kind.given.items()
    ]
    # A series may have several formulas, each of its time: they are told apart until the hours are made.
    some = formulas.with_columns(settings).with_row_index("formula")
    facts = ["formula", "series", "since", "until", "offset", *kind.given]
    rows = some.select(facts)
    for place, role in enumerate(roles):
        heard = some.select("formula", pl.col("inputs").list.get(place).alias("input"))
        part = heard.join(hours, left_on="input", right_on="series").select(
            "formula",
            "time",
            pl.col("value").alias(role),
            pl.col("count").cast(pl.Int64).alias(f"count_{role}"),
            pl.col("expected").cast(pl.Int64).alias(f"expected_{role}"),
        )
        rows = rows.join(part, on=["formula", "time"] if place else ["formula"])
    count, expected = _least(roles)
    absent = [pl.lit(None, pl.Float64).alias(role) for role in kind.inputs if role not in roles]
    return rows.with_columns(count.alias("count"), expected.alias("expected"), *absent).sort("formula", "time")


def _least(roles: list[str]) -> tuple[pl.Expr, pl.Expr]:
    """Count and expected of the role with the least data capture, of equal ones the first."""
    count, expected = pl.col(f"count_{roles[0]}"), pl.col(f"expected_{roles[0]}")
    for role in roles[1:]:
        more, of = pl.col(f"count_{role}"), pl.col(f"expected_{role}")
        less = more * expected < count * of
        count, expected = pl.when(less).then(more).otherwise(count), pl.when(less).then(of).otherwise(expected)
    return count, expected
