"""Alarms: their states, what they stand on, what was told, and the gauge that Prometheus reads."""

from datetime import datetime, timedelta
from typing import Any

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
KEY: dict[str, pl.DataType] = {"subject": pl.Int32(), "rule": pl.String()}
STATE: dict[str, pl.DataType] = {
    **KEY,
    "state": pl.String(),
    "level": pl.Int16(),
    **dict.fromkeys(("since", "episode", "edge", "closed", "onset", "seen", "fired"), TIME),
    "first": pl.String(),
    "told": pl.String(),
    "incident": pl.Int64(),
}
#: Kind of a subject -> the column that says which one it is. As `alarms.SCOPES`.
SCOPES: dict[str, str] = {"station": "station", "channel": "series", "source": "source", "district": "place"}

#: The levels of episodes, a row each, as `alarms.episode.stretches` takes them once `subject` stands for `station`.
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


_STATE = """
    SELECT a.subject, r.name, a.state, a.level, a.since, a.episode, a.edge, a.closed,
           (a.memory->>'onset')::timestamptz, (a.memory->>'seen')::timestamptz, a.fired, a.first, a.told, a.incident
    FROM alarm a JOIN term r ON r.id = a.rule
"""


def load(conn: Connection) -> pl.DataFrame:
    """`STATE` of what is pending or on."""
    query = f"{_STATE} WHERE a.state IN ('pending', 'firing', 'blind', 'recovering') ORDER BY 1, 2"
    return pl.DataFrame(conn.execute(query).fetchall(), schema=STATE, orient="row")


def recall(conn: Connection, keys: pl.DataFrame) -> pl.DataFrame:
    """`STATE` of those of `keys` (`KEY`) that ever left `ok`."""
    if keys.is_empty():
        return pl.DataFrame(schema=STATE)
    query = f"{_STATE} JOIN unnest(%s::int4[], %s::text[]) AS k (subject, name) USING (subject, name)"
    rows = conn.execute(query, [keys[name].to_list() for name in KEY]).fetchall()
    return pl.DataFrame(rows, schema=STATE, orient="row")


def ended(conn: Connection, rules: list[str], since: datetime) -> pl.DataFrame:
    """`STATE` of alarms of `rules` that are over since then."""
    query = f"{_STATE} WHERE r.name = ANY(%s) AND a.state IN ('ok', 'withdrawn') AND a.closed >= %s"
    return pl.DataFrame(conn.execute(query, [rules, since]).fetchall(), schema=STATE, orient="row")


def lies(conn: Connection, ids: pl.Series, now: datetime) -> pl.DataFrame:
    """`hush.LIES` of the subjects `ids`: a channel has the source of its newest reading, a station those of its
    channels."""
    rows = conn.execute(
        """
        WITH ours AS (
            SELECT s.id, s.series, s.source, s.place, coalesce(s.station, x.station) AS station, x.parameter
            FROM subject s LEFT JOIN series x ON x.id = s.series WHERE s.id = ANY(%(ids)s)
        ), spoken AS (
            SELECT DISTINCT o.id, b.source FROM ours o JOIN series x
                ON x.station = o.station AND (o.series IS NULL OR x.id = o.series)
            JOIN latest l ON l.series = x.id JOIN observation v ON v.series = l.series AND v.time = l.time
            JOIN batch b ON b.id = v.batch
            UNION SELECT id, source FROM ours WHERE source IS NOT NULL
        ), lain AS (
            SELECT o.id, m.place FROM ours o JOIN station t ON t.id = o.station CROSS JOIN LATERAL (
                SELECT place FROM membership
                WHERE station = t.id AND kind = 'district'
                    AND since <= (%(now)s AT TIME ZONE 'UTC' + make_interval(mins => t.utc_offset))::date
                ORDER BY since DESC LIMIT 1
            ) AS m WHERE m.place IS NOT NULL
            UNION SELECT id, place FROM ours WHERE place IS NOT NULL
        )
        SELECT o.id, 'station', t.code, s.id FROM ours o JOIN station t ON t.id = o.station
            LEFT JOIN subject s ON s.station = t.id
        UNION ALL SELECT k.id, 'district', k.place, s.id FROM lain k LEFT JOIN subject s ON s.place = k.place
        UNION ALL SELECT k.id, 'source', c.name, s.id FROM spoken k JOIN source c ON c.id = k.source
            LEFT JOIN subject s ON s.source = c.id
        UNION ALL SELECT id, 'parameter', parameter, NULL FROM ours WHERE parameter IS NOT NULL
        """,
        {"ids": ids.to_list(), "now": now},
    ).fetchall()
    schema = {"subject": pl.Int32, "scope": pl.String, "name": pl.String, "above": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def subjects(conn: Connection, kind: str, names: pl.Series) -> pl.DataFrame:
    """The column of `kind` (`SCOPES`) and `subject`, a row each of `names`; new ones are made."""
    column = SCOPES[kind]
    schema = {column: names.dtype, "subject": pl.Int32()}
    if names.is_empty():
        return pl.DataFrame(schema=schema)
    wanted = names.drop_nulls().unique().sort().to_list()
    query = f"SELECT {column}, id FROM subject WHERE {column} = ANY(%s)"
    if len(rows := conn.execute(query, [wanted]).fetchall()) < len(wanted):
        conn.execute(
            f"INSERT INTO subject (kind, {column}) SELECT %s, k FROM unnest(%s::{_TYPES[column]}[]) AS k"
            " ON CONFLICT DO NOTHING",
            [kind, sorted(set(wanted) - {row[0] for row in rows})],
        )
        rows = conn.execute(query, [wanted]).fetchall()
    return pl.DataFrame(rows, schema=schema, orient="row")


def named(conn: Connection, kind: str, ids: pl.Series) -> pl.DataFrame:
    """`subject` and the column of `kind` (`SCOPES`), of those of `ids` that are of that kind."""
    column = SCOPES[kind]
    query = f"SELECT id, {column} FROM subject WHERE id = ANY(%s) AND {column} IS NOT NULL"
    rows = conn.execute(query, [ids.to_list()]).fetchall() if ids.len() else []
    dtype = pl.String() if column == "place" else pl.Int32()
    return pl.DataFrame(rows, schema={"subject": pl.Int32(), column: dtype}, orient="row")


_TYPES = {"station": "int4", "series": "int4", "source": "int4", "place": "text"}


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
            INSERT INTO alarm
                (subject, rule, state, level, since, episode, edge, closed, fired, first, told, incident, memory)
            VALUES (%(subject)s, %(number)s, %(state)s, %(level)s, %(since)s, %(episode)s, %(edge)s, %(closed)s,
                    %(fired)s, %(first)s, %(told)s, %(incident)s, %(memory)s)
            ON CONFLICT (subject, rule) DO UPDATE SET state = EXCLUDED.state, level = EXCLUDED.level,
                since = EXCLUDED.since, episode = EXCLUDED.episode, edge = EXCLUDED.edge, closed = EXCLUDED.closed,
                fired = EXCLUDED.fired, first = EXCLUDED.first, told = EXCLUDED.told, incident = EXCLUDED.incident,
                memory = EXCLUDED.memory
            """,
            [
                row | {"number": numbers[row["rule"]], "memory": Jsonb({name: _stamp(row[name]) for name in _MEMORY})}
                for row in states.iter_rows(named=True)
            ],
        )
        cursor.executemany(
            """
            INSERT INTO alarm_event (at, subject, rule, before, after, level, reason, told, incident, evidence)
            VALUES (%(at)s, %(subject)s, %(number)s, %(before)s, %(after)s, %(level)s, %(reason)s, %(told)s,
                    %(incident)s, %(evidence)s)
            """,
            [
                row | {"number": numbers[row["rule"]], "evidence": Jsonb(_evidence(row))}
                for row in events.iter_rows(named=True)
            ],
        )


_MEMORY = ("onset", "seen")


def _evidence(row: dict[str, Any]) -> dict[str, object]:
    """What an event stands on; what its kind knows nothing of is left out."""
    times = {name: _stamp(row[name]) for name in ("episode", "onset", "edge", "live")}
    words = {name: row[name] for name in ("expected", "by") if row[name] is not None}
    return {**times, "value": row["value"], **words}


def _stamp(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


#: The words of a rule are those of the newest table that has it: one that an upgrade took away ends no alarm of it.
#: `parameter` is that of its only condition, or of all of them.
_RULES = """
    said AS (
        SELECT DISTINCT ON (e.name, r.key) e.name AS book, r.key AS name, r.value AS row
        FROM edition e CROSS JOIN LATERAL jsonb_each(e.rows) AS r
        WHERE e.name IN ('alarms', 'episodes') ORDER BY e.name, r.key, e.valid_from DESC, e.id DESC
    ), whole AS (
        SELECT a.name, coalesce(a.row->>'kind', 'episode') AS kind,
               -- a region is about the conditions of its member
               CASE WHEN a.row ? 'member' THEN coalesce(m.row, a.row) ELSE a.row END AS row
        FROM said a LEFT JOIN said m ON m.book = 'alarms' AND m.name = a.row->>'member' WHERE a.book = 'alarms'
    ), rules AS (
        SELECT w.name, w.kind, coalesce(w.row->>'parameter', c.parameter) AS parameter
        FROM whole w LEFT JOIN LATERAL (
            SELECT CASE WHEN count(DISTINCT e.row->>'parameter') = 1 THEN min(e.row->>'parameter') END AS parameter
            FROM jsonb_array_elements(coalesce(w.row->'any', jsonb_build_array(w.row))) AS x
            JOIN said e ON e.book = 'episodes' AND e.name = x->>'episode'
        ) AS c ON true
    )
"""

GAUGE: dict[str, pl.DataType] = {
    **dict.fromkeys(
        ("rule", "kind", "scope", "station", "parameter", "position", "source", "district", "severity", "incident"),
        pl.String(),
    ),
    "level": pl.Int16(),
}


def gauge(conn: Connection, now: datetime) -> pl.DataFrame:
    """`GAUGE`: a row an alarm that is on, blind or recovering and each severity somebody was told of, at its level; and
    at 0 what ended less than a day ago. `scope` is the kind of its subject; `station` a code, '' what has none.

    Labels of an alarm that is on never change: its district is that of its incident, of when it was opened.
    """
    rows = conn.execute(
        f"""
        WITH {_RULES}, told AS (
            SELECT a.subject, a.rule, k.severity, a.incident, a.level
            FROM alarm a CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[a.first, a.told])) AS k (severity)
            WHERE a.state = ANY(%(active)s) AND k.severity <> ''
            UNION ALL
            -- What is over: nobody who reads this must miss its end because it came on again, under another incident.
            SELECT e.subject, e.rule, k.severity, e.incident, 0::int2
            FROM (
                SELECT DISTINCT ON (subject, rule, incident) * FROM alarm_event
                WHERE at > %(since)s AND before = ANY(%(active)s) AND after IN ('ok', 'withdrawn')
                ORDER BY subject, rule, incident, at DESC
            ) AS e
            LEFT JOIN LATERAL (
                SELECT b.told FROM alarm_event b
                WHERE b.subject = e.subject AND b.rule = e.rule AND b.incident = e.incident AND b.told <> ''
                ORDER BY b.at LIMIT 1
            ) AS b ON true
            CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[coalesce(b.told, e.told), e.told])) AS k (severity)
            WHERE k.severity <> '' AND NOT EXISTS (
                SELECT FROM alarm a WHERE a.subject = e.subject AND a.rule = e.rule AND a.state = ANY(%(active)s)
                    AND a.incident IS NOT DISTINCT FROM e.incident
            )
        )
        SELECT r.name, d.kind, s.kind, coalesce(t.code, ''), coalesce(x.parameter, d.parameter, ''),
               coalesce(x.position, ''), coalesce(o.name, ''), coalesce(i.district, s.place, m.place, ''), k.severity,
               coalesce(k.incident::text, ''), k.level
        FROM told k JOIN term r ON r.id = k.rule JOIN rules d ON d.name = r.name JOIN subject s ON s.id = k.subject
        LEFT JOIN series x ON x.id = s.series LEFT JOIN station t ON t.id = coalesce(s.station, x.station)
        LEFT JOIN source o ON o.id = s.source LEFT JOIN incident i ON i.id = k.incident
        LEFT JOIN LATERAL (
            SELECT place FROM membership
            WHERE i.id IS NULL AND station = t.id AND kind = 'district'
                AND since <= (%(now)s AT TIME ZONE 'UTC' + make_interval(mins => t.utc_offset))::date
            ORDER BY since DESC LIMIT 1
        ) AS m ON true
        ORDER BY 1, 4, 5, 6, 7, 8, 9, 10
        """,
        {"active": list(ACTIVE), "now": now, "since": now - CLOSED},
    ).fetchall()
    return pl.DataFrame(rows, schema=GAUGE, orient="row")


LISTED: dict[str, pl.DataType] = {
    **dict.fromkeys(("subject", "scope", "rule", "state"), pl.String()),
    "level": pl.Int16(),
    "since": TIME,
    "told": pl.String(),
    "incident": pl.Int64(),
}


def listed(conn: Connection, now: datetime) -> pl.DataFrame:
    """`LISTED`: alarms that are on, then those to be confirmed, then what ended less than a day ago."""
    rows = conn.execute(
        """
        SELECT s.name, s.scope, r.name, a.state, a.level, a.since, a.told, a.incident
        FROM alarm a JOIN report.subject s ON s.subject = a.subject JOIN term r ON r.id = a.rule
        WHERE a.state IN ('pending', 'firing', 'blind', 'recovering') OR a.closed > %s
        ORDER BY a.state IN ('ok', 'withdrawn'), a.state = 'pending', a.level DESC, a.since DESC, 1, 3
        """,
        [now - CLOSED],
    ).fetchall()
    return pl.DataFrame(rows, schema=LISTED, orient="row")


def words(conn: Connection, ids: list[int]) -> dict[int, str]:
    """What each subject of `ids` is called."""
    rows = conn.execute("SELECT subject, name FROM report.subject WHERE subject = ANY(%s)", [ids]).fetchall()
    return {int(str(number)): str(name) for number, name in rows}
