"""A post: readings that were sent, as they came, and what is answered when they are in.

Its bytes and its head are all that is needed to save it later (`Post.of` a record of the spool): also those of last
month, which `greenwatch replay` reads again by `decode`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import polars as pl

from analytics.frames import Batch
from analytics.spool import Record
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from jobs import verdicts
from jobs.doors import Decoded
from jobs.intake import Intake, Order
from jobs.web import bodies
from jobs.web.bodies import FORMS, Form

#: Reasons of rejects in an answer.
REASONS = 5


@dataclass(frozen=True, slots=True)
class Post:
    """Readings as they were sent: `body` in a `form`, by whose `order`; `packed`: it is gzip. `rows`: its sender wants
    to hear of each row."""

    id: UUID
    order: Order
    media: str
    packed: bool
    rows: bool
    received: datetime
    body: bytes

    @property
    def form(self) -> Form:
        """The form of its body."""
        return FORMS[self.media]

    @property
    def origin(self) -> str:
        """What the batch says of where it is from that was saved before it was answered."""
        return f"post {self.id}"

    @property
    def source(self) -> str:
        """Who says it."""
        assert self.order.source is not None
        return self.order.source

    def read(self) -> "Readings":
        """What it says. Raises `Refused`."""
        raw = bodies.unpack(self.body) if self.packed else self.body
        return Readings(bodies.read(self.form, raw, self.received), hashlib.sha256(raw).hexdigest())

    def head(self) -> Mapping[str, str]:
        """What must be remembered of it beside its body, in words."""
        order = self.order
        said = {"id": self.id.hex, "type": self.media, "source": self.source, "kind": order.kind}
        if order.cadence is not None:
            said["cadence"] = str(order.cadence)
        flags = {"register": order.register, "packed": self.packed, "rows": self.rows}
        return {**said, **{name: "1" for name, is_so in flags.items() if is_so}}

    @classmethod
    def of(cls, record: Record) -> "Post":
        """The post that `record` keeps."""
        said = record.head
        cadence = said.get("cadence")
        order = Order(
            register="register" in said,
            source=said["source"],
            cadence=None if cadence is None else int(cadence),
            kind=said["kind"],
        )
        packed, rows = "packed" in said, "rows" in said
        return cls(UUID(said["id"]), order, said["type"], packed, rows, record.received, record.payload)


@dataclass(frozen=True, slots=True)
class Readings:
    """What a post says: a batch, and the hash of the bytes that were read."""

    batch: Batch
    sha256: str


def save(intake: Intake, post: Post, readings: Readings, origin: str) -> dict[str, Any]:
    """The answer to `post`, whose readings are durable when it is returned, or the transaction around it ends."""
    intake.rows = post.rows
    counts = intake.surely(readings.batch, post.form.decoder, origin, readings.sha256)
    said = {**asdict(counts), **_refusals(intake, counts)}
    return {**said, **_rows(intake)} if post.rows else said


def _refusals(intake: Intake, counts: Counts) -> dict[str, Any]:
    """`waiting`: readings that are in as soon as their series is registered, or their period open again. `reasons`: why
    cells were not kept, the most frequent ones, with an example each where the reading itself was at fault."""
    refused, held = intake.refused, counts.rejects - intake.refused.height
    first = ("station", "channel", "stamp", "text", "place")
    reasons = refused.group_by("reason").agg(pl.len().alias("cells"), pl.struct(first).first().alias("first"))
    named = reasons.sort("cells", "reason", descending=[True, False]).head(REASONS).to_dicts()
    if held:
        named.append({"reason": "its period is approved or archived", "cells": held, "first": None})
    return {"waiting": refused["time"].count() + held, "reasons": named}


def _rows(intake: Intake) -> dict[str, Any]:
    """`verdicts`: a word a row, in their order. `refusals`: of those rejected or waiting, which (from 0) and why."""
    assert intake.batch is not None
    assert intake.saved is not None
    found = verdicts.of(intake.batch, intake.placed, intake.saved).with_row_index("number")
    why = found.filter(pl.col("reason").is_not_null())
    return {
        "verdicts": found["verdict"].to_list(),
        "refusals": {"row": why["number"].to_list(), "reason": why["reason"].to_list()},
    }


def decode(conn: Connection, records: Sequence[Record]) -> Iterator[Decoded]:
    """Batches of `records`, each by itself, as they were sent. Raises `Refused` where one cannot be read."""
    for record in records:
        post = Post.of(record)
        yield Decoded(post.read().batch, post.order, [record], post.form.decoder)
