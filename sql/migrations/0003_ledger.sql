-- Windows to redo, and what has been judged. Rows of `stale` are only ever inserted and taken, never merged or updated.

CREATE TABLE stale (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage int2 NOT NULL,
    subject int4 NOT NULL,
    start timestamptz NOT NULL,
    stop timestamptz NOT NULL,
    due timestamptz NOT NULL,
    CHECK (start < stop)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX stale_due ON stale (stage, due);

-- No verdict means good only inside `during` and outside stale windows; elsewhere it means "not evaluated".
CREATE TABLE judged (
    stage int2 NOT NULL,
    subject int4 NOT NULL,
    rules int4 NOT NULL REFERENCES edition,
    during tstzmultirange NOT NULL,
    PRIMARY KEY (stage, subject, rules)
);
