"""What a summary shows: counts and frames a few thousand rows long, made from whatever is stored."""

from dataclasses import asdict

import polars as pl

from analytics.frames import TIME
from analytics.store import derived, observations, registry, terms
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from analytics.store.packing import fetch

#: Each series or station for itself and OFFSET 0: an index scan, not the whole table.
_DAYS = """
    SELECT a.station, a.standard, a.time, a.index, a.class, a."primary" FROM station t CROSS JOIN LATERAL (
        SELECT * FROM assessment WHERE station = t.id AND averaging = %s OFFSET 0
    ) AS a
"""
_AVERAGES = """
    SELECT a.series, a.averaging, a.time, a.value FROM series s CROSS JOIN LATERAL (
        SELECT * FROM average WHERE series = s.id AND averaging = ANY(%s) AND value IS NOT NULL OFFSET 0
    ) AS a
"""
_HOURS = """
    SELECT s.id, (SELECT count(*) FROM average WHERE series = s.id AND averaging = %s AND value IS NOT NULL)
    FROM series s ORDER BY 1
"""


def counts(conn: Connection) -> Counts:
    """What became of every cell ever read."""
    names = list(asdict(Counts()))
    sums = ", ".join(f"coalesce(sum({name}), 0)::int8" for name in names)
    row = conn.execute(f"SELECT {sums} FROM batch").fetchone()
    assert row is not None
    return Counts(**{name: int(str(value)) for name, value in zip(names, row, strict=True)})


def spans(conn: Connection) -> pl.DataFrame:
    """`series`, `station`, `cadence` [s], `start`, `stop`: each series that has readings, and from when to when."""
    series = registry.load_series(conn)
    found = observations.extent(conn, series["series"].to_list())
    return series.select("series", "station", "cadence").join(found, on="series")


def hours(conn: Connection) -> pl.DataFrame:
    """`series`, `hours`: how many hours of each series have a mean."""
    known = terms.numbers(conn, "averaging").get("hour", -1)
    return pl.DataFrame(
        conn.execute(_HOURS, [known]).fetchall(), schema={"series": pl.Int32, "hours": pl.Int64}, orient="row"
    )


def verdicts(conn: Connection) -> pl.DataFrame:
    """`station`, `code`, `rows`: readings of each station by QARTOD code; good ones have no row."""
    rows = conn.execute(
        "SELECT s.station, v.code, count(*) FROM verdict v JOIN series s ON s.id = v.series GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    return pl.DataFrame(rows, schema={"station": pl.Int32, "code": pl.Int16, "rows": pl.Int64}, orient="row")


def days(conn: Connection) -> pl.DataFrame:
    """`station`, `standard`, `time`, `index`, `class`, `primary`: the assessments of days."""
    table = derived.ASSESSMENT
    stored = {"station": pl.Int32(), "standard": pl.Int16(), "time": TIME}
    stored |= {name: pl.Int16() for name in ("index", "class", "primary")}
    rows = fetch(conn, _DAYS, stored, [terms.numbers(conn, "averaging").get("day", -1)])
    for column in ("standard", "primary"):
        rows = terms.decode(conn, rows, column, table.words[column])
    return rows.sort("station", "time", "standard")


def averages(conn: Connection, names: list[str]) -> pl.DataFrame:
    """`series`, `averaging`, `time`, `value`: the means there are of the averagings `names`."""
    known = terms.numbers(conn, "averaging")
    stored = {"series": pl.Int32(), "averaging": pl.Int16(), "time": TIME, "value": pl.Float64()}
    rows = fetch(conn, _AVERAGES, stored, [[known[name] for name in names if name in known]])
    return terms.decode(conn, rows, "averaging", "averaging").sort("series", "averaging", "time")
