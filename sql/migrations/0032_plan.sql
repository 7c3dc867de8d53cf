-- What an advice says beside water or not: from when, how likely stress is without, whether the probe was believed, and
-- the days after.

ALTER TABLE advice
    ADD begin timestamptz,      -- from when to water
    ADD risk float8,            -- probability of stress by tomorrow if nobody waters [1]
    ADD trusted boolean,        -- was the probe believed; null: it did not speak
    ADD plan float8[];          -- volume of each day from this one on, if nothing more were heard [m³]
