"""`GET /openapi.json`: what programs may ask of this server, in OpenAPI 3.1. Said once, beside the handlers.

A module of handlers has beside its `ROUTES`

    PATHS = {"/v1/series": {"get": operation("series", "Series that match", answers={200: content(...)}, ...)}}
    SCHEMAS = {"Series": {...}}      # named ones, or none; referred to as schema("Series")

and stands in `app.MODULES`: that is all. What every operation has (who may ask, ALWAYS) is added here.
To refuse, a handler raises `problems.Refused(kind, detail)`; statuses beyond those are named in `errors=`. Who holds a
key for some stations only is told by `guard.stations(request)`: codes, or None for all.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from types import ModuleType
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.web import problems

Json = dict[str, Any]

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
PARQUET = "application/vnd.apache.parquet"

#: Statuses every operation may answer with: a query, a key, a scope, tries to log in, a mistake of ours, no database.
ALWAYS = (400, 401, 403, 429, 500, 503)

PROBLEM: Json = {
    "type": "object",
    "description": "What is wrong, and what to do about it (RFC 9457).",
    "required": ["type", "title", "status", "detail", "remedy"],
    "properties": {
        "type": {
            "type": "string",
            "enum": [problems.PLACE + name for name in problems.KINDS],
            "description": "The kind of problem, for programs; and the address where it is explained.",
        },
        "title": {"type": "string", "description": "The kind in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong this time, for people."},
        "remedy": {"type": "string", "description": "What to do about it, for people."},
    },
}


def schema(name: str) -> Json:
    """A reference to one of the named SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def query(name: str, shape: Json, words: str, *, required: bool = False, example: object = None) -> Json:
    """A parameter of the address, behind the `?`."""
    return _parameter("query", name, shape, words, required=required, example=example)


def path(name: str, shape: Json, words: str, *, example: object = None) -> Json:
    """A part of the address in braces."""
    return _parameter("path", name, shape, words, required=True, example=example)


def header(name: str, shape: Json, words: str, *, example: object = None) -> Json:
    """A header of the request."""
    return _parameter("header", name, shape, words, required=False, example=example)


def _parameter(place: str, name: str, shape: Json, words: str, *, required: bool, example: object) -> Json:
    said: Json = {"name": name, "in": place, "description": words, "required": required, "schema": shape}
    return said if example is None else {**said, "example": example}


def content(words: str, kinds: Mapping[str, Json], *, headers: Mapping[str, str] | None = None) -> Json:
    """An answer: by media type what `body` gives; `headers` by name, with what they say."""
    said: Json = {"description": words, "content": dict(kinds)}
    if headers:
        said["headers"] = {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()}
    return said


def body(shape: Json, **examples: object) -> Json:
    """What one media type holds, with `examples` by name."""
    said: Json = {"schema": shape}
    return {**said, "examples": {name: {"value": value} for name, value in examples.items()}} if examples else said


#: What a person may ask for who logged in.
PERSONS = ("read", "duty")
#: What is no JSON: text, or bytes.
TEXT: Json = {"type": "string"}
BYTES: Json = {"type": "string", "contentMediaType": "application/octet-stream"}


def operation(
    name: str,
    summary: str,
    *,
    answers: Mapping[int, Json],
    words: str = "",
    parameters: Sequence[Json] = (),
    takes: Mapping[str, Json] | None = None,
    errors: Sequence[int] = (),
    scope: str | None = None,
) -> Json:
    """What a method of a path does. `name` is unique; `takes` is the body by media type; `errors` are statuses beside
    ALWAYS; `scope` is what a key must allow: write, read, hook; duty: a person alone; None where nobody needs one."""
    said: Json = {"operationId": name, "summary": summary}
    if words:
        said["description"] = words
    if parameters:
        said["parameters"] = list(parameters)
    if takes is not None:
        said["requestBody"] = {"required": True, "content": dict(takes)}
    refused = {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted({*ALWAYS, *errors})}
    said["responses"] = {**refused, **{str(status): item for status, item in answers.items()}}
    # The empty one: on this machine, without keys and without a token, whoever asks is let in.
    said["security"] = [] if scope is None else [{}, {"key": []}, *([{"person": []}] if scope in PERSONS else [])]
    if scope is not None:
        said["x-scope"] = scope
    return said


def document(modules: Iterable[ModuleType]) -> Json:
    """The whole description, as it is served. Raises `ValueError` where two modules describe one path or schema."""
    paths: Json = {}
    schemas: Json = {}
    for module in modules:
        for kept, more in ((paths, getattr(module, "PATHS", {})), (schemas, getattr(module, "SCHEMAS", {}))):
            if twice := kept.keys() & more.keys():
                raise ValueError(f"described twice: {', '.join(sorted(twice))}")
            kept.update(more)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Greenwatch",
            "version": version("greenwatch"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Readings in, figures out. Times carry an offset from UTC; a period is named by its start.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                str(status): _problems(status) for status in sorted({k.status for k in problems.KINDS.values()})
            },
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of `greenwatch key make`, or the server's token (GREENWATCH_TOKEN).",
                },
                "person": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Name and password of `greenwatch person add`.",
                },
            },
        },
    }


def _problems(status: int) -> Json:
    """The answer of `status`, an example of each of its kinds."""
    kinds = {name: kind for name, kind in problems.KINDS.items() if kind.status == status}
    examples = {name: problems.body(name, kind.title) for name, kind in kinds.items()}
    words = "; or: ".join(kind.title for kind in kinds.values())
    return content(words, {problems.MEDIA: body(schema("Problem"), **examples)})


async def described(request: Request) -> Response:
    """The description of this server."""
    return JSONResponse(request.app.state.described, headers={"Cache-Control": "no-cache"})


ROUTES = [Route("/openapi.json", described)]
SCHEMAS: Json = {"Problem": PROBLEM}
PATHS: Json = {
    problems.PLACE + "{kind}": {
        "get": operation(
            "problem",
            "What a kind of problem is, and what to do about it",
            parameters=[
                path(
                    "kind",
                    {"type": "string", "enum": list(problems.KINDS)},
                    "The last part of the `type` of a problem.",
                    example="too-large",
                )
            ],
            answers={200: content("The kind", {JSON: body({"type": "object"})})},
            errors=(404,),
        )
    },
    "/openapi.json": {
        "get": operation(
            "openapi", "This description", answers={200: content("OpenAPI 3.1", {JSON: body({"type": "object"})})}
        )
    },
}
