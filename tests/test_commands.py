"""The commands as a user meets them: exit codes, one clear line, counts that add up, files that say the same."""

import io
import json
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
import structlog
import typer
from psycopg import conninfo, sql

from analytics import standards
from analytics.store import connection, migrations
from analytics.store.connection import Connection
from jobs import cli, export
from jobs.database import dsn as which
from tests.conftest import NOW, Make
from tests.test_kills import spare_server

REPOSITORY = Path(__file__).parents[1]
DONE, NOT_AS_ASKED, WRONG_USAGE = 0, 1, 2
KEYS = ["read", "new", "replaced", "duplicates", "missing", "rejects"]
KINDS = ("observations", "verdicts", "averages", "assessments")
FORMATS = ("csv", "parquet", "json")


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> list[str]:
        """The lines on stderr that are for people: what is logged is JSON."""
        return [line for line in self.err.splitlines() if line.strip() and not line.startswith("{")]

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def greenwatch(*words: object) -> Done:
    """The command, in this process: `main`, as the installed script calls it."""
    raw, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(raw, encoding="utf-8")
    before, code = sys.argv, DONE
    sys.argv = ["greenwatch", *map(str, words)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as left:
                code = left.code if isinstance(left.code, int) else int(left.code is not None)
            except Exception:  # as the interpreter would end: shown whole, and every test refuses a traceback
                traceback.print_exc()
                code = NOT_AS_ASKED
    finally:
        sys.argv = before
        structlog.reset_defaults()
    out.flush()
    return Done(code, raw.getvalue().decode(), err.getvalue())


def fails(*words: object) -> str:
    """The one line with which the command refuses, exit code 1."""
    done = greenwatch(*words)
    assert "Traceback" not in done.err, done.err
    assert done.code == NOT_AS_ASKED, done
    assert done.said[-1].startswith("greenwatch: ")
    return done.said[-1]


def wrong(*words: object) -> str:
    """What is said of a wrong use, exit code 2, on one line."""
    done = greenwatch(*words)
    assert "Traceback" not in done.err, done.err
    assert done.code == WRONG_USAGE, done
    return re.sub(r"[\s│╭╮╰╯─]+", " ", done.err)


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """A small wide file: 5 rows of 2 cells, one empty, one NA, one no number, one row without an offset."""
    path = tmp_path / "day.csv"
    path.write_text(
        "station,time,pm25,o3\n"
        "S1,2026-02-10T00:00:00+08:00,35,0\n"
        "S1,2026-02-10T01:00:00+08:00,36,\n"
        "S1,2026-02-10T02:00:00+08:00,NA,60\n"
        "S2,2026-02-10T00:00:00+08:00,40,broken\n"
        "S2,2026-02-10 01:00:00,41,61\n"
    )
    return path


def long(path: Path, *rows: str) -> Path:
    """A file of the long form: `station,parameter,time,value,mark,revision`."""
    path.write_text("\n".join(["station,parameter,time,value,mark,revision", *rows, ""]))
    return path


def everything(conn: Connection) -> dict[str, list[str]]:
    """Every row of every table of ours, as text."""
    names = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
    return {
        str(name): sorted(
            str(row[0]) for row in conn.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name)))
        )
        for (name,) in ((str(row[0]),) for row in names)
    }


def values(conn: Connection) -> list[tuple[object, ...]]:
    return conn.execute(
        "SELECT t.code, s.parameter, o.time, o.value FROM observation o JOIN series s ON s.id = o.series"
        " JOIN station t ON t.id = s.station ORDER BY 1, 2, 3"
    ).fetchall()


def count(conn: Connection, table: str) -> int:
    row = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(str(row[0]))


# Help, and what is wrong


def commands() -> list[list[str]]:
    """The words of every command, `database start` and its like among them."""

    def walk(command: Any, words: list[str]) -> Iterator[list[str]]:
        if not hasattr(command, "commands"):
            yield words
            return
        for name, inner in command.commands.items():
            yield from walk(inner, [*words, name])

    return list(walk(typer.main.get_command(cli.app), []))


def test_the_surface_that_stays() -> None:
    known = {
        "migrate",
        "register",
        "ingest",
        "settle",
        "relearn",
        "watch",
        "forecast",
        "irrigate",
        "export",
        "simulate",
    }
    assert known | {"serve", "worker", "up", "demo", "database"} <= {words[0] for words in commands()}


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_help_has_an_example(words: list[str]) -> None:
    done = greenwatch(*words, "--help")
    assert done.code == DONE
    assert "Example" in done.out
    assert f"greenwatch {words[0]}" in done.out.split("Example", 1)[1]


def test_options_that_scripts_rely_on() -> None:
    text = greenwatch("ingest", "--help").out
    for option in ("--format", "--register", "--source", "--revision", "--dry-run", "--json"):
        assert option in text
    text = greenwatch("export", "--help").out
    for option in (
        "--station",
        "--parameter",
        "--standard",
        "--averaging",
        "--from",
        "--to",
        "--as-of",
        "--format",
        "-o",
    ):
        assert option in text


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ingest", "FILE", "--format", "xml"], "no format 'xml'"),
        (["ingest"], "Missing argument"),
        (["ingest", "FILE", "--cadence", "often"], "'often' is no step"),
        (["ingest", "FILE", "--cadence", "0m"], "is no step"),
        (["ingest", "FILE", "--cadence", "-5m"], "is no step"),
        (["ingest", "FILE", "--cadence", ""], "is no step"),
        (["ingest", "FILE", "--cadence", "²m"], "is no step"),
        (["ingest", "FILE", "--revision", "yesterday"], "--revision"),
        (["ingest", "FILE", "--revision", "2026-01-01T00:00:00"], "--revision"),
        (["export", "everything"], "everything"),
        (["export"], "Missing argument"),
        (["export", "observations", "--from", "2026-01-01T00:00"], "has no offset"),
        (["export", "observations", "--to", "2026-01-01T00:00:00"], "has no offset"),
        (["export", "observations", "--from", "soon"], "is no time"),
        (["export", "observations", "--as-of", "2026-01-01"], "has no offset"),
        (["export", "observations", "--format", "xls"], "xls"),
        (["settle", "--budget", "1"], "--budget"),
        (["settle", "--no-such-option"], "No such option"),
        (["no-such-command"], "No such command"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_usage(words: list[str], said: str, stored: str, day: Path) -> None:
    given = [str(day) if word == "FILE" else word for word in words]
    assert said in wrong(*given, *(["--dsn", stored] if words != ["no-such-command"] else []))


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


# Ingest


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_the_counts_of_an_ingest_add_up_and_a_second_one_only_finds_duplicates(
    conn: Connection, dsn: str, day: Path
) -> None:
    first = greenwatch("ingest", "--register", "--json", day, "--dsn", dsn)
    assert first.code == DONE
    assert list(first.json)[: len(KEYS)] == KEYS
    assert {key: first.json[key] for key in KEYS} == dict(zip(KEYS, (10, 5, 0, 0, 2, 3), strict=True))
    start = datetime(2026, 2, 9, 16, tzinfo=UTC)
    assert values(conn) == [
        ("S1", "o3", start, 0.0),  # zero is a value
        ("S1", "o3", start.replace(hour=18), 60.0),
        ("S1", "pm25", start, 35.0),
        ("S1", "pm25", start.replace(hour=17), 36.0),
        ("S2", "pm25", start, 40.0),
    ]
    before = everything(conn)
    second = greenwatch("ingest", "--register", "--json", day, "--dsn", dsn)
    assert {key: second.json[key] for key in KEYS} == dict(zip(KEYS, (10, 0, 0, 5, 2, 3), strict=True))
    after = everything(conn)
    assert len(after.pop("batch")) == len(before.pop("batch")) + 1
    assert after == before


def test_a_table_for_people_says_the_same(dsn: str, day: Path) -> None:
    done = greenwatch("ingest", "--register", day, "--dsn", dsn)
    assert done.code == DONE
    assert re.search(r"\b10\s+5\s+0\s+0\s+2\s+3\b", done.out), done.out


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
@pytest.mark.parametrize("register", [[], ["--register"]], ids=["", "register"])
def test_a_dry_run_counts_right_and_changes_nothing(
    conn: Connection, dsn: str, day: Path, register: list[str], tmp_path: Path
) -> None:
    words = ["ingest", *register, "--json", "--source", "somebody"]
    for path in (
        day,
        long(tmp_path / "more.csv", "S1,pm25,2026-02-10T00:00+08:00,99,,5", "S3,so2,2026-02-10T00:00Z,5,D,"),
    ):
        before = everything(conn)
        tried = greenwatch(*words, "--dry-run", path, "--dsn", dsn)
        assert everything(conn) == before
        kept = greenwatch(*words, path, "--dsn", dsn)
        assert tried.code == kept.code == DONE
        assert tried.json == kept.json
    assert everything(conn) != before


def test_a_dry_run_of_several_files_counts_as_if_they_came_one_after_the_other(
    conn: Connection, dsn: str, tmp_path: Path
) -> None:
    """The second file repeats the first: what would become of its cells is to be a duplicate."""
    one = long(tmp_path / "one.csv", "S1,pm25,2026-02-10T00:00Z,5,,")
    two = long(tmp_path / "two.csv", "S1,pm25,2026-02-10T00:00Z,5,,")
    words = ["ingest", "--register", "--json", one, two, "--dsn", dsn]
    tried, kept = greenwatch(*words, "--dry-run"), greenwatch(*words)
    assert kept.json["duplicates"] == 1
    assert tried.json == kept.json


def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(
        "".join(
            f'[[station]]\ncode = "{code}"\n'
            + "".join(f'[[station.series]]\nparameter = "{p}"\n' for p in ("pm25", "o3"))
            for code in ("S1", "S2")
        )
    )
    return path


@pytest.mark.parametrize("way", ["register", "ingest --register"])
def test_rows_of_unknown_series_wait_and_come_in(
    conn: Connection, dsn: str, day: Path, way: str, tmp_path: Path
) -> None:
    more = long(tmp_path / "more.csv", "S1,PM2.5,2026-02-10T05:00+08:00,50,D,7", "S1,unheard_of,2026-02-10T05:00Z,1,,")
    waits = greenwatch("ingest", "--json", day, more, "--dsn", dsn)
    assert waits.code == DONE
    assert {key: waits.json[key] for key in KEYS} == dict(zip(KEYS, (12, 0, 0, 0, 2, 10), strict=True))
    assert "6 cells wait as rejects" in " ".join(waits.said)
    assert count(conn, "station") == count(conn, "observation") == 0
    assert count(conn, "reject") == 10
    if way == "register":
        done = greenwatch("register", site(tmp_path), "--dsn", dsn)
        assert "6 readings that waited for their series are in" in " ".join(done.said)
    else:
        done = greenwatch("ingest", "--register", "--json", day, more, "--dsn", dsn)
        # All that waits came in before what the files say again.
        assert done.json["new"] + done.json["duplicates"] == 6
    assert done.code == DONE
    assert len(values(conn)) == 6
    assert conn.execute("SELECT reason, count(*) FROM reject GROUP BY 1 ORDER BY 1").fetchall() == [
        ("not a number", 1),
        ("time without offset", 2),
        ("unknown parameter", 1),
    ]
    kept = conn.execute("SELECT mark, revision FROM observation WHERE mark IS NOT NULL").fetchall()
    assert kept == [(ord("D"), 7)]
    before = everything(conn)
    again = greenwatch("ingest", "--json", day, more, "--dsn", dsn)
    assert {key: again.json[key] for key in KEYS} == dict(zip(KEYS, (12, 0, 0, 6, 2, 4), strict=True))
    after = everything(conn)
    assert len(after.pop("batch")) == len(before.pop("batch")) + 2
    assert after == before


@pytest.mark.parametrize("first", ["unregistered", "registered"])
def test_the_revision_of_an_ingest_decides(conn: Connection, dsn: str, tmp_path: Path, first: str) -> None:
    """The later revision wins whatever came first, also where the older one had to wait for its series."""
    register = ["--register"] if first == "registered" else []
    for value, revision, words in (
        (10, "2026-02-01T00:00:00+08:00", register),
        (11, "2026-02-03T00:00+08:00", ["--register"]),
        (12, "2026-02-02T00:00:00+08:00", ["--register"]),
        (13, None, ["--register"]),
    ):
        path = long(tmp_path / f"{value}.csv", f"S1,pm25,2026-01-10T00:00Z,{value},,")
        done = greenwatch(
            "ingest", "--json", *words, path, *([] if revision is None else ["--revision", revision]), "--dsn", dsn
        )
        assert done.code == DONE
    assert [row[3] for row in values(conn)] == [11.0]
    history = conn.execute("SELECT value FROM observation_history ORDER BY 1").fetchall()
    assert history == [(10.0,), (12.0,), (13.0,)]


@pytest.mark.parametrize("order", [("laboratory", "field"), ("field", "laboratory")])
def test_the_source_of_greater_priority_wins_whatever_came_first(
    conn: Connection, dsn: str, tmp_path: Path, order: tuple[str, str]
) -> None:
    toml = tmp_path / "sources.toml"
    toml.write_text('[[source]]\nname = "laboratory"\npriority = 9\n[[source]]\nname = "field"\npriority = 1\n')
    assert greenwatch("register", toml, "--dsn", dsn).code == DONE
    said = {"laboratory": 5, "field": 500}
    counted = []
    for source in order:
        path = long(tmp_path / f"{source}.csv", f"S1,pm25,2026-01-10T00:00Z,{said[source]},,")
        done = greenwatch("ingest", "--register", "--json", "--source", source, path, "--dsn", dsn)
        counted.append([done.json[key] for key in ("new", "replaced", "duplicates")])
    assert [row[3] for row in values(conn)] == [5.0]
    assert counted == [[1, 0, 0], [0, 0, 1] if order[0] == "laboratory" else [0, 1, 0]]


def test_the_offset_of_a_file_becomes_that_of_its_stations(conn: Connection, dsn: str, tmp_path: Path) -> None:
    rows = [
        "S1,pm25,2026-01-10T00:00+08:00,5,,",
        "S2,pm25,2026-01-10T00:00+09:00,5,,",
        "S3,pm25,2026-01-10T00:00-03:30,5,,",
    ]
    assert greenwatch("ingest", "--register", long(tmp_path / "a.csv", *rows), "--dsn", dsn).code == DONE
    assert conn.execute("SELECT code, utc_offset FROM station ORDER BY 1").fetchall() == [
        ("S1", 480),
        ("S2", 540),
        ("S3", -210),
    ]


def test_the_cadence_of_new_series(conn: Connection, dsn: str, tmp_path: Path) -> None:
    for text, minute in (("1m", 0), ("10m", 1), ("1d", 2)):
        path = long(tmp_path / f"{text}.csv", f"S{minute},pm25,2026-01-10T00:00+08:00,5,,")
        assert greenwatch("ingest", "--register", "--cadence", text, path, "--dsn", dsn).code == DONE
    assert [row[0] for row in conn.execute("SELECT cadence FROM series ORDER BY id")] == [60, 600, 86400]


# Settle


def test_settle_says_what_it_did(dsn: str, day: Path) -> None:
    greenwatch("ingest", "--register", day, "--dsn", dsn)
    first = greenwatch("settle", "--json", "--dsn", dsn)
    assert first.code == DONE
    stages = {stage["stage"]: stage for stage in first.json["stages"]}
    assert list(stages) == ["flag", "hour", "average", "assess", "detect"]
    assert first.json["later"] == 0
    assert all(stage["takes"] > 0 for stage in stages.values())
    assert all(stages[name]["written"] > 0 for name in ("flag", "hour", "average", "assess"))
    assert stages["flag"]["read"] == 5
    second = greenwatch("settle", "--json", "--dsn", dsn).json
    assert all(stage["takes"] == stage["read"] == stage["written"] == 0 for stage in second["stages"])
    assert re.search(r"flag\s+0\s+0\s+0\s+0", greenwatch("settle", "--dsn", dsn).out)


# Export


@pytest.fixture(scope="module")
def stored(make_database: Make, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A settled store of three stations: wide hourly air, a level of every ten minutes, two editions of the index.

    It begins in mid day and in mid hour, with what is bad now and then.
    """
    dsn, folder = make_database("apache"), tmp_path_factory.mktemp("stored")
    lines = ["station,time,pm25,o3,no2"]
    for station in ("A1", "B,2"):
        for hour in range(60):
            stamp = pl.datetime(2026, 2, 28, 5, 0, time_zone="UTC") + pl.duration(hours=hour)
            text = pl.select(stamp.dt.strftime("%Y-%m-%dT%H:%M:%SZ")).item()
            values = [40 + hour % 7, 60 + hour % 5, 30 + hour % 3]
            values[0] = 2000 if hour == 20 else values[0]
            lines.append(f'"{station}",{text},{values[0]},{values[1]},{"" if hour in (10, 11, 12, 13) else values[2]}')
    wide = folder / "wide.csv"
    wide.write_text("\n".join(lines) + "\n")
    levels = [
        f"C3,laeq,2026-02-28T{5 + minute // 60:02}:{minute % 60:02}Z,{50 + minute % 9},{'D' if minute == 70 else ''},"
        for minute in range(10, 600, 10)
    ]
    steps = [
        greenwatch("ingest", "--register", wide, "--dsn", dsn),
        greenwatch("ingest", "--register", "--cadence", "10m", long(folder / "long.csv", *levels), "--dsn", dsn),
        greenwatch("settle", "--dsn", dsn),
    ]
    assert [step.code for step in steps] == [DONE] * 3, steps
    return dsn


TIMES = pl.Datetime("us", "UTC")


def read(path: Path, format: str, like: pl.DataFrame | None = None) -> pl.DataFrame:
    """The rows of an export; of CSV and JSON in the types of `like`, times from their text."""
    if format == "parquet":
        return pl.read_parquet(path)
    if format == "csv":
        rows = pl.read_csv(path, infer_schema=False)
    else:
        records = json.loads(path.read_text(encoding="utf-8"))
        rows = pl.DataFrame(
            [{key: None if cell is None else str(cell) for key, cell in record.items()} for record in records],
            schema=dict.fromkeys(records[0] if records else like.columns if like is not None else (), pl.String()),
        )
    stamps = rows.with_columns(pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC"))
    return stamps if like is None else stamps.select(pl.col(n).cast(t) for n, t in like.schema.items())


def fetch(kind: str, dsn: str, path: Path, *words: object, format: str = "csv") -> pl.DataFrame:
    file = path / f"{kind}.{format}"
    done = greenwatch("export", kind, "--format", format, "-o", file, "--dsn", dsn, *words)
    assert done.code == DONE, done
    return read(file, format)


def table(dsn: str, kind: str) -> list[tuple[Any, ...]]:
    """The same rows straight from the database: station and time first."""
    names = "JOIN series s ON s.id = x.series JOIN station t ON t.id = s.station"
    queries = {
        "observations": f"SELECT t.code, s.parameter, x.time, x.value FROM observation x {names}",
        "verdicts": f"SELECT t.code, s.parameter, x.time, x.code FROM verdict x {names}",
        "averages": f"SELECT t.code, s.parameter, x.time, g.name, x.value FROM average x {names}"
        " JOIN term g ON g.id = x.averaging",
        "assessments": "SELECT t.code, x.time, g.name, d.name, x.index FROM assessment x"
        " JOIN station t ON t.id = x.station JOIN term g ON g.id = x.averaging JOIN term d ON d.id = x.standard",
    }
    with closing(connection.connect(dsn)) as conn:
        return conn.execute(queries[kind]).fetchall()


COLUMNS = {
    "observations": ["station", "parameter", "time", "value"],
    "verdicts": ["station", "parameter", "time", "code"],
    "averages": ["station", "parameter", "time", "averaging", "value"],
    "assessments": ["station", "time", "averaging", "standard", "index"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_has_every_row_and_is_the_same_in_every_format(stored: str, tmp_path: Path, kind: str) -> None:
    parquet = fetch(kind, stored, tmp_path, format="parquet")
    assert parquet.height > 20 or kind == "verdicts"
    assert parquet.schema["time"] == TIMES
    if kind == "assessments":
        names = ["station", "time", "averaging", "standard", "index", "class", "category", "primary", "count"]
        assert parquet.columns == [*names, "exceedance"]
        assert set(parquet["standard"]) == {"HJ 633-2012", "HJ 633-2026"}
    else:
        assert parquet.columns[:3] == ["station", "parameter", "time"]
    assert set(parquet.select(COLUMNS[kind]).rows()) == set(table(stored, kind))
    assert parquet.height == len(table(stored, kind))
    for format in ("csv", "json"):
        file = tmp_path / f"{kind}.{format}"
        fetch(kind, stored, tmp_path, format=format)
        assert read(file, format, parquet).equals(parquet, null_equal=True)
    header = (tmp_path / f"{kind}.csv").read_text().splitlines()[0]
    assert header.split(",") == parquet.columns


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_to_standard_output_is_the_file(stored: str, tmp_path: Path, format: str) -> None:
    fetch("averages", stored, tmp_path, format=format)
    words = [sys.executable, "-m", "jobs.cli", "export", "averages", "--format", format, "--dsn", stored]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, check=True)
    assert done.stdout == (tmp_path / f"averages.{format}").read_bytes()


def test_a_reader_that_leaves_early_is_no_accident(stored: str) -> None:
    words = f"{sys.executable} -W error -m jobs.cli export observations --dsn '{stored}' | head -c 10"
    done = subprocess.run(["bash", "-c", words], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.stdout == "station,pa"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_filters(stored: str, tmp_path: Path, kind: str) -> None:
    everything = fetch(kind, stored, tmp_path, format="parquet")
    start, stop = datetime(2026, 2, 28, 20, tzinfo=UTC), datetime(2026, 3, 1, 9, tzinfo=UTC)
    some = pl.col("time").is_between(start, stop, closed="left")
    window = ["--from", "2026-03-01T04:00+08:00", "--to", "2026-03-01T09:00Z"]
    asked: list[tuple[list[str], pl.Expr]] = [
        (["--station", "A1"], pl.col("station") == "A1"),
        (["--station", "A1", "--station", "B,2"], pl.col("station").is_in(["A1", "B,2"])),
        (window, some),
        (["--from", "2026-03-01"], pl.col("time") >= datetime(2026, 3, 1, tzinfo=UTC)),
        (["--station", "B,2", *window], some & (pl.col("station") == "B,2")),
    ]
    if kind != "assessments":
        asked.append((["--parameter", "PM2.5"], pl.col("parameter") == "pm25"))
        asked.append((["--parameter", "o3", "--parameter", "laeq"], pl.col("parameter").is_in(["o3", "laeq"])))
    if kind == "averages":
        asked.append((["--averaging", "day"], pl.col("averaging") == "day"))
        both = (pl.col("averaging") == "day") & (pl.col("parameter") == "pm25")
        asked.append((["--averaging", "day", "--parameter", "pm25"], both))
    if kind == "assessments":
        asked.append((["--standard", "HJ 633-2026"], pl.col("standard") == "HJ 633-2026"))
        asked.append((["--averaging", "hour-moving24"], pl.col("averaging") == "hour-moving24"))
    for words, rows in asked:
        found = fetch(kind, stored, tmp_path, *words, format="parquet")
        assert found.equals(everything.filter(rows), null_equal=True), words


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_export_has_its_header(stored: str, tmp_path: Path, kind: str, format: str) -> None:
    full = fetch(kind, stored, tmp_path, format="parquet")
    file = tmp_path / f"none.{format}"
    words = ["--from", "2030-01-01", "--format", format, "-o", file, "--dsn", stored]
    done = greenwatch("export", kind, *words)
    assert done.code == DONE, done
    assert "nothing matches" in " ".join(done.said)
    if format == "json":
        assert json.loads(file.read_text()) == []
    elif format == "csv":
        assert file.read_text() == ",".join(full.columns) + "\n"
    else:
        found = pl.read_parquet(file)
        assert found.height == 0
        assert found.schema == full.schema


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [7, 50])
def test_the_size_of_a_page_does_not_show(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, size: int
) -> None:
    fetch(kind, stored, tmp_path)
    whole = (tmp_path / f"{kind}.csv").read_text()
    monkeypatch.setattr(export, "PAGE", size)
    fetch(kind, stored, tmp_path)
    paged = (tmp_path / f"{kind}.csv").read_text()
    assert sorted(paged.splitlines()) == sorted(whole.splitlines())  # first: nothing lost, nothing twice
    assert paged == whole


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [30, export.PAGE])
def test_as_of_now_is_as_it_is(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, size: int
) -> None:
    """What is made again for a past time is made by the same rules as what is stored; also page by page."""
    now = fetch(kind, stored, tmp_path, format="parquet")
    monkeypatch.setattr(export, "PAGE", size)
    again = fetch(kind, stored, tmp_path, "--as-of", datetime.now(UTC).isoformat(), format="parquet")
    assert sorted(again.rows(), key=repr) == sorted(now.rows(), key=repr)


def test_a_coarse_series_as_of_now_is_as_it_is(dsn: str, tmp_path: Path) -> None:
    """A reading a day, every other one lost: its neighbours are two days away, and still its neighbours."""
    rows = [f"S1,pm25,2026-01-{day:02}T00:00Z,{20 + day},," for day in range(1, 29, 2)]
    path = long(tmp_path / "days.csv", *rows)
    assert greenwatch("ingest", "--register", "--cadence", "1d", path, "--dsn", dsn).code == DONE
    assert greenwatch("settle", "--dsn", dsn).code == DONE
    words = ["--from", "2026-01-11"]
    now = fetch("verdicts", dsn, tmp_path, *words)
    again = fetch("verdicts", dsn, tmp_path, *words, "--as-of", datetime.now(UTC).isoformat())
    assert again.equals(now, null_equal=True)


@pytest.mark.parametrize("kind", KINDS)
def test_as_of_a_time_before_everything_is_empty(stored: str, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "none.csv"
    done = greenwatch("export", kind, "--as-of", "2000-01-01T00:00Z", "-o", file, "--dsn", stored)
    assert done.code == DONE, done
    assert len(file.read_text().splitlines()) == 1


def test_three_moments_are_seen_again_later(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """Law 4: a day is sent, extended and corrected, corrected again by an older revision; each moment stays known."""
    first = [f"S1,pm25,2026-02-10T{h:02}:00Z,{40 + h},,1" for h in range(20)]
    first += [f"S1,o3,2026-02-10T{h:02}:00Z,{60 + h % 3},,1" for h in range(20)]
    second = [
        "S1,pm25,2026-02-10T05:00Z,3000,,2",
        *(f"S1,pm25,2026-02-1{d}T{h:02}:00Z,80,,1" for d in (0, 1) for h in range(20 - 20 * d, 24)),
    ]
    third = ["S1,pm25,2026-02-10T05:00Z,45.5,,3", "S1,o3,2026-02-10T07:00Z,0,D,3", "S1,pm25,2026-02-10T06:00Z,999,,0"]
    third.append("S1,pm25,2026-02-09T00:00Z,12,,")  # older than all that was known
    moments: list[tuple[str, dict[str, pl.DataFrame]]] = []
    for number, rows in enumerate((first, second, third)):
        path = long(tmp_path / f"{number}.csv", *rows)
        assert greenwatch("ingest", "--register", path, "--dsn", dsn).code == DONE
        assert greenwatch("settle", "--dsn", dsn).code == DONE
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        moments.append((row[0].isoformat(), {kind: fetch(kind, dsn, tmp_path, format="parquet") for kind in KINDS}))  # type: ignore[attr-defined]
    for kind in KINDS:
        kept = [seen[kind] for _, seen in moments]
        assert len({repr(sorted(rows.rows(), key=repr)) for rows in kept}) == 3, kind  # each moment was another
        for when, seen in moments:
            again = fetch(kind, dsn, tmp_path, "--as-of", when, format="parquet")
            assert sorted(again.rows(), key=repr) == sorted(seen[kind].rows(), key=repr), (kind, when)


def test_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    done = greenwatch("--version")
    assert (done.code, done.out.strip()) == (DONE, "0.1.0")


def test_the_environment_names_the_database(stored: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = conninfo.conninfo_to_dict(stored)
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "dbname": "PGDATABASE",
        "passfile": "PGPASSFILE",
        "password": "PGPASSWORD",
    }
    for key, name in names.items():
        monkeypatch.delenv(name, raising=False)
        if given.get(key):
            monkeypatch.setenv(name, str(given[key]))
    assert greenwatch("export", "verdicts", "-o", tmp_path / "v.csv").code == DONE
    assert (tmp_path / "v.csv").stat().st_size > 0
