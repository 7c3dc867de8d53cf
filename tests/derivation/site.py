"""A site with derived series, as the tests of the stage use it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from analytics.store import register
from analytics.store.connection import Connection
from jobs import chain
from jobs import register as job
from tests.world import HOUR, T0, Reading

CHANNELS = [("A", "air_temperature"), ("A", "relative_humidity"), ("A", "water_level"), ("B", "air_temperature")]
DAY = 24 * HOUR
#: Registrations mark by the clock of this machine: whatever it shows, what they mark is due by then.
LATE = datetime(2100, 1, 1, tzinfo=UTC)


def put(conn: Connection, *texts: str) -> register.Effect:
    """What was registered of TOML."""
    return job.write(conn, register.read("\n".join(texts).encode(), "site.toml", *job.rules(conn)))[1]


def derivation(kind: str, *lines: str, station: str = "A") -> str:
    return "\n".join(["[[derivation]]", f'station = "{station}"', f'kind = "{kind}"', *lines])


def run(series: int, values: Sequence[float | None], first: float = 0, revision: int = 0) -> list[Reading]:
    """Readings of hours in a row."""
    return [(series, first + hour, value, revision, None) for hour, value in enumerate(values) if value is not None]


def hours(conn: Connection, parameter: str, averaging: str = "hour", station: str = "A") -> dict[float, Any]:
    """{hours after T0: value} of the averages of a parameter."""
    rows = conn.execute(
        """
        SELECT a.time, a.value FROM average a JOIN series s ON s.id = a.series JOIN station t ON t.id = s.station
        JOIN term g ON g.id = a.averaging WHERE s.parameter = %s AND g.name = %s AND t.code = %s ORDER BY 1
        """,
        [parameter, averaging, station],
    ).fetchall()
    return {(row[0] - T0) / HOUR: row[1] for row in rows}  # type: ignore[operator]  # times


def number(conn: Connection, parameter: str, station: str = "A") -> int:
    query = "SELECT s.id FROM series s JOIN station t ON t.id = s.station WHERE s.parameter = %s AND t.code = %s"
    row = conn.execute(query, [parameter, station]).fetchone()
    assert row is not None
    return int(str(row[0]))


def settle(conn: Connection) -> dict[str, chain.Work]:
    return {work.stage: work for work in chain.settle(conn, lambda: LATE)}


def settled(value: float) -> float:
    return round(value, 6)
