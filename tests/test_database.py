"""The private database: a real server in a folder below /var/tmp, where its user can reach it."""

import json
import os
import shutil
import signal
import socket
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest
from typer.testing import CliRunner

from jobs.database import dsn, lock, provision
from jobs.database.account import account
from jobs.database.cli import app
from jobs.database.dsn import find_dsn
from jobs.database.errors import MirrorFailed, NoDatabase, OtherMajor, UnfitHome
from jobs.database.home import home
from jobs.database.mirrors import PUBLIC, Mirror, candidates
from jobs.database.server import PORTS, Server
from jobs.database.settings import settings

BELOW = Path("/var/tmp")


def quiet(text: str) -> None:
    """Says nothing."""


@pytest.fixture(scope="module")
def below() -> Iterator[Path]:
    """A folder with a blank in its name that every user can pass."""
    folder = Path(mkdtemp(prefix="greenwatch test ", dir=BELOW))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def binaries(below: Path) -> Path:
    """The programs that are there already; else fetched once."""
    default = home() / "postgres"
    return default if provision.Programs(default).complete else provision.install(below / "programs", quiet).folder


@pytest.fixture(scope="module")
def kept(below: Path, binaries: Path) -> Iterator[Server]:
    """A server with durable settings."""
    server = Server(below / "kept", binaries=binaries, say=quiet)
    yield server
    server.clean()


@pytest.fixture
def server(kept: Server) -> Server:
    """The same, running."""
    kept.start()
    return kept


def ask(address: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(address) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_started_server_has_the_database_its_owner_and_the_extension(server: Server) -> None:
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert ask(server.dsn(), owner) == [("greenwatch",)]
    assert ask(server.dsn(), "SELECT current_setting('timescaledb.license')") == [("apache",)]
    assert ask(server.dsn("postgres"), "SELECT current_database()") == [("postgres",)]


def test_a_store_waits_for_the_disk(server: Server) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert ask(server.dsn(), f"SHOW {name}") == [("on",)]


def test_the_second_start_changes_nothing(server: Server) -> None:
    before = server.status()
    assert server.start() == before.dsn
    assert server.status() == before


def test_starts_at_the_same_time_agree(kept: Server) -> None:
    kept.stop()
    with ThreadPoolExecutor(3) as pool:
        addresses = list(pool.map(lambda _: replace(kept).start(), range(3)))
    assert addresses == [kept.dsn()] * 3


def test_the_dsn_holds_no_secret(server: Server) -> None:
    password = server.passfile.read_text().strip().rpartition(":")[2]
    assert len(password) >= 32
    assert password not in server.dsn()
    assert stat.S_IMODE(server.passfile.stat().st_mode) == 0o600
    assert server.passfile.stat().st_uid == os.geteuid()


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_refused(server: Server, password: str) -> None:
    bare = server.dsn().partition("?")[0]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(bare, password=password, passfile="/dev/null")


def test_the_server_stands_apart_from_its_starter(server: Server) -> None:
    assert os.getsid(server.pid) == server.pid
    waits: list[str] = []
    with lock.held(server.folder / ".lock", lambda: waits.append("held by the server")):
        assert waits == []


def test_data_survive_a_killed_server(server: Server) -> None:
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS value")
    killed = server.pid
    os.kill(killed, signal.SIGKILL)
    while server.running:
        time.sleep(0.01)
    assert server.start() == server.dsn()
    assert server.pid != killed
    assert ask(server.dsn(), "SELECT value FROM kept") == [(42,)]


def test_a_process_id_that_is_a_strangers_now_does_not_matter(kept: Server) -> None:
    kept.start()
    note = kept.data / "postmaster.pid"
    lines = note.read_text().splitlines()
    kept.stop()
    # of this test: alive, as after a restart of the machine; the shared memory segment is gone
    account(kept.data).run(["tee", note], feed="\n".join([str(os.getpid()), *lines[1:], ""]))
    assert not kept.running
    kept.start()
    assert kept.running


def test_a_stopped_server_comes_back_on_its_port_unless_a_stranger_has_it(kept: Server) -> None:
    kept.start()
    port = kept.port
    assert port in PORTS
    kept.stop()
    kept.start()
    assert kept.port == port
    kept.stop()
    with socket.create_server(("127.0.0.1", port)):
        kept.start()
        assert kept.port != port
        assert ask(kept.dsn(), "SELECT 1") == [(1,)]


def test_status_tells_a_running_server_from_a_stopped_one(server: Server) -> None:
    running = server.status()
    assert running.running
    assert running.postgresql.startswith("17.")
    assert running.timescaledb.startswith("2.")
    server.stop()
    stopped = server.status()
    assert stopped == replace(running, running=False, pid=0, dsn="")
    server.stop()


def test_data_of_another_major_are_refused(kept: Server) -> None:
    kept.start()
    kept.stop()
    version = kept.data / "PG_VERSION"
    ours = version.read_text()
    try:
        version.write_text("16\n")
        with pytest.raises(OtherMajor, match="PostgreSQL 16"):
            kept.start()
    finally:
        version.write_text(ours)


def test_clean_leaves_nothing_but_programs_from_elsewhere(below: Path, binaries: Path) -> None:
    server = Server(below / "gone", fast=True, binaries=binaries, say=quiet)
    server.start()
    assert ask(server.dsn(), "SHOW fsync") == [("off",)]
    server.clean()
    server.clean()
    assert not server.home.exists()
    assert server.installed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_a_private_home_of_root_is_refused_by_name(below: Path, binaries: Path) -> None:
    private = below / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(UnfitHome, match="GREENWATCH_HOME"):
        Server(private, binaries=binaries, say=quiet).start()


@pytest.mark.parametrize("name", ["a$b", 'a"b', "a`b"])
def test_a_home_that_a_shell_would_read_is_refused(name: str) -> None:
    with pytest.raises(UnfitHome, match="GREENWATCH_HOME"):
        Server(BELOW / name)


def test_a_dead_mirror_is_an_error_that_names_the_cure(below: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "GREENWATCH_DEBIAN_MIRROR": "http://127.0.0.1:9/debian"}
    with pytest.raises(MirrorFailed, match=r"127\.0\.0\.1.*GREENWATCH_DEBIAN_MIRROR"):
        provision.install(below / "nothing", quiet, environ)
    assert not provision.Programs(below / "nothing").complete


DEBIAN = ["http://mirror.example/debian bookworm", "http://mirror.example/debian bookworm-updates"]
UBUNTU = ["http://archive.example/ubuntu noble", "http://security.example/ubuntu noble-security"]
SECURITY = "http://mirror.example/debian-security"


@pytest.mark.parametrize(
    ("configured", "chosen", "expected"),
    [
        pytest.param([], "", [PUBLIC], id="nothing configured"),
        pytest.param(UBUNTU, "", [PUBLIC], id="Ubuntu's security mirror is not Debian's"),
        pytest.param(UBUNTU, "http://d.example/debian/", [Mirror("http://d.example/debian")], id="Ubuntu, chosen"),
        pytest.param([*UBUNTU, "https://dl.example/chrome stable"], "", [PUBLIC], id="stable is everybody's name"),
        pytest.param(DEBIAN, "", [Mirror("http://mirror.example/debian"), PUBLIC], id="Debian without security"),
        pytest.param(
            ["https://docker.example/linux/debian bookworm", *DEBIAN, f"{SECURITY} bookworm-security"],
            "",
            [
                Mirror("http://mirror.example/debian", SECURITY),
                Mirror("https://docker.example/linux/debian", SECURITY),
                PUBLIC,
            ],
            id="a vendor's suite bookworm comes second",
        ),
        pytest.param(
            [*DEBIAN, f"{SECURITY} bookworm-security"],
            "http://d.example/debian",
            [Mirror("http://d.example/debian", SECURITY)],
            id="Debian, chosen",
        ),
        pytest.param(["http://deb.debian.org/debian trixie"], "", [Mirror(PUBLIC.main)], id="the public one, once"),
        pytest.param(["cdrom:[Debian 12] bookworm"], "", [PUBLIC], id="no disc"),
    ],
)
def test_the_mirrors_to_try(configured: list[str], chosen: str, expected: list[Mirror]) -> None:
    printed = "".join(
        f"'{uri}/dists/{suite}/InRelease' a_name 0 \n'{uri}/dists/{suite}/main/binary-amd64/Packages.xz' a_name 0 \n"
        for uri, suite in (line.rsplit(" ", 1) for line in configured)
    )
    assert candidates(printed, chosen) == expected


def test_home_is_what_the_environment_says() -> None:
    assert home({"GREENWATCH_HOME": "/srv/green watch"}) == Path("/srv/green watch")
    assert home({}).name == "greenwatch"


def test_a_database_is_looked_for_in_order(server: Server, below: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"GREENWATCH_HOME": str(server.home)}
    nowhere = {"GREENWATCH_HOME": str(below / "nowhere")}
    monkeypatch.setattr(dsn, "answers", lambda sockets: True)
    assert find_dsn("host=db", {**here, "PGHOST": "other"}) == "host=db"
    assert find_dsn(None, {**here, "PGHOST": "other"}) == ""
    assert find_dsn(None, here) == server.dsn()
    assert find_dsn(None, nowhere) == "postgresql:///greenwatch?host=/var/run/postgresql"
    monkeypatch.setattr(dsn, "answers", lambda sockets: False)
    with pytest.raises(NoDatabase, match="greenwatch database start"):
        find_dsn(None, nowhere)


def test_a_socket_that_nobody_serves_does_not_answer(below: Path) -> None:
    assert not dsn.answers(below)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(below / ".s.PGSQL.5432"))
        assert not dsn.answers(below)


def test_settings_grow_with_the_machine_and_stay_modest() -> None:
    small, large = (settings(gib << 30, port=5432, fast=False) for gib in (1, 256))
    assert small["shared_buffers"] == "128MB"
    assert large["shared_buffers"] == "2048MB"
    assert large["work_mem"] == "32MB"


def test_the_commands(below: Path, binaries: Path) -> None:
    house = below / "commands"
    # copied, as a folder of programs may be moved
    shutil.copytree(binaries, house / "postgres", symlinks=True)

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, words, env={"GREENWATCH_HOME": str(house)})
        return done.exit_code, done.stdout.strip()

    assert run("dsn") == (1, "")
    assert run("stop") == (0, "")
    assert run("status")[0] == 1
    code, address = run("start")
    try:
        assert code == 0
        assert ask(address, "SELECT 1") == [(1,)]
        assert run("dsn") == (0, address)
        assert run("status")[0] == 0
        assert json.loads(run("status", "--json")[1])["dsn"] == address
        assert run("clean") == (2, "")
        assert run("stop", "--nonsense") == (2, "")
    finally:
        assert run("clean", "--yes") == (0, "")
    assert not house.exists()
    assert run("clean", "--yes") == (0, "")
