"""Alarms: their states, what they stand on, what was told, and the gauge that Prometheus reads."""

from datetime import datetime, timedelta

import polars as pl
from psycopg.types.json import Jsonb

from analytics.frames import TIME
from analytics.store import derivations, terms
from analytics.store.connection import Connection

#: One process decides at a time; the number is "GWal".
_LOCK = 0x4757616C
#: How long a closed alarm is still shown at 0, so that whoever reads the gauge sees its end.
CLOSED = timedelta(hours=24)

#: States in which an alarm shows its level. As `alarms` has them, who is a stranger here: a test compares.
ACTIVE = ("firing", "blind", "recovering")
STATE: dict[str, pl.DataType] = {
    "station": pl.Int32(),
    "rule": pl.String(),
    "state": pl.String(),
    "level": pl.Int16(),
    **dict.fromkeys(("since", "episode", "edge", "closed", "onset", "seen"), TIME),
}

#: The levels of episodes, a row each, as `alarms.stretches` takes them.
TURNS: dict[str, pl.DataType] = {
    "station": pl.Int32(),
    "episode_rule": pl.String(),
    "episode": TIME,
    "stop": TIME,
    "closed": pl.Boolean(),
    "start": TIME,
    "level": pl.Int16(),
}


def lock(conn: Connection) -> bool:
    """Whether this transaction alone decides on alarms, until it ends."""
    row = conn.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK]).fetchone()
    return bool(row and row[0])


def load(conn: Connection) -> pl.DataFrame:
    """`STATE` of every (station, rule) that ever left `ok`."""
    rows = conn.execute(
        """
        SELECT a.station, r.name, a.state, a.level, a.since, a.episode, a.edge, a.closed,
               (a.memory->>'onset')::timestamptz, (a.memory->>'seen')::timestamptz
        FROM alarm a JOIN term r ON r.id = a.rule ORDER BY 1, 2
        """
    ).fetchall()
    return pl.DataFrame(rows, schema=STATE, orient="row")


def turns(conn: Connection, lasting: pl.DataFrame) -> pl.DataFrame:
    """`TURNS` of the episodes that are open, and of those that `lasting` (station, episode_rule, onset) may rest on."""
    rows = conn.execute(
        """
        SELECT e.station, r.name, e.time, e.stop, e.closed, (l->>0)::timestamptz, (l->>1)::int2
        FROM (
            SELECT station, rule, time FROM episode WHERE NOT closed
            UNION
            SELECT e.station, e.rule, e.time FROM unnest(%s::int4[], %s::text[], %s::timestamptz[])
                AS k (station, name, onset)
            JOIN term t ON t.kind = 'episode' AND t.name = k.name
            JOIN episode e ON e.station = k.station AND e.rule = t.id AND e.stop > k.onset
        ) AS known
        JOIN episode e USING (station, rule, time) JOIN term r ON r.id = e.rule
        CROSS JOIN LATERAL jsonb_array_elements(e.levels) AS l
        """,
        [lasting[name].to_list() for name in ("station", "episode_rule", "onset")],
    ).fetchall()
    return pl.DataFrame(rows, schema=TURNS, orient="row")


def live(conn: Connection, series: list[int]) -> pl.DataFrame:
    """`series`, `live`: the newest reading of each that came in a live batch; of a derived series, of that of its
    sources that is farthest behind: none before each has one."""
    rows = conn.execute(
        f"""
        WITH RECURSIVE {derivations.MADE_OF}
        SELECT m.series, min(l.live) FROM made_of m JOIN latest l ON l.series = m.source
        WHERE NOT EXISTS (SELECT FROM derivation d WHERE d.series = m.source AND d.ended IS NULL)
        GROUP BY m.series HAVING count(*) = count(l.live)
        """,
        {"series": series},
    ).fetchall()
    return pl.DataFrame(rows, schema={"series": pl.Int32, "live": TIME}, orient="row")


def save(conn: Connection, states: pl.DataFrame, events: pl.DataFrame) -> None:
    """Nothing; `states` (`alarms.STATE`) are the states now, `events` (`alarms.EVENTS`) were told."""
    numbers = terms.intern(conn, "alarm", [*states["rule"], *events["rule"]])
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO alarm (station, rule, state, level, since, episode, edge, closed, memory)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (station, rule) DO UPDATE SET state = EXCLUDED.state, level = EXCLUDED.level,
                since = EXCLUDED.since, episode = EXCLUDED.episode, edge = EXCLUDED.edge, closed = EXCLUDED.closed,
                memory = EXCLUDED.memory
            """,
            [
                (station, numbers[rule], *facts, Jsonb({"onset": _stamp(onset), "seen": _stamp(seen)}))
                for station, rule, *facts, onset, seen in states.iter_rows()
            ],
        )
        cursor.executemany(
            """
            INSERT INTO alarm_event (at, station, rule, before, after, level, reason, evidence)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    *(row[name] for name in ("at", "station")),
                    numbers[row["rule"]],
                    *(row[name] for name in ("before", "after", "level", "reason")),
                    Jsonb(
                        {name: _stamp(row[name]) for name in ("episode", "onset", "edge", "live")}
                        | {"value": row["value"]}
                    ),
                )
                for row in events.iter_rows(named=True)
            ],
        )


def _stamp(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def gauge(conn: Connection, now: datetime) -> pl.DataFrame:
    """`rule`, `station` (code), `parameter`, `district`, `severity`, `level`: a row an alarm that is on, blind or
    recovering at its level, and one that ended less than a day ago at 0.

    The words of a rule are those of the newest table that has it: one that an upgrade took away ends no alarm of it.
    """
    rows = conn.execute(
        """
        WITH said AS (
            SELECT DISTINCT ON (e.name, r.key) e.name AS book, r.key AS name, r.value AS row
            FROM edition e CROSS JOIN LATERAL jsonb_each(e.rows) AS r
            WHERE e.name IN ('alarms', 'episodes') ORDER BY e.name, r.key, e.valid_from DESC, e.id DESC
        ), rules AS (
            SELECT a.name, a.row->>'severity' AS severity, e.row->>'parameter' AS parameter
            FROM said a LEFT JOIN said e ON e.book = 'episodes' AND e.name = a.row->>'episode' WHERE a.book = 'alarms'
        )
        SELECT r.name, t.code, coalesce(d.parameter, ''), coalesce(m.place, ''), coalesce(d.severity, ''),
               CASE WHEN a.state = ANY(%(active)s) THEN a.level ELSE 0 END::int2
        FROM alarm a JOIN station t ON t.id = a.station JOIN term r ON r.id = a.rule
        JOIN rules d ON d.name = r.name
        LEFT JOIN LATERAL (
            SELECT place FROM membership
            WHERE station = a.station AND kind = 'district'
                AND since <= (%(now)s AT TIME ZONE 'UTC' + make_interval(mins => t.utc_offset))::date
            ORDER BY since DESC LIMIT 1
        ) AS m ON true
        WHERE a.state = ANY(%(active)s) OR a.closed > %(since)s
        ORDER BY 1, 2
        """,
        {"active": list(ACTIVE), "now": now, "since": now - CLOSED},
    ).fetchall()
    schema = {
        **dict.fromkeys(("rule", "station", "parameter", "district", "severity"), pl.String()),
        "level": pl.Int16(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
