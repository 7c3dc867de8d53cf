"""River levels, flows and rain of England: the hydrology API of the Environment Agency.

Origin: environment.data.gov.uk/hydrology/doc/reference: `/id/measures/{measure}/readings.csv`, pages by `_limit` and
`_offset`, `mineq-date` a day. The rows are those of a download, and read so (`analytics/ingest/ea_hydrology.py`). What
is asked for are measures, by the last part of their URI: `...-level-i-900-m-qualified`. Without a station of its own
one is called as the measure calls it. Readings become Good, or other, days to weeks after they were taken.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from analytics.frames import Batch
from analytics.ingest import Held, read
from jobs.pull.contract import Answer, Connector, Request, State, called

_ROWS = 10_000


def ask(state: State) -> list[Request]:
    """The first page of the readings of a measure, from the day of `since` on."""
    day = state.since.strftime("%Y-%m-%d")
    params = {"mineq-date": day, "_limit": str(_ROWS), "_offset": "0"}
    return [Request(state, f"/id/measures/{quote(state.id, safe='')}/readings.csv", params)]


def more(answer: Answer, rows: int) -> Request | None:
    """The next page, where this one was full."""
    if rows < _ROWS:
        return None
    asked = answer.request
    params = {**asked.params, "_offset": str(asked.page * _ROWS)}
    return replace(asked, params=params, page=asked.page + 1)


def _read(answer: Answer) -> Iterator[Batch]:
    raw = answer.body if answer.body.endswith(b"\n") or not answer.body else answer.body + b"\n"
    for batch in read(Held(Path("readings.csv"), raw=raw), "ea-hydrology"):
        yield called(batch, answer.request.state.station)


CONNECTOR = Connector(
    name="ea-hydrology",
    title="Environment Agency, hydrology of England",
    url="https://environment.data.gov.uk/hydrology",
    source="ea-hydrology",
    every=timedelta(hours=1),
    horizon=timedelta(days=14),
    first=timedelta(minutes=1),
    longest=timedelta(hours=6),
    rate=1.0,
    rows=_ROWS,
    pages=50,
    ids="free",
    accept="text/csv",
    ask=ask,
    more=more,
    read=_read,
)
