"""Derived series: which there are, what each is made of and how, and who must hear of it when an input changes.

Whoever settles asks who depends on what it wrote, and whoever registers a formula marks what there is to derive. The
two must not miss each other: a settler holds the formulas as they are (`hold`) until its commit, and a registration
waits for all who do (`lock`) before it looks what there is.
"""

from datetime import date, datetime
from weakref import WeakKeyDictionary

import polars as pl
from psycopg.types.json import Jsonb

from analytics.derivation import FORMULAS
from analytics.frames import TIME
from analytics.store import knowledge
from analytics.store.connection import Connection
from analytics.store.ledger import WINDOWS

#: Settlers hold it together, a registration alone; the number is "GWdr".
_LOCK = 0x47576472

#: For `WITH RECURSIVE`: each of `series` with itself and all that it is made of, down to what is measured. Ever: by
#: formulas, too, that are in force no longer.
MADE_OF_EVER = """
    made_of (series, source) AS (
        SELECT s, s FROM unnest(%(series)s::int4[]) AS s
        UNION SELECT m.series, u.input FROM made_of m JOIN derivation d ON d.series = m.source
        CROSS JOIN unnest(d.inputs) AS u (input)
    )
"""
MADE_OF = MADE_OF_EVER.replace("d.series = m.source", "d.series = m.source AND d.ended IS NULL")
_LINEAGES: WeakKeyDictionary[Connection, tuple[object, pl.DataFrame]] = WeakKeyDictionary()

#: A formula as it is written: derived series, first local day (None: ever), kind (None: no longer), roles, inputs,
#: what is given.
Row = tuple[int, date | None, str | None, list[str], list[int], dict[str, float]]


def hold(conn: Connection) -> None:
    """Nothing; no formula changes until this transaction ends. Others may hold them too."""
    conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])


def lock(conn: Connection) -> None:
    """Nothing; no hours are written until this transaction ends, and those that were being written are in."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def load(conn: Connection, series: list[int] | None = None, *, known: datetime | None = None) -> pl.DataFrame:
    """`derivation.FORMULAS` of all derived series or those of `series`, by series and time; as they were `known`."""
    rows = conn.execute(
        """
        WITH dated AS (
            SELECT d.series, d.kind, d.roles, d.inputs, d.given::text AS given, d.since,
                   coalesce(r.value, t.utc_offset)::int2 AS utc_offset,
                   (d.since::timestamp AT TIME ZONE 'UTC')
                       - make_interval(mins => coalesce(r.value, t.utc_offset)) AS begins
            FROM derivation d JOIN series s ON s.id = d.series JOIN station t ON t.id = s.station
            LEFT JOIN registry_span r
                ON r.fact = 'utc_offset' AND r.subject = t.id AND r.since <= %(known)s AND %(known)s < r.until
            WHERE (%(series)s::int4[] IS NULL OR d.series = ANY(%(series)s)) AND CASE
                WHEN %(known)s::timestamptz IS NULL THEN d.ended IS NULL
                ELSE d.known <= %(known)s AND coalesce(d.ended > %(known)s, true)
            END
        )
        SELECT series, kind, roles, inputs, given, nullif(begins, '-infinity'),
               lead(begins) OVER (PARTITION BY series ORDER BY since), utc_offset
        FROM dated ORDER BY series, since
        """,
        {"series": series, "known": known},
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(FORMULAS), orient="row")


def lineage(conn: Connection) -> pl.DataFrame:
    """`series`, `input`: what each derived series is made of, whenever; null where that is nothing.

    Every take of hours asks for it, and it seldom changes: a connection keeps it until another formula is there.
    """
    row = conn.execute("SELECT max(id), count(*), count(ended) FROM derivation").fetchone()
    kept = _LINEAGES.get(conn)
    if kept is None or kept[0] != row:
        rows = conn.execute(
            """
            SELECT DISTINCT d.series, u.input FROM derivation d LEFT JOIN LATERAL unnest(d.inputs) AS u (input) ON true
            WHERE d.ended IS NULL ORDER BY 1, 2
            """
        ).fetchall()
        frame = pl.DataFrame(rows, schema={"series": pl.Int32, "input": pl.Int32}, orient="row")
        kept = _LINEAGES[conn] = (row, frame)
    return kept[1]


def derived(conn: Connection, series: list[int]) -> list[int]:
    """Those of `series` that are derived."""
    return lineage(conn).filter(pl.col("series").is_in(series))["series"].unique().sort().to_list()


def dependents(conn: Connection, inputs: list[int]) -> pl.DataFrame:
    """`series`, `input`: the derived series that are made of any of `inputs`, whenever."""
    return lineage(conn).filter(pl.col("input").is_in(inputs))


def extent(conn: Connection, series: list[int]) -> pl.DataFrame:
    """`series`, `start`, `stop`: a window that holds every hour, present or past, of each derived one of `series`."""
    rows = conn.execute(
        f"""
        WITH RECURSIVE {MADE_OF_EVER}
        SELECT m.series, date_trunc('hour', min(l.first), 'UTC'), date_trunc('hour', max(l.time), 'UTC') + '1 h'
        FROM made_of m JOIN latest l ON l.series = m.source AND l.time IS NOT NULL WHERE m.series <> m.source GROUP BY 1
        """,
        {"series": series},
    ).fetchall()
    return pl.DataFrame(rows, schema={"series": pl.Int32, "start": TIME, "stop": TIME}, orient="row")


def stretches(conn: Connection, series: list[int]) -> pl.DataFrame:
    """WINDOWS of the derived series `series`: every hour there is of them, or of what they are made of."""
    made = conn.execute(
        """
        SELECT d.series, u.input FROM derivation d CROSS JOIN unnest(d.inputs) AS u (input)
        WHERE d.series = ANY(%(series)s) AND d.ended IS NULL
        UNION SELECT s, s FROM unnest(%(series)s::int4[]) AS s
        """,
        {"series": series},
    ).fetchall()
    pairs = pl.DataFrame(made, schema={"subject": pl.Int32, "series": pl.Int32}, orient="row")
    found = pairs.join(_stored(conn, pairs["series"].unique().to_list()), on="series").select(*WINDOWS)
    return found.group_by("subject").agg(pl.col("start").min(), pl.col("stop").max()).sort("subject")


def _stored(conn: Connection, series: list[int]) -> pl.DataFrame:
    """`series`, `start`, `stop`: from the first to the last hour that is stored of each of `series`."""
    rows = conn.execute(
        """
        SELECT w.series, f.time, l.time + interval '1 hour'
        FROM unnest(%s::int4[]) AS w (series)
        CROSS JOIN (SELECT id FROM term WHERE kind = 'averaging' AND name = 'hour') AS h
        CROSS JOIN LATERAL (
            SELECT time FROM average WHERE series = w.series AND averaging = h.id ORDER BY time LIMIT 1
        ) AS f
        CROSS JOIN LATERAL (
            SELECT time FROM average WHERE series = w.series AND averaging = h.id ORDER BY time DESC LIMIT 1
        ) AS l
        """,
        [series],
    ).fetchall()
    return pl.DataFrame(rows, schema={"series": pl.Int32, "start": TIME, "stop": TIME}, orient="row")


def save(conn: Connection, rows: list[Row], author: str) -> None:
    """Nothing; the formulas `rows` are in force, those of the same series and day are so no longer.

    What changes is signed: nobody else adds to what is known from then on until the transaction ends.
    """
    if not rows:
        return
    knowledge.lock(conn)
    row = conn.execute(f"SELECT {knowledge.TIME}").fetchone()
    assert row is not None
    conn.execute(
        """
        UPDATE derivation d SET ended = %s FROM unnest(%s::int4[], %s::date[]) AS w (series, since)
        WHERE d.series = w.series AND d.since = coalesce(w.since, '-infinity') AND d.ended IS NULL
        """,
        [row[0], [item[0] for item in rows], [item[1] for item in rows]],
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO derivation (series, since, kind, roles, inputs, given, known, author)
            VALUES (%s, coalesce(%s::date, '-infinity'), %s, %s::text[], %s::int4[], %s, %s, %s)
            """,
            [(*item[:5], Jsonb(item[5]), row[0], author) for item in rows],
        )
