"""What people and machinery do in the district of the dashboards: alarms, incidents, corrections, doors, workers."""

from analytics.store.connection import Connection

STREET = "Rue de l'Eau"


def seed(conn: Connection, station: str) -> None:
    """An open alarm of `station`, incidents, one of which was for nothing, and all that stands around them."""
    _alarms(conn, station)
    _incidents(conn)
    _people(conn, station)
    _doors(conn, station)
    _workers(conn)


def _alarms(conn: Connection, station: str) -> None:
    conn.execute("INSERT INTO subject (kind, station) SELECT 'station', id FROM station WHERE code = %s", [station])
    conn.execute(
        """
        INSERT INTO alarm (subject, rule, state, level, since, episode, edge, first, told, incident)
        SELECT s.id, t.id, 'firing', 2, now() - interval '19 hours', now() - interval '20 hours', now(), 'page', 'page',
               1
        FROM subject s JOIN term t ON t.kind = 'alarm' AND t.name = 'pm25_heavy' WHERE s.kind = 'station'
        """
    )
    conn.execute(
        """
        INSERT INTO alarm_event (at, subject, rule, before, after, level, reason, evidence, told, incident)
        SELECT now() - v.ago, a.subject, a.rule, v.before, v.after, v.level, v.reason, '{}', v.told, v.incident
        FROM alarm a CROSS JOIN (VALUES
            (interval '19 hours 30 minutes', 'ok', 'pending', 1, 'episode', '', NULL),
            (interval '19 hours', 'pending', 'firing', 1, 'confirmed', 'page', 1),
            (interval '3 hours', 'firing', 'blind', 1, 'silent', 'page', 1),
            (interval '40 minutes', 'blind', 'firing', 2, 'level', 'page', 1)
        ) AS v (ago, before, after, level, reason, told, incident)
        """
    )
    conn.execute(
        """
        INSERT INTO planned (scope, name, start, stop, author, reason, known)
        VALUES ('station', %s, now() - interval '5 hours', now() + interval '1 hour', 'O''Neil', 'works', now())
        """,
        [station],
    )


def _incidents(conn: Connection) -> None:
    conn.execute(
        """
        INSERT INTO incident (subject, rule, severity, told, level, opened, since, onset, edge, district, street,
                              utc_offset, delivered, acknowledged, acknowledged_by, dispatched, recovered, withdrawn,
                              resolved, tier)
        SELECT a.subject, a.rule, v.severity, ARRAY[v.severity], 2, now() - v.ago, now() - v.ago, now() - v.ago, now(),
               'l''Ouest', %s, 480, now() - v.ago + interval '20 seconds',
               now() - v.ago + v.answer, CASE WHEN v.answer IS NOT NULL THEN 'O''Neil' END,
               now() - v.ago + v.answer * 2, now() - v.ago + v.over, now() - v.ago + v.nothing, now() - v.ago + v.done,
               v.tier
        FROM alarm a CROSS JOIN (VALUES
            ('page', interval '19 hours', NULL::interval, NULL::interval, NULL::interval, NULL::interval, 2),
            ('page', interval '20 hours', interval '7 minutes', interval '9 hours', NULL, interval '10 hours', 0),
            ('ticket', interval '1 day', interval '1 hour', NULL, interval '2 hours', NULL, 0)
        ) AS v (severity, ago, answer, over, nothing, done, tier)
        """,
        [STREET],
    )
    conn.execute(
        """
        INSERT INTO incident_log (incident, at, author, action, note)
        SELECT id, opened, 'watch', 'opened', '' FROM incident
        UNION ALL SELECT id, acknowledged, acknowledged_by, 'acknowledge', 'on the way' FROM incident
        WHERE acknowledged IS NOT NULL
        """
    )
    conn.execute(
        """
        INSERT INTO work_order (id, incident, made, made_by, body, state, due, tries, sent)
        SELECT gen_random_uuid(), id, dispatched, 'O''Neil', '{}', 'sent', dispatched, 1, dispatched FROM incident
        WHERE dispatched IS NOT NULL
        """
    )


def _people(conn: Connection, station: str) -> None:
    mine = "FROM series s JOIN station t ON t.id = s.station WHERE t.code = %s AND s.parameter = 'pm25'"
    conn.execute(
        f"""
        INSERT INTO correction (series, kind, start, stop, given, author, reason, known)
        SELECT s.id, 'recalibration', now() - interval '6 hours', now() - interval '4 hours', '{{"gain": 1.1}}',
               'O''Neil', 'span gas', now() {mine}
        """,
        [station],
    )
    conn.execute(
        """
        INSERT INTO corrected (time, value, series)
        SELECT o.time, o.value * 1.1, s.id FROM series s JOIN station t ON t.id = s.station
        JOIN observation o ON o.series = s.id
        WHERE t.code = %s AND s.parameter = 'pm25' AND o.time < now() - interval '4 hours'
            AND (o.time > now() - interval '6 hours' OR o.time < now() - interval '50 days')
        """,
        [station],
    )
    conn.execute(
        f"""
        INSERT INTO review (series, during, state, author, reason, known)
        SELECT s.id, tstzrange(now() - interval '2 days', now() - interval '1 day'), 'reviewed', 'O''Neil', '', now()
        {mine}
        """,
        [station],
    )
    conn.execute("INSERT INTO term (kind, name) VALUES ('detector', 'robust-seasonal') ON CONFLICT DO NOTHING")
    conn.execute(
        """
        INSERT INTO score (time, value, series, detector)
        SELECT times.time, 1.5, s.id, d.id FROM series s JOIN station t ON t.id = s.station
        CROSS JOIN term d CROSS JOIN LATERAL (
            SELECT * FROM generate_series(date_trunc('hour', now()) - interval '20 hours', now(), '1 hour')
            UNION ALL SELECT * FROM generate_series(now() - interval '200 days', now() - interval '60 days', '10 days')
        ) AS times (time)
        WHERE t.code = %s AND s.parameter = 'pm25' AND d.kind = 'detector'
        """,
        [station],
    )


def _doors(conn: Connection, station: str) -> None:
    conn.execute("INSERT INTO source (name) VALUES ('hj212'), ('O''HARE net') ON CONFLICT DO NOTHING")
    conn.execute(
        """
        INSERT INTO batch (id, ordinal, known, source, kind, decoder, read, new, replaced, duplicates, missing, rejects,
                           conflicts)
        SELECT n, n, now() - make_interval(mins => 10 * (200 - n)), s.id,
               (ARRAY['late', 'live', 'live', 'live', 'live'])[1 + n % 5], 'hj212', 10, 8, 0, 0, 1, 1, 0
        FROM generate_series(1, 200) AS n JOIN source s ON s.name = 'hj212'
        """
    )
    conn.execute(
        """
        INSERT INTO reject (batch, source, reason, station, channel, stamp, text, time, value, kept)
        SELECT b.id, b.source, CASE WHEN b.id %% 3 = 0 THEN 'unknown series' ELSE 'archived' END, %s, 'no2',
               b.known::text, '12', b.known, 12, b.known
        FROM batch b
        """,
        [station],
    )
    conn.execute(
        """
        INSERT INTO spool (door, told, bytes, records, oldest)
        VALUES ('hj212', now(), 900, 3, now() - interval '1 minute'), ('http', now(), 0, 0, NULL)
        """
    )
    conn.execute("INSERT INTO pull (name, connector, ids) VALUES ('calder', 'ea-hydrology', '{}')")
    conn.execute("INSERT INTO pull_state (pull, tried, succeeded, due) VALUES ('calder', now(), now(), now())")
    conn.execute(
        """
        INSERT INTO clock (station, source, slot, hour, delay)
        SELECT t.id, s.id, h, date_trunc('hour', now()) - make_interval(hours => h), -400
        FROM station t JOIN source s ON s.name = 'hj212' CROSS JOIN generate_series(0, 7) AS h WHERE t.code = %s
        """,
        [station],
    )
    conn.execute("UPDATE latest l SET live = time FROM series s WHERE s.id = l.series AND s.parameter <> 'laeq'")


def _workers(conn: Connection) -> None:
    conn.execute(
        """
        INSERT INTO work (job, runs, seconds, read, written, failures, succeeded, failed, problem)
        VALUES ('flag', 40, 12.5, 100000, 900, 0, now(), NULL, ''),
               ('watch', 4000, 80, 40000, 12, 1, now(), now() - interval '1 day', ''),
               ('pull', 300, 90, 5000, 4000, 7, now() - interval '1 hour', now(), 'the service is away')
        """
    )
    conn.execute(
        """
        INSERT INTO stale (stage, subject, start, stop, due)
        SELECT v.stage, 1, now() - interval '1 hour', now(), now() - v.ago
        FROM (VALUES (1, interval '20 seconds'), (4, interval '1 minute'), (5, interval '-1 minute')) AS v (stage, ago)
        """
    )
    conn.execute("INSERT INTO backfill (begun, ask) VALUES (now() - interval '1 day', '{}'), (now(), '{}')")
    conn.execute(
        """
        INSERT INTO backfill_chunk (backfill, place, piece, size, state, since, seconds, read, new, problem)
        VALUES (1, 'a.csv', '{}', 10, 'done', now() - interval '20 hours', 4, 1000, 900, ''),
               (1, 'b.csv', '{}', 30, 'running', now() - interval '10 minutes', 2, 500, 500, ''),
               (2, 'c.csv', '{}', 30, 'failed', now(), 0, 0, 0, 'b''c is no file')
        """
    )
