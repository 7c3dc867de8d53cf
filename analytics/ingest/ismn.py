"""Soil moisture of the International Soil Moisture Network: an archive as it is downloaded (zip), or one file of it.

Origin: ISMN (TU Wien, now Bundesanstalt für Gewässerkunde), ismn.earth; W. Dorigo et al. 2021, Hydrol. Earth Syst. Sci.
25, 5749-5804. The `.stm` files are read, in both forms the network gives out; `Metadata.xml`, the tables of static
variables and whatever else lies in the archive hold no readings and are not.

- header and values: the first line says network (twice), station, latitude, longitude, elevation, depth from and to [m]
  and sensor; every other is date, time, value, flag of the ISMN, flag of the provider;
- CEOP: every line says all, the nominal and the actual date and time before it. The nominal ones are the time, as they
  are in the other form: the same reading has one time, however it was downloaded.

Lines end by CR LF, by LF, or by CR alone. Date and time are UTC. What a file measures is the part of its name before
the depths: sm [m³/m³], ts and ta [°C]; a line of another quantity (p, su, sd, swe, ...) is a reject that names it: of
sums the network does not say whether a label is their start or their end. The depth is a position in metres below
ground, `soil_moisture@-0.05`; of a sensor that measures a layer both ends, `@0..-0.19`. Two sensors at one depth of a
station are not one series: the lines of the second are rejects. A station is network_station.

Marks: G (good) is N; C01 to C03 (outside what can be) and D01 to D11 (dubious) are S; U (not examined) and M are none.
The provider's flag is not read: every network has its own. Missing: empty, NaN and -9999.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import polars as pl

from analytics.frames import TIME, Batch, empty
from analytics.ingest._cells import MISSING, Facts, batch, name, number
from analytics.ingest._lines import Part
from analytics.ingest._plain import lines, start
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._times import on_clock
from analytics.ingest._zip import is_zip, opened

#: The part of a file's name that says what it measures -> parameter.
QUANTITIES = {"sm": "soil_moisture", "ts": "soil_temperature", "ta": "air_temperature"}
ENDING = ".stm"
NAMED = re.compile(
    r"_(?P<quantity>[a-z]+)_(?P<top>-?[0-9.]+)_(?P<bottom>-?[0-9.]+)_(?P<sensor>[^/]*)_[0-9]{8}_[0-9]{8}$"
)
STAMP = ("%Y/%m/%d %H:%M", r"^[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}$")
_PLACE = (
    r"(?<network>\S+) +\S+ +(?<site>\S+) +(?<latitude>-?[0-9.]+) +(?<longitude>-?[0-9.]+)"
    r" +-?[0-9.]+ +-?[0-9.]+ +-?[0-9.]+"
)
_READING = r"(?<text>\S+) +(?<flag>[A-Z0-9,]+)(?: +(?<theirs>\S+))?$"
FIRST_LINE = f"^{_PLACE} +(?<sensor>\\S.*)$"
_WHEN = "[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}"
VALUES = f"^(?<stamp>{_WHEN}) +{_READING}"
CEOP = f"^(?<stamp>{_WHEN}) +{_WHEN} +{_PLACE} +{_READING}"
NOTHING, WORDS = -9999.0, (*MISSING, "NaN", "nan")
GOOD, DOUBTFUL = ord("N"), ord("S")
FLAG = r"^(?:[CD][0-9]{2}|G|U|M)(?:,(?:[CD][0-9]{2}|G|U|M))*$"
COLUMNS = ("stamp", "text", "flag", "network", "site", "latitude", "longitude")


class Kind(NamedTuple):
    """What the name of a file says: its channel, or why it has none, and its sensor."""

    channel: str
    unknown: str | None
    sensor: str


def recognises(source: Source) -> bool:
    """Is `source` an archive with a file of the network in it, or such a file?"""
    if not is_zip(source):
        return _kind(source.path.name) is not None and _form(source.head()) is not None
    try:
        with opened(source) as archive:
            return any(map(_kind, archive.names))
    except UnreadableSource:
        return False


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [m³/m³, °C], of every station its place, its offset of 0, its step of an hour.

    Raises `UnreadableSource` where the archive is damaged, unpacks to more than a text can, or holds no such file.
    """
    sensors: dict[tuple[str, str], str] = {}
    if not is_zip(source):
        kind = _kind(source.path.name)
        if not source.head().strip(b"\xef\xbb\xbf\r\n \0"):
            return
        if kind is None:
            raise UnreadableSource(f"{source.name}: its name says no quantity and depth, as one of the ISMN does")
        yield from _file(source.blocks(), source.head(), kind, "line", sensors)
        return
    with opened(source) as archive:
        kinds = [(which, kind) for which, file in enumerate(archive.names) if (kind := _kind(file))]
        if not kinds:
            raise UnreadableSource(f"{source.name}: there is no {ENDING} file of the ISMN in it")
        for which, kind in kinds:
            place = f"{archive.names[which]} line"
            yield from _file(archive.blocks(which), start(archive.blocks(which)), kind, place, sensors)
            if archive.bomb is not None:
                raise archive.bomb
        source.position = source.size


def _kind(path: str) -> Kind | None:
    """What the file `path` measures; None where it is no file of the network."""
    file = PurePosixPath(path)
    found = NAMED.search(file.stem) if file.suffix.lower() == ENDING else None
    if found is None:
        return None
    quantity, position = found["quantity"], _position(found["top"], found["bottom"])
    parameter = QUANTITIES.get(quantity)
    return Kind(f"{parameter or quantity}{position}", None if parameter else "unknown quantity", found["sensor"])


def _position(top: str, bottom: str) -> str:
    """`@-0.05` of one depth, `@0..-0.19` of a layer; a height above ground has the other sign."""
    try:
        ends = [-float(text) + 0.0 for text in (top, bottom)]
    except ValueError:
        return f"@{top}..{bottom}"
    return "@" + "..".join(f"{end:.6g}" for end in (ends[:1] if ends[0] == ends[1] else ends))


def _form(head: bytes) -> str | None:
    """`ceop` or `values`, as the first line of `head` is; None where it is neither."""
    part = next(lines(iter([head]), head, most=50), None)
    first = "" if part is None or part.rows.is_empty() else str(part.rows["text"][0])
    for form, pattern in (("ceop", CEOP), ("values", FIRST_LINE)):
        if re.match(pattern.replace("(?<", "(?P<"), first):
            return form
    return None


def _file(
    blocks: Iterator[bytes], head: bytes, kind: Kind, place: str, sensors: dict[tuple[str, str], str]
) -> Iterator[Batch]:
    """Batches of one file; `sensors` is what the others said of (station, channel)."""
    form, header = _form(head), None
    for part in lines(blocks, head):
        rows = part.rows
        if form == "values" and header is None and rows.height:
            header = rows.head(1).select(pl.col("text").str.extract_groups(FIRST_LINE)).unnest("text")
            rows = rows.slice(1)
        known = rows.select("place", pl.col("text").alias("line"), found=_fields(form)).unnest("found")
        if form == "values":
            said = {name: None if header is None else header[name][0] for name in COLUMNS[3:]}
            known = known.with_columns(pl.lit(value, pl.String).alias(name) for name, value in said.items())
        yield _batch(known.select("place", "line", *COLUMNS), part, kind, place, sensors)


def _fields(form: str | None) -> pl.Expr:
    """The parts of every line, null where it has not its form."""
    if form is None:
        return pl.struct([pl.lit(None, pl.String).alias(column) for column in COLUMNS])
    return pl.col("text").str.extract_groups(CEOP if form == "ceop" else VALUES)


def _batch(rows: pl.DataFrame, part: Part, kind: Kind, place: str, sensors: dict[tuple[str, str], str]) -> Batch:
    rows = rows.with_columns(station=pl.concat_str("network", pl.lit("_"), "site"), channel=pl.lit(kind.channel))
    ours = {
        station: sensors.setdefault((station, kind.channel), kind.sensor)
        for station in rows["station"].drop_nulls().unique(maintain_order=True)
    }
    other = [station for station, sensor in ours.items() if sensor != kind.sensor]
    timed = on_clock(rows["stamp"], *STAMP, offset=0) if rows.height else _no_times()
    value = number("text", rows.schema["text"])
    nothing = (value == NOTHING).fill_null(value=False)
    flag = pl.col("flag")
    odd = pl.when(~flag.str.contains(FLAG)).then(pl.lit("unknown flag"))
    reasons = [
        pl.when(pl.col("stamp").is_null()).then(pl.lit("broken line")),
        pl.lit(kind.unknown, pl.String),
        name("station", "station"),
        pl.when(pl.col("station").is_in(other)).then(pl.lit("another sensor of the same series")),
        pl.col("reason"),
        odd,
    ]
    cells = rows.with_columns(timed).with_columns(
        text=pl.when(pl.col("stamp").is_null()).then("line").when(nothing).then(pl.lit("")).otherwise("text"),
        value=pl.when(~nothing).then(value),
        mark=pl.when(flag.str.contains("[CD]")).then(DOUBTFUL).when(flag.str.contains("G")).then(GOOD).cast(pl.Int16),
        reason=pl.coalesce(reasons),
    )
    return batch(cells, part.broken, place, lambda good: _facts(good, kind), WORDS)


def _no_times() -> pl.DataFrame:
    return empty({"time": TIME, "reason": pl.String()})


def _facts(good: pl.DataFrame, kind: Kind) -> Facts:
    """Where the stations in `good` are."""
    first = good.group_by("station").agg(
        pl.col(name).sort_by("place").first().cast(pl.Float64, strict=False) for name in ("latitude", "longitude")
    )
    return {
        station: {"utc_offset": 0, "latitude": latitude, "longitude": longitude, "cadences": {kind.channel: 3600}}
        for station, latitude, longitude in first.sort("station").iter_rows()
    }
