"""`GET /v1/...`: what is in the store, as JSON, CSV or Parquet, page by page.

asked        the parameters, each a row of a table; what a request means by them
cursor       where a page begins
selected     which stations and series, and when they were in a place
walk         pages of rows in bounded memory
past         as of when
listed       stations, series
measured     readings, averages
stepped      means, extremes, coverage of steps
told         assessments, episodes, forecasts
refused      rejects
duty         incidents
operations   all of these in one table
forms        how an answer is written, and how long it may be kept
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from analytics.store.connection import Connection, Late
from analytics.store.errors import Archived, Forgotten
from jobs.web import api, guard
from jobs.web.numbers import ID
from jobs.web.problems import Refused
from jobs.web.read import asked, forms
from jobs.web.read.forms import Page
from jobs.web.read.operations import OPERATIONS, Operation, shape
from jobs.web.reads import Sent
from jobs.web.site import site

#: Series have numbers that the database can hold.
_LARGEST = 2**31 - 1


def _handler(operation: Operation) -> Callable[[Request], Awaitable[ASGIApp]]:
    """What answers requests for `operation`."""

    async def handler(request: Request) -> ASGIApp:
        form = forms.choose(request)
        number = request.path_params.get("id", 0)
        if number > _LARGEST:
            raise Refused("not-found", f"there is no series {number}")
        meant = asked.read(request, operation.parameters, operation.keys, guard.stations(request))
        reads, who = site(request).reads, guard.who(request)

        def work(conn: Connection) -> ASGIApp:
            page = _page(operation, conn, meant, reads.rules(conn))
            return Sent(reads, who, forms.answer(request, operation.name, form, page))

        return await reads.read(who, work)

    handler.__name__ = operation.name
    return handler


def _page(operation: Operation, conn: Connection, meant: asked.Asked, rules: Any) -> Page:
    """The page that is `meant`. Raises `Refused` for what the store cannot give."""
    try:
        return operation.make(conn, meant, rules)
    except Archived as problem:
        raise Refused("archived", str(problem)) from None
    except Forgotten as problem:
        raise Refused("forgotten", str(problem)) from None
    except Late:
        raise Refused("too-much", "the database took too long to find it") from None


def _parameter(name: str) -> api.Json:
    found = asked.PARAMETERS[name]
    one = dict(found.shape)
    return api.query(name, {"type": "array", "items": one} if found.many else one, found.words)


def _described(operation: Operation) -> api.Json:
    parameters = [_parameter(name) for name in operation.parameters]
    if "{id}" in operation.path:
        number = {"type": "integer", "minimum": 0, "maximum": _LARGEST}
        parameters.insert(0, api.path("id", number, "Number of the series, as /v1/series has it."))
    headers = {
        "Link": 'The next page, rel="next"; none behind the last.',
        "ETag": "Another one for another answer; for If-None-Match.",
    }
    kinds = {
        forms.FORMS["json"].media: api.body(shape(operation)),
        forms.FORMS["csv"].media: api.body(api.TEXT),
        forms.FORMS["parquet"].media: api.body(api.BYTES),
    }
    answers = {
        200: api.content(
            "Rows, in the order of their keys; the same in each form, but that in CSV an apostrophe stands before a "
            "text which a spreadsheet would take for a formula",
            kinds,
            headers=headers,
        ),
        304: {"description": "The answer is what If-None-Match says"},
    }
    return api.operation(
        operation.name,
        operation.title,
        words=operation.words,
        parameters=parameters,
        answers=answers,
        errors=(404, 406, 409, 410, 413),
        scope="read",
    )


ROUTES = [Route(item.path.replace("{id}", ID), _handler(item), methods=["GET"]) for item in OPERATIONS]
PATHS = {item.path: {"get": _described(item)} for item in OPERATIONS}
