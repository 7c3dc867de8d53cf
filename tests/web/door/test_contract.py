"""What the server says of itself is what it does: its OpenAPI against its routes, its examples, and a fuzzer."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks

from analytics.store import connection
from jobs.web import api, app, pages
from jobs.web.site import Settings
from tests import world
from tests.conftest import Make
from tests.serving import serving

#: Not among them: whether each good body is taken and each bad one refused. A row that says what cannot be is a reject
#: in an answer 200; which ones those are is no matter of a schema.
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
]
#: Of each operation, of each mode.
EXAMPLES = 5
DESCRIBED = api.document(app.MODULES)
OPERATIONS = sorted((path, method) for path, item in DESCRIBED["paths"].items() for method in item)


@schemathesis.serializer("application/x-ndjson", "text/csv")
def _text(context: Any, value: Any) -> bytes:
    """Lines as they are."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def running(make_database: Make) -> Iterator[httpx.Client]:
    """A server whose store has the two series of the examples."""
    dsn = make_database("apache")
    with closing(connection.connect(dsn)) as conn:
        world.settle_world(conn, [("A-01", "pm25"), ("A-01", "o3")], 60)
    with serving(Settings(dsn)) as client:
        yield client


def test_everything_that_answers_programs_is_described() -> None:
    shown = {getattr(route, "path", "") for route in pages.ROUTES}
    routes = {route.path.replace(":number}", "}") for module in app.MODULES for route in getattr(module, "ROUTES", ())}
    assert routes - shown == DESCRIBED["paths"].keys()
    names = [item[method]["operationId"] for item in DESCRIBED["paths"].values() for method in item]
    assert len(names) == len(set(names))


def test_it_is_served_as_it_is(running: httpx.Client) -> None:
    assert running.get("/openapi.json").json() == DESCRIBED
    schemathesis.openapi.from_dict(DESCRIBED).validate()


def examples(item: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Media type, schema and value of each example of a body."""
    for media, said in item.get("content", {}).items():
        for example in said.get("examples", {}).values():
            yield media, said["schema"], example["value"]


def test_every_example_of_a_post_is_taken(running: httpx.Client) -> None:
    asked = DESCRIBED["paths"]["/observations"]["post"]["requestBody"]
    found = list(examples(asked))
    assert {media for media, _, _ in found} == asked["content"].keys()
    for media, _, value in found:
        content = value if isinstance(value, str) else httpx.Request("POST", "http://x", json=value).content
        answer = running.post("/observations?cadence=60", content=content, headers={"Content-Type": media})
        assert (answer.status_code, answer.json()["rejects"]) == (200, 0), answer.text


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_example_of_an_answer_is_what_its_schema_says(path: str, method: str) -> None:
    for item in DESCRIBED["paths"][path][method]["responses"].values():
        for _, schema, value in examples(item):
            jsonschema_rs.validator_for({**schema, "components": DESCRIBED["components"]}).validate(value)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_contract_holds(running: httpx.Client, path: str, method: str, mode: GenerationMode) -> None:
    operation = schemathesis.openapi.from_dict(DESCRIBED)[path][method]
    said = DESCRIBED["paths"][path][method]
    if mode is GenerationMode.NEGATIVE and not (said.get("parameters") or said.get("requestBody")):
        return  # there is nothing that could be wrong
    session = requests.Session()
    session.trust_env = False

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def held(case: "schemathesis.Case[Any]") -> None:
        case.call_and_validate(str(running.base_url), session, checks=CHECKS)

    with session:
        held()
