"""What is said to whoever asked for what cannot be given: one shape for all of it, which says what to do.

Source of the shape: RFC 9457 (problem details, application/problem+json), with one member of our own, `remedy`. `type`
names the kind of problem: that is what a program goes by; it is also an address, where the kind is explained.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MEDIA = "application/problem+json"
#: Where kinds are explained; followed by their name.
PLACE = "/problems/"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, a title that is always the same, what to do about it."""

    status: int
    title: str
    remedy: str


KINDS: Mapping[str, Kind] = {
    "bad-request": Kind(400, "The request is none", "Send a request of HTTP/1.1."),
    "other-host": Kind(
        400,
        "Not a name of this server",
        "Use the address it was started with; further names are given by `greenwatch serve --name`.",
    ),
    "bad-query": Kind(
        400,
        "The address asks for what there is not",
        "Compare the parameters with /openapi.json; sent again as it is it will be refused again.",
    ),
    "unreadable-body": Kind(
        400,
        "The body cannot be read",
        "Compare it with the examples in /openapi.json; nothing of it was kept, sent "
        "again as it is it will be refused again.",
    ),
    "no-author": Kind(
        400,
        "It is not said who does it",
        "Log in as a person (Basic), or say who it is in the header Greenwatch-Author beside the server's token.",
    ),
    "no-key": Kind(
        401,
        "A key is needed",
        "Send the header `Authorization: Bearer KEY`. The administrator makes keys with "
        "`greenwatch key make`; where the server has a token, it is that of GREENWATCH_TOKEN.",
    ),
    "wrong-key": Kind(
        401,
        "The key is unknown or was revoked",
        "Ask the administrator for another key (`greenwatch key make`); waiting does not help.",
    ),
    "wrong-person": Kind(
        401,
        "The name or the password is wrong",
        "Log in with the name and password that the administrator gave (`greenwatch person add`, `greenwatch person "
        "password`).",
    ),
    "bad-signature": Kind(
        401,
        "The webhook is not signed as agreed",
        "Sign it by the shared secret after the Standard Webhooks convention, with a clock that is right; nothing was "
        "kept.",
    ),
    "outside-role": Kind(403, "Your role does not allow this", "Ask somebody whose role does; nothing was kept."),
    "outside-scope": Kind(
        403,
        "The key does not allow this",
        "Send only what the key was made for, or ask the administrator for one that allows more; nothing was kept.",
    ),
    "other-site": Kind(
        403, "Pages of other sites are refused", "Send it from a program, or from a page of this server."
    ),
    "not-allowed": Kind(
        403,
        "This server does not allow it",
        "Ask the administrator: what is allowed is said when the server is started.",
    ),
    "not-found": Kind(
        404, "There is no such thing", "Look at the paths in /openapi.json, and at the names in the address."
    ),
    "wrong-method": Kind(405, "This address does not take the method", "Use one of those in the header Allow."),
    "no-such-form": Kind(406, "It cannot be had in this form", "Ask for one of the media types in /openapi.json."),
    "archived": Kind(
        409,
        "Readings that this needs are in the archive",
        "Ask for less, or the administrator to bring them back (`greenwatch keep restore`).",
    ),
    "not-now": Kind(
        409,
        "The incident is not in a state for that",
        "Look at it again (`GET /v1/incidents/{id}`): what goes with its state is said above; nothing was kept.",
    ),
    "no-evidence": Kind(
        409,
        "No data say that",
        "An incident is cancelled where its alarm was withdrawn, or a correction in force covers what it stood on; "
        "enter that first (`greenwatch correct`).",
    ),
    "seen-before": Kind(409, "This webhook was taken before", "Nothing: what it says was kept the first time."),
    "forgotten": Kind(410, "What was known then was deleted", "Ask as of a later time, or for a later one."),
    "too-slow": Kind(408, "The body did not come in time", "Send it again, in smaller parts where the line is slow."),
    "too-large": Kind(413, "The body is too large", "Send it in parts; nothing of it was kept."),
    "too-much": Kind(
        413,
        "It asks for more than one answer may read",
        "Ask for a shorter time, for fewer series, or for other steps; what is long comes in pages.",
    ),
    "wrong-type": Kind(
        415,
        "The body has a type that is not read",
        "Say one of the media types in /openapi.json in Content-Type, and gzip or nothing in Content-Encoding.",
    ),
    "too-many": Kind(
        429, "The key sends more than it may", "Wait for as many seconds as Retry-After says; nothing was kept."
    ),
    "too-many-tries": Kind(
        429, "Too many tries to log in failed", "Wait for as many seconds as Retry-After says, then log in."
    ),
    "failed": Kind(
        500,
        "A mistake of this server",
        "Tell the administrator when it was: the reason is in the log. It may be sent "
        "again, which counts nothing twice.",
    ),
    "busy": Kind(
        503, "Too much at once", "Wait for as many seconds as Retry-After says, then send it again; nothing was kept."
    ),
    "away": Kind(
        503,
        "The database does not answer",
        "Wait for as many seconds as Retry-After says, then ask or send again: "
        "nothing is acknowledged, and nothing that was kept after all is counted twice.",
    ),
}


class Refused(Exception):
    """The request cannot be answered as it was meant: a kind of KINDS, what is wrong with it, and headers."""

    def __init__(self, kind: str, detail: str, **headers: str) -> None:
        """Says `detail`; the names of `headers` have _ for -."""
        super().__init__(detail)
        self.kind = kind
        self.answer = answer(kind, detail, {name.replace("_", "-"): value for name, value in headers.items()})


def body(kind: str, detail: str) -> dict[str, Any]:
    """The members of the problem, as they are sent."""
    known = KINDS[kind]
    return {
        "type": PLACE + kind,
        "title": known.title,
        "status": known.status,
        "detail": detail,
        "remedy": known.remedy,
    }


def answer(kind: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that says a problem of `kind`, in the words of `detail`."""
    never = {"Cache-Control": "no-store", **(headers or {})}
    return JSONResponse(body(kind, detail), KINDS[kind].status, never, media_type=MEDIA)


async def refused(request: Request, problem: Exception) -> Response:
    """The answer of a `Refused` that was raised in a handler."""
    assert isinstance(problem, Refused)
    return problem.answer


async def explained(request: Request) -> Response:
    """What a kind of problem is, and what to do about it."""
    name = request.path_params["kind"]
    if name not in KINDS:
        return answer("not-found", "no problem of this kind; there are " + ", ".join(KINDS))
    known = KINDS[name]
    said = {"type": PLACE + name, "title": known.title, "status": known.status, "remedy": known.remedy}
    return JSONResponse(said)


ROUTES = [Route(PLACE + "{kind}", explained)]
