"""China's national automatic surface-water sections: answers of the platform (JSON), crawled CSV, two Parquet tables.

Origin: Ministry of Ecology and Environment, national surface-water automatic monitoring release (CNEMC), as crawled by
jikin001/water_quality. Four forms, a row a section and time, twelve value cells a row:

- JSON `{"thead": [...], "tbody": [[...], ...]}`: cells are HTML, the unrounded number stands in a tooltip
  (原始值：7.78934), city and river in that of the section.
- CSV with the same 17 columns, one section a file, four-hourly.
- Parquet, four-hourly: province, basin, section, time_text, ts_local, water_class, temp_c, ph, do_mgl, ...
- Parquet, daily (what the JSON said day by day, but for some exponents: 4E-05 stands there as 4): the same with city,
  river and file_date.

The clock is Beijing's (UTC+8), a stamp is the time of the sample. JSON and CSV say "MM-DD HH:MM": the year is that of
the date in the file's name, or of the month its folder is called by, and for a stamp after it the year before (a
station that stopped keeps its last time). Units: °C, pH, mg/L, µS/cm, NTU, cells/L; chlorophyll comes in mg/L and
leaves in µg/L. The published class (Ⅰ to Ⅴ, 劣Ⅴ) is a series of its own, `water_class:published`, 1 to 6.
Missing: empty, `*` (not measured), `--` (none, or taken out by the platform as extreme), `-` (no class).

The state of the station (正常, 维护, 停站) is no mark of its readings: it is what the station was when it was asked;
one reading comes as 正常 today and as 停站 tomorrow. Names of sections repeat between provinces, so a station is
province-section. Whether it is a river or a lake is not in the files but in tables/water_bodies.csv.
"""

import json
import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from analytics.frames import REJECTS, TIME, Batch, empty
from analytics.ingest import _columns
from analytics.ingest._cells import KEPT, Facts, Told, batch, name, told, words
from analytics.ingest._lines import BOM, BROKEN
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import MOST_CELLS, columns, hold, keys, lowered, open_table, parts, stretched
from analytics.ingest._times import UNREADABLE, on_clock
from analytics.standards import water_body

#: Distance from UTC [min].
OFFSET = 480
#: Steps between the readings [s]: of the analysers, of a table or an answer that is asked for once a day.
FOUR_HOURS, DAY = 14_400, 86_400
MISSING = ("", "NA", "*", "--", "-")
CLASSES = {"Ⅰ": 1.0, "Ⅱ": 2.0, "Ⅲ": 3.0, "Ⅳ": 4.0, "Ⅴ": 5.0, "劣Ⅴ": 6.0}
#: An answer of all stations has a megabyte.
LARGEST = 16 * 1024 * 1024


class Column(NamedTuple):
    """What a value column is here: its channel, its name in the tables, the unit it comes in, the one it leaves in."""

    channel: str
    table: str
    unit: str = ""
    into: str = ""


COLUMNS = {
    "水质类别": Column("water_class:published", "water_class"),
    "水温(℃)": Column("water_temperature", "temp_c"),
    "pH(无量纲)": Column("ph", "ph"),
    "溶解氧(mg/L)": Column("dissolved_oxygen", "do_mgl"),
    "电导率(μS/cm)": Column("conductivity", "cond_uscm"),
    "浊度(NTU)": Column("turbidity", "turb_ntu"),
    "高锰酸盐指数(mg/L)": Column("codmn", "codmn_mgl"),
    "氨氮(mg/L)": Column("nh3n", "nh3n_mgl"),
    "总磷(mg/L)": Column("tp", "tp_mgl"),
    "总氮(mg/L)": Column("tn", "tn_mgl"),
    "叶绿素α(mg/L)": Column("chlorophyll_a", "chla_mgl", "mg/L", "µg/L"),
    "藻密度(cells/L)": Column("algae", "algae_cells_l"),
}
KEYS = {"省份": "province", "流域": "basin", "断面名称": "section", "监测时间": "stamp", "站点情况": "status"}
NAMES = [column.lower() for column in (*KEYS, *COLUMNS)]
VALUES = [column.table for column in COLUMNS.values()]
CHANNELS = [column.channel for column in COLUMNS.values()]
TABLE = ("province", "basin", "section", "ts_local", *VALUES)
BESIDE = ("city", "river", "file_date", "time_text", "status")
PLACES = ("province", "basin", "river", "city")

SHAPE = "^[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}$"
ENTITIES = {"&#10;": "\n", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " ", "&amp;": "&"}
DATED = re.compile(r"(?<![0-9])(20[0-9]{2})-([0-9]{2})(?:-([0-9]{2}))?(?![0-9])")


def recognises(source: Source) -> bool:
    """Is `source` an answer of the platform, or a table with the columns of one?"""
    if source.is_parquet():
        names = lowered(columns(source))
        return len(names) == len(set(names)) and sorted(set(names) - set(BESIDE)) == sorted(TABLE)
    if _is_answer(source):
        head = source.head()
        return b'"thead"' in head and b'"tbody"' in head
    return sorted(lowered(columns(source))) == sorted(NAMES)


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [see the module], of every section its places and the step between its readings.

    Raises `UnreadableSource` where the columns are not those above, an answer is no JSON or a Parquet file is damaged.
    """
    if source.is_parquet():
        yield from _tables(source)
    elif _is_answer(source):
        yield from _answer(source)
    else:
        yield from _crawled(source)


def _is_answer(source: Source) -> bool:
    return source.head().removeprefix(BOM).lstrip().startswith(b"{")


def _tables(source: Source) -> Iterator[Batch]:
    """The Parquet tables."""
    table = open_table(source)
    names = lowered(table.names)
    key = keys(source, table, (*TABLE, *(name for name in BESIDE if name in names)))
    if len(key) != len(names):
        raise UnreadableSource(f"{source.name}: more columns than those of the sections")
    stamps = table.types[int(key["ts_local"])]
    if not isinstance(stamps, pl.Datetime):
        raise UnreadableSource(f"{source.name}: column ts_local holds {stamps}, no times")
    hold(source, table, [key[value] for value in VALUES], "numbers")
    hold(source, table, [key[name] for name in (*PLACES, "section", "time_text") if name in key], "names")
    facts = _every(DAY if "file_date" in key else FOUR_HOURS)
    for part in parts(table, len(VALUES)):
        rows = part.rows.rename({number: name for name, number in key.items()})
        rows = rows.with_columns(on_clock(rows["ts_local"], "", "", offset=OFFSET))
        stamp = pl.col("time_text") if "time_text" in key else pl.lit(None, pl.String)
        yield _batch(rows.with_columns(stamp=stamp.cast(pl.String)), part.broken, table.place, facts)


def _crawled(source: Source) -> Iterator[Batch]:
    """The CSV files."""
    table = open_table(source)
    if not table.names:
        return
    if len(table.names) != len(NAMES):
        raise UnreadableSource(f"{source.name}: has not the {len(NAMES)} columns of a section")
    numbers = keys(source, table, NAMES)
    renamed = {numbers[label.lower()]: name for label, name in KEYS.items()}
    renamed |= {numbers[label.lower()]: column.table for label, column in COLUMNS.items()}
    facts, last = _every(FOUR_HOURS), _asked(source.path)
    for part in parts(table, len(VALUES)):
        rows = part.rows.rename(renamed)
        yield _batch(rows.with_columns(_placed(rows["stamp"], last)), part.broken, table.place, facts)


def _answer(source: Source) -> Iterator[Batch]:
    """The JSON answers."""
    head, body = _parsed(source)
    plain = pl.Series(map(_cell, head), dtype=pl.String).fill_null("").str.replace_all("<[^>]*>", "").to_list()
    if sorted(lowered(plain)) != sorted(NAMES):
        raise UnreadableSource(f"{source.name}: has not the {len(NAMES)} columns of a section")
    labels = {label.lower(): name for label, name in KEYS.items()}
    labels |= {label.lower(): column.table for label, column in COLUMNS.items()}
    order = [labels[label.lower()] for label in plain]
    good = [[_cell(cell) for cell in row] + [number] for number, row in enumerate(body, start=1) if _is_row(row)]
    bad = [
        {"text": _cell(json.dumps(row, ensure_ascii=False)[:KEPT]), "place": f"row {number}", "reason": BROKEN}
        for number, row in enumerate(body, start=1)
        if not _is_row(row)
    ]
    schema = {**dict.fromkeys(order, pl.String()), "place": pl.Int64()}
    rows = _undressed(pl.DataFrame(good, schema=schema, orient="row"))
    rows = rows.with_columns(_placed(rows["stamp"], _asked(source.path)))
    facts, broken = _every(DAY), pl.DataFrame(bad, schema=dict(REJECTS))
    for part in list(rows.iter_slices(MOST_CELLS // len(VALUES))) or [rows]:
        yield _batch(part, broken, "row", facts)
        broken = empty(REJECTS)


def _parsed(source: Source) -> tuple[list[Any], list[Any]]:
    """`thead` and `tbody` of the answer; raises `UnreadableSource` where it is none."""
    raw = b""
    for block in source.blocks():
        raw += block
        if len(raw) > LARGEST:
            raise UnreadableSource(f"{source.name}: no answer of the platform is as long as {len(raw)} bytes")
    try:
        found = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise UnreadableSource(f"{source.name}: damaged JSON: {error}") from error
    parts = (found.get("thead"), found.get("tbody")) if isinstance(found, dict) else (None, None)
    if not all(isinstance(part, list) for part in parts):
        raise UnreadableSource(f"{source.name}: is no answer of the platform: it has not thead and tbody")
    return parts[0] or [], parts[1] or []


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of `pairs`; raises `ValueError` where it has two heads or bodies: one of them would go by unseen."""
    names = [name for name, _ in pairs]
    if max(names.count("thead"), names.count("tbody")) > 1:
        raise ValueError("thead or tbody stands twice")
    return dict(pairs)


def _is_row(row: object) -> bool:
    return isinstance(row, list) and len(row) == len(NAMES) and not any(isinstance(cell, dict | list) for cell in row)


def _cell(cell: object) -> str | None:
    """Text and numbers as text without halves of characters, null as null."""
    return None if cell is None else str(cell).encode("utf-8", "replace").decode()


def _undressed(rows: pl.DataFrame) -> pl.DataFrame:
    """HTML as what it shows; a value as its unrounded number where a tooltip has one; city and river of a section."""
    tips = rows.select(pl.col("section").str.replace_many(ENTITIES))["section"]
    told = rows.select(pl.col(VALUES).str.extract(r"""title=['"]原始值[：:]([^'"]*)['"]"""))
    shown = rows.with_columns(pl.all().exclude("place").str.replace_all("<[^>]*>", "").str.replace_many(ENTITIES))
    return shown.with_columns(
        *(told[name].fill_null(shown[name]).str.strip_chars() for name in VALUES),
        city=tips.str.extract(r"""所在地市[：:]([^\n'"]*)"""),
        river=tips.str.extract(r"""所属河流[：:]([^\n'"]*)"""),
    )


def _asked(path: Path) -> date | None:
    """The last day a file can know of: the date in its name, else the end of the month its folder is called by."""
    for text in (path.name, path.parent.name):
        if found := DATED.search(text):
            year, month, day = int(found[1]), int(found[2]), int(found[3] or 0)
            if 1 <= month <= 12 and day <= monthrange(year, month)[1]:
                return date(year, month, day or monthrange(year, month)[1])
    return None


def _placed(stamps: pl.Series, last: date | None) -> pl.DataFrame:
    """`time` and `reason` of stamps without a year: in the year before the end of the day `last`."""
    text = stamps.cast(pl.String).str.strip_chars().alias("stamp").to_frame()
    shaped = pl.col("stamp").str.contains(SHAPE).fill_null(value=False)
    if last is None:
        nowhen = pl.when(shaped).then(pl.lit("time without year")).otherwise(pl.lit(UNREADABLE))
        return text.select(time=pl.lit(None, TIME), reason=nowhen)
    end = datetime(last.year, last.month, last.day) + timedelta(days=1)  # noqa: DTZ001  # on Beijing's clock
    dated = [pl.concat_str(pl.lit(f"{year}-"), "stamp") for year in (last.year, last.year - 1)]
    local = [stamp.str.to_datetime("%Y-%m-%d %H:%M", time_unit="us", strict=False) for stamp in dated]
    latest = pl.coalesce(pl.when(at < end).then(at) for at in local)
    return on_clock(text.select(at=pl.when(shaped).then(latest))["at"], "", "", offset=OFFSET)


def _batch(rows: pl.DataFrame, broken: pl.DataFrame, place: str, facts: Told) -> Batch:
    """The batch of `rows` with the places, stamp, time, reason, place and the values."""
    absent = [pl.lit(None, pl.String).alias(name) for name in PLACES if name not in rows.columns]
    known = rows.with_columns(absent).with_columns(words(name) for name in (*PLACES, "section"))
    wrong = [name("province", "province"), name("section", "section"), pl.col("reason")]
    known = known.with_columns(station=pl.concat_str("province", pl.lit("-"), "section"), reason=pl.coalesce(wrong))
    known = known.select("station", "section", *PLACES, "stamp", "time", "place", "reason", *VALUES)
    cells = stretched(known, VALUES, CHANNELS, label="channel")
    grade = words("text").replace_strict(CLASSES, default=None, return_dtype=pl.Float64)
    value = pl.when(pl.col("channel") == CHANNELS[0]).then(grade).otherwise("value")
    units = (_columns.Column(column.channel, column.unit, column.into) for column in COLUMNS.values())
    value = _columns.converted(units, value)
    cells = cells.with_columns(value=value, reason=pl.coalesce("reason", name("station", "station")))
    return batch(cells, broken, place, facts, MISSING)


def _every(step: int) -> Told:
    """Facts of the sections of one file, whose readings are `step` [s] apart."""
    return Told(lambda good: _facts(good, step))


def _facts(good: pl.DataFrame, step: int) -> Facts:
    """What the rows say of their sections."""
    found = good.group_by("station").agg(told(name) for name in ("section", *PLACES)).sort("station")
    return {
        row["station"]: {
            "title_zh": row["section"],
            "utc_offset": OFFSET,
            "memberships": {kind: row[kind] for kind in PLACES if row[kind]}
            | {"water_body": water_body(row["province"], row["section"])},
            "cadence": step,
        }
        for row in found.iter_rows(named=True)
    }
