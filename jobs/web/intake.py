"""`POST /observations`: readings in, answered when they are safe; `GET /batches/{id}`: what became of those that wait.

    POST /observations?source=NAME&cadence=SECONDS&kind=live|late|backfill&register=0|1&rows=0|1
    Content-Type: application/x-ndjson | application/json | text/csv
    {"station": "A-01", "channel": "pm25", "time": "2026-11-21T08:00:00+08:00", "value": 35.2}

200: all that can be kept is in the store. The answer counts what became of the rows and names the first reasons why
some were not kept; with `rows=1` it says so of each. That is a parameter, and neither `Prefer` (RFC 7240) nor `Accept`:
it is a wish like the others of the address, kept with the body where that waits; a proxy or a client that does not know
the header may drop it, and one sees in a log what was asked.

202: the body is safe on the disk and comes into the store by itself: do not send it again. The answer names it.

503: nothing is acknowledged. Sent again, whatever became of it the first time, the same body finds duplicates.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from uuid import UUID, uuid4

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analytics.frames import Batch
from analytics.store.connection import Lost
from analytics.store.keys import Key
from analytics.store.posts import SAVED, Settled
from jobs import console
from jobs.intake import Order
from jobs.web import bodies, guard
from jobs.web.intake_api import PATHS, SCHEMAS
from jobs.web.posts import Post, Readings
from jobs.web.problems import Refused
from jobs.web.site import Site, site

__all__ = ["PATHS", "ROUTES", "SCHEMAS"]

KINDS = ("live", "late", "backfill")
#: Of all bodies that are being read or saved [bytes]; those of one sender have half of it.
ROOM = 64 * 2**20
#: A body must be here after so long [s].
SLOWEST = 30.0
#: A post costs a key as much as so many rows, be it ever so small: a transaction each.
LEAST = 20
#: A body that is refused for what it says costs as much as so many rows for each second it took to be read [1/s]:
#: about as many as are read in that time.
READ = 50_000
#: When to ask again what became of a post that waits [s].
SOON = 2


async def observations(request: Request) -> Response:
    """The answer to a POST."""
    home, key = site(request), guard.key(request)
    order, rows = _order(request, key, register=home.settings.register)
    media, packed = bodies.media(request), bodies.packed(request)
    _afford(home, key, LEAST)
    try:
        async with _body(request) as body:
            post = Post(uuid4(), order, media, packed, rows, console.now(), body)
            answer = await home.clerk.take(post, partial(_read, home, key, post))
    except ClientDisconnect:
        return Response(status_code=400)  # nobody hears it
    if answer is not None:
        return JSONResponse(answer)
    where = f"/batches/{post.id}"
    headers = {"Location": where, "Retry-After": str(SOON), "Cache-Control": "no-store"}
    return JSONResponse({"id": str(post.id), "state": "waiting", "at": where}, 202, headers)


@asynccontextmanager
async def _body(request: Request) -> AsyncIterator[bytes]:
    """The body, as it came, counted among those at hand for so long. Raises `Refused`, `ClientDisconnect`."""
    held, who = site(request).held, guard.who(request)
    pieces, size = [b""], 0
    try:
        with anyio.move_on_after(SLOWEST) as reading:
            async for piece in request.stream():
                size += len(piece)
                held.add(who, len(piece))
                if size > bodies.MOST_BYTES:
                    raise bodies.too_large()
                # Who sends much, or slowly, must not keep out the others.
                if held.all > ROOM or held.of(who) > max(ROOM // 2, bodies.MOST_BYTES):
                    raise Refused("busy", "too many readings at once", Retry_After="1")
                pieces.append(piece)
        if reading.cancelled_caught:
            raise Refused("too-slow", f"the body was not here after {SLOWEST:.0f} s")
        yield b"".join(pieces)
    finally:
        held.add(who, -size)


def _order(request: Request, key: Key | None, *, register: bool) -> tuple[Order, bool]:
    """What the query asks for, and whether to hear of each row. Raises `Refused`."""
    given = dict(request.query_params)
    if strange := sorted(set(given) - {"source", "cadence", "register", "kind", "rows"}):
        raise Refused(
            "bad-query", f"no parameter {strange[0][:100]!r}; there are source, cadence, kind, register, rows"
        )
    source = given.get("source", "http" if key is None else key.source)
    if not (0 < len(source) <= bodies.LONGEST and source.isprintable()):
        raise Refused("bad-query", f"source is a name of at most {bodies.LONGEST} characters")
    if key is not None and source != key.source:
        # Who speaks for another could outrank it, or be believed in its place.
        raise Refused("outside-scope", f"this key speaks for the source {key.source!r}, not for {source!r}")
    cadence = given.get("cadence")
    if cadence is not None and not (
        cadence.isascii() and cadence.isdecimal() and len(cadence) < 9 and 0 < int(cadence) <= 31_622_400
    ):
        raise Refused("bad-query", "cadence is the step between readings in whole seconds, as 60")
    kind = given.get("kind", "live")
    if kind not in KINDS:
        raise Refused("bad-query", f"kind is one of {', '.join(KINDS)}")
    for wish in ("register", "rows"):
        if given.get(wish, "0") not in ("0", "1"):
            raise Refused("bad-query", f"{wish} is 0 or 1")
    if given.get("register") == "1" and not register:
        raise Refused(
            "not-allowed",
            "this server does not register by POST: use `greenwatch register`, or start it with --register",
        )
    step = None if cadence is None else int(cadence)
    order = Order(register=given.get("register") == "1", source=source, cadence=step, kind=kind)
    return order, given.get("rows") == "1"


def _read(home: Site, key: Key | None, post: Post) -> Readings:
    """What `post` says; it runs in a thread. Raises `Refused`, also where `key` does not allow it."""
    began = monotonic()
    try:
        readings = post.read()
    except Refused:
        if key is not None:
            home.buckets.spend(key.id, round((monotonic() - began) * READ))
        raise
    if key is not None:
        # What it may not say costs as much as what it may: it was read.
        _afford(home, key, max(0, readings.batch.read - LEAST))
        if key.stations is not None:
            _within(readings.batch, key.stations)
    return readings


def _within(batch: Batch, stations: frozenset[str]) -> None:
    """Nothing. Raises `Refused` where the batch says something of a station that is none of `stations`."""
    named = {*batch.cells["station"].unique(), *batch.rejects["station"].drop_nulls().unique()}
    if beyond := sorted(named - stations):
        more = f" and {len(beyond) - 1} more" if len(beyond) > 1 else ""
        raise Refused("outside-scope", f"this key does not speak for the station {beyond[0][:100]!r}{more}")


def _afford(home: Site, key: Key | None, rows: int) -> None:
    """Nothing; `key` has paid for so many `rows`. Raises `Refused` where it has sent too many."""
    if key is not None and (seconds := home.buckets.take(key.id, rows)):
        words = f"this key may send {home.settings.rate:,.0f} rows a second in the long run"
        raise Refused("too-many", words, Retry_After=str(seconds))


def batch(request: Request) -> Response:
    """What became of a post that was answered 202."""
    home, key = site(request), guard.key(request)
    try:
        id = UUID(request.path_params["id"])
    except ValueError:
        raise Refused("not-found", "no post has this id") from None
    try:
        with home.connection() as conn:
            found = home.backlog.state(conn, id)
    except Lost:
        found = home.backlog.waits(id)
        if found is None:
            raise
    if found is None or (key is not None and key.source != found.source):
        raise Refused("not-found", "no post has this id, or it was forgotten: they are kept for a month")
    never = {"Cache-Control": "no-store"}
    said = {"id": str(id), "received": found.received.isoformat()}
    if not isinstance(found, Settled):
        return JSONResponse({**said, "state": "waiting"}, headers={**never, "Retry-After": str(SOON)})
    said = {**said, "state": found.state, "settled": found.settled.isoformat()}
    return JSONResponse(
        {**said, **(found.answer if found.state == SAVED else {"problem": found.answer})}, headers=never
    )


ROUTES = [
    Route("/observations", observations, methods=["POST"]),
    Route("/batches/{id}", batch),
]
