"""Stations of a town within reach of each other, in a store."""

from datetime import datetime
from typing import Any

from analytics.quality import BITS
from analytics.store.connection import Connection
from jobs import chain, relearn
from tests import world
from tests.conftest import NOW
from tests.world import HOUR, T0, Reading

#: When the town is looked at: the readings begin at T0.
LOOK = T0 + 30 * 24 * HOUR


class Town:
    """Hourly PM2.5 of so many stations, about a kilometre apart on a line."""

    def __init__(self, conn: Connection, count: int = 5) -> None:
        self.conn = conn
        self.series = world.settle_world(conn, [(f"S{number}", "pm25") for number in range(count)])
        for number in range(count):
            self.move(number, number / 100)

    def move(self, number: int, north: float) -> None:
        """Nothing; the station lies so many degrees north of 40° N now."""
        self.conn.execute(
            "UPDATE station SET longitude = 116, latitude = %s WHERE code = %s", [40 + north, f"S{number}"]
        )

    def send(self, values: dict[int, list[float | None]], first: int = 0, revision: int = 0) -> None:
        """Nothing; the stations' readings from hour `first` on are in."""
        rows: list[Reading] = [
            (self.series[number], float(first + at), value, revision, None)
            for number, row in values.items()
            for at, value in enumerate(row)
            if value is not None
        ]
        world.send(self.conn, rows)

    def learn(self, at: datetime = LOOK) -> int:
        """Number of maps kept."""
        return relearn.run(self.conn, at).maps

    def settle(self, now: datetime = NOW) -> dict[str, chain.Work]:
        """What each stage did."""
        return {work.stage: work for work in chain.settle(self.conn, lambda: now)}

    def apart(self, table: str = "verdict") -> list[tuple[int, int]]:
        """Station and hour of what lies apart from its neighbours."""
        return [at[:2] for at in self.verdicts(table) if at[3] & BITS["neighbours"]]

    def verdicts(self, table: str = "verdict") -> list[tuple[int, int, int, int]]:
        """Station, hour, code and tests of each row."""
        rows: list[Any] = self.conn.execute(f"SELECT series, time, code, tests FROM {table} ORDER BY 1, 2").fetchall()
        return [(self.series.index(s), round((time - T0) / HOUR), code, tests) for s, time, code, tests in rows]

    def marks(self) -> list[tuple[str, int, datetime, datetime]]:
        """Stage, station, from and to of what is due."""
        names = {stage.code: name for name, (stage, _) in chain.STAGES.items()}
        rows: list[Any] = self.conn.execute(
            "SELECT stage, subject, start, stop FROM stale WHERE stage = 2 ORDER BY 1, 2, 3"
        ).fetchall()
        return [(names[stage], self.series.index(subject), start, stop) for stage, subject, start, stop in rows]
