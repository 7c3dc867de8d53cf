"""What the store knows before the stations begin to speak."""

from datetime import timedelta
from typing import Any

import polars as pl

from analytics import standards
from analytics.frames import TIME
from analytics.store import observations, register, registry, rejects
from analytics.store.connection import Connection
from analytics.store.observations import READINGS, Origin
from analytics.tables import records
from jobs import chain, console
from tests.outages.fates import Fate

HOUR = timedelta(hours=1)
#: Of every series. [s]
CADENCE = 5


def tables() -> dict[str, Any]:
    """The package tables, with the patience of a test: a live reading is of now for a minute."""
    content = standards.tables()
    alarms = {name: dict(row) for name, row in records(content["alarms"], "alarms").items()}
    for name in ("pm25_polluted", "pm25_heavy", "co_danger", "source_outage", "station_silent", "channel_silent"):
        alarms[name] |= {"at_least": 1}
    alarms["source_outage"] |= {"wait": 1}
    alarms["station_silent"] |= {"wait": 3}
    alarms["channel_silent"] |= {"wait": 3}
    alarms["co_danger"] |= {"clear": 3, "minutes": 1}
    return {**content, "alarms": alarms}


def seed(conn: Connection, fates: dict[str, Fate]) -> None:
    """Nothing; the stations are there, and the day before of those that have one: a backfill, its last hours live."""
    said = register.Registry(stations={code: {} for code in fates})
    for code, fate in fates.items():
        said.series[register.Series(code, fate.parameter, "", "", CADENCE)] = None
    register.learn(conn, said)
    number = registry.source(conn, "stations")
    pairs = pl.DataFrame([(code, fate.parameter) for code, fate in fates.items()], ["station", "channel"], orient="row")
    found = registry.resolve(conn, pairs, chain.load_rules(conn)[-1].parameters, None)
    now = console.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for kind, start, stop in (
        ("backfill", hour - 26 * HOUR, hour - 2 * HOUR),
        ("live", hour - 2 * HOUR, now - HOUR / 60),
    ):
        times = pl.datetime_range(start, stop, f"{CADENCE}s", closed="left", eager=True).cast(TIME)
        rows = [
            pl.DataFrame({"time": times}).with_columns(
                pl.lit(series, pl.Int32).alias("series"),
                (pl.lit(fates[code].before, pl.Float64) * (1 + pl.col("time").dt.second() % 11 / 100)).alias("value"),
            )
            for series, code in zip(found["series"], fates, strict=True)
            if fates[code].before is not None
        ]
        frame = pl.concat(rows).with_columns(
            pl.lit(None, pl.Int16).alias("mark"), pl.lit(0, pl.Int64).alias("revision")
        )
        nothing = pl.DataFrame(schema=dict(rejects.ROWS))
        observations.save(conn, frame.select(*READINGS), nothing, Origin(number, "test", kind=kind), now)
    chain.settle(conn, console.now)
