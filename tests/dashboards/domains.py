"""What the dashboards of air, water, noise and soil need beside the small district: VOC, limits, weather, alarms."""

from analytics.store.connection import Connection

#: station -> parameter, height, cadence [s].
SERIES = (
    ("CELL", "tvoc", "", 600),
    ("CELL", "nmhc", "", 600),
    ("CELL", "benzene", "", 600),
    ("RIVER", "dissolved_oxygen", "", 600),
    ("RIVER", "ph", "", 600),
    ("RIVER", "water_level", "", 600),
    ("RIVER", "conductivity", "", 600),
    ("RIVER", "rain", "", 600),
    ("STREET", "lafmax", "", 60),
    ("LAWN", "soil_temperature", "-0.1", 600),
)
#: What goes wrong: station, series of what is silent (else the station), rule of the episode, rule of the alarm.
WRONG = (
    ("RIVER", None, "oxygen_low", "oxygen_severe"),
    ("STREET", None, "noise_night", "noise_night"),
    ("LAWN", "soil_moisture", None, "channel_silent"),
)


def seed(conn: Connection, district: str) -> None:
    """Rows of the two days up to now; the stations of `world.seed` are there."""
    _means(conn, district)
    _noise(conn)
    _wrong(conn)
    _region(conn)
    _runoff(conn)
    conn.execute("UPDATE water_balance SET et0 = 4, kc = 0.8, etc = 3.2, rain = 1, moisture = 0.2")


def _means(conn: Connection, district: str) -> None:
    conn.execute("INSERT INTO station (code) VALUES ('CELL')")
    conn.execute(
        "INSERT INTO membership SELECT id, 'district', '-infinity', %s FROM station WHERE code = 'CELL'", [district]
    )
    for station, parameter, position, cadence in SERIES:
        row = conn.execute(
            """
            INSERT INTO series (station, parameter, position, cadence)
            SELECT id, %s, %s, %s FROM station WHERE code = %s
            ON CONFLICT (station, parameter, position, statistic, cadence) DO UPDATE SET cadence = EXCLUDED.cadence
            RETURNING id
            """,
            [parameter, position, cadence, station],
        ).fetchone()
        assert row is not None
        conn.execute(
            """
            INSERT INTO latest (series, time, value, first, rows) VALUES (%s, now(), 4, now(), 1)
            ON CONFLICT DO NOTHING
            """,
            row,
        )
        conn.execute(
            """
            INSERT INTO average (time, value, series, count, expected, averaging)
            SELECT time, 4 + extract(hour FROM time) / 10, %s, 6, 6, g.id
            FROM term g
            CROSS JOIN generate_series(date_trunc('hour', now()) - interval '40 hours', now(), '1 hour') AS time
            WHERE g.kind = 'averaging' AND g.name = 'hour'
            UNION ALL
            SELECT time, 4, %s, 24, 24, g.id
            FROM term g CROSS JOIN generate_series(date_trunc('day', now()) - interval '7 days', now(), '1 day') AS time
            WHERE g.kind = 'averaging' AND g.name = 'day'
            ON CONFLICT DO NOTHING
            """,
            [*row, *row],
        )


def _noise(conn: Connection) -> None:
    conn.execute("INSERT INTO membership SELECT id, 'noise_zone', '-infinity', '2' FROM station WHERE code = 'STREET'")
    conn.execute(
        """
        INSERT INTO assessment (time, known, station, averaging, standard, class, count, exceedance)
        SELECT time, time, t.id, g.id, d.id, 1, 1, -3
        FROM station t JOIN term g ON g.kind = 'averaging' AND g.name = 'ld'
        JOIN term d ON d.kind = 'standard' AND d.name = 'GB 3096-2008'
        CROSS JOIN generate_series(  -- older than the newest night of `world.seed` at every hour of the day
            date_trunc('day', now()) - interval '2 days', now() - interval '2 hours', '1 day'
        ) AS time
        WHERE t.code = 'STREET'
        """
    )


def _wrong(conn: Connection) -> None:
    for station, silent, rule, alarm in WRONG:
        if rule is not None:
            conn.execute("INSERT INTO term (kind, name) VALUES ('rule', %s) ON CONFLICT DO NOTHING", [rule])
            conn.execute(
                """
                INSERT INTO episode (time, known, stop, peak_time, station, rule, level, closed, peak, dose, count,
                                     levels)
                SELECT now() - interval '9 hours', now(), now() - interval '2 hours', now() - interval '5 hours', t.id,
                       r.id, 1, true, 2.5, 10, 7, '[]'
                FROM station t, term r WHERE t.code = %s AND r.kind = 'rule' AND r.name = %s
                """,
                [station, rule],
            )
        conn.execute("INSERT INTO term (kind, name) VALUES ('alarm', %s) ON CONFLICT DO NOTHING", [alarm])
        subject = conn.execute(
            """
            INSERT INTO subject (kind, station, series)
            SELECT CASE WHEN s.id IS NULL THEN 'station' ELSE 'channel' END,
                   CASE WHEN s.id IS NULL THEN t.id END, s.id
            FROM station t LEFT JOIN series s ON s.station = t.id AND s.parameter = %s WHERE t.code = %s RETURNING id
            """,
            [silent, station],
        ).fetchone()
        assert subject is not None
        conn.execute(
            """
            INSERT INTO alarm (subject, rule, state, level, since, edge, first, told)
            SELECT %s, id, 'firing', 1, now() - interval '8 hours', now(), '', ''
            FROM term WHERE kind = 'alarm' AND name = %s
            """,
            [*subject, alarm],
        )
        conn.execute(
            """
            INSERT INTO alarm_event (at, subject, rule, before, after, level, reason, evidence)
            SELECT now() - interval '8 hours', %s, id, 'ok', 'firing', 1, 'confirmed', '{}'
            FROM term WHERE kind = 'alarm' AND name = %s
            """,
            [*subject, alarm],
        )
    conn.execute(
        """
        INSERT INTO planned (scope, name, start, stop, author, reason, known)
        VALUES ('all', '', now() - interval '4 hours', now() + interval '1 hour', 'O''Neil', 'fireworks', now())
        """
    )


def _runoff(conn: Connection) -> None:
    """A storm washed into the river."""
    conn.execute("INSERT INTO term (kind, name) VALUES ('episode', 'storm_runoff') ON CONFLICT DO NOTHING")
    conn.execute(
        """
        INSERT INTO episode (time, known, stop, peak_time, station, rule, level, closed, peak, dose, count, levels)
        SELECT now() - interval '9 hours', now(), now() - interval '2 hours', now() - interval '5 hours', t.id, r.id, 1,
               true, 250, 10, 7, '[]'
        FROM station t, term r WHERE t.code = 'RIVER' AND r.kind = 'episode' AND r.name = 'storm_runoff'
        """
    )


def _region(conn: Connection) -> None:
    """The river's oxygen was low at two places."""
    conn.execute(
        """
        INSERT INTO region (time, known, stop, arrived, broadest, peak_time, rule, station, level, closed, stations,
                            core, most, worst, peak, dose)
        SELECT time, known, stop, time, time, peak_time, rule, station, level, closed, 2, 1, 2, station, peak, dose
        FROM episode WHERE rule = (SELECT id FROM term WHERE name = 'oxygen_low')
        """
    )
    conn.execute(
        """
        INSERT INTO region_member (time, since, stop, rule, station, member, level, core, arrival, "order", hours,
                                   presence, dose)
        SELECT r.time, r.time, r.stop, r.rule, r.station, t.id, 1, t.id = r.station, 0, 1, 7, 1, 5
        FROM region r JOIN station t ON t.id = r.station OR t.code = 'CELL'
        """
    )
    conn.execute(
        """
        INSERT INTO region_name (name, station, rule, time, stop, closed, gone)
        SELECT 7, member, rule, since, stop, true, false FROM region_member
        """
    )
