-- What the truth changes from one day to the next, so that errors can be told in times of it (MASE).
ALTER TABLE forecast_score
    ADD wave_count int4 NOT NULL DEFAULT 0,     -- forecasts with a mean of the same hour of the day before
    ADD wave float8 NOT NULL DEFAULT 0,         -- of these: sum of |truth - that mean|
    ADD wave_off float8 NOT NULL DEFAULT 0;     -- and of |truth - forecast|
