-- Channels and hours: whom nobody hears, which readings are missing. Alarms are decided in `watch`.

-- A row a channel that is registered. `newest` reading, and the newest that came `live`; how long it pauses (usually
-- `gap`, at times `long`) and how late it comes (`delay`, `late`), as `relearn` learned it, null: not yet; `limit`: how
-- old the newest live reading may be. `silent`: it is older. Whether we were listening all the while only the alarm
-- knows: after a break of ours a channel may be silent here and its alarm still be waiting. `never`: nothing ever came.
-- `retired`: its station has left every place it was in; nothing is expected of it.
-- `source` sent the newest live reading; null: that was replaced since, or archived.
CREATE OR REPLACE VIEW report.channel AS
SELECT station, parameter, position, statistic, cadence, source, newest, live,
       make_interval(secs => (usual->>'gap')::float8) AS gap, make_interval(secs => (usual->>'long')::float8) AS long,
       make_interval(secs => (usual->>'delay')::float8) AS delay,
       make_interval(secs => (usual->>'late')::float8) AS late,
       greatest(
           least, make_interval(secs => factor * ((usual->>'long')::float8 + (usual->>'late')::float8))
       ) AS "limit",
       -- What was learned only makes it longer: of who is heard it is not asked for.
       CASE WHEN live IS NULL OR retired OR now() - live <= least THEN false
            ELSE coalesce(now() - live > greatest(
                least, make_interval(secs => factor * ((usual->>'long')::float8 + (usual->>'late')::float8))
            ), false)
       END AS silent,
       newest IS NULL AS never, retired
FROM (
    SELECT t.code AS station, s.parameter, s.position, s.statistic, make_interval(secs => s.cadence) AS cadence,
           l.time AS newest, l.live, w.retired, k.factor,
           greatest(k.cadences * make_interval(secs => s.cadence), make_interval(mins => k.at_least)) AS least,
           (
               SELECT r.name FROM observation o JOIN batch b ON b.id = o.batch JOIN source r ON r.id = b.source
               WHERE o.series = l.series AND o.time = l.live AND b.kind = 'live' LIMIT 1
           ) AS source,
           (
               SELECT convert_from(f.blob, 'UTF8')::jsonb FROM fit f WHERE f.kind = 'cadence' AND f.subject = s.id
               ORDER BY f.valid_from DESC, f.fitted_at DESC LIMIT 1
           ) AS usual
    FROM series s JOIN station t ON t.id = s.station LEFT JOIN latest l ON l.series = s.id
    LEFT JOIN LATERAL (
        SELECT coalesce(bool_and(m.place IS NULL), false) AS retired FROM (
            SELECT DISTINCT ON (kind) place FROM membership WHERE station = t.id AND since <= now()
            ORDER BY kind, since DESC
        ) AS m
    ) AS w ON true
    LEFT JOIN (
        SELECT (r.value->>'factor')::float8 AS factor, (r.value->>'cadences')::int AS cadences,
               (r.value->>'at_least')::int AS at_least
        FROM jsonb_each((SELECT rows FROM edition WHERE name = 'alarms' ORDER BY valid_from DESC, id DESC LIMIT 1)) AS r
        WHERE r.value->>'kind' = 'silence' AND r.value->>'scope' = 'channel' ORDER BY r.key LIMIT 1
    ) AS k ON true
    WHERE NOT EXISTS (SELECT FROM derivation d WHERE d.series = s.id AND d.ended IS NULL)
) AS c;

-- A row a station and hour: readings `expected` by the cadence of its channels, `received`: those that came, however
-- late, and count (not those that the device's mark or a test makes void); what is not here is `missing` at its source
-- or on its way, or `lost` here: it was refused (`refused`), or it was to come while nothing live came in from anybody
-- (not `up`; null: before anything ever came in live, as a past that was brought in). That much can be told; these cannot: whether a device never sent it or a network lost it; whether all
-- were silent or we were away, in an hour in which nothing came; what a spool lost with its disk.
-- Of the last 35 days before this hour, from a channel's first reading on. Of channels that measure less often than
-- each hour, or of which no hourly mean is made (levels of noise), there is no row; of those that were learned to pause for more than an hour, and of older hours, only those
-- count in which something came.
CREATE OR REPLACE VIEW report.hour_coverage AS
WITH hours AS MATERIALIZED (
    SELECT h.time, CASE
               WHEN h.time + interval '1 hour' > (SELECT min(b.known) FROM batch b WHERE b.kind = 'live') THEN EXISTS (
                   SELECT FROM batch b WHERE b.known >= h.time AND b.known < h.time + interval '1 hour' AND b.kind = 'live'
               )
           END AS up
    FROM generate_series(
        date_trunc('hour', now()) - interval '35 days', date_trunc('hour', now()) - interval '1 hour', interval '1 hour'
    ) AS h (time)
), channels AS NOT MATERIALIZED (
    SELECT s.id AS series, t.code AS station, 3600 / s.cadence AS each, l.first, w.left_on, coalesce((
        SELECT (convert_from(f.blob, 'UTF8')::jsonb->>'long')::float8 > 3600 FROM fit f
        WHERE f.kind = 'cadence' AND f.subject = s.id ORDER BY f.valid_from DESC, f.fitted_at DESC LIMIT 1
    ), false) AS pauses
    FROM series s JOIN station t ON t.id = s.station JOIN latest l ON l.series = s.id AND l.time IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT CASE WHEN bool_and(m.place IS NULL) THEN max(m.since)::timestamptz END AS left_on FROM (
            SELECT DISTINCT ON (kind) place, since FROM membership WHERE station = t.id AND since <= now()
            ORDER BY kind, since DESC
        ) AS m
    ) AS w ON true
    WHERE s.statistic = '' AND s.cadence <= 3600
        AND s.parameter NOT IN (
            SELECT p.key FROM jsonb_each(
                (SELECT rows FROM edition WHERE name = 'parameters' ORDER BY id DESC LIMIT 1)
            ) AS p WHERE NOT p.value -> 'averagings' ? 'hour'
        )
        AND NOT EXISTS (SELECT FROM derivation d WHERE d.series = s.id AND d.ended IS NULL)
), counted AS (
    SELECT station, time, bool_or(up) AS up, sum(expected)::int8 AS expected, sum(received)::int8 AS received,
           sum(refused)::int8 AS refused
    FROM (
        SELECT c.station, h.time, h.up, c.each AS expected, 0 AS received, 0 AS refused
        FROM hours h JOIN (
            SELECT station, left_on, date_trunc('hour', first) AS first, sum(each)::int AS each
            FROM channels WHERE NOT pauses GROUP BY 1, 2, 3    -- a station's channels begin together: few rows an hour
        ) AS c ON c.first <= h.time
        WHERE c.left_on IS NULL OR h.time < c.left_on
        UNION ALL
        SELECT c.station, a.time, NULL,
               sum(CASE WHEN p.pauses OR a.time < date_trunc('hour', now()) - interval '35 days' THEN a.expected
                        ELSE 0 END)::int,
               sum(least(a.count, a.expected))::int, 0
        FROM channels c CROSS JOIN LATERAL (SELECT c.pauses OFFSET 0) AS p    -- asked once a channel, not once an hour
        JOIN average a ON a.series = c.series
        WHERE a.averaging = (SELECT id FROM term WHERE kind = 'averaging' AND name = 'hour')
        GROUP BY c.station, a.time
        UNION ALL
        SELECT t.code, x.time, NULL, 0, 0, 1
        FROM station t CROSS JOIN LATERAL (
            SELECT date_trunc('hour', coalesce(r.time, r.kept)) AS time FROM reject r
            WHERE left(r.station, 100) = left(t.code, 100) AND r.station = t.code AND r.kept > now() - interval '35 days'
            OFFSET 0    -- station by station, by key
        ) AS x
    ) AS parts
    GROUP BY station, time
)
SELECT station, time, expected, received,
       absent - CASE WHEN up IS false THEN absent ELSE least(refused, absent) END AS missing,
       CASE WHEN up IS false THEN absent ELSE least(refused, absent) END AS lost, refused, up
FROM (SELECT *, greatest(expected - received, 0) AS absent FROM counted) AS c;

GRANT SELECT ON report.channel, report.hour_coverage
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
