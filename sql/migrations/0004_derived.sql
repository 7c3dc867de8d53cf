-- What the stages make of observations. Verdicts and averages can be made again for any past time; what people saw
-- (assessments) is kept by version.

CREATE TABLE verdict (
    time timestamptz NOT NULL,
    series int4 NOT NULL,
    tests int4 NOT NULL,    -- a bit a test that objected
    code int2 NOT NULL,     -- QARTOD primary flag, never 1: a good reading has no row
    PRIMARY KEY (series, time)
);

CREATE TABLE average (
    time timestamptz NOT NULL,      -- start of the period; of a running mean, of its last hour
    value float8,                   -- null: not enough readings
    series int4 NOT NULL,
    count int4 NOT NULL,
    expected int4 NOT NULL,
    averaging int2 NOT NULL,
    PRIMARY KEY (series, averaging, time)
);

CREATE TABLE assessment (
    time timestamptz NOT NULL,
    known timestamptz NOT NULL,
    station int4 NOT NULL,
    averaging int2 NOT NULL,
    standard int2 NOT NULL,
    index int2,             -- null: the standard allows no figure
    class int2,
    "primary" int2,
    PRIMARY KEY (station, averaging, standard, time)
);

CREATE TABLE assessment_history (
    time timestamptz NOT NULL,
    known timestamptz NOT NULL,
    ended timestamptz NOT NULL,
    station int4 NOT NULL,
    averaging int2 NOT NULL,
    standard int2 NOT NULL,
    index int2,
    class int2,
    "primary" int2
);
CREATE INDEX assessment_history_key ON assessment_history (station, averaging, standard, time);

DO $$
DECLARE
    name text;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        FOREACH name IN ARRAY ARRAY['verdict', 'average', 'assessment'] LOOP
            PERFORM create_hypertable(name::regclass, 'time', chunk_time_interval => interval '28 days', create_default_indexes => false);
        END LOOP;
    END IF;
END
$$;
