-- Which regions an alarm on a district is about: those of its member's rule that one of the district's stations is in, from
-- when the alarm came on (`onset`: of what it stands on) until it is over; how many `members` of theirs are of the district.
CREATE OR REPLACE VIEW report.alarm_region AS
WITH said AS (
    SELECT key, value FROM jsonb_each((SELECT rows FROM edition WHERE name = 'alarms' ORDER BY valid_from DESC, id DESC LIMIT 1))
)
SELECT a.district, a.rule, a.state, a.since, a.incident, g.name AS region, g.rule AS episode_rule, g.time, g.stop, g.closed,
       g.level, g.stations, count(DISTINCT m.station)::int AS members
FROM report.alarm a
JOIN said r ON r.key = a.rule JOIN said m_ ON m_.key = r.value->>'member'
CROSS JOIN LATERAL jsonb_array_elements(coalesce(m_.value->'any', jsonb_build_array(m_.value))) AS c
JOIN report.region g ON g.rule = c->>'episode' AND g.stop > a.episode AND (NOT g.closed OR a.closed IS NULL OR g.time < a.closed)
JOIN report.region_member m ON m.rule = g.rule AND m.start = g.time AND m.name = g.name
JOIN report.district p ON p.station = m.station AND p.district = a.district
WHERE a.kind = 'region' AND a.state <> 'ok'
GROUP BY a.district, a.rule, a.state, a.since, a.incident, g.name, g.rule, g.time, g.stop, g.closed, g.level, g.stations;

GRANT SELECT ON ALL TABLES IN SCHEMA report TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
