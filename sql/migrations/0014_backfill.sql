-- Backfills: what was asked for, the chunks it was cut into, what each changed. Chunks are handed out by procrastinate,
-- which has its tables in a schema of its own; `migrate` makes them from the installed library.

CREATE SCHEMA queue;

-- Which of a library's own migrations have run in its schema: those it brings later run in their order.
CREATE TABLE guest_step (
    guest text NOT NULL,                -- its schema
    name text NOT NULL,                 -- as the library calls it
    applied timestamptz NOT NULL,
    PRIMARY KEY (guest, name)
);

CREATE TABLE backfill (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    begun timestamptz NOT NULL DEFAULT clock_timestamp(),   -- what was known then is what it is compared with
    ask jsonb NOT NULL,                 -- where from and how it is read
    cancelled timestamptz
);

-- A chunk is read by one worker and saved in bites, a batch each. The sums grow in the transaction of the bite: a
-- worker that takes over goes on behind the last one.
CREATE TABLE backfill_chunk (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    backfill int4 NOT NULL REFERENCES backfill,
    place text NOT NULL,                -- in words
    piece jsonb NOT NULL,               -- what to read
    size int8 NOT NULL,                 -- how much it is beside the others
    job int8,                           -- of procrastinate
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    worker text NOT NULL DEFAULT '',    -- machine and process
    failures int4 NOT NULL DEFAULT 0,
    problem text NOT NULL DEFAULT '',   -- of the last failure
    version text NOT NULL DEFAULT '',   -- by which it is cut into bites; by another one it begins anew
    bites int4 NOT NULL DEFAULT 0,
    seconds float8 NOT NULL DEFAULT 0,  -- spent on what was saved
    read int8 NOT NULL DEFAULT 0,
    new int8 NOT NULL DEFAULT 0,
    replaced int8 NOT NULL DEFAULT 0,
    duplicates int8 NOT NULL DEFAULT 0,
    missing int8 NOT NULL DEFAULT 0,
    rejects int8 NOT NULL DEFAULT 0,
    conflicts int8 NOT NULL DEFAULT 0,
    held int8 NOT NULL DEFAULT 0        -- of the rejects those that wait: their period is closed
) WITH (fillfactor = 70);
CREATE INDEX backfill_chunk_backfill ON backfill_chunk (backfill, id);

-- Between which times a backfill changed readings of a series, where that series' live edge lay when it began to, and
-- when it last changed what was not two days old.
CREATE TABLE backfill_span (
    backfill int4 NOT NULL REFERENCES backfill,
    series int4 NOT NULL,
    start timestamptz NOT NULL,
    stop timestamptz NOT NULL,
    live timestamptz,                   -- null: nothing ever came live
    recent timestamptz,                 -- null: it never did
    PRIMARY KEY (series, backfill),
    CHECK (start < stop)
);
CREATE INDEX backfill_span_backfill ON backfill_span (backfill);

GRANT SELECT ON guest_step, backfill, backfill_chunk, backfill_span TO greenwatch_writer;
GRANT INSERT ON backfill, backfill_chunk, backfill_span TO greenwatch_writer;
GRANT UPDATE (cancelled) ON backfill TO greenwatch_writer;
GRANT UPDATE ON backfill_chunk, backfill_span TO greenwatch_writer;
GRANT ALL ON guest_step, backfill, backfill_chunk, backfill_span TO greenwatch_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_writer, greenwatch_admin;
GRANT USAGE ON SCHEMA queue TO greenwatch_writer, greenwatch_admin;
