-- The newest forecast of the weather for each hour ahead and of the last day, and when it was issued. And how the pulls
-- go: `age` since one last went well.

CREATE OR REPLACE VIEW report.weather_forecast AS
SELECT DISTINCT ON (t.code, f.parameter, o.name, f.valid)
       t.code AS station, f.parameter, o.name AS source, f.valid AS time, f.value, f.issued, f.valid - f.issued AS lead
FROM weather_forecast f JOIN station t ON t.id = f.station JOIN source o ON o.id = f.source
WHERE f.valid >= now() - interval '1 day'
ORDER BY t.code, f.parameter, o.name, f.valid, f.issued DESC;

CREATE OR REPLACE VIEW report.pull AS
SELECT p.name AS pull, p.connector, p."on", s.succeeded, now() - s.succeeded AS age, s.tried, s.due, s.failures, s.problem,
       s.requests, s.read, s.new, s.replaced, s.duplicates, s.missing, s.rejects
FROM pull p LEFT JOIN pull_state s ON s.pull = p.name;

GRANT SELECT ON report.weather_forecast, report.pull
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
