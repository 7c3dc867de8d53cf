-- What was known at a past time, for dashboards: `SELECT ... FROM report.observation_as_of('2026-02-11T00:00Z', ...)`.
-- The same rows as `greenwatch export --as-of`. The functions are plain SQL that the planner sees through, and ask for
-- both ends of a stretch of time: only the chunks between them are looked at. Corrections are not applied here, verdicts
-- and averages of a past time are not kept: those are made again by the export.

-- Every value that was ever received, by when it was known. Those that lost are among them.
CREATE OR REPLACE VIEW report.observation_version AS
SELECT t.code AS station, s.parameter, s.position, s.statistic, make_interval(secs => s.cadence) AS cadence, o.time, o.value,
       o.mark, coalesce(o.revision, 0) AS revision, b.known, c.name AS source, o.series, o.batch, b.source AS source_id
FROM (
    SELECT series, time, value, mark, revision, batch FROM observation
    UNION ALL SELECT series, time, value, mark, revision, batch FROM observation_history
) AS o
JOIN series s ON s.id = o.series JOIN station t ON t.id = s.station
JOIN batch b ON b.id = o.batch JOIN source c ON c.id = b.source;

-- Since and until when each priority of a source was known.
CREATE OR REPLACE VIEW report.source_priority AS
SELECT c.id AS source_id, c.name AS source, coalesce(r.value, c.priority) AS priority,
       coalesce(r.since, '-infinity') AS since, coalesce(r.until, 'infinity') AS until
FROM source c LEFT JOIN registry_span r ON r.fact = 'priority' AND r.subject = c.id;

-- Approved periods, in force from `known` until `ended`. What was approved is not decided again: the priorities there
-- are those of `since`.
CREATE OR REPLACE VIEW report.approval AS
SELECT r.series, lower(r.during) AS start, upper(r.during) AS stop, a.known AS since, r.known,
       coalesce(r.ended, 'infinity') AS ended
FROM review r JOIN review a ON a.id = coalesce(r.follows, r.id) WHERE r.state = 'approved';

CREATE OR REPLACE VIEW report.assessment_version AS
SELECT t.code AS station, a.time, g.name AS averaging, d.name AS standard, a.index, a.class, p.name AS "primary", a.count,
       a.exceedance, a.known, a.ended
FROM (
    SELECT station, time, averaging, standard, index, class, "primary", count, exceedance, known,
           'infinity'::timestamptz AS ended
    FROM assessment
    UNION ALL
    SELECT station, time, averaging, standard, index, class, "primary", count, exceedance, known, ended
    FROM assessment_history
) AS a
JOIN station t ON t.id = a.station JOIN term g ON g.id = a.averaging JOIN term d ON d.id = a.standard
LEFT JOIN term p ON p.id = a."primary";

CREATE OR REPLACE VIEW report.episode_version AS
SELECT t.code AS station, r.name AS rule, e.time, e.stop, e.level, e.closed, e.peak, e.peak_time, e.dose, e.count, e.levels,
       e.known, e.ended
FROM (
    SELECT station, rule, time, stop, level, closed, peak, peak_time, dose, count, levels, known,
           'infinity'::timestamptz AS ended
    FROM episode
    UNION ALL
    SELECT station, rule, time, stop, level, closed, peak, peak_time, dose, count, levels, known, ended
    FROM episode_history
) AS e
JOIN station t ON t.id = e.station JOIN term r ON r.id = e.rule;

-- Readings as they were known at `t`: of those that disagree the one that won by the priorities then. No stations, or no
-- parameters: all. What is in force still is so at `infinity`, too.
CREATE OR REPLACE FUNCTION report.observation_as_of(
    t timestamptz, start timestamptz, stop timestamptz, stations text[] DEFAULT NULL, parameters text[] DEFAULT NULL
) RETURNS TABLE (
    station text, parameter text, "position" text, statistic text, cadence interval, "time" timestamptz, value float8,
    mark int2, revision int8, known timestamptz, source text
) LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (v.series, v.time)
           v.station, v.parameter, v.position, v.statistic, v.cadence, v.time, v.value, v.mark, v.revision, v.known, v.source
    FROM report.observation_version v
    LEFT JOIN report.approval a ON a.series = v.series AND a.known <= observation_as_of.t
        AND (a.ended > observation_as_of.t OR a.ended = 'infinity') AND v.time >= a.start AND v.time < a.stop
    JOIN report.source_priority p ON p.source_id = v.source_id
        AND p.since <= coalesce(a.since, observation_as_of.t)
        AND (p.until > coalesce(a.since, observation_as_of.t) OR p.until = 'infinity')
    WHERE v.known <= observation_as_of.t AND v.time >= observation_as_of.start AND v.time < observation_as_of.stop
        AND (observation_as_of.stations IS NULL OR v.station = ANY (observation_as_of.stations))
        AND (observation_as_of.parameters IS NULL OR v.parameter = ANY (observation_as_of.parameters))
    ORDER BY v.series, v.time, p.priority DESC, v.revision DESC, v.value DESC, coalesce(v.mark, -1) DESC, v.batch
$$;

-- Assessments as they stood at `t`: what people saw.
CREATE OR REPLACE FUNCTION report.assessment_as_of(
    t timestamptz, start timestamptz, stop timestamptz, stations text[] DEFAULT NULL
) RETURNS TABLE (
    station text, "time" timestamptz, averaging text, standard text, index int2, class int2, "primary" text, count int2,
    exceedance float8, known timestamptz
) LANGUAGE sql STABLE AS $$
    SELECT v.station, v.time, v.averaging, v.standard, v.index, v.class, v."primary", v.count, v.exceedance, v.known
    FROM report.assessment_version v
    WHERE v.known <= assessment_as_of.t AND (v.ended > assessment_as_of.t OR v.ended = 'infinity')
        AND v.time >= assessment_as_of.start AND v.time < assessment_as_of.stop
        AND (assessment_as_of.stations IS NULL OR v.station = ANY (assessment_as_of.stations))
$$;

-- Episodes that began in the stretch, as they stood at `t`.
CREATE OR REPLACE FUNCTION report.episode_as_of(
    t timestamptz, start timestamptz, stop timestamptz, stations text[] DEFAULT NULL
) RETURNS TABLE (
    station text, rule text, "time" timestamptz, until timestamptz, level int2, closed boolean, peak float8,
    peak_time timestamptz, dose float8, count int4, levels jsonb, known timestamptz
) LANGUAGE sql STABLE AS $$
    SELECT v.station, v.rule, v.time, v.stop, v.level, v.closed, v.peak, v.peak_time, v.dose, v.count, v.levels, v.known
    FROM report.episode_version v
    WHERE v.known <= episode_as_of.t AND (v.ended > episode_as_of.t OR v.ended = 'infinity')
        AND v.time >= episode_as_of.start AND v.time < episode_as_of.stop
        AND (episode_as_of.stations IS NULL OR v.station = ANY (episode_as_of.stations))
$$;

REVOKE EXECUTE ON FUNCTION report.observation_as_of, report.assessment_as_of, report.episode_as_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION report.observation_as_of, report.assessment_as_of, report.episode_as_of
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
GRANT SELECT ON report.observation_version, report.source_priority, report.approval, report.assessment_version,
    report.episode_version TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
