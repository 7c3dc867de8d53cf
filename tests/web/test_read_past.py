"""`known=`: what was known at a past time, as the export of that time tells it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pytest

from tests.web.conftest import Told
from tests.web.reading import SAME, exported, get, pages

RAW: Mapping[str, Mapping[str, Any]] = {"readings": {"raw": "true"}}


@pytest.mark.parametrize("operation", SAME)
def test_what_was_known_is_what_the_export_of_that_time_says(client: httpx.Client, told: Told, operation: str) -> None:
    seen = []
    for moment in told.moments:
        asked: dict[str, Any] = {"known": moment.isoformat(), "limit": "100000", **RAW.get(operation, {})}
        found, expected = get(client, operation, **asked), exported(told.dsn, SAME[operation], known=moment)
        assert found.select(expected.columns).equals(expected, null_equal=True)
        seen.append(found)
    assert not seen[0].equals(seen[1], null_equal=True)
    assert seen[-1].equals(get(client, operation, limit=100_000, **RAW.get(operation, {})), null_equal=True)


@pytest.mark.parametrize("step", ["10m", "1h", "6h", "1d"])
def test_steps_as_they_were_known_are_made_of_what_was_known(client: httpx.Client, told: Told, step: str) -> None:
    asked: dict[str, Any] = {"station": "A1", "parameter": "pm25", "step": step, "statistics": ["mean", "min", "max"]}
    now = get(client, "readings", **asked)
    then, last = (get(client, "readings", known=told.moments[n].isoformat(), **asked) for n in (0, -1))
    assert last.equals(now, null_equal=True)
    assert not then.equals(now, null_equal=True)


def test_pages_of_the_past_are_the_whole_in_pieces(client: httpx.Client, told: Told) -> None:
    known = told.moments[1].isoformat()
    for operation, limit in (("averages", 400), ("assessments", 80)):
        whole = get(client, operation, known=known, limit=100_000, place="district:South")
        found = list(pages(client, operation, known=known, limit=limit, place="district:South"))
        assert len(found) > 1
        assert pl.concat(found).equals(whole, null_equal=True)


def test_the_answer_says_as_of_when_it_is_and_how_long_it_lasts(client: httpx.Client, told: Told) -> None:
    known = told.moments[0]
    answer = client.get("/v1/stations")
    assert answer.json()["known"] is None
    answer = client.get("/v1/averages", params={"known": known.isoformat()})
    assert datetime.fromisoformat(answer.json()["known"]) == known
    assert answer.headers["cache-control"] == "private, no-cache"  # it was a moment ago
    answer = client.get("/v1/averages", params={"known": "2020-01-01T00:00Z"})
    assert answer.json()["rows"] == []
    assert answer.headers["cache-control"] == "private, max-age=300"


def test_a_time_that_has_not_come_is_refused(client: httpx.Client) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for operation in SAME:
        refused = client.get(f"/v1/{operation}", params={"known": later})
        assert refused.status_code == 400
        assert "not come yet" in refused.json()["detail"]
