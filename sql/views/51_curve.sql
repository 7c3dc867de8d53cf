-- Curves of any span at the width of a panel: a point a pixel, lowest and highest kept. What is read is chosen by the
-- width of a point: readings, else hours, else days, so that a curve reads at most some twenty rows a point, be the
-- span an hour or ten years. Plain SQL that the planner sees through, with both ends of the time and the numbers of the
-- series in hand: only the chunks between the ends are looked at, and by key.

-- Tables as they are, by the numbers of their series. Not for dashboards: for the functions of this schema.
CREATE OR REPLACE VIEW report.raw_observation AS SELECT series, time, value FROM observation;
CREATE OR REPLACE VIEW report.raw_corrected AS SELECT series, time, value FROM corrected;
CREATE OR REPLACE VIEW report.raw_verdict AS SELECT series, time, code FROM verdict;
CREATE OR REPLACE VIEW report.raw_average AS SELECT series, averaging, time, value, count, expected FROM average;
CREATE OR REPLACE VIEW report.raw_assessment AS
SELECT station, averaging, standard, time, index, class, "primary", count, exceedance FROM assessment;
CREATE OR REPLACE VIEW report.term AS SELECT id, kind, name FROM term;
CREATE OR REPLACE VIEW report.place AS SELECT id, code AS station, utc_offset AS minutes FROM station;

-- Which rows a point of `step` [ms] is made of: the finest of which it holds at most twenty.
CREATE OR REPLACE FUNCTION report.grain(step float8, cadence interval) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN step <= 20000 * extract(epoch FROM cadence) THEN 'reading'
                WHEN step <= 72000000 THEN 'hour' ELSE 'day' END
$$;

-- Width of a point of `step` [ms] that is a multiple of `whole` [s]; and the start of the one in which `t` lies: days begin
-- `minutes` before UTC.
CREATE OR REPLACE FUNCTION report.width(step float8, whole int4) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
    SELECT make_interval(secs => greatest(ceil(step / 1000 / whole), 1) * whole)
$$;
CREATE OR REPLACE FUNCTION report.binned(t timestamptz, step float8, whole int4, minutes int4 DEFAULT 0)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT date_bin(report.width(step, whole), t, timestamptz '2000-01-01T00:00Z' - make_interval(mins => minutes))
$$;

-- One quantity of a station, `since` <= time <= `until`, a row a point of `step` [ms: $__interval_ms], which is never
-- narrower than what it is made of (`grain`: reading, hour, day; `width`: of a point). `mean`, `low`, `high` of what counts
-- of the series that speaks; `filled`: mean of its stand-in, where it does not speak itself; of readings also `suspect` and
-- `fail`, the highest that was marked so; `count` of rows. A row without values stands behind a point that none follows
-- within three. Of a quantity of which no means are kept, readings, however many.
CREATE OR REPLACE FUNCTION report.curve(
    station text, parameter text, "position" text, since timestamptz, until timestamptz, step float8
) RETURNS TABLE (
    "time" timestamptz, mean float8, low float8, high float8, filled float8, suspect float8, fail float8, count int8,
    grain text, width interval
) LANGUAGE sql STABLE AS $$
    WITH voices AS MATERIALIZED (
        SELECT v.series, v.rank, v.cadence FROM report.voice v
        WHERE v.station = curve.station AND v.parameter = curve.parameter AND v.position = curve.position
    ), kept AS MATERIALIZED (    -- which means there are in this time: of some quantities none, of some no days
        SELECT t.name FROM report.term t
        WHERE t.kind = 'averaging' AND t.name IN ('hour', 'day') AND EXISTS (
            SELECT FROM report.raw_average a
            WHERE a.series = ANY (ARRAY(SELECT v.series FROM voices v)) AND a.averaging = t.id
                AND a.time >= curve.since AND a.time <= curve.until
        )
    ), choice AS MATERIALIZED (
        SELECT CASE WHEN w.grain = 'day' AND 'day' IN (SELECT k.name FROM kept k) THEN 'day'
                    WHEN w.grain <> 'reading' AND 'hour' IN (SELECT k.name FROM kept k) THEN 'hour'
                    ELSE 'reading' END AS grain,
               -- Days begin where the station is.
               timestamptz '2000-01-01T00:00Z' - (SELECT make_interval(mins => p.minutes) FROM report.place p
                                                  WHERE p.station = curve.station) AS origin
        FROM (SELECT report.grain(curve.step, (SELECT min(v.cadence) FROM voices v)) AS grain) AS w
    ), wide AS MATERIALIZED (
        SELECT c.grain, c.origin, CASE c.grain
                   WHEN 'reading' THEN greatest(
                       make_interval(secs => curve.step / 1000), (SELECT min(v.cadence) FROM voices v)
                   )
                   WHEN 'hour' THEN report.width(curve.step, 3600)
                   ELSE report.width(curve.step, 86400)
               END AS width
        FROM choice c
    ), rows AS (
        SELECT DISTINCT ON (r.time) r.time, r.value, r.rank, r.code FROM (
            SELECT o.time, CASE WHEN c.series IS NULL THEN o.value ELSE c.value END AS value,
                   (SELECT v.rank FROM voices v WHERE v.series = o.series) AS rank, coalesce(d.code, 2) AS code
            FROM report.raw_observation o
            LEFT JOIN (
                SELECT x.series, x.time, x.code FROM report.raw_verdict x
                WHERE x.series = ANY (ARRAY(SELECT v.series FROM voices v))
                    AND x.time >= curve.since AND x.time <= curve.until
            ) AS d ON d.series = o.series AND d.time = o.time
            LEFT JOIN (
                SELECT x.series, x.time, x.value FROM report.raw_corrected x
                WHERE x.series = ANY (ARRAY(SELECT v.series FROM voices v))
                    AND x.time >= curve.since AND x.time <= curve.until
            ) AS c ON c.series = o.series AND c.time = o.time
            WHERE (SELECT w.grain FROM wide w) = 'reading' AND o.series = ANY (ARRAY(SELECT v.series FROM voices v))
                AND o.time >= curve.since AND o.time <= curve.until
            UNION ALL
            SELECT a.time, a.value, (SELECT v.rank FROM voices v WHERE v.series = a.series), 2
            FROM report.raw_average a
            WHERE (SELECT w.grain FROM wide w) IN ('hour', 'day') AND a.series = ANY (ARRAY(SELECT v.series FROM voices v))
                AND a.averaging = (
                    SELECT t.id FROM report.term t WHERE t.kind = 'averaging' AND t.name = (SELECT w.grain FROM wide w)
                )
                AND a.time >= curve.since AND a.time <= curve.until
        ) AS r
        ORDER BY r.time, r.value IS NULL, r.rank
    ), points AS MATERIALIZED (
        SELECT date_bin(w.width, r.time, w.origin) AS time, avg(r.value) FILTER (WHERE r.code = 2 AND r.rank = 0) AS mean,
               min(r.value) FILTER (WHERE r.code = 2 AND r.rank = 0) AS low,
               max(r.value) FILTER (WHERE r.code = 2 AND r.rank = 0) AS high,
               avg(r.value) FILTER (WHERE r.code = 2 AND r.rank > 0) AS filled,
               max(r.value) FILTER (WHERE r.code = 3) AS suspect, max(r.value) FILTER (WHERE r.code > 3) AS fail,
               count(r.value) AS count, w.grain, w.width,
               lead(date_bin(w.width, r.time, w.origin)) OVER (ORDER BY date_bin(w.width, r.time, w.origin)) AS next
        FROM rows r CROSS JOIN wide w GROUP BY date_bin(w.width, r.time, w.origin), w.grain, w.width, w.origin
    )
    SELECT p.time, p.mean, p.low, p.high, p.filled, p.suspect, p.fail, p.count, p.grain, p.width FROM points p
    UNION ALL
    SELECT p.time + p.width, NULL, NULL, NULL, NULL, NULL, NULL, 0, p.grain, p.width FROM points p
    WHERE p.next > p.time + 3 * greatest(p.width, (SELECT min(v.cadence) FROM voices v))
    ORDER BY 1
$$;

REVOKE EXECUTE ON FUNCTION report.grain, report.width, report.binned, report.curve FROM PUBLIC;
GRANT EXECUTE ON FUNCTION report.grain, report.width, report.binned, report.curve
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
GRANT SELECT ON report.raw_observation, report.raw_corrected, report.raw_verdict, report.raw_average, report.raw_assessment,
    report.term, report.place TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
