"""The programs that the tests bring along: run with their own libraries, whatever the machine has."""

import shutil
import subprocess
from pathlib import Path

import pytest

from jobs.database.debian import Tree
from jobs.database.errors import MissingPackage
from tests import tools


@pytest.fixture(scope="module")
def tree() -> Tree:
    """The unpacked packages of Prometheus: with a C library and little else."""
    return Tree(tools.prometheus_tools().promtool.parents[2])


def test_each_program_runs_and_says_what_it_is(tree: Tree) -> None:
    found = tools.prometheus_tools()
    for program in (found.prometheus, found.promtool, found.alertmanager, found.amtool):
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True)
        assert "version" in done.stdout + done.stderr
    assert tree.version("prometheus").startswith("2.")
    assert tree.version("nonsense") == ""


def test_a_program_that_would_borrow_from_the_machine_is_refused(tree: Tree) -> None:
    browser = tools.chromium().parents[2] / "usr/lib/chromium/chromium-headless-shell"
    with pytest.raises(MissingPackage, match=r"chromium-headless-shell would need .*lib"):
        tree.check_libraries([browser])


def test_a_program_takes_the_loader_it_is_given(tree: Tree, tmp_path: Path) -> None:
    program = tmp_path / "echo"
    original = shutil.which("echo")
    assert original is not None
    shutil.copy(original, program)
    tools.interpret(program, tree.loader)
    said = subprocess.run(
        [program, "by", "its", "own"],
        # of the loader itself: it tells which libraries it took
        env={"LD_LIBRARY_PATH": str(tree.loader.parent), "LD_TRACE_LOADED_OBJECTS": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    assert str(tree.loader.parent / "libc.so.6") in said
    tools.interpret(program, tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        subprocess.run([program], check=False)


def test_what_is_no_program_is_left_alone(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n" + "#" * 80)
    with pytest.raises(AssertionError, match="no little-endian 64-bit ELF"):
        tools.interpret(script, Path("/lib/loader"))
