"""Records of the spool `mqtt` into batches, by the sensors as they are registered now."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from analytics.frames import CELLS, REJECTS, TIME, Batch, conform, empty
from analytics.ingest import BODIES, uplinks
from analytics.spool import Record
from analytics.store import nodes
from analytics.store.connection import Connection
from analytics.store.nodes import Heard
from analytics.telemetry.mqtt import plain
from analytics.telemetry.mqtt.topics import pattern
from analytics.telemetry.mqtt.uplinks import NoUplink, Uplink, parse
from jobs.doors import Decoded
from jobs.intake import Order
from jobs.mqtt.asked import PLAIN

NAME = "mqtt"
#: What a message is called whose sensor is not registered: it waits, for `greenwatch replay`.
UNKNOWN = "unknown node"
#: Characters of a message in a reject.
_SHOWN = 1000


def decode(conn: Connection, records: Sequence[Record]) -> Iterator[Decoded]:
    """Batches of `records`, few and large: of one format, order and cadence each.

    What came under which frame counter is remembered in the transaction: a copy with another time is the same uplink.
    """
    uplinked: list[tuple[Record, Uplink]] = []
    plainly: dict[Order, list[Record]] = {}
    broken: list[tuple[Record, dict[str, str]]] = []
    for record in records:
        head = record.head
        form = uplinks.known().get(head.get("format", ""))
        try:
            if fault := head.get("fault"):
                raise NoUplink(fault)
            if form is not None:
                uplinked.append((record, parse(record.payload, form, _topic(record))))
            else:
                plainly.setdefault(_order(record), []).append(record)
        except NoUplink as problem:
            broken.append((record, _refusal(record, _text(record.payload), str(problem))))
    yield from _uplinks(conn, uplinked, broken)
    for order, some in plainly.items():
        yield Decoded(_plain(some), order, some, PLAIN)
    broken.sort(key=lambda item: item[0].place)  # `replay` finds them from the first to the last
    for source in dict.fromkeys(_order(record).source for record, _ in broken):
        mine = [(record, row) for record, row in broken if _order(record).source == source]
        rows = conform(pl.DataFrame([row for _, row in mine], schema=dict(REJECTS)), REJECTS)
        order = Order(source=source, kind="live")
        yield Decoded(Batch(empty(CELLS), rows), order, [record for record, _ in mine], NAME)


def _order(record: Record) -> Order:
    """How what `record` says is saved. A retained message is no news: it is kept by the broker for who comes later."""
    head = record.head
    return Order(
        source=head.get("source", head.get("format", NAME)),
        kind="late" if "retain" in head else "live",
        register="register" in head,
        cadence=int(head["cadence"]) if "cadence" in head else None,
    )


def _uplinks(
    conn: Connection, uplinked: Sequence[tuple[Record, Uplink]], broken: list[tuple[Record, dict[str, str]]]
) -> Iterator[Decoded]:
    known = nodes.load(conn, {uplink.node for _, uplink in uplinked})
    times = _times(conn, [uplink for _, uplink in uplinked if uplink.node in known])
    groups: dict[tuple[Order, str, int | None], list[tuple[Record, uplinks.Said]]] = {}
    for record, uplink in uplinked:
        node = known.get(uplink.node)
        if node is None:
            row = _refusal(record, _text(record.payload), UNKNOWN)
            broken.append((record, {**row, "station": uplink.node, "stamp": uplink.time}))
            continue
        said = uplinks.Said(str(record.place), uplink, node, record.received, next(times))
        key = (_order(record), record.head["format"], node.cadence)
        groups.setdefault(key, []).append((record, said))
    for (order, format, cadence), some in groups.items():
        batch = uplinks.batch([said for _, said in some], cadence)
        yield Decoded(batch, order, [record for record, _ in some], format)


def _times(conn: Connection, said: Sequence[Uplink]) -> Iterator[datetime | None]:
    """The time of each: that of the first that came of its frame."""
    moments = uplinks.moments(said)
    asked = [
        Heard(one.node, one.session, one.counter, at) for one, at in zip(said, moments, strict=True) if at is not None
    ]
    there: dict[tuple[str, str, int], list[datetime]] = {}
    for one in nodes.heard(conn, asked) if asked else []:
        there.setdefault(one[:3], []).append(one.time)
    new: list[Heard] = []
    for one in sorted(asked):  # among those that came at once the earliest is the first, whatever their order
        times = there.setdefault(one[:3], [])
        if uplinks.first(one.time, times) is None:
            times.append(one.time)
            new.append(one)
    nodes.remember(conn, new)
    for uplink, at in zip(said, moments, strict=True):
        key = (uplink.node, uplink.session, uplink.counter)
        yield None if at is None else uplinks.first(at, there[key])


def _plain(records: Sequence[Record]) -> Batch:
    """The batch of what `records` say in the names of NDJSON."""
    lines: list[bytes] = []
    behind: list[Record] = []
    refused: list[dict[str, str]] = []
    for record in records:
        found = plain.lines(record.payload, _topic(record))
        lines += found.lines
        behind += [record] * len(found.lines)
        refused += [_refusal(record, text, reason) for text, reason in found.refused]
    batch = BODIES["ndjson"](b"".join(line + b"\n" for line in lines))
    assert batch.places is not None
    numbers = pl.Series(range(1, len(lines) + 1), dtype=pl.Int64)
    places = pl.DataFrame({"line": numbers, "where": [f"{record.place}" for record in behind]}, schema_overrides=_WHERE)
    came = pl.Series([record.received for record in behind], dtype=TIME)
    at = batch.places.cast(pl.Int64)
    where = places["where"]
    rejects = batch.rejects.with_columns(
        place=pl.lit(f"{NAME} ")
        + pl.col("place").str.extract(r"([0-9]+)$").cast(pl.Int64).replace_strict(numbers, where, default=None)
    )
    more = conform(pl.DataFrame(refused, schema=dict(REJECTS)), REJECTS)
    return replace(
        batch,
        rejects=pl.concat([rejects, more]),
        places=where.gather(at - 1),
        place=NAME,
        received=came.gather(at - 1),
    )


def _topic(record: Record) -> dict[str, str]:
    """What the topic of `record` says."""
    head = record.head
    return pattern(head["pattern"]).said(head["topic"]) or {} if "pattern" in head else {}


_WHERE = {"line": pl.Int64, "where": pl.String}


def _refusal(record: Record, text: str, reason: str) -> dict[str, str]:
    return {"text": text[:_SHOWN], "place": f"{NAME} {record.place}", "reason": reason[:200]}


def _text(payload: bytes) -> str:
    """What `payload` begins with, as text."""
    return payload[:_SHOWN].decode("utf-8", "replace").replace("\0", "\ufffd") or "(empty)"
