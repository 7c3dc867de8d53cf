-- What an alarm is about: a station, one of its channels, a source of readings, or a district. And what was planned: the
-- calendar that holds pages back while somebody works on a station or sets off fireworks.

CREATE TABLE subject (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('station', 'channel', 'source', 'district')),
    station int4 REFERENCES station UNIQUE,     -- of kind station
    series int4 REFERENCES series UNIQUE,       -- of kind channel
    source int4 REFERENCES source UNIQUE,       -- of kind source
    place text UNIQUE CHECK (place <> ''),      -- of kind district: a place of the memberships of kind district
    CHECK ((kind = 'station') = (station IS NOT NULL) AND (kind = 'channel') = (series IS NOT NULL)
        AND (kind = 'source') = (source IS NOT NULL) AND (kind = 'district') = (place IS NOT NULL))
);

INSERT INTO subject (kind, station)
SELECT 'station', k.station FROM (SELECT station FROM alarm UNION SELECT station FROM alarm_event) AS k
WHERE EXISTS (SELECT FROM station t WHERE t.id = k.station) ORDER BY k.station;

-- What was told before is kept under its subject; whoever reads `report` sees the same columns at every moment.
ALTER TABLE alarm ADD subject int4 REFERENCES subject;
UPDATE alarm a SET subject = s.id FROM subject s WHERE s.station = a.station;
ALTER TABLE alarm_event ADD subject int4;
UPDATE alarm_event e SET subject = s.id FROM subject s WHERE s.station = e.station;

DO $$
BEGIN
    IF to_regclass('report.alarm') IS NOT NULL THEN
        CREATE OR REPLACE VIEW report.alarm AS
        SELECT t.code AS station, r.name AS rule, a.state, a.level, a.since, a.episode, a.edge, a.closed, d.severity,
               d.parameter, d.title, d.title_zh
        FROM alarm a JOIN subject s ON s.id = a.subject LEFT JOIN station t ON t.id = s.station
        JOIN term r ON r.id = a.rule LEFT JOIN report.alarm_rule d ON d.rule = r.name;
        CREATE OR REPLACE VIEW report.alarm_event AS
        SELECT e.at AS time, t.code AS station, r.name AS rule, e.before, e.after, e.level, e.reason, e.evidence,
               d.severity, d.parameter, d.title, d.title_zh
        FROM alarm_event e JOIN subject s ON s.id = e.subject LEFT JOIN station t ON t.id = s.station
        JOIN term r ON r.id = e.rule LEFT JOIN report.alarm_rule d ON d.rule = r.name;
    END IF;
END
$$;

ALTER TABLE alarm DROP CONSTRAINT alarm_pkey;
ALTER TABLE alarm DROP station;
ALTER TABLE alarm ALTER subject SET NOT NULL;
ALTER TABLE alarm ADD PRIMARY KEY (subject, rule);
ALTER TABLE alarm_event DROP station;
DELETE FROM alarm_event WHERE subject IS NULL;  -- of stations that are no more: nothing could name them
ALTER TABLE alarm_event ALTER subject SET NOT NULL;

-- Who was told since it fired last: '' nobody, the highest severity (`told`) and that of the first time (`first`).
ALTER TABLE alarm
    ADD fired timestamptz,
    ADD first text NOT NULL DEFAULT '' CHECK (first IN ('', 'ticket', 'page')),
    ADD told text NOT NULL DEFAULT '' CHECK (told IN ('', 'ticket', 'page')),
    ADD incident int8;
ALTER TABLE alarm_event
    ADD told text NOT NULL DEFAULT '' CHECK (told IN ('', 'ticket', 'page')),
    ADD incident int8;

-- What is on now was told of by the severity of its rule.
WITH said AS (
    SELECT DISTINCT ON (r.key) r.key AS name, r.value->>'severity' AS severity
    FROM edition e CROSS JOIN LATERAL jsonb_each(e.rows) AS r
    WHERE e.name = 'alarms' ORDER BY r.key, e.valid_from DESC, e.id DESC
)
UPDATE alarm a SET fired = a.since, first = s.severity, told = s.severity
FROM term r JOIN said s ON s.name = r.name
WHERE r.id = a.rule AND (a.state IN ('firing', 'blind', 'recovering') OR a.closed IS NOT NULL);
WITH said AS (
    SELECT DISTINCT ON (r.key) r.key AS name, r.value->>'severity' AS severity
    FROM edition e CROSS JOIN LATERAL jsonb_each(e.rows) AS r
    WHERE e.name = 'alarms' ORDER BY r.key, e.valid_from DESC, e.id DESC
)
UPDATE alarm_event e SET told = s.severity
FROM term r JOIN said s ON s.name = r.name
WHERE r.id = e.rule AND (e.after IN ('firing', 'blind', 'recovering') OR e.before IN ('firing', 'blind', 'recovering'));

-- The table grows with every alarm there ever was; what is on is found by these.
CREATE INDEX alarm_lasting ON alarm (subject, rule) WHERE state IN ('pending', 'firing', 'blind', 'recovering');
CREATE INDEX alarm_event_subject ON alarm_event (subject, rule, at);

-- Planned events: only added to. While one goes on, nobody is told of what it covers, nor does that escalate; what was
-- told stays told. One that is over sooner, or was a mistake, is ended by a row, too.
CREATE TABLE planned (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope text NOT NULL CHECK (scope IN ('all', 'station', 'district', 'source', 'parameter')),
    name text NOT NULL,                 -- of the station, district, source or parameter; empty: all
    start timestamptz NOT NULL,
    stop timestamptz NOT NULL,
    author text NOT NULL CHECK (btrim(author) <> ''),
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    known timestamptz NOT NULL,         -- by the clock
    CHECK (start < stop),
    CHECK ((scope = 'all') = (name = ''))
);
CREATE INDEX planned_stop ON planned (stop);
CREATE TABLE planned_end (
    planned int8 PRIMARY KEY REFERENCES planned,
    at timestamptz NOT NULL,            -- from then on it covers nothing
    author text NOT NULL CHECK (btrim(author) <> ''),
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    known timestamptz NOT NULL
);

GRANT SELECT, INSERT ON subject, planned, planned_end TO greenwatch_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_writer, greenwatch_admin;
GRANT ALL ON subject, planned, planned_end TO greenwatch_admin;
