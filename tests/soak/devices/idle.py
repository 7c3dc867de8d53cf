"""10,000 connections that only beat, once a minute each, while 100 devices send their figures: what a connection costs,
and whether anybody is thrown out.

GREENWATCH_SOAK_IDLE=1000x60 makes fewer connections for fewer seconds.
"""

from contextlib import closing

from analytics.store import connection
from tests import world
from tests.soak import rows
from tests.soak.devices import part, site
from tests.soak.devices.fleet import CODES
from tests.soak.devices.part import delays
from tests.soak.figures import Outcome
from tests.soak.house import House, pace

#: Connections that beat, for how long [s], and devices that send.
BEATING, SECONDS, LIVE = 10_000, 180, 100
SIZE = "GREENWATCH_SOAK_IDLE"


def run(house: House, _: int) -> Outcome:
    """Figures of the connections."""
    beating, seconds = part.asked(SIZE, BEATING, SECONDS)
    out, what = Outcome(), f"{beating:,} that beat: "
    with pace("idle", 2, "steps") as step, house.database() as dsn, house.files() as folder:
        with closing(connection.connect(dsn)) as conn:
            world.settle_world(conn, rows.names(LIVE * len(CODES)), 60)
            site.settle(conn, LIVE, beating)
        step(1, "devices")
        # Nobody is waited for: without a past nothing is judged as it is of a site that has one.
        found = site.measure(dsn, folder, live=LIVE, beating=beating, seconds=seconds, every=LIVE + 1, watched={})
        step(1, f"{beating:,} connections")
        with closing(connection.connect(dsn)) as conn:
            store, counted = part.stored(conn, found), part.sums(conn)
    everybody = LIVE + beating
    out.add(f"{what}connections at the end", found.figures["connections"], "", least=everybody, most=everybody)
    out.add(f"{what}until all were known", found.known, "s")
    grown = (found.memory["all connected"] - found.memory["at rest"]) * 2**20 / everybody
    out.add(f"{what}memory a connection", grown / 1024, "KiB", most=16)
    out.add(f"{what}heartbeats answered", len(found.told["beats"]), "", least=beating * (seconds // 60))
    delays(out, f"{what}heartbeat to answer", found.told["beats"], most=1)
    answers = [frame["answered"] - frame["sent"] for frame in found.frames]
    delays(out, f"{what}frame to answer", answers, most=1)
    # A frame of eight figures and its head of the record; nothing of the heartbeats.
    grew = found.spool[1] - found.spool[0]
    out.add(f"{what}bytes of the spool a frame", grew / max(1, len(found.frames)), "B", most=600)
    part.costs(out, what, found)
    part.adds_up(out, what, found, store, counted)
    return out
