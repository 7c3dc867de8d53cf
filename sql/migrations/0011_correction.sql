-- What people say of readings. A correction is a layer over the readings of a series: it never touches what was
-- received, its row is never edited, only ended, and that is the undo. Layers of one series apply in the order of their
-- ids. A review says how far somebody has looked through a period; an approved one takes no more changes.

CREATE TABLE correction (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series int4 NOT NULL REFERENCES series,
    kind text NOT NULL CHECK (kind IN ('recalibration', 'drift', 'verdict', 'withdrawal')),
    start timestamptz NOT NULL,
    stop timestamptz NOT NULL,          -- itself not included
    given jsonb NOT NULL,               -- numbers by name, as its kind asks for
    author text NOT NULL CHECK (author <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    known timestamptz NOT NULL,         -- signed under the lock of the ordinals: one order with the batches
    ended timestamptz,                  -- signed likewise; null: in force
    ended_by text CHECK (ended_by <> ''),
    ended_reason text CHECK (ended_reason <> ''),
    CHECK (start < stop),
    CHECK (num_nulls(ended, ended_by, ended_reason) IN (0, 3))
);
CREATE INDEX correction_series ON correction (series, start);
CREATE INDEX correction_known ON correction (known);
CREATE INDEX correction_ended ON correction (ended) WHERE ended IS NOT NULL;

-- Sparse: what readings count as where layers say other than what was received; null: they do not count. Made by `flag`
-- for dashboards; stages apply the layers themselves.
CREATE TABLE corrected (
    time timestamptz NOT NULL,
    value float8,
    series int4 NOT NULL,
    PRIMARY KEY (series, time)
);

-- The state of a period is that of the row in force (`ended` is null); a new one ends what it overlaps, and what is left
-- over from that goes on as a row that says whom it follows.
CREATE TABLE review (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series int4 NOT NULL REFERENCES series,
    during tstzrange NOT NULL CHECK (NOT isempty(during) AND NOT lower_inf(during) AND NOT upper_inf(during)),
    state text NOT NULL CHECK (state IN ('unreviewed', 'reviewed', 'approved')),
    author text NOT NULL CHECK (author <> ''),
    reason text NOT NULL,
    known timestamptz NOT NULL,
    ended timestamptz,
    follows int4 REFERENCES review
);
CREATE INDEX review_series ON review (series) WHERE ended IS NULL;
CREATE INDEX review_approved ON review (series) WHERE ended IS NULL AND state = 'approved';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('corrected', 'time', chunk_time_interval => interval '28 days', create_default_indexes => false);
    END IF;
END
$$;

GRANT SELECT ON correction, corrected, review TO greenwatch_writer;
GRANT INSERT ON correction, review TO greenwatch_writer;
GRANT UPDATE (ended, ended_by, ended_reason) ON correction TO greenwatch_writer;
GRANT UPDATE (ended) ON review TO greenwatch_writer;
GRANT INSERT, DELETE ON corrected TO greenwatch_writer;
GRANT ALL ON correction, corrected, review TO greenwatch_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_writer, greenwatch_admin;
