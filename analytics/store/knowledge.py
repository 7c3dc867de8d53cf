"""What was known when: one order of batches, corrections and changes of the registry, so that "as of T" is one cut.

Whoever adds to what is known takes the lock of the ordinals in the last statements of its transaction and signs with
`TIME`, the clock then, never before its predecessor's. So what is signed at or before T is what was committed before
whatever is signed after it.
"""

import hashlib
from datetime import datetime

import polars as pl

from analytics import frames
from analytics.store.connection import Connection

#: Savers write their ordinal one at a time; the number is "GWor".
_ORDINAL = 0x47576F72
#: Savers rank by the priorities they found until they commit; the number is "GWpr".
_PRIORITIES = 0x47577072
#: What is signed, table and column.
SIGNED = (
    ("batch", "known"),
    ("registry_change", "known"),
    ("correction", "known"),
    ("correction", "ended"),
    ("derivation", "known"),
    ("derivation", "ended"),
)
#: The time to sign with, in SQL; for a statement after `lock`, which then sees who held it before.
TIME = f"greatest(clock_timestamp(), {', '.join(f'(SELECT max({column}) FROM {table})' for table, column in SIGNED)})"


def lock(conn: Connection) -> None:
    """Nothing; nobody else signs until this transaction ends. Take it last of all."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_ORDINAL])


def hold_priorities(conn: Connection) -> None:
    """Nothing; no priority changes until this transaction ends. Others may hold them too."""
    conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_PRIORITIES])


def lock_priorities(conn: Connection) -> None:
    """Nothing; no reading is saved until this transaction ends, whoever was saving is done. Before any row lock."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_PRIORITIES])


def sources(conn: Connection, batches: list[int], known: datetime | None = None) -> pl.DataFrame:
    """`batch`, `source`, `rank`: who sent each of `batches`, and its priority; of both as they were `known`."""
    rows = conn.execute(
        """
        SELECT b.id, b.source, coalesce(r.value, s.priority) FROM batch b JOIN source s ON s.id = b.source
        LEFT JOIN registry_span r
            ON r.fact = 'priority' AND r.subject = s.id AND r.since <= %(known)s AND %(known)s < r.until
        WHERE b.id = ANY(%(batches)s) AND (%(known)s::timestamptz IS NULL OR b.known <= %(known)s)
        """,
        {"batches": batches, "known": known},
    ).fetchall()
    return pl.DataFrame(rows, schema={"batch": pl.Int32, "source": pl.Int32, "rank": pl.Int32}, orient="row")


def frozen(conn: Connection, windows: pl.DataFrame, known: datetime | None = None) -> pl.DataFrame:
    """`subject`, `start`, `stop`, `since`: approved periods in `windows` (series first, start, stop), as they were
    `known` if a time is given, and since when, where a priority changed after that: it is not decided by that one."""
    schema = {"subject": pl.Int32(), **dict.fromkeys(("start", "stop", "since"), frames.TIME)}
    if windows.is_empty():
        return pl.DataFrame(schema=schema)
    rows = conn.execute(
        """
        SELECT r.series, lower(r.during), upper(r.during), a.known FROM review r
        JOIN review a ON a.id = coalesce(r.follows, r.id)
        WHERE r.state = 'approved' AND r.known <= %(known)s AND (r.ended IS NULL OR r.ended > %(known)s)
            AND r.series = ANY(%(series)s) AND r.during && tstzrange(%(start)s, %(stop)s)
            AND a.known < (SELECT max(known) FROM registry_change WHERE fact = 'priority' AND known <= %(known)s)
        """,
        {
            "known": "infinity" if known is None else known,
            "series": windows[windows.columns[0]].unique().to_list(),
            "start": windows["start"].min(),
            "stop": windows["stop"].max(),
        },
    ).fetchall()
    return pl.DataFrame(rows, schema=schema, orient="row")


def sign(conn: Connection, fact: str, changes: list[tuple[int, int, int]], author: str, reason: str) -> None:
    """Nothing; the `changes` (subject, before, after) of a `fact` of the registry are signed. Last in a transaction."""
    if not changes:
        return
    lock(conn)
    subjects, before, after = (list(column) for column in zip(*changes, strict=True))
    conn.execute(
        f"""
        INSERT INTO registry_change (known, fact, subject, before, after, author, reason)
        SELECT {TIME}, %s, w.subject, w.before, w.after, %s, %s
        FROM unnest(%s::int4[], %s::int4[], %s::int4[]) AS w (subject, before, after)
        """,
        [fact, author, reason, subjects, before, after],
    )


def moment(conn: Connection, asked: datetime | None = None) -> datetime:
    """The time `asked` for, at the latest now."""
    row = conn.execute(f"SELECT least({TIME}, %s::timestamptz)", [asked]).fetchone()
    assert row is not None
    return row[0]  # type: ignore[return-value]  # a time


def writing(conn: Connection) -> list[str]:
    """Transactions that write to this database now, by a name that no other one will have."""
    # Whoever has written holds a lock of its own number, to be waited for; snapshots do not tell of the newest ones.
    rows = conn.execute(
        """
        SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        JOIN pg_database d ON d.oid = a.datid AND d.datname = current_database()
        WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
        """
    ).fetchall()
    return [str(row[0]) for row in rows]


#: Beside batches: what a figure of a past time stands on, a line a row, as it was known.
_LINES = {
    "editions": "SELECT concat_ws(' ', id, name, sha256, valid_from) FROM edition WHERE known <= %(known)s ORDER BY id",
    "fits": "SELECT concat_ws(' ', kind, subject, valid_from, sha256, fitted_at) FROM fit WHERE known <= %(known)s"
    " ORDER BY kind, subject, valid_from, fitted_at, id",
    "corrections": "SELECT concat_ws(' ', id, series, kind, start, stop, given) FROM correction"
    " WHERE known <= %(known)s AND (ended IS NULL OR ended > %(known)s) ORDER BY id",
    "approvals": "SELECT concat_ws(' ', id, series, during, follows) FROM review"
    " WHERE state = 'approved' AND known <= %(known)s AND (ended IS NULL OR ended > %(known)s) ORDER BY id",
    "derivations": "SELECT concat_ws(' ', id, series, since, kind, roles, inputs, given) FROM derivation"
    " WHERE known <= %(known)s AND (ended IS NULL OR ended > %(known)s) ORDER BY id",
    "registry": "SELECT concat_ws(' ', id, fact, subject, before, after) FROM registry_change"
    " WHERE known <= %(known)s ORDER BY known, id",
}


def stood_on(conn: Connection, known: datetime) -> dict[str, object]:
    """What figures as of that time stand on: `ordinal` of the last batch, `batches`, when it was `known`; of package
    tables, fits, corrections, approvals, derivations and changes of the registry a sha256 of those in force. Times are
    text."""
    row = conn.execute(
        "SELECT coalesce(max(ordinal), 0), count(*), max(known)::text FROM batch WHERE known <= %s", [known]
    ).fetchone()
    assert row is not None
    out = dict(zip(("ordinal", "batches", "known"), row, strict=True))
    for name, lines in _LINES.items():
        digest = hashlib.sha256()
        with conn.transaction(), conn.cursor(name=f"digest_{name}") as cursor:  # on the server: there may be many
            for line in cursor.execute(lines, {"known": known}):
                digest.update(f"{line[0]}\n".encode())
        out[name] = digest.hexdigest()
    return out
