"""Cells that could not be kept. The same bad cell again is the same reject.

A reading of an unknown series waits here with its time and value, until its series is registered.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from psycopg import sql

from analytics.frames import REJECTS, TIME
from analytics.store import horizon, registry
from analytics.store.connection import Connection

#: `frames.REJECTS`, and the reading of a cell that was fine but for its series
ROWS: Mapping[str, pl.DataType] = {
    **REJECTS,
    "time": TIME,
    "value": pl.Float64(),
    "mark": pl.Int16(),
    "revision": pl.Int64(),
    "cadence": pl.Int32(),
}
_PAGE = 500_000

#: Why a reading waits whose period is approved: until that is ended (`held_back`).
APPROVED = "approved"
#: Why a reading waits that is older than the horizon: until its period is open again.
ARCHIVED = "archived"


def save(conn: Connection, refused: pl.DataFrame, source: int, batch: int) -> int:
    """Number of rejects that were not there yet."""
    if refused.is_empty():
        return 0
    names = sql.SQL(", ").join(map(sql.Identifier, ROWS))
    # Words travel as CSV: NUL, which text cannot hold, is the only character PostgreSQL would refuse.
    clean = refused.select(
        pl.col(name).str.replace_all("\x00", "�", literal=True) if dtype == pl.String() else pl.col(name)
        for name, dtype in ROWS.items()
    ).unique(maintain_order=True)
    conn.execute(
        sql.SQL("CREATE TEMPORARY TABLE arriving ON COMMIT DROP AS SELECT {} FROM reject WHERE false").format(names)
    )
    with (
        conn.cursor() as cursor,
        cursor.copy(
            sql.SQL("COPY arriving ({}) FROM STDIN (FORMAT csv, NULL '\\N', ENCODING 'UTF8')").format(names)
        ) as out,
    ):
        for block in clean.iter_slices(100_000):
            out.write(
                block.write_csv(
                    include_header=False,
                    quote_style="non_numeric",
                    null_value="\\N",
                    datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ",
                ).encode()
            )
    added = conn.execute(
        sql.SQL(
            # In one order whoever sends: two savers of the same bad cells wait for each other, they do not deadlock.
            "INSERT INTO reject (batch, source, {0}) SELECT %s, %s, {0} FROM arriving"
            " ORDER BY reason, station, channel, stamp, text, mark, revision, cadence"
            " ON CONFLICT (source, digest) DO NOTHING"
        ).format(names),
        [batch, source],
    ).rowcount
    conn.execute("DROP TABLE arriving")
    return added


def waiting(conn: Connection) -> pl.DataFrame:
    """`source`, `station`, `channel`, `cadence`: of the rejects that wait for their series to be registered, and of
    those that came too late and whose period is open again."""
    rows = conn.execute(
        f"""
        SELECT DISTINCT source, station, channel, cadence FROM reject
        WHERE time IS NOT NULL AND ({horizon.CLOSED}) IS NOT TRUE AND reason <> %s ORDER BY 1, 2, 3, 4
        """,
        [APPROVED],
    ).fetchall()
    schema = {"source": pl.Int32, "station": pl.String, "channel": pl.String, "cadence": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def readings(conn: Connection, source: int, station: str, channel: str, cadence: int | None) -> Iterator[pl.DataFrame]:
    """`id`, `time`, `value`, `mark`, `revision` of the waiting rejects of one channel, a page at a time.

    The caller deletes each page (by `save`'s `readmitted`) before it asks for the next.
    """
    schema = {"id": pl.Int64(), "time": TIME, "value": pl.Float64(), "mark": pl.Int16(), "revision": pl.Int64()}
    last = 0
    while True:
        rows = conn.execute(
            f"""
            SELECT id, time, value, mark, revision FROM reject
            WHERE time IS NOT NULL AND ({horizon.CLOSED}) IS NOT TRUE AND source = %s AND station = %s AND channel = %s
                AND cadence IS NOT DISTINCT FROM %s AND reason <> %s AND id > %s ORDER BY id LIMIT %s
            """,
            [source, station, channel, cadence, APPROVED, last, _PAGE],
        ).fetchall()
        if not rows:
            return
        page = pl.DataFrame(rows, schema=schema, orient="row")
        last = page["id"].max()  # type: ignore[assignment]  # of an int column
        yield page


def held(conn: Connection, readings: pl.DataFrame, reason: str) -> pl.DataFrame:
    """ROWS of `readings` (series, time, value, mark, revision) whose series is known, kept out for a `reason`."""
    if readings.is_empty():
        return pl.DataFrame(schema=dict(ROWS))
    names = _names(conn, readings["series"].unique().to_list())
    return readings.join(names, on="series", maintain_order="left").select(
        "station",
        "channel",
        pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ").alias("stamp"),
        pl.col("value").cast(pl.String).alias("text"),
        pl.lit(None, pl.String).alias("place"),
        pl.lit(reason).alias("reason"),
        "time",
        "value",
        "mark",
        "revision",
        "cadence",
    )


def held_back(conn: Connection, reason: str, windows: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Source, and `id`, `series`, `time`, `value`, `mark`, `revision`: what waits for `reason` in `windows` (series,
    start, stop), a page at a time. The caller lets each page in (`save`'s `readmitted`) before it asks for the next.
    """
    columns = {"time": TIME, "value": pl.Float64(), "mark": pl.Int16(), "revision": pl.Int64()}
    schema = {"id": pl.Int64(), "source": pl.Int32(), "series": pl.Int32(), **columns}
    names = windows.join(_names(conn, windows["series"].unique().to_list()), on="series")
    row = conn.execute("SELECT coalesce(max(id), 0) FROM reject").fetchone()
    assert row is not None
    last, end = 0, int(str(row[0]))  # what is held back anew meanwhile is not looked at again
    while True:
        rows = conn.execute(
            """
            SELECT DISTINCT r.id, r.source, w.series, r.time, r.value, r.mark, r.revision
            FROM unnest(%s::int4[], %s::text[], %s::text[], %s::int4[], %s::timestamptz[], %s::timestamptz[])
                AS w (series, station, channel, cadence, start, stop)
            JOIN reject r ON r.station = w.station AND r.channel = w.channel AND r.cadence = w.cadence
                AND r.time >= w.start AND r.time < w.stop
            WHERE r.reason = %s AND r.time IS NOT NULL AND r.id > %s AND r.id <= %s ORDER BY r.id LIMIT %s
            """,
            [
                *(names[name].to_list() for name in ("series", "station", "channel", "cadence", "start", "stop")),
                reason,
                last,
                end,
                _PAGE,
            ],
        ).fetchall()
        if not rows:
            return
        page = pl.DataFrame(rows, schema=schema, orient="row")
        last = page["id"].max()  # type: ignore[assignment]  # of an int column
        for (source,), some in page.group_by("source", maintain_order=True):
            yield int(str(source)), some.drop("source")


def _names(conn: Connection, series: list[int]) -> pl.DataFrame:
    """`series`, `station` (code), `channel`, `cadence` [s]."""
    stations = registry.load_stations(conn).select("station", "code")
    channel = pl.struct("parameter", "position", "statistic").map_elements(
        lambda parts: str(registry.Channel(**parts)), return_dtype=pl.String
    )
    return (
        registry.load_series(conn, series)
        .join(stations, on="station")
        .select("series", pl.col("code").alias("station"), channel.alias("channel"), "cadence")
    )


#: What a search finds: `kept` since when; `waits`: it comes in by itself once its series is registered, or its period
#: open; where its batch came from.
FOUND: Mapping[str, pl.DataType] = {
    "id": pl.Int64(),
    "kept": TIME,
    **dict.fromkeys(("source", "station", "channel", "stamp", "text", "place", "reason"), pl.String()),
    "waits": pl.Boolean(),
    **dict.fromkeys(("decoder", "origin"), pl.String()),
}
#: Kinds of reasons, by how a reason begins; the rest is `other`. A figure of each is kept, so the list is a short one.
KINDS: Mapping[str, str] = {
    **{reason: reason for reason in ("unknown station", "unknown series", "unknown parameter", "derived series")},
    **{
        reason: reason
        for reason in (APPROVED, ARCHIVED, "ahead of the clock", "not a number", "broken line", "unknown device")
    },
    **{reason: reason for reason in ("unknown node", "could not be decoded", "damaged in the spool")},
    "no parameter has the code": "unknown code",
    **dict.fromkeys(("unreadable time", "time without", "time out of", "no DataTime", "no time"), "time"),
    **dict.fromkeys(("wrong length", "longer than the standard", "wrong checksum", "cut off"), "frame"),
    "no conversion from": "unit",
    **dict.fromkeys(("unreadable mark", "unreadable revision"), "mark"),
}
OTHER = "other"
#: Rejects that are looked at for that, the newest.
_NEWEST = 200_000
#: So much of a reason tells it from the others (and is in the index).
TOLD = 100


@dataclass(frozen=True, slots=True)
class Search:
    """Which rejects: of any of `sources`, `stations`, `channels` (empty: all), whose reason begins with `reason`, that
    have `text` in any of their words, kept in [since, until). `allowed`: of no other stations, be it asked or not."""

    sources: tuple[str, ...] = ()
    stations: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    reason: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    allowed: frozenset[str] | None = None

    def where(self) -> tuple[str, list[object]]:
        """The condition on `reject r`, and its parameters."""
        found: list[tuple[str, list[object]]] = [("true", [])]
        if self.sources:
            ids = "SELECT id FROM source WHERE name = ANY(%s)"
            found.append((f"r.source = ANY(ARRAY({ids}))", [list(self.sources)]))
        for stations in (self.stations or None, self.allowed):
            if stations is not None:
                names = sorted(stations)
                short = [name[:TOLD] for name in names]
                found.append((f"left(r.station, {TOLD}) = ANY(%s) AND r.station = ANY(%s)", [short, names]))
        if self.channels:
            found.append(("r.channel = ANY(%s)", [list(self.channels)]))
        if self.reason:
            found.append(("starts_with(r.reason, %s)", [self.reason]))
        if self.text:
            words = "concat_ws(' ', r.station, r.channel, r.stamp, r.text, r.place, r.reason)"
            found.append((f"strpos(lower({words}), lower(%s)) > 0", [self.text]))
        if self.since is not None:
            found.append(("r.kept >= %s", [self.since]))
        if self.until is not None:
            found.append(("r.kept < %s", [self.until]))
        return " AND ".join(f"({one})" for one, _ in found), [item for _, given in found for item in given]


def search(conn: Connection, search: Search, *, after: int | None, limit: int, newest: bool = False) -> pl.DataFrame:
    """FOUND: at most `limit` rejects by id, those behind `after`; the `newest` first if asked for."""
    where, given = search.where()
    sign, order = ("<", "DESC") if newest else (">", "ASC")
    rows = conn.execute(
        f"""
        SELECT r.id, r.kept, s.name, r.station, r.channel, r.stamp, r.text, r.place, r.reason, r.time IS NOT NULL,
               b.decoder, b.origin
        FROM (SELECT * FROM reject r WHERE {where} AND (%s::int8 IS NULL OR r.id {sign} %s)
              ORDER BY r.id {order} LIMIT %s) AS r
        JOIN source s ON s.id = r.source LEFT JOIN batch b ON b.id = r.batch ORDER BY r.id {order}
        """,
        [*given, after, after, limit],
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(FOUND), orient="row")


def reasons(conn: Connection, search: Search) -> pl.DataFrame:
    """`source`, `reason` (its first TOLD characters), `rejects`, `waiting`: how many, the most frequent first."""
    where, given = search.where()
    rows = conn.execute(
        f"""
        SELECT s.name, g.reason, g.rejects, g.waiting FROM (
            SELECT r.source, left(r.reason, {TOLD}) AS reason, count(*) AS rejects, count(r.time) AS waiting
            FROM reject r WHERE {where} GROUP BY 1, 2
        ) AS g JOIN source s ON s.id = g.source ORDER BY 3 DESC, 1, 2
        """,
        given,
    ).fetchall()
    schema = {"source": pl.String, "reason": pl.String, "rejects": pl.Int64, "waiting": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def kinds(conn: Connection) -> pl.DataFrame:
    """`source` (number), `reason` (of KINDS, or OTHER), `rejects`: how many of the newest 200,000: a look at each."""
    rows = conn.execute(
        f"""
        SELECT source, left(reason, {TOLD}), count(*) FROM reject
        WHERE id > (SELECT max(id) FROM reject) - {_NEWEST} GROUP BY 1, 2
        """
    ).fetchall()
    schema = {"source": pl.Int32, "reason": pl.String, "rejects": pl.Int64}
    named = [(source, kind(str(reason)), count) for source, reason, count in rows]
    return pl.DataFrame(named, schema=schema, orient="row").group_by("source", "reason").sum().sort("source", "reason")


def kind(reason: str) -> str:
    """The kind of `reason`: one of KINDS, or OTHER."""
    return next((name for beginning, name in KINDS.items() if reason.startswith(beginning)), OTHER)


def show(conn: Connection, number: int) -> dict[str, object] | None:
    """All that is known of one reject; None where there is none."""
    row = conn.execute(
        """
        SELECT r.id, r.kept, s.name AS source, r.station, r.channel, r.stamp, r.text, r.place, r.reason, r.time,
               r.value, r.mark, r.revision, r.cadence, r.batch, b.known, b.kind, b.decoder, b.origin, b.sha256
        FROM reject r JOIN source s ON s.id = r.source LEFT JOIN batch b ON b.id = r.batch WHERE r.id = %s
        """,
        [number],
    )
    found = row.fetchone()
    return None if found is None else dict(zip([item.name for item in row.description or []], found, strict=True))


def early(conn: Connection, station: str, reason: str, after: int) -> pl.DataFrame:
    """`id`, `source`, `station`, `channel`, `cadence`, `time` (as stamped), `value`, `mark`, `revision`: a page, behind
    the id `after`, of the readings of `station` that were refused for `reason`, since their clock was wrong."""
    rows = conn.execute(
        f"""
        SELECT id, source, station, channel, cadence, stamp::timestamptz, value, mark, revision FROM reject
        WHERE left(station, {TOLD}) = left(%(station)s, {TOLD}) AND station = %(station)s AND reason = %(reason)s
            AND value IS NOT NULL AND time IS NULL AND id > %(after)s
        ORDER BY id LIMIT %(page)s
        """,
        {"station": station, "reason": reason, "after": after, "page": _PAGE},
    ).fetchall()
    schema = {
        **{"id": pl.Int64(), "source": pl.Int32(), "station": pl.String(), "channel": pl.String()},
        **{"cadence": pl.Int32(), "time": TIME, "value": pl.Float64(), "mark": pl.Int16(), "revision": pl.Int64()},
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
