-- How far each spool is drained. The cursor moves in the transaction that saves what it passes (law 7); whoever drains
-- holds its row meanwhile. The spool itself lies on the disk of the machine whose door it is.
CREATE TABLE spool (
    door text PRIMARY KEY,              -- as `hj212`, or `hj212@north` where more machines have one of a kind
    segment int8,                       -- behind the last record that is in: a segment and a byte of it; null: none is
    byte int8,
    moved timestamptz,
    -- what the owner last told, every few seconds
    told timestamptz,
    bytes int8 NOT NULL DEFAULT 0,      -- that wait
    records int8 NOT NULL DEFAULT 0,
    oldest timestamptz,                 -- when the first of them was received; null: none waits
    "full" boolean NOT NULL DEFAULT false,
    -- sums since its owner started
    appended int8 NOT NULL DEFAULT 0,
    refused int8 NOT NULL DEFAULT 0,    -- since there was no room
    syncs int8 NOT NULL DEFAULT 0,
    sync_seconds float8 NOT NULL DEFAULT 0,
    problem text NOT NULL DEFAULT '',   -- why the last attempt to drain failed; empty once one went well
    CHECK ((segment IS NULL) = (byte IS NULL))
) WITH (fillfactor = 50);

-- What a spool's batches stand on is found by where they are from.
CREATE INDEX batch_origin ON batch (origin text_pattern_ops) WHERE rejects > 0;
CREATE INDEX reject_batch ON reject (batch);

GRANT SELECT, INSERT, UPDATE ON spool TO greenwatch_writer;
GRANT ALL ON spool TO greenwatch_admin;
