"""Hourly values of China's national air stations, as archived from the release of CNEMC. CSV by day, or a wide Parquet.

Origin: China National Environmental Monitoring Centre, real-time release, in the layout of Wang Xiaolei's archive
(quotsoft.net/air). Two forms:

- `china_sites_YYYYMMDD.csv`: date (20190101), hour, type, then a column a station; 15 types an hour.
- Parquet with station, ts and a column a type.

The clock is Beijing's (UTC+8), and a label is the *end* of its hour: the running O3_8h starts anew at 01:00, hour 0
belongs to the day before. So a time here is the label less an hour. AQI [1], CO [mg/m³], all else [µg/m³]; what CNEMC
computed itself is kept as a statistic of its parameter (`pm25:mean-24h`). Missing: empty or NA.
"""

from collections.abc import Iterator

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import batch, name, same_facts, words
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import Table, columns, hold, keys, lowered, open_table, parts, stretched
from analytics.ingest._times import clock, on_clock

#: Distance from UTC [min].
OFFSET = 480
FACTS = {"utc_offset": OFFSET}

TYPES = {
    "aqi": "aqi",
    "pm2.5": "pm25",
    "pm2.5_24h": "pm25:mean-24h",
    "pm10": "pm10",
    "pm10_24h": "pm10:mean-24h",
    "so2": "so2",
    "so2_24h": "so2:mean-24h",
    "no2": "no2",
    "no2_24h": "no2:mean-24h",
    "o3": "o3",
    "o3_24h": "o3:mean-24h",
    "o3_8h": "o3:mean-8h",
    "o3_8h_24h": "o3:max-mean-8h",
    "co": "co",
    "co_24h": "co:mean-24h",
}
DAILY = ("date", "hour", "type")
WIDE = ("station", "ts")


def recognises(source: Source) -> bool:
    """Is `source` a daily file (date, hour, type first) or a Parquet of station, ts and known types?"""
    names = lowered(columns(source))
    if source.is_parquet():
        return len(names) > len(WIDE) and sorted(set(names) - set(TYPES)) == sorted(WIDE)
    return tuple(names[:3]) == DAILY and len(names) > len(DAILY) and "time" not in names


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [µg/m³, CO mg/m³, AQI 1], of every station its offset of 480 min.

    Raises `UnreadableSource` where the columns are not those above or a Parquet file is damaged.
    """
    table = open_table(source)
    if not table.names:
        return
    yield from _wide(source, table) if source.is_parquet() else _daily(source, table)


def _daily(source: Source, table: Table) -> Iterator[Batch]:
    """A column a station."""
    names = {number: key for key, number in keys(source, table, DAILY).items()}
    values = [str(number) for number in range(len(table.names)) if str(number) not in names]
    stations = [table.names[int(number)] for number in values]
    for part in parts(table, len(values)):
        rows = part.rows.rename(names).with_columns(pl.col(DAILY).fill_null(""))
        rows = rows.with_columns(stamp=pl.format("{} {}", "date", "hour"))
        rows = rows.with_columns(clock(rows["stamp"], "%Y%m%d", offset=OFFSET, ends=True))
        known = pl.col("type").str.to_lowercase().replace_strict(TYPES, default=None, return_dtype=pl.String)
        unknown = pl.when(known.is_null()).then(pl.lit("unknown type"))
        rows = rows.with_columns(channel=pl.coalesce(known, "type"), reason=pl.coalesce(unknown, "reason")).drop(DAILY)
        cells = stretched(rows, values, stations, label="station")
        reason = pl.coalesce(name("station", "station"), "reason")
        yield batch(cells.with_columns(reason=reason), part.broken, table.place, same_facts(FACTS))


def _wide(source: Source, table: Table) -> Iterator[Batch]:
    """A column a type."""
    key = keys(source, table, WIDE)
    unknown = [name for name in table.names if name.lower() not in (*TYPES, *WIDE)]
    stamps = table.types[int(key["ts"])]
    if unknown or not isinstance(stamps, pl.Datetime):
        raise UnreadableSource(f"{source.name}: ts holds {stamps}, unknown types: {', '.join(unknown[:20]) or 'none'}")
    values = [str(number) for number in range(len(table.names)) if str(number) not in key.values()]
    channels = [TYPES[table.names[int(number)].lower()] for number in values]
    hold(source, table, [key["station"]], "names")
    hold(source, table, values, "numbers")
    for part in parts(table, len(values)):
        rows = part.rows.rename({key["station"]: "station", key["ts"]: "stamp"})
        started = on_clock(rows["stamp"], "", "", offset=OFFSET, before=3600)
        rows = rows.with_columns(words("station"), *started)
        rows = rows.with_columns(reason=pl.coalesce(name("station", "station"), "reason"))
        cells = stretched(rows, values, channels, label="channel")
        yield batch(cells, part.broken, table.place, same_facts(FACTS))
