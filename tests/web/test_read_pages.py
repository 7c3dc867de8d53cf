"""Pages: every row once, in the order of the whole, whatever comes in meanwhile, and in bounded memory."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import polars as pl
import pytest

from analytics.store import connection
from analytics.store.connection import Connection
from jobs.export import measured
from jobs.web.read import walk
from jobs.web.read.operations import OPERATIONS
from jobs.web.site import Settings
from tests import world
from tests.conftest import Make
from tests.serving import serving
from tests.web.reading import HOUR, MINUTE, get, pages

ADDRESSES = [item.path.removeprefix("/v1/").replace("{id}", "1") for item in OPERATIONS]


@pytest.mark.parametrize("operation", ADDRESSES)
def test_pages_are_the_whole_in_pieces(client: httpx.Client, operation: str) -> None:
    whole = get(client, operation, limit=100_000)
    limit = max(whole.height // 7, 1)
    found = list(pages(client, operation, limit=limit))
    assert [page.height for page in found[:-1]] == [limit] * (len(found) - 1)
    assert pl.concat(found).equals(whole, null_equal=True)


@pytest.mark.parametrize("form", ["json", "csv"])
def test_links_lead_on_in_every_form(client: httpx.Client, form: str) -> None:
    found = list(pages(client, "averages", form, limit=60, station=["A1", "B,2"], averaging=["day", "moving24"]))
    assert len(found) > 3
    whole = get(client, "averages", form, station=["A1", "B,2"], averaging=["day", "moving24"])
    assert pl.concat(found).equals(whole, null_equal=True)


def test_pages_of_steps_and_of_places_are_the_whole_in_pieces(client: httpx.Client) -> None:
    asked: dict[str, Any] = {"place": ["district:North", "district:South"], "step": "3h", "statistics": ["mean", "max"]}
    for operation in ("readings", "averages"):
        whole = get(client, operation, **asked)
        assert pl.concat(pages(client, operation, limit=40, **asked)).equals(whole, null_equal=True)


@pytest.mark.parametrize("most", [20])
def test_the_size_of_what_is_loaded_at_once_does_not_show(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("readings", {"parameter": "o3"}),
        ("averages", {"parameter": "o3"}),
        ("averages", {"parameter": "o3", "step": "1d"}),
        ("episodes", {}),
        ("forecasts", {}),
    ]
    whole = [get(client, operation, **words) for operation, words in asked]
    monkeypatch.setattr(walk, "MOST", most)
    for (operation, words), rows in zip(asked, whole, strict=True):
        assert get(client, operation, **words).equals(rows, null_equal=True), operation


def test_a_page_that_costs_too_much_is_sent_as_it_is(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = get(client, "readings", parameter="pm25", raw="true")
    monkeypatch.setattr(walk, "SPEND", 50)
    monkeypatch.setattr(walk, "MOST", 40)
    found = list(pages(client, "readings", parameter="pm25", raw="true"))
    assert len(found) > 5
    assert max(page.height for page in found) < 200
    assert pl.concat(found).equals(whole, null_equal=True)


def test_every_row_is_there_once_while_others_come(conn: Connection, dsn: str) -> None:
    """Of two series; behind the page, in it and before it new readings and replacements come in, and a new series."""
    first, second = world.settle_world(conn, [("K", "pm25"), ("M", "pm25")], 600)
    world.send(conn, [(series, n / 6, float(n), 0, None) for series in (first, second) for n in range(200)])
    with serving(Settings(dsn)) as client:
        before = get(client, "readings", limit=100_000)
        found = []
        for number, page in enumerate(pages(client, "readings", limit=80)):
            found.append(page)
            late = [(first, n / 6 + 1 / 12, 500.0 + n, 0, None) for n in range(3 * number, 3 * number + 3)]
            late += [(second, 190.5 - number, 600.0, 0, None), (first, number / 6, 1000.0 + number, 5, None)]
            world.send(conn, late)
            world.settle_world(conn, [(f"L{number}", "pm25")], 600)
        told = pl.concat(found)
        key = ["station", "parameter", "position", "statistic", "cadence", "time"]
        assert told.select(key).equals(told.select(key).unique().sort(key))
        assert before.join(told, on=key, how="anti").height == 0
        assert len(found) > 4


@pytest.fixture(scope="module")
def many(make_database: Make) -> Iterator[httpx.Client]:
    """A server of two series as dense as they were registered, and one far denser in a minute of its year."""
    dsn = make_database("apache")
    with closing(connection.connect(dsn)) as conn:
        even, other, dense = world.settle_world(conn, [("E", "pm25"), ("F", "pm25"), ("D", "pm25")], 60)
        insert = (
            "INSERT INTO observation (time, value, series, batch) SELECT t, 20 + extract(minute FROM t), %s, 1"
            " FROM generate_series(%s::timestamptz, %s::timestamptz, %s::interval) AS t"
        )
        for series, span, step in ((even, 600 * HOUR, "1m"), (other, 900 * HOUR, "1m"), (dense, MINUTE, "2 ms")):
            conn.execute(insert, [series, world.T0, world.T0 + span, step.replace("1m", "1 minute")])
        early = "INSERT INTO observation (time, value, series, batch) VALUES (%s, 1, %s, 1)"
        conn.execute(early, [world.T0 - 9000 * HOUR, dense])
        conn.execute(
            "UPDATE latest l SET time = o.last, first = o.first, rows = o.rows FROM (SELECT series, min(time) AS first,"
            " max(time) AS last, count(*) AS rows FROM observation GROUP BY 1) AS o WHERE o.series = l.series"
        )
    with serving(Settings(dsn)) as opened:
        yield opened


def test_what_is_loaded_at_once_is_bounded_however_much_there_is(
    many: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []
    kept = measured.observations_in

    def watched(*words: Any) -> pl.DataFrame:
        rows = kept(*words)
        loaded.append(rows.height)
        return rows

    monkeypatch.setattr(measured, "observations_in", watched)
    monkeypatch.setattr(walk, "MOST", 20_000)
    rows = [page.height for page in pages(many, "readings", limit=60_000)]
    assert sum(rows) == 36_001 + 54_001 + 30_001 + 1
    assert max(rows) == 60_000
    assert 10_000 < max(loaded) <= 20_000
    assert many.get("/v1/readings?limit=1000000").status_code == 400


def test_a_step_that_holds_too_much_is_refused_with_what_to_do(
    many: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"station": "E", "step": "1y", "statistics": "max"}
    refused = many.get("/v1/readings", params=asked)
    assert (refused.status_code, refused.json()["type"]) == (413, "/problems/too-much")
    assert "shorter steps" in refused.json()["detail"]
    assert many.get("/v1/averages", params=asked).status_code == 200
    monkeypatch.setattr(walk, "MOST", 5_000)
    words: dict[str, Any] = {"step": "1d", "statistics": ["min", "max", "count"]}
    found = pl.concat(pages(many, "readings", station="E", **words))
    assert found.height == 26  # of the station's days, the first and the last in part
    assert set(found["max"]) == {79.0}
    refused = many.get("/v1/readings", params={"station": "D", **words})
    assert refused.status_code == 413
    assert "registered" in refused.json()["detail"]


def test_cursors_are_good_for_their_question_alone(client: httpx.Client) -> None:
    first = client.get("/v1/readings?limit=5&station=A1").json()
    cursor = httpx.URL(first["next"]).params["cursor"]
    assert client.get("/v1/readings", params={"limit": 9, "station": "A1", "cursor": cursor}).status_code == 200
    for words in ({}, {"station": "B,2"}, {"station": "A1", "raw": "true"}):
        refused = client.get("/v1/readings", params={**words, "cursor": cursor})
        assert refused.status_code == 400
        assert "another question" in refused.json()["detail"]


@pytest.mark.parametrize(
    "parts", [[], [1], ["A1", 7], ["A1", "pm25", "", "", 600, 10**30], ["A1", "pm25", "", "", True], "x", [["A1"]]]
)
def test_a_cursor_that_is_none_is_refused(client: httpx.Client, parts: Any) -> None:
    known = client.get("/v1/readings?limit=5").json()["next"]
    text = httpx.URL(known).params["cursor"]
    mark = json.loads(base64.urlsafe_b64decode(text + "=="))[0]
    made = base64.urlsafe_b64encode(json.dumps([mark, *parts] if isinstance(parts, list) else parts).encode()).decode()
    for cursor in (made.rstrip("="), "é", "AAAA", "[" * 3000, "x" * 5000):
        refused = client.get("/v1/readings", params={"cursor": cursor})
        assert refused.status_code == 400
        assert refused.headers["content-type"] == "application/problem+json"
