"""How things stand: what the pages show of stations, episodes, alarms, forecasts and zones, each in one query."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from psycopg.rows import dict_row

from analytics.frames import TIME
from analytics.store import corrections
from analytics.store.alarms import CLOSED
from analytics.store.connection import Connection

#: A station whose newest class is older than this has none.
FRESH = timedelta(hours=26)
#: Analysers of water sections read every four hours, and report some time after.
CYCLE = timedelta(hours=5)


def newest(conn: Connection, voices: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Newest reading of each of `voices` (`registry.load_voices`): station, parameter, position, voice, series, time,
    value, code (null: good), cadence [s].

    The value as it counts, null where it is withdrawn. Of two series of one quantity the newer reading counts. `code`
    is the QARTOD flag of its verdict.
    """
    rows = conn.execute(
        """
        SELECT l.series, l.time, l.value, v.code FROM latest l
        LEFT JOIN verdict v ON v.series = l.series AND v.time = l.time AND v.time > %s
        WHERE l.time IS NOT NULL
        """,
        [now - timedelta(days=2)],
    ).fetchall()
    schema: dict[str, Any] = {"series": pl.Int32, "time": TIME, "value": pl.Float64, "code": pl.Int16}
    readings = corrections.as_counted(conn, pl.DataFrame(rows, schema=schema, orient="row"))
    return (
        readings.join(voices, on="series")
        .sort(pl.col("time").dt.truncate("10m"), -pl.col("rank"), descending=[True, True])
        .unique("voice", keep="first", maintain_order=True)
        .select("station", "parameter", "position", "voice", "series", "time", "value", "code", "cadence")
        .sort("station", "parameter", "position")
    )


def assessed(conn: Connection, now: datetime, station: int | None = None) -> pl.DataFrame:
    """Newest assessment with a class: station, standard, averaging, time, index, class, primary, count, exceedance.

    Of all stations, or of `station`.

    A section's class rests on whatever came in that hour: within a cycle of its analysers, on most parameters.
    """
    rows = conn.execute(
        """
        SELECT DISTINCT ON (a.station, a.standard, a.averaging)
               a.station, d.name, g.name, a.time, a.index, a.class, p.name, a.count, a.exceedance
        FROM assessment a JOIN term g ON g.id = a.averaging JOIN term d ON d.id = a.standard
        LEFT JOIN term p ON p.id = a.primary
        WHERE a.time > %(since)s AND a.time <= %(now)s AND a.class IS NOT NULL
            AND (%(station)s::int4 IS NULL OR a.station = %(station)s)
        ORDER BY a.station, a.standard, a.averaging,
                 CASE WHEN a.index IS NULL AND a.time > %(cycle)s THEN a.count ELSE 0 END DESC, a.time DESC
        """,
        {"since": now - 3 * FRESH, "now": now, "cycle": now - CYCLE, "station": station},
    ).fetchall()
    schema: dict[str, Any] = {
        "station": pl.Int32,
        "standard": pl.String,
        "averaging": pl.String,
        "time": TIME,
        "index": pl.Int16,
        "class": pl.Int16,
        "primary": pl.String,
        "count": pl.Int16,
        "exceedance": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def episodes(conn: Connection, since: datetime, station: int | None = None) -> list[dict[str, Any]]:
    """Episodes that are open or ended after `since`, what happens before what is expected or a device's, newest first:
    the columns of `frames.EPISODES`, `code` of the station and its titles, what the rule is `about`."""
    return _dicts(
        conn,
        """
        SELECT t.code, t.title, t.title_zh, r.name AS rule, e.time, e.stop, e.level, e.closed, e.peak, e.peak_time,
               e.dose, e.count, coalesce(d.about, 'event') AS about
        FROM episode e JOIN station t ON t.id = e.station JOIN term r ON r.id = e.rule
        LEFT JOIN report.episode_rule d ON d.rule = r.name
        WHERE (NOT e.closed OR e.stop > %(since)s) AND (%(station)s::int4 IS NULL OR e.station = %(station)s)
        ORDER BY e.closed, coalesce(d.about, 'event') <> 'event', e.level DESC, e.time DESC, t.code
        """,
        {"since": since, "station": station},
    )


def alarms(conn: Connection, now: datetime) -> list[dict[str, Any]]:
    """Alarms that are on, then those to be confirmed, then what was withdrawn lately, the highest first: code, title,
    title_zh, rule, state, level, since, episode, edge, name, scope, told, incident. `code` is that of the station; null
    where the subject has none."""
    return _dicts(
        conn,
        """
        SELECT t.code, CASE s.scope WHEN 'station' THEN t.title ELSE s.name END AS title,
               CASE s.scope WHEN 'station' THEN t.title_zh ELSE '' END AS title_zh, r.name AS rule, a.state,
               a.level, a.since, a.episode, a.edge, s.name, s.scope, a.told, a.incident
        FROM alarm a JOIN report.subject s ON s.subject = a.subject JOIN term r ON r.id = a.rule
        LEFT JOIN station t ON t.code = s.station
        WHERE a.state <> 'ok' AND (a.state <> 'withdrawn' OR a.closed > %s)
        ORDER BY a.state = 'withdrawn', a.state = 'pending', a.level DESC, a.since DESC, t.code, s.name
        """,
        [now - CLOSED],
    )


def advice(conn: Connection) -> list[dict[str, Any]]:
    """Newest advice of each zone, those to water first: code, titles, area [m²] and the columns of `advice`."""
    rows = _dicts(
        conn,
        """
        SELECT DISTINCT ON (z.code) z.code, z.title, z.title_zh, z.area, p.code AS probe,
               ARRAY(SELECT s.code FROM station s WHERE s.id = ANY(z.beside) ORDER BY 1) AS beside, a.issued, a.day,
               a.water, a.depth, a.volume, a.minutes, a.latest, a.depletion, a.raw, a.reason, a.reason_zh, a.begin,
               a.risk, a.trusted, a.doubted, a.plan,
               (SELECT b.taw FROM water_balance b WHERE b.zone = z.id ORDER BY b.day DESC LIMIT 1) AS taw
        FROM zone z JOIN advice a ON a.zone = z.id LEFT JOIN station p ON p.id = z.probe
        ORDER BY z.code, a.issued DESC
        """,
    )
    return sorted(rows, key=lambda row: (row["water"] is not True, row["water"] is False, row["code"]))


def forecasts(conn: Connection, voices: list[int]) -> dict[int, dict[str, Any]]:
    """Newest forecast of each of `voices`: issued, start, step [s], level, value, low, high, models, reason."""
    rows = _dicts(
        conn,
        """
        SELECT f.* FROM unnest(%s::int4[]) AS v (series) CROSS JOIN LATERAL (
            SELECT series, issued, start, step, level, value, low, high, models, reason FROM forecast
            WHERE series = v.series ORDER BY issued DESC LIMIT 1
        ) AS f
        """,
        [voices],
    )
    return {row["series"]: row for row in rows}


def _dicts(conn: Connection, query: str, params: Any = None) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, params).fetchall()
