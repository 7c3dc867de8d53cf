"""Forty days of three series, some readings bad or replaced, settled: old enough that most of it may be archived."""

import json
import random
from collections.abc import Sequence
from datetime import datetime

import polars as pl

from analytics.frames import TIME
from analytics.store import fits, horizon, ledger
from analytics.store.connection import Connection
from analytics.store.ledger import WINDOWS
from jobs import chain
from tests import world
from tests.conftest import NOW
from tests.world import Reading

CHANNELS = [("A", "o3"), ("A", "pm25"), ("B", "pm25")]
DAYS = 40
#: Hours of the last days in which the second series is far above what is usual.
HAZE = range(920, 932)
#: Readings before it are archived: four weeks of them, whole weeks of 1970's Thursdays.
LINE = datetime.fromisoformat("2026-03-29T00:00:00+00:00")
FIRST, LAST = (datetime.fromisoformat(f"2026-{day}T00:00:00+00:00") for day in ("02-26", "03-26"))


def readings(series: Sequence[int], seed: int = 1) -> list[Reading]:
    """Hourly values that wander; now and then a spike, a value beyond all limits, a mark, a gap; a haze."""
    dice = random.Random(seed)
    out: list[Reading] = []
    for number in series:
        level = 60.0
        for hour in range(DAYS * 24):
            level = max(1.0, level + dice.gauss(0, 6))
            if dice.random() < 0.03:
                continue
            value = level * dice.choice([1] * 40 + [9]) if dice.random() > 0.01 else 5000.0
            value += 300 * (number == series[1] and hour in HAZE)
            out.append((number, float(hour), round(value, 1), 0, dice.choice([None] * 20 + [ord("D")])))
    return out


def tell(conn: Connection) -> list[int]:
    """Ids of the series; the readings are in, some of them replaced, and settled. Told once, it is not told again."""
    if number(conn, "SELECT count(*) FROM batch"):
        return [int(str(row[0])) for row in conn.execute("SELECT id FROM series ORDER BY id")]
    series = world.settle_world(conn, CHANNELS)
    assert series == sorted(series)
    first = readings(series)
    world.send(conn, first)
    world.send(conn, [(s, h, v + 1, 1, m) for s, h, v, _, m in first[::50]])
    world.settle(conn)
    return series


def everything(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    """`world.picture`, and what was replaced."""
    history = "SELECT series, time, value, mark, revision, batch FROM observation_history ORDER BY 1, 2, 3, 5, 6"
    return {**world.picture(conn), "history": conn.execute(history).fetchall()}


def made(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    """What is made of readings."""
    return {name: rows for name, rows in world.picture(conn).items() if name not in ("observation", "latest")}


def number(conn: Connection, query: str) -> int:
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(str(row[0]))


def line(conn: Connection) -> datetime | None:
    return horizon.load(conn).time


def windows(series: Sequence[int], start: datetime, stop: datetime) -> pl.DataFrame:
    """WINDOWS of `series`."""
    return pl.DataFrame([(one, start, stop) for one in series], schema=dict(WINDOWS), orient="row")


def learn(conn: Connection, series: Sequence[int]) -> None:
    """Nothing; the second series has a fit from its last ten days on, by which the haze scores; settled."""
    blob = json.dumps({"profile": [60.0] * 48, "line": 100.0, "count": 600}).encode()
    start = world.T0 + 700 * world.HOUR
    learned = pl.DataFrame({"subject": series[1:2], "blob": [blob]}).with_columns(
        pl.col("subject").cast(pl.Int32), since=pl.lit(world.T0, TIME), valid_from=pl.lit(start, TIME)
    )
    fits.save(conn, "robust-seasonal", learned, NOW, {})
    station = number(conn, f"SELECT station FROM series WHERE id = {series[1]}")
    ledger.mark(conn, chain.STAGES["detect"][0], windows([station], world.T0, start + 300 * world.HOUR), NOW)
    world.settle(conn)
