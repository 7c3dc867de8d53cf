"""Rejects: made by one rule for every way in, found again, brought in once their cause is gone. And clocks as kept."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from analytics import clocks
from analytics.frames import CELLS, REJECTS, TIME, Batch, empty
from analytics.store import clocks as kept
from analytics.store import rejects
from analytics.store.connection import Connection
from analytics.store.rejects import KINDS, OTHER, Search
from jobs.intake import Intake, Order
from jobs.rejects import corrected
from jobs.web.site import Settings
from jobs.web.watcher import SOURCES, Taker
from tests import world
from tests.commands.terminal import DONE, NOT_AS_ASKED, greenwatch, long
from tests.scrape import key, read
from tests.serving import serving
from tests.web.test_read_keys import made

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
Told = tuple[str, str, datetime, float, datetime | None]


def batch(*rows: Told) -> Batch:
    """Cells (station, channel, time, value), each as it was received."""
    cells = pl.DataFrame([(*row[:4], ord("N"), 5) for row in rows], schema=dict(CELLS), orient="row")
    return Batch(cells, empty(REJECTS), received=pl.Series([row[4] for row in rows], dtype=TIME))


def send(conn: Connection, *rows: Told, kind: str = "live", source: str = "hj212") -> None:
    Intake(conn, Order(source=source, kind=kind, cadence=60)).block(batch(*rows), "test")


def ring(conn: Connection) -> Sequence[tuple[object, ...]]:
    return conn.execute("SELECT station, source, slot, hour, delay FROM clock ORDER BY 1, 2, 3").fetchall()


@pytest.fixture
def now(conn: Connection) -> datetime:
    """The hour that is; a station A is there, with a series a minute."""
    world.settle_world(conn, [("A", "pm25"), ("B", "pm25")], 60)
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def test_a_file_from_ahead_of_the_clock_comes_in_once_its_clock_is_put_right(
    conn: Connection, dsn: str, now: datetime, tmp_path: Path
) -> None:
    """A year is not long enough ahead to be the newest reading of its series until then."""
    far = now.replace(day=1) + timedelta(days=500)
    rows = [f"A,pm25,{far + number * HOUR:%Y-%m-%dT%H:%M:%SZ},{number}.25,D,{number}" for number in range(3)]
    path = long(tmp_path / "far.csv", *rows, f"A,pm25,{now - HOUR:%Y-%m-%dT%H:%M:%SZ},9,,")
    sent = ["ingest", "--cadence", "1m", "--source", "logger", path, "--json", "--dsn", dsn]
    counts = json.loads(greenwatch(*sent).out)
    assert (counts["read"], counts["new"], counts["rejects"]) == (4, 1, 3)
    assert conn.execute("SELECT count(*) FROM reject WHERE time IS NULL").fetchone() == (3,)
    assert json.loads(greenwatch(*sent).out)["rejects"] == 3  # sent again they are the same three
    listed = json.loads(greenwatch("rejects", "list", "--reason", "ahead", "--json", "--dsn", dsn).out)
    assert [(row["station"], row["text"], row["place"]) for row in listed] == [
        ("A", f"{number}.25", f"line {number + 2}") for number in (2, 1, 0)
    ]
    counted = json.loads(greenwatch("rejects", "reasons", "--json", "--dsn", dsn).out)
    assert counted == [{"source": "logger", "reason": clocks.EARLY, "rejects": 3, "waiting": 0}]
    words = ["rejects", "clock", "A", "--author", "Wang", "--reason", "set wrong", "--dsn", dsn, "--json"]
    back = -(far - now + 2 * HOUR).total_seconds()
    tried = json.loads(greenwatch(*words, "--seconds", str(back), "--dry-run").out)
    assert (tried["read"], tried["new"]) == (3, 2)  # one replaces what has no revision
    assert conn.execute("SELECT count(*) FROM reject").fetchone() == (3,)
    assert json.loads(greenwatch(*words, "--seconds", str(back)).out) == tried
    assert conn.execute("SELECT time, value, mark, revision FROM observation ORDER BY 1").fetchall() == [
        (now - 2 * HOUR, 0.25, ord("D"), None),
        (now - HOUR, 1.25, ord("D"), 1),
        (now, 2.25, ord("D"), 2),
    ]
    assert conn.execute("SELECT count(*) FROM reject").fetchone() == (0,)
    assert conn.execute(
        "SELECT kind, origin LIKE 'clock -% s, Wang: set wrong' FROM batch ORDER BY ordinal"
    ).fetchall()[-1] == ("correction", True)


def test_what_is_ahead_even_so_or_has_no_series_stays(conn: Connection, now: datetime) -> None:
    send(conn, ("A", "pm25", now + 5 * HOUR, 1.0, now), ("A", "pm10", now + HOUR, 2.0, now))
    parameters = Intake(conn, Order()).parameters
    for by in (-2 * HOUR, -5 * HOUR):
        assert corrected(conn, parameters, "A", by, "test", now).new == (by == -5 * HOUR)
    assert conn.execute("SELECT channel, reason FROM reject").fetchall() == [("pm10", clocks.EARLY)]
    assert corrected(conn, parameters, "B", -5 * HOUR, "test", now).read == 0


def test_clocks_end_the_same_in_any_order_and_say_nothing_where_not_live(conn: Connection, now: datetime) -> None:
    told = [
        batch(("A", "pm25", now - 40 * SECOND, 1.0, now), ("X", "pm25", now, 1.0, now)),
        batch(("A", "pm25", now - 10 * SECOND, 2.0, now + SECOND), ("A", "pm25", now + 3 * HOUR, 3.0, now + HOUR)),
        batch(("A", "pm25", now - 200 * HOUR, 4.0, now - 168 * HOUR)),  # a week before: of the same place in the ring
    ]
    found = []
    for order in permutations(told):
        conn.execute("DELETE FROM clock")
        for one in (*order, order[0]):
            Intake(conn, Order(source="hj212", cadence=60, kind="live")).block(one, "test")
        found.append(ring(conn))
    assert all(one == found[0] for one in found)
    assert [row[3:] for row in sorted(found[0], key=lambda row: str(row[3]))] == [(now, 11.0), (now + HOUR, -7200.0)]
    for kind in ("late", "backfill"):
        send(conn, ("B", "pm25", now, 1.0, now), kind=kind)
    Intake(conn, Order(source="x", cadence=60, kind="live", dry_run=True)).block(told[0], "test")
    assert ring(conn) == found[0]


def test_a_batch_of_two_weeks_is_kept_once_a_place(conn: Connection, now: datetime) -> None:
    send(conn, *(("A", "pm25", now - n * HOUR, 1.0, now - n * HOUR + n * SECOND) for n in range(340)))
    assert conn.execute("SELECT count(*), min(hour) FROM clock").fetchone() == (168, now - 167 * HOUR)


def test_a_clock_is_shown_to_people_programs_and_dashboards(conn: Connection, dsn: str, now: datetime) -> None:
    for number in range(8):
        at = now - number * HOUR
        send(conn, ("A", "pm25", at + 300 * SECOND, 1.0, at), ("B", "pm25", at - 5 * SECOND, 1.0, at))
    send(conn, ("A", "pm25", now + 2 * HOUR, 1.0, now - SECOND), source="http")
    assert conn.execute("SELECT station, source, delay, hours FROM report.clock ORDER BY 1, 2").fetchall() == [
        ("A", "hj212", -300.0, 8),
        ("A", "http", -7201.0, 1),
        ("B", "hj212", 5.0, 8),
    ]
    estimate = clocks.estimate(kept.load(conn, now - clocks.SPAN), kept.steps(conn))
    assert estimate.select("station", "source", "offset").rows() == [
        ("A", "hj212", 300.0),
        ("B", "hj212", 0.0),
    ]  # one hour is no evidence yet
    with serving(Settings(dsn)) as client:
        page = client.get("/station/A?lang=en").text
        assert "Clock (hj212): 300 s ahead" in page
        assert 'class="clock wrong"' in page
        assert 'class="clock wrong"' not in client.get("/station/B?lang=zh").text
        served = read(client.get("/metrics").text)
    assert served[key("greenwatch_clock_offset_seconds", source="hj212", station="A")] == 300
    assert served[key("greenwatch_rejects", reason="ahead of the clock", source="http")] == 1
    assert served[key("greenwatch_source_cells_total", outcome="new", source="hj212")] == 16


def test_figures_of_sources_and_reasons_are_bounded(conn: Connection, now: datetime) -> None:
    conn.execute("INSERT INTO source (name) SELECT 'source ' || n FROM generate_series(1, 300) AS n")
    for source in ("source 1", "source 290", "source 299"):
        send(conn, ("A", "pm25", now - HOUR, 1.0, now), source=source)
    taker = Taker(conn)
    frames = taker.take().frames
    conn.execute(
        """
        INSERT INTO reject (batch, source, reason, text)
        SELECT 1, (SELECT id FROM source WHERE name = 'source ' || n % 300 + 1), 'odd ' || n || repeat('x', 3000), n
        FROM generate_series(1, 2000) AS n
        """
    )
    send(conn, ("A", "pm25", now - HOUR, 1.0, now), source="source 299")
    frames = Taker(conn).take().frames
    assert set(frames["sources"]["source"]) == {"source 1", OTHER}
    cells = frames["source_cells"].group_by("source").agg(pl.col("cells").sum()).sort("source")
    assert cells.rows() == [(OTHER, 3), ("source 1", 1)]
    assert frames["reasons"]["source"].n_unique() <= SOURCES + 1
    assert set(frames["reasons"]["reason"]) == {OTHER}
    assert frames["reasons"]["rejects"].sum() == 2000
    assert len(set(KINDS.values())) < 30
    before = {row["source"]: row["batches"] for row in frames["sources"].to_dicts()}
    assert before == {"source 1": 1, OTHER: 3}
    assert (
        taker.take()
        .frames["source_cells"]
        .sort("source", "outcome")
        .equals(frames["source_cells"].sort("source", "outcome"))
    )


WORDS = [
    ("hj212", "A", "pm25", "x 100% _y_", "unknown series"),
    ("hj212", "A" * 4000, "pm25", "\\", "unknown series"),
    ("http", "B", "", "'; DROP TABLE reject; --", "not a number"),
    ("http", None, None, "站点", "broken line"),
]


@pytest.fixture
def refused(conn: Connection, now: datetime) -> None:
    """WORDS as rejects 1 to 4."""
    for source, *_ in WORDS:
        conn.execute("INSERT INTO source (name) VALUES (%s) ON CONFLICT DO NOTHING", [source])
    for word in WORDS:
        conn.execute(
            "INSERT INTO reject (batch, source, station, channel, text, reason)"
            " SELECT 1, id, %s, %s, %s, %s FROM source WHERE name = %s",
            [*word[1:], word[0]],
        )


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (Search(), {1, 2, 3, 4}),
        (Search(sources=("http",)), {3, 4}),
        (Search(sources=("http", "hj212"), stations=("A", "B")), {1, 3}),
        (Search(stations=("A" * 4000,)), {2}),
        (Search(stations=("A" * 3999,)), set()),
        (Search(channels=("pm25",)), {1, 2}),
        (Search(reason="unknown"), {1, 2}),
        (Search(reason="%"), set()),
        (Search(text="100% _Y"), {1}),
        (Search(text="drop table"), {3}),
        (Search(text="站"), {4}),
        (Search(text="\\"), {2}),
        (Search(allowed=frozenset("B")), {3}),
        (Search(stations=("A",), allowed=frozenset("B")), set()),
        (Search(allowed=frozenset()), set()),
        (Search(since=datetime(2100, 1, 1, tzinfo=UTC)), set()),
        (Search(until=datetime(2100, 1, 1, tzinfo=UTC), since=datetime(2020, 1, 1, tzinfo=UTC)), {1, 2, 3, 4}),
    ],
)
@pytest.mark.usefixtures("refused")
def test_a_search_finds_what_its_words_say(conn: Connection, search: Search, found: set[int]) -> None:
    ids = [row[0] for row in conn.execute("SELECT id FROM reject ORDER BY id")]
    rows = rejects.search(conn, search, after=None, limit=100)
    assert {ids.index(number) + 1 for number in rows["id"]} == found
    assert rejects.reasons(conn, search)["rejects"].sum() == len(found)


@pytest.mark.usefixtures("refused")
def test_rejects_are_read_page_by_page_within_the_scope_of_a_key(conn: Connection, dsn: str) -> None:
    with serving(Settings(dsn)) as client:
        rows, path = [], "/v1/rejects?limit=1"
        while path:
            answer = client.get(path).json()
            assert len(answer["rows"]) <= 1
            rows += answer["rows"]
            path = answer["next"]
        assert [(row["source"], row["station"], row["text"]) for row in rows] == [
            (source, station or "", text) for source, station, _, text, _ in WORDS
        ]
        assert client.get("/v1/rejects", params={"text": "drop"}).json()["rows"] == [rows[2]]
        assert client.get("/v1/rejects", params={"source": "http", "format": "csv"}).text.count("\n") == 3
        for name in ("station", "text", "channel", "source"):
            assert client.get("/v1/rejects", params={name: "a\0b"}).status_code == 400
        header = made(conn, "gw_b", "read", ["B"])
    with serving(Settings(dsn)) as client:
        assert client.get("/v1/rejects", headers=header).json()["rows"] == [rows[2]]
        assert client.get("/v1/rejects", params={"station": "A"}, headers=header).status_code == 403


def test_what_waits_comes_in_by_replay_and_what_is_not_there_is_said(conn: Connection, dsn: str, now: datetime) -> None:
    send(conn, ("A", "pm10", now - HOUR, 1.0, now), source="http")
    (row,) = json.loads(greenwatch("rejects", "list", "--station", "A", "--json", "--dsn", dsn).out)
    assert (row["reason"], row["waits"]) == ("unknown series", True)
    shown = json.loads(greenwatch("rejects", "show", str(row["id"]), "--json", "--dsn", dsn).out)
    assert (shown["value"], shown["cadence"], shown["kind"]) == (1.0, 60, "live")
    conn.execute(
        "INSERT INTO series (station, parameter, position, statistic, cadence)"
        " SELECT id, 'pm10', '', '', 60 FROM station WHERE code = 'A'"
    )
    conn.execute("INSERT INTO latest (series) SELECT max(id) FROM series ON CONFLICT DO NOTHING")
    for words, left in ((["--dry-run"], 1), ([], 0)):
        done = greenwatch("rejects", "replay", "--json", *words, "--dsn", dsn)
        assert (done.code, json.loads(done.out)["waiting"]["new"]) == (DONE, 1)
        assert conn.execute("SELECT count(*) FROM reject").fetchone() == (left,)
    gone = greenwatch("rejects", "show", str(row["id"]), "--dsn", dsn)
    assert (gone.code, "there is no reject" in gone.err) == (NOT_AS_ASKED, True)
