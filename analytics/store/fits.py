"""What was learned: dated fits, only ever added."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

import polars as pl
from psycopg.types.json import Jsonb

from analytics.frames import TIME
from analytics.store.connection import Connection

#: Numbers of fits follow the order in which they are committed: `newest` stands on it; the number is "GWft".
_LOCK = 0x47576674


def save(
    conn: Connection,
    kind: str,
    made: pl.DataFrame,
    fitted_at: datetime,
    versions: Mapping[str, str],
    seed: int = 0,
) -> pl.DataFrame:
    """`subject`, `start`, `stop`: from when until when each fit that is new holds (stop null: until another one does).

    `made` has subject, since, valid_from, blob. A fit that says what the newest of its subject and time says is left.
    Who else learns waits until the transaction of `conn` ends.
    """
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    rows = made.with_columns(
        pl.Series("sha256", [hashlib.sha256(blob).hexdigest() for blob in made["blob"]], dtype=pl.String)
    )
    found = conn.execute(
        """
        INSERT INTO fit (kind, subject, since, valid_from, fitted_at, seed, versions, sha256, blob)
        SELECT %(kind)s, n.subject, n.since, n.valid_from, %(fitted)s, %(seed)s, %(versions)s, n.sha256, n.blob
        FROM unnest(%(subject)s::int4[], %(since)s::timestamptz[], %(valid)s::timestamptz[], %(sha)s::text[],
                    %(blob)s::bytea[]) AS n (subject, since, valid_from, sha256, blob)
        WHERE n.sha256 IS DISTINCT FROM (
            SELECT f.sha256 FROM fit f WHERE f.kind = %(kind)s AND f.subject = n.subject AND f.valid_from = n.valid_from
            ORDER BY f.fitted_at DESC, f.id DESC LIMIT 1
        )
        ON CONFLICT DO NOTHING
        RETURNING subject, valid_from
        """,
        {
            "kind": kind,
            "fitted": fitted_at,
            "seed": seed,
            "versions": Jsonb(dict(versions)),
            "subject": rows["subject"].to_list(),
            "since": rows["since"].to_list(),
            "valid": rows["valid_from"].to_list(),
            "sha": rows["sha256"].to_list(),
            "blob": rows["blob"].to_list(),
        },
    ).fetchall()
    new = pl.DataFrame(found, schema={"subject": pl.Int32, "start": TIME}, orient="row")
    ends = conn.execute(
        """
        SELECT n.subject, n.start, (
            SELECT min(valid_from) FROM fit WHERE kind = %s AND subject = n.subject AND valid_from > n.start
        ) FROM unnest(%s::int4[], %s::timestamptz[]) AS n (subject, start)
        """,
        [kind, new["subject"].to_list(), new["start"].to_list()],
    ).fetchall()
    return pl.DataFrame(ends, schema={"subject": pl.Int32, "start": TIME, "stop": TIME}, orient="row")


def load(conn: Connection, kind: str, windows: pl.DataFrame, *, known: datetime | None = None) -> pl.DataFrame:
    """`subject`, `valid_from`, `blob`: the fits of `kind` that hold somewhere in `windows` (subject, start, stop).

    With `known`, of those that were kept by then.
    """
    rows = conn.execute(
        """
        SELECT DISTINCT ON (f.subject, f.valid_from) f.subject, f.valid_from, f.blob
        FROM unnest(%(subject)s::int4[], %(start)s::timestamptz[], %(stop)s::timestamptz[]) AS w (subject, start, stop)
        CROSS JOIN LATERAL (
            SELECT id, subject, valid_from, fitted_at, blob FROM fit
            WHERE kind = %(kind)s AND subject = w.subject AND valid_from < w.stop AND valid_from >= coalesce((
                SELECT max(valid_from) FROM fit WHERE kind = %(kind)s AND subject = w.subject AND valid_from <= w.start
                    AND known <= coalesce(%(known)s, 'infinity'::timestamptz)
            ), '-infinity') AND known <= coalesce(%(known)s, 'infinity'::timestamptz)
            OFFSET 0
        ) AS f
        ORDER BY f.subject, f.valid_from, f.fitted_at DESC, f.id DESC
        """,
        {"kind": kind, "known": known, **{name: windows[name].to_list() for name in ("subject", "start", "stop")}},
    ).fetchall()
    return pl.DataFrame(rows, schema={"subject": pl.Int32, "valid_from": TIME, "blob": pl.Binary}, orient="row")


def every(conn: Connection, kind: str, known: datetime | None = None) -> pl.DataFrame:
    """`subject`, `start`, `stop`, `blob`: all fits of `kind`, by subject and the time from which each holds until
    another one does (null: none does yet); as `known` at a time, if given."""
    rows = conn.execute(
        """
        SELECT subject, valid_from, lead(valid_from) OVER (PARTITION BY subject ORDER BY valid_from), blob
        FROM (
            SELECT DISTINCT ON (subject, valid_from) subject, valid_from, blob FROM fit
            WHERE kind = %(kind)s AND (%(known)s::timestamptz IS NULL OR known <= %(known)s)
            ORDER BY subject, valid_from, fitted_at DESC, id DESC
        ) AS f ORDER BY 1, 2
        """,
        {"kind": kind, "known": known},
    ).fetchall()
    schema: dict[str, pl.DataType] = {"subject": pl.Int32(), "start": TIME, "stop": TIME, "blob": pl.Binary()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def newest(conn: Connection) -> int:
    """Number of the fit that was kept last, 0 where there is none: while it is the same, so are all fits."""
    row = conn.execute("SELECT coalesce(max(id), 0) FROM fit").fetchone()
    assert row is not None
    return int(str(row[0]))
