-- What workers did, for /metrics: sums that outlive a worker, added to every few seconds; and when one last did well.
CREATE TABLE work (
    job text PRIMARY KEY,               -- a stage of the chain, or a job of the clock
    runs int8 NOT NULL DEFAULT 0,       -- takes of a stage, runs of a job
    seconds float8 NOT NULL DEFAULT 0,
    read int8 NOT NULL DEFAULT 0,
    written int8 NOT NULL DEFAULT 0,
    failures int8 NOT NULL DEFAULT 0,
    succeeded timestamptz,              -- by the clock
    failed timestamptz,
    problem text NOT NULL DEFAULT ''    -- of the last failure; empty once it went well again
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE ON work TO greenwatch_writer;
GRANT ALL ON work TO greenwatch_admin;
