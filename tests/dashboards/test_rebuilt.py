"""Views are made again under readers, and no reader is told of it."""

from datetime import UTC, datetime

from analytics.store.connection import Connection
from tests.dashboards.asked import Page, filled, queries
from tests.dashboards.rebuilt import rebuild
from tests.panels import NAMES

#: Here; `make soak` does it a hundred times.
TIMES = 5


def test_who_reads_is_told_of_no_error_while_views_are_rebuilt(seeded: str, reader: str, grafana: Connection) -> None:
    now = datetime.now(UTC)
    pages = {name: filled(grafana, name, Page.WHOLE, now) for name in NAMES}
    told = rebuild(seeded, reader, [pages[asked.dashboard].sql(asked.sql) for asked in queries()], TIMES)
    assert not told.errors, told.errors[:3]
    assert told.answers > TIMES * len(NAMES)
