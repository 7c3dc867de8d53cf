-- Episodes, scores and alarms in words. Titles and units are those of the newest edition of the tables.

CREATE OR REPLACE VIEW report.episode_rule AS
SELECT r.key AS rule, r.value->>'parameter' AS parameter, r.value->>'averaging' AS averaging, p.value->>'unit' AS unit,
       r.value->>'title' AS title, r.value->>'title_zh' AS title_zh
FROM jsonb_each((SELECT rows FROM edition WHERE name = 'episodes' ORDER BY valid_from DESC, id DESC LIMIT 1)) AS r
LEFT JOIN jsonb_each((SELECT rows FROM edition WHERE name = 'parameters' ORDER BY valid_from DESC, id DESC LIMIT 1)) AS p
    ON p.key = r.value->>'parameter';

CREATE OR REPLACE VIEW report.episode AS
SELECT t.code AS station, r.name AS rule, e.time, e.stop, e.level, e.closed, e.peak, e.peak_time, e.dose, e.count, e.levels,
       e.known, d.parameter, d.averaging, d.unit, d.title, d.title_zh,
       -- Nobody saw it while it went on: a backfill changed readings in it, it lies behind what was live when that began
       -- to, and none of it was known before.
       EXISTS (
           SELECT FROM series x JOIN backfill_span s ON s.series = x.id JOIN backfill b ON b.id = s.backfill
           WHERE x.station = e.station AND x.parameter = d.parameter
               AND s.start < e.stop AND s.stop > e.time AND e.stop <= coalesce(s.live, 'infinity')
               AND e.known > b.begun
               AND NOT EXISTS (
                   SELECT FROM episode_history h
                   WHERE h.station = e.station AND h.rule = e.rule AND h.time < e.stop AND h.stop > e.time
                       AND h.known <= b.begun AND h.ended > b.begun
               )
       ) AS retrospective
FROM episode e JOIN station t ON t.id = e.station JOIN term r ON r.id = e.rule
LEFT JOIN report.episode_rule d ON d.rule = r.name;

CREATE OR REPLACE VIEW report.score AS
SELECT t.code AS station, s.parameter, s.position, c.time, d.name AS detector, c.value
FROM score c JOIN series s ON s.id = c.series JOIN station t ON t.id = s.station JOIN term d ON d.id = c.detector;

CREATE OR REPLACE VIEW report.alarm_rule AS
SELECT r.key AS rule, r.value->>'episode' AS episode_rule, (r.value->>'level')::int AS level, r.value->>'severity' AS severity,
       r.value->>'title' AS title, r.value->>'title_zh' AS title_zh, d.parameter, d.averaging, d.unit
FROM jsonb_each((SELECT rows FROM edition WHERE name = 'alarms' ORDER BY valid_from DESC, id DESC LIMIT 1)) AS r
LEFT JOIN report.episode_rule d ON d.rule = r.value->>'episode';

CREATE OR REPLACE VIEW report.alarm AS
SELECT t.code AS station, r.name AS rule, a.state, a.level, a.since, a.episode, a.edge, a.closed, d.severity, d.parameter,
       d.title, d.title_zh
FROM alarm a JOIN station t ON t.id = a.station JOIN term r ON r.id = a.rule
LEFT JOIN report.alarm_rule d ON d.rule = r.name;

CREATE OR REPLACE VIEW report.alarm_event AS
SELECT e.at AS time, t.code AS station, r.name AS rule, e.before, e.after, e.level, e.reason, e.evidence, d.severity,
       d.parameter, d.title, d.title_zh
FROM alarm_event e JOIN station t ON t.id = e.station JOIN term r ON r.id = e.rule
LEFT JOIN report.alarm_rule d ON d.rule = r.name;

GRANT SELECT ON ALL TABLES IN SCHEMA report TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
