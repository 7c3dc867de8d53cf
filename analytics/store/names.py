"""Public names of episodes and regions, kept through late data (`episodes.name`), and what became of each.

They are of the moment: what was found first is named first, and an event has the time of the clock (DESIGN.md, law 2).
"""

from datetime import datetime

import polars as pl
from psycopg import sql

from analytics import episodes
from analytics.store import terms
from analytics.store.connection import Connection
from analytics.store.packing import array, copy

#: New names are counted from here until the database numbers them.
_FRESH = 1 << 62


def keep(conn: Connection, found: pl.DataFrame, windows: pl.DataFrame) -> int:
    """Number of events. `found` (`episodes.FOUND`) is all there is now that begins inside `windows` (station, rule,
    start, stop): from now on it has names, and who had one there keeps, lends or loses it."""
    return _keep(conn, "episode_name", _load(conn, windows), found)


def keep_regions(conn: Connection, rule: int, found: pl.DataFrame, start: datetime, stop: datetime) -> int:
    """Number of events, as `keep`. `found`: the members of all regions of the rule that begin in [`start`, `stop`]."""
    rows = conn.execute(
        """
        WITH known AS (
            SELECT name, bool_and(gone) AS gone, min(time) AS time, max(stop) AS stop FROM region_name
            WHERE name IN (
                SELECT name FROM region_name WHERE rule = %(rule)s AND stop >= %(start)s AND time <= %(stop)s
            ) GROUP BY name
        )
        SELECT n.name, n.station, r.name, n.time, n.stop, n.closed, n.gone
        FROM known k JOIN region_name n ON n.name = k.name JOIN term r ON r.id = n.rule
        WHERE k.gone OR k.time >= %(start)s ORDER BY 1, 2
        """,
        {"rule": rule, "start": start, "stop": stop},
    ).fetchall()
    return _keep(conn, "region_name", pl.DataFrame(rows, schema=dict(episodes.NAMED), orient="row"), found)


def _keep(conn: Connection, table: str, before: pl.DataFrame, found: pl.DataFrame) -> int:
    named = episodes.name(before, found, _FRESH)
    numbers = _numbered(conn, named.names["name"].filter(named.names["name"] >= _FRESH))
    name, other = (pl.col(each).replace(numbers) for each in ("name", "other"))
    now = found.join(named.names.with_columns(name), on="key").select(
        "name", "station", "rule", "time", "stop", "closed", pl.lit(value=False).alias("gone")
    )
    lost = before.filter(~pl.col("gone")).join(now, on="name", how="anti")
    rows = pl.concat([now, lost.with_columns(pl.lit(value=True).alias("gone"))])
    _store(conn, table, rows.join(before, on=before.columns, how="anti"))
    _forget(conn, table, before.join(now, on="name", how="semi").join(now, on=["name", "station"], how="anti"))
    events = named.events.with_columns(name, other)
    if not events.is_empty():
        moment = conn.execute("SELECT clock_timestamp()").fetchone()
        assert moment is not None
        copy(conn, "episode_event", events.select(pl.lit(moment[0], pl.Datetime("us", "UTC")).alias("at"), pl.all()))
    return events.height


def _load(conn: Connection, windows: pl.DataFrame) -> pl.DataFrame:
    """`episodes.NAMED` of all names that begin, or began at last, inside `windows`."""
    asked = terms.encode(conn, windows, "rule", "episode")
    rows = conn.execute(
        """
        SELECT n.name, n.station, r.name, n.time, n.stop, n.closed, n.gone
        FROM unnest(%s::int4[], %s::int2[], %s::timestamptz[], %s::timestamptz[]) AS w (station, rule, start, stop)
        JOIN episode_name n ON n.station = w.station AND n.rule = w.rule AND n.time >= w.start AND n.time < w.stop
        JOIN term r ON r.id = n.rule ORDER BY 1
        """,
        [array(asked[name]) for name in ("station", "rule", "start", "stop")],
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(episodes.NAMED), orient="row")


def _numbered(conn: Connection, fresh: pl.Series) -> dict[int, int]:
    """The number of each of the `fresh` names."""
    rows = conn.execute("SELECT nextval('name_number') FROM generate_series(1, %s)", [len(fresh)]).fetchall()
    return dict(zip(fresh.sort().to_list(), sorted(int(str(row[0])) for row in rows), strict=True))


def _store(conn: Connection, table: str, rows: pl.DataFrame) -> None:
    """Nothing; the names of `rows` (`episodes.NAMED`) lie there now."""
    if rows.is_empty():
        return
    stored = terms.encode(conn, rows, "rule", "episode").sort("name")
    key = "name" if table == "episode_name" else "name, station"
    conn.execute(
        sql.SQL(
            """
            INSERT INTO {} (name, station, rule, time, stop, closed, gone)
            SELECT * FROM unnest(
                %s::int8[], %s::int4[], %s::int2[], %s::timestamptz[], %s::timestamptz[], %s::boolean[], %s::boolean[]
            )
            ON CONFLICT ({}) DO UPDATE SET
                time = EXCLUDED.time, stop = EXCLUDED.stop, closed = EXCLUDED.closed, gone = EXCLUDED.gone
            """
        ).format(sql.Identifier(table), sql.SQL(key)),
        [array(stored[name]) for name in episodes.NAMED],
    )


def _forget(conn: Connection, table: str, rows: pl.DataFrame) -> None:
    """Nothing; the names of `rows` (name, station) do not lie at these stations any more."""
    if not rows.is_empty():
        conn.execute(
            sql.SQL(
                "DELETE FROM {} t USING unnest(%s::int8[], %s::int4[]) AS g (name, station)"
                " WHERE t.name = g.name AND t.station = g.station"
            ).format(sql.Identifier(table)),
            [array(rows["name"]), array(rows["station"])],
        )
