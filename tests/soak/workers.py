"""The same readings settled by one worker, by two, and by two of which one is killed again and again.

Years of hours are there and due at the moment the workers are told, and readings of other stations come in meanwhile,
as live ones do. CPU is that of the workers and of the whole database server from that moment on.

A mark *waits* while no transaction that still runs has taken it; a worker is *free* while it has begun no transaction
that writes. What counts for a mark is the sum of all moments in which it waited and somebody was free: also those
between two takes of a busy worker, and those in which it had to wait for the stage before it or for its shard.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
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
from jobs.backfill.chunk import FRESH
from jobs.ingest import Intake, Order
from jobs.rules import load_rules
from tests import world
from tests.soak import rows, takeover
from tests.soak.figures import Outcome
from tests.soak.house import ROOT, House, pace
from tests.soak.live import _cpu, _postmaster, _tree

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
#: The session of a worker in which it settles.
SESSION = "greenwatch worker"
#: Between two looks [s].
PAUSE = 0.1
#: A worker is up, or all is settled and taken over, within so long [s].
START, PATIENCE = 60.0, 1800.0
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


@dataclass(slots=True)
class Kill:
    """A worker killed in a take, `age` [s] after that began; the seconds until its session was gone, and until what it
    had taken was in other hands; how many takes were undone."""

    age: float
    gone: float = 0.0
    over: float = 0.0
    undone: int = 0


@dataclass(slots=True)
class Run:
    """What a run showed. [s]"""

    seconds: float = 0.0
    #: CPU of a worker until it is ready; of all workers, of the database
    start: float = 0.0
    workers: float = 0.0
    database: float = 0.0
    #: a worker was free for so long, while a mark waited for so long; a live one whoever was free
    free: float = 0.0
    waited: float = 0.0
    live: float = 0.0
    #: the longest take
    take: float = 0.0
    takes: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    picture: dict[str, object] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)


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


@dataclass(slots=True)
class Member:
    """A worker: its process, the session in which it settles, and what those before it, killed, had spent [s]."""

    dsn: str
    log: Path
    process: "subprocess.Popen[bytes]"
    session: int = 0
    spent: float = 0.0

    def cpu(self) -> float:
        """CPU [s] of all its processes so far."""
        return self.spent + _cpu(self.process.pid)

    def kill(self) -> None:
        """Nothing; it is gone."""
        self.process.kill()
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)  # once it is waited for it has no figures
        self.spent = self.cpu()
        self.process.wait()

    def connected(self, conn: Connection, before: set[int]) -> None:
        """Nothing; it has its session, the one that was not there `before`."""
        give_up = time.monotonic() + START
        while not (fresh := sessions(conn) - before):
            assert self.process.poll() is None, "a worker ended by itself"
            assert time.monotonic() < give_up, "a worker does not come up"
            time.sleep(PAUSE)
        [self.session] = fresh


def begin(dsn: str, log: Path) -> "subprocess.Popen[bytes]":
    """A worker that tells a file of its own in the folder `log` of its takes."""
    log.mkdir(exist_ok=True)
    with (log / f"{len(list(log.iterdir()))}").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "jobs.cli", "worker", "--dsn", dsn],
            cwd=ROOT,
            env=os.environ | {"GREENWATCH_LOG": "DEBUG"},
            stdout=said,
            stderr=said,
        )


@contextmanager
def crew(conn: Connection, dsn: str, count: int, log: Path) -> Iterator[list[Member]]:
    """So many workers; told to end at the end."""
    members: list[Member] = []
    try:
        for _ in range(count):
            there = sessions(conn)
            members.append(Member(dsn, log, begin(dsn, log)))
            members[-1].connected(conn, there)
        yield members
    finally:
        for member in members:
            member.process.terminate()
        for member in members:
            try:
                member.process.wait(40)
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()


def sessions(conn: Connection) -> set[int]:
    """Those in which workers settle."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
    return {int(str(row[0])) for row in conn.execute(query, [SESSION]).fetchall()}


class Look:
    """Looks who works and which marks wait; `settled` once nothing is due."""

    def __init__(self, conn: Connection, found: Run, base: datetime) -> None:
        self.conn, self.found, self.fresh = conn, found, base - FRESH
        self.settled = False
        self._waited: dict[int, float] = {}
        self._last = time.monotonic()

    def __call__(self) -> None:
        """Nothing; what is seen now is in `found`."""
        row = self.conn.execute(
            f"{_HANDS} SELECT (SELECT count(*) FROM hands WHERE xid IS NULL), (SELECT max(age) FROM hands),"
            " (SELECT max(extract(epoch FROM clock_timestamp() - due))::float8 FROM stale s WHERE due <= now()"
            f" AND stop > %(fresh)s AND {_WAITS}), NOT EXISTS (SELECT FROM stale WHERE due <= now())",
            {"name": SESSION, "fresh": self.fresh},
        ).fetchone()
        assert row is not None
        free, age, live, self.settled = row  # type: ignore[assignment]  # as the select says
        now = time.monotonic()
        since, self._last = now - self._last, now
        self.found.take = max(self.found.take, float(str(age or 0)))
        self.found.live = max(self.found.live, float(str(live or 0)))
        if free:
            self.found.free += since
            ids = self.conn.execute(
                f"{_HANDS} SELECT id FROM stale s WHERE due <= now() AND {_WAITS}", {"name": SESSION}
            ).fetchall()
            self._waited = {int(str(mark)): self._waited.get(int(str(mark)), 0.0) + since for (mark,) in ids}
            self.found.waited = max([self.found.waited, *self._waited.values()])


#: The sessions that settle, the transaction each has begun to write in, and how long ago that began [s].
_HANDS = """
    WITH hands AS MATERIALIZED (
        SELECT pid, backend_xid::text AS xid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age
        FROM pg_stat_activity WHERE datname = current_database() AND application_name = %(name)s
    )
"""
#: A mark that somebody takes is deleted by a transaction that is not over.
_WAITS = "NOT EXISTS (SELECT FROM hands WHERE xid = s.xmax::text)"


def strike(conn: Connection, look: Look, victim: Member) -> Kill | None:
    """What came of killing `victim` in a take; None where it was in none, and lives."""
    row = conn.execute(
        f"{_HANDS} SELECT xid, age FROM hands WHERE pid = %(pid)s", _named(pid=victim.session)
    ).fetchone()
    if row is None or row[0] is None:
        return None
    taken = conn.execute("SELECT id FROM stale WHERE xmax::text = %s", [row[0]]).fetchall()
    if not taken:
        return None
    victim.kill()
    began, kill = time.monotonic(), Kill(float(str(row[1])))
    ids = [mark for (mark,) in taken]
    while not (kill.gone and kill.over):
        assert time.monotonic() - began < PATIENCE, "nobody takes what the dead worker had"
        look()
        there = victim.session in sessions(conn)
        if not there and not kill.gone:
            kill.gone = time.monotonic() - began
        left = conn.execute(
            f"{_HANDS} SELECT count(*) FROM stale s WHERE id = ANY(%(ids)s) AND {_WAITS}", _named(ids=ids)
        ).fetchone()
        if kill.gone and left == (0,):
            kill.over = time.monotonic() - began
        time.sleep(PAUSE / 4)
    [kill.undone] = conn.execute("SELECT (pg_xact_status(%s::xid8) = 'aborted')::int", [row[0]]).fetchone() or (0,)  # type: ignore[assignment]  # a number
    others = sessions(conn)
    victim.process = begin(victim.dsn, victim.log)
    victim.connected(conn, others)
    return kill


def _named(**given: object) -> dict[str, object]:
    return {"name": SESSION, **given}


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


def told(found: Run, log: Path) -> None:
    """Nothing; `found` has the takes that were committed and the rows they read, by stage, as the workers said."""
    for line in (line for path in sorted(log.iterdir()) for line in path.read_text().splitlines()):
        said = json.loads(line) if line.startswith("{") and line.endswith("}") else {}  # a killed one's may be cut
        if said.get("event") == "take":
            found.takes[said["stage"]] += 1
            found.read[said["stage"]] += said["read"]
        assert said.get("level") not in ("error", "critical"), line


def report(out: Outcome, one: Run, two: Run, killed: Run) -> None:
    """Nothing; the figures are in `out`, with the targets of the issue."""
    for name, found in (("one", one), ("two", two), ("killed", killed)):
        out.add(f"{name}: settled", found.seconds, "s")
        out.add(f"{name}: CPU of workers", found.workers, "s")
        out.add(f"{name}: CPU of the database", found.database, "s")
        out.add(f"{name}: CPU of the start of a worker, not counted above", found.start, "s")
        out.add(f"{name}: takes", found.takes.total(), "takes")
        out.add(f"{name}: rows read by them", found.read.total(), "rows")
        out.add(f"{name}: longest take", found.take, "s")
        out.add(f"{name}: a worker was free", found.free, "s")
        out.add(f"{name}: a mark waited while one was free, at most", found.waited, "s", most=30)
        out.add(f"{name}: a live mark waited, at most", found.live, "s")
    total = one.workers + one.database
    out.add("CPU of two, of one", (two.workers + two.database) / total, "", most=1.15)
    for name, found in (("two", two), ("killed", killed)):
        different = [table for table, content in one.picture.items() if content != found.picture[table]]
        out.add(f"{name}: tables that differ from one worker's", len(different), "", most=0)
        out.details[f"{name}: different"] = different
    kills = killed.kills
    out.add("killed in a take", len(kills), "times", least=1)
    out.add("takes undone by a kill, at most", max(kill.undone for kill in kills), "takes", most=1)
    out.add("work undone by a kill, at most", max(kill.age for kill in kills), "s")
    more = killed.workers + killed.database - two.workers - two.database
    out.add("CPU a kill, with the start of another worker", more / len(kills), "s")
    out.add("the killed's session was gone after, at most", max(kill.gone for kill in kills), "s", most=30)
    out.add("what it had taken was another's after, at most", max(kill.over for kill in kills), "s")
    rows_ = {table: content[0] for table, content in one.picture.items() if isinstance(content, tuple)}
    out.details |= {"rows": rows_, "kills": [asdict(kill) for kill in kills]}
    for name, found in (("one", one), ("two", two), ("killed", killed)):
        out.details[name] = {"takes": dict(found.takes), "read": dict(found.read)}
