"""`greenwatch simulate live`: a stream that loses nothing, whatever the server does."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from analytics.synthetic import District
from jobs import console
from jobs.simulate import app, files, live
from jobs.simulate.sender import LINES, Sender, body
from tests.simulate.sending import HOUR, KEY, MINUTE, STOP, Server, Trick, serving


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

    def look(feed: live.Feed, sender: live.Taker, now: datetime) -> None:
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
