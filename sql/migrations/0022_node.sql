-- Sensors that speak through a network of their own, which publishes what they said (LoRaWAN over MQTT). Who they are to
-- their network, for which station they measure, and which of their fields is which channel.
CREATE TABLE node (
    id text PRIMARY KEY,                    -- its DevEUI, or what else its network calls it, in small letters
    station int4 NOT NULL REFERENCES station,
    cadence int4,                           -- of its series [s]; null: those that speak for their parameters
    channels jsonb NOT NULL DEFAULT '{}',   -- field -> channel: {"soil.1": "soil_moisture@-0.1"}; "": none of ours
    units jsonb NOT NULL DEFAULT '{}',      -- field -> unit, where it differs from the parameter's: {"soil.1": "%"}
    sentinels jsonb NOT NULL DEFAULT '[]'   -- numbers that stand for no value: [-327.68]
);
CREATE INDEX node_station ON node (station);

-- Uplinks that came, and which time each has: a frame that two gateways heard, or that was sent twice, comes under one
-- frame counter with two times. The counter begins again with each session, and with some sensors in one: hence the time
-- in the key.
CREATE TABLE uplink (
    node text NOT NULL,
    session text NOT NULL,                  -- what its network gave it when it joined
    counter int8 NOT NULL,
    time timestamptz NOT NULL,
    PRIMARY KEY (node, session, counter, time)
);
CREATE INDEX uplink_time ON uplink (time);

-- Dashboards and the duty desk see nothing of them: the schema `report` does not name them.
GRANT SELECT, INSERT, UPDATE ON node TO greenwatch_writer;
GRANT SELECT, INSERT, DELETE ON uplink TO greenwatch_writer;
GRANT ALL ON node, uplink TO greenwatch_admin;
