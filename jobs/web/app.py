"""The application: routes of each module, behind one guard.

A module of handlers has `ROUTES`, a list of Starlette routes; a handler is a function of a request, which asks
`site(request)` for the store. A handler without `async` runs in a thread and may wait for the database. What programs
may ask is described beside it (`api`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from analytics.store.connection import Lost
from jobs.web import api, hooks, incidents, intake, pages, problems, read, service
from jobs.web.guard import Guard
from jobs.web.meter import Meter
from jobs.web.site import Settings, Site

#: All that answers.
MODULES: tuple[ModuleType, ...] = (intake, read, incidents, hooks, service, api, problems, pages)


def build(settings: Settings) -> Starlette:
    """The application on the store of `settings`; it opens its connections when it starts, closes them when it ends."""
    home = Site(settings)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        with home:
            yield

    app = Starlette(
        routes=[route for module in MODULES for route in getattr(module, "ROUTES", ())],
        middleware=[
            Middleware(Meter, exporter=home.exporter),
            Middleware(Guard, token=settings.token, keys=home.keys, hosts=settings.hosts, metrics=settings.metrics),
        ],
        exception_handlers={
            problems.Refused: problems.refused,
            HTTPException: _none,
            Lost: _away,
            Exception: _failed,
        },
        lifespan=life,
    )
    app.state.site, app.state.described = home, api.document(MODULES)
    return app


async def _none(request: Request, problem: Exception) -> Response:
    """What is said where no route, or no method of it, was found."""
    assert isinstance(problem, HTTPException)
    if problem.status_code == 405:
        return problems.answer("wrong-method", f"not {request.method} here", problem.headers)
    if problem.status_code == 404:
        return problems.answer("not-found", "there is nothing at this address")
    return problems.answer("bad-request", str(problem.detail))


async def _away(request: Request, problem: Exception) -> Response:
    """What a database that is away, or too slow, looks like from outside."""
    return problems.answer("away", "the database does not answer, or not in time", {"Retry-After": "5"})


async def _failed(request: Request, problem: Exception) -> Response:
    """What a mistake of ours looks like from outside: no traceback leaves the machine."""
    return problems.answer("failed", "this request could not be answered")
