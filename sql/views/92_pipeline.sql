-- How the machinery behind the doors goes: what is due, what workers did, how far backfills are. A row a stage, a job, a
-- backfill: nothing here grows with the readings.

-- What is due to be made again, by stage in the order of the flow; a stage with nothing due has its row, too. `due` counts
-- to 20,000 and no further: a backfill marks millions, and one look is to stay one look.
CREATE OR REPLACE VIEW report.ledger AS
SELECT g.code AS stage, g.name, g.place, d.due, o.due AS oldest_due, coalesce(now() - o.due, interval '0') AS behind
FROM (VALUES (8, 'decide', 1), (1, 'flag', 2), (2, 'compare', 3), (3, 'hour', 4), (7, 'derive', 5), (4, 'average', 6),
             (5, 'assess', 7), (6, 'detect', 8)) AS g (code, name, place)
CROSS JOIN LATERAL (
    SELECT count(*) AS due FROM (SELECT FROM stale WHERE stage = g.code AND due <= now() LIMIT 20000) AS first
) AS d
LEFT JOIN LATERAL (SELECT due FROM stale WHERE stage = g.code AND due <= now() ORDER BY due LIMIT 1) AS o ON true;

-- What workers did of each stage and each job of the clock since the store was made; `age` since one ended well.
CREATE OR REPLACE VIEW report.work AS
SELECT job, runs, seconds, read, written, failures, succeeded, now() - succeeded AS age, failed, problem
FROM work;

-- `size` in the measure of its plan, `done` of it; `read` and the rest are cells. `problem`: the newest of its chunks.
CREATE OR REPLACE VIEW report.backfill AS
SELECT b.id AS backfill, b.begun, b.cancelled,
       CASE WHEN b.cancelled IS NOT NULL THEN 'cancelled' WHEN c.failed > 0 AND c.remaining = 0 THEN 'failed'
            WHEN c.remaining = 0 THEN 'done' WHEN c.running > 0 THEN 'running' ELSE 'waiting' END AS state,
       c.chunks, c.remaining, c.running, c.failed, c.size, c.done, c.done / nullif(c.size, 0) AS share, c.seconds, c.read,
       c.new, c.replaced, c.duplicates, c.missing, c.rejects, c.moved, now() - c.moved AS age, c.problem
FROM backfill b
CROSS JOIN LATERAL (
    SELECT count(*) AS chunks, count(*) FILTER (WHERE state IN ('waiting', 'running')) AS remaining,
           count(*) FILTER (WHERE state = 'running') AS running, count(*) FILTER (WHERE state = 'failed') AS failed,
           coalesce(sum(size), 0)::float8 AS size,
           coalesce(sum(size) FILTER (WHERE state = 'done'), 0)::float8 AS done,
           coalesce(sum(seconds), 0)::float8 AS seconds, coalesce(sum(read), 0)::int8 AS read,
           coalesce(sum(new), 0)::int8 AS new, coalesce(sum(replaced), 0)::int8 AS replaced,
           coalesce(sum(duplicates), 0)::int8 AS duplicates, coalesce(sum(missing), 0)::int8 AS missing,
           coalesce(sum(rejects), 0)::int8 AS rejects, max(since) AS moved,
           coalesce((array_agg(problem ORDER BY since DESC) FILTER (WHERE problem <> ''))[1], '') AS problem
    FROM backfill_chunk WHERE backfill = b.id
) AS c;

GRANT SELECT ON report.ledger, report.work, report.backfill
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
