"""A small district for the dashboards: stations of four domains, one with quotes in its name."""

from analytics.store.connection import Connection
from tests.dashboards import domains, duties

WEST = "l'Ouest"
AIR = 'O\'HARE "1"'

#: Station, parameter, position, cadence [s].
SERIES = (
    (AIR, "pm25", "", 60),
    (AIR, "pm25", "", 600),
    (AIR, "air_temperature", "", 600),
    ("RIVER", "nh3n", "", 14400),
    ("STREET", "laeq", "", 600),
    ("LAWN", "soil_moisture", "-0.2", 600),
)


def seed(conn: Connection) -> None:
    """Two days up to now of stations of four domains, in a place with a quote in its name."""
    conn.execute("INSERT INTO station (code, title, title_zh) VALUES (%s, 'O''Hare', '奥黑尔')", [AIR])
    with conn.cursor() as cursor:
        others = dict.fromkeys(code for code, *_ in SERIES if code != AIR)
        cursor.executemany("INSERT INTO station (code) VALUES (%s)", [(code,) for code in others])
        cursor.executemany(
            """
            INSERT INTO series (station, parameter, position, cadence)
            SELECT id, %s, %s, %s FROM station WHERE code = %s
            """,
            [(parameter, position, cadence, code) for code, parameter, position, cadence in SERIES],
        )
    conn.execute(
        """
        INSERT INTO membership (station, kind, place)
        SELECT id, 'district', %s FROM station WHERE code <> 'LAWN' UNION ALL
        SELECT id, 'street', 'Rue de l''Eau' FROM station
        """,
        [WEST],
    )
    conn.execute(
        """
        INSERT INTO observation (time, value, series, batch)
        SELECT time, 10 + extract(hour FROM time), s.id, 1 FROM series s CROSS JOIN LATERAL generate_series(
            date_trunc('day', now()) - interval '1 day', now(), make_interval(secs => s.cadence)) AS time
        WHERE NOT (s.cadence = 60 AND time < now() - interval '6 hours')
        """
    )
    # Long ago, for chunks that nobody asks for.
    conn.execute(
        """
        INSERT INTO observation (time, value, series, batch)
        SELECT date_trunc('hour', now()) - make_interval(days => d), 20, s.id, 1
        FROM series s CROSS JOIN generate_series(60, 200, 10) AS d
        """
    )
    conn.execute(
        """
        INSERT INTO latest (series, time, value, first, rows)
        SELECT series, max(time), 1, min(time), count(*) FROM observation GROUP BY series
        """
    )
    conn.execute(
        "INSERT INTO verdict SELECT time, series, 1, CASE WHEN extract(hour FROM time) < 12 THEN 3 ELSE 4 END"
        " FROM observation WHERE extract(minute FROM time) = 30 OR time < now() - interval '50 days'"
    )
    conn.execute(
        """
        INSERT INTO term (kind, name) SELECT * FROM (VALUES ('averaging', 'hour'), ('averaging', 'day'),
            ('averaging', 'ld'), ('averaging', 'ln'), ('standard', 'HJ 633-2026'), ('standard', 'GB 3838-2002'),
            ('standard', 'GB 3096-2008'), ('primary', 'pm25'), ('rule', 'pm25_24h'), ('alarm', 'pm25_heavy'))
            AS v (kind, name)
        ON CONFLICT DO NOTHING
        """
    )
    conn.execute(
        """
        INSERT INTO average (time, value, series, count, expected, averaging)
        SELECT date_trunc('hour', o.time), avg(o.value), o.series, count(*), 6, g.id
        FROM observation o CROSS JOIN term g WHERE g.kind = 'averaging' AND g.name IN ('hour', 'day') GROUP BY 1, 3, 6
        """
    )
    conn.execute(
        """
        INSERT INTO assessment (time, known, station, averaging, standard, index, class, "primary", count, exceedance)
        SELECT time, time, t.id, g.id, d.id, v.index, v.class, p.id, 1, v.exceedance
        FROM (VALUES (%s, 'hour', 'HJ 633-2026', 180, 4, NULL), ('RIVER', 'hour', 'GB 3838-2002', NULL, 6, 1.5),
                     ('RIVER', 'day', 'GB 3838-2002', NULL, 5, 0.5), ('STREET', 'ln', 'GB 3096-2008', NULL, 2, 7.2))
             AS v (code, averaging, standard, index, class, exceedance)
        JOIN station t ON t.code = v.code JOIN term g ON g.kind = 'averaging' AND g.name = v.averaging
        JOIN term d ON d.kind = 'standard' AND d.name = v.standard JOIN term p ON p.kind = 'primary'
        CROSS JOIN LATERAL (
            SELECT * FROM generate_series(date_trunc('hour', now()) - interval '30 hours', now(), '1 hour')
            UNION ALL SELECT * FROM generate_series(now() - interval '200 days', now() - interval '60 days', '10 days')
        ) AS times (time)
        """,
        [AIR],
    )
    conn.execute(
        """
        INSERT INTO episode (time, known, stop, peak_time, station, rule, level, closed, peak, dose, count, levels)
        SELECT now() - interval '20 hours', now(), now(), now(), t.id, r.id, 2, false, 187.5, 100, 20, '[]'
        FROM station t, term r WHERE t.code = %s AND r.kind = 'rule'
        """,
        [AIR],
    )
    conn.execute(
        """
        INSERT INTO forecast (series, issued, start, step, level, value, low, high, models, skill, known)
        SELECT id, date_trunc('hour', now()), date_trunc('hour', now()), 3600, 0.8, array_fill(20.0::float8, '{24}'),
               array_fill(10.0::float8, '{24}'), array_fill(30.0::float8, '{24}'), array_fill('theta'::text, '{24}'),
               array_fill(0.1::float8, '{24}'), now()
        FROM series WHERE parameter = 'pm25' AND cadence = 60
        """
    )
    conn.execute(
        """
        INSERT INTO zone (code, weather, probe, area, cover, texture, flow, method)
        SELECT 'Z''1', id, id, 100, 'turf', 'loam', 2, 'sprinkler' FROM station WHERE code = 'LAWN'
        """
    )
    conn.execute("INSERT INTO supply (code, daily, yearly) VALUES ('O''well', 50, 9000)")
    conn.execute("UPDATE zone SET supply = 'O''well'")
    conn.execute(
        """
        INSERT INTO water_balance (zone, day, known, et0, kc, etc, rain, effective, irrigation, percolation, correction,
                                   depletion, taw, raw, ks, fallbacks)
        SELECT id, current_date - d, now(), 4, 0.8, 3.2, 1, 0, 0, 0, 0, 10 + d, 60, 30, 1, '{}'
        FROM zone, generate_series(0, 3) AS d
        """
    )
    conn.execute(
        """
        INSERT INTO advice (zone, issued, day, water, depth, volume, minutes, latest, depletion, raw, reason, reason_zh)
        SELECT id, now(), current_date, true, 12, 1.6, 48, now(), 31, 30, 'dry', '干' FROM zone
        """
    )
    conn.execute(
        """
        INSERT INTO watering (zone, start, stop, known, moisture, meter, evidence)
        SELECT id, now() - interval '9 hours', now() - interval '7 hours', now(), 8, 10, 'both' FROM zone
        """
    )
    conn.execute(
        """
        INSERT INTO saving (zone, month, known, days, stressed, used, baseline, low, high)
        SELECT id, current_date - 2, now(), 9, 1, 8, 12, 10, 15 FROM zone
        """
    )
    conn.execute(
        """
        INSERT INTO soil_limit (zone, known, days, fc, fc_doubt, fc_seen, wp, wp_doubt, wp_seen)
        SELECT id, now(), 300, 0.27, 0.02, 4, 0.12, 0.03, 2 FROM zone
        """
    )
    duties.seed(conn, AIR)
    domains.seed(conn, WEST)
