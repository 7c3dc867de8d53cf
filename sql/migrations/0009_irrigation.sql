-- Irrigated areas, their daily water balance, and what the crews were told.

CREATE TABLE zone (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (code <> '' AND length(code) <= 200),
    title text NOT NULL DEFAULT '',
    title_zh text NOT NULL DEFAULT '',
    weather int4 NOT NULL REFERENCES station,   -- whose weather it has
    probe int4 REFERENCES station,              -- whose soil moisture it has
    area float8 NOT NULL CHECK (area > 0),      -- [m²]
    cover text NOT NULL,                        -- a row of the cover table
    texture text NOT NULL,                      -- a row of the soil table
    root_depth float8 CHECK (root_depth > 0),   -- [m]; null: the cover's
    flow float8 NOT NULL CHECK (flow > 0),      -- what its emitters give [m³/h]
    method text NOT NULL,                       -- drip, micro_spray, sprinkler, hose: sets the efficiency
    altitude float8 NOT NULL DEFAULT 50         -- [m]
);

-- depletion = that of the day before - effective - irrigation + etc + percolation + correction
CREATE TABLE water_balance (
    zone int4 NOT NULL REFERENCES zone,
    day date NOT NULL,                  -- local day of the weather station
    known timestamptz NOT NULL,
    et0 float8,                         -- [mm]; null: the weather of the day does not allow it
    kc float8,                          -- of the cover on that day [1]
    etc float8,                         -- after stress [mm]; null: nothing known, the soil taken as it was
    rain float8,                        -- [mm]; null: no gauge
    effective float8 NOT NULL,          -- what of the rain counts [mm]
    irrigation float8 NOT NULL,         -- as far as a meter tells [mm]
    percolation float8 NOT NULL,        -- [mm]
    correction float8 NOT NULL,         -- what the probe says beyond the balance [mm]
    depletion float8 NOT NULL,          -- of the root zone at the end of the day [mm]
    taw float8 NOT NULL,                -- total available water [mm]
    raw float8 NOT NULL,                -- readily available water [mm]
    ks float8 NOT NULL,                 -- stress [1]
    moisture float8,                    -- probe, mean of the root zone at the end of the day [m³/m³]
    fallbacks text[] NOT NULL,          -- what stood in for what was missing
    PRIMARY KEY (zone, day)
);

CREATE TABLE advice (
    zone int4 NOT NULL REFERENCES zone,
    issued timestamptz NOT NULL,
    day date NOT NULL,                  -- local day it is for
    water boolean,                      -- null: nothing can be said
    depth float8,                       -- net [mm]
    volume float8,                      -- gross [m³]
    minutes float8,
    latest timestamptz,                 -- by when; null: no need in sight
    depletion float8 NOT NULL,          -- [mm]
    raw float8 NOT NULL,                -- [mm]
    reason text NOT NULL,
    reason_zh text NOT NULL,
    PRIMARY KEY (zone, issued)
);

GRANT SELECT ON zone, water_balance, advice TO greenwatch_writer;
GRANT INSERT, UPDATE ON zone TO greenwatch_writer;
GRANT INSERT, UPDATE, DELETE ON water_balance TO greenwatch_writer;
GRANT INSERT ON advice TO greenwatch_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_writer;
GRANT ALL ON zone, water_balance, advice TO greenwatch_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_admin;
