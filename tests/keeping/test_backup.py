"""The drill: a store restored from its backup gives equal exports, and goes on where it was."""

import json
import secrets
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from analytics.store import connection, corrections, ledger
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from jobs import chain, forecast, relearn
from jobs.database import backup
from jobs.database.errors import BrokenBackup, NotBackedUp, OtherServer, OtherVersion, TargetExists
from jobs.database.home import home
from jobs.database.provision import MAJOR, Programs
from jobs.doctor import examine
from jobs.export.ask import Ask
from jobs.export.kinds import KINDS
from tests import world
from tests.commands.terminal import greenwatch
from tests.conftest import NOW
from tests.keeping import story
from tests.world import HOUR, T0

BOTH = pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)


@pytest.fixture
def programs(server_dsn: str) -> Programs:
    """pg_dump and pg_restore of the private server: they can do nothing for another major version."""
    with closing(psycopg.connect(server_dsn)) as conn:
        major = conn.info.server_version // 10_000
    assert major == MAJOR, f"GREENWATCH_TEST_DSN is PostgreSQL {major}: these tests need {MAJOR}, as the private server"
    return Programs(home() / "postgres")


@dataclass
class Names:
    """Databases that a test makes."""

    made: list[str] = field(default_factory=list)

    def new(self) -> str:
        self.made.append(f"gw_{secrets.token_hex(6)}")
        return self.made[-1]


@pytest.fixture
def names(server_dsn: str) -> Iterator[Names]:
    found = Names()
    yield found
    with closing(psycopg.connect(server_dsn, autocommit=True)) as admin:
        for name in found.made:
            for one in (name, f"{name}_restoring"):
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(one)))


def exports(conn: Connection, **asked: object) -> dict[str, str]:
    """Kind -> all of it, as CSV."""
    out = {}
    for name, kind in KINDS.items():
        pages = list(kind.pages(conn, Ask(statistic="all", **asked)))  # type: ignore[arg-type]  # what it takes
        out[name] = "".join(page.write_csv(include_header=False) for page in pages)
    return out


def leave_work(conn: Connection, series: list[int]) -> None:
    """Something of everything: fits, scores, an unsettled late row, a reject, marks that are due and not yet due."""
    relearn.run(conn, NOW)
    entry = Entry(series[0], "withdrawal", T0 + 50 * HOUR, T0 + 52 * HOUR, {}, "Li", "cleaned")
    corrections.enter(conn, [entry], NOW)
    world.settle(conn)
    assert forecast.run(conn, T0 + (story.DAYS * 24 - 1) * HOUR).new > 0
    conn.execute(
        "WITH z AS (INSERT INTO zone (code, weather, area, cover, texture, flow, method)"
        " SELECT 'Z', min(id), 100, 'turf_cool', 'loam', 2, 'drip' FROM station RETURNING id)"
        " INSERT INTO advice (zone, issued, day, water, depletion, raw, reason, reason_zh)"
        " SELECT id, %(at)s, %(at)s::date, true, 12.5, 9, 'dry', '干' FROM z",
        {"at": T0},
    )
    world.send(conn, [(series[0], 33.5, 71.0, 0, None), (series[1], 40.0, 3.0, 8, None)])
    ledger.mark(conn, chain.STAGES["hour"][0], story.windows(series, NOW, NOW + HOUR), NOW)


@BOTH
def test_a_restored_store_gives_equal_exports_and_goes_on(
    conn: Connection, dsn: str, server_dsn: str, programs: Programs, names: Names, tmp_path: Path
) -> None:
    series = story.tell(conn)
    leave_work(conn, series)
    row = conn.execute("SELECT known FROM batch WHERE ordinal = 1").fetchone()
    assert row is not None
    then = row[0]
    made = backup.backup(programs, dsn, tmp_path / "store.dump")
    assert made.bytes == (tmp_path / "store.dump").stat().st_size > 10_000
    assert made.file.stat().st_mode & 0o077 == 0
    assert made.timescaledb == (connection.tier(conn).timescaledb or "")
    target = backup.restore(programs, server_dsn, made.file, names.new())
    with closing(connection.connect(target)) as other:
        assert connection.tier(other) == connection.tier(conn)
        for asked in ({}, {"known": then}):
            expected, found = (exports(one, **asked) for one in (conn, other))
            assert all(expected.values()) or asked  # there is something of every kind
            assert expected["observations"].count("\n") > 2000
            assert found == expected
        ledger_ = "SELECT stage, subject, start, stop, due FROM stale ORDER BY 1, 2, 3, 4, 5"
        assert other.execute(ledger_).fetchall() == conn.execute(ledger_).fetchall() != []
        assert {item.check.name: item.found.wrong for item in examine(other, NOW) if not item.sound} == {}
        for one in (conn, other):  # both go on alike
            world.settle(one)
            world.send(one, [(series[2], 7.25, 55.0, 1, None), (series[2], 8.0, 66.0, 7, None)])
            world.settle(one)
        assert story.everything(other) == story.everything(conn)
        batches = "SELECT id, ordinal, new, replaced, duplicates FROM batch ORDER BY ordinal"
        assert other.execute(batches).fetchall() == conn.execute(batches).fetchall()


def test_a_backup_while_readings_come_in_is_one_moment(
    conn: Connection, dsn: str, server_dsn: str, programs: Programs, names: Names, tmp_path: Path
) -> None:
    """The restored store is sound, its batches without a hole, and what is settled there is what is settled here."""
    series = story.tell(conn)
    stop = threading.Event()
    sent = 0

    def work() -> None:
        nonlocal sent
        with closing(connection.connect(dsn)) as own:
            while not stop.is_set():
                hour = 960.0 + sent
                world.send(own, [(number, hour, 50.0 + sent % 7, 0, None) for number in series])
                sent += 1
                if sent % 5 == 0:
                    world.settle(own)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while sent < 3:
            stop.wait(0.01)
        before = sent
        made = backup.backup(programs, dsn, tmp_path / "store.dump")
        during = sent - before
    finally:
        stop.set()
        thread.join()
    assert during > 0
    with closing(connection.connect(backup.restore(programs, server_dsn, made.file, names.new()))) as other:
        found = {item.check.name: item.found.wrong for item in examine(other, NOW) if not item.sound}
        assert found == {}
        batches = story.number(other, "SELECT count(*) FROM batch")
        assert before + 2 <= batches <= sent + 2
        row = other.execute("SELECT max(known) FROM batch").fetchone()
        assert row is not None
        world.settle(other)
        world.settle(conn)
        asked = Ask(known=row[0])  # type: ignore[arg-type]  # a time
        for name in ("observations", "verdicts", "averages"):
            here, there = ([page.rows() for page in KINDS[name].pages(one, asked)] for one in (conn, other))
            assert here == there


def test_a_restore_that_was_killed_leaves_no_store(
    conn: Connection, dsn: str, server_dsn: str, programs: Programs, names: Names, tmp_path: Path
) -> None:
    """What it had made is not taken for one; the next one begins anew."""
    story.tell(conn)
    made = backup.backup(programs, dsn, tmp_path / "store.dump")
    name = names.new()

    def die(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backup, "_run", _dying(backup._run))
        with pytest.raises(KeyboardInterrupt):
            backup.restore(programs, server_dsn, made.file, name, die)
    with closing(psycopg.connect(server_dsn, autocommit=True)) as admin:
        found = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{name}%"]).fetchall()
        assert found == [(f"{name}_restoring",)]
    with closing(connection.connect(backup.restore(programs, server_dsn, made.file, name))) as other:
        assert story.everything(other) == story.everything(conn)


def _dying(real: object) -> object:
    """Tells once at the start of pg_restore's work, as it would after half a second."""

    def run(command: list[object], error: type[NotBackedUp], told: object = None, dsn: str | None = None) -> str:
        if dsn and callable(told):
            told()
        return real(command, error, dsn=dsn)  # type: ignore[operator,no-any-return]  # the real one

    return run


def test_what_is_there_stays(conn: Connection, dsn: str, server_dsn: str, programs: Programs, tmp_path: Path) -> None:
    story.tell(conn)
    file = tmp_path / "store.dump"
    file.write_text("mine")
    with pytest.raises(TargetExists, match="Name another, or move it away"):
        backup.backup(programs, dsn, file)
    assert file.read_text() == "mine"
    made = backup.backup(programs, dsn, tmp_path / "other.dump")
    name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
    before = story.everything(conn)
    with pytest.raises(TargetExists, match=f"the database {name} has tables. Name another with --database"):
        backup.restore(programs, server_dsn, made.file, name)
    with closing(psycopg.connect(server_dsn)) as admin, pytest.raises(TargetExists, match="is the server's own"):
        backup.restore(programs, server_dsn, made.file, admin.info.dbname)
    assert story.everything(conn) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.dump", "store.dump"]


def test_an_empty_database_may_be_the_goal(
    conn: Connection, dsn: str, server_dsn: str, programs: Programs, blank: str, tmp_path: Path
) -> None:
    """As the one that `database start` makes."""
    made = backup.backup(programs, dsn, tmp_path / "store.dump")
    name = str(conninfo.conninfo_to_dict(blank)["dbname"])
    with closing(connection.connect(backup.restore(programs, server_dsn, made.file, name))) as other:
        assert (
            other.execute("SELECT count(*) FROM migration").fetchone()
            == conn.execute("SELECT count(*) FROM migration").fetchone()
        )


@pytest.mark.parametrize("damage", ["nothing", "half", "bytes", "text"])
def test_a_broken_file_is_refused(
    dsn: str, server_dsn: str, programs: Programs, names: Names, tmp_path: Path, damage: str
) -> None:
    file = backup.backup(programs, dsn, tmp_path / "store.dump").file
    raw = file.read_bytes()
    middle = len(raw) // 2
    file.write_bytes(
        {
            "nothing": b"",
            "half": raw[:middle],
            "bytes": raw[: middle - 400] + bytes(800) + raw[middle + 400 :],
            "text": b"readings, not a dump",
        }[damage]
    )
    name = names.new()
    with pytest.raises(NotBackedUp) as problem:
        backup.restore(programs, server_dsn, file, name)
    assert "pg_restore says: pg_restore: error:" in str(problem.value)
    with closing(psycopg.connect(server_dsn, autocommit=True)) as admin:
        assert not admin.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount


def test_another_version_is_refused(
    dsn: str, server_dsn: str, programs: Programs, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = backup.backup(programs, dsn, tmp_path / "store.dump").file
    with pytest.raises(BrokenBackup, match="there is no file"):
        backup.restore(programs, server_dsn, tmp_path / "none.dump", names.new())
    said = backup.Backup(file, 1, MAJOR, "2.1.0")
    monkeypatch.setattr(backup, "inspect", lambda *_: said)
    with pytest.raises(OtherVersion, match=r"made with TimescaleDB 2\.1\.0, this server has 2\."):
        backup.restore(programs, server_dsn, file, names.new())
    said = backup.Backup(file, 1, MAJOR + 1, "")
    with pytest.raises(OtherVersion, match=f"made on PostgreSQL {MAJOR + 1}, this server has {MAJOR}"):
        backup.restore(programs, server_dsn, file, names.new())
    monkeypatch.setattr(backup, "MAJOR", MAJOR - 1)
    with pytest.raises(OtherServer, match="timescaledb_pre_restore"):
        backup.restore(programs, server_dsn, file, names.new())


def test_no_store_to_back_up(blank: str, programs: Programs, tmp_path: Path) -> None:
    with pytest.raises(NotBackedUp, match="there is no store in this database"):
        backup.backup(programs, blank, tmp_path / "store.dump")
    with pytest.raises(NotBackedUp, match="there is no folder"):
        backup.backup(programs, blank, tmp_path / "none" / "store.dump")


@pytest.mark.usefixtures("programs")
def test_the_commands(dsn: str, server_dsn: str, names: Names, tmp_path: Path) -> None:
    file, name = tmp_path / "store.dump", names.new()
    done = greenwatch("database", "backup", file, "--dsn", dsn, "--json")
    assert done.code == 0
    assert json.loads(done.out)["bytes"] == file.stat().st_size
    done = greenwatch("database", "restore", file, "--dsn", server_dsn, "--database", name)
    assert done.code == 0
    assert greenwatch("doctor", "--dsn", done.out.strip(), "--sample", 2).code == 0
    done = greenwatch("database", "restore", file, "--dsn", server_dsn, "--database", name)
    assert (done.code, done.said) == (
        1,
        [
            f"database: What is to be made is there already: the database {name} has tables. "
            "Name another with --database, then --dsn leads to it"
        ],
    )


def test_the_password_is_not_among_the_words_of_a_command(
    conn: Connection, dsn: str, programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which all users of a machine can read."""
    words: list[str] = []
    real = subprocess.Popen

    class Spy(real):  # type: ignore[misc,valid-type]  # of a variable
        def __init__(self, command: list[str], **how: object) -> None:
            words.extend(command)
            super().__init__(command, **how)

    monkeypatch.setattr(subprocess, "Popen", Spy)
    with_password = conninfo.make_conninfo(dsn, password=conn.info.password, passfile=str(tmp_path / "none"))
    backup.backup(programs, with_password, tmp_path / "store.dump")
    assert any(word.startswith("--dbname=") for word in words)
    assert not [word for word in words if conn.info.password in word]
