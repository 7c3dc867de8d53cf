-- Episodes, scores and alarms in words. Titles and units are those of the newest edition of the tables.

CREATE OR REPLACE VIEW report.episode_rule AS
SELECT r.key AS rule, r.value->>'parameter' AS parameter, r.value->>'averaging' AS averaging,
       -- of its levels and peaks; scores have none
       CASE WHEN r.value->>'averaging' <> 'score' THEN p.value->>'unit' END AS unit,
       r.value->>'title' AS title, r.value->>'title_zh' AS title_zh,
       -- event: something happens; ahead: it is expected to; device: one may be at fault; anomaly: it is merely unusual
       coalesce(r.value->>'about', 'event') AS about, p.value->>'unit' AS parameter_unit
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
       ) AS retrospective,
       coalesce(d.about, 'event') AS about, n.name,
       -- of its hours: the mean at the stations around, and how much of what there was here lay above that
       a.background, a.share,
       (SELECT g.name FROM region_member m JOIN region_name g ON g.station = m.station AND g.rule = m.rule AND g.time = m.time
        WHERE m.member = e.station AND m.rule = e.rule AND m.since <= e.time AND m.stop >= e.stop AND NOT g.gone
        LIMIT 1) AS region
FROM episode e JOIN station t ON t.id = e.station JOIN term r ON r.id = e.rule
LEFT JOIN report.episode_rule d ON d.rule = r.name
LEFT JOIN episode_share a ON a.station = e.station AND a.rule = e.rule AND a.time = e.time
LEFT JOIN episode_name n ON n.station = e.station AND n.rule = e.rule AND n.time = e.time AND NOT n.gone;

-- What became of each name: `other` is the one it was merged into or split from; `start`, `stop` its extent from then on.
-- What is open goes on without an event. As known at a time: those of `time` up to it.
CREATE OR REPLACE VIEW report.episode_event AS
SELECT e.at AS time, e.name, e.event, e.other, t.code AS station, r.name AS rule, e.time AS start, e.stop
FROM episode_event e JOIN episode_name n ON n.name = e.name JOIN station t ON t.id = n.station JOIN term r ON r.id = n.rule;

-- What each term of its rule said in an episode: at its start, at its worst, and at its end so far. `term` 0 is that of the
-- levels; null: nothing was known.
CREATE OR REPLACE VIEW report.episode_evidence AS
SELECT t.code AS station, r.name AS rule, e.time, e.term, e.words, e.first, e.worst, e.worst_time, e.last, e.count
FROM episode_evidence e JOIN station t ON t.id = e.station JOIN term r ON r.id = e.rule;

CREATE OR REPLACE VIEW report.score AS
SELECT t.code AS station, s.parameter, s.position, c.time, d.name AS detector, c.value
FROM score c JOIN series s ON s.id = c.series JOIN station t ON t.id = s.station JOIN term d ON d.id = c.detector;

-- `parameter`, `averaging`, `unit` of a rule whose conditions have but one; a region is about those of its member.
CREATE OR REPLACE VIEW report.alarm_rule AS
WITH said AS (
    SELECT key, value FROM jsonb_each((SELECT rows FROM edition WHERE name = 'alarms' ORDER BY valid_from DESC, id DESC LIMIT 1))
)
SELECT r.key AS rule, r.value->>'episode' AS episode_rule, (r.value->>'level')::int AS level, r.value->>'severity' AS severity,
       r.value->>'title' AS title, r.value->>'title_zh' AS title_zh, coalesce(r.value->>'parameter', d.parameter) AS parameter,
       d.averaging, d.unit, coalesce(r.value->>'kind', 'episode') AS kind, r.value->'escalate'->>'severity' AS escalates_to,
       (r.value->'escalate'->>'after')::int AS escalates_after, coalesce((r.value->>'latched')::boolean, false) AS latched
FROM said r LEFT JOIN said m ON m.key = r.value->>'member'
LEFT JOIN LATERAL (
    SELECT CASE WHEN count(DISTINCT e.parameter) = 1 THEN min(e.parameter) END AS parameter,
           CASE WHEN count(DISTINCT e.averaging) = 1 THEN min(e.averaging) END AS averaging,
           CASE WHEN count(DISTINCT e.unit) = 1 THEN min(e.unit) END AS unit
    FROM jsonb_array_elements(coalesce(r.value->'any', m.value->'any', jsonb_build_array(coalesce(m.value, r.value)))) AS c
    JOIN report.episode_rule e ON e.rule = c->>'episode'
) AS d ON true;

-- What alarms are about. `station` is null of sources and districts; `name` is the shortest word for the subject.
CREATE OR REPLACE VIEW report.subject AS
SELECT s.id AS subject, s.kind AS scope, t.code AS station, x.parameter, x.position, o.name AS source,
       coalesce(s.place, m.place) AS district,
       CASE s.kind
           WHEN 'channel' THEN t.code || ' ' || x.parameter || CASE x.position WHEN '' THEN '' ELSE '@' || x.position END
           ELSE coalesce(t.code, o.name, s.place)
       END AS name, s.series
FROM subject s LEFT JOIN series x ON x.id = s.series LEFT JOIN station t ON t.id = coalesce(s.station, x.station)
LEFT JOIN source o ON o.id = s.source
LEFT JOIN LATERAL (
    SELECT place FROM membership
    WHERE station = t.id AND kind = 'district'
        AND since <= (now() AT TIME ZONE 'UTC' + make_interval(mins => t.utc_offset))::date
    ORDER BY since DESC LIMIT 1
) AS m ON true;

CREATE OR REPLACE VIEW report.alarm AS
SELECT s.station, r.name AS rule, a.state, a.level, a.since, a.episode, a.edge, a.closed, d.severity,
       coalesce(s.parameter, d.parameter) AS parameter, d.title, d.title_zh, a.subject, s.scope, a.told, a.incident,
       s.name, s.position, s.source, s.district, d.kind, a.fired
FROM alarm a JOIN report.subject s ON s.subject = a.subject JOIN term r ON r.id = a.rule
LEFT JOIN report.alarm_rule d ON d.rule = r.name;

CREATE OR REPLACE VIEW report.alarm_event AS
SELECT e.at AS time, s.station, r.name AS rule, e.before, e.after, e.level, e.reason, e.evidence, d.severity,
       coalesce(s.parameter, d.parameter) AS parameter, d.title, d.title_zh, e.subject, s.scope, e.told, e.incident,
       s.name, s.position, s.source, s.district, d.kind
FROM alarm_event e JOIN report.subject s ON s.subject = e.subject JOIN term r ON r.id = e.rule
LEFT JOIN report.alarm_rule d ON d.rule = r.name;

-- Planned events, with when each really ends: while one goes on, nobody is told of what it covers.
CREATE OR REPLACE VIEW report.planned AS
SELECT p.id AS planned, p.scope, p.name, p.start,
       CASE WHEN e.at IS NULL THEN p.stop ELSE least(p.stop, greatest(e.at, p.start)) END AS stop, p.author, p.reason, p.known,
       e.author AS ended_by, e.reason AS ended_for, p.kind
FROM planned p LEFT JOIN planned_end e ON e.planned = p.id;

GRANT SELECT ON ALL TABLES IN SCHEMA report TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
