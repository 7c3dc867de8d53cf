-- Devices that speak HJ 212: who may, for which station, and how each of them bends the rules. When one was last heard
-- is no row: it changes each minute, and its readings say it.
CREATE TABLE device (
    mn text PRIMARY KEY,                    -- its number, as it sends it
    station int4 NOT NULL REFERENCES station,
    key bytea NOT NULL CHECK (length(key) = 32),    -- HMAC-SHA256 of number and password under a pepper no table has
    edition int2 NOT NULL DEFAULT 2017 CHECK (edition IN (2005, 2017, 2025)),
    utc_offset int2 NOT NULL DEFAULT 480,   -- of its clock [min]
    cadences jsonb NOT NULL DEFAULT '{}',   -- command -> step [s], where it differs from the standard: {"2061": 14400}
    units jsonb NOT NULL DEFAULT '{}',      -- code -> unit, where it differs from the table: {"a34004": "ng/m³"}
    channels jsonb NOT NULL DEFAULT '{}',   -- code -> channel, where it differs: {"x00001": "soil_moisture@-0.1"}
    sentinels jsonb NOT NULL DEFAULT '[]',  -- numbers that stand for no value: [-1]
    bends jsonb NOT NULL DEFAULT '[]'       -- what is taken from this device only: ["swapped_crc"]
);
CREATE INDEX device_station ON device (station);

-- Dashboards and the duty desk see nothing of it: the schema `report` does not name it.
GRANT SELECT, INSERT, UPDATE ON device TO greenwatch_writer;
GRANT ALL ON device TO greenwatch_admin;
