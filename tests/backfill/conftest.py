"""A migrated database whose queue is there, files to backfill, and what a test asks of them."""

from contextlib import closing

import pytest

from analytics.store import connection
from jobs import migrate
from tests.conftest import Make


@pytest.fixture(params=["apache"])
def dsn(request: pytest.FixtureRequest, make_database: Make) -> str:
    """The DSN of a fresh migrated database, its queue included."""
    made = make_database(request.param)
    with closing(connection.connect(made)) as opened:
        list(migrate.migrate(opened, plain=request.param == "plain"))
    return made
