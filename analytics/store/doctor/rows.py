"""Rows: that they add up, are there once, follow one another, were judged."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from psycopg import sql

from analytics.store import ledger
from analytics.store.connection import Connection
from analytics.store.doctor._found import Found, Window, named, one

_DAY = timedelta(days=1)
#: A mark that has been due for so long while a worker lives is one that nobody takes.
LONGEST = timedelta(hours=1)
#: How a worker's live connection calls itself.
WORKER = "greenwatch worker"

#: Tables of rows by subject and time: the column of the subject, and the key.
KEYED: Mapping[str, tuple[str, ...]] = {
    "observation": ("series", "time"),
    "verdict": ("series", "time"),
    "average": ("series", "averaging", "time"),
    "assessment": ("station", "averaging", "standard", "time"),
    "score": ("series", "detector", "time"),
    "episode": ("station", "rule", "time"),
    "episode_evidence": ("station", "rule", "term", "time"),
    "episode_share": ("station", "rule", "time"),
}
VERSIONED: Mapping[str, tuple[str, ...]] = {
    "assessment": KEYED["assessment"],
    "episode": KEYED["episode"],
}


def ordinals(conn: Connection) -> Found:
    """Ordinals of batches run from 1 without a hole, and what came later was not known before."""
    row = one(conn, "SELECT count(*), coalesce(min(ordinal), 1), coalesce(max(ordinal), 0) FROM batch")
    found = Found(row[0])
    if (row[1], row[2]) != (1, row[0]):
        found.wrong.append(f"{row[0]} batches have ordinals {row[1]} to {row[2]}")
    back = conn.execute(
        "SELECT ordinal FROM (SELECT ordinal, known < lag(known) OVER (ORDER BY ordinal) AS back FROM batch) AS b"
        " WHERE back ORDER BY 1"
    ).fetchall()
    found.wrong += named(back, "batch {0} was known before the one it follows")
    return found


def sums(conn: Connection) -> Found:
    """Cells read are those new, replaced, duplicate, missing and refused; what is new is what is counted (law 1)."""
    row = one(
        conn,
        "SELECT count(*), coalesce(sum(new), 0)::int8, (SELECT coalesce(sum(rows), 0)::int8 FROM latest) FROM batch",
    )
    found = Found(row[0])
    bad = conn.execute(
        "SELECT id FROM batch WHERE read <> new + replaced + duplicates + missing + rejects ORDER BY 1"
    ).fetchall()
    found.wrong += named(bad, "the cells of batch {0} do not add up")
    if row[1] != row[2]:
        found.wrong.append(f"{row[1]} readings came as new, {row[2]} are counted in `latest`")
    return found


def newest(conn: Connection, windows: Sequence[Window]) -> Found:
    """`latest` is what a look into all readings of a series says, the archived ones counted in; but for series that are
    just going into an archive or coming back."""
    rows = conn.execute(
        """
        SELECT l.series, l.rows - c.rows - a.rows, l.time IS DISTINCT FROM c.time,
               a.rows = 0 AND l.first IS DISTINCT FROM c.first,
               l.value IS DISTINCT FROM n.value OR l.mark IS DISTINCT FROM n.mark
        FROM latest l
        CROSS JOIN LATERAL (
            SELECT count(*) AS rows, min(time) AS first, max(time) AS time FROM observation o WHERE o.series = l.series
        ) AS c
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(s.rows), 0) AS rows FROM archive_series s JOIN archive p ON p.id = s.archive
            WHERE s.series = l.series AND p.dropped IS NOT NULL AND p.restored IS NULL
        ) AS a
        LEFT JOIN LATERAL (
            SELECT value, mark FROM observation o WHERE o.series = l.series ORDER BY time DESC LIMIT 1
        ) AS n ON true
        WHERE l.series = ANY(%s) AND c.rows > 0 AND NOT EXISTS (
            SELECT FROM archive_series s JOIN archive p ON p.id = s.archive
            WHERE s.series = l.series AND p.dropped IS NOT NULL AND p.cleared IS NULL AND p.restored IS NULL
        )
        """,
        [sorted({window.series for window in windows})],
    ).fetchall()
    found = Found(len(rows))
    for series, rows_off, *off in rows:
        names = [name for name, bad in zip(("time", "first", "value or mark"), off, strict=True) if bad]
        names += [f"rows ({rows_off:+})"] if rows_off else []
        if names:
            found.wrong.append(f"series {series}: {', '.join(names)} of `latest`")
    return found


def twice(conn: Connection, windows: Sequence[Window]) -> Found:
    """No key is there twice."""
    found = Found()
    for table, key in KEYED.items():
        names = sql.SQL(", ").join(map(sql.Identifier, key))
        query = sql.SQL(
            "SELECT {1}, time FROM {0} WHERE {1} = %s AND time >= %s AND time < %s GROUP BY {2} HAVING count(*) > 1"
        ).format(sql.Identifier(table), sql.Identifier(key[0]), names)
        for window in windows:
            subject = window.series if key[0] == "series" else window.station
            found.looked += 1
            rows = conn.execute(query, [subject, window.start, window.stop]).fetchall()
            found.wrong += named(rows, f"{table}: {key[0]} {{0}} at {{1}} is there twice")
    return found


def history(conn: Connection, windows: Sequence[Window]) -> Found:
    """What was replaced was replaced by something: its reading is there; it came in a batch; no version ends before it
    begins, or while another one of it holds."""
    found = Found()
    lost = """
        SELECT h.series, h.time FROM observation_history h WHERE h.series = %(series)s AND h.time >= %(start)s
            AND h.time < %(stop)s AND NOT EXISTS (
                SELECT FROM observation o WHERE o.series = h.series AND o.time = h.time
            ) AND NOT EXISTS (
                SELECT FROM archive a WHERE a.dropped IS NOT NULL AND a.restored IS NULL
                    AND h.time >= a.start AND h.time < a.stop
            )
    """
    unknown = """
        SELECT o.series, o.time, o.batch FROM (
            SELECT series, time, batch FROM observation_history WHERE series = %(series)s
            UNION ALL SELECT series, time, batch FROM observation WHERE series = %(series)s
        ) AS o WHERE o.time >= %(start)s AND o.time < %(stop)s AND NOT EXISTS (SELECT FROM batch WHERE id = o.batch)
    """
    for window in windows:
        found.looked += 1
        params = {"series": window.series, "start": window.start, "stop": window.stop}
        found.wrong += named(conn.execute(lost, params).fetchall(), "series {0} at {1} has a history and no reading")
        found.wrong += named(conn.execute(unknown, params).fetchall(), "series {0} at {1} came in no batch ({2})")
        for table, key in VERSIONED.items():
            found.wrong += _versions(conn, table, key, window)
    return found


def _versions(conn: Connection, table: str, key: tuple[str, ...], window: Window) -> list[str]:
    names = sql.SQL(", ").join(map(sql.Identifier, key))
    query = sql.SQL(
        """
        SELECT station, time FROM (
            SELECT *, lead(known, 1, 'infinity') OVER (PARTITION BY {names} ORDER BY known, ended) AS next FROM (
                SELECT {names}, known, ended FROM {history}
                UNION ALL SELECT {names}, known, 'infinity' FROM {table}
            ) AS every WHERE station = %s AND time >= %s AND time < %s
        ) AS v WHERE known > ended OR ended > next
        """
    ).format(names=names, history=sql.Identifier(f"{table}_history"), table=sql.Identifier(table))
    rows = conn.execute(query, [window.station, window.start, window.stop]).fetchall()
    return named(rows, f"{table}: versions of station {{0}} at {{1}} overlap")


def judged(conn: Connection, windows: Sequence[Window]) -> Found:
    """Each reading lies in what was judged, or in a stale window."""
    found = Found()
    for window in windows:
        rows = conn.execute(
            """
            SELECT o.series, min(o.time), count(*) FROM observation o
            WHERE o.series = %(series)s AND o.time >= %(start)s AND o.time < %(stop)s
                AND NOT EXISTS (SELECT FROM judged j WHERE j.stage = %(flag)s AND j.subject = o.series
                                AND j.during @> o.time)
                AND NOT EXISTS (SELECT FROM stale s WHERE s.subject = o.series AND s.stage = ANY(%(before)s)
                                AND o.time >= s.start AND o.time < s.stop)
            GROUP BY 1
            """,
            {
                "series": window.series,
                "start": window.start,
                "stop": window.stop,
                "flag": ledger.READINGS.code,
                "before": [ledger.READINGS.code, ledger.DECIDE.code],
            },
        ).fetchall()
        found.looked += 1
        found.wrong += named(rows, "series {0}: {2} readings from {1} on were never judged")
    return found


def marks(conn: Connection, now: datetime) -> Found:
    """While a worker lives nothing waits for long."""
    stages = {code: name for name, code in ledger.CODES.items()}
    rows = conn.execute(
        "SELECT stage::int4, count(*), min(due) FROM stale WHERE due < %s GROUP BY 1 ORDER BY 1", [now - LONGEST]
    ).fetchall()
    row = one(
        conn,
        f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{WORKER}' AND datname = current_database()",
    )
    found = Found(one(conn, "SELECT count(*) FROM stale")[0])
    words = [
        f"{count} windows of {stages.get(int(str(code)), code)} have been due since {due}" for code, count, due in rows
    ]
    if row[0]:
        found.wrong += words
    elif words:
        found.left += [f"{text}; no worker runs" for text in words]
    return found


def sequences(conn: Connection) -> Found:
    """Numbers that will be given were not given yet."""
    rows = conn.execute(
        """
        SELECT table_name::text, column_name::text, pg_get_serial_sequence(quote_ident(table_name), column_name)
        FROM information_schema.columns WHERE table_schema = 'public' AND is_identity = 'YES'
        UNION ALL SELECT 'batch', 'id', 'batch_id' ORDER BY 1
        """
    ).fetchall()
    found = Found(len(rows))
    for table, column, sequence in rows:
        if sequence is None:
            continue
        query = sql.SQL("SELECT (SELECT coalesce(max({})::int8, 0) FROM {}), last_value, is_called FROM {}").format(
            sql.Identifier(str(column)), sql.Identifier(str(table)), sql.SQL(str(sequence))
        )
        highest, value, called = one(conn, query)
        if highest > value or (highest == value and not called):
            found.wrong.append(f"{table}: {highest} is there, the next number would be {value + int(called)}")
    return found


def archives(conn: Connection, now: datetime) -> Found:
    """What went is gone and behind the line; what began to go did not stop half way."""
    rows = conn.execute(
        """
        SELECT id, start, stop, begun, dropped, cleared, stop > (SELECT max(time) FROM horizon) IS NOT FALSE
        FROM archive WHERE restored IS NULL ORDER BY start
        """
    ).fetchall()
    found = Found(len(rows))
    for number, start, stop, begun, dropped, cleared, ahead in rows:
        if ahead:
            found.wrong.append(f"archive {number} ends at {stop}, past the line")
        if cleared is None and begun < now - _DAY:  # type: ignore[operator]  # times
            found.wrong.append(f"archive {number} was begun at {begun} and is not finished")
        if cleared is not None and one(conn, _ANY, {"start": start, "stop": stop})[0]:
            found.wrong.append(f"readings from {start} to {stop} are in archive {number} and here")
        if dropped is None and cleared is not None:
            found.wrong.append(f"archive {number} was cleared before it was dropped")
    return found


_ANY = """
    SELECT EXISTS (SELECT FROM latest l CROSS JOIN LATERAL (
        SELECT FROM observation o WHERE o.series = l.series AND o.time >= %(start)s AND o.time < %(stop)s LIMIT 1
    ) AS o WHERE l.time >= %(start)s)
"""
