"""Dated standards as frames: index breakpoints, classes, limits of air, water and noise, and where each is in force.

A standard is in force at a station on a local day if any adoption row without a place, or with one of the station's
places, covers the day: rows are a union, so one more row puts two editions side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

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
    "gb3838_limits": (
        {
            "standard": TEXT,
            "parameter": TEXT,
            "water_body": TEXT,
            "class": WHOLE,
            "low": NUMBER,
            "high": NUMBER,
            "unit": TEXT,
            **NOTED,
        },
        ("low", "high", "note"),
    ),
    "gb3838_indicators": (
        {
            "standard": TEXT,
            "parameter": TEXT,
            "judged": WHOLE,
            "multiple": WHOLE,
            "first": WHOLE,
            "decimals": WHOLE,
            **NOTED,
        },
        ("decimals", "note"),
    ),
    "gb3838_rules": (
        {
            "standard": TEXT,
            "averaging": TEXT,
            "reference": WHOLE,
            "primary_from": WHOLE,
            "primary_most": WHOLE,
            **NOTED,
        },
        ("note",),
    ),
    "gb3838_classes": (
        {
            "standard": TEXT,
            "level": WHOLE,
            "name": TEXT,
            "name_zh": TEXT,
            "category": TEXT,
            "category_zh": TEXT,
            "colour": TEXT,
            **ORIGIN,
        },
        (),
    ),
    "noise_limits": (
        {
            "standard": TEXT,
            "place": TEXT,
            "zone": TEXT,
            "period": TEXT,
            "metric": TEXT,
            "parameter": TEXT,
            "averaging": TEXT,
            "limit": NUMBER,
            "unit": TEXT,
            **NOTED,
        },
        ("place", "zone", "averaging", "note"),
    ),
    "noise_rules": ({"standard": TEXT, "decimals": WHOLE, **NOTED}, ("note",)),
    "noise_classes": (
        {"standard": TEXT, "level": WHOLE, "category": TEXT, "category_zh": TEXT, "colour": TEXT, **ORIGIN},
        (),
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
    water        range `low` to `high` [unit] that meets each class of (standard, parameter, water_body), null: no bound
    indicators   in table order, whether a parameter counts for the class (`judged`), has a `multiple` of a limit, is
                 named `first` when it exceeds, and its decimals before it is judged, null: none
    water_rules  averagings of an edition: of which class the multiples are, from which class on and how many
                 indicators are named
    noise        level [dB] of `parameter`, `averaging` (null: no averaging of ours) in a noise `zone` (null: any) at a
                 `place` (null: anywhere)
    noise_rules  decimals of a level before it is held against a limit
    grades       name, category and colour of each class of each standard, by `standard` and `class`
    adoptions    where (empty: everywhere) and on which local days an edition is in force, both ends included
    """

    breakpoints: pl.DataFrame
    columns: pl.DataFrame
    rounding: pl.DataFrame
    classes: pl.DataFrame
    rules: pl.DataFrame
    limits: pl.DataFrame
    water: pl.DataFrame
    indicators: pl.DataFrame
    water_rules: pl.DataFrame
    noise: pl.DataFrame
    noise_rules: pl.DataFrame
    grades: pl.DataFrame
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
        water=frames["gb3838_limits"],
        indicators=frames["gb3838_indicators"].with_row_index("order"),
        water_rules=frames["gb3838_rules"],
        noise=frames["noise_limits"],
        noise_rules=frames["noise_rules"],
        grades=_grades(frames),
        adoptions=frames["adoptions"],
    )
    _agree(standards, contents)
    return standards


def in_force(adoptions: pl.DataFrame, stations: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Standards in force: station, day, standard, each once.

    `stations` has station and `places` (PLACES), `days` has station and the local day.
    """
    rows = adoptions.select("standard", pl.col("place").fill_null(""), "valid_from", "valid_to")
    covers = (pl.col("day") >= pl.col("valid_from")) & _until(pl.col("day"), pl.col("valid_to"))
    member = places(stations, days).join(rows, on="place")
    anywhere = days.select("station", "day").unique().join(rows.filter(pl.col("place") == ""), how="cross")
    columns = ["station", "day", "standard"]
    return pl.concat([found.filter(covers).select(columns) for found in (member, anywhere)]).unique()


def places(stations: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Where a station is on a day: station, day, place, each once. Arguments as `in_force` takes them."""
    placed = (
        stations.select("station", pl.col("places").cast(PLACES)).explode("places").unnest("places").drop_nulls("place")
    )
    since, until = pl.col("day") >= pl.col("since"), pl.col("day") < pl.col("until")
    there = since.fill_null(value=True) & until.fill_null(value=True)
    member = days.select("station", "day").unique().join(placed, on="station").filter(there)
    return member.select("station", "day", "place").unique()


def in_phase(day: pl.Expr) -> pl.Expr:
    """Whether `day` lies in a row's phase, `valid_from` to `valid_to`, both included; null is open."""
    return (day >= pl.col("valid_from")).fill_null(value=True) & _until(day, pl.col("valid_to"))


def _until(day: pl.Expr, end: pl.Expr) -> pl.Expr:
    return (day <= end).fill_null(value=True)


def water_body(province: str, section: str, *, parts: bool = True) -> str:
    """The kind of water body of a national section, `lake` or `river`, by tables/water_bodies.csv.

    The limits of phosphorus depend on it, and no published file says it. A section that the table does not name is
    what a part of its name is, where `parts` count and one has a row of its own, else a river.
    """
    named, by_parts = _water_bodies()
    by_part = (body for part, body in by_parts.items() if parts and part in section)
    return named.get((province, section)) or next(by_part, "river")


@cache
def _water_bodies() -> tuple[dict[tuple[str, str], str], dict[str, str]]:
    """Water bodies by (province, section), and by a part of a section's name."""
    columns = {"province": TEXT, "section": TEXT, "part": TEXT, "water_body": TEXT, **NOTED}
    rows = files.frame(
        files.read("water_bodies"), "water_bodies", columns, optional=("province", "section", "part", "note")
    )
    named, parts = (rows.filter(pl.col("part").is_null() == whole) for whole in (True, False))
    return (
        {
            (province, section): body
            for province, section, body in named.select("province", "section", "water_body").iter_rows()
        },
        dict(parts.select("part", "water_body").iter_rows()),
    )


def _grades(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """`Standards.grades`; a class without a name of its own is called as its category."""
    columns = ["standard", pl.col("level").alias("class"), "name", "name_zh", "category", "category_zh", "colour"]
    tables = [frames[name] for name in ("hj633_classes", "gb3838_classes", "noise_classes")]
    named = [
        table if "name" in table.columns else table.with_columns(name="category", name_zh="category_zh")
        for table in tables
    ]
    return pl.concat([table.select(columns) for table in named])


def _frame(contents: Mapping[str, Content], name: str) -> pl.DataFrame:
    table = f"standards/{name}"
    if table not in contents:
        raise TableError(f"{table}: is missing")
    columns, optional = SHAPES[name]
    return files.frame(contents[table], table, columns, optional=optional)


def _agree(standards: Standards, contents: Mapping[str, Content]) -> None:
    """Nothing, where the tables name each other's rows rightly and breakpoints rise. Or `TableError`."""
    columns, points = standards.columns, standards.breakpoints
    water, noise = standards.water, standards.noise
    # Not asked of noise: its averagings are younger than the oldest edition of `averagings` that a database may hold.
    averagings = list(contents.get("averagings", {}))
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
        "hj633_columns: unknown averaging": columns.filter(~pl.col("uses").is_in(averagings)).select("uses"),
        "hj633_breakpoints: do not rise": falls.select(curve),
        "gb3838_limits: five classes must hold wider and wider ranges:": water.group_by(
            "standard", "parameter", "water_body", maintain_order=True
        )
        .agg(
            grow=(pl.len() == 5)
            & (pl.col("class").n_unique() == 5)
            & pl.col("class").is_between(1, 5).all()
            & (pl.col("low").fill_null(-1e9).sort_by("class").diff() <= 0).all()
            & (pl.col("high").fill_null(1e9).sort_by("class").diff() >= 0).all()
        )
        .filter(~pl.col("grow"))
        .drop("grow"),
        "gb3838_limits: no indicator": water.join(
            standards.indicators, on=["standard", "parameter"], how="anti"
        ).select("standard", "parameter"),
        "gb3838_rules: unknown averaging": standards.water_rules.filter(~pl.col("averaging").is_in(averagings)).select(
            "averaging"
        ),
        "noise_limits: twice": noise.filter(
            pl.struct("standard", "place", "zone", "period", "metric").is_duplicated()
        ).select("standard", "zone", "period"),
        "noise_limits: no rules for": noise.join(standards.noise_rules, on="standard", how="anti").select("standard"),
        "adoptions: ends before it starts": standards.adoptions.filter(
            pl.col("valid_to") < pl.col("valid_from")
        ).select("standard"),
    }
    for problem, rows in problems.items():
        if rows.height:
            raise TableError(f"standards/{problem} {', '.join(map(str, rows.row(0)))}")
