-- Regions: episodes of one rule at stations near one another. `first` is the station where it began, `worst` the one with the
-- highest level, `peak` its own; `share` of what its stations had lay above the stations around each: ours, not everybody's.
CREATE OR REPLACE VIEW report.region AS
SELECT n.name, r.name AS rule, e.time, e.stop, e.level, e.closed, e.stations, e.core, e.arrived, e.broadest, e.most,
       f.code AS first, w.code AS worst, e.peak, e.peak_time, e.dose,
       (SELECT sum(s.share * s.value * s.hours) / nullif(sum(s.value * s.hours) FILTER (WHERE s.share IS NOT NULL), 0)
        FROM region_member m
        JOIN episode_share s ON s.station = m.member AND s.rule = m.rule AND s.time >= m.since AND s.time < m.stop
        WHERE m.rule = e.rule AND m.station = e.station AND m.time = e.time) AS share,
       e.known, d.parameter, d.averaging, d.unit, d.title, d.title_zh, coalesce(d.about, 'event') AS about,
       -- nobody saw any of its episodes while they went on
       (SELECT bool_and(p.retrospective)
        FROM region_member m JOIN station t ON t.id = m.member
        JOIN report.episode p ON p.station = t.code AND p.rule = r.name AND p.time >= m.since AND p.time < m.stop
        WHERE m.rule = e.rule AND m.station = e.station AND m.time = e.time) AS retrospective
FROM region e JOIN station f ON f.id = e.station JOIN station w ON w.id = e.worst JOIN term r ON r.id = e.rule
LEFT JOIN report.episode_rule d ON d.rule = r.name
LEFT JOIN region_name n ON n.station = e.station AND n.rule = e.rule AND n.time = e.time AND NOT n.gone;

-- The stations of a region (`name`, `rule`, `start`), by arrival [h] after it began: from when to when one was in it, for how
-- many hours, and whether it is of its core (in it for half of its length) or of its edge; `share` as in report.episode.
CREATE OR REPLACE VIEW report.region_member AS
SELECT n.name, r.name AS rule, m.time AS start, t.code AS station, m.since AS time, m.stop, m.level, m.dose, m.arrival, m."order",
       m.hours, m.presence, m.core,
       (SELECT sum(s.share * s.value * s.hours) / nullif(sum(s.value * s.hours) FILTER (WHERE s.share IS NOT NULL), 0)
        FROM episode_share s
        WHERE s.station = m.member AND s.rule = m.rule AND s.time >= m.since AND s.time < m.stop) AS share
FROM region_member m JOIN station t ON t.id = m.member JOIN term r ON r.id = m.rule
LEFT JOIN region_name n ON n.station = m.station AND n.rule = m.rule AND n.time = m.time AND NOT n.gone;

-- What became of each name, as report.episode_event has it of episodes.
CREATE OR REPLACE VIEW report.region_event AS
SELECT e.at AS time, e.name, e.event, e.other, r.name AS rule, e.time AS start, e.stop
FROM episode_event e JOIN (SELECT DISTINCT name, rule FROM region_name) AS n ON n.name = e.name JOIN term r ON r.id = n.rule;

-- How a region was seen: every version of it there was, `known` until `ended` (null: it holds).
CREATE OR REPLACE VIEW report.region_version AS
SELECT r.name AS rule, e.time, t.code AS first, e.stop, e.level, e.closed, e.stations, e.core, e.most, e.peak, e.dose,
       e.known, e.ended
FROM (
    SELECT rule, station, time, stop, level, closed, stations, core, most, peak, dose, known, NULL::timestamptz AS ended
    FROM region
    UNION ALL
    SELECT rule, station, time, stop, level, closed, stations, core, most, peak, dose, known, ended FROM region_history
) AS e JOIN station t ON t.id = e.station JOIN term r ON r.id = e.rule;

GRANT SELECT ON ALL TABLES IN SCHEMA report TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
