-- The rain behind a run-off: that of the nearest gauge within 30 km that spoke in the two days before its peak. Made when it
-- is asked for, so that late rain changes it.
-- Rains are apart with more than 6 dry hours between them, the usual choice for single storms in towns, and count from 1 mm
-- on; of one that ended two days before the peak nothing is said. `depth` [mm] up to the peak, and when it was `wettest`;
-- `dry`: hours without a rain before it, 720 where the 30 days that are looked back had none, null where the gauge was silent
-- in over a tenth of them; `lag`: hours from the wettest to the peak, `recovery`: from there to the end, null: not over.
CREATE OR REPLACE VIEW report.runoff AS
SELECT t.code AS station, e.time, e.stop, e.closed, e.level, e.peak, e.peak_time, g.code AS gauge, g.distance, s.depth,
       s.wettest, s.dry, (extract(epoch FROM e.peak_time - s.wettest) / 3600)::int4 AS lag,
       CASE WHEN e.closed THEN (extract(epoch FROM e.stop - e.peak_time) / 3600)::int4 END AS recovery, t.title, t.title_zh
FROM episode e JOIN station t ON t.id = e.station
JOIN term r ON r.id = e.rule AND r.kind = 'episode' AND r.name = 'storm_runoff'
LEFT JOIN LATERAL (
    SELECT o.code, x.id, f.distance
    FROM series x JOIN station o ON o.id = x.station
    -- On a ball flattened where it is: a thousandth off so near.
    CROSS JOIN LATERAL (
        SELECT CASE WHEN o.id = t.id THEN 0 ELSE 111.195 * sqrt(
            (o.latitude - t.latitude) ^ 2 + ((o.longitude - t.longitude) * cos(radians(t.latitude))) ^ 2
        ) END AS distance
    ) AS f
    WHERE x.parameter = 'rain' AND x.statistic = '' AND f.distance <= 30 AND EXISTS (
        SELECT FROM average a
        WHERE a.series = x.id AND a.averaging = (SELECT id FROM term WHERE kind = 'averaging' AND name = 'hour')
            AND a.value IS NOT NULL AND a.time BETWEEN e.peak_time - interval '48 hours' AND e.peak_time
    )
    ORDER BY f.distance, x.id LIMIT 1
) AS g ON true
LEFT JOIN LATERAL (
    WITH heard AS MATERIALIZED (
        SELECT a.time, a.value FROM average a
        WHERE a.series = g.id AND a.averaging = (SELECT id FROM term WHERE kind = 'averaging' AND name = 'hour')
            AND a.value IS NOT NULL AND a.time BETWEEN e.peak_time - interval '32 days' AND e.peak_time
    ), rain AS (
        SELECT min(time) AS start, max(time) + interval '1 hour' AS stop, sum(value) AS depth,
               (array_agg(time ORDER BY value DESC, time))[1] AS wettest
        FROM (
            SELECT time, value, count(*) FILTER (WHERE apart) OVER (ORDER BY time) AS number
            FROM (SELECT time, value, time - lag(time) OVER (ORDER BY time) > interval '6 hours' AS apart
                  FROM heard WHERE value > 0) AS wet
        ) AS numbered
        GROUP BY number HAVING sum(value) >= 1
    ), behind AS (
        SELECT *, greatest(lag(stop) OVER (ORDER BY start), start - interval '30 days') AS since FROM rain
    )
    SELECT b.depth, b.wettest,
           CASE WHEN (SELECT count(*) FROM heard h WHERE h.time >= b.since AND h.time < b.start) * 3600
                >= 0.9 * extract(epoch FROM b.start - b.since)
           THEN (extract(epoch FROM b.start - b.since) / 3600)::int4 END AS dry
    FROM behind b WHERE b.stop > e.peak_time - interval '48 hours' ORDER BY b.start DESC LIMIT 1
) AS s ON true;

GRANT SELECT ON report.runoff TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
