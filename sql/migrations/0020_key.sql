-- Who may send readings over HTTP and read them there; and what became of the posts that waited in a spool.

-- A key is shown once, when it is made, and never kept: only its SHA-256. That is enough, since a key is 256 random
-- bits: a slow hash with a salt protects what people choose, which can be guessed; nobody guesses these, hash in hand or
-- not. It also lets a key be found by its hash, in one look.
CREATE TABLE key (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    source text NOT NULL CHECK (source <> ''),  -- what is sent by it is said by this source, whatever it claims
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['write', 'read']),
    stations text[] CHECK (cardinality(stations) > 0),  -- codes; null: any
    made timestamptz NOT NULL,
    made_by text NOT NULL,
    revoked timestamptz,
    revoked_by text,
    note text NOT NULL DEFAULT '',
    CHECK ((revoked IS NULL) = (revoked_by IS NULL))
);

-- A post that was answered before it was saved (202), once it is settled: written in the transaction of its readings.
CREATE TABLE post (
    id uuid PRIMARY KEY,
    source text NOT NULL,
    received timestamptz NOT NULL,
    settled timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('saved', 'refused')),
    answer jsonb NOT NULL                       -- what would have been answered at once
);
CREATE INDEX post_settled ON post (settled);

-- The service knows keys and makes none.
GRANT SELECT ON key TO greenwatch_writer;
GRANT SELECT, INSERT, DELETE ON post TO greenwatch_writer;
GRANT ALL ON key, post TO greenwatch_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_admin;
