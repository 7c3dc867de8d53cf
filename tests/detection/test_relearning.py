"""`greenwatch relearn`: a fit a quantity from local midnight on, and what it judges is looked at again."""

from datetime import timedelta
from typing import Any

from analytics.store import ledger, register
from analytics.store.connection import Connection
from jobs import relearn
from tests import world
from tests.world import HOUR, T0, Reading


class Town:
    """PM2.5 of one station in two cadences: ten minutes for all days, one minute for the last two."""

    def __init__(self, conn: Connection, days: int = 20) -> None:
        self.conn, self.days = conn, days
        said = register.Registry(stations={"A": {}})
        for cadence in (600, 60):
            said.series[register.Series("A", "pm25", "", "", cadence)] = None
        register.learn(conn, said)
        rows = conn.execute("SELECT id FROM series ORDER BY cadence").fetchall()
        self.minute, self.ten = (int(str(row[0])) for row in rows)

    def fill(self) -> None:
        last = self.days * 24
        rows: list[Reading] = [(self.ten, n / 6, 40.0 + n % 6, 0, None) for n in range(last * 6)]
        rows += [(self.minute, last - 48 + n / 60, 43.0, 0, None) for n in range(48 * 60)]
        world.send(self.conn, rows)
        world.settle(self.conn)

    def scores(self) -> list[tuple[Any, ...]]:
        rows = self.conn.execute(
            "SELECT series, time, value FROM score JOIN term d ON d.id = detector"
            " WHERE d.name = 'robust-seasonal' ORDER BY time"
        ).fetchall()
        return [(row[0], round((row[1] - T0) / HOUR), row[2]) for row in rows]  # type: ignore[operator]  # times


def test_relearn_makes_a_fit_a_quantity_and_marks_what_it_judges(conn: Connection) -> None:
    town = Town(conn)
    town.fill()
    at = T0 + 18 * 24 * HOUR + 5 * HOUR  # the fit holds from local midnight, 16:00 UTC of the day before
    done = relearn.run(conn, at)
    assert (done.series, done.fits) == (1, 1)
    assert conn.execute("SELECT kind, subject, since, valid_from, fitted_at FROM fit").fetchall() == [
        ("robust-seasonal", town.minute, T0 + (18 * 24 - 8 - 56 * 24) * HOUR, T0 + (18 * 24 - 8) * HOUR, at)
    ]
    # What lies past the clock is due when it is over.
    marks = conn.execute("SELECT stage, min(start), max(stop) FROM stale GROUP BY stage").fetchall()
    last = T0 + 20 * 24 * HOUR - timedelta(minutes=1)
    assert marks == [(ledger.CODES["detect"], T0 + (18 * 24 - 8) * HOUR, last + HOUR + timedelta(microseconds=1))]
    world.settle(conn)
    assert town.scores() == []
    # The stand-in speaks where the other has no value; both are one quantity, under the voice that speaks.
    world.send(conn, [(town.ten, 18 * 24 - 6 + n / 6, 200.0, 1, None) for n in range(6)])
    world.send(conn, [(town.minute, 19 * 24 + n / 60, 200.0, 1, None) for n in range(60)])
    world.send(
        conn, [(town.ten, 19 * 24 + 4 + n / 6, 200.0, 1, None) for n in range(6)]
    )  # not heard: it does not speak
    world.settle(conn)
    assert [(series, hour) for series, hour, _ in town.scores()] == [(town.minute, 18 * 24 - 6), (town.minute, 19 * 24)]


def test_relearning_the_same_says_nothing_new(conn: Connection) -> None:
    town = Town(conn)
    town.fill()
    at = T0 + 18 * 24 * HOUR
    assert relearn.run(conn, at).fits == 1
    assert relearn.run(conn, at + HOUR).fits == 0
    world.settle(conn)
    assert relearn.run(conn, at + timedelta(days=1)).fits == 1
    assert conn.execute("SELECT min(start) FROM stale").fetchone() == (T0 + (19 * 24 - 8) * HOUR,)


def test_relearn_every_few_days_judges_the_past_too(conn: Connection) -> None:
    town = Town(conn)
    town.fill()
    world.send(conn, [(town.ten, 9 * 24 + n / 6, 400.0, 1, None) for n in range(6)])
    world.settle(conn)
    assert relearn.run(conn, T0 + 20 * 24 * HOUR, every=1).fits == 13  # the first ones have less than a week of hours
    world.settle(conn)
    assert [hour for _, hour, _ in town.scores()] == [9 * 24]
    # Long after the last reading there is something to learn only from the past.
    assert relearn.run(conn, T0 + 500 * 24 * HOUR).fits == 0
    assert relearn.run(conn, T0 + 500 * 24 * HOUR, every=7).fits > 0
