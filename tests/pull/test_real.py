"""Real answers: nine measures of the Calder valley, as the hydrology API of the Environment Agency gave them."""

import csv
import gzip
import io
import re
from datetime import UTC, datetime

import pytest

from analytics.store.connection import Connection
from jobs.pull.connectors import ea_hydrology
from tests.conftest import SHARED, needs_shared
from tests.pull.pulling import pull, registered
from tests.pull.service import Asked, Reply, Service


@needs_shared
def test_what_the_agency_answered_is_in_once_and_again_changes_nothing(
    conn: Connection, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ea_hydrology, "_ROWS", 1_000)
    said: dict[str, list[list[str]]] = {}
    head: list[str] = []
    for path in sorted((SHARED / "data/calder-valley").glob("*.csv.gz")):
        head, *rows = csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))
        said[rows[0][0].rpartition("/")[2]] = rows

    def page(asked: Asked) -> Reply:
        """What the service says: rows of a measure from a day on, so many behind so many."""
        measure = asked.path.split("/")[3]
        found = [row for row in said[measure] if row[2] >= asked.params["mineq-date"]]
        first, most = int(asked.params["_offset"]), min(int(asked.params["_limit"]), 10_000)
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([head, *found[first : first + most]])
        return Reply(text.getvalue().encode(), kind="text/csv; charset=UTF-8")

    service.answers = [page]
    ids = "[" + ", ".join(f'"{measure}"' for measure in said) + "]"
    registered(conn, service, "ea-hydrology", ids)
    now = datetime(2025, 9, 13, 15, tzinfo=UTC)
    done = pull(conn, now, since=datetime(2025, 8, 16, tzinfo=UTC))
    total = sum(map(len, said.values()))
    assert (done.problem, done.counts.read) == ("", total)
    assert done.counts.new + done.counts.missing == total

    stored = conn.execute(
        "SELECT t.code, to_char(o.time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS'), o.value"
        " FROM observation o JOIN series s ON s.id = o.series JOIN station t ON t.id = s.station"
    ).fetchall()
    # A measure is a station and what is measured there: its name begins with that of the station.
    stations = {measure: re.split("-level-|-rainfall-", measure)[0] for measure in said}
    wanted = [(stations[one], row[1], float(row[3])) for one, rows in said.items() for row in rows if row[3]]
    assert sorted(stored) == sorted(wanted)

    again = pull(conn, now)
    assert (again.problem, again.counts.new, again.counts.replaced) == ("", 0, 0)
    assert 0 < again.counts.read < total  # the last two weeks, since publishers are late
