"""The application: routes of each module, behind one guard.

A module of handlers has `ROUTES`, a list of Starlette routes; a handler is a function of a request, which asks
`site(request)` for the store. A handler without `async` runs in a thread and may wait for the database.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from analytics.store.connection import Lost
from jobs.web import intake, pages, service
from jobs.web.guard import Guard
from jobs.web.meter import Meter
from jobs.web.site import Settings, Site


def build(settings: Settings) -> Starlette:
    """The application on the store of `settings`; it opens its connections when it starts, closes them when it ends."""
    home = Site(settings)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        with home:
            yield

    app = Starlette(
        routes=[*intake.ROUTES, *service.ROUTES, *pages.ROUTES],
        middleware=[
            Middleware(Meter, exporter=home.exporter),
            # A page of another name that resolves to this machine (DNS rebinding) is refused by its Host.
            Middleware(TrustedHostMiddleware, allowed_hosts=list(settings.hosts), www_redirect=False),
            Middleware(Guard, token=settings.token),
        ],
        exception_handlers={Lost: _away, Exception: _failed},
        lifespan=life,
    )
    app.state.site = home
    return app


async def _away(request: Request, problem: Exception) -> Response:
    """What a database that is away, or too slow, looks like from outside."""
    words = "the database does not answer, try again"
    return JSONResponse({"error": words}, status_code=503, headers={"Retry-After": "5"})


async def _failed(request: Request, problem: Exception) -> Response:
    """What a mistake of ours looks like from outside: no traceback leaves the machine."""
    return JSONResponse({"error": "this request could not be answered, its reason is in the log"}, status_code=500)
