"""What other services tell of incidents: Alertmanager that somebody has it, a work-order system what became of it.

    POST /hooks/alertmanager    Alertmanager's webhook, version 4; a key with the scope `hook`
    POST /hooks/work-orders     signed after the Standard Webhooks convention (GREENWATCH_WORKORDER_SECRET)

Both may come again, late, or be garbage: nothing counts twice, what is none of ours is counted and passed over, and
only what may go well the next time is answered 5xx.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analytics.store.incidents import acts, orders
from analytics.store.incidents.acts import Notice
from jobs import console
from jobs.incidents import signing, watchdog
from jobs.web import api, small
from jobs.web.problems import Refused
from jobs.web.site import site

VERSION = "4"
#: Of a body [bytes]; alerts in one: as many as a district has series, since Alertmanager sends what is refused never
#: again; characters of what is kept of a label, and of a note.
MOST_BYTES, ALERTS, LABEL, NOTE = 16 * 2**20, 10_000, 200, 4_000
ORDER_BYTES = 64 * 2**10
STATUSES = ("firing", "resolved")
#: Ids of webhooks are remembered so long, far beyond the time in which one is taken.
FORGET = timedelta(days=1)
_PREFIX = "work_order."


async def alertmanager(request: Request) -> Response:
    """How many incidents were told of by this notification, were before, or are none of ours."""
    raw, home, now = await small.read(request, MOST_BYTES), site(request), console.now()
    # Apart from the event loop: thousands of alerts take some tenths of a second to read.
    found, told = await to_thread.run_sync(_notices, raw)
    if watchdog.is_on(found):
        home.exporter.heard(now)

    def work() -> list[bool | None]:
        with home.duty.connection() as conn:
            return acts.deliver(conn, told, now)

    known = [item for item in await to_thread.run_sync(work) if item is not None]
    new, alerts = sum(known), len(found["alerts"])
    counts = {"delivered": new, "repeated": len(known) - new, "ignored": alerts - len(known)}
    return JSONResponse(counts, headers={"Cache-Control": "no-store"})


def _notices(raw: bytes) -> tuple[dict[str, Any], list[Notice]]:
    """The notification in `raw`, and what of it is about incidents. Raises `Refused`."""
    found = small.parsed(raw)
    if found.get("version") != VERSION:
        raise Refused("unreadable-body", f"version is {VERSION!r}: the webhook of Alertmanager 0.16 and newer")
    alerts = found.get("alerts")
    if not isinstance(alerts, list) or len(alerts) > ALERTS:
        raise Refused("unreadable-body", f"alerts is a list of at most {ALERTS:,}")
    group, receiver = (small.text(found, name, 64 * LABEL) for name in ("groupKey", "receiver"))
    return found, [notice for alert in alerts if (notice := _notice(alert, group, receiver)) is not None]


def _notice(alert: object, group: str, receiver: str) -> Notice | None:
    """The incident that an alert is about, what makes the notification one, and what the log keeps of it."""
    if not isinstance(alert, Mapping):
        return None
    labels, status, mark = alert.get("labels"), alert.get("status"), alert.get("fingerprint", "")
    if not isinstance(labels, Mapping) or status not in STATUSES or not isinstance(mark, str):
        return None
    number = labels.get("incident")
    if not (isinstance(number, str) and number.isascii() and number.isdecimal() and len(number) < 19):
        return None
    digest = hashlib.sha256(json.dumps([group, mark, status]).encode()).digest()
    kept = {name: _label(labels.get(name)) for name in ("alertname", "severity", "tier")}
    evidence = {"receiver": _label(receiver), "status": status, **{k: v for k, v in kept.items() if v}}
    return Notice(int(number), digest, evidence, first=status == "firing")


def _label(value: object) -> str:
    return console.printable(value[:LABEL]).replace("\n", "\ufffd") if isinstance(value, str) else ""


async def work_orders(request: Request) -> Response:
    """What the order is now."""
    key = site(request).settings.orders
    if key is None:
        raise Refused("not-allowed", f"no webhook is taken: {signing.SECRET} is not set")
    raw, now = await small.read(request, ORDER_BYTES), console.now()
    if problem := signing.wrong(key, request.headers, raw, now.timestamp()):
        raise Refused("bad-signature", problem)
    found = small.parsed(raw)
    kind, data = found.get("type"), found.get("data")
    answer = kind.removeprefix(_PREFIX) if isinstance(kind, str) and kind.startswith(_PREFIX) else ""
    if answer not in orders.ANSWERS or not isinstance(data, dict):
        raise Refused("unreadable-body", f"type is one of {', '.join(_PREFIX + name for name in orders.ANSWERS)}")
    note = small.text(data, "note", NOTE)
    try:
        number = UUID(small.text(data, "order", 36, required=True))
    except ValueError:
        raise Refused("unreadable-body", "data.order is the id of an order") from None
    home, id = site(request), request.headers[signing.ID]

    def work() -> str | None:
        with home.duty.connection() as conn, conn.transaction():
            if orders.seen(conn, id, now, FORGET):
                raise Refused("seen-before", "a webhook with this webhook-id was taken")
            became = orders.answered(conn, number, answer, note, now)
            if became is None:
                raise Refused("not-found", "there is no such order")
            return became

    return JSONResponse({"order": str(number), "state": await to_thread.run_sync(work)})


ROUTES = [
    Route("/hooks/alertmanager", alertmanager, methods=["POST"]),
    Route("/hooks/work-orders", work_orders, methods=["POST"]),
]

_COUNT: api.Json = {"type": "integer", "minimum": 0}
_ALERT = {"status": "firing", "labels": {"alertname": "AlarmPage", "incident": "17"}, "fingerprint": "6ef2a1c8"}
_ORDER = "0b5e8a0c-63b4-4c5c-9f3a-5d8f1f6f7c11"
SCHEMAS: api.Json = {
    "Notification": {
        "type": "object",
        "description": "Alertmanager's webhook, as far as it is read.",
        "required": ["version", "alerts"],
        "properties": {
            "version": {"const": VERSION},
            "groupKey": {"type": "string", "maxLength": 64 * LABEL},
            "receiver": {"type": "string", "maxLength": 64 * LABEL},
            "alerts": {
                "type": "array",
                "maxItems": ALERTS,
                "items": {
                    "type": "object",
                    "properties": {
                        "status": {"enum": list(STATUSES)},
                        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                        "fingerprint": {"type": "string"},
                    },
                },
            },
        },
    },
    "Delivered": {
        "type": "object",
        "required": ["delivered", "repeated", "ignored"],
        "properties": {
            "delivered": {**_COUNT, "description": "Alerts that their incidents were told of."},
            "repeated": {**_COUNT, "description": "Those that were told before."},
            "ignored": {**_COUNT, "description": "Those that name no incident of ours."},
        },
    },
    "OrderAnswer": {
        "type": "object",
        "required": ["type", "data"],
        "properties": {
            "type": {"enum": [_PREFIX + name for name in orders.ANSWERS]},
            "timestamp": {"type": "string"},
            "data": {
                "type": "object",
                "required": ["order"],
                "properties": {
                    "order": {"type": "string", "format": "uuid"},
                    "note": {"type": "string", "maxLength": NOTE},
                },
            },
        },
    },
}
PATHS: api.Json = {
    "/hooks/alertmanager": {
        "post": api.operation(
            "alertmanager",
            "Alertmanager tells of what it delivered",
            words="Stamps `delivered` on the incidents that its alerts name by their label `incident`.",
            scope="hook",
            takes={
                api.JSON: api.body(
                    api.schema("Notification"),
                    page={"version": VERSION, "groupKey": "{}", "receiver": "duty", "alerts": [_ALERT]},
                )
            },
            answers={
                200: api.content(
                    "Taken",
                    {api.JSON: api.body(api.schema("Delivered"), one={"delivered": 1, "repeated": 0, "ignored": 0})},
                )
            },
            errors=(408, 413, 415),
        )
    },
    "/hooks/work-orders": {
        "post": api.operation(
            "work_orders",
            "A work-order system tells what became of an order",
            words="Signed by the shared secret (GREENWATCH_WORKORDER_SECRET): headers webhook-id, webhook-timestamp, "
            f"webhook-signature of Standard Webhooks. What is more than {signing.TOLERANCE} s off, or was here before, "
            "is refused.",
            takes={
                api.JSON: api.body(
                    api.schema("OrderAnswer"),
                    done={"type": _PREFIX + "done", "data": {"order": _ORDER, "note": "hydrant closed"}},
                )
            },
            answers={
                200: api.content(
                    "What the order is now",
                    {
                        api.JSON: api.body(
                            {
                                "type": "object",
                                "required": ["order", "state"],
                                "properties": {"order": {"type": "string"}, "state": {"type": "string"}},
                            },
                            done={"order": _ORDER, "state": "done"},
                        )
                    },
                )
            },
            errors=(404, 408, 409, 413, 415),
        )
    },
}
