-- Incidents: what duty staff do about an alarm that somebody was told of; people; work orders out and back.

-- A person logs in by name and password; only the argon2 hash is kept. Nobody is deleted: the log names them.
CREATE TABLE person (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> '' AND length(name) <= 100 AND position(':' IN name) = 0),
    role text NOT NULL CHECK (role IN ('viewer', 'duty', 'lead', 'admin')),
    hash text NOT NULL CHECK (hash LIKE '$argon2id$%'),
    made timestamptz NOT NULL,
    made_by text NOT NULL CHECK (made_by <> ''),
    disabled timestamptz,
    disabled_by text,
    CHECK ((disabled IS NULL) = (disabled_by IS NULL))
);

-- One for each activation of an alarm that somebody is told of. Facts of the place are those of then. The state is what
-- its times say, so that the two cannot disagree.
CREATE TABLE incident (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject int4 NOT NULL,
    rule int2 NOT NULL,
    severity text NOT NULL CHECK (severity IN ('ticket', 'page')),     -- the highest somebody was told
    told text[] NOT NULL,                       -- every severity somebody was told, in that order
    level int2 NOT NULL,
    opened timestamptz NOT NULL,
    since timestamptz NOT NULL,                 -- when somebody was first told in its severity
    onset timestamptz,                          -- of what it stands on
    edge timestamptz,                           -- newest evidence it was told of
    district text NOT NULL DEFAULT '',
    street text NOT NULL DEFAULT '',
    utc_offset int2 NOT NULL,                   -- of the place [min]: whose month it is
    team text NOT NULL DEFAULT 'duty',          -- who answers for it, by the policy of when it was opened
    parent int8 REFERENCES incident,            -- of the region it joined
    delivered timestamptz,
    acknowledged timestamptz,
    acknowledged_by text,
    assigned timestamptz,
    assignee text,
    dispatched timestamptz,
    recovered timestamptz,                      -- the data did
    withdrawn timestamptz,                      -- what it stood on was taken away by a correction
    resolved timestamptz,
    reviewed timestamptz,
    cancelled timestamptz,
    tier int2 NOT NULL DEFAULT 0 CHECK (tier >= 0), -- how often nobody acknowledged in time
    ended timestamptz GENERATED ALWAYS AS (least(recovered, withdrawn, resolved, cancelled)) STORED,
    state text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN reviewed IS NOT NULL THEN 'reviewed' WHEN cancelled IS NOT NULL THEN 'cancelled'
             WHEN resolved IS NOT NULL THEN 'resolved' WHEN withdrawn IS NOT NULL THEN 'withdrawn'
             WHEN recovered IS NOT NULL THEN 'recovered'
             -- one that is a page by now is open until somebody knows of that, too
             WHEN dispatched IS NOT NULL AND acknowledged IS NOT NULL THEN 'dispatched'
             WHEN acknowledged IS NOT NULL THEN 'acknowledged' ELSE 'open' END
    ) STORED,
    CHECK (parent <> id),
    CHECK ((acknowledged IS NULL) = (acknowledged_by IS NULL)),
    CHECK ((assigned IS NULL) = (assignee IS NULL))
);
-- An activation has one incident, whoever asks how often.
CREATE UNIQUE INDEX incident_active ON incident (subject, rule) WHERE recovered IS NULL AND withdrawn IS NULL;
CREATE INDEX incident_going ON incident (id) WHERE ended IS NULL;
CREATE INDEX incident_ended ON incident (ended);
CREATE INDEX incident_opened ON incident (opened);
CREATE INDEX incident_parent ON incident (parent) WHERE parent IS NOT NULL;

-- What became of it, by whom, on what evidence: rows are added, never changed.
CREATE TABLE incident_log (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident int8 NOT NULL REFERENCES incident,
    at timestamptz NOT NULL,
    author text NOT NULL CHECK (author <> ''),
    action text NOT NULL CHECK (action <> ''),
    note text NOT NULL DEFAULT '',
    evidence jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX incident_log_incident ON incident_log (incident, id);

CREATE FUNCTION incident_log_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log of incidents is only added to'
        USING ERRCODE = 'insufficient_privilege', HINT = 'Add a row that says what is right.';
END
$$;
CREATE TRIGGER stands BEFORE UPDATE OR DELETE ON incident_log FOR EACH ROW EXECUTE FUNCTION incident_log_stands();
CREATE TRIGGER stands_whole BEFORE TRUNCATE ON incident_log FOR EACH STATEMENT EXECUTE FUNCTION incident_log_stands();

-- Work orders on their way to who does the work. `id` is the webhook-id: sent again it is the same.
CREATE TABLE work_order (
    id uuid PRIMARY KEY,
    incident int8 NOT NULL REFERENCES incident,
    made timestamptz NOT NULL,
    made_by text NOT NULL CHECK (made_by <> ''),
    body jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed', 'accepted', 'done', 'refused')),
    due timestamptz NOT NULL,                   -- of the next try
    tries int2 NOT NULL DEFAULT 0,
    sent timestamptz,
    answered timestamptz,
    problem text NOT NULL DEFAULT ''            -- of the last try
);
CREATE INDEX work_order_due ON work_order (due) WHERE state = 'waiting';
CREATE INDEX work_order_incident ON work_order (incident);

-- Webhooks that were taken, so that none counts twice: notifications of an incident (by their hash), and ids of signed ones.
CREATE TABLE notice (
    incident int8 NOT NULL REFERENCES incident,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    at timestamptz NOT NULL,
    PRIMARY KEY (incident, digest)
);
CREATE TABLE webhook (
    id text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 200),
    at timestamptz NOT NULL
);
CREATE INDEX webhook_at ON webhook (at);

-- Alertmanager's webhook comes with a key of its own kind.
ALTER TABLE key DROP CONSTRAINT key_scopes_check;
ALTER TABLE key ADD CONSTRAINT key_scopes_check
    CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['write', 'read', 'hook']);

-- The service knows people and makes none. Of an incident it changes what becomes of it, never what it is about; the log
-- is added to by whoever may, and changed by nobody.
GRANT SELECT ON person TO greenwatch_writer;
GRANT SELECT, INSERT ON incident, incident_log, work_order, notice TO greenwatch_writer;
GRANT SELECT, INSERT, DELETE ON webhook TO greenwatch_writer;
GRANT UPDATE (severity, told, since, level, onset, edge, parent, delivered, acknowledged, acknowledged_by, assigned, assignee,
              dispatched, recovered, withdrawn, resolved, reviewed, cancelled, tier) ON incident TO greenwatch_writer;
GRANT UPDATE (state, due, tries, sent, answered, problem) ON work_order TO greenwatch_writer;
GRANT ALL ON person, incident, work_order, notice, webhook TO greenwatch_admin;
GRANT SELECT, INSERT ON incident_log TO greenwatch_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_writer, greenwatch_admin;
