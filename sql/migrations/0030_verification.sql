-- How good forecasts were: a row a series, day of the truth (UTC) and group of leads, made again where the truth changed.

CREATE TABLE forecast_score (
    series int4 NOT NULL,
    day timestamptz NOT NULL,
    lead int2 NOT NULL,                 -- the last of its group
    count int4 NOT NULL,                -- forecasts of hours whose truth is there
    off float8 NOT NULL,                -- sum of |truth - forecast|
    square float8 NOT NULL,             -- and of its square
    pinball float8 NOT NULL,            -- of the quantile loss, mean over the forecast and the ends of its bands
    inside int4 NOT NULL,               -- in the band
    wide_inside int4 NOT NULL,          -- in the wider one
    wide_count int4 NOT NULL,           -- that have one
    bar_count int4 NOT NULL,            -- with a mean of the hour before they were issued
    bar float8 NOT NULL,                -- of these: sum of |truth - that mean|
    bar_off float8 NOT NULL,            -- and of |truth - forecast|
    hits int4 NOT NULL,                 -- over the first limit as forecast, of those that have one
    misses int4 NOT NULL,
    false_alarms int4 NOT NULL,
    brier float8 NOT NULL,              -- sum of (chance - whether it was over)²
    chances int4 NOT NULL,              -- that have a chance
    hours int4 NOT NULL,                -- of truth it was made by
    total float8 NOT NULL,              -- their sum
    scored timestamptz NOT NULL,        -- by the clock
    PRIMARY KEY (series, day, lead)
);
CREATE INDEX ON forecast_score (day);

GRANT SELECT, INSERT, DELETE ON forecast_score TO greenwatch_writer;
GRANT ALL ON forecast_score TO greenwatch_admin;
