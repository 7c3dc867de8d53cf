"""The pages: a small made-up district in a real store, seen through the application as a browser asks for it."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from httpx import Client
from markupsafe import escape

from analytics.frames import CELLS, REJECTS, Batch, conform, empty
from analytics.store import connection
from analytics.store.connection import Connection
from analytics.store.register import read as read_registry
from analytics.synthetic import District
from analytics.texts import TEXTS, Language
from jobs import board, chain, console, forecast, irrigate, register, relearn, traces, watch
from jobs.intake import Intake, Order
from jobs.web import shared
from tests import tools
from tests.conftest import NOW, Make
from tests.serving import until

STATIONS = 6
STOP = console.now().replace(second=0, microsecond=0)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def district(make_database: Make, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The DSN of a store with five days of six stations of all domains, settled, forecast, advised."""
    dsn, folder = make_database("apache"), tmp_path_factory.mktemp("district")
    made = District(3, STOP)
    sites = made.stations(STATIONS)
    codes = [site.code for site in sites]
    with closing(connection.connect(dsn)) as conn:
        enrol(conn, made.registry().filter(pl.col("station").is_in(codes)))
        zones = made.zones().filter(pl.col("weather").is_in(codes), pl.col("probe").is_in(codes))
        enrol(conn, zones)
        for cadence, days in ((600, 5), (14_400, 5), (60, 1)):
            path = folder / f"{cadence}.parquet"
            made.readings(STOP - timedelta(days=days), STOP, cadence, sites).write_parquet(path)
            Intake(conn, Order(source="synthetic", cadence=cadence)).file(path)
        chain.settle(conn, console.now)
        relearn.run(conn, console.now())
        chain.settle(conn, console.now)
        forecast.run(conn, console.now())
        irrigate.run(conn, console.now())
        watch.run(conn, console.now())
    return dsn


@contextmanager
def serving(dsn: str, folder: Path) -> Iterator[Client]:
    """A client of a server on the store `dsn`."""
    [port] = tools.free_ports(1)
    address = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", "jobs.cli", "serve", "--port", port, "--dsn", dsn]
    with (
        tools.served(words, f"{address}/healthz", folder / "serve.log"),
        Client(base_url=address, timeout=20) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client(district: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server on the small district."""
    with serving(district, tmp_path_factory.mktemp("serve")) as opened:
        yield opened


def test_the_first_page_shows_every_domain_in_both_languages(client: Client) -> None:
    for language in ("en", "zh"):
        page = client.get("/", params={"lang": language})
        assert page.status_code == 200
        for domain in board.DOMAINS:
            assert f'<section class="domain" id="{domain}">' in page.text
            assert TEXTS[domain][language == "zh"] in page.text
        assert TEXTS["synthetic"][language == "zh"] in page.text
        assert page.text.count('<a class="tile') == STATIONS
        assert "script-src" not in page.headers["content-security-policy"]
        assert "default-src 'self'" in page.headers["content-security-policy"]


def test_the_browser_says_which_language_and_the_address_knows_better(client: Client) -> None:
    chinese = {"accept-language": "zh-CN,zh;q=0.9"}
    assert 'lang="zh-CN"' in client.get("/", headers=chinese).text
    assert 'lang="en"' in client.get("/").text
    assert 'lang="en"' in client.get("/?lang=en", headers=chinese).text


def test_a_station_has_a_chart_of_each_quantity_with_a_forecast(client: Client) -> None:
    page = client.get("/station/SYN-A01")
    assert page.text.count('<figure class="chart"') == 8
    charts: dict[str, dict[str, Any]] = client.get("/station/SYN-A01/charts.json").json()
    assert len(charts) == 8
    for chart in charts.values():
        times = chart["time"]
        assert times == sorted(set(times))
        assert all(len(column) == len(times) for name, column in chart.items() if isinstance(column, list))
        seen = [(t, m) for t, m in zip(times, chart["mean"], strict=True) if m is not None]
        assert seen[-1][0] > STOP.timestamp() - 600
        ahead = [t for t, v in zip(times, chart["forecast"], strict=True) if v is not None]
        assert ahead[0] > STOP.timestamp() - 2 * 3600
        assert ahead[-1] > STOP.timestamp() + 48 * 3600
        assert len(times) < 2 * traces.POINTS


def test_a_probe_beside_has_the_advice_of_its_zone_too(district: str, client: Client) -> None:
    with closing(connection.connect(district)) as conn:
        zone, probe, reason = conn.execute(
            "SELECT zone, probe, reason FROM report.advice WHERE probe <> ''"
        ).fetchall()[0]
        words = str(escape(reason))
        assert words in client.get(f"/station/{probe}").text
        assert words not in client.get("/station/SYN-A01").text
        conn.execute(
            "UPDATE zone SET beside = ARRAY(SELECT id FROM station WHERE code = 'SYN-A01') WHERE code = %s", [zone]
        )
        try:
            assert words in client.get("/station/SYN-A01").text
        finally:
            conn.execute("UPDATE zone SET beside = '{}'")


def test_a_reading_that_was_sent_is_on_the_page(client: Client) -> None:
    now = console.now().replace(microsecond=0)
    row = f'{{"station": "SYN-A01", "channel": "pm25", "time": "{now.isoformat()}", "value": 123.4}}\n'
    headers = {"content-type": "application/x-ndjson"}
    answer = client.post("/observations", params={"source": "synthetic", "cadence": 60}, content=row, headers=headers)
    assert answer.json()["new"] == 1, answer.text
    until(lambda: "<b>123</b>" in client.get("/?lang=en").text, shared.LONGEST + 5)


def test_what_is_not_there_is_said(client: Client) -> None:
    for path in ("/station/NOBODY", "/station/NOBODY/charts.json", "/station/%3Cscript%3E"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "<script>" not in answer.text.replace('<script src="/static', "")


def test_an_empty_store_says_what_to_do_and_what_was_refused(conn: Connection, dsn: str, tmp_path: Path) -> None:
    send(conn, "NOBODY", [NOW, NOW + HOUR])
    with serving(dsn, tmp_path) as client:
        for language in ("en", "zh"):
            page = client.get("/", params={"lang": language}).text
            assert TEXTS["empty_board"][language == "zh"] in page
            assert TEXTS["rejects_wait"][language == "zh"].format(count=2) in page
            refused = TEXTS["reject_unknown station"][language == "zh"]
            assert f'<td>test</td><td>{refused}</td><td class="right">2</td>' in page


def test_words_of_others_are_shown_and_not_run(conn: Connection, dsn: str, tmp_path: Path) -> None:
    rows = pl.DataFrame({"station": ["<b>'\"&/x"], "title": ["<script>alert(1)</script>"], "parameter": ["pm25"]})
    enrol(conn, rows)
    send(conn, "<b>'\"&/x", [console.now()])
    with serving(dsn, tmp_path) as client:
        page = client.get("/?lang=en").text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script>alert" not in page
        link = page.split('<a class="tile')[1].split('href="')[1].split('"')[0]
        assert client.get(link).status_code == 200


def test_a_store_into_which_nothing_comes_any_more_is_seen_as_of_then(
    conn: Connection, dsn: str, tmp_path: Path
) -> None:
    times = [NOW + timedelta(minutes=10 * n) for n in range(30)]
    enrol(conn, pl.DataFrame({"station": ["OLD"], "parameter": ["pm25"]}))
    send(conn, "OLD", times)
    assert board.moment(conn, NOW + timedelta(days=200)) == NOW + 5 * HOUR
    assert board.moment(conn, NOW + timedelta(days=1)) == NOW + timedelta(days=1)
    with serving(dsn, tmp_path) as client:
        assert client.get("/station/OLD/charts.json").json()


def test_the_board_counts_what_it_shows(district: str) -> None:
    with closing(connection.connect(district)) as conn:
        found = board.board(conn, board.Book.load(), console.now(), Language.en)
        row = conn.execute("SELECT count(*) FROM report.episode WHERE NOT closed AND about = 'event'").fetchone()
    assert found.facts["stations"] == STATIONS == sum(len(tiles) for tiles in found.tiles.values())
    assert row == (found.facts["episodes"],)
    assert len(found.points) == STATIONS
    assert all(0 <= x <= 1 and 0 <= y <= 1 for _, x, y in found.points)
    air = next(tile for tile in found.tiles["air"] if tile.code == "SYN-A01")
    assert air.parameter == "pm25"
    assert air.past
    assert air.ahead
    assert air.colour.startswith("#")


def enrol(conn: Connection, rows: pl.DataFrame) -> None:
    """Nothing; what `greenwatch register` does with `rows` as a CSV file."""
    register.write(conn, read_registry(rows.write_csv().encode(), "rows.csv", *register.rules(conn)))


def send(conn: Connection, station: str, times: list[datetime]) -> None:
    """Nothing; a PM2.5 reading of 50 at each of `times` is in the store, and settled."""
    cells = pl.DataFrame({"station": station, "channel": "pm25", "time": times, "value": 50.0})
    whole = conform(cells.with_columns(mark=None, revision=None), CELLS)
    Intake(conn, Order(source="test")).block(Batch(whole, empty(REJECTS)), "test")
    chain.settle(conn, console.now)
