-- Verdicts in two passes. The first is what a series says of itself; held against its neighbours and by what people say
-- of it, it becomes the final one in `verdict`. Neighbours read each other's first pass, never the final one: nothing
-- goes round in circles. Who is around whom are fits of kind `neighbours`.

CREATE TABLE first_verdict (
    time timestamptz NOT NULL,
    series int4 NOT NULL,
    tests int4 NOT NULL,    -- a bit a test that objected
    code int2 NOT NULL,     -- QARTOD primary flag, never 1: a good reading has no row
    PRIMARY KEY (series, time)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('first_verdict', 'time', chunk_time_interval => interval '28 days', create_default_indexes => false);
    END IF;
END
$$;

-- Nobody had neighbours yet: what was said first was the last word too, wherever it was judged.
INSERT INTO first_verdict (time, series, tests, code) SELECT time, series, tests, code FROM verdict;
INSERT INTO judged (stage, subject, rules, during) SELECT 2, subject, rules, during FROM judged WHERE stage = 1;

GRANT SELECT, INSERT, DELETE ON first_verdict TO greenwatch_writer;
GRANT ALL ON first_verdict TO greenwatch_admin;
