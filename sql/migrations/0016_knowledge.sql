-- What of the registry changes a figure that is made again, by when it was known: who ranks before whom, where a day
-- begins. The source and the station hold what is true now, a row here what it was and what it became.

CREATE TABLE registry_change (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    known timestamptz NOT NULL,     -- signed under the lock of the ordinals: one order with the batches
    fact text NOT NULL CHECK (fact IN ('priority', 'utc_offset')),
    subject int4 NOT NULL,          -- a source; a station
    before int4 NOT NULL,
    after int4 NOT NULL,
    author text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT ''
);
CREATE INDEX registry_change_known ON registry_change (known);

-- Since and until when each value of a fact that ever changed was known; what never changed is as it is now.
CREATE VIEW registry_span AS
SELECT fact, subject, after AS value, known AS since,
       coalesce(lead(known) OVER (PARTITION BY fact, subject ORDER BY known, id), 'infinity') AS until
FROM registry_change
UNION ALL
SELECT fact, subject, before, '-infinity', known FROM (
    SELECT DISTINCT ON (fact, subject) fact, subject, before, known FROM registry_change ORDER BY fact, subject, known, id
) AS first;

-- A fit is dated by the start of its run, and known when it is kept.
ALTER TABLE fit ADD COLUMN known timestamptz;
UPDATE fit SET known = fitted_at;
ALTER TABLE fit ALTER COLUMN known SET NOT NULL, ALTER COLUMN known SET DEFAULT clock_timestamp();

-- Advice is issued for an hour and known some minutes later.
ALTER TABLE advice ADD COLUMN known timestamptz;
UPDATE advice SET known = issued;
ALTER TABLE advice ALTER COLUMN known SET NOT NULL, ALTER COLUMN known SET DEFAULT clock_timestamp();

GRANT SELECT, INSERT ON registry_change TO greenwatch_writer;
GRANT SELECT ON registry_span TO greenwatch_writer, greenwatch_admin;
GRANT ALL ON registry_change TO greenwatch_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_writer, greenwatch_admin;
