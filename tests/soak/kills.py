"""`ingest` and `settle` killed at random moments, over and over; the tables must end as if nothing had happened."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl

from analytics.store import connection
from analytics.store.connection import Connection
from tests import world
from tests.soak import rows
from tests.soak.figures import Outcome
from tests.soak.house import ROOT, House, pace

KILLS = 30
SERIES, STEPS, FILES = 96, 120 * 24, 24
#: Files of one `ingest` that is to be killed.
SOME = 4
PATIENCE = 60


def run(house: House, _: int) -> Outcome:
    """Figures of thirty kills, and whether the tables equal those of an undisturbed run."""
    rng = random.Random(7)
    with house.files() as folder, house.database() as calm, house.database() as rough:
        files = _files(folder)
        for dsn in (calm, rough):
            with closing(connection.connect(dsn)) as conn:
                world.settle_world(conn, rows.names(SERIES))
        with pace("kills", KILLS + 2, "kills") as step:
            work = {name: _whole(name, files, calm) for name in ("ingest", "settle")}
            step(1, "the undisturbed run")
            killed, finished, checks = _kill(rng, files, rough, work, step)
            for name in work:
                _whole(name, files, rough)
            step(1, "the last run to its end")
        with closing(connection.connect(calm)) as one, closing(connection.connect(rough)) as other:
            return _outcome(one, other, killed, finished, checks)


def _files(folder: Path) -> list[Path]:
    """Files of five days of hours, each a day later than the one before it, that disagree and revise one another."""
    out, size = [], STEPS // FILES
    rng = np.random.Generator(np.random.PCG64(3))
    for number in range(FILES):
        frame = rows.readings(SERIES, max(0, number * size - size // 4), size)
        first = pl.col("time").min()
        hourly = frame.with_columns(first + (pl.col("time") - first) * 6)
        other = pl.Series(rng.random(hourly.height) < 0.05)
        revised = hourly.with_columns(
            value=pl.when(other).then(pl.col("value") + 400.0).otherwise("value"),
            revision=pl.when(other).then(pl.lit(number, pl.Int64)),
        )
        out.append(rows.write(folder / f"{number}.parquet", revised, SERIES))
    return out


def _start(name: str, files: list[Path], dsn: str) -> "subprocess.Popen[bytes]":
    words = [name, "--json", "--dsn", dsn, *(map(str, files) if name == "ingest" else [])]
    return subprocess.Popen([sys.executable, "-m", "jobs.cli", *words], cwd=ROOT, stdout=subprocess.DEVNULL)


def _whole(name: str, files: list[Path], dsn: str) -> float:
    """Seconds from the connection of an undisturbed process to its end."""
    with closing(connection.connect(dsn, application="soak")) as conn:
        process = _start(name, files, dsn)
        _await_connected(conn, process)
        began = time.perf_counter()
        if process.wait():
            raise RuntimeError(f"{name} failed; its words are above")
        return time.perf_counter() - began


def _kill(
    rng: random.Random, files: list[Path], dsn: str, work: dict[str, float], step: Callable[..., None]
) -> tuple[dict[str, int], int, list[str]]:
    """Kills by command, processes that ended before their moment, and what was found wrong after a kill.

    A process that is not yet connected does nothing that could be lost: the moment is drawn from what follows.
    """
    killed, finished, wrong = dict.fromkeys(work, 0), 0, []
    longest = {"ingest": work["ingest"] * SOME / len(files), "settle": work["settle"] / 2}
    with closing(connection.connect(dsn, application="soak")) as conn:
        known: set[tuple[object, ...]] = set()
        while sum(killed.values()) < KILLS:
            due = conn.execute("SELECT 1 FROM stale WHERE due <= now() LIMIT 1").fetchone()
            name = rng.choice(["ingest", "settle"]) if due else "ingest"
            process = _start(name, rng.sample(files, SOME), dsn)
            _await_connected(conn, process)
            time.sleep(rng.uniform(0, longest[name]))
            if process.poll() is None:
                process.kill()
                killed[name] += 1
                step(1, name)
            else:
                finished += 1
            process.wait()
            wrong += _check(conn, known)
    return killed, finished, wrong


def _await_connected(conn: Connection, process: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + PATIENCE
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'greenwatch'"
    while process.poll() is None and time.monotonic() < give_up:
        if conn.execute(query).fetchone():
            return
        time.sleep(0.02)


def _check(conn: Connection, known: set[tuple[object, ...]]) -> list[str]:
    """What is wrong with the batches: one that was there is gone, a hole, a row counted twice or not at all."""
    batches = set(conn.execute("SELECT id, ordinal, read, new, replaced FROM batch").fetchall())
    wrong = [f"batch {batch} is gone" for batch in known - batches]
    known |= batches
    ordinals = sorted(int(str(batch[1])) for batch in batches)
    if ordinals != list(range(1, len(ordinals) + 1)):
        wrong.append("the ordinals have a hole")
    counted = sum(int(str(batch[3])) for batch in batches)
    row = conn.execute("SELECT count(*) FROM observation").fetchone()
    if row != (counted,):
        wrong.append(f"{row} readings, {counted} counted as new")
    return wrong


def _outcome(calm: Connection, rough: Connection, killed: dict[str, int], finished: int, wrong: list[str]) -> Outcome:
    out = Outcome()
    expected, found = world.picture(calm), world.picture(rough)
    for name, count in killed.items():
        out.add(f"`{name}` killed", count, "times")
    out.add("processes that were done before their moment", finished, "times")
    out.add("batches lost, holes, rows counted twice", len(wrong), "", most=0)
    for name, content in expected.items():
        out.add(f"rows of {name}", len(content), "rows")
    different = [name for name in expected if expected[name] != found[name]]
    out.add("tables that differ from an undisturbed run", len(different), "", most=0)
    stale = rough.execute("SELECT count(*) FROM stale").fetchone()
    out.add("windows still stale", int(str(stale[0])) if stale else 0, "", most=0)
    out.details = {"wrong": wrong, "different": different, "killed": killed}
    return out
