-- What a soil holds: as a zone's own figures say it, and as its dry-downs show it.

ALTER TABLE zone
    ADD field_capacity float8 CHECK (field_capacity BETWEEN 0 AND 1),   -- [m³/m³]; null: the texture's
    ADD wilting_point float8 CHECK (wilting_point BETWEEN 0 AND 1),     -- [m³/m³]; null: the texture's
    ADD CHECK (wilting_point < field_capacity);

-- Of the last year of a zone; nothing goes by it until somebody registers it.
CREATE TABLE soil_limit (
    zone int4 PRIMARY KEY REFERENCES zone,
    known timestamptz NOT NULL,
    days int4 NOT NULL,                 -- with a probe that was believed
    fc float8 NOT NULL,                 -- [m³/m³]
    fc_doubt float8 NOT NULL,           -- its standard deviation
    fc_seen int4 NOT NULL,              -- dry-downs it was seen in; 0: the table alone
    wp float8 NOT NULL,
    wp_doubt float8 NOT NULL,
    wp_seen int4 NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON soil_limit TO greenwatch_writer;
GRANT ALL ON soil_limit TO greenwatch_admin;
