-- What dashboards read: words instead of numbers, a row's unit and edition beside it.

CREATE OR REPLACE VIEW report.station AS
SELECT t.code AS station, t.title, t.title_zh, t.longitude, t.latitude, make_interval(mins => t.utc_offset) AS utc_offset,
       (SELECT jsonb_object_agg(m.kind, m.place) FROM (
           SELECT DISTINCT ON (kind) kind, place FROM membership WHERE station = t.id AND since <= now() ORDER BY kind, since DESC
       ) m WHERE m.place IS NOT NULL) AS places
FROM station t;

CREATE OR REPLACE VIEW report.latest AS
SELECT t.code AS station, s.parameter, s.position, s.statistic, l.time, l.value
FROM latest l JOIN series s ON s.id = l.series JOIN station t ON t.id = s.station WHERE l.time IS NOT NULL;

-- `value` as it was received; `corrected` as it counts, null where it is withdrawn.
CREATE OR REPLACE VIEW report.observation AS
SELECT t.code AS station, s.parameter, s.position, s.statistic, o.time, o.value, v.code AS verdict, v.tests,
       CASE WHEN c.series IS NULL THEN o.value ELSE c.value END AS corrected
FROM observation o JOIN series s ON s.id = o.series JOIN station t ON t.id = s.station
LEFT JOIN verdict v ON v.series = o.series AND v.time = o.time
LEFT JOIN corrected c ON c.series = o.series AND c.time = o.time;

CREATE OR REPLACE VIEW report.average AS
SELECT t.code AS station, s.parameter, s.position, a.time, g.name AS averaging, a.value, a.count, a.expected,
       a.count::float8 / nullif(a.expected, 0) AS capture
FROM average a JOIN series s ON s.id = a.series JOIN station t ON t.id = s.station JOIN term g ON g.id = a.averaging;

CREATE OR REPLACE VIEW report.assessment AS
SELECT t.code AS station, a.time, g.name AS averaging, d.name AS standard, a.index, a.class, p.name AS "primary", a.known,
       a.count, a.exceedance
FROM assessment a JOIN station t ON t.id = a.station JOIN term g ON g.id = a.averaging JOIN term d ON d.id = a.standard
LEFT JOIN term p ON p.id = a."primary";

CREATE OR REPLACE VIEW report.stale AS
SELECT stage, count(*) AS windows, min(due) AS oldest_due FROM stale GROUP BY stage;

GRANT SELECT ON ALL TABLES IN SCHEMA report TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
