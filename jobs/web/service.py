"""What machines ask of the service itself: is it well, and what are its figures."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

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
