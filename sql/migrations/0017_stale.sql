-- A mark waits while what it stands on is marked for the same subject: without this, every claim read all marks for each.
CREATE INDEX stale_subject ON stale (stage, subject, start);
