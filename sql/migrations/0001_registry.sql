-- What is measured where: a row is true at a site, what is true everywhere is a package table (see `edition`).

-- Package tables as they were when a migration ran: an upgrade does not erase what was in force.
CREATE TABLE edition (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    valid_from timestamptz NOT NULL,    -- by the time of the observation; the first edition holds from -infinity
    known timestamptz NOT NULL,
    rows jsonb NOT NULL
);
CREATE INDEX edition_name ON edition (name, id);

-- Short numbers for words that would be repeated in every row: averagings, standards, primary pollutants.
CREATE TABLE term (
    id int2 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    name text NOT NULL,
    UNIQUE (kind, name)
);

CREATE TABLE station (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (code <> '' AND length(code) <= 200),
    title text NOT NULL DEFAULT '',
    title_zh text NOT NULL DEFAULT '',
    longitude float8 CHECK (longitude BETWEEN -180 AND 180),
    latitude float8 CHECK (latitude BETWEEN -90 AND 90),
    utc_offset int2 NOT NULL DEFAULT 480 CHECK (utc_offset BETWEEN -720 AND 840)    -- [min]
);

-- A membership ends where the next of its kind begins, so two can never overlap; no place: it has left.
CREATE TABLE membership (
    station int4 NOT NULL REFERENCES station,
    kind text NOT NULL CHECK (kind ~ '^[a-z_]+$'),
    since date NOT NULL DEFAULT '-infinity',
    place text,
    PRIMARY KEY (station, kind, since)
);

CREATE TABLE source (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    priority int4 NOT NULL DEFAULT 0    -- where sources disagree on one reading the greater wins
);

CREATE TABLE series (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station int4 NOT NULL REFERENCES station,
    parameter text NOT NULL,
    position text NOT NULL DEFAULT '',      -- a depth, a bank, a height [m]; empty: the only one
    statistic text NOT NULL DEFAULT '',     -- what the source itself made of its readings; empty: the reading
    cadence int4 NOT NULL CHECK (cadence BETWEEN 1 AND 31622400),    -- [s]
    UNIQUE (station, parameter, position, statistic, cadence)
);

-- Which series speaks for a station where several measure one parameter, and which one stands in for it.
CREATE TABLE authority (
    station int4 NOT NULL REFERENCES station,
    parameter text NOT NULL,
    series int4 NOT NULL REFERENCES series,
    fallback int4 REFERENCES series,
    PRIMARY KEY (station, parameter)
);

-- Standards in force beyond the package's own adoptions: two editions may stand side by side.
CREATE TABLE adoption (
    standard text NOT NULL,
    place text NOT NULL DEFAULT '',     -- kind:place of a membership; empty: everywhere
    valid_from date NOT NULL,
    valid_to date NOT NULL DEFAULT 'infinity',
    source text NOT NULL DEFAULT '',
    PRIMARY KEY (standard, place, valid_from),
    CHECK (valid_from <= valid_to)
);
