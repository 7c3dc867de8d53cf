-- What dashboards of many stations read: means of a quantity at all of them, and their spread. Functions of districts and
-- stations (`{''}`: all of them) and of both ends of the time: the planner sees through them, and reads series by series.

CREATE OR REPLACE FUNCTION report.chosen(districts text[], stations text[]) RETURNS TABLE (station text)
LANGUAGE sql STABLE AS $$
    SELECT d.station FROM report.district d
    WHERE d.district = ANY (chosen.districts) AND (d.station = ANY (chosen.stations) OR '' = ANY (chosen.stations))
$$;

-- Means of `parameters`, `since` <= time <= `until`: of the series that speaks, else (`filled`) of its stand-in.
CREATE OR REPLACE FUNCTION report.means(
    districts text[], stations text[], parameters text[], averaging text, since timestamptz, until timestamptz
) RETURNS TABLE (
    station text, parameter text, "position" text, "time" timestamptz, value float8, count int4, expected int4,
    filled boolean
) LANGUAGE sql STABLE AS $$
    WITH voices AS MATERIALIZED (
        SELECT v.station, v.parameter, v.position, v.series, v.rank FROM report.voice v
        WHERE v.parameter = ANY (means.parameters)
            AND v.station IN (SELECT c.station FROM report.chosen(means.districts, means.stations) c)
    ), seconds AS MATERIALIZED (
        SELECT v.station, v.parameter, v.position, v.series, f.series AS first
        FROM voices v JOIN voices f ON f.station = v.station AND f.parameter = v.parameter AND f.position = v.position
        WHERE v.rank = 1 AND f.rank = 0
    ), kind AS MATERIALIZED (
        SELECT t.id FROM report.term t WHERE t.kind = 'averaging' AND t.name = means.averaging
    )
    SELECT v.station, v.parameter, v.position, a.time, a.value, a.count, a.expected, false
    FROM voices v CROSS JOIN LATERAL (
        SELECT x.time, x.value, x.count, x.expected FROM report.raw_average x
        WHERE x.series = v.series AND x.averaging = (SELECT k.id FROM kind k)
            AND x.time >= means.since AND x.time <= means.until
        OFFSET 0    -- series by series, by key
    ) AS a
    WHERE v.rank = 0
    UNION ALL
    SELECT v.station, v.parameter, v.position, a.time, a.value, a.count, a.expected, true
    FROM seconds v CROSS JOIN LATERAL (
        SELECT x.time, x.value, x.count, x.expected FROM report.raw_average x
        WHERE x.series = v.series AND x.averaging = (SELECT k.id FROM kind k)
            AND x.time >= means.since AND x.time <= means.until AND x.value IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM report.raw_average b
                WHERE b.series = v.first AND b.averaging = x.averaging AND b.time = x.time AND b.value IS NOT NULL
                    AND b.time >= means.since AND b.time <= means.until
            )
        OFFSET 0
    ) AS a
$$;

-- One quantity at each of them: hourly means, daily ones where hours were more than 30,000 rows, or a point of `step` [ms]
-- is wider than twenty (`grain`).
CREATE OR REPLACE FUNCTION report.traces(
    districts text[], stations text[], parameter text, since timestamptz, until timestamptz, step float8
) RETURNS TABLE (
    station text, "position" text, "time" timestamptz, value float8, count int4, expected int4, filled boolean, grain text
) LANGUAGE sql STABLE AS $$
    WITH choice AS MATERIALIZED (
        SELECT CASE WHEN traces.step > 72000000 OR extract(epoch FROM traces.until - traces.since) / 3600 * (
                   SELECT count(*) FROM report.voice v
                   WHERE v.parameter = traces.parameter AND v.rank = 0
                       AND v.station IN (SELECT c.station FROM report.chosen(traces.districts, traces.stations) c)
               ) > 30000 THEN 'day' ELSE 'hour' END AS grain
    )
    SELECT h.station, h.position, h.time, h.value, h.count, h.expected, h.filled, 'hour'
    FROM report.means(traces.districts, traces.stations, ARRAY[traces.parameter], 'hour', traces.since, traces.until) h
    WHERE (SELECT c.grain FROM choice c) = 'hour'
    UNION ALL
    SELECT d.station, d.position, d.time, d.value, d.count, d.expected, d.filled, 'day'
    FROM report.means(traces.districts, traces.stations, ARRAY[traces.parameter], 'day', traces.since, traces.until) d
    WHERE (SELECT c.grain FROM choice c) = 'day'
$$;

-- The same over all of them, a row a point of `step` [ms]: mean, lowest and highest of the stations' means, how many there
-- are (`count`), their `capture`. A row without values stands behind a point that none follows within three.
CREATE OR REPLACE FUNCTION report.spread(
    districts text[], stations text[], parameter text, since timestamptz, until timestamptz, step float8
) RETURNS TABLE (
    "time" timestamptz, mean float8, low float8, high float8, count int8, capture float8, grain text, width interval
) LANGUAGE sql STABLE AS $$
    WITH points AS MATERIALIZED (
        SELECT CASE t.grain WHEN 'hour' THEN report.binned(t.time, spread.step, 3600)
                            ELSE report.binned(t.time, spread.step, 86400, (SELECT min(p.minutes) FROM report.place p))
               END AS time,
               avg(t.value) AS mean, min(t.value) AS low, max(t.value) AS high, count(t.value) AS count,
               sum(t.count)::float8 / nullif(sum(t.expected), 0) AS capture, t.grain,
               CASE t.grain WHEN 'hour' THEN report.width(spread.step, 3600)
                            ELSE report.width(spread.step, 86400) END AS width
        FROM report.traces(
            spread.districts, spread.stations, spread.parameter, spread.since, spread.until, spread.step
        ) t GROUP BY 1, t.grain, 8
    )
    SELECT p.time, p.mean, p.low, p.high, p.count, p.capture, p.grain, p.width FROM points p
    UNION ALL
    SELECT n.time + n.width, NULL, NULL, NULL, 0, NULL, n.grain, n.width
    FROM (SELECT p.time, p.grain, p.width, lead(p.time) OVER (ORDER BY p.time) AS next FROM points p) AS n
    WHERE n.next > n.time + 3 * greatest(n.width, (
        SELECT min(v.cadence) FROM report.voice v
        WHERE v.parameter = spread.parameter
            AND v.station IN (SELECT c.station FROM report.chosen(spread.districts, spread.stations) c)
    ))
    ORDER BY 1
$$;

-- Assessments of all of them under the standards whose names begin with `family` ("HJ 633").
CREATE OR REPLACE FUNCTION report.assessed(
    districts text[], stations text[], family text, averaging text, since timestamptz, until timestamptz
) RETURNS TABLE (
    station text, "time" timestamptz, standard text, index int2, class int2, "primary" text, count int2, exceedance float8
) LANGUAGE sql STABLE AS $$
    WITH kinds AS MATERIALIZED (
        SELECT g.id AS averaging, d.id AS standard, d.name FROM report.term g CROSS JOIN report.term d
        WHERE g.kind = 'averaging' AND g.name = assessed.averaging AND d.kind = 'standard'
            AND starts_with(d.name, assessed.family)
    )
    SELECT p.station, a.time, k.name, a.index, a.class, n.name, a.count, a.exceedance
    FROM report.place p CROSS JOIN kinds k CROSS JOIN LATERAL (
        SELECT x.time, x.index, x.class, x."primary", x.count, x.exceedance FROM report.raw_assessment x
        WHERE x.station = p.id AND x.averaging = k.averaging AND x.standard = k.standard
            AND x.time >= assessed.since AND x.time <= assessed.until
        OFFSET 0    -- station by station, by key
    ) AS a
    LEFT JOIN report.term n ON n.id = a."primary"
    WHERE p.station IN (SELECT c.station FROM report.chosen(assessed.districts, assessed.stations) c)
$$;

-- The same of hours, or of days where that were more than 30,000 rows, or a point of `step` [ms] is wider than a day.
CREATE OR REPLACE FUNCTION report.graded(
    districts text[], stations text[], family text, since timestamptz, until timestamptz, step float8
) RETURNS TABLE (
    station text, "time" timestamptz, standard text, index int2, class int2, "primary" text, count int2, exceedance float8,
    grain text
) LANGUAGE sql STABLE AS $$
    WITH hours AS MATERIALIZED (
        SELECT t.id FROM report.term t WHERE t.kind = 'averaging' AND t.name = 'hour'
    ), families AS MATERIALIZED (
        SELECT t.id FROM report.term t WHERE t.kind = 'standard' AND starts_with(t.name, graded.family)
    ), choice AS MATERIALIZED (
        SELECT CASE WHEN graded.step > 86400000 OR extract(epoch FROM graded.until - graded.since) / 3600
                   * (SELECT count(*) FROM report.place p CROSS JOIN LATERAL (    -- of those that have any
                          SELECT FROM report.raw_assessment x
                          WHERE x.station = p.id AND x.averaging = ANY (ARRAY(SELECT h.id FROM hours h))
                              AND x.standard = ANY (ARRAY(SELECT f.id FROM families f))
                              AND x.time >= graded.since AND x.time <= graded.until LIMIT 1
                      ) AS one
                      WHERE p.station IN (SELECT c.station FROM report.chosen(graded.districts, graded.stations) c)) > 30000
               THEN 'day' ELSE 'hour' END AS grain
    )
    SELECT a.station, a.time, a.standard, a.index, a.class, a."primary", a.count, a.exceedance, 'hour'
    FROM report.assessed(graded.districts, graded.stations, graded.family, 'hour', graded.since, graded.until) a
    WHERE (SELECT c.grain FROM choice c) = 'hour'
    UNION ALL
    SELECT a.station, a.time, a.standard, a.index, a.class, a."primary", a.count, a.exceedance, 'day'
    FROM report.assessed(graded.districts, graded.stations, graded.family, 'day', graded.since, graded.until) a
    WHERE (SELECT c.grain FROM choice c) = 'day'
$$;

REVOKE EXECUTE ON FUNCTION report.chosen, report.means, report.traces, report.spread, report.assessed, report.graded
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION report.chosen, report.means, report.traces, report.spread, report.assessed, report.graded
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
