-- What people say of readings: layers over them, and how far periods have been looked through.

CREATE OR REPLACE VIEW report.correction AS
SELECT c.id, t.code AS station, s.parameter, s.position, s.statistic, c.kind, c.start, c.stop, c.given, c.author, c.reason,
       c.known, c.ended, c.ended_by, c.ended_reason, make_interval(secs => s.cadence) AS cadence
FROM correction c JOIN series s ON s.id = c.series JOIN station t ON t.id = s.station;

-- The states in force. `since`: when the state was given; a part left over from a longer period keeps that.
CREATE OR REPLACE VIEW report.review AS
SELECT t.code AS station, s.parameter, s.position, s.statistic, lower(r.during) AS start, upper(r.during) AS stop, r.state,
       r.author, r.reason, coalesce(f.known, r.known) AS since, make_interval(secs => s.cadence) AS cadence
FROM review r JOIN series s ON s.id = r.series JOIN station t ON t.id = s.station LEFT JOIN review f ON f.id = r.follows
WHERE r.ended IS NULL;

GRANT SELECT ON report.correction, report.review TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
