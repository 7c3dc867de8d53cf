-- What is safe on a disk and not yet in the store, a row a door. `age` is of the oldest record that waits, null where
-- none does; `told` is when its owner last said so: it says so every few seconds while it runs.

CREATE OR REPLACE VIEW report.spool AS
SELECT door, bytes, records, oldest, now() - oldest AS age, "full", appended, refused, syncs, sync_seconds, problem,
       moved, told, now() - told AS silent
FROM spool;

GRANT SELECT ON report.spool TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
