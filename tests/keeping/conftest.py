"""A database in which the story is told, copied for each test: telling it takes seconds, a copy does not."""

import pytest

from analytics.store.connection import Connection
from tests.conftest import Databases
from tests.keeping import story


@pytest.fixture(params=["apache"])
def dsn(request: pytest.FixtureRequest, databases: Databases) -> str:
    """The DSN of a database of a tier in which the story is told and learned from."""
    return databases.copy("keeping", request.param, _tell)


def _tell(conn: Connection) -> None:
    story.learn(conn, story.tell(conn))
