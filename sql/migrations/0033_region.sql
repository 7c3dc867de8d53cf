-- Episodes of one rule at stations near one another are one region (analytics/regions.py); and whose pollution it is.

CREATE INDEX episode_rule_stop ON episode (rule, stop);

-- A region is known by its rule, its start, and the station of its first episode.
CREATE TABLE region (
    time timestamptz NOT NULL,          -- its start
    known timestamptz NOT NULL,
    stop timestamptz NOT NULL,          -- end of its last episode so far
    arrived timestamptz NOT NULL,       -- when the last of its stations came into it
    broadest timestamptz NOT NULL,      -- when most stations were in it
    peak_time timestamptz NOT NULL,     -- of its worst station
    rule int4 NOT NULL,                 -- term of the rule
    station int4 NOT NULL,              -- of its first episode
    level int2 NOT NULL,
    closed boolean NOT NULL,
    stations int4 NOT NULL,
    core int4 NOT NULL,                 -- how many of them are of its core
    most int4 NOT NULL,
    worst int4 NOT NULL,                -- the station with the highest level, of these the greatest dose
    peak float8 NOT NULL,
    dose float8 NOT NULL,               -- of all stations [unit × h × station]
    PRIMARY KEY (rule, station, time)
);
CREATE INDEX region_stop ON region (rule, stop);

CREATE TABLE region_history (LIKE region, ended timestamptz NOT NULL);
CREATE INDEX region_history_key ON region_history (rule, station, time);

-- The stations of a region (rule, station, time), in order of arrival.
CREATE TABLE region_member (
    time timestamptz NOT NULL,
    since timestamptz NOT NULL,         -- from and to when this one was in it
    stop timestamptz NOT NULL,
    rule int4 NOT NULL,
    station int4 NOT NULL,
    member int4 NOT NULL,
    level int2 NOT NULL,
    core boolean NOT NULL,              -- else of its edge
    arrival int4 NOT NULL,              -- [h] after the region began
    "order" int4 NOT NULL,              -- by arrival, from 1; those of one hour alike
    hours int4 NOT NULL,                -- in it
    presence float8 NOT NULL,           -- as a share of its length
    dose float8 NOT NULL,
    PRIMARY KEY (rule, station, member, time)
);

CREATE INDEX region_member_of ON region_member (member, rule, since);

-- Where each name lay or lies, a row a station. Names are of the same count as those of episodes, events beside theirs.
CREATE TABLE region_name (
    name int8 NOT NULL,
    station int4 NOT NULL,
    rule int2 NOT NULL,
    time timestamptz NOT NULL,
    stop timestamptz NOT NULL,
    closed boolean NOT NULL,
    gone boolean NOT NULL,
    PRIMARY KEY (name, station)
);
CREATE INDEX region_name_stop ON region_name (rule, stop);

-- Of an episode's hours (station, rule, time: its start) in which the stations around are known, too: the mean at the
-- station, that of their medians, and the share of its sum that lay above these.
CREATE TABLE episode_share (
    time timestamptz NOT NULL,
    value float8 NOT NULL,
    background float8 NOT NULL,
    share float8,
    station int4 NOT NULL,
    hours int4 NOT NULL,
    rule int2 NOT NULL,
    around text NOT NULL,               -- stations that these are, as 3,5,8
    PRIMARY KEY (station, rule, time)
);

-- All that is there is looked through once.
INSERT INTO stale (stage, subject, start, stop, due)
SELECT 6, s.station, min(l.first), max(l.time) + interval '25 hours', now()
FROM latest l JOIN series s ON s.id = l.series WHERE l.time IS NOT NULL GROUP BY s.station;

GRANT SELECT ON region, region_history, region_member, region_name, episode_share TO greenwatch_writer;
GRANT INSERT, DELETE ON region, region_member, episode_share TO greenwatch_writer;
GRANT INSERT ON region_history TO greenwatch_writer;
GRANT INSERT, UPDATE, DELETE ON region_name TO greenwatch_writer;
GRANT ALL ON region, region_member, region_name, episode_share TO greenwatch_admin;
GRANT SELECT, INSERT ON region_history TO greenwatch_admin;
