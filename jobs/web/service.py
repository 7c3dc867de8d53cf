"""What machines ask of the service itself: is it well, and what are its figures."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.web import api
from jobs.web.site import site


async def healthz(request: Request) -> Response:
    """200 where readings can be taken in and state can be shown, else 503; `wrong` says what is not well, `watchdog`
    when Alertmanager last told us that paging works."""
    home = site(request)
    wrong, heard = home.wrong(), home.exporter.watchdog
    said = {"ok": not wrong, "wrong": wrong, "watchdog": None if heard is None else heard.isoformat()}
    return JSONResponse(said, status_code=503 if wrong else 200, headers={"Cache-Control": "no-store"})


async def prometheus(request: Request) -> Response:
    """The figures of the newest snapshot, as they were written down then: waits for no database, nor for a thread that
    does."""
    asked = request.headers
    body, headers = site(request).exporter.answer(asked.get("accept", ""), asked.get("accept-encoding", ""))
    return Response(body, headers=dict(headers))


ROUTES = [Route("/healthz", healthz), Route("/metrics", prometheus)]

SCHEMAS: api.Json = {
    "Health": {
        "type": "object",
        "required": ["ok", "wrong", "watchdog"],
        "properties": {
            "ok": {"type": "boolean"},
            "wrong": {"type": "array", "items": {"type": "string"}, "description": "What is not well, in words."},
            "watchdog": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "When Alertmanager last told of its alert Watchdog; null: not since the start.",
            },
        },
    }
}
_WELL = api.body(api.schema("Health"), well={"ok": True, "wrong": [], "watchdog": "2026-06-01T12:00:00+00:00"})
_ILL = api.body(api.schema("Health"), ill={"ok": False, "wrong": ["the database cannot be used"], "watchdog": None})
PATHS: api.Json = {
    "/healthz": {
        "get": api.operation(
            "healthz",
            "Is the service well?",
            answers={200: api.content("It is", {api.JSON: _WELL}), 503: api.content("It is not", {api.JSON: _ILL})},
        )
    },
    "/metrics": {
        "get": api.operation(
            "metrics",
            "Figures for Prometheus",
            scope="read",
            answers={
                200: api.content(
                    "Text of Prometheus, or OpenMetrics where that is accepted",
                    {"text/plain": api.body(api.TEXT), "application/openmetrics-text": api.body(api.TEXT)},
                )
            },
        )
    },
}
