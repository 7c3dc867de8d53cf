-- The newest forecast of each quantity, a row an hour ahead. Ends of the band at 10 and 90 % where `level` is 0.8.

CREATE OR REPLACE VIEW report.forecast AS
SELECT f.station, f.parameter, f.position, f.issued,
       f.start + (a.lead - 1) * make_interval(secs => f.step) AS time, a.lead::int4 AS lead,
       a.value, a.low, a.high, a.model, a.skill, f.level, f.reason, f.wide, a.wide_low, a.wide_high
FROM (
    -- Of a quantity whose voice has changed, the series that spoke before keeps its forecasts.
    SELECT DISTINCT ON (t.code, s.parameter, s.position) t.code AS station, s.parameter, s.position, n.*
    FROM series s JOIN station t ON t.id = s.station
    CROSS JOIN LATERAL (SELECT * FROM forecast WHERE series = s.id ORDER BY issued DESC LIMIT 1) AS n
    ORDER BY t.code, s.parameter, s.position, n.issued DESC, n.known
) AS f
CROSS JOIN LATERAL unnest(f.value, f.low, f.high, f.models, f.skill, f.wide_low, f.wide_high)
    WITH ORDINALITY AS a (value, low, high, model, skill, wide_low, wide_high, lead);

-- How likely the newest forecast of each quantity is over each of its limits, a row a limit and hour ahead.

CREATE OR REPLACE VIEW report.forecast_chance AS
SELECT f.station, f.parameter, f.position, f.issued, f.limits[(a.place - 1) / cardinality(f.value) + 1] AS "limit",
       f.start + (a.place - 1) % cardinality(f.value) * make_interval(secs => f.step) AS time,
       ((a.place - 1) % cardinality(f.value) + 1)::int4 AS lead, a.chance
FROM (
    SELECT DISTINCT ON (t.code, s.parameter, s.position) t.code AS station, s.parameter, s.position, n.*
    FROM series s JOIN station t ON t.id = s.station
    CROSS JOIN LATERAL (SELECT * FROM forecast WHERE series = s.id ORDER BY issued DESC LIMIT 1) AS n
    ORDER BY t.code, s.parameter, s.position, n.issued DESC, n.known
) AS f
CROSS JOIN LATERAL unnest(f.chance) WITH ORDINALITY AS a (chance, place);

GRANT SELECT ON report.forecast, report.forecast_chance TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
