"""The same readings settled by one worker, by two, and by two of which one is killed again and again.

Years of hours are there and due at the moment the workers are told, and readings of other stations come in meanwhile,
as live ones do. CPU is that of the workers and of the whole database server from that moment on.

A mark *waits* while no transaction that still runs has taken it; a worker is *free* while it has begun no transaction
that writes. What counts for a mark is the sum of all moments in which it waited and somebody was free: also those
between two takes of a busy worker, and those in which it had to wait for the stage before it or for its shard.
"""

import random
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import polars as pl

from analytics.frames import TIME
from analytics.store import connection, health, observations, registry
from analytics.store.connection import Connection
from analytics.store.health import Done
from analytics.store.observations import Origin
from jobs import migrate, relearn, worker
from jobs.intake import Intake, Order
from jobs.rules import load_rules
from tests import world
from tests.soak import rows
from tests.soak.figures import Outcome
from tests.soak.house import House, pace
from tests.soak.live import _cpu, _postmaster, _tree
from tests.soak.workers import takeover
from tests.soak.workers.crew import PAUSE, crew
from tests.soak.workers.found import Run, report, told
from tests.soak.workers.look import PATIENCE, Look, strike

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
#: The live readings are of hours that are over: what is made of them does not hang on the clock.
AGO = timedelta(hours=30)


@dataclass(frozen=True, slots=True)
class Size:
    """Series of hours and how many hours; series that send once a minute and for how long [s]; kills."""

    series: int = 192
    hours: int = 16_000
    live: int = 960
    seconds: int = 60
    kills: int = 6


def run(house: House, _: int) -> Outcome:
    """Figures of the three runs, and whether they end in the same tables."""
    return compare(house, Size())


def compare(house: House, size: Size) -> Outcome:
    """The same, of a `size`."""
    runs: dict[str, Run] = {}
    plans = {"one": (1, 0), "two": (2, 0), "killed": (2, size.kills)}
    with house.files() as folder, house.database() as origin, pace("workers", 2 + len(plans), "runs") as step:
        base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        prepare(origin, folder, size, base)
        step(1, "what is due")
        for name, (count, kills) in plans.items():
            with house.database(like=origin) as dsn:
                runs[name] = measure(dsn, size, base, count, kills, folder / name)
            step(1, name)
        out = Outcome()
        report(out, **runs)
        with house.database() as dsn:
            takeover.run(out, dsn, folder)
        step(1, "a chunk of a backfill")
    return out


def prepare(dsn: str, folder: Path, size: Size, base: datetime) -> None:
    """Nothing; the hours are there, with maps of neighbours, all of it due in a day."""
    with closing(connection.connect(dsn, application="soak")) as conn:
        list(migrate.migrate(conn))
        world.settle_world(conn, rows.names(size.series))
        world.settle_world(conn, senders(size), 60)
        conn.execute("UPDATE station SET latitude = 40 + id % 10 / 50.0, longitude = 116 + id / 10 / 50.0")
        since = (pl.col("time") - rows.START) * (HOUR // rows.CADENCE)
        first = base - timedelta(days=4) - size.hours * HOUR
        frame = rows.readings(size.series, 0, size.hours).with_columns((first + since).alias("time"))
        path = rows.write(folder / "hours.parquet", frame, size.series)
        Intake(conn, Order(format="long", source="soak")).file(path)
        relearn.run(conn, base)
        conn.execute("UPDATE stale SET due = due + interval '1 day'")
        # What the clock asks for was done: it would be work of one run and not of another.
        health.record(
            conn, {job.name: Done(runs=1, succeeded=datetime.now(UTC)) for job in worker.CLOCK + worker.NIGHT}
        )
        conn.execute("VACUUM ANALYZE")


def senders(size: Size) -> list[tuple[str, str]]:
    """Station and parameter of the series that send."""
    return [(f"L{station[1:]}", parameter) for station, parameter in rows.names(size.live)]


def measure(dsn: str, size: Size, base: datetime, count: int, kills: int, log: Path) -> Run:
    """What `count` workers did on a copy of what is prepared, while one of them is killed so often."""
    found, dice = Run(), random.Random(5)
    with (
        closing(connection.connect(dsn, application="soak")) as conn,
        closing(connection.connect(dsn, application="soak")) as other,
        crew(conn, dsn, count, log) as members,
    ):
        time.sleep(8)  # what starts, starts before it is measured
        found.start = sum(member.cpu() for member in members) / count
        ours = [one.info.backend_pid for one in (conn, other)]

        def spent() -> tuple[float, float]:
            return sum(member.cpu() for member in members), _tree(_postmaster(conn)) - sum(map(_cpu, ours))

        before, began, look = spent(), time.monotonic(), Look(conn, found, base)
        sender = Thread(target=send, args=[other, size, base], daemon=True)
        conn.execute("UPDATE stale SET due = now()")
        sender.start()
        while sender.is_alive() or not look.settled:
            time.sleep(PAUSE)
            look()
            if kills and time.monotonic() - began > 1:
                time.sleep(dice.uniform(0, 0.5))
                if kill := strike(conn, look, dice.choice(members)):
                    found.kills.append(kill)
                    kills -= 1
            assert time.monotonic() - began < PATIENCE, "it does not settle"
        found.seconds, after = time.monotonic() - began, spent()
        found.workers, found.database = (late - early for late, early in zip(after, before, strict=True))
        found.picture = digest(conn)
    told(found, log)
    return found


def send(conn: Connection, size: Size, base: datetime) -> None:
    """Nothing; each second the sixtieth part of the series that send had a reading, a minute after its last one."""
    names = pl.DataFrame(senders(size), schema=["station", "channel"], orient="row")
    series = registry.resolve(conn, names, load_rules(conn)[-1].parameters, None)["series"]
    readings = rows.readings(size.live, 0, 1 + size.seconds // 60)
    minutes = base - AGO + (pl.col("time") - rows.START) / (rows.CADENCE / MINUTE)
    ready = readings.with_columns(
        series.gather(readings["number"]).alias("series"),
        minutes.cast(TIME).alias("time"),
        second=pl.int_range(pl.len()) // size.live * 60 + pl.col("number") % 60,
        mark=pl.lit(None, pl.Int16),
        revision=pl.lit(0, pl.Int64),
    )
    origin, began = Origin(registry.source(conn, "soak"), "soak"), time.monotonic()
    for second in range(size.seconds):
        time.sleep(max(0.0, began + second - time.monotonic()))
        mine = ready.filter(second=second).select(*observations.READINGS)
        observations.save(conn, mine, world.NOTHING, origin, datetime.now(UTC))


def digest(conn: Connection) -> dict[str, object]:
    """Of each table of `world.PICTURES` the number of its rows and a sum of their hashes, each row whole."""
    return {
        name: conn.execute(
            f"SELECT count(*), sum(hashtextextended(t::text, 7)::numeric) FROM ({query}) AS t".encode()
        ).fetchone()
        for name, query in world.PICTURES.items()
    }
