"""Real servers and a real browser for the tests: Prometheus, Alertmanager, Mosquitto and Chromium of Debian trixie.

Of Prometheus and Alertmanager also the newest, of Debian sid: rules must say the same in 2 and in 3.

They are unpacked once below `tools` of Greenwatch's home, without root, from signed packages, and run with the
libraries that came with them. What cannot be installed is an error, never a skipped test.
"""

import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

from jobs.database import debian
from jobs.database.debian import Tree
from jobs.database.home import home

ELSEWHERE = "run the tests on one of them"
#: Raise a number when what is fetched or how it is made ready changes: the old folder is then of no use.
PROMETHEUS = f"{debian.SUITE}-prometheus-1"
NEWEST = f"{debian.ROLLING}-prometheus-1"
CHROMIUM = f"{debian.SUITE}-chromium-1"
MOSQUITTO = f"{debian.SUITE}-mosquitto-1"

TEMPLATES = b"/usr/share/prometheus/alertmanager"
#: Where libpulse, which the browser is linked to, keeps a part of itself.
PULSE = "pulseaudio"
#: A program of the C library's age is started, or has failed to. [s]
PATIENCE = 60

_PROMETHEUS = debian.Selection(
    title="Prometheus",
    wanted=["prometheus", "prometheus-alertmanager"],
    # Go programs: the C library and nothing else; what the web pages show is not looked at.
    keep=re.compile(r"(libc6|libgcc-s1|prometheus|promtool|prometheus-alertmanager)$"),
    leave=re.compile(r"$^"),
    size="about 50 MB",
    room=800_000_000,
    elsewhere=ELSEWHERE,
)

_CHROMIUM = debian.Selection(
    title="Chromium",
    # Three fonts: what CSS calls sans-serif, monospace, and Chinese.
    wanted=["chromium-headless-shell", "fonts-liberation", "fonts-dejavu-mono", "fonts-wqy-microhei"],
    keep=re.compile(r"lib|zlib1g$|chromium|fonts-|xkb-data$"),
    # Drivers of graphics cards, and what only the tools beside a desktop need.
    leave=re.compile(
        r"lib(llvm|z3|gl1|glx|x(aw|t|mu|pm|tst|ft|v|muu|inerama)|sm6|ice6|debconf|db5|pam|semanage|sepol)"
    ),
    size="about 110 MB",
    room=1_500_000_000,
    elsewhere=ELSEWHERE,
)

_MOSQUITTO = debian.Selection(
    title="Mosquitto",
    wanted=["mosquitto"],
    keep=re.compile(r"(lib|mosquitto|zlib1g)"),
    # What only systemd, which runs it elsewhere, and adduser need.
    leave=re.compile(r"lib(pam|semanage|sepol|debconf)"),
    size="about 10 MB",
    room=200_000_000,
    elsewhere=ELSEWHERE,
)

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">usr/share/fonts</dir>
  <alias binding="strong"><family>sans-serif</family>
    <prefer><family>Liberation Sans</family><family>WenQuanYi Micro Hei</family></prefer></alias>
  <alias binding="strong"><family>monospace</family>
    <prefer><family>DejaVu Sans Mono</family><family>WenQuanYi Micro Hei Mono</family></prefer></alias>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""

#: Chromium starts itself again by /proc/self/exe, so it cannot be run by naming the loader.
_BROWSER = """#!/bin/sh
here=$(cd "${{0%/*}}/../.." && pwd)
unset LD_PRELOAD
export LD_LIBRARY_PATH="$here/usr/lib/{triplet}:$here/usr/lib/{triplet}/{pulse}" FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/usr/lib/chromium/chromium-headless-shell" "$@"
"""


def say(text: str) -> None:
    """Progress, beside what pytest captures."""
    print(f"tools: {text}", file=sys.__stderr__, flush=True)


@dataclass(frozen=True, slots=True)
class Tools:
    """Paths of the programs. Alertmanager runs in a folder of its own: files are named to it by their whole path."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path


def prometheus_tools(folder: Path | None = None) -> Tools:
    """Prometheus 2, Alertmanager and their tools, unpacked if they are not there yet."""
    return _prometheus(folder, PROMETHEUS, _PROMETHEUS)


def newest_prometheus_tools(folder: Path | None = None) -> Tools:
    """The same of Prometheus 3."""
    newest = replace(_PROMETHEUS, title="Prometheus 3", size="about 80 MB", suite=debian.ROLLING)
    return _prometheus(folder, NEWEST, newest)


def _prometheus(folder: Path | None, name: str, selection: debian.Selection) -> Tools:
    tree = debian.install((folder or home() / "tools") / name, selection, _finish_prometheus, say)
    names = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")
    return Tools(*(tree.root / "usr/bin" / name for name in names))


def mosquitto(folder: Path | None = None) -> Path:
    """The broker Mosquitto, unpacked if it is not there yet."""
    tree = debian.install((folder or home() / "tools") / MOSQUITTO, _MOSQUITTO, _finish_mosquitto, say)
    return tree.root / "usr/bin/mosquitto"


def chromium(folder: Path | None = None) -> Path:
    """A headless Chromium, unpacked if it is not there yet."""
    goal = (folder or home() / "tools") / CHROMIUM
    tree = debian.install(goal, _CHROMIUM, lambda fresh: _finish_chromium(fresh, goal), say)
    return tree.root / "usr/bin/chromium"


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser that speaks to nobody but the pages it is shown. Its profile is empty and goes with it.

    Let it live for a module at most: while it does, an event loop runs in this thread and `asyncio.run` is refused.
    """
    # Its sandbox wants user namespaces or a helper owned by root: neither is sure to be there, and pages are our own.
    switches = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--disable-sync"]
    switches += ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=switches)
        try:
            yield opened
        finally:
            opened.close()


def _finish_prometheus(tree: Tree) -> None:
    scripts = tree.root / "usr/bin"
    elf = tree.wrap(scripts)
    tree.check_libraries(sorted(elf.iterdir()))
    # Debian's Alertmanager knows its templates by one absolute path. A relative one of the same length, and the program
    # finds them from the folder that it is started in.
    program, script = elf / "prometheus-alertmanager", scripts / "prometheus-alertmanager"
    code = program.read_bytes()
    assert TEMPLATES in code, f"{program} looks for its templates elsewhere"
    program.write_bytes(code.replace(TEMPLATES, TEMPLATES.lstrip(b"/").replace(b"/", b"//", 1)))
    script.write_text(script.read_text().replace("\nexec ", '\ncd "$here/../.."\nexec '))


def _finish_mosquitto(tree: Tree) -> None:
    # The broker alone: its tools stay where they are.
    scripts = tree.root / "usr/bin"
    scripts.mkdir(parents=True, exist_ok=True)
    for other in scripts.iterdir():
        other.unlink()
    (tree.root / "usr/sbin/mosquitto").rename(scripts / "mosquitto")
    elf = tree.wrap(scripts)
    tree.check_libraries(sorted(elf.iterdir()))


def _finish_chromium(tree: Tree, goal: Path) -> None:
    program = tree.root / "usr/lib/chromium/chromium-headless-shell"
    tree.check_libraries([program], also=[tree.loader.parent / PULSE])
    interpret(program, goal / tree.loader.relative_to(tree.root))
    (tree.root / "fonts.conf").write_text(_FONTS)
    script = tree.root / "usr/bin/chromium"
    script.write_text(_BROWSER.format(triplet=tree.loader.parent.name, pulse=PULSE))
    script.chmod(0o755)


def interpret(program: Path, loader: Path) -> None:
    """Makes `loader` the interpreter of the 64-bit ELF `program`, whose folder therefore may not be moved afterwards.

    The name is appended to the file and the header PT_INTERP pointed at it: the kernel reads it from there, and no byte
    of the program moves (ELF-64 Object File Format, version 1.5, figures 2 and 6).
    """
    with program.open("r+b") as file:
        head = file.read(64)
        assert head[:6] == b"\x7fELF\x02\x01", f"{program} is no little-endian 64-bit ELF file"
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        name = os.fsencode(loader) + b"\0"
        for index in range(count):
            file.seek(table + index * size)
            (kind,) = struct.unpack("<I", file.read(4))
            if kind == 3:  # PT_INTERP
                end = file.seek(0, os.SEEK_END)
                file.write(name)
                file.seek(table + index * size + 8)
                file.write(struct.pack("<Q", end))
                file.seek(table + index * size + 32)
                file.write(struct.pack("<QQ", len(name), len(name)))
                return
        raise AssertionError(f"{program} has no interpreter to replace")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listened at a moment ago."""
    with ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in sockets]


@contextmanager
def served(
    command: Sequence[object], ready: str, log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The process of `command`, once `ready` (an address) answers 200; ended afterwards. What it says goes to `log`."""
    with log.open("ab") as sink:
        process = subprocess.Popen([str(word) for word in command], stdout=sink, stderr=sink, env=environ)
    try:
        give_up = time.monotonic() + PATIENCE
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > give_up:
                raise AssertionError(f"{command[0]} does not answer at {ready}:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(address: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(address, timeout=1, trust_env=False).status_code == 200
    return False
