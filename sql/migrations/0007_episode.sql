-- What is detected: fits, scores, episodes; and what is made of them: alarms.

-- A fit is made by the clock or by `relearn`, never as a side effect. It holds for what is observed from `valid_from`
-- (the end of its window) until the next one of its kind and subject; of two with one `valid_from` the later made.
CREATE TABLE fit (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,             -- the detector that reads it, as `robust-seasonal`
    subject int4 NOT NULL,          -- a series: the one that speaks for its quantity
    since timestamptz NOT NULL,     -- the window it was learned from: [since, valid_from)
    valid_from timestamptz NOT NULL,
    fitted_at timestamptz NOT NULL,
    seed int8 NOT NULL,
    versions jsonb NOT NULL,        -- of the code that made it
    sha256 text NOT NULL,           -- of `blob`
    blob bytea NOT NULL,
    UNIQUE (kind, subject, valid_from, fitted_at)
);

-- Sparse: rows only where a detector is at or over its line of 1.0.
CREATE TABLE score (
    time timestamptz NOT NULL,
    value float8 NOT NULL,
    series int4 NOT NULL,
    detector int2 NOT NULL,
    PRIMARY KEY (series, detector, time)
);

-- An episode is known by (rule, station, start).
CREATE TABLE episode (
    time timestamptz NOT NULL,          -- its start
    known timestamptz NOT NULL,
    stop timestamptz NOT NULL,          -- end of its last period so far
    peak_time timestamptz NOT NULL,
    station int4 NOT NULL,
    rule int2 NOT NULL,
    level int2 NOT NULL,                -- highest reached
    closed boolean NOT NULL,            -- false: no quiet stretch has followed yet, be it that data stopped
    peak float8 NOT NULL,               -- highest value [unit of the parameter]
    dose float8 NOT NULL,               -- excess over the first level, each period for an hour [unit × h]
    count int4 NOT NULL,                -- periods with a value beyond the off line
    levels jsonb NOT NULL,              -- history of levels: [[start, level], ...]
    PRIMARY KEY (station, rule, time)
);
CREATE INDEX episode_open ON episode (station, rule) WHERE NOT closed;

CREATE TABLE episode_history (
    time timestamptz NOT NULL,
    known timestamptz NOT NULL,
    ended timestamptz NOT NULL,
    stop timestamptz NOT NULL,
    peak_time timestamptz NOT NULL,
    station int4 NOT NULL,
    rule int2 NOT NULL,
    level int2 NOT NULL,
    closed boolean NOT NULL,
    peak float8 NOT NULL,
    dose float8 NOT NULL,
    count int4 NOT NULL,
    levels jsonb NOT NULL
);
CREATE INDEX episode_history_key ON episode_history (station, rule, time);

-- The state of each (alarm rule, station) that ever left `ok`.
CREATE TABLE alarm (
    station int4 NOT NULL REFERENCES station,
    rule int2 NOT NULL,
    state text NOT NULL CHECK (state IN ('ok', 'pending', 'firing', 'blind', 'recovering', 'withdrawn')),
    level int2 NOT NULL,
    since timestamptz NOT NULL,         -- when it came into this state, by the clock
    episode timestamptz,                -- start of the episode it stands on
    edge timestamptz,                   -- newest evidence it has seen
    closed timestamptz,                 -- when it last ended, by the clock
    memory jsonb NOT NULL DEFAULT '{}', -- what `watch` needs to go on from here
    PRIMARY KEY (station, rule)
);

CREATE TABLE alarm_event (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,            -- by the clock
    station int4 NOT NULL,
    rule int2 NOT NULL,
    before text NOT NULL,
    after text NOT NULL,
    level int2 NOT NULL,
    reason text NOT NULL,
    evidence jsonb NOT NULL
);
CREATE INDEX alarm_event_at ON alarm_event (at);

-- What was settled before there were episodes is looked through once.
INSERT INTO stale (stage, subject, start, stop, due)
SELECT 6, s.station, min(l.first), max(l.time) + interval '25 hours', now()
FROM latest l JOIN series s ON s.id = l.series WHERE l.time IS NOT NULL GROUP BY s.station;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('score', 'time', chunk_time_interval => interval '28 days', create_default_indexes => false);
    END IF;
END
$$;

GRANT SELECT ON fit, score, episode, episode_history, alarm, alarm_event TO greenwatch_writer;
GRANT INSERT ON fit, episode_history, alarm_event TO greenwatch_writer;
GRANT INSERT, DELETE ON score, episode TO greenwatch_writer;
GRANT INSERT, UPDATE ON alarm TO greenwatch_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_writer;
GRANT ALL ON fit, score, episode, episode_history, alarm, alarm_event TO greenwatch_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_admin;
