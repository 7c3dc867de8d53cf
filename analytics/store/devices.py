"""Devices as a listener knows them, and which times of their figures are there."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from analytics.store.connection import Connection
from analytics.telemetry.hj212.devices import Device
from analytics.telemetry.hj212.frames import Bend


def state(conn: Connection) -> object:
    """Something that is another one as soon as a device is."""
    return conn.execute("SELECT count(*), max(xmin::text::int8) FROM device").fetchone()


def load(conn: Connection, numbers: Iterable[str] | None = None) -> dict[str, Device]:
    """The devices by their number: all, or those of `numbers`."""
    rows: list[Any] = conn.execute(
        """
        SELECT d.mn, t.code, d.key, d.edition, d.utc_offset, d.cadences, d.units, d.channels, d.sentinels, d.bends
        FROM device d JOIN station t ON t.id = d.station
        WHERE %(numbers)s::text[] IS NULL OR d.mn = ANY(%(numbers)s) ORDER BY d.mn
        """,
        {"numbers": None if numbers is None else list(numbers)},
    ).fetchall()
    return {
        mn: Device(
            mn,
            station,
            bytes(key),
            edition,
            offset,
            cadences,
            units,
            channels,
            tuple(sentinels),
            frozenset(Bend[bend] for bend in bends),
        )
        for mn, station, key, edition, offset, cadences, units, channels, sentinels, bends in rows
    }


def seen(
    conn: Connection, station: str, cadence: int, since: datetime, until: datetime
) -> tuple[datetime | None, list[datetime]]:
    """The first time of any figure of `station` at `cadence` [s], None where there is none; and the times in the span
    at which at least one is there."""
    rows: list[Any] = conn.execute(
        """
        SELECT l.series, l.first FROM latest l JOIN series s ON s.id = l.series JOIN station t ON t.id = s.station
        WHERE t.code = %s AND s.cadence = %s AND l.first IS NOT NULL
        """,
        [station, cadence],
    ).fetchall()
    if not rows:
        return None, []
    times = conn.execute(
        "SELECT DISTINCT time FROM observation WHERE series = ANY(%s) AND time >= %s AND time < %s ORDER BY time",
        [[series for series, _ in rows], since, until],
    ).fetchall()
    return min(first for _, first in rows), [row[0] for row in times]  # type: ignore[misc]  # as the select says
