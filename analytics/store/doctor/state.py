"""The state around the rows: tables in force, fits, rights, migrations, the server, what workers do."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from analytics.store import columnstore, files, migrations
from analytics.store.connection import Connection, tier
from analytics.store.doctor._found import NAMED, Found, named, one
from analytics.store.errors import StoreError

_DAY = timedelta(days=1)
#: Tables in chunks, where TimescaleDB is.
HYPERTABLES = (*columnstore.SEGMENTS,)

#: What `greenwatch_writer` may do, and what it may not: what is known is only ever added to.
WRITES = {
    "INSERT": ("batch", "observation", "observation_history", "reject", "stale", "verdict", "average", "assessment"),
    "SELECT": ("horizon", "opened", "archive", "series", "latest", "edition", "fit"),
}
NEVER = {
    "UPDATE": (
        "batch",
        "observation",
        "observation_history",
        "assessment_history",
        "episode_history",
        "episode_event",
        "region_history",
        "edition",
        "fit",
    ),
    "DELETE": (
        "batch",
        "observation_history",
        "assessment_history",
        "episode_history",
        "episode_name",
        "episode_event",
        "region_history",
        "edition",
        "fit",
        "horizon",
    ),
}


def editions(conn: Connection, tables: Mapping[str, object]) -> Found:
    """Package tables in the store are what their hash says, and the newest is that of this version."""
    rows = conn.execute("SELECT id, name, sha256, rows FROM edition ORDER BY id").fetchall()
    found, newest = Found(len(rows)), {}
    for number, name, digest, content in rows:
        if _hash(content) != digest:
            found.wrong.append(f"edition {number} of {name} is not what its hash says")
        newest[name] = digest
    for name, content in tables.items():
        if newest.get(name) != _hash(content):
            found.wrong.append(f"the table {name} of this version is not in force")
    return found


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def fits(conn: Connection) -> Found:
    """What was learned is what its hash says."""
    rows = conn.execute(
        "SELECT id, kind, subject FROM fit WHERE encode(sha256(blob), 'hex') <> sha256 ORDER BY 1"
    ).fetchall()
    found = Found(one(conn, "SELECT count(*) FROM fit")[0])
    found.wrong += named(rows, "fit {0} ({1} of {2}) is not what its hash says")
    return found


def grants(conn: Connection) -> Found:
    """Roles are there; the writer may add to what is known and not change it; readers see the reports and no more."""
    names = ("greenwatch_writer", "greenwatch_reader", "greenwatch_duty", "greenwatch_admin", "greenwatch_api")
    there = {
        row[0] for row in conn.execute("SELECT rolname::text FROM pg_roles WHERE rolname = ANY(%s)", [list(names)])
    }
    found = Found(len(names), [f"there is no role {name}" for name in names if name not in there])
    if found.wrong:
        return found
    for may, asked in ((True, WRITES), (False, NEVER)):
        for privilege, tables in asked.items():
            for table in tables:
                found.looked += 1
                if one(conn, "SELECT has_table_privilege('greenwatch_writer', %s, %s)", [table, privilege])[0] != may:
                    found.wrong.append(f"greenwatch_writer may {'not ' if may else ''}{privilege} {table}")
    views = conn.execute(
        """
        SELECT c.oid::regclass::text, n.nspname, has_table_privilege('greenwatch_reader', c.oid, 'SELECT')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE (n.nspname = 'report' AND c.relkind IN ('v', 'm')) OR (n.nspname = 'public' AND c.relkind = 'r')
        ORDER BY 1
        """
    ).fetchall()
    for name, schema, sees in views:
        found.looked += 1
        if sees != (schema == "report"):
            found.wrong.append(f"greenwatch_reader {'sees' if sees else 'does not see'} {name}")
    return found


def applied(conn: Connection) -> Found:
    """All migrations of this version have run, as they are now; views are those of this version; indexes are whole."""
    try:
        waiting = migrations.pending(conn)
    except StoreError as problem:
        return Found(1, [str(problem)])
    found = Found(wrong=[f"migration {name} has not run" for name in waiting])
    for folder, table in (("migrations", "migration"), ("views", "view_file")):
        known = {row[0]: row[1] for row in conn.execute(f"SELECT name, sha256 FROM {table}")}
        for path in files.sql(folder):
            found.looked += 1
            if path.stem in known and known[path.stem] != hashlib.sha256(path.read_bytes()).hexdigest():
                found.wrong.append(f"{table} {path.stem} ran here in another form")
            elif table == "view_file" and path.stem not in known:
                found.wrong.append(f"view {path.stem} is not here")
    rows = conn.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid").fetchall()
    found.wrong += named(rows, "index {0} is not valid")
    return found


def server(conn: Connection, now: datetime) -> Found:
    """What is to be in chunks is; what the server does by itself does not fail."""
    kind = tier(conn)
    found = Found(1, left=[f"{kind.name}, PostgreSQL {kind.postgres}, TimescaleDB {kind.timescaledb or '-'}"])
    if kind.timescaledb is None:
        return found
    rows = conn.execute(
        "SELECT hypertable_name::text FROM timescaledb_information.hypertables WHERE hypertable_schema = 'public'"
    ).fetchall()
    there = {row[0] for row in rows}
    found.looked = len(HYPERTABLES)
    found.wrong += [f"{name} is not in chunks" for name in HYPERTABLES if name not in there]
    for job, name, time, problem in columnstore.problems(conn, now - 2 * _DAY).head(NAMED).iter_rows():
        found.wrong.append(f"job {job} on {name} failed at {time}: {problem}")
    return found


def failing(conn: Connection) -> Found:
    """What workers do goes well."""
    rows = conn.execute("SELECT job, failed, problem FROM work WHERE problem <> '' ORDER BY 1").fetchall()
    found = Found(one(conn, "SELECT count(*) FROM work")[0])
    found.wrong += named(rows, "{0} failed at {1}: {2}")
    return found
