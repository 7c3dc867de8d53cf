-- Waterings that were seen: by a meter, or by a rise of the root zone that no rain explains.
CREATE TABLE watering (
    zone int4 NOT NULL REFERENCES zone,
    start timestamptz NOT NULL,         -- of its first hour
    stop timestamptz NOT NULL CHECK (stop > start),
    known timestamptz NOT NULL,
    moisture float8,                    -- by which the root zone rose beyond the rain [mm]; null: it did not
    meter float8,                       -- that a meter saw [mm]; null: none
    evidence text NOT NULL CHECK (evidence IN ('meter', 'moisture', 'both')),
    PRIMARY KEY (zone, start)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON watering TO greenwatch_writer;
GRANT ALL ON watering TO greenwatch_admin;
