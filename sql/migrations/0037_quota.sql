-- What a supply gives a year, and how far who opens valves was told.
ALTER TABLE supply ADD yearly float8 CHECK (yearly >= 0);  -- what it gives a calendar year [m³]; null: whatever is asked for

-- One row: the advice they have is that of the hour `issued`, when so many `zones` had one of it.
CREATE TABLE advice_call (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    issued timestamptz,
    zones int8 NOT NULL DEFAULT 0,
    sent timestamptz,
    due timestamptz NOT NULL DEFAULT '-infinity',  -- of the next try
    tries int4 NOT NULL DEFAULT 0,                 -- since they took the last one
    problem text NOT NULL DEFAULT ''               -- of the last try
);
INSERT INTO advice_call DEFAULT VALUES;
CREATE INDEX advice_issued ON advice (issued);

GRANT SELECT, UPDATE ON advice_call TO greenwatch_writer;
GRANT ALL ON advice_call TO greenwatch_admin;
