"""`GET /v1/incidents/{id}`: an incident and its log; `POST /v1/incidents/{id}/{action}`: what somebody does about it.

The list, `GET /v1/incidents`, is one of the operations of `read`.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analytics import incidents
from analytics.store.incidents import listed, orders
from jobs import console
from jobs.incidents.acts import NAME, NOTE, Act, NoEvidence, NoSuchIncident, act
from jobs.web import api, guard, small
from jobs.web.numbers import ID, LARGEST
from jobs.web.problems import Refused
from jobs.web.read.operations import column
from jobs.web.site import site

#: Of a body [bytes]; rows of a log in an answer; layers that are named as evidence.
MOST_BYTES, ROWS, LAYERS = 64 * 2**10, 1_000, 100
_KINDS = {
    incidents.NotYours: "outside-role",
    incidents.NotNow: "not-now",
    incidents.NotSaid: "unreadable-body",
    NoEvidence: "no-evidence",
    NoSuchIncident: "not-found",
}


def shown(request: Request) -> Response:
    """An incident, its log, its work orders."""
    number, allowed = _number(request), guard.stations(request)
    with site(request).connection() as conn:
        found = listed.one(conn, number)
        if found is None:
            raise Refused("not-found", f"there is no incident {number}")
        if allowed is not None and found["station"] not in allowed:
            raise Refused("outside-scope", "the key is not for what this incident is about")
        rows, sent = listed.log(conn, number, ROWS), orders.of(conn, [number])
    answer = {"incident": _plain(found), "log": [_plain(row) for row in rows], "orders": [_plain(row) for row in sent]}
    return JSONResponse(answer, headers={"Cache-Control": "private, no-store"})


async def acted(request: Request) -> Response:
    """The incident after an action."""
    number, action = _number(request), request.path_params["action"]
    if action not in incidents.ACTIONS:
        raise Refused("not-found", f"no action of this name; there are {', '.join(incidents.ACTIONS)}")
    author, person = guard.author(request), guard.person(request)
    found = small.parsed(await small.read(request, MOST_BYTES))
    if strange := sorted(found.keys() - {"note", "assignee", "corrections"}):
        raise Refused("unreadable-body", f"no member {strange[0][:100]!r}; there are note, assignee, corrections")
    said = Act(
        action,
        author,
        # Who has the token is not asked for a role.
        incidents.ADMIN if person is None else person.role,
        small.text(found, "note", NOTE),
        small.text(found, "assignee", NAME) or None,
        _layers(found.get("corrections")),
    )
    home, now = site(request), console.now()

    def work() -> dict[str, Any]:
        with home.duty.connection() as conn:
            return act(conn, number, said, now)

    try:
        after = await to_thread.run_sync(work)
    except tuple(_KINDS) as problem:
        raise Refused(_KINDS[type(problem)], str(problem)) from None
    return JSONResponse(_plain(after), headers={"Cache-Control": "no-store"})


def _number(request: Request) -> int:
    number: int = request.path_params["id"]
    if number > LARGEST:
        raise Refused("not-found", "there is no incident of this number")
    return number


def _layers(said: object) -> list[int] | None:
    if said is None:
        return None
    whole = isinstance(said, list) and len(said) <= LAYERS
    if not whole or any(type(item) is not int or not 0 < item < 2**31 for item in said):  # type: ignore[attr-defined]
        raise Refused("unreadable-body", f"corrections are at most {LAYERS} numbers, as `greenwatch correct list` has")
    return list(said)  # type: ignore[call-overload,no-any-return]  # a list


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _text(value) for name, value in row.items()}


def _text(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


ROUTES = [
    Route(f"/v1/incidents/{ID}", shown, methods=["GET"]),
    Route(f"/v1/incidents/{ID}/{{action}}", acted, methods=["POST"]),
]

_TIME: api.Json = {"type": ["string", "null"], "format": "date-time"}
_STAMP: api.Json = {"type": "string", "format": "date-time"}
_LAYER: api.Json = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
SCHEMAS: api.Json = {
    "Incident": {
        "type": "object",
        "required": list(listed.COLUMNS),
        "additionalProperties": False,
        "properties": {name: column(name) for name in listed.COLUMNS},
    },
    "LogRow": {
        "type": "object",
        "description": "What became of an incident, by whom, on what evidence. Rows are added, never changed.",
        "required": list(listed.LOG),
        "properties": {
            "id": {"type": "integer"},
            "at": _STAMP,
            "author": {"type": "string"},
            "action": {"type": "string"},
            "note": {"type": "string"},
            "evidence": {"type": "object"},
        },
    },
    "WorkOrder": {
        "type": "object",
        "required": ["id", "incident", "state", "made", "sent", "answered", "tries", "problem"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "incident": {"type": "integer"},
            "state": {"enum": ["waiting", "sent", "failed", "accepted", "done", "refused"]},
            "made": _STAMP,
            "sent": _TIME,
            "answered": _TIME,
            "tries": {"type": "integer"},
            "problem": {"type": "string", "description": "Of the last try; empty: none."},
        },
    },
    "Act": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "note": {"type": "string", "maxLength": NOTE, "description": "Needed by note, resolve, review, cancel."},
            "assignee": {"type": "string", "maxLength": NAME, "description": "Needed by assign: who has it now."},
            "corrections": {
                "type": "array",
                "maxItems": LAYERS,
                "items": _LAYER,
                "description": "Of cancel: the corrections that are the evidence. Without it any in force.",
            },
        },
    },
}

_NUMBER = api.path("id", {"type": "integer", "minimum": 0, "maximum": LARGEST}, "Number of the incident.", example=1)
_WHO = "; ".join(f"{name}: {', '.join(item.roles)}" for name, item in incidents.ACTIONS.items())
PATHS: api.Json = {
    "/v1/incidents/{id}": {
        "get": api.operation(
            "incident",
            "An incident and what became of it",
            words=f"The newest {ROWS:,} rows of its log, oldest first, and its work orders.",
            scope="read",
            parameters=[_NUMBER],
            answers={
                200: api.content(
                    "The incident",
                    {
                        api.JSON: api.body(
                            {
                                "type": "object",
                                "required": ["incident", "log", "orders"],
                                "properties": {
                                    "incident": api.schema("Incident"),
                                    "log": {"type": "array", "items": api.schema("LogRow")},
                                    "orders": {"type": "array", "items": api.schema("WorkOrder")},
                                },
                            }
                        )
                    },
                )
            },
            errors=(404,),
        )
    },
    "/v1/incidents/{id}/{action}": {
        "post": api.operation(
            "act",
            "Do something about an incident",
            words="By a person who logged in, or with the server's token, which says for whom in Greenwatch-Author. "
            f"Roles: {_WHO}. Resolving goes once the data have recovered, cancelling with evidence from data alone.",
            scope="duty",
            parameters=[
                _NUMBER,
                api.path("action", {"type": "string", "enum": list(incidents.ACTIONS)}, "What.", example="acknowledge"),
                api.header(
                    "Greenwatch-Author",
                    {"type": "string", "minLength": 1, "maxLength": guard.LONGEST},
                    "Who does it, where nobody logged in.",
                    example="Wang",
                ),
            ],
            takes={api.JSON: api.body(api.schema("Act"), note={"note": "crew on its way"}, assign={"assignee": "Li"})},
            answers={200: api.content("The incident after it", {api.JSON: api.body(api.schema("Incident"))})},
            errors=(404, 408, 409, 413, 415),
        )
    },
}
