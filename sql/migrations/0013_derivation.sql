-- Series that are derived from others: of what, how, and from which local day on. A formula holds until the next one of
-- its series. Their hours are rows of `average` like those of any series.

CREATE TABLE derivation (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series int4 NOT NULL REFERENCES series,         -- the derived one
    since date NOT NULL DEFAULT '-infinity',        -- local day of its station
    kind text,                                      -- of the package table `derivations`; null: from then on no longer
    roles text[] NOT NULL DEFAULT '{}',             -- what each input is for
    inputs int4[] NOT NULL DEFAULT '{}',            -- series, for the role in their place
    given jsonb NOT NULL DEFAULT '{}',              -- what the site says: {"capacity": 3.2}
    known timestamptz NOT NULL,                     -- signed under the lock of the ordinals: one order with the batches
    ended timestamptz,                              -- another one of its day took its place; null: it is in force
    author text NOT NULL DEFAULT '',
    CHECK (cardinality(roles) = cardinality(inputs)),
    CHECK ((kind IS NULL) = (cardinality(inputs) = 0)),
    CHECK (NOT series = ANY (inputs)),
    CHECK (known <= ended)
);
CREATE UNIQUE INDEX derivation_formula ON derivation (series, since) WHERE ended IS NULL;
CREATE INDEX derivation_inputs ON derivation USING gin (inputs) WHERE ended IS NULL;

GRANT SELECT, INSERT, UPDATE (ended) ON derivation TO greenwatch_writer;
GRANT ALL ON derivation TO greenwatch_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_writer, greenwatch_admin;
