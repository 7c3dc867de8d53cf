"""A store of a large network: 10,000 series up to now, thirty million readings and all that is made of them.

Made in SQL, not by the chain: what a dashboard reads must be there in its real number and spread, in a few minutes.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from analytics.store.connection import Connection
from tests.dashboards import duties

#: Domain -> stations, and what each measures: parameter, position.
NETWORK: dict[str, tuple[int, list[tuple[str, str]]]] = {
    "air": (
        780,
        [(name, "") for name in ("pm25", "pm10", "so2", "no2", "co", "o3", "air_temperature", "relative_humidity")]
        + [("wind_speed", ""), ("rain", "")],
    ),
    "water": (
        150,
        [(name, "") for name in ("ph", "dissolved_oxygen", "codmn", "nh3n", "tp", "tn", "turbidity", "conductivity")],
    ),
    "noise": (200, [("laeq", ""), ("lafmax", "")]),
    "soil": (120, [("soil_moisture", depth) for depth in ("-0.1", "-0.2", "-0.4")] + [("soil_temperature", "-0.1")]),
}
#: Readings of all series of so many days, and of some stations as far back as the rest of the readings goes.
CADENCE, DAYS, KEPT = 600, 10, 150
A_DAY = 86_400 // CADENCE
#: Districts, streets of each.
DISTRICTS, STREETS = 12, 8


def fill(conn: Connection, total: int, step: Callable[[str], None]) -> str:
    """A station with everything, after `total` readings were made of as many series as a third of a thousandth of them.

    `step` is told what was done.
    """
    share = min(1.0, total / 30_000_000)
    _register(conn, share)
    step("series")
    row = conn.execute("SELECT count(*), count(*) FILTER (WHERE station <= %s) FROM series", [_kept(share)]).fetchone()
    assert row is not None
    series, kept = int(str(row[0])), int(str(row[1]))
    back = max(20, (total - series * A_DAY * DAYS) // (kept * A_DAY))
    _readings(conn, DAYS, back, _kept(share), step)
    for table, statement in DERIVED.items():
        conn.execute(statement.encode())
        step(table)
    one = "A0001"
    conn.execute(ONE.encode())
    duties.seed(conn, one)
    conn.execute(EVENTS.encode())
    step("alarms and incidents")
    conn.execute("VACUUM ANALYZE")
    step("vacuum")
    return one


def _kept(share: float) -> int:
    return max(2, round(KEPT * share))


def _register(conn: Connection, share: float) -> None:
    for domain, (stations, measured) in NETWORK.items():
        count, letter = max(2, round(stations * share)), domain[0].upper()
        conn.execute(
            """
            WITH made AS (
                INSERT INTO station (code, title, title_zh, longitude, latitude)
                SELECT %(letter)s || lpad(n::text, 4, '0'), 'Station ' || %(letter)s || n, '测站' || n,
                       116 + (n * 7919 %% 1000) / 1000.0, 39.5 + (n * 104729 %% 1000) / 1000.0
                FROM generate_series(1, %(count)s) AS n ORDER BY n RETURNING id
            )
            INSERT INTO membership (station, kind, place)
            SELECT id, kind, place FROM made CROSS JOIN LATERAL (VALUES
                ('district', 'District ' || id %% %(districts)s), ('street', 'Street ' || id %% %(streets)s)
            ) AS v (kind, place)
            """,
            {"letter": letter, "count": count, "districts": DISTRICTS, "streets": DISTRICTS * STREETS},
        )
        conn.execute(
            """
            INSERT INTO series (station, parameter, position, cadence)
            SELECT t.id, v.parameter, v.position, %s FROM station t
            CROSS JOIN unnest(%s::text[], %s::text[]) AS v (parameter, position) WHERE t.code LIKE %s ORDER BY 1, 2, 3
            """,
            [CADENCE, [name for name, _ in measured], [place for _, place in measured], f"{letter}%"],
        )
    conn.execute("INSERT INTO source (name) VALUES ('soak')")
    conn.execute(TERMS.encode())


def _readings(conn: Connection, days: int, back: int, kept: int, step: Callable[[str], None]) -> None:
    """Nothing; a day a statement, as readings come. Days before `days` are of the first `kept` stations alone."""
    end = datetime.fromtimestamp(time.time() // CADENCE * CADENCE, UTC) + timedelta(seconds=CADENCE)
    for day in range(back + days, 0, -1):
        conn.execute(
            """
            INSERT INTO observation (time, series, batch, value)
            SELECT g.time, s.id, 1,
                   floor(300 + 150 * sin(extract(epoch FROM g.time)::float8 / 14000 + s.id) + 100 * random()) / 10
            FROM series s CROSS JOIN generate_series(
                %(end)s - %(day)s * interval '1 day', %(end)s - (%(day)s - 1) * interval '1 day' - interval '1 second',
                make_interval(secs => %(cadence)s)
            ) AS g (time)
            WHERE %(day)s <= %(days)s OR s.station <= %(kept)s
            """,
            {"cadence": CADENCE, "end": end, "day": day, "days": days, "kept": kept},
        )
        if day % 10 == 0 or day <= days:
            step(f"readings of {day} days ago")


TERMS = """
    INSERT INTO term (kind, name) VALUES ('averaging', 'hour'), ('averaging', 'day'), ('averaging', 'ld'),
        ('averaging', 'ln'), ('averaging', 'moving24'), ('standard', 'HJ 633-2026'), ('standard', 'GB 3838-2002'),
        ('standard', 'GB 3096-2008'), ('primary', 'pm25'), ('primary', 'nh3n'), ('primary', 'laeq'),
        ('episode', 'pm25_24h'), ('episode', 'noise_night'), ('episode', 'ammonia_high'), ('rule', 'pm25_24h'),
        ('alarm', 'pm25_heavy'), ('detector', 'robust-seasonal')
    ON CONFLICT DO NOTHING
"""

#: What is made of the readings: table -> statement, each after those before.
DERIVED: dict[str, str] = {
    "latest": """
        INSERT INTO latest (series, time, value, first, rows, live)
        SELECT series, max(time), 30, min(time), count(*), max(time) FROM observation GROUP BY series
    """,
    # One reading in a hundred is marked; of those a tenth as wrong.
    "verdict": """
        INSERT INTO verdict (time, series, tests, code)
        SELECT time, series, 1, CASE WHEN random() < 0.1 THEN 4 ELSE 3 END FROM observation WHERE random() < 0.01
    """,
    "average, hours": """
        INSERT INTO average (time, value, series, count, expected, averaging)
        SELECT time_bucket('1 hour', o.time), avg(o.value), o.series, count(*), 6, g.id
        FROM observation o CROSS JOIN term g WHERE g.kind = 'averaging' AND g.name = 'hour' GROUP BY 1, 3, 6
    """,
    "average, moving": """
        INSERT INTO average (time, value, series, count, expected, averaging)
        SELECT a.time, a.value, a.series, 24, 24, g.id
        FROM average a JOIN series s ON s.id = a.series JOIN term h ON h.id = a.averaging, term g
        WHERE h.name = 'hour' AND g.name = 'moving24' AND s.parameter IN ('pm25', 'pm10')
    """,
    "average, days": """
        INSERT INTO average (time, value, series, count, expected, averaging)
        SELECT time_bucket('1 day', a.time, 'Asia/Shanghai'), avg(a.value), a.series, count(*), 24, g.id
        FROM average a JOIN term h ON h.id = a.averaging JOIN series s ON s.id = a.series CROSS JOIN term g
        WHERE h.name = 'hour' AND g.kind = 'averaging'
              AND (g.name = 'day' OR g.name IN ('ld', 'ln') AND s.parameter = 'laeq')
        GROUP BY 1, 3, 6
    """,
    "corrected": """
        INSERT INTO corrected (time, value, series)
        SELECT time, value * 1.1, series FROM observation
        WHERE series % 200 = 199 AND time > now() - interval '3 days'
    """,
    "score": """
        INSERT INTO score (time, value, series, detector)
        SELECT a.time, round((random() * 4)::numeric, 2), a.series, d.id
        FROM average a JOIN term h ON h.id = a.averaging
        JOIN series s ON s.id = a.series CROSS JOIN term d
        WHERE h.name = 'hour' AND d.kind = 'detector' AND random() < 0.02 AND s.station > 1
    """,
    "assessment": """
        INSERT INTO assessment (time, known, station, averaging, standard, index, class, "primary", count, exceedance)
        SELECT a.time, a.time, s.station, a.averaging, d.id,
               CASE v.domain WHEN 'A' THEN (20 + a.value * 3)::int END, 1 + (a.value::int % v.classes), p.id, 1,
               CASE v.domain WHEN 'A' THEN NULL WHEN 'N' THEN a.value - 45 ELSE a.value / 40 END
        FROM (VALUES ('A', 'pm25', '{hour,day}'::text[], 'HJ 633-2026', 6),
                     ('W', 'nh3n', '{hour,day}', 'GB 3838-2002', 6),
                     ('N', 'laeq', '{ld,ln}', 'GB 3096-2008', 2)
        ) AS v (domain, parameter, averagings, standard, classes)
        JOIN series s ON s.parameter = v.parameter JOIN term d ON d.kind = 'standard' AND d.name = v.standard
        JOIN term p ON p.kind = 'primary' AND p.name = v.parameter
        JOIN term g ON g.kind = 'averaging' AND g.name = ANY (v.averagings)
        JOIN average a ON a.series = s.id AND a.averaging = g.id
        WHERE a.value IS NOT NULL
    """,
    # Some two a station and week; of those that have begun in the last day, half are on.
    "episode": """
        INSERT INTO episode (time, known, stop, peak_time, station, rule, level, closed, peak, dose, count, levels)
        SELECT DISTINCT ON (s.station, r.id, e.time) e.time, e.time + interval '1 hour', e.time + e.long,
               e.time + e.long / 2, s.station, r.id, 1 + (random() < 0.3)::int,
               e.time + e.long < now() - interval '12 hours' OR random() < 0.5, 80 + random() * 200, 100, 10, '[]'
        FROM (VALUES ('pm25', 'pm25_24h'), ('laeq', 'noise_night'), ('nh3n', 'ammonia_high')) AS v (parameter, rule)
        JOIN series s ON s.parameter = v.parameter JOIN term r ON r.kind = 'episode' AND r.name = v.rule
        JOIN latest l ON l.series = s.id
        CROSS JOIN LATERAL (
            SELECT date_trunc('hour', g) + ((random() * 100)::int % 80) * interval '1 hour' AS time,
                   (4 + random() * 30)::int * interval '1 hour' AS long
            FROM generate_series(l.first, now(), '84 hours') AS g
        ) AS e
        WHERE e.time < now() - interval '1 hour' AND s.station > 1
    """,
    # What was issued in the last two days, every six hours, for three days to come.
    "forecast": """
        INSERT INTO forecast (series, issued, start, step, level, value, low, high, models, skill, known)
        SELECT s.id, i, i, 3600, 0.8, array_fill(20.0::float8, '{72}'), array_fill(10.0::float8, '{72}'),
               array_fill(30.0::float8, '{72}'), array_fill('theta'::text, '{72}'), array_fill(0.1::float8, '{72}'), i
        FROM series s CROSS JOIN generate_series(
            date_trunc('hour', now()) - interval '2 days', date_trunc('hour', now()), '6 hours') AS i
    """,
    "zone": """
        INSERT INTO zone (code, weather, probe, area, cover, texture, flow, method)
        SELECT 'Z-' || code, id, id, 100, 'turf', 'loam', 2, 'sprinkler' FROM station WHERE code LIKE 'S%'
    """,
    "water_balance": """
        INSERT INTO water_balance (zone, day, known, effective, irrigation, percolation, correction, depletion, taw,
                                   raw, ks, fallbacks)
        SELECT id, current_date - d, now(), 0, 0, 0, 0, 10 + d % 20, 60, 30, 1, '{}'
        FROM zone, generate_series(0, 60) AS d
    """,
    "advice": """
        INSERT INTO advice (zone, issued, day, water, depth, volume, minutes, latest, depletion, raw, reason, reason_zh)
        SELECT id, now() - make_interval(days => d), current_date - d, d % 3 = 0, 12, 1.6, 48, now(), 31, 30, 'dry',
               '干'
        FROM zone, generate_series(0, 30) AS d
    """,
}

#: The first station has one, for what people did there.
ONE = """
    INSERT INTO episode (time, known, stop, peak_time, station, rule, level, closed, peak, dose, count, levels)
    SELECT date_trunc('hour', now()) - interval '20 hours', now(), now(), now(), 1, id, 2, false, 187.5, 100, 20, '[]'
    FROM term WHERE kind = 'episode' AND name = 'pm25_24h'
"""

#: Of every station with an episode that is on, an alarm; of all episodes, what was said of them.
EVENTS = """
    INSERT INTO subject (kind, station) SELECT DISTINCT 'station', e.station FROM episode e
    WHERE e.station NOT IN (SELECT station FROM subject WHERE station IS NOT NULL);
    INSERT INTO alarm (subject, rule, state, level, since, episode, edge, first, told, incident)
    SELECT DISTINCT ON (s.id) s.id, t.id, 'firing', 1, e.time, e.time, now(), 'page', 'page', NULL
    FROM episode e JOIN subject s ON s.station = e.station CROSS JOIN term t
    WHERE NOT e.closed AND t.kind = 'alarm' AND t.name = 'pm25_heavy' ON CONFLICT DO NOTHING;
    INSERT INTO alarm_event (at, subject, rule, before, after, level, reason, evidence, told, incident)
    SELECT e.time + v.ago, s.id, t.id, v.before, v.after, 1, v.reason, '{}', 'page', NULL
    FROM episode e JOIN subject s ON s.station = e.station CROSS JOIN term t
    CROSS JOIN (VALUES (interval '0', 'ok', 'pending', 'episode'),
                       (interval '1 hour', 'pending', 'firing', 'confirmed'),
                       (interval '5 hours', 'firing', 'ok', 'over')) AS v (ago, before, after, reason)
    WHERE t.kind = 'alarm' AND t.name = 'pm25_heavy';
    INSERT INTO incident (subject, rule, severity, told, level, opened, since, onset, edge, district, street,
                          utc_offset, delivered, acknowledged, acknowledged_by, recovered, resolved, tier)
    SELECT s.id, t.id, 'ticket', '{ticket}', 1, e.time + interval '1 hour', e.time, e.time, e.stop,
           coalesce(d.place, ''), coalesce(r.place, ''), 480, e.time + interval '1 hour 20 seconds',
           e.time + interval '1 hour 9 minutes', 'duty', CASE WHEN e.over THEN e.stop END,
           CASE WHEN e.over THEN e.stop + interval '1 hour' END, 0
    FROM (SELECT *, closed OR row_number() OVER (PARTITION BY station ORDER BY time DESC) > 1 AS over
          FROM episode WHERE level = 2 AND station > 1) AS e
    JOIN subject s ON s.station = e.station
    LEFT JOIN membership d ON d.station = e.station AND d.kind = 'district'
    LEFT JOIN membership r ON r.station = e.station AND r.kind = 'street' CROSS JOIN term t
    WHERE t.kind = 'alarm' AND t.name = 'pm25_heavy';
    INSERT INTO incident_log (incident, at, author, action, note)
    SELECT id, opened, 'watch', 'opened', '' FROM incident WHERE severity = 'ticket'
    UNION ALL SELECT id, acknowledged, 'duty', 'acknowledge', '' FROM incident WHERE severity = 'ticket';
    INSERT INTO batch (id, ordinal, known, source, kind, decoder, read, new, replaced, duplicates, missing, rejects,
                       conflicts)
    SELECT 1000 + n, 1000 + n, now() - make_interval(secs => 30 * (80000 - n)), s.id, 'live', 'long', 500, 499, 0, 0,
           0, 1, 0
    FROM generate_series(1, 80000) AS n JOIN source s ON s.name = 'soak';
    INSERT INTO reject (batch, source, reason, station, channel, stamp, text, time, value, kept)
    SELECT b.id, b.source, 'unknown series', t.code, 'no2', b.known::text, '12', b.known, 12, b.known
    FROM batch b JOIN station t ON t.id = 1 + b.id % (SELECT count(*) FROM station)
    WHERE b.id > 1000 AND b.id % 4 = 0
"""
