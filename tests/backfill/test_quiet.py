"""A backfill wakes nobody, issues no forecast again, and what it finds is marked as found afterwards."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from analytics.store import connection, observations, registry
from analytics.store.connection import Connection
from analytics.store.observations import Origin
from jobs import chain, console, forecast, migrate, watch
from jobs.backfill import sources
from jobs.backfill.cli import begin
from jobs.backfill.sources import Ask
from jobs.intake import Order
from tests import world
from tests.backfill.test_chunks import do_all
from tests.conftest import Make
from tests.world import HOUR, NOTHING, T0

DAY = timedelta(days=1)
#: Days before now: of the haze that was seen live, and of one that nobody knew of.
SEEN, UNSEEN = 12, 300


@dataclass(slots=True)
class Street:
    """One station with PM2.5, live until now."""

    conn: Connection
    folder: Path
    now: datetime
    series: int = 0

    def live(self, values: dict[datetime, float], now: datetime) -> None:
        rows = [(self.series, (at - T0) / HOUR, value, 0, None) for at, value in values.items()]
        source = registry.source(self.conn, "street")
        observations.save(self.conn, world.frame(rows), NOTHING, Origin(source, "test", kind="live"), now)
        chain.settle(self.conn, lambda: now)

    def backfill(self, values: dict[datetime, float]) -> int:
        lines = [f"A,pm25,{at.isoformat()},{value}" for at, value in values.items()]
        path = self.folder / "past.csv"
        path.write_text("\n".join(["station,parameter,time,value", *lines]) + "\n")
        asked = Ask(Order(source="street", revision=1, kind="backfill"), (path,))
        number = begin(self.conn, asked, sources.find(self.conn, asked))
        counts = do_all(self.conn, number)
        assert counts.new + counts.replaced == counts.read == len(values)
        chain.settle(self.conn, console.now)
        return number

    def haze(self, days: float, length: int, level: float) -> dict[datetime, float]:
        """So many hours, from that many days before now on, up to now at most."""
        start = self.now - timedelta(days=days)
        return {start + hour * HOUR: level for hour in range(length) if start + hour * HOUR < self.now}

    def forecasts(self) -> list[tuple[object, ...]]:
        return self.conn.execute("SELECT f::text FROM forecast f ORDER BY 1").fetchall()


@pytest.fixture(scope="module")
def street(make_database: Make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with closing(connection.connect(make_database("apache"))) as conn:
        list(migrate.migrate(conn))
        now = console.now().replace(minute=0, second=0, microsecond=0)
        out = Street(conn, tmp_path_factory.mktemp("quiet"), now, world.settle_world(conn, [("A", "pm25")])[0])
        days = {now - hour * HOUR: 20.0 + hour % 7 for hour in range(45 * 24, 0, -1)}
        out.live(days | out.haze(SEEN, 48, 200.0), now)
        yield out


def test_nothing_pages_and_no_forecast_is_issued_again(street: Street) -> None:
    conn, now = street.conn, street.now
    assert watch.run(conn, now) == []
    assert forecast.run(conn, now).new == 1
    issued = street.forecasts()
    street.backfill(
        {
            **street.haze(UNSEEN, 72, 220.0),
            **street.haze(SEEN - 2, 48, 210.0),  # the haze that was seen went on
            **street.haze(3, 72, 230.0),  # and the live readings up to now were wrong
        }
    )
    # It holds by all there is, up to the live edge; but nothing of that came live.
    [(open_,)] = conn.execute(
        "SELECT count(*) FROM report.episode WHERE rule = 'pm25_24h' AND NOT closed AND stop = %s", [now]
    ).fetchall()
    assert open_ == 1
    for minutes in (0, 1, 30, 59):
        assert watch.run(conn, now + timedelta(minutes=minutes)) == []
    assert conn.execute("SELECT count(*) FROM alarm_event").fetchone() == (0,)
    assert conn.execute("SELECT count(*) FROM alarm WHERE state <> 'ok'").fetchone() == (0,)
    again = forecast.run(conn, now)
    assert (again.new, again.already) == (0, 1)
    assert street.forecasts() == issued
    found = conn.execute(
        "SELECT time, closed, retrospective FROM report.episode WHERE rule = 'pm25_24h' ORDER BY time"
    ).fetchall()
    assert [(closed, mark) for _, closed, mark in found] == [(True, True), (True, False), (False, False)]
    # The next hour comes live: now somebody must know, and since when it has been so.
    later = now + HOUR + timedelta(minutes=2)
    street.live({now: 240.0}, later)
    fired = watch.run(conn, later)
    assert {(event["rule"], event["after"]) for event in fired} == {
        ("pm25_heavy", "firing"),
        ("pm25_polluted", "firing"),
    }
    assert all(event["onset"] < now - 2 * DAY for event in fired)


def test_a_mark_stays_when_another_backfill_makes_the_episode_longer(street: Street) -> None:
    street.backfill(street.haze(UNSEEN - 3, 24, 219.0))
    found = street.conn.execute(
        "SELECT stop - time, retrospective FROM report.episode WHERE rule = 'pm25_24h' ORDER BY time"
    ).fetchall()
    assert found[0][0] > 3 * DAY  # type: ignore[operator]  # a duration
    assert [mark for _, mark in found][:2] == [True, False]


def test_what_it_lifts_behind_the_live_edge_pages_nobody_either(conn: Connection, tmp_path: Path) -> None:
    """A day's mean rests on the hours before: where a backfill lifts these, the newest hour holds, live as it is."""
    now = console.now().replace(minute=0, second=0, microsecond=0)
    street = Street(conn, tmp_path, now, world.settle_world(conn, [("A", "pm25")])[0])
    street.live({now - hour * HOUR: 20.0 for hour in range(30, 0, -1)}, now)
    assert watch.run(conn, now) == []
    street.backfill({now - hour * HOUR: 400.0 for hour in range(30, 2, -1)})
    [newest] = conn.execute("SELECT max(stop) FROM episode WHERE level = 2").fetchone() or [None]
    assert newest == now
    assert watch.run(conn, now + timedelta(minutes=59)) == []
    # The second hour that comes live: the backfill came by the true clock, maybe when the first had begun.
    later = now + 2 * HOUR + timedelta(minutes=2)
    street.live({now: 20.0, now + HOUR: 20.0}, later)
    assert {event["after"] for event in watch.run(conn, later)} == {"firing"}
