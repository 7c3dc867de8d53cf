-- Clocks of devices, and rejects that can be searched.

-- The least delay from stamp to receipt in an hour of receipt [s], of what a source says live of a station; negative
-- where the stamp lies ahead. An hour takes the place of that of a week before: rows are as many as there are.
CREATE TABLE clock (
    station int4 NOT NULL REFERENCES station,
    source int4 NOT NULL REFERENCES source,
    slot int2 NOT NULL CHECK (slot BETWEEN 0 AND 167),
    hour timestamptz NOT NULL,
    delay float8 NOT NULL,
    PRIMARY KEY (station, source, slot)
) WITH (fillfactor = 70);
CREATE INDEX clock_hour ON clock (hour);

-- When it was first refused.
ALTER TABLE reject ADD COLUMN kept timestamptz;
UPDATE reject r SET kept = b.known FROM batch b WHERE b.id = r.batch;
ALTER TABLE reject ALTER COLUMN kept SET DEFAULT clock_timestamp();

-- Of words the beginnings: what a sender says may be longer than an index takes.
CREATE INDEX reject_reason ON reject (source, left(reason, 100), id);
CREATE INDEX reject_station ON reject (left(station, 100), id);
CREATE INDEX reject_kept ON reject (kept);

GRANT SELECT, INSERT, UPDATE ON clock TO greenwatch_writer;
GRANT ALL ON clock TO greenwatch_admin;
GRANT SELECT ON clock, reject TO greenwatch_api;
