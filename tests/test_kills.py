"""Law 7: killed at any point, nothing acknowledged is lost, nothing is counted twice. Real processes, real SIGKILL."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from analytics import standards
from analytics.store import connection, migrations
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from jobs import chain
from jobs.intake import Intake, Order
from tests import world
from tests.conftest import NOW, Make
from tests.servers import spare_server

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[1]
START = datetime(2024, 1, 1, tzinfo=UTC)
FILES, HOURS, STATIONS = 12, 48, 4
PARAMETERS = ("pm25", "pm10", "o3", "no2")
CELLS = FILES * HOURS * STATIONS * len(PARAMETERS)
#: The least row budget the command allows: as many takes as there can be.
BUDGET = "1000"
PATIENCE = 60


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Synthetic wide files of two days each; each repeats the last hours of the one before, and later files correct."""
    folder = tmp_path_factory.mktemp("kills")
    dice = random.Random(20260601)
    out = []
    for number in range(FILES):
        lines = ["station,time," + ",".join(PARAMETERS)]
        first = START + number * timedelta(hours=HOURS - 6)
        for station in range(STATIONS):
            for hour in range(HOURS):
                values = [f"{dice.lognormvariate(3.5, 0.6):.1f}" for _ in PARAMETERS]
                if dice.random() < 0.02:
                    values[dice.randrange(len(values))] = dice.choice(["5000", "", "n/a", "0"])
                stamp = (first + timedelta(hours=hour)).isoformat()
                lines.append(f"S{station},{stamp}," + ",".join(values))
        path = folder / f"{number:02}.csv"
        path.write_text("\n".join(lines) + "\n")
        out.append(path)
    return out


def greenwatch(*words: object) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "jobs.cli", *map(str, words)]


def ingest(dsn: str, files: list[Path]) -> list[str]:
    return greenwatch("ingest", "--register", "--json", "--source", "synthetic", *files, "--dsn", dsn)


def settle(dsn: str) -> list[str]:
    return greenwatch("settle", "--json", "--budget", BUDGET, "--dsn", dsn)


def ingest_here(conn: Connection, files: list[Path]) -> Counts:
    """The same in this process, to the end."""
    intake = Intake(conn, Order(register=True, source="synthetic"))
    return sum(map(intake.file, files), Counts())


def settle_here(conn: Connection) -> int:
    """The same in this process, to the end: the number of takes."""
    return sum(work.takes for work in chain.settle(conn, lambda: datetime.now(UTC), budget=int(BUDGET)))


@pytest.fixture(scope="module")
def undisturbed(make_database: Make, files: list[Path]) -> dict[str, list[tuple[object, ...]]]:
    """The tables of a run that nobody disturbed."""
    with closing(connection.connect(make_database("apache"))) as conn:
        ingest_here(conn, files)
        settle_here(conn)
        return picture(conn)


def picture(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    """`world.picture` with names for the ids, which a killed run uses up and never gives back."""
    stations: dict[object, object] = {row[0]: row[1] for row in conn.execute("SELECT id, code FROM station")}
    series: dict[object, object] = {row[0]: row[1:] for row in conn.execute(SERIES)}
    tables = world.picture(conn)
    named = {name: stations if name == "assessment" else series for name in tables}
    return {name: sorted(((named[name][row[0]], *row[1:]) for row in rows), key=repr) for name, rows in tables.items()}


SERIES = (
    "SELECT s.id, t.code, t.utc_offset, s.parameter, s.position, s.statistic, s.cadence"
    " FROM series s JOIN station t ON t.id = s.station"
)


def number(conn: Connection, query: str) -> int:
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(str(row[0]))


def batches(conn: Connection) -> int:
    return number(conn, "SELECT count(*) FROM batch")


def takes(conn: Connection) -> int:
    """Grows with every take that commits: marks are made and taken, and their numbers never come back."""
    return number(conn, "SELECT coalesce(max(id), 0) - count(*) FROM stale") + number(
        conn, "SELECT count(*) FROM average"
    )


def kill_inside(words: list[str], ahead: int, pause: float, progress: Callable[[], int]) -> bool:
    """Whether SIGKILL found the command at work, `pause` seconds after it had come `ahead` steps."""
    before = progress()
    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        give_up = time.monotonic() + PATIENCE
        while progress() - before < ahead and process.poll() is None and time.monotonic() < give_up:
            time.sleep(0.002)
        time.sleep(pause)
        process.kill()
        return process.wait() == -signal.SIGKILL


def quiet(conn: Connection) -> None:
    """Nothing; the sessions of the killed are gone, which the server notices a moment later."""
    give_up = time.monotonic() + PATIENCE
    others = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'greenwatch' AND pid <> pg_backend_pid()"
    while number(conn, f"{others} AND datname = current_database()"):
        assert time.monotonic() < give_up, "the session of a killed process does not end"
        time.sleep(0.01)


def adds_up(conn: Connection) -> None:
    """Law 1 over all batches, committed once or again: rows in the table are those that were new."""
    new, replaced = (number(conn, f"SELECT sum({name}) FROM batch") for name in ("new", "replaced"))
    assert number(conn, "SELECT count(*) FROM observation") == new
    assert number(conn, "SELECT count(*) FROM observation_history") >= replaced
    assert number(conn, "SELECT count(*) FROM batch WHERE read <> new + replaced + duplicates + missing + rejects") == 0
    assert number(conn, "SELECT max(ordinal) - count(*) FROM batch") == 0
    assert (
        number(conn, "SELECT count(*) FROM observation o WHERE NOT EXISTS (SELECT FROM batch WHERE id = o.batch)") == 0
    )


def test_ingest_killed_and_sent_again_ends_in_the_same_tables(
    conn: Connection, dsn: str, files: list[Path], undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    dice, inside = random.Random(7), 0
    for _ in range(4):
        inside += kill_inside(ingest(dsn, files), dice.randint(1, 5), dice.uniform(0, 0.04), lambda: batches(conn))
        quiet(conn)
        adds_up(conn)  # after every kill: what is there is whole
    assert inside == 4
    killed = batches(conn)
    assert killed >= 4
    again = ingest_here(conn, files)
    assert again.read == CELLS
    assert again.new < CELLS - again.missing - again.rejects  # some were there: acknowledged, not lost
    assert batches(conn) == killed + FILES
    adds_up(conn)
    settle_here(conn)
    assert picture(conn) == undisturbed


def test_settle_killed_and_run_again_ends_in_the_same_tables(
    conn: Connection, dsn: str, files: list[Path], undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    ingest_here(conn, files)
    dice, inside = random.Random(11), 0
    for _ in range(4):
        inside += kill_inside(settle(dsn), dice.randint(1, 300), dice.uniform(0, 0.05), lambda: takes(conn))
        quiet(conn)
    assert inside == 4
    assert number(conn, "SELECT count(*) FROM stale") > 0  # there was work left
    settle_here(conn)
    assert number(conn, "SELECT count(*) FROM stale") == 0
    assert picture(conn) == undisturbed
    assert settle_here(conn) == 0


def test_a_killed_backend_takes_the_server_down_and_nothing_with_it(
    files: list[Path], undisturbed: dict[str, list[tuple[object, ...]]]
) -> None:
    """SIGKILL of the settler's own PostgreSQL backend: the server ends every session and recovers."""
    with spare_server() as (_, dsn):
        with closing(connection.connect(dsn)) as conn:
            list(migrations.migrate(conn, standards.tables(), NOW))
            ingest_here(conn, files)
            with subprocess.Popen(
                settle(dsn), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            ) as process:
                give_up = time.monotonic() + PATIENCE
                while not number(conn, "SELECT count(*) FROM average") and time.monotonic() < give_up:
                    time.sleep(0.002)
                backend = number(
                    conn,
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'greenwatch' AND pid <> pg_backend_pid()"
                    " AND datname = current_database()",
                )
                os.kill(backend, signal.SIGKILL)
                _, said = process.communicate(timeout=PATIENCE)
                code = process.returncode
        assert code == 1
        assert "Traceback" not in said
        assert said.strip().splitlines()[-1].startswith("greenwatch: the database cannot be used")
        with closing(recovered(dsn)) as conn:
            adds_up(conn)
            assert number(conn, "SELECT count(*) FROM stale") > 0
            settle_here(conn)
            assert number(conn, "SELECT count(*) FROM stale") == 0
            assert picture(conn) == undisturbed


def recovered(dsn: str) -> Connection:
    """A connection, as soon as the server lets anyone in again."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return connection.connect(dsn)
        except psycopg.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)
