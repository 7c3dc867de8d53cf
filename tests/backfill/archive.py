"""Files of a made-up past, and what a store ends in that read them."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from analytics.store.connection import Connection
from jobs import chain
from jobs.intake import Intake, Order
from tests import world

ROOT = Path(__file__).parents[2]
START = datetime(2024, 1, 1, tzinfo=UTC)
PARAMETERS = ("pm25", "pm10", "o3", "no2")


def write(folder: Path, *, files: int = 6, hours: int = 48, stations: int = 3, seed: int = 1) -> list[Path]:
    """Wide files of two days each; each repeats the last hours of the one before it, some cells are no values."""
    folder.mkdir(exist_ok=True)
    dice = random.Random(seed)
    out = []
    said: dict[tuple[int, datetime], list[str]] = {}
    for number in range(files):
        lines = ["station,time," + ",".join(PARAMETERS)]
        first = START + number * timedelta(hours=hours - 6)
        for station in range(stations):
            for hour in range(hours):
                time = first + timedelta(hours=hour)
                values = [f"{dice.lognormvariate(3.9, 0.6):.1f}" for _ in PARAMETERS]
                if dice.random() < 0.02:
                    values[dice.randrange(len(values))] = dice.choice(["5000", "", "n/a", "0"])
                values = said.setdefault((station, time), values)
                lines.append(f"S{station},{time.isoformat()}," + ",".join(values))
        path = folder / f"{number:02}.csv"
        path.write_text("\n".join(lines) + "\n")
        out.append(path)
    return out


def greenwatch(*words: object, dsn: str) -> list[str]:
    """The command line of `greenwatch WORDS`."""
    return [sys.executable, "-W", "error", "-m", "jobs.cli", *map(str, words), "--dsn", dsn]


def call(*words: object, dsn: str, code: int = 0) -> tuple[Any, str]:
    """What `greenwatch WORDS --json` printed, and what it said to people; its exit code was `code`."""
    done = subprocess.run(
        greenwatch(*words, "--json", dsn=dsn), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None, done.stderr


@contextmanager
def working(dsn: str) -> Iterator["subprocess.Popen[str]"]:
    """A worker; where it still runs at the end it is told to end, and ends well."""
    process = subprocess.Popen(
        greenwatch("worker", "--pause", 0.2, dsn=dsn),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
        if process.poll() is None:
            process.terminate()
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said[-3000:]
            assert "Traceback" not in said
    finally:
        if process.poll() is None:
            process.kill()
        if process.stderr is not None and not process.stderr.closed:
            process.communicate()


def ingest(conn: Connection, files: list[Path]) -> None:
    """Nothing; the files are in by `greenwatch ingest --register`, and all is settled."""
    intake = Intake(conn, Order(register=True, source="archive"))
    for path in files:
        intake.file(path)
    settle(conn)


def settle(conn: Connection) -> None:
    """Nothing; all that is due now is done."""
    chain.settle(conn, lambda: datetime.now(UTC))


def picture(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    """`world.picture` with names for ids."""
    stations: dict[object, object] = {row[0]: row[1] for row in conn.execute("SELECT id, code FROM station")}
    series: dict[object, object] = {
        row[0]: row[1:]
        for row in conn.execute(
            "SELECT s.id, t.code, s.parameter, s.position, s.statistic, s.cadence"
            " FROM series s JOIN station t ON t.id = s.station"
        )
    }
    of_stations = ("assessment", "episode", "episode_evidence", "episode_share", "region", "region_member")
    named = {name: stations if name in of_stations else series for name in world.PICTURES}
    return {
        name: sorted(((named[name].get(row[0]), *row[1:]) for row in rows), key=repr)
        for name, rows in world.picture(conn).items()
    }
