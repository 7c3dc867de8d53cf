-- Incidents, what became of them, and how long that took. Titles are those of the newest edition of the tables.

CREATE OR REPLACE VIEW report.incident AS
SELECT i.id AS incident, i.state, i.severity, s.kind AS scope, coalesce(t.code, '') AS station,
       CASE WHEN x.id IS NULL THEN ''
            ELSE x.parameter || CASE WHEN x.position = '' THEN '' ELSE '@' || x.position END
                 || CASE WHEN x.statistic = '' THEN '' ELSE ':' || x.statistic END END AS channel,
       coalesce(o.name, '') AS source, r.name AS rule, coalesce(d.title, r.name) AS title,
       coalesce(d.title_zh, r.name) AS title_zh, i.level, i.district, i.street, i.team, i.opened, i.onset, i.edge,
       i.delivered, i.acknowledged, i.acknowledged_by, i.assigned, i.assignee, i.dispatched, i.recovered, i.withdrawn,
       i.resolved, i.reviewed, i.cancelled, i.ended, i.tier, i.parent, i.utc_offset
FROM incident i JOIN term r ON r.id = i.rule
LEFT JOIN subject s ON s.id = i.subject
LEFT JOIN series x ON x.id = s.series
LEFT JOIN station t ON t.id = coalesce(s.station, x.station)
LEFT JOIN source o ON o.id = s.source
LEFT JOIN (
    SELECT e.key AS rule, e.value->>'title' AS title, e.value->>'title_zh' AS title_zh
    FROM jsonb_each((SELECT rows FROM edition WHERE name = 'alarms' ORDER BY valid_from DESC, id DESC LIMIT 1)) AS e
) AS d ON d.rule = r.name;

CREATE OR REPLACE VIEW report.incident_log AS
SELECT l.id, l.incident, l.at AS time, l.author, l.action, l.note, l.evidence FROM incident_log l;

CREATE OR REPLACE VIEW report.work_order AS
SELECT o.id, o.incident, o.made AS time, o.made_by, o.state, o.due, o.tries, o.sent, o.answered, o.problem
FROM work_order o;

-- By the month of the place in which they were opened: how many, how many go on; medians and worst [s] since they were
-- opened; the share of those that could be in time by the policy of today and were. What a correction took away, or
-- somebody cancelled, is counted and not timed.
CREATE OR REPLACE VIEW report.duty_figures AS
WITH policy AS (
    SELECT p.value->>'severity' AS severity, coalesce(p.value->>'district', '') AS district,
           (p.value->>'in_time')::float8 * 60 AS in_time
    FROM jsonb_each((SELECT rows FROM edition WHERE name = 'duty' ORDER BY valid_from DESC, id DESC LIMIT 1)) AS p
), timed AS (
    SELECT date_trunc('month', i.opened AT TIME ZONE 'UTC' + make_interval(mins => i.utc_offset))::date AS month,
           i.district, i.street, i.severity, i.ended IS NULL AS going, i.cancelled IS NOT NULL AS cancelled,
           i.cancelled IS NULL AND i.withdrawn IS NULL AS counts,
           extract(epoch FROM i.delivered - i.opened)::float8 AS delivered,
           extract(epoch FROM i.acknowledged - i.since)::float8 AS acknowledged,
           extract(epoch FROM i.dispatched - i.opened)::float8 AS dispatched,
           extract(epoch FROM i.resolved - i.opened)::float8 AS resolved,
           -- Who recovered before its time was up, with nobody there, was in nobody's hands: neither in time nor late.
           CASE WHEN i.acknowledged <= i.since + make_interval(secs => p.in_time) THEN 1.0
                WHEN coalesce(i.acknowledged, i.ended, now()) > i.since + make_interval(secs => p.in_time)
                THEN 0.0 END::float8 AS in_time
    FROM incident i
    LEFT JOIN LATERAL (
        SELECT in_time FROM policy
        WHERE policy.severity = i.severity AND policy.district IN ('', i.district) ORDER BY district DESC LIMIT 1
    ) AS p ON true
)
SELECT month, district, street, severity, count(*) AS incidents, count(*) FILTER (WHERE going) AS open,
       count(*) FILTER (WHERE cancelled) AS cancelled,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY delivered) FILTER (WHERE counts) AS delivered_median,
       max(delivered) FILTER (WHERE counts) AS delivered_worst,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY acknowledged) FILTER (WHERE counts) AS acknowledged_median,
       max(acknowledged) FILTER (WHERE counts) AS acknowledged_worst,
       avg(in_time) FILTER (WHERE counts) AS in_time,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY dispatched) FILTER (WHERE counts) AS dispatched_median,
       max(dispatched) FILTER (WHERE counts) AS dispatched_worst,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY resolved) FILTER (WHERE counts) AS resolved_median,
       max(resolved) FILTER (WHERE counts) AS resolved_worst
FROM timed GROUP BY month, district, street, severity;

GRANT USAGE ON SCHEMA report TO greenwatch_api;
GRANT SELECT ON report.incident, report.incident_log, report.work_order, report.duty_figures
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_api, greenwatch_admin;
