"""Debian's signed packages, unpacked into a private folder and run with their own C library: of trixie, unless a newer
one is asked for.

No root, compiler or container; nothing outside the folder changes. The packages are newer than the C library of most
hosts, so each program runs through the loader and the libraries that came with it. Run on Debian 12, x86-64; Ubuntu's
sources simulated there; arm64 has the same packages, *not run*.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.database import lock
from jobs.database.errors import DiskFull, MirrorFailed, MissingKeyring, MissingPackage, MissingTool
from jobs.database.mirrors import Mirror, candidates

SUITE = "trixie"
#: The newest of everything, without updates beside it.
ROLLING = "sid"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

Say = Callable[[str], None]

#: The host's way to its mirror. Its hooks (they empty the host's caches) and its leniency about signatures stay out.
_NETWORK = re.compile(r'^Acquire::(?:https?|Force|Check|Retries|Max-|Min-)\S* "[^"]*";$', re.MULTILINE)
#: A line of `apt-get download --print-uris`: file name, kind and value of the digest.
_DIGEST = re.compile(r"^'[^']+' (\S+) \d+ (SHA256|SHA512):([0-9a-f]+)$", re.MULTILINE)

#: `here` is absolute, since a server changes its folder and loads libraries later.
_WRAPPER = """#!/bin/sh
here=$(cd "${{0%/*}}" && pwd)
lib=$here/{lib}
unset LD_LIBRARY_PATH LD_PRELOAD
exec "$lib/{loader}" --inhibit-cache --library-path "$lib" --argv0 "$here/{name}" "$here/../elf/{name}" "$@"
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to fetch: the closure of `wanted`, of that what `keep` matches and `leave` does not."""

    title: str
    wanted: Sequence[str]
    keep: re.Pattern[str]
    leave: re.Pattern[str]
    #: what is fetched, in words for who waits
    size: str
    #: lists, archives and two copies of the files while unpacking [bytes]
    room: int
    #: what to do where there is no apt
    elsewhere: str
    #: where trixie has it too old
    suite: str = SUITE


@dataclass(frozen=True, slots=True)
class Tree:
    """The unpacked packages below `root`."""

    root: Path

    @property
    def complete(self) -> bool:
        return (self.root / ".complete").exists()

    def version(self, package: str) -> str:
        """The Debian version of `package`, empty if it is not unpacked."""
        if not self.complete:
            return ""
        rows = (line.split("\t") for line in (self.root / ".packages").read_text().splitlines())
        return next((version for name, version in rows if name == package), "")

    @property
    def loader(self) -> Path:
        """ld-linux-x86-64.so.2, or its like; most libraries are in its folder."""
        found = sorted(self.root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
        if not found:
            raise MissingPackage(
                f"no loader in Debian's C library for {platform.machine()}: x86-64 and arm64 are known"
            )
        return found[0]

    def wrap(self, folder: Path) -> Path:
        """Moves the programs of `folder` to `elf` beside it and puts scripts in their place that run them with their
        own libraries. The tree may be moved. The folder `elf`."""
        elf = folder.rename(folder.parent / "elf")
        folder.mkdir()
        lib = os.path.relpath(self.loader.parent, folder)
        for program in elf.iterdir():
            script = folder / program.name
            script.write_text(_WRAPPER.format(lib=lib, loader=self.loader.name, name=program.name))
            script.chmod(0o755)
        folder.chmod(0o755)
        return elf

    def check_libraries(self, files: Iterable[Path], also: Sequence[Path] = ()) -> None:
        """Raises if one of `files` would borrow a library from the host: it would work here and crash elsewhere.

        Libraries are looked for beside the loader, and in the folders `also`.
        """
        path = ":".join(str(folder) for folder in (self.loader.parent, *also))
        ours = (str(self.root), "linux-vdso", "statically linked")
        for file in files:
            command = [str(self.loader), "--inhibit-cache", "--library-path", path, "--list", str(file)]
            done = _run(command, {})
            lines = done.stdout.splitlines()
            strange = [line for line in lines if not line.split("=>")[-1].strip().startswith(ours)]
            if done.returncode != 0 or strange:
                said = " ".join([*strange, done.stderr]).strip()
                raise MissingPackage(f"{file.name} would need {said} of this machine. Please report this line")


def install(
    root: Path, selection: Selection, finish: Callable[[Tree], None], say: Say, environ: Mapping[str, str] = os.environ
) -> Tree:
    """The packages of `selection` below `root`, fetched, unpacked and made ready by `finish` if they are not there.

    Safe to run twice, or two at once; `root` is there whole or not at all. `finish` works beside the goal, in a folder
    that is then renamed to `root`.
    """
    tree = Tree(root)
    if tree.complete:
        return tree
    _check_host(selection)
    folder = root.parent
    with lock.held(folder / ".lock", lambda: say("waiting for another installation")) as held:
        if not tree.complete:
            _check_room(folder, selection)
            apt = Apt(folder / ".work", environ, say, held, selection.suite)
            _unpack(tree, selection, finish, apt, say)
            say(f"{selection.title} is in {root}")
    return tree


def _check_host(selection: Selection) -> None:
    missing = [tool for tool in ("apt-get", "apt-config", "dpkg", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise MissingTool(
            f"no {', '.join(missing)} on this machine. Debian and Ubuntu have them; elsewhere {selection.elsewhere}"
        )
    if not os.access(KEYRING, os.R_OK):
        raise MissingKeyring(f"no {KEYRING}. Run: sudo apt-get install debian-archive-keyring")


def _check_room(folder: Path, selection: Selection) -> None:
    free = shutil.disk_usage(folder).free
    if free < selection.room:
        raise DiskFull(
            f"{folder} has {free / 1e6:.0f} MB free and {selection.room / 1e6:.0f} MB are needed. "
            "Make room, or let GREENWATCH_HOME name a folder on another disk"
        )


class Apt:
    """apt with lists, caches and sources of its own in `work`.

    What a killed run has fetched stays in `work` and is used by the next, which waits for an apt that outlived the run,
    since apt keeps `held`, the descriptor of the lock.
    """

    def __init__(self, work: Path, environ: Mapping[str, str], say: Say, held: int, suite: str = SUITE) -> None:
        self.work, self.suite = work, suite
        self.say = say
        self.held = held
        self.chosen = environ.get("GREENWATCH_DEBIAN_MIRROR", "")
        self.host = {**environ, "LC_ALL": "C"}
        self.private = {**self.host, "APT_CONFIG": str(work / "apt.conf")}
        for part in ("lists/partial", "archives/partial", "debs"):
            lock.folder(work / part)
        # With an empty dpkg status a simulated install lists the whole closure, the C library included.
        (work / "status").write_text("")
        (work / "apt.conf").write_text(self._configuration())

    def update(self) -> Mirror:
        """The first mirror whose lists could be read."""
        # --print-uris only parses the configured sources: no network, no lock, no earlier update needed.
        printed = _run(["apt-get", "update", "--print-uris"], self.host).stdout
        failures = []
        for mirror in candidates(printed, self.chosen):
            self.say(f"reading Debian {self.suite}'s package lists from {mirror.main}")
            (self.work / "sources.list").write_text(_sources(mirror, self.suite))
            done = self._get("-o", "APT::Update::Error-Mode=any", "update")
            if done.returncode == 0:
                return mirror
            failures.append(f"{mirror.main}: {_reason(done, self.suite)}")
        raise MirrorFailed(
            "; ".join(failures) + ". Check the network and the proxy, or let GREENWATCH_DEBIAN_MIRROR name a mirror "
            "that you reach, as http://deb.debian.org/debian"
        )

    def closure(self, packages: Sequence[str]) -> list[str]:
        """All packages that `packages` need, themselves included."""
        done = self._get("install", "-s", "--no-install-recommends", *packages)
        names = re.findall(r"^Inst (\S+)", done.stdout, re.MULTILINE)
        if not names:
            raise MissingPackage(
                f"the mirror's {self.suite} offers no installable {' '.join(packages)} ({_reason(done, self.suite)}). "
                "Try another mirror: GREENWATCH_DEBIAN_MIRROR=http://deb.debian.org/debian"
            )
        return names

    def download(self, names: Sequence[str]) -> list[Path]:
        """The packages' files, as the signed lists have them.

        apt checks what it fetches, but takes a file that is already there by its size: what a killed or cut run left
        is checked here, and exactly the files of today's lists come back, not those of an earlier edition.
        """
        debs = self.work / "debs"
        printed = self._get("download", "--print-uris", *names).stdout
        digests = {debs / name: (kind, digest) for name, kind, digest in _DIGEST.findall(printed)}
        for deb, expected in digests.items():
            if deb.exists() and _digest(deb, expected[0]) != expected[1]:
                deb.unlink()
        done = self._get("download", *names)
        bad = [deb.name for deb, (kind, digest) in digests.items() if not deb.exists() or _digest(deb, kind) != digest]
        if done.returncode != 0 or bad or len(digests) != len(names):
            raise MirrorFailed(
                f"{_reason(done, self.suite)} {' '.join(bad)}. Run the command again: it goes on where it stopped"
            )
        return sorted(digests)

    def _get(self, *words: str) -> subprocess.CompletedProcess[str]:
        return _run(["apt-get", "-q", *words], self.private, cwd=self.work / "debs", hold=(self.held,))

    def _configuration(self) -> str:
        """apt.conf. APT_CONFIG is read before the host's apt.conf.d, which therefore has to be shut out by name."""
        w = self.work
        network = _NETWORK.findall(_run(["apt-config", "dump"], self.host).stdout)
        architecture = _run(["dpkg", "--print-architecture"], self.host).stdout.strip()
        return "\n".join(
            [
                *network,
                'Dir::Etc::parts "/dev/null";',
                'Dir::Etc::main "/dev/null";',
                'Dir::Etc::preferences "/dev/null";',
                'Dir::Etc::preferencesparts "/dev/null";',
                'Dir::Etc::sourceparts "/dev/null";',
                f'Dir::Etc::sourcelist "{w}/sources.list";',
                f'Dir::State::lists "{w}/lists";',
                f'Dir::State::status "{w}/status";',
                f'Dir::Cache "{w}";',
                f'Dir::Cache::archives "{w}/archives";',
                # Foreign architectures of the host would only lengthen the lists.
                f'APT::Architectures {{ "{architecture}"; }};',
                # Else root's apt drops to user _apt, who may not write here.
                'APT::Sandbox::User "";',
                'Acquire::Languages "none";',
                'Acquire::Retries "2";',
                "",
            ]
        )


def _digest(file: Path, kind: str) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, kind.lower()).hexdigest()


def _sources(mirror: Mirror, suite: str) -> str:
    parts = [(mirror.main, suite)]
    if suite != ROLLING:  # what is mended there is in it
        parts.append((mirror.main, f"{suite}-updates"))
    if mirror.security and suite != ROLLING:
        parts.append((mirror.security, f"{suite}-security"))
    return "".join(f"deb [signed-by={KEYRING}] {uri} {part} main\n" for uri, part in parts)


def _reason(done: subprocess.CompletedProcess[str], suite: str) -> str:
    """The first error that apt gave, in our words where the cure is known."""
    text = done.stderr + done.stdout
    if "NO_PUBKEY" in text:
        return f"{KEYRING} is older than {suite}: install a newer debian-archive-keyring"
    errors = [line[2:].strip() for line in text.splitlines() if line.startswith(("E:", "W:"))]
    return errors[0] if errors else f"apt-get ended with {done.returncode}"


def _unpack(tree: Tree, selection: Selection, finish: Callable[[Tree], None], apt: Apt, say: Say) -> None:
    """Fetches, unpacks beside the goal, and renames: the folder is there whole or not at all."""
    apt.update()
    wanted = apt.closure(selection.wanted)
    names = [name for name in wanted if selection.keep.match(name) and not selection.leave.match(name)]
    say(f"downloading {len(names)} packages, {selection.size}")
    debs = apt.download(names)
    say("unpacking")
    fresh = Tree(apt.work / tree.root.name)
    shutil.rmtree(fresh.root, ignore_errors=True)
    for deb in debs:
        _must(["dpkg-deb", "-x", str(deb), str(fresh.root)])
    packages = "".join(_must(["dpkg-deb", "-W", str(deb)]) for deb in debs)
    (fresh.root / ".packages").write_text(packages)
    for name in ("doc", "man", "locale", "lintian", "bug", "i18n"):
        shutil.rmtree(fresh.root / "usr/share" / name, ignore_errors=True)
    finish(fresh)
    (fresh.root / ".complete").write_text(f"{platform.machine()}\n")
    # A stamp that outlives a power cut must not stand for files that did not.
    _must(["sync", "-f", str(fresh.root)])
    shutil.rmtree(tree.root, ignore_errors=True)
    fresh.root.rename(tree.root)
    shutil.rmtree(apt.work)


def _must(command: Sequence[str]) -> str:
    """What `command` printed."""
    done = _run(command, {**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        if "No space left" in done.stderr:
            raise DiskFull(f"{command[0]} could not write. Make room, then run the command again")
        raise MissingPackage(f"{command[0]} failed: {done.stderr.strip()}. Run the command again; it starts afresh")
    return done.stdout


def _run(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path | None = None, hold: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environ,
        cwd=cwd,
        pass_fds=hold,
        # unpacked folders must be passable for the server's user
        umask=0o022,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
