"""The subscriber: a spool, a broker, what drains; begun in order and ended in order."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event

from analytics.metrics import Broker
from analytics.spool import Spool
from analytics.store import nodes
from analytics.store.connection import Connection
from jobs import console
from jobs.drain import KEPT, Guarded, Saver
from jobs.mqtt.door import NAME
from jobs.mqtt.subscriber import Asked, Subscriber
from jobs.timed import Timed

#: How long the thread that drains has at the end [s].
GRACE = 20.0
#: What comes within this time [s] of a message is saved with it: few large batches cost less than many small ones.
GATHER = 0.5
#: Frame counters are remembered for as long as their messages can be read again, and some days; looked after so often.
REMEMBERED, TIDY = KEPT + timedelta(days=5), 3_600.0


def subscribe(
    dsn: str,
    folder: Path,
    asked: Asked,
    line: Broker,
    *,
    room: int | None = None,
    stopping: Event | None = None,
    ready: Callable[[Subscriber], None] = lambda subscriber: None,
) -> None:
    """Nothing, once `stopping` is set: what the broker had word of is safe, the rest it sends again.

    `ready` hears of the subscriber before it begins. Raises `spool.InUse`, `OSError`; `NotAsAsked` where the thread
    beside it ended by a mistake of ours.
    """
    stopping = stopping or Event()
    spool = Spool(folder, room=room)
    forgot = -TIDY

    def forget(conn: Connection) -> None:
        nonlocal forgot
        if time.monotonic() - forgot >= TIDY:
            forgot = time.monotonic()
            nodes.forget(conn, console.now() - REMEMBERED)

    save = Guarded(NAME, Saver(NAME))
    drainer = Timed(f"drain {NAME}", dsn, stopping, spool, NAME, save, age=KEPT, page=line, gather=GATHER, then=forget)
    subscriber = Subscriber(asked, spool, line, stopping)
    try:
        drainer.start()
        ready(subscriber)
        subscriber.run()
    finally:
        stopping.set()
        drainer.join(GRACE)
        spool.close()
    if drainer.broken:
        raise console.NotAsAsked("the subscriber ended by a mistake of ours; what it acknowledged is safe in its spool")
