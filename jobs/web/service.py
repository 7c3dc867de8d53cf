"""What machines ask of the service itself: is it well, and what are its figures."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.web import api
from jobs.web.site import site


async def healthz(request: Request) -> Response:
    """200 where readings can be taken in and state can be shown, else 503; `wrong` says what is not well."""
    wrong = site(request).wrong()
    headers = {"Cache-Control": "no-store"}
    return JSONResponse({"ok": not wrong, "wrong": wrong}, status_code=503 if wrong else 200, headers=headers)


def prometheus(request: Request) -> Response:
    """The figures of the newest snapshot; asks no database."""
    body, kind = site(request).exporter.page(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": kind, "Cache-Control": "no-store"})


ROUTES = [Route("/healthz", healthz), Route("/metrics", prometheus)]

SCHEMAS: api.Json = {
    "Health": {
        "type": "object",
        "required": ["ok", "wrong"],
        "properties": {
            "ok": {"type": "boolean"},
            "wrong": {"type": "array", "items": {"type": "string"}, "description": "What is not well, in words."},
        },
    }
}
_WELL = api.body(api.schema("Health"), well={"ok": True, "wrong": []})
_ILL = api.body(api.schema("Health"), ill={"ok": False, "wrong": ["the database cannot be used"]})
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
