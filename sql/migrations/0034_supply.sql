-- Where zones have their water from, and what it lets.
CREATE TABLE supply (
    code text PRIMARY KEY CHECK (code <> '' AND length(code) <= 200),
    title text NOT NULL DEFAULT '',
    title_zh text NOT NULL DEFAULT '',
    daily float8 CHECK (daily >= 0),            -- what it gives a day [m³]; null: whatever is asked for
    night boolean NOT NULL DEFAULT false,       -- only at night
    source int4 REFERENCES station,             -- the water section it comes from
    worst int2 CHECK (worst BETWEEN 1 AND 6)    -- the worst class of that water it may be used at; 6: worse than V
);
ALTER TABLE zone ADD supply text REFERENCES supply;

GRANT SELECT, INSERT, UPDATE, DELETE ON supply TO greenwatch_writer;
GRANT ALL ON supply TO greenwatch_admin;
