"""`POST /observations`: newline-delimited JSON in, answered after the commit.

    POST /observations?source=NAME&cadence=SECONDS&kind=live|late|backfill&register=0|1
    Content-Type: application/x-ndjson
    {"station": "A-01", "channel": "pm25", "time": "2026-11-21T08:00:00+08:00", "value": 35.2}

The answer counts what became of every cell and names the first reasons why some were not kept. It is 200 only when
everything that can be kept is durable: sent again, the same body finds duplicates. 503 acknowledges nothing.
"""

import gzip
import hashlib
import io
import zlib
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import anyio
import polars as pl
import structlog
from psycopg_pool import PoolTimeout
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analytics.frames import REJECTS, Batch
from analytics.ingest import UnreadableSource, ndjson
from analytics.store.connection import Deadlock, Lost
from analytics.store.observations import Counts
from jobs import console
from jobs.ingest import Intake, Order
from jobs.web.site import Site, site

log = structlog.get_logger()

TYPE = "application/x-ndjson"
KINDS = ("live", "late", "backfill")
#: Of one body, packed or not [bytes]; and lines in it.
MOST_BYTES, MOST_ROWS = 8 * 2**20, 50_000
#: Of all bodies that are being read or saved [bytes].
ROOM = 64 * 2**20
#: A body must be here after so long [s].
SLOWEST = 30.0
#: A clock may be so much ahead of ours; a reading from beyond would be the newest of its series until then.
AHEAD = timedelta(minutes=10)
#: Reasons of rejects in an answer.
REASONS = 5
#: When to come back [s] where the database is away.
LATER = 5


class Refused(Exception):
    """The request cannot be taken: a status, what is wrong with it, and headers."""

    def __init__(self, status: int, words: str, **headers: str) -> None:
        """Says `words` with `status`."""
        super().__init__(words)
        self.answer = JSONResponse({"error": words}, status, {name.replace("_", "-"): v for name, v in headers.items()})


async def observations(request: Request) -> Response:
    """The answer to a POST."""
    try:
        order = _order(request, register=site(request).settings.register)
        return await _taken(request, order, packed=_packed(request))
    except Refused as refused:
        return refused.answer
    except ClientDisconnect:
        return Response(status_code=400)  # nobody hears it


async def _taken(request: Request, order: Order, *, packed: bool) -> Response:
    """The answer once the body is here and saved. Raises `Refused`, `ClientDisconnect`."""
    desk, pieces = site(request).desk, [b""]
    size = 0
    try:
        with anyio.move_on_after(SLOWEST) as reading:
            async for piece in request.stream():
                size += len(piece)
                desk.held += len(piece)
                if size > MOST_BYTES:
                    raise _too_large()
                if desk.held > ROOM:
                    raise Refused(503, "too many readings at once, come back", Retry_After="1")
                pieces.append(piece)
        if reading.cancelled_caught:
            raise Refused(408, f"the body was not here after {SLOWEST:.0f} s")
        body = b"".join(pieces)
        return await anyio.to_thread.run_sync(_save, site(request), order, body, packed, limiter=desk.limiter)
    finally:
        desk.held -= size


def _order(request: Request, *, register: bool) -> Order:
    """What the query asks for. Raises `Refused`."""
    given = dict(request.query_params)
    if strange := sorted(set(given) - {"source", "cadence", "register", "kind"}):
        raise Refused(400, f"no parameter {strange[0]!r}; there are source, cadence, kind, register")
    source = given.get("source", "http")
    if not (0 < len(source) <= 200 and source.isprintable()):
        raise Refused(400, "source is a name of at most 200 characters")
    cadence = given.get("cadence")
    if cadence is not None and not (
        cadence.isascii() and cadence.isdecimal() and len(cadence) < 9 and 0 < int(cadence) <= 31_622_400
    ):
        raise Refused(400, "cadence is the step between readings in whole seconds, as 60")
    kind = given.get("kind", "live")
    if kind not in KINDS:
        raise Refused(400, f"kind is one of {', '.join(KINDS)}")
    wish = given.get("register", "0")
    if wish not in ("0", "1"):
        raise Refused(400, "register is 0 or 1")
    if wish == "1" and not register:
        raise Refused(
            403, "this server does not register by POST: use `greenwatch register`, or start it with --register"
        )
    return Order(
        format="ndjson",
        register=wish == "1",
        source=source,
        cadence=None if cadence is None else int(cadence),
        kind=kind,
    )


def _packed(request: Request) -> bool:
    """Whether the body is gzip. Raises `Refused` where it is neither that nor plain NDJSON, or says it is too large.

    A type that no form can send also keeps pages of other sites out: a browser asks us before, and we say no.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != TYPE:
        raise Refused(415, f"send newline-delimited JSON, Content-Type: {TYPE}", Accept=TYPE)
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise Refused(415, "Content-Encoding is gzip or none", Accept_Encoding="gzip, identity")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MOST_BYTES:
        raise _too_large()
    return coding == "gzip"


def _too_large() -> Refused:
    return Refused(
        413, f"at most {MOST_BYTES >> 20} MiB, packed or not, and {MOST_ROWS:,} lines in a body: send it in parts"
    )


def unpack(body: bytes) -> bytes:
    """The content of the gzip `body`. Raises `Refused` where it is damaged or larger than a body may be."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:  # of one member, or of several as `cat a.gz b.gz` makes
            content = file.read(MOST_BYTES + 1)
    except EOFError:
        raise Refused(400, "the gzip ends before its end mark") from None
    except (gzip.BadGzipFile, zlib.error) as problem:
        raise Refused(400, f"the body is no gzip: {problem}") from None
    if len(content) > MOST_BYTES:
        raise _too_large()
    return content


def _save(home: Site, order: Order, body: bytes, packed: bool) -> Response:
    """The answer once the readings of `body` are durable; it runs in a thread. Raises `Refused`."""
    raw = unpack(body) if packed else body
    if raw.count(b"\n") >= MOST_ROWS + raw.endswith(b"\n"):
        raise _too_large()
    try:
        batch = ndjson.batch(raw)
    except UnreadableSource as problem:
        raise Refused(400, str(problem)) from None
    if not batch.read:
        raise Refused(400, "the body has no line")
    if not batch.cells.height and not batch.missing and _strange(batch.rejects):
        raise Refused(400, "no line of the body is a JSON object with a station, a channel or a time")
    batch = dated(batch, console.now())
    try:
        with home.savers.connection() as conn, home.memory.intake(conn, order) as intake:
            counts = intake.surely(batch, "ndjson", sha256=hashlib.sha256(raw).hexdigest())
    except (Lost, Deadlock) as problem:
        log.warning("not saved", problem=str(problem).strip().splitlines()[0])
        words = "no connection to the database" if isinstance(problem, PoolTimeout) else "the database gave up"
        raise Refused(503, f"{words}: nothing is acknowledged, send it again", Retry_After=str(LATER)) from None
    return JSONResponse({**asdict(counts), **_refusals(intake, counts)})


def dated(batch: Batch, now: datetime) -> Batch:
    """`batch`, its cells that lie ahead of `now` among the rejects."""
    ahead = pl.col("time") > now + AHEAD
    early = batch.cells.filter(ahead)
    if early.is_empty():
        return batch
    words = {
        "stamp": pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"),
        "text": pl.col("value").cast(pl.String),
        "place": pl.lit(None, pl.String),
        "reason": pl.lit("ahead of the clock"),
    }
    rejects = pl.concat([batch.rejects, early.with_columns(**words).select(*REJECTS)])
    return replace(batch, cells=batch.cells.filter(~ahead), rejects=rejects)


def _strange(rejects: pl.DataFrame) -> bool:
    """Whether no reject knows a station, a channel or a time: nothing of them could be read."""
    return rejects.select("station", "channel", "stamp").null_count().row(0) == (rejects.height,) * 3


def _refusals(intake: Intake, counts: Counts) -> dict[str, Any]:
    """`waiting`: readings whose series is not registered. `reasons`: the most frequent ones, with an example each where
    the reading itself was at fault."""
    refused = intake.refused
    first = ("station", "channel", "stamp", "text", "place")
    reasons = refused.group_by("reason").agg(pl.len().alias("cells"), pl.struct(first).first().alias("first"))
    named = reasons.sort("cells", "reason", descending=[True, False]).head(REASONS).to_dicts()
    if held := counts.rejects - refused.height:
        named.append({"reason": "its period is approved or archived", "cells": held, "first": None})
    return {"waiting": refused["time"].count(), "reasons": named}


ROUTES = [Route("/observations", observations, methods=["POST"])]
