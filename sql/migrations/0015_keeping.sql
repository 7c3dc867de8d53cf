-- What is kept how long: a line before which readings are closed, archives of what lies behind it, periods opened again.

-- Readings older than the newest row's `time` are refused (`archived`). The line only ever moves forward.
CREATE TABLE horizon (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time timestamptz NOT NULL,
    known timestamptz NOT NULL,         -- by the clock
    author text NOT NULL
);

-- Periods before the line that take readings again since they were restored.
CREATE TABLE opened (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    start timestamptz NOT NULL,
    stop timestamptz NOT NULL,
    known timestamptz NOT NULL,
    until timestamptz NOT NULL,         -- from then on the next run closes it
    author text NOT NULL,
    reason text NOT NULL DEFAULT '',
    closed timestamptz,                 -- null: it is open
    CHECK (start < stop)
);

-- A piece of `observation` and `observation_history` on its way into files. From `begun` on its rows are sealed: they
-- change no more, nor does what was made of them. Restored and archived again it has another row.
CREATE TABLE archive (
    id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    start timestamptz NOT NULL,
    stop timestamptz NOT NULL,
    begun timestamptz NOT NULL,
    rows int8,                          -- of observation
    history int8,                       -- of observation_history
    bytes int8,                         -- of the files
    folder text,
    files jsonb,                        -- [{"table", "file", "rows", "bytes", "sha256"}, ...]
    written timestamptz,                -- the files are there and were read back; null: not yet
    dropped timestamptz,                -- from then on the rows count as gone; null: they are still here
    cleared timestamptz,                -- no row is left
    restored timestamptz,               -- the rows are here again, and open to change
    CHECK (start < stop),
    CHECK (written IS NULL OR num_nulls(rows, history, bytes, folder, files) = 0),
    CHECK (dropped IS NULL OR written IS NOT NULL)
);
CREATE UNIQUE INDEX archive_piece ON archive (start) WHERE restored IS NULL;

-- How many readings of which series an archive holds: an export asks, and `latest` counts them on.
CREATE TABLE archive_series (
    archive int4 NOT NULL REFERENCES archive,
    series int4 NOT NULL,
    rows int8 NOT NULL,
    history int8 NOT NULL,
    PRIMARY KEY (series, archive)
);

-- How long this site keeps rows, where it is not as long as the package table `keeping` says.
CREATE TABLE retention (
    name text PRIMARY KEY,
    days int4 NOT NULL CHECK (days >= 0),   -- 0: for ever
    folder text NOT NULL DEFAULT '',        -- where archives go
    known timestamptz NOT NULL
);

-- Up to when rows of a table were deleted for good: what was known before cannot be told any more.
CREATE TABLE forgotten (
    name text PRIMARY KEY,
    before timestamptz NOT NULL,
    known timestamptz NOT NULL
);

-- Saving and settling look where the line is; only the administrator, or the owner of the tables, moves it.
GRANT SELECT ON horizon, opened, archive, archive_series, retention, forgotten TO greenwatch_writer;
GRANT ALL ON horizon, opened, archive, archive_series, retention, forgotten TO greenwatch_admin;
