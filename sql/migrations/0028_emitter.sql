-- What may emit: works, outfalls, kitchens, ... whose place is known. Hints of a source are ranked among them.
CREATE TABLE emitter (
    name text PRIMARY KEY CHECK (name <> ''),
    title text NOT NULL DEFAULT '',
    title_zh text NOT NULL DEFAULT '',
    longitude float8 NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    latitude float8 NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    emits jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(emits) = 'array')    -- parameters; none: it may be anything
);

GRANT SELECT, INSERT, UPDATE ON emitter TO greenwatch_writer;
GRANT SELECT ON emitter TO greenwatch_api;
GRANT ALL ON emitter TO greenwatch_admin;
