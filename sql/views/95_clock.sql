-- The clock of each station, by who says so: `delay` [s] from its stamps to their receipt, the median of the least of the
-- last eight hours of a day; negative: the clock is ahead. A figure may come up to its cadence after its time.

CREATE OR REPLACE VIEW report.clock AS
SELECT t.code AS station, s.name AS source, max(c.hour) AS seen,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY c.delay) AS delay, min(c.delay) AS least, count(*)::int4 AS hours
FROM (
    SELECT station, source, hour, delay, max(hour) OVER who AS newest, row_number() OVER (who ORDER BY hour DESC) AS nth
    FROM clock WINDOW who AS (PARTITION BY station, source)
) AS c
JOIN station t ON t.id = c.station JOIN source s ON s.id = c.source
WHERE c.nth <= 8 AND c.hour > c.newest - interval '1 day'
GROUP BY 1, 2;

GRANT SELECT ON report.clock TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
