-- A second, wider band beside the first, and the chance of being over each limit.

ALTER TABLE forecast ADD COLUMN wide float8;            -- nominal coverage of the wider band [1]
ALTER TABLE forecast ADD COLUMN wide_low float8[];
ALTER TABLE forecast ADD COLUMN wide_high float8[];
ALTER TABLE forecast ADD COLUMN limits float8[];        -- in the unit of the parameter
ALTER TABLE forecast ADD COLUMN chance float8[];        -- of being over each of them [1]: all leads of the first, of the second, ...
