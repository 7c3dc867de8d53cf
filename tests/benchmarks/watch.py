"""Milliseconds of a look of the watch at a district of 10,000 series: with nothing on, in a haze over all stations, and
what a snapshot for /metrics of the same store takes. `python -m tests.benchmarks.watch`."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

from analytics import parameters
from analytics.store import connection, observations, registry
from analytics.store.connection import Connection
from analytics.store.observations import Origin
from jobs import chain
from jobs.watch.look import Watch
from jobs.web.watcher import Taker
from tests import world
from tests.benchmarks import common
from tests.soak.house import house
from tests.world import HOUR, NOTHING, T0

STATIONS, SERIES = 1_500, 10_000
MINUTE = timedelta(minutes=1)


def district(conn: Connection, stations: int = STATIONS, number: int = SERIES) -> list[int]:
    """Ids of `number` series, an equal share a station, those of PM2.5 first."""
    names = sorted(name for name, item in parameters.load().items() if "hour" in item.averagings and name != "pm25")
    kinds = ["pm25", *names][: -(-number // stations)]
    found = world.settle_world(conn, [(f"S{k:04}", name) for name in kinds for k in range(stations)][:number])
    conn.execute("INSERT INTO membership (station, kind, place) SELECT id, 'district', 'D' || id % 10 FROM station")
    return found


def send(conn: Connection, series: list[int], hours: range, value: float) -> None:
    """Nothing; a live reading an hour of each of `series` is saved and settled."""
    at = T0 + hours.stop * HOUR
    rows = [(each, float(hour), value, 0, None) for each in series for hour in hours]
    origin = Origin(registry.source(conn, "test"), "test", kind="live")
    observations.save(conn, world.frame(rows), NOTHING, origin, at)
    chain.settle(conn, lambda: at)


class Looks:
    """One look after the other, two seconds apart."""

    def __init__(self, conn: Connection, now: datetime) -> None:
        self.conn, self.now, self.watch = conn, now, Watch()

    def __call__(self) -> int:
        self.now += timedelta(seconds=2)
        return len(self.watch.run(self.conn, self.now))


def milliseconds(conn: Connection, now: datetime, times: int = 7) -> dict[str, float]:
    """Of a look, and of a snapshot, medians; both have looked before."""
    looks, taker = Looks(conn, now), Taker(conn)
    looks()
    taker.take()
    ways: dict[str, common.Way] = {"look of the watch": looks, "snapshot for /metrics": taker.take}
    return {name: seconds * 1000 for name, seconds in common.measure(ways, times).items()}


def main() -> None:
    """Prints both, and how they compare."""
    with house("benchmarks") as place, place.database() as dsn, closing(connection.connect(dsn)) as conn:
        series = district(conn)
        send(conn, series, range(1), 20.0)
        quiet = milliseconds(conn, T0 + HOUR + MINUTE)
        hazy = series[:STATIONS]
        send(conn, hazy, range(1, 25), 200.0)
        haze = milliseconds(conn, T0 + 25 * HOUR + MINUTE)
        on = conn.execute("SELECT count(*) FROM alarm WHERE state = 'firing'").fetchone()
    for name, found in (("nothing on", quiet), (f"{on[0] if on else 0} alarms on", haze)):
        look, snapshot = found.values()
        said = f"look {look:.0f} ms, snapshot {snapshot:.0f} ms, the look takes {look / snapshot:.2f} of it"
        print(f"{datetime.now(UTC):%Y-%m-%d} 10,000 series, {name}: {said}")


if __name__ == "__main__":
    main()
