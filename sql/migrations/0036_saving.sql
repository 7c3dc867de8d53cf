-- What a zone used in a month beside what a fixed weekly schedule would have used for no more days of stress.
CREATE TABLE saving (
    zone int4 NOT NULL REFERENCES zone,
    month date NOT NULL,
    known timestamptz NOT NULL,
    days int4 NOT NULL,                 -- of the month with a balance
    stressed int4 NOT NULL,             -- of these under stress
    used float8 NOT NULL,               -- that a meter or the moisture saw [mm]
    baseline float8 NOT NULL,           -- of the schedule [mm]
    low float8 NOT NULL,                -- nine of ten that might be lie between [mm]
    high float8 NOT NULL,
    PRIMARY KEY (zone, month)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON saving TO greenwatch_writer;
GRANT ALL ON saving TO greenwatch_admin;
