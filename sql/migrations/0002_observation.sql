-- Append-only knowledge: a value that replaces another moves the old one to history; nothing refers to a row by an id.

CREATE SEQUENCE batch_id AS int4;

-- A batch takes its id before the COPY and gets its row in the last statement of the transaction, under one advisory
-- lock: ordinals follow commit order without a hole, and "as of T" means ordinals up to the last one known at T.
CREATE TABLE batch (
    id int4 PRIMARY KEY,
    ordinal int4 NOT NULL UNIQUE,
    known timestamptz NOT NULL,
    source int4 NOT NULL REFERENCES source,
    kind text NOT NULL CHECK (kind IN ('live', 'late', 'backfill', 'correction')),
    decoder text NOT NULL,
    origin text NOT NULL DEFAULT '',    -- where the bytes are: a path, a spool position
    sha256 text,
    read int8 NOT NULL,
    new int8 NOT NULL,
    replaced int8 NOT NULL,
    duplicates int8 NOT NULL,
    missing int8 NOT NULL,
    rejects int8 NOT NULL,
    conflicts int8 NOT NULL,            -- beside the sum: equal revisions with different values
    CHECK (read = new + replaced + duplicates + missing + rejects)
);
CREATE INDEX batch_known ON batch (known);

CREATE TABLE observation (
    time timestamptz NOT NULL,
    value float8 NOT NULL,
    series int4 NOT NULL,
    batch int4 NOT NULL,
    mark int2,          -- the device's own mark, a character's code point; null: none
    revision int8,      -- the sender's; null: 0
    PRIMARY KEY (series, time)
);

CREATE TABLE observation_history (
    time timestamptz NOT NULL,
    value float8 NOT NULL,
    series int4 NOT NULL,
    batch int4 NOT NULL,
    mark int2,
    revision int8
);
CREATE INDEX observation_history_key ON observation_history (series, time);

-- The newest reading of a series: a dashboard's first question, and the line past which a save need not compare.
-- Its row is what two savers of one series queue at. `first` and `rows` tell how dense the series really is.
CREATE TABLE latest (
    series int4 PRIMARY KEY REFERENCES series,
    time timestamptz,
    value float8,
    mark int2,
    first timestamptz,
    rows int8 NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Cells that could not be kept, in the words of their source. Rows of unknown series wait here with their value.
CREATE TABLE reject (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch int4 NOT NULL,
    source int4 NOT NULL REFERENCES source,
    reason text NOT NULL,
    station text,
    channel text,
    stamp text,
    text text,
    place text,
    time timestamptz,
    value float8,
    mark int2,
    revision int8,
    cadence int4,       -- the step its sender said its series has [s]
    digest text NOT NULL GENERATED ALWAYS AS (md5(
        reason || E'\x1f' || coalesce(station, '') || E'\x1f' || coalesce(channel, '') || E'\x1f' || coalesce(stamp, '')
        || E'\x1f' || coalesce(text, '') || E'\x1f' || coalesce(mark::text, '') || E'\x1f' || coalesce(revision::text, '')
        || E'\x1f' || coalesce(cadence::text, '')
    )) STORED,
    UNIQUE (source, digest)     -- the same bad cell again is the same reject
);
CREATE INDEX reject_waiting ON reject (station, channel) WHERE time IS NOT NULL;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('observation', 'time', chunk_time_interval => interval '7 days', create_default_indexes => false);
    END IF;
END
$$;
