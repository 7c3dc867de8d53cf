"""The laws and the races of the ledger with many more examples, on the durable server."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.soak.figures import Outcome
from tests.soak.house import ROOT, House, pace

#: Examples a law, as many as some minutes allow: the gate runs a few, the same ones each time; here they are others at
#: each run.
EXAMPLES = 30


def asks(path: Path) -> bool:
    """Whether the tests in `path` are of laws, or take as many examples as they are told."""
    return path.name == "test_laws.py" or "EXAMPLES or " in path.read_text(encoding="utf-8")


def run(house: House, _: int) -> Outcome:
    """Figures of the tests of laws and ledger."""
    examples = int(os.environ.get("GREENWATCH_LAW_EXAMPLES", EXAMPLES))
    environ = {"GREENWATCH_TEST_DSN": house.dsn, "GREENWATCH_LAW_EXAMPLES": str(examples)}
    files = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").rglob("test_*.py")) if asks(path)]
    files += ["tests/ledger", "tests/test_priorities.py", "tests/detection/test_stage.py"]
    out = tested("laws", ["-m", "", *files], environ)
    out.add("examples a law", examples)
    return out


def thorough(_: House, __: int) -> Outcome:
    """Figures of the tests that `make test` leaves out (tests/thorough.txt)."""
    return tested("thorough", ["-W", "error", "-m", "thorough"], {})


def tested(part: str, words: list[str], environ: Mapping[str, str]) -> Outcome:
    """Figures of the tests that pytest picks by `words`."""
    words = ["-m", "pytest", "-p", "no:cacheprovider", "-vv", *words]
    began, lines, total = time.perf_counter(), [""], 0.0
    with (
        subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env=os.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
        pace(part, 100, "%") as step,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"\[ *(\d+)%\]", line):
                step(float(found[1]) - total)
                total = float(found[1])
    summary = lines[-1]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", summary)}
    out = Outcome()
    out.add("tests passed", counts.get("passed", 0), "tests", least=1)
    out.add("tests not passed", sum(n for word, n in counts.items() if word != "passed"), "tests", most=0)
    out.add("time", time.perf_counter() - began, "s")
    if process.returncode:
        out.notes.append("the tests ended with an error; the last lines are in the file")
        # Without the places of this machine.
        tail = "".join(lines)[-8000:].replace(sys.prefix, "venv").replace(str(ROOT), ".")
        out.details["output"] = tail
        out.add("exit code", process.returncode, "", most=0)
    return out
