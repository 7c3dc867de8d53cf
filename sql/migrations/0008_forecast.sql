-- Forecasts as they were issued: one row a (series, issued) with arrays; never issued again, never changed.

CREATE TABLE forecast (
    series int4 NOT NULL,
    issued timestamptz NOT NULL,        -- what was observed before it is known
    start timestamptz NOT NULL,         -- of the first period it is about; the first element of every array
    step int4 NOT NULL,                 -- [s]
    level float8 NOT NULL,              -- nominal coverage of the band [1]
    value float8[] NOT NULL,
    low float8[] NOT NULL,
    high float8[] NOT NULL,
    models text[] NOT NULL,             -- which model the gate serves at each lead
    reason text NOT NULL DEFAULT '',    -- why the gate fell back; empty: it did not
    skill float8[] NOT NULL,            -- 1 - MAE / MAE of the best naive one in the backtest, of the lead's group; null: not tested
    known timestamptz NOT NULL,         -- by the clock
    PRIMARY KEY (series, issued)
);

GRANT SELECT, INSERT ON forecast TO greenwatch_writer;
GRANT ALL ON forecast TO greenwatch_admin;
