"""What a command cannot do is said in one line without a traceback, and the rest is done."""

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from analytics import standards
from analytics.store import connection, migrations
from analytics.store.connection import Connection
from jobs.database import dsn as which
from tests.commands.terminal import (
    DONE,
    FORMATS,
    NOT_AS_ASKED,
    REPOSITORY,
    WRONG_USAGE,
    Done,
    count,
    fails,
    greenwatch,
    long,
    values,
)
from tests.conftest import NOW
from tests.servers import spare_server


@pytest.mark.parametrize(
    "words", [["export", "observations"], ["ingest", "FILE"], ["settle"], ["register", "FILE"], ["migrate"]]
)
def test_no_database(words: list[str], day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in which.SPEAKING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GREENWATCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(which, "SOCKETS", tmp_path)
    said = fails(*[str(day) if word == "FILE" else word for word in words])
    assert "No database was found" in said
    assert "greenwatch database start" in said


def test_a_wrong_password(guarded_dsn: str) -> None:
    dsn = conninfo.make_conninfo(guarded_dsn, password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(dsn)
    said = fails("export", "observations", "--dsn", dsn)
    assert "password authentication failed" in said


@pytest.mark.parametrize(
    "dsn",
    ["host=127.0.0.1 port=1 dbname=x connect_timeout=2", "host=/nowhere dbname=x", "postgresql://[bad", "nonsense"],
)
def test_a_database_that_cannot_be_reached(dsn: str) -> None:
    done = greenwatch("settle", "--dsn", dsn)
    assert "Traceback" not in done.err, done.err
    assert done.code in ((NOT_AS_ASKED,) if "=" in dsn else (NOT_AS_ASKED, WRONG_USAGE))


@pytest.mark.parametrize(
    "words",
    [["export", "verdicts"], ["ingest", "FILE"], ["ingest", "--register", "FILE"], ["settle"], ["register", "FILE"]],
)
def test_not_migrated(words: list[str], blank: str, day: Path) -> None:
    said = fails(*[str(day) if word == "FILE" else word for word in words], "--dsn", blank)
    assert "run `greenwatch migrate`" in said


def test_what_cannot_be_read_is_named_and_the_rest_is_in(conn: Connection, dsn: str, day: Path, tmp_path: Path) -> None:
    (tmp_path / "strange.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "noise.csv.gz").write_bytes(b"\x1f\x8b" + bytes(range(200)))
    (tmp_path / "folder").mkdir()
    bad = [tmp_path / name for name in ("strange.csv", "empty.csv", "noise.csv.gz", "folder", "absent.csv")]
    done = greenwatch("ingest", "--register", "--json", *bad, day, "--dsn", dsn)
    assert done.code == NOT_AS_ASKED
    assert "Traceback" not in done.err
    assert "5 of 6 files could not be read" in done.said[-1]
    text = " ".join(done.said)
    assert all(path.name in text for path in bad), text
    assert done.json["new"] == 5
    assert len(values(conn)) == 5


@pytest.mark.parametrize("path", ["absent.csv", "folder"])
def test_a_file_to_register_that_is_none(dsn: str, tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    assert path in fails("register", tmp_path / path, "--dsn", dsn)


@pytest.mark.parametrize("output", ["/proc/none.csv", "absent/out.csv", "folder", "file.csv/out.csv"])
@pytest.mark.parametrize("format", FORMATS)
def test_an_output_that_cannot_be_written(stored: str, tmp_path: Path, output: str, format: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.csv").write_text("mine")
    fails("export", "observations", "--format", format, "-o", tmp_path / output, "--dsn", stored)
    assert (tmp_path / "file.csv").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.csv", "folder"]


def test_a_station_that_is_not_there(stored: str) -> None:
    assert "no station 'S9'" in fails("export", "averages", "--station", "S9", "--dsn", stored)


def test_a_database_that_stops_in_mid_ingest(tmp_path: Path) -> None:
    """The real end of a real server: what was committed stays, and the same command goes on from there."""
    for number in range(60):
        rows = [f"S{number},pm25,2026-01-{d:02}T{h:02}:00Z,{20 + h},," for d in range(1, 8) for h in range(24)]
        long(tmp_path / f"{number:02}.csv", *rows)
    files = sorted(tmp_path.glob("*.csv"))
    words = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "jobs.cli",
        "ingest",
        "--register",
        "--json",
        *map(str, files),
        "--dsn",
    ]
    with spare_server() as (server, dsn):
        with closing(connection.connect(dsn)) as conn:
            list(migrations.migrate(conn, standards.tables(), NOW))
            with subprocess.Popen(
                [*words, dsn], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process:
                give_up = time.monotonic() + 60
                while count(conn, "batch") < 5 and time.monotonic() < give_up:
                    time.sleep(0.01)
                server.stop()
                _, err = process.communicate(timeout=60)
        done = Done(process.returncode, "", err)
        assert done.code == NOT_AS_ASKED, err
        assert "Traceback" not in err
        assert done.said[-1].startswith("greenwatch: the database cannot be used: ")
        dsn = server.start()
        with closing(connection.connect(dsn)) as conn:
            before = count(conn, "batch")
            assert 5 <= before < 60
            again = greenwatch("ingest", "--register", "--json", *files, "--dsn", dsn)
            assert again.code == DONE
            assert again.json["duplicates"] == before * 7 * 24
            assert count(conn, "observation") == again.json["read"] == 60 * 7 * 24
