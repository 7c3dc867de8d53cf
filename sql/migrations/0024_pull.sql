-- What is asked of services, how it went, and the forecasts of the weather that came of it or of files.

CREATE TABLE pull (
    name text PRIMARY KEY,
    connector text NOT NULL,
    ids jsonb NOT NULL,                 -- id of the service -> code of a station; "": as the service calls it
    every int4,                         -- [s]; null: the connector's
    horizon int4,                       -- [s]; how far back each pull asks again; null: the connector's
    url text,                           -- null: the connector's
    "on" boolean NOT NULL DEFAULT true
);

-- A row a pull that was ever tried: a restart goes on from here. Sums since the first.
CREATE TABLE pull_state (
    pull text PRIMARY KEY REFERENCES pull,
    tried timestamptz NOT NULL,
    succeeded timestamptz,              -- when the last that went well was begun
    due timestamptz NOT NULL,
    closed timestamptz,                 -- until when its service wants no pull of it; null: it said nothing so
    failures int4 NOT NULL DEFAULT 0,   -- since the last that went well
    failed int8 NOT NULL DEFAULT 0,
    problem text NOT NULL DEFAULT '',   -- of the last failure; empty once one went well
    requests int8 NOT NULL DEFAULT 0,
    read int8 NOT NULL DEFAULT 0,
    new int8 NOT NULL DEFAULT 0,
    replaced int8 NOT NULL DEFAULT 0,
    duplicates int8 NOT NULL DEFAULT 0,
    missing int8 NOT NULL DEFAULT 0,
    rejects int8 NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- A value of a station for the period that starts at `valid`, as it was issued; never issued again, never changed.
CREATE TABLE weather_forecast (
    station int4 NOT NULL,
    parameter text NOT NULL,
    source int4 NOT NULL,
    valid timestamptz NOT NULL,
    issued timestamptz NOT NULL,
    value float8 NOT NULL,
    known timestamptz NOT NULL,         -- by the clock
    PRIMARY KEY (station, parameter, source, valid, issued)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('weather_forecast', 'valid', chunk_time_interval => interval '28 days', create_default_indexes => false);
    END IF;
END
$$;

GRANT SELECT, INSERT, UPDATE ON pull, pull_state TO greenwatch_writer;
GRANT SELECT, INSERT ON weather_forecast TO greenwatch_writer;
GRANT ALL ON pull, pull_state, weather_forecast TO greenwatch_admin;
