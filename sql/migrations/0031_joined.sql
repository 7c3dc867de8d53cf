-- What the probe taught of a zone, how sure its depletion is, and whether the probe was believed.

ALTER TABLE water_balance
    ADD factor float8,          -- of what the zone uses [1], learned
    ADD probe_offset float8,    -- of the probe's field capacity from the table's [m³/m³], learned
    ADD doubt float8,           -- standard deviation of the depletion [mm]
    ADD trusted boolean,        -- was the probe believed; null: it did not speak
    ADD joined float4[];        -- what the next day goes on from
