"""Dated standards as frames: index breakpoints, classes, limits, and where each edition is in force.

A standard is in force at a station on a local day if any adoption row without a place, or with one of the station's
places, covers the day: rows are a union, so one more row puts two editions side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from analytics import tables as files
from analytics.tables import Content, TableError

TEXT, WHOLE, NUMBER, DATE = pl.String(), pl.Int64(), pl.Float64(), pl.Date()
ORIGIN: Mapping[str, pl.DataType] = {"source": TEXT, "confidence": TEXT}
NOTED: Mapping[str, pl.DataType] = {**ORIGIN, "note": TEXT}

#: Columns of each table, and those that may be empty.
SHAPES: Mapping[str, tuple[Mapping[str, pl.DataType], tuple[str, ...]]] = {
    "hj633_breakpoints": (
        {
            "standard": TEXT,
            "parameter": TEXT,
            "column": TEXT,
            "unit": TEXT,
            "index": WHOLE,
            "concentration": NUMBER,
            **NOTED,
        },
        ("note",),
    ),
    "hj633_columns": (
        {
            "standard": TEXT,
            "averaging": TEXT,
            "parameter": TEXT,
            "step": WHOLE,
            "uses": TEXT,
            "column": TEXT,
            "above": WHOLE,
            **NOTED,
        },
        ("above", "note"),
    ),
    "hj633_rounding": ({"standard": TEXT, "parameter": TEXT, "decimals": WHOLE, **NOTED}, ("decimals", "note")),
    "hj633_classes": (
        {
            "standard": TEXT,
            "level": WHOLE,
            "low": WHOLE,
            "high": WHOLE,
            "category": TEXT,
            "category_zh": TEXT,
            "colour": TEXT,
            **ORIGIN,
        },
        ("high",),
    ),
    "hj633_rules": (
        {"standard": TEXT, "complete_up_to": WHOLE, "primary_above": WHOLE, **NOTED},
        ("complete_up_to", "note"),
    ),
    "gb3095_limits": (
        {
            "standard": TEXT,
            "phase": TEXT,
            "valid_from": DATE,
            "valid_to": DATE,
            "parameter": TEXT,
            "averaging": TEXT,
            "class1": NUMBER,
            "class2": NUMBER,
            "unit": TEXT,
            **NOTED,
        },
        ("valid_from", "valid_to", "note"),
    ),
    "adoptions": (
        {"standard": TEXT, "place": TEXT, "valid_from": DATE, "valid_to": DATE, **NOTED},
        ("place", "valid_to", "note"),
    ),
}


#: Where a station is and from when until when (half-open local days, null is open): `city:Beijing`, ...
PLACES = pl.List(pl.Struct({"place": TEXT, "since": DATE, "until": DATE}))


@dataclass(frozen=True, slots=True)
class Standards:
    """The tables of standards as frames, columns as `SHAPES` has them.

    breakpoints  index [1] at concentration [unit] of each (standard, parameter, column)
    columns      which averaging (`uses`) a pollutant of an assessment averaging takes, on which column of
                 breakpoints; `above` is the index beyond the last one, null: the next `step` takes its place
    rounding     decimals of a concentration before the index, null: none
    classes      level of an index from `low` to `high`
    rules        up to which index all pollutants must be there; above which one a primary pollutant is named
    limits       concentrations of class 1 and 2 areas by phase of an edition; a phase without dates lasts as long
                 as the edition is adopted
    adoptions    where (empty: everywhere) and on which local days an edition is in force, both ends included
    """

    breakpoints: pl.DataFrame
    columns: pl.DataFrame
    rounding: pl.DataFrame
    classes: pl.DataFrame
    rules: pl.DataFrame
    limits: pl.DataFrame
    adoptions: pl.DataFrame


def tables() -> dict[str, Content]:
    """Content of every package table by name, parameters and averagings among them, as JSON can carry it."""
    return {name: files.read(name) for name in files.names()}


def load() -> Standards:
    """The standards of the package tables."""
    return parse(tables())


def parse(contents: Mapping[str, Content]) -> Standards:
    """The standards of `contents`, named as `tables()` names them. Raises `TableError` naming table, row and key."""
    frames = {name: _frame(contents, name) for name in SHAPES}
    standards = Standards(
        breakpoints=frames["hj633_breakpoints"],
        columns=frames["hj633_columns"].with_row_index("order"),
        rounding=frames["hj633_rounding"],
        classes=frames["hj633_classes"],
        rules=frames["hj633_rules"],
        limits=frames["gb3095_limits"],
        adoptions=frames["adoptions"],
    )
    _agree(standards, contents)
    return standards


def in_force(adoptions: pl.DataFrame, stations: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Standards in force: station, day, standard, each once.

    `stations` has station and `places` (PLACES), `days` has station and the local day.
    """
    rows = adoptions.select("standard", pl.col("place").fill_null(""), "valid_from", "valid_to")
    placed = (
        stations.select("station", pl.col("places").cast(PLACES)).explode("places").unnest("places").drop_nulls("place")
    )
    there = (pl.col("day") >= pl.col("since")).fill_null(value=True) & (pl.col("day") < pl.col("until")).fill_null(
        value=True
    )
    covers = (pl.col("day") >= pl.col("valid_from")) & _until(pl.col("day"), pl.col("valid_to"))
    wanted = days.select("station", "day").unique()
    member = wanted.join(placed, on="station").filter(there).join(rows, on="place")
    anywhere = wanted.join(rows.filter(pl.col("place") == ""), how="cross")
    columns = ["station", "day", "standard"]
    return pl.concat([found.filter(covers).select(columns) for found in (member, anywhere)]).unique()


def in_phase(day: pl.Expr) -> pl.Expr:
    """Whether `day` lies in a row's phase, `valid_from` to `valid_to`, both included; null is open."""
    return (day >= pl.col("valid_from")).fill_null(value=True) & _until(day, pl.col("valid_to"))


def _until(day: pl.Expr, end: pl.Expr) -> pl.Expr:
    return (day <= end).fill_null(value=True)


def _frame(contents: Mapping[str, Content], name: str) -> pl.DataFrame:
    table = f"standards/{name}"
    if table not in contents:
        raise TableError(f"{table}: is missing")
    columns, optional = SHAPES[name]
    return files.frame(contents[table], table, columns, optional=optional)


def _agree(standards: Standards, contents: Mapping[str, Content]) -> None:
    """Nothing, where the tables name each other's rows rightly and breakpoints rise. Or `TableError`."""
    columns, points = standards.columns, standards.breakpoints
    curve = ["standard", "parameter", "column"]
    falls = points.with_columns(pl.col("index", "concentration").diff().over(curve)).filter(
        (pl.col("index") <= 0) | (pl.col("concentration") <= 0)
    )
    problems = {
        "hj633_columns: no breakpoints for": columns.join(points, on=curve, how="anti").select(curve),
        "hj633_columns: no rounding for": columns.join(standards.rounding, on=curve[:2], how="anti").select(curve),
        "hj633_columns: no rules for": columns.join(standards.rules, on="standard", how="anti").select("standard"),
        "hj633_columns: no classes for": columns.join(standards.classes, on="standard", how="anti").select("standard"),
        "hj633_columns: twice": columns.filter(
            pl.struct("standard", "averaging", "parameter", "step").is_duplicated()
        ).select(curve),
        "hj633_columns: unknown averaging": columns.filter(
            ~pl.col("uses").is_in(list(contents.get("averagings", {})))
        ).select("uses"),
        "hj633_breakpoints: do not rise": falls.select(curve),
        "adoptions: ends before it starts": standards.adoptions.filter(
            pl.col("valid_to") < pl.col("valid_from")
        ).select("standard"),
    }
    for problem, rows in problems.items():
        if rows.height:
            raise TableError(f"standards/{problem} {', '.join(map(str, rows.row(0)))}")
