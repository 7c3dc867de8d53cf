-- What the dashboards of air, water, noise and irrigation ask beside means and classes: limits where a station stands, and
-- what is expected of the next hours.

CREATE OR REPLACE VIEW report.raw_forecast AS
SELECT series, issued, start, step, level, value, low, high, models, skill, reason FROM forecast;

-- The strictest limit [dB] of each station in its zone (GB 3096), by the newest edition: of `ld` and `ln`, and of sudden
-- noise at night (`averaging` is empty).
CREATE OR REPLACE VIEW report.noise_limit AS
SELECT t.code AS station, m.place AS zone, l.parameter, l.averaging, min(l.limit) AS "limit"
FROM station t
CROSS JOIN LATERAL (
    SELECT place FROM membership
    WHERE station = t.id AND kind = 'noise_zone' AND since <= now() ORDER BY since DESC LIMIT 1
) AS m
JOIN (
    SELECT r ->> 'zone' AS zone, r ->> 'parameter' AS parameter, coalesce(r ->> 'averaging', '') AS averaging,
           nullif(r ->> 'limit', '')::float8 AS "limit"
    FROM jsonb_array_elements(
        (SELECT rows FROM edition WHERE name = 'standards/noise_limits' ORDER BY id DESC LIMIT 1)
    ) AS r WHERE r ->> 'standard' LIKE 'GB 3096%'
) AS l ON l.zone = m.place
GROUP BY t.code, m.place, l.parameter, l.averaging;

-- The range [unit of the parameter] that meets each class of water, by kind of water body; null: no bound at that end.
CREATE OR REPLACE VIEW report.water_limit AS
SELECT r ->> 'parameter' AS parameter, r ->> 'water_body' AS water_body, nullif(r ->> 'class', '')::int2 AS class,
       nullif(r ->> 'low', '')::float8 AS low, nullif(r ->> 'high', '')::float8 AS high
FROM jsonb_array_elements(
    (SELECT rows FROM edition WHERE name = 'standards/gb3838_limits' ORDER BY id DESC LIMIT 1)
) AS r;

-- Of each station its kind of water body: a river where nobody says.
CREATE OR REPLACE VIEW report.water_body AS
SELECT t.code AS station, coalesce(m.place, 'river') AS water_body
FROM station t
LEFT JOIN LATERAL (
    SELECT place FROM membership
    WHERE station = t.id AND kind = 'water_body' AND since <= now() ORDER BY since DESC LIMIT 1
) AS m ON true;

-- The highest hour of `parameters` in the 24 hours to come, with its band, from the newest forecast that was issued in the
-- last day; a row a quantity.
CREATE OR REPLACE FUNCTION report.outlook(districts text[], stations text[], parameters text[]) RETURNS TABLE (
    station text, parameter text, "position" text, issued timestamptz, "time" timestamptz, value float8, low float8,
    high float8, skill float8
) LANGUAGE sql STABLE AS $$
    WITH voices AS MATERIALIZED (
        SELECT v.station, v.parameter, v.position, v.series FROM report.voice v
        WHERE v.rank = 0 AND v.parameter = ANY (outlook.parameters)
            AND v.station IN (SELECT c.station FROM report.chosen(outlook.districts, outlook.stations) c)
    )
    SELECT v.station, v.parameter, v.position, f.issued, p.time, p.value, p.low, p.high, p.skill
    FROM voices v CROSS JOIN LATERAL (
        SELECT x.issued, x.start, x.step, x.value, x.low, x.high, x.skill FROM report.raw_forecast x
        WHERE x.series = v.series AND x.issued > now() - interval '1 day' ORDER BY x.issued DESC LIMIT 1
    ) AS f CROSS JOIN LATERAL (
        SELECT f.start + (a.lead - 1) * make_interval(secs => f.step) AS time, a.value, a.low, a.high, a.skill
        FROM unnest(f.value, f.low, f.high, f.skill) WITH ORDINALITY AS a (value, low, high, skill, lead)
        WHERE f.start + (a.lead - 1) * make_interval(secs => f.step)
            BETWEEN now() - interval '1 hour' AND now() + interval '24 hours'
        ORDER BY a.value DESC NULLS LAST, a.lead LIMIT 1
    ) AS p
$$;

-- The index over the stations, a row a point of `step` [ms]: worst, median and best of hours, of days where hours were too
-- many rows (`report.graded`). A row without values stands behind a point that none follows within three.
CREATE OR REPLACE FUNCTION report.indices(
    districts text[], stations text[], family text, since timestamptz, until timestamptz, step float8
) RETURNS TABLE ("time" timestamptz, worst float8, median float8, best float8, count int8, grain text)
LANGUAGE sql STABLE AS $$
    WITH points AS MATERIALIZED (
        SELECT CASE g.grain WHEN 'hour' THEN report.binned(g.time, indices.step, 3600)
                            ELSE report.binned(g.time, indices.step, 86400, (SELECT min(p.minutes) FROM report.place p))
               END AS time,
               max(g.index)::float8 AS worst, percentile_cont(0.5) WITHIN GROUP (ORDER BY g.index) AS median,
               min(g.index)::float8 AS best, count(*) AS count, g.grain,
               CASE g.grain WHEN 'hour' THEN report.width(indices.step, 3600)
                            ELSE report.width(indices.step, 86400) END AS width
        FROM report.graded(
            indices.districts, indices.stations, indices.family, indices.since, indices.until, indices.step
        ) g WHERE g.index IS NOT NULL GROUP BY 1, g.grain, 7
    )
    SELECT p.time, p.worst, p.median, p.best, p.count, p.grain FROM points p
    UNION ALL
    SELECT n.time + n.width, NULL, NULL, NULL, 0, n.grain
    FROM (SELECT p.time, p.grain, p.width, lead(p.time) OVER (ORDER BY p.time) AS next FROM points p) AS n
    WHERE n.next > n.time + 3 * n.width
    ORDER BY 1
$$;

REVOKE EXECUTE ON FUNCTION report.indices, report.outlook FROM PUBLIC;
GRANT EXECUTE ON FUNCTION report.indices, report.outlook
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
GRANT SELECT ON report.raw_forecast, report.noise_limit, report.water_limit, report.water_body
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
