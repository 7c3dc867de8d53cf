"""What grows, in what soil, watered how: coefficients of covers, soils and methods as frames, and what is made of them.

A soil is its texture's range in FAO-56 table 19; its middle is used. Roots are as deep as the table's lesser figure,
which the paper names for planning irrigation (table 22, footnote).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from analytics import tables
from analytics.tables import NUMBER, Content, TableError

TEXT, WHOLE, REAL = pl.String(), pl.Int64(), pl.Float64()
_ORIGIN: Mapping[str, pl.DataType] = {"source": TEXT, "confidence": TEXT}
_STAGES = ("initial", "development", "middle", "late")
_LEVELS = ("species", "density", "microclimate")
_KC = ("kc_ini", "kc_mid", "kc_end")

#: Columns of each CSV table, and those that may be empty.
SHAPES: Mapping[str, tuple[Mapping[str, pl.DataType], tuple[str, ...]]] = {
    "covers": (
        {
            **dict.fromkeys(("cover", "title", "title_zh"), TEXT),
            **dict.fromkeys(_KC, REAL),
            **dict.fromkeys(_LEVELS, TEXT),
            **dict.fromkeys(("height", "root_min", "root_max", "p"), REAL),
            "start": TEXT,
            **dict.fromkeys(_STAGES, WHOLE),
            **_ORIGIN,
            "note": TEXT,
        },
        (*_KC, *_LEVELS, "start", *_STAGES, "note"),
    ),
    "landscape": ({"factor": TEXT, "level": TEXT, "min": REAL, "max": REAL, **_ORIGIN}, ("min",)),
    "soils": (
        {
            **dict.fromkeys(("texture", "title_zh"), TEXT),
            **dict.fromkeys(("fc_min", "fc_max", "wp_min", "wp_max", "available_min", "available_max"), REAL),
            **_ORIGIN,
            "note": TEXT,
        },
        ("note",),
    ),
}
RULES = "irrigation"
#: Package tables that `parse` reads.
TABLES = (*SHAPES, RULES)
#: Numbers of the records of irrigation.toml; a table of an older edition may lack what has a value here.
_NUMBERS: Mapping[str, Mapping[str, float | None]] = {
    "weather": {"wind_default": None, "k_rs": None},
    "anemometer": {"height": None},
    "stress": {"slope": None, "pivot": None, "low": None, "high": None},
    "balance": {"start": None, "recent": None, "within": None, "history": None, "probe": None},
    "advice": {"ahead": None, "horizon": None, "cold": None, "frost": 0.0},
    "watering": {
        "step": 0.5,
        "least": 3.0,
        "bridge": 2.0,
        "soak": 6.0,
        "rain": 1.0,
        "keep": 3.0,
        "thaw": 7.0,
        "frost": -3.0,
    },
    "plan": {
        **{"stress": 30.0, "visit": 1.0, "span": 3.0, "swing": 0.3, "doubt": 0.1},
        **{"past": 90.0, "begin": 18.0, "end": 9.0, "night": 21.0, "morning": 6.0},
    },
}
_METHOD = "method_"


@dataclass(frozen=True, slots=True)
class Method:
    """How a zone is watered; `efficiency` [1] is the share of the water that reaches the roots."""

    title: str
    title_zh: str
    efficiency: float


@dataclass(frozen=True, slots=True)
class Land:
    """The tables of covers, soils and irrigation.

    covers   cover, title, title_zh, kc_ini, kc_mid, kc_end [1] (of a landscape cover its one coefficient), `adjusted`
             to the climate or not, height [m], root [m], p [1], start (month-day), lengths of the stages [d]
    soils    texture, title_zh, fc, wp [m³/m³]: the middle of the table's ranges; fc_spread, wp_spread: half of them
    methods  by name
    rain     (below [mm], factor) of effective rain, the last one without an end
    rules    the other numbers, by record and key
    """

    covers: pl.DataFrame
    soils: pl.DataFrame
    methods: Mapping[str, Method]
    rain: tuple[tuple[float, float], ...]
    rules: Mapping[str, Mapping[str, float]]


def load() -> Land:
    """The package tables."""
    return parse({name: tables.read(name) for name in TABLES})


def parse(contents: Mapping[str, Content]) -> Land:
    """The tables of `contents`, by name. Raises `TableError` naming table, row or record and key."""
    for name in TABLES:
        if name not in contents:
            raise TableError(f"{name}: is missing")
    frames = {
        name: tables.frame(contents[name], name, columns, optional=optional)
        for name, (columns, optional) in SHAPES.items()
    }
    records = tables.records(contents[RULES], RULES)
    return Land(
        covers=_covers(frames["covers"], frames["landscape"]),
        soils=_soils(frames["soils"]),
        methods={name.removeprefix(_METHOD): _method(name, records[name]) for name in records if _METHOD in name},
        rain=_rain(records),
        rules={name: _numbers(name, records, wanted) for name, wanted in _NUMBERS.items()},
    )


def _covers(covers: pl.DataFrame, landscape: pl.DataFrame) -> pl.DataFrame:
    middles = landscape.with_columns(value=(pl.col("min").fill_null(0.0) + pl.col("max")) / 2)
    out = covers.with_columns(adjusted=pl.col("kc_mid").is_not_null(), _kl=pl.lit(1.0))
    for factor in _LEVELS:
        known = middles.filter(pl.col("factor") == factor)
        value = pl.col(factor).replace_strict(known["level"], known["value"], default=None, return_dtype=REAL)
        out = out.with_columns(_kl=pl.col("_kl") * value)
    out = out.with_columns(pl.coalesce(name, "_kl").alias(name) for name in _KC).with_columns(root="root_min")
    stages = pl.sum_horizontal(pl.col(name).is_null() for name in ("start", *_STAGES))
    sound = {
        "needs kc_ini, kc_mid, kc_end, or species, density, microclimate of landscape.csv": pl.all_horizontal(
            pl.col(name).is_not_null() for name in _KC
        ),
        "needs all of start, initial, development, middle, late, or none": stages.is_in([0, 1 + len(_STAGES)]),
        "'start' must be a month and a day, 03-15": (
            ("2001-" + pl.col("start")).str.to_date("%Y-%m-%d", strict=False).is_not_null() | pl.col("start").is_null()
        ),
        "stands there twice": pl.col("cover").is_unique(),
        "'p' lies outside 0 to 1": pl.col("p").is_between(0, 1),
    }
    for reason, good in sound.items():
        if (bad := out.filter(~good)).height:
            raise TableError(f"covers: {bad['cover'][0]!r} {reason}")
    columns = ["cover", "title", "title_zh", *_KC, "adjusted", "height", "root", "p", "start", *_STAGES]
    return out.select(columns)


def _soils(soils: pl.DataFrame) -> pl.DataFrame:
    out = soils.select(
        "texture",
        "title_zh",
        fc=(pl.col("fc_min") + pl.col("fc_max")) / 2,
        wp=(pl.col("wp_min") + pl.col("wp_max")) / 2,
        fc_spread=(pl.col("fc_max") - pl.col("fc_min")) / 2,
        wp_spread=(pl.col("wp_max") - pl.col("wp_min")) / 2,
    )
    if (bad := out.filter((pl.col("fc") <= pl.col("wp")) | ~pl.col("texture").is_unique())).height:
        raise TableError(f"soils: {bad['texture'][0]!r} holds no water for plants, or stands there twice")
    return out


def _method(name: str, record: Mapping[str, Any]) -> Method:
    texts = dict.fromkeys(("title", "title_zh", "source", "confidence"), str)
    tables.check(record, f"{RULES}: [{name}]", needs={**texts, "efficiency": NUMBER})
    if not 0 < record["efficiency"] <= 1:
        raise TableError(f"{RULES}: [{name}] 'efficiency' lies outside 0 to 1")
    return Method(record["title"], record["title_zh"], float(record["efficiency"]))


def _rain(records: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    place = f"{RULES}: [rain]"
    record = records.get("rain", {})
    tables.check(record, place, needs={"bands": list, "source": str, "confidence": str})
    bands = record["bands"]
    for number, band in enumerate(bands):
        last = number == len(bands) - 1
        tables.check(
            band, f"{place} band {number + 1}", needs={"factor": NUMBER, **({} if last else {"below": NUMBER})}
        )
    found = tuple((float(band.get("below", "inf")), float(band["factor"])) for band in bands)
    if not found or sorted(below for below, _ in found) != [below for below, _ in found]:
        raise TableError(f"{place}: 'bands' must rise")
    return found


def _numbers(name: str, records: Mapping[str, Any], wanted: Mapping[str, float | None]) -> dict[str, float]:
    given = {key: value for key, value in wanted.items() if value is not None}
    # An edition older than the whole record has none of it, nor a source.
    absent = {"source": "OWN", "confidence": "memory_low"} if len(given) == len(wanted) else {}
    record = given | records.get(name, absent)
    tables.check(
        record, f"{RULES}: [{name}]", needs={**dict.fromkeys(wanted, NUMBER), "source": str, "confidence": str}
    )
    return {key: float(record[key]) for key in wanted}


def kc_climate(*, kc: pl.Expr, u2: pl.Expr, rh_min: pl.Expr, height: pl.Expr) -> pl.Expr:
    """Kc [1] of a table, at `u2` [m/s] and `rh_min` [%] for a cover of `height` [m]. FAO-56 equations 62, 65; p. 121.

    Wind, humidity and height are kept within the paper's ranges. A coefficient below 0.45 stays, as Kc end does there.
    """
    drier = 0.04 * (u2.clip(1, 6) - 2) - 0.004 * (rh_min.clip(20, 80) - 45)
    return pl.when(kc >= 0.45).then(kc + drier * (height.clip(0.1, 10) / 3) ** 0.3).otherwise(kc)


def landscape_coefficient(*, species: pl.Expr, density: pl.Expr, microclimate: pl.Expr) -> pl.Expr:
    """KL [1] of the species, density and microclimate factors."""
    return species * density * microclimate


def coefficient(*, day: pl.Expr, latitude: pl.Expr, u2: pl.Expr, rh_min: pl.Expr) -> pl.Expr:
    """Kc [1] on `day` of the cover in the columns of `Land.covers`: FAO-56 figure 34, equation 66 (p. 132).

    Straight lines between the stages; outside the season its first value; without a season the value of mid season.
    South of the equator the season begins half a year later. `u2` and `rh_min` of the day itself move the values of
    mid season and end, where the paper takes the means of the stage; unknown, they move nothing.
    """
    moved = {
        name: pl.when("adjusted")
        .then(kc_climate(kc=pl.col(name), u2=u2.fill_null(2.0), rh_min=rh_min.fill_null(45.0), height=pl.col("height")))
        .otherwise(pl.col(name))
        for name in ("kc_mid", "kc_end")
    }
    ini, mid, end = pl.col("kc_ini"), moved["kc_mid"], moved["kc_end"]
    start = ("2001-" + pl.col("start")).str.to_date("%Y-%m-%d", strict=False).dt.ordinal_day()
    since = day.dt.ordinal_day() - start - pl.when(latitude < 0).then(182).otherwise(0)
    since = pl.when(since < 0).then(since + 365).otherwise(since)
    since = pl.when(since < 0).then(since + 365).otherwise(since)
    first = pl.col("initial")
    second, third = first + pl.col("development"), first + pl.col("development") + pl.col("middle")
    curve = (
        pl.when(since < first)
        .then(ini)
        .when(since < second)
        .then(ini + (since - first) / pl.col("development") * (mid - ini))
        .when(since < third)
        .then(mid)
        .when(since < third + pl.col("late"))
        .then(mid + (since - third) / pl.col("late") * (end - mid))
        .otherwise(ini)
    )
    return pl.when(pl.col("start").is_null()).then(mid).otherwise(curve)
