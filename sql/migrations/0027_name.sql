-- Public names of episodes that outlive late data, what became of them, and what each episode stands on; and what kind of
-- thing was planned, for rules of episodes that go with it.

CREATE SEQUENCE name_number AS int8;

-- A row for each name there ever was; where it was merged or withdrawn (`gone`), with its last extent.
CREATE TABLE episode_name (
    name int8 PRIMARY KEY,
    station int4 NOT NULL,
    rule int2 NOT NULL,
    time timestamptz NOT NULL,
    stop timestamptz NOT NULL,
    closed boolean NOT NULL,
    gone boolean NOT NULL
);
CREATE INDEX episode_name_time ON episode_name (station, rule, time);

-- Rows are added, never changed.
CREATE TABLE episode_event (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,            -- by the clock
    name int8 NOT NULL,
    event text NOT NULL CHECK (event IN (
        'opened', 'extended', 'shortened', 'merged into', 'split from', 'withdrawn', 'restored'
    )),
    other int8,                         -- the name it was merged into or split from
    time timestamptz,                   -- its extent from then on; null where it has none
    stop timestamptz
);
CREATE INDEX episode_event_name ON episode_event (name, id);
CREATE INDEX episode_event_at ON episode_event (at);

-- What each term of its rule said in an episode (station, rule, time: its start).
CREATE TABLE episode_evidence (
    time timestamptz NOT NULL,
    worst_time timestamptz,
    first float8,                       -- at its start; null where nothing was known
    worst float8,
    last float8,                        -- at its end so far
    station int4 NOT NULL,
    count int4 NOT NULL,                -- hours in which something was known
    rule int2 NOT NULL,
    term int2 NOT NULL,                 -- those of the rule, from 0, that of its levels
    words text NOT NULL,
    PRIMARY KEY (station, rule, time, term)
);

ALTER TABLE planned ADD kind text NOT NULL DEFAULT '';   -- as `fireworks`; empty: none that a rule asks for

INSERT INTO episode_name (name, station, rule, time, stop, closed, gone)
SELECT nextval('name_number'), station, rule, time, stop, closed, false
FROM (SELECT * FROM episode ORDER BY known, time, station, rule) AS e;
INSERT INTO episode_event (at, name, event, time, stop)
SELECT e.known, n.name, 'opened', e.time, e.stop FROM episode_name n JOIN episode e USING (station, rule, time) ORDER BY n.name;

-- Rules that were left out until now, and what episodes stand on: all is looked through once.
INSERT INTO stale (stage, subject, start, stop, due)
SELECT 6, s.station, min(l.first), max(l.time) + interval '25 hours', now()
FROM latest l JOIN series s ON s.id = l.series WHERE l.time IS NOT NULL GROUP BY s.station;

GRANT SELECT ON episode_name, episode_event, episode_evidence TO greenwatch_writer;
GRANT INSERT, UPDATE ON episode_name TO greenwatch_writer;
GRANT INSERT ON episode_event TO greenwatch_writer;
GRANT INSERT, DELETE ON episode_evidence TO greenwatch_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_writer, greenwatch_admin;
GRANT ALL ON episode_name, episode_evidence TO greenwatch_admin;
GRANT SELECT, INSERT ON episode_event TO greenwatch_admin;
