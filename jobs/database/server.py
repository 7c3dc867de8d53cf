"""The private database: a PostgreSQL with TimescaleDB on a loopback port, its data below one folder."""

import os
import random
import re
import secrets
import shutil
import socket
import sys
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from jobs.database import lock, settings
from jobs.database.account import Account, account
from jobs.database.debian import Say
from jobs.database.errors import NotRunning, NotStarted, NotStopped, OtherMajor, UnfitHome
from jobs.database.provision import MAJOR, Programs, install

#: Database and owner of what Greenwatch keeps.
DATABASE = "greenwatch"
#: Recovery after a crash can take minutes. [s]
PATIENCE = 300
#: Below the range that the kernel gives to outgoing connections, which could take the port of a stopped server.
PORTS = range(20000, 30000)


def to_stderr(text: str) -> None:
    """Progress, beside what the caller prints."""
    print(f"database: {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Status:
    """What `Server.status` found; empty or 0 stands for not there."""

    home: str
    programs: str
    installed: bool
    initialised: bool
    running: bool
    postgresql: str
    timescaledb: str
    port: int
    pid: int
    dsn: str


@dataclass(slots=True)
class Server:
    """A server of its own in `home`/`name`.

    `fast` is for tests: it does not wait for the disk, and a crash of the machine ruins the data. `binaries` is where
    the programs are, or will be unpacked: `home`/postgres unless given.
    """

    home: Path
    name: str = "store"
    fast: bool = False
    binaries: Path | None = None
    say: Say = to_stderr

    def __post_init__(self) -> None:
        self.home = self.home.expanduser().resolve()
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", self.name) or self.name == "postgres":
            raise ValueError(f"{self.name!r} cannot name a server: small letters and digits, and not postgres")
        if re.search(r'["$`\\\n]', str(self.home)):
            # initdb and pg_ctl put paths into a shell between double quotes
            raise UnfitHome(f"{str(self.home)!r} has a quote, $, ` or \\ in it. Let GREENWATCH_HOME name another")

    @property
    def folder(self) -> Path:
        return self.home / self.name

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def programs(self) -> Programs:
        return Programs(self.binaries or self.home / "postgres")

    @property
    def passfile(self) -> Path:
        return self.folder / "pgpass"

    @property
    def installed(self) -> bool:
        """Whether the programs are unpacked."""
        return self.programs.complete

    @property
    def pid(self) -> int:
        """The process id of the running server, else 0.

        A process id of an earlier boot may belong to a stranger, and a killed server may linger as a zombie: only a
        process that was started for this data folder counts. /proc/PID/cmdline tells, since anyone may read it, unlike
        /proc/PID/cwd, which root in a container may not.
        """
        noted = self._noted()
        if not noted:
            return 0
        try:
            words = Path(f"/proc/{noted[0]}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return 0
        return int(noted[0]) if os.fsencode(self.data) in words else 0

    @property
    def running(self) -> bool:
        return self.pid != 0

    @property
    def port(self) -> int:
        """The port it listens on, or did; 0 before the first start."""
        note = self.folder / "port"
        text = note.read_text() if note.exists() else ""
        return int(text) if text.isdecimal() else 0

    def dsn(self, database: str = DATABASE) -> str:
        """The address of `database`. It holds no password: libpq reads that from the file it names."""
        if not self.port:
            raise NotRunning("it was never started. Run: greenwatch database start")
        return f"postgresql://postgres@127.0.0.1:{self.port}/{quote(database)}?passfile={quote(str(self.passfile))}"

    def status(self) -> Status:
        """What is there and what runs."""
        pid = self.pid
        return Status(
            home=str(self.home),
            programs=str(self.programs.bin),
            installed=self.installed,
            initialised=self.data.exists(),
            running=pid != 0,
            postgresql=self.programs.version(f"postgresql-{MAJOR}"),
            timescaledb=self.programs.version(f"postgresql-{MAJOR}-timescaledb"),
            port=self.port,
            pid=pid,
            dsn=self.dsn() if pid else "",
        )

    def start(self) -> str:
        """The DSN of the running server, which is unpacked, initialised and started as far as needed."""
        self._check_home()
        with self._alone() as held:
            user = account(self.data)
            self._check_reach(user, self.folder)
            install(self.programs.folder, self.say)
            self._check_reach(user, self.programs.bin / "postgres")
            if not self.data.exists():
                self._initialise(user, held)
            self._check_data()
            if not self.running:
                self._launch(user)
            self._await_ready()
            self._create_database()
        return self.dsn()

    def stop(self) -> None:
        """Ends the server, rolling back what is open. Nothing happens if it does not run."""
        if self.running:
            with self._alone():
                self._end()

    def removable(self) -> list[Path]:
        """What `clean` removes: data and password, and the programs unless another server of this home uses them."""
        others = [data for data in self.home.glob("*/data") if data.parent != self.folder]
        shared = self.binaries is not None or others
        return [path for path in (self.folder, *([] if shared else [self.programs.folder])) if path.exists()]

    def clean(self) -> None:
        """Stops the server and removes what is `removable`, without asking."""
        for path in self.removable():
            with lock.held(path / ".lock", lambda: self.say("waiting for another start, stop or installation")):
                if path == self.folder:
                    self._end()
                # The lock file last: whoever waits for it must find nothing half removed.
                for child in path.iterdir():
                    if child.name != ".lock":
                        shutil.rmtree(child) if child.is_dir() else child.unlink()
                (path / ".lock").unlink(missing_ok=True)
                with suppress(OSError):  # a start that waited may be at work in it already
                    path.rmdir()
        if self.home.exists() and not any(self.home.iterdir()):
            self.home.rmdir()

    def _alone(self) -> AbstractContextManager[int]:
        return lock.held(self.folder / ".lock", lambda: self.say("waiting for another start, stop or clean"))

    def _noted(self) -> list[str]:
        """The lines of postmaster.pid: process id, data folder, start, port, socket, address, shared memory, state."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []
        except PermissionError:
            raise UnfitHome(
                f"{self.data} belongs to another user. Run as that user, or let GREENWATCH_HOME name a folder of yours"
            ) from None

    def _check_home(self) -> None:
        try:
            lock.folder(self.folder)
        except OSError as error:
            raise UnfitHome(f"{error}. Let GREENWATCH_HOME name a folder that you may write") from None
        if not os.access(self.folder, os.W_OK):
            raise UnfitHome(f"{self.folder} may not be written. Let GREENWATCH_HOME name a folder of yours")
        if self.home.stat().st_uid not in (0, os.geteuid()):
            # in /var/tmp anybody may have put a folder of this name, and programs into it
            raise UnfitHome(f"{self.home} belongs to another user. Let GREENWATCH_HOME name a folder of yours")

    def _check_reach(self, user: Account, path: Path) -> None:
        if user.run(["test", "-x", path]).returncode != 0:
            raise UnfitHome(
                f"PostgreSQL refuses root and runs as {user.name}, who cannot reach {path}. Let GREENWATCH_HOME name a "
                "folder outside private ones, as /var/tmp/greenwatch"
            )

    def _initialise(self, user: Account, held: int) -> None:
        """Makes the data folder beside its place and renames it: a killed run leaves nothing half made."""
        self.say(f"making the data folder {self.data}")
        if not Path("/usr/share/zoneinfo/Europe/Berlin").exists():
            self.say("this machine has no tzdata: the database will know no time zone but UTC")
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        user.own(fresh)
        password = secrets.token_urlsafe(24)
        # by file: a command line can be read by every user of the machine
        handed = _write_secret(self.folder / "password.new", password)
        user.own(handed)
        # the builtin locale provider: collations must not depend on which C library reads the data
        words = [f"--pgdata={fresh}", "--username=postgres", "--auth=scram-sha-256", f"--pwfile={handed}"]
        words += ["--data-checksums", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        words += ["--builtin-locale=C.UTF-8", *(["--no-sync"] if self.fast else [])]
        try:
            done = user.run([self.programs.bin / "initdb", *words], hold=(held,))
        finally:
            handed.unlink()
        if done.returncode != 0:
            raise NotStarted(f"initdb says: {done.stderr.strip()}")
        user.run(["tee", "-a", fresh / "postgresql.conf"], feed="include 'greenwatch.conf'\n")
        _write_secret(self.passfile, f"127.0.0.1:*:*:postgres:{password}\n")
        fresh.rename(self.data)

    def _check_data(self) -> None:
        major = (self.data / "PG_VERSION").read_text().strip()
        if major != str(MAJOR):
            raise OtherMajor(
                f"{self.data} is of PostgreSQL {major}, the programs are {MAJOR}. Dump it with pg_dumpall {major} and "
                "restore it into a new one, for which GREENWATCH_HOME names another folder"
            )
        if not self.passfile.exists():
            raise NotStarted(
                f"{self.passfile} with its password is gone. Restore it, or give up the data: greenwatch database clean"
            )

    def _launch(self, user: Account) -> None:
        self._clear_remains()
        logs = lock.folder(self.folder / "log")
        user.own(logs)
        first = logs / "start.log"
        for _ in range(3):
            port = self._free_port()
            self._note_port(port)
            text = settings.render(settings.settings(settings.memory(), port=port, fast=self.fast))
            user.run(["tee", self.data / "greenwatch.conf"], feed=text)
            first.unlink(missing_ok=True)
            # pg_ctl gives the server a session of its own and no terminal: it outlives us
            done = user.run(
                [
                    *(self.programs.bin / "pg_ctl", "start", "-D", self.data, "-l", first),
                    "-w",
                    "-t",
                    str(PATIENCE),
                    "-s",
                ]
            )
            if done.returncode == 0 or self.running:
                return
            if not _taken(port):
                break
        raise NotStarted(f"{done.stderr.strip()}\n{_tail(logs)}\nIts logs are in {logs}")

    def _clear_remains(self) -> None:
        """Removes the postmaster.pid of a dead server once nobody works on its shared memory.

        PostgreSQL refuses to start while the process id in the file exists, whoever that is now: after a restart of the
        machine a stranger, in a container a zombie. The shared memory is what tells: a backend that outlives a killed
        server still writes, and a second server beside it would ruin the data.
        """
        noted = self._noted()
        if not noted or self.running:
            return
        segment = noted[6].split()[-1] if len(noted) > 6 and noted[6].split() else ""
        give_up = time.monotonic() + PATIENCE
        while _attached(segment):
            if time.monotonic() > give_up:
                raise NotStarted("queries of a server that was killed are still at work on the data. Start again later")
            time.sleep(0.1)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _note_port(self, port: int) -> None:
        if port != self.port:
            (self.folder / "port").write_text(str(port))

    def _free_port(self) -> int:
        """The port of the last start, so that addresses stay good; another if a stranger has it meanwhile."""
        ports = [self.port] if self.port else []
        return next(port for port in (*ports, *random.sample(PORTS, 100)) if not _taken(port))

    def _await_ready(self) -> None:
        give_up = time.monotonic() + PATIENCE
        while [line.strip() for line in self._noted()[7:8]] != ["ready"]:
            if not self.running or time.monotonic() > give_up:
                raise NotStarted(f"it is recovering, or ended. Its logs are in {self.folder / 'log'}")
            time.sleep(0.05)
        # a start that was killed may have left a server that came up meanwhile, on a port of its own
        self._note_port(int(self._noted()[3]))

    def _create_database(self) -> None:
        try:
            with self._connect("postgres") as admin:
                if not admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [DATABASE]).rowcount:
                    admin.execute("CREATE ROLE greenwatch NOLOGIN")
                if not admin.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                    admin.execute("CREATE DATABASE greenwatch OWNER greenwatch")
            with self._connect(DATABASE) as inside:
                inside.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        except psycopg.Error as error:
            raise NotStarted(f"it runs, but refuses work: {error}. Its logs are in {self.folder / 'log'}") from error

    def _connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection that PGPASSWORD, PGHOSTADDR, PGSSLMODE, PGOPTIONS of the environment cannot lead astray."""
        return psycopg.connect(
            self.dsn(database),
            hostaddr="127.0.0.1",
            password=self.passfile.read_text().strip().rpartition(":")[2],
            sslmode="disable",
            options="-c client_min_messages=error",
            autocommit=True,
        )

    def _end(self) -> None:
        pid = self.pid
        if not pid:
            return
        # SIGINT is PostgreSQL's fast shutdown; sent by the server's user, and without the programs, which may be gone
        account(self.data).run(["sh", "-c", 'kill -s INT "$0"', str(pid)])
        give_up = time.monotonic() + PATIENCE
        while self.pid == pid:
            if time.monotonic() > give_up:
                raise NotStopped(
                    f"process {pid} is still there after {PATIENCE} s. Its logs are in {self.folder / 'log'}"
                )
            time.sleep(0.02)


def _write_secret(path: Path, text: str) -> Path:
    """`path`, new, and from its first byte readable by the caller only."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    return path


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        # as PostgreSQL does: connections that are just closing do not count
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _attached(segment: str) -> bool:
    """Whether a process uses the shared memory of this id."""
    rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return any(row[1] == segment and row[6] != "0" for row in rows)


def _tail(logs: Path) -> str:
    """The last lines of the newest log."""
    newest = max(logs.glob("*.log"), key=lambda log: log.stat().st_mtime_ns, default=None)
    return "\n".join(newest.read_text(errors="replace").splitlines()[-5:]) if newest else ""
