"""`greenwatch simulate`: files that go in without a reject, and a live stream that loses nothing."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest
from typer.testing import CliRunner

from analytics import ingest as formats
from analytics.store import register as reading
from analytics.store.connection import Connection
from analytics.synthetic import District
from jobs import console, register
from jobs.ingest import Intake, Order, seconds
from jobs.simulate import app, files, live
from jobs.simulate.options import continued
from jobs.simulate.sender import LINES, Sender, body

STOP = datetime(2026, 7, 18, 4, 20, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
KEY = ["station", "parameter", "time"]


@pytest.fixture(scope="module")
def made() -> District:
    return District(11, STOP)


@pytest.fixture(scope="module")
def folder(made: District, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of files, the last of them in minutes."""
    folder = tmp_path_factory.mktemp("district")
    files.write(folder, files.plan(made, STOP, days=3, minutes=1))
    return folder


# Files


def test_the_files_hold_what_was_sent_by_then_and_each_row_once(made: District, folder: Path) -> None:
    for name, cadence in files.CADENCES.items():
        start = STOP - timedelta(days=1 if name == "1m" else 3)
        fresh, late = (pl.read_parquet(folder / f"{kind}-{name}.parquet") for kind in ("readings", "late"))
        assert fresh.select(KEY).is_unique().all()
        whole = made.readings(start, STOP, cadence)
        known = pl.concat([fresh, late])
        assert whole.join(known, on=[*KEY, "value"], how="semi").height == known.unique().height
        waiting = whole.join(known, on=KEY, how="anti")
        still = {one.station for one in made.happenings(STOP, STOP + MINUTE) if one.kind == "late"}
        assert waiting["station"].is_in(list(still)).all()
        assert known["time"].min() == start.replace(minute=20 if name != "4h" else 0, hour=8 if name == "4h" else 4)


def test_the_same_order_writes_the_same_bytes(made: District, folder: Path, tmp_path: Path) -> None:
    files.write(tmp_path, files.plan(made, STOP, days=3, minutes=1))
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_folder_says_that_it_is_synthetic_and_what_it_is(folder: Path) -> None:
    said = (folder / "README.txt").read_text(encoding="utf-8")
    assert "SYNTHETIC" in said
    assert "合成" in said
    assert "SYNTHETIC" in (folder / files.MANIFEST).read_text(encoding="utf-8")
    assert continued(folder / files.MANIFEST) == (District(11, STOP), STOP)
    forecast = pl.read_csv(folder / "weather_forecast.csv")
    assert forecast.columns == ["station", "parameter", "issued", "valid", "value"]
    assert forecast["issued"].n_unique() == 12
    truth = pl.read_csv(folder / "truth.csv")
    assert truth.columns[:7] == ["kind", "class", "domain", "station", "parameter", "start", "stop"]
    assert "haze" in truth["kind"]


def test_the_files_go_in_without_a_reject(conn: Connection, folder: Path) -> None:
    for name in ("stations.csv", "zones.csv"):
        draft = reading.read((folder / name).read_bytes(), name, *register.rules(conn))
        register.write(conn, draft)
        assert not register.look(conn, draft).changes
    rows = 0
    for name in files.CADENCES:
        for kind in ("readings", "late"):
            path = folder / f"{kind}-{name}.parquet"
            if kind == "readings":
                assert formats.recognise(formats.Source(path)) == "long"
            counts = Intake(conn, Order(format="long", source="synthetic", cadence=seconds(name))).file(path)
            assert counts.rejects == counts.missing == counts.conflicts == counts.replaced == 0
            assert counts.read == pl.scan_parquet(path).select(pl.len()).collect().item()
            rows += counts.new
    stored = conn.execute("SELECT count(*), count(DISTINCT series) FROM observation").fetchone()
    registered = conn.execute("SELECT count(*) FROM series").fetchone()
    assert stored is not None
    assert registered is not None
    assert stored[0] == rows > 300_000
    assert stored[1] == registered[0] == 468
    places = conn.execute("SELECT DISTINCT kind FROM membership ORDER BY 1").fetchall()
    assert [kind for (kind,) in places] == ["district", "grid", "noise_zone", "river", "street", "water_body"]


def test_the_command_writes_a_folder(tmp_path: Path) -> None:
    words = ["files", str(tmp_path / "new"), "--seed", "2", "--days", "1", "--minutes", "0", "--episode", "now"]
    done = CliRunner().invoke(app, [*words, "--end", "2026-02-01T08:00+08:00"])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(tmp_path / "new")
    assert "SYNTHETIC DATA" in done.stderr
    assert "合成" in done.stderr
    assert pl.read_parquet(tmp_path / "new" / "readings-1m.parquet").is_empty()
    assert "episode = 2026-02-01T00:00:00+00:00" in (tmp_path / "new" / files.MANIFEST).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ["files", "somewhere", "--end", "2026-02-01T08:00"],
        ["files", "somewhere", "--end", "tomorrow"],
        ["files", "somewhere", "--episode", "soon"],
        ["live", "--speed", "10"],
        ["truth", "--from", "2090-01-01T00:00Z"],
        ["live", "--from", "2090-01-01T00:00Z"],
    ],
)
def test_a_wrong_use_is_refused(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, words).exit_code == 2
    assert not list(tmp_path.iterdir())


def test_the_truth_of_what_is_sent_live_can_be_asked_for(folder: Path) -> None:
    until = STOP + timedelta(days=2)
    words = ["truth", "--like", str(folder / files.MANIFEST), "--to", until.isoformat()]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    found = pl.read_csv(done.stdout.encode(), try_parse_dates=True)
    assert found["start"].min() == STOP
    assert (found["stop"] <= until).all()
    assert {"haze", "spike"} <= set(found["kind"])


def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "district.toml"
    for text in ("seed = 1\n", "no toml", ""):
        path.write_text(text)
        with pytest.raises(console.NotAsAsked, match="simulate files"):
            continued(path)


# Live

#: What a server does to a request: an answer's status and headers, or nothing at all.
Trick = tuple[int, dict[str, str]] | None


@dataclass(slots=True)
class Server:
    """Takes observations as greenwatch does, after it has played its tricks."""

    tricks: list[Trick] = field(default_factory=list)
    most: int = 10**9
    rows: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def take(self, path: str, headers: dict[str, str], raw: bytes) -> Trick:
        """The answer to a POST."""
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        self.asked.append((parts.path, query, headers))
        if self.tricks:
            trick = self.tricks.pop(0)
            if trick is None or trick[0] != 200:
                return trick
        lines = raw.decode().splitlines()
        if len(lines) > self.most:
            return 413, {}
        self.rows += [(query["cadence"][0], json.loads(line)) for line in lines]
        return 200, {}

    def frame(self, cadence: int) -> pl.DataFrame:
        """What came, as readings."""
        lines = [row for step, row in self.rows if step == str(cadence)]
        schema = {"station": pl.String, "channel": pl.String, "time": pl.String, "value": pl.Float64}
        return pl.DataFrame(lines, schema=schema).select(
            "station",
            pl.col("channel").alias("parameter"),
            pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us").dt.replace_time_zone("UTC"),
            "value",
        )


@contextmanager
def serving(**facts: object) -> Iterator[Server]:
    """A server on a port of its own."""
    server = Server(**facts)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            done = server.take(self.path, {name.lower(): value for name, value in self.headers.items()}, raw)
            if done is None:
                self.close_connection = True
                self.connection.close()
                return
            answer = json.dumps({"error": "as the test wants it", "rejects": 0}).encode()
            self.send_response(done[0])
            for name, value in {**done[1], "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


class Clock:
    """A clock that moves when somebody rests, and a little at each look."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.rested = 0.0

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def rest(self, pause: float) -> None:
        self.rested += pause
        self.now += timedelta(seconds=pause)


def stream(
    made: District, server: Server, start: datetime, stop: datetime, speed: float = 1.0, **facts: object
) -> Clock:
    """Sends from `start` until `stop`; the clock stood at `start` at first, or at `now`."""
    clock = Clock(facts.get("now", start))  # type: ignore[arg-type]
    seen: list[tuple[datetime, datetime]] = []

    def look(feed: live.Feed, sender: Sender, now: datetime) -> None:
        seen.append((feed.sent, clock.now))

    stations = facts.get("stations", 4)
    with live.Feed(made, start, stations) as feed, Sender(server.url, "secret", rest=clock.rest) as sender:  # type: ignore[arg-type]
        live.run(feed, sender, live.Pace(start, speed, clock), stop, show=look, rest=clock.rest)
        assert feed.sent == stop
        assert sender.rows == len(server.rows)
    # A row is sent when its minute has come, and never before.
    assert all(sent - MINUTE <= now for sent, now in seen)
    return clock


def test_every_row_arrives_whatever_the_server_does(made: District) -> None:
    start, stop = STOP, STOP + 45 * MINUTE
    tricks: list[Trick] = [
        (503, {"Retry-After": "5"}),
        None,
        (200, {}),
        (500, {}),
        (429, {}),
        None,
        (502, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    ]
    with serving(tricks=tricks) as server:
        clock = stream(made, server, start, stop)
    sites = made.stations(4)
    for cadence in (60, 14_400):
        due = made.deliveries(start, stop, cadence, sites).select(*KEY, "value")
        assert server.frame(cadence).sort(KEY).equals(due.sort(KEY))
    assert due.is_empty()
    assert len(server.rows) > 45 * 15
    assert clock.rested > 43 * 60
    path, query, headers = server.asked[0]
    assert (path, query) == ("/observations", {"source": ["synthetic"], "cadence": ["60"]})
    assert headers["content-type"] == "application/x-ndjson"
    assert headers["authorization"] == "Bearer secret"


def test_analysers_are_sent_every_four_hours(made: District) -> None:
    start = datetime(2026, 7, 18, 7, 55, tzinfo=UTC)
    with serving() as server:
        stream(made, server, start, start + 10 * MINUTE, stations=None)
    assert server.frame(14_400)["time"].unique().to_list() == [start + 5 * MINUTE]
    assert server.frame(14_400)["parameter"].n_unique() == 4
    assert server.frame(60)["station"].n_unique() >= 36


def test_late_rows_are_sent_late_and_repeated_rows_twice(made: District) -> None:
    faults = made.happenings(STOP, STOP + timedelta(days=20))
    for kind, before, after in (("late", 0, 1), ("duplicate", 2, 2)):
        one = next(one for one in faults if one.kind == kind)
        site = next(site for site in made.stations() if site.code == one.station)
        begin, end = (datetime.fromtimestamp(60 * at, UTC) for at in (one.start, one.stop))

        class Only:
            """The district with one station."""

            deliveries = made.deliveries

            def stations(self, count: int | None = None, site: object = site) -> list[object]:
                return [site]

        for stop, copies in ((end - MINUTE, before), (end + 3 * MINUTE, after)):
            start = max(begin, end - HOUR) - 3 * MINUTE
            with serving() as server:
                stream(Only(), server, start, stop)  # type: ignore[arg-type]
            inside = (pl.col("time") >= max(begin, start)) & (pl.col("time") < end - 2 * MINUTE)
            counts = server.frame(60).filter(inside).group_by(*KEY).len()["len"]
            assert counts.is_empty() if copies == 0 else counts.len() > 50
            assert (counts == copies).all()


def test_faster_than_the_clock_until_it_meets_it(made: District) -> None:
    start = STOP - 2 * HOUR
    with serving() as server:
        clock = stream(made, server, start, STOP + 3 * MINUTE, speed=60, now=STOP, stations=1)
        # Two hours at sixty times the clock, and then with it.
        assert STOP + 3 * MINUTE - MINUTE <= clock.now < STOP + 4 * MINUTE
        due = made.deliveries(start, STOP + 3 * MINUTE, 60, made.stations(1)).select(*KEY, "value")
        assert server.frame(60).sort(KEY).equals(due.sort(KEY))


def test_what_lies_behind_is_sent_at_once_at_the_speed_of_the_clock(made: District) -> None:
    with serving() as server:
        clock = stream(made, server, STOP - HOUR, STOP, now=STOP, stations=1)
        assert clock.now - STOP < MINUTE
        assert server.frame(60)["time"].n_unique() == 60
        assert len(server.asked) < 10


def test_a_server_with_little_room_gets_halves(made: District) -> None:
    start, stop = STOP, STOP + 2 * MINUTE
    with serving(most=7) as server:
        stream(made, server, start, stop)
        due = made.deliveries(start, stop, 60, made.stations(4)).select(*KEY, "value")
        assert server.frame(60).sort(KEY).equals(due.sort(KEY))


def test_many_rows_go_in_several_posts() -> None:
    rows = pl.DataFrame({"station": "S", "parameter": "pm25", "time": STOP, "value": 1.5}).select(
        pl.all().repeat_by(2 * LINES + 1).explode()
    )
    with serving() as server, Sender(server.url) as sender:
        sender.send(body(rows), rows.height, 60)
        assert len(server.rows) == sender.rows == rows.height
        assert sender.posts == 3
        assert "authorization" not in server.asked[0][2]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 415])
def test_what_no_try_can_mend_is_said_at_once(status: int, made: District) -> None:
    with serving(tricks=[(status, {})]) as server:
        with pytest.raises(console.NotAsAsked, match=f"{status} as the test wants it"):
            stream(made, server, STOP, STOP + MINUTE)
        assert len(server.asked) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:80", "http://[::"])
def test_an_address_that_is_none_is_said_at_once(url: str) -> None:
    with pytest.raises(console.NotAsAsked, match="--url"), Sender(url) as sender:
        sender.send(b"{}\n", 1, 60)


def test_pauses_grow_while_nobody_listens() -> None:
    pauses: list[float] = []

    class Enough(Exception):
        pass

    def rest(pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 9:
            raise Enough

    with pytest.raises(Enough), Sender("http://127.0.0.1:9", rest=rest) as sender:
        sender.send(b"{}\n", 1, 60)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_line_is_what_the_server_reads() -> None:
    rows = pl.DataFrame({"station": ["S-1"], "parameter": ["soil_moisture@-0.1"], "time": [STOP], "value": [0.25]})
    line = body(rows)
    assert json.loads(line) == {
        "station": "S-1",
        "channel": "soil_moisture@-0.1",
        "time": "2026-07-18T04:20:00Z",
        "value": 0.25,
    }
    from analytics.ingest import ndjson

    batch = ndjson.batch(line)
    assert batch.cells.select("station", "channel", "time", "value").row(0) == (
        "S-1",
        "soil_moisture@-0.1",
        STOP,
        0.25,
    )


def test_stopping_it_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise console.Stopped

    monkeypatch.setattr(live, "run", stop)
    done = CliRunner().invoke(app, ["live", "--stations", "1", "--from", "2026-07-18T04:20Z"])
    assert done.exit_code == 0, done.output
    assert "SYNTHETIC DATA" in done.stderr
    assert "all before 2026-07-18T04:20Z is there" in done.stderr


def test_the_command_goes_on_from_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        monkeypatch.setenv("GREENWATCH_TOKEN", "from the environment")
        words = ["live", "--url", server.url, "--like", str(folder / files.MANIFEST), "--stations", "2"]
        until = (STOP + 5 * MINUTE).isoformat()
        monkeypatch.setattr(console, "now", lambda: STOP + HOUR)
        done = CliRunner().invoke(app, [*words, "--until", until])
    assert done.exit_code == 0, done.output
    assert server.frame(60)["time"].min() == STOP
    assert server.frame(60)["time"].max() == STOP + 4 * MINUTE
    assert server.asked[0][2]["authorization"] == "Bearer from the environment"
