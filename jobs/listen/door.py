"""Records of the spool `hj212` into batches: a frame each, with the number of the device that said it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from analytics.frames import Batch
from analytics.ingest import hj212
from analytics.ingest.hj212 import Said
from analytics.spool import Record
from analytics.store import devices
from analytics.store.connection import Connection
from analytics.telemetry.hj212.frames import CHECK, FRONT
from analytics.telemetry.hj212.messages import NoMessage, parse
from jobs.doors import Decoded
from jobs.intake import Order

NAME = "hj212"
#: What a figure is called whose device is registered no longer: it waits under the device's own number.
UNKNOWN = "unknown device"


def decode(conn: Connection, records: Sequence[Record], *, bends: Counter[str] | None = None) -> Iterator[Decoded]:
    """A batch a cadence of the frames in `records`, by the devices as they are registered now; and one of those that
    nobody can read. A frame without figures (a state, a log) is in none, and stays in the spool. `bends` counts the
    rules for times that were bent."""
    known = devices.load(conn, {record.head.get("mn", "") for record in records})
    said: dict[bool, list[Said]] = {False: [], True: []}
    broken: list[dict[str, str]] = []
    behind = {str(record.place): record for record in records}
    for record in records:
        place, device = str(record.place), known.get(record.head.get("mn", ""))
        try:
            if device is None:
                raise NoMessage(UNKNOWN)
            message = parse(record.payload[FRONT:-CHECK])
        except NoMessage as problem:
            broken.append(hj212.refusal(f"{NAME} {place}", record.payload, str(problem)))
        else:
            said[record.head.get("register") == "1"].append(Said(place, message, device, record.received))
    for register, messages in said.items():
        order = Order(source=NAME, kind="live", register=register)
        for step, some in hj212.grouped(messages).items():
            here = [behind[one.place] for one in some]
            batch = hj212.batch(some, step, Counter() if bends is None else bends, place=NAME)
            yield _decoded(batch, order, here)
    if broken:
        here = [behind[row["place"].removeprefix(f"{NAME} ")] for row in broken]
        yield _decoded(hj212.refused(broken), Order(source=NAME, kind="live"), here)


def _decoded(batch: Batch, order: Order, records: Sequence[Record]) -> Decoded:
    return Decoded(batch, order, records, NAME)
