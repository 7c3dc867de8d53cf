"""What is true at a site, from one file: read it, compare it with the database, write what differs.

    read       bytes of a TOML or CSV file -> what it says, its problems             (pure)
    compare    what the database holds, what the file says -> what there is to do    (pure; refuses nonsense)
    load       the database -> what it holds
    apply      what there is to do -> the database, and what must be computed again

A file says what is there: what it does not name stays as it is, and nothing is removed by it.

TOML (UTF-8): `[[station]]` code, title, title_zh, longitude, latitude, utc_offset ("+08:00" or minutes), in it
`[station.membership]` kind = "place" (since ever), `[[station.memberships]]` kind, place ("" from the day it left),
since, and `[[station.series]]` parameter, position, statistic, cadence ("1h"); `[[source]]` name, priority;
`[[authority]]` station, parameter, position, cadence ("1h"), fallback = { position, cadence }; `[[adoption]]` standard,
place (kind:name, none: everywhere), valid_from, valid_to, source (none: the file's name); `[[zone]]` zone, title,
title_zh, weather and probe (stations; probe = "": none), beside (["...", ...], stations of further probes), area [m²],
cover, texture, root_depth [m] (none: the cover's), field_capacity and wilting_point [m³/m³] (none: the texture's), flow
[m³/h], method, altitude [m]; `[[derivation]]` station, kind (a block of tables/derivations.toml; "" from the day
it is derived no longer, with parameter), position (of the derived series), since, inputs = { role = { station,
parameter, position, cadence } } (none: as the kind has it, at this station, "1h"), given = { name = number };
`[[device]]` mn (its number), station, password (or password_env, the variable of the environment that holds it: kept as
a keyed hash only), edition (2017), utc_offset, bends (["swapped_crc", "modbus_crc"]), sentinels ([-1]), cadences =
{ 2051 = "15m" }, units = { a34004 = "ng/m³" }, channels = { x00001 = "soil_moisture@-0.1" } ("": none of ours);
`[[node]]` (a sensor behind a LoRaWAN network) id (its DevEUI, or what else its network calls it), station, cadence (of
its series; none: those that speak), channels = { "soil.1" = "soil_moisture@-0.1" } (field of what its codec decodes,
dots into objects; "": none of ours), units = { "soil.1" = "%" }, sentinels ([-327.68]);
`[[pull]]` name, connector (a file of jobs/pull/connectors), ids (["...", ...], or { id = "station" }; of `weather` the
stations themselves), every ("1h"; none: the connector's), horizon ("3d": how far back each pull asks again), url (of
another service that speaks the same), on (false: not by the clock);
`[[emitter]]` (what may emit: works, an outfall, ...) name, title, title_zh, longitude, latitude, emits (["tvoc"], what
it is known for; none: anything).

CSV (UTF-8 or GB18030): a row a series, columns station, title, title_zh, longitude, latitude, utc_offset, parameter,
position, statistic, cadence and `member:<kind>`. An empty cell says nothing; a row without a parameter is a station.
With a column `zone` it is a file of zones: a row a zone, its columns as the keys above.
"""

from analytics.store.register.compare import Plan, compare
from analytics.store.register.draft import Draft, standards_in
from analytics.store.register.model import FACTS, Change, Membership, Problem, Registry, Secrets, Series
from analytics.store.register.reading import LIMIT, read
from analytics.store.register.rows import Effect, apply, hold_off, learn, load, lock

__all__ = [
    "FACTS",
    "LIMIT",
    "Change",
    "Draft",
    "Effect",
    "Membership",
    "Plan",
    "Problem",
    "Registry",
    "Secrets",
    "Series",
    "apply",
    "compare",
    "hold_off",
    "learn",
    "load",
    "lock",
    "read",
    "standards_in",
]
