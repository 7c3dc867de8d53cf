"""The gate can fail: each thing it is there for, done to a copy of the project, turns it red."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.conftest import thorough
from tests.migrations.schema import sums_problems, write_sums

REPOSITORY = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the gate looks at, without what tools left there."""
    copy = tmp_path_factory.mktemp("gate") / "greenwatch"
    without = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("analytics", "jobs", "sql"):
        shutil.copytree(REPOSITORY / name, copy / name, ignore=without)
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    return copy


@pytest.fixture
def project(original: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(original, tmp_path / "greenwatch")


def run(project: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / str(words[0])), *map(str, words[1:])]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def contracts(project: Path) -> subprocess.CompletedProcess[str]:
    return run(project, "lint-imports", "--no-logo", "--no-cache")


def test_the_contract_holds_as_it_is(original: Path) -> None:
    done = contracts(original)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("analytics/frames.py", "import jobs", "analytics.frames -> jobs"),
        ("analytics/alarms/machine.py", "import analytics.quality", "analytics.alarms.machine -> analytics.quality"),
        ("analytics/ingest/long.py", "from analytics.store import ledger", "analytics.ingest.long -> analytics.store"),
        ("analytics/units.py", "from analytics import parameters", "analytics.units -> analytics.parameters"),
        ("analytics/quality/own.py", "import psycopg", "analytics.quality.own -> psycopg"),
        ("analytics/store/files.py", "import subprocess", "analytics.store.files -> subprocess"),
    ],
)
def test_a_broken_import_direction(project: Path, file: str, line: str, said: str) -> None:
    append(project / file, f"\n{line}\n")
    done = contracts(project)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout
    assert said in done.stdout


def test_a_module_nobody_has_given_a_place(project: Path) -> None:
    (project / "analytics" / "newcomer.py").write_text('"""Says nothing."""\n')
    assert contracts(project).returncode != 0


def mypy(project: Path, text: str) -> subprocess.CompletedProcess[str]:
    """The project's own settings on one small file."""
    (project / "small.py").write_text(text)
    return run(project, "mypy", "--strict", "--cache-dir", project / "cache", "small.py")


def test_an_unused_ignore(project: Path) -> None:
    done = mypy(project, "def twice(number: int) -> int:\n    return 2 * number  # type: ignore[operator]\n")
    assert done.returncode == 1
    assert 'Unused "type: ignore' in done.stdout
    done = mypy(project, "def twice(number: int) -> int:\n    return 2 * number\n")
    assert done.returncode == 0, done.stdout


def ruff(project: Path) -> subprocess.CompletedProcess[str]:
    return run(project, "ruff", "check", "--no-cache", "--output-format", "concise", "analytics/family.py")


NAIVE_CLOCK = "\n\ndef today() -> object:\n    import datetime\n\n    return datetime.datetime.now(datetime.UTC)\n"


def unused(project: Path) -> None:
    append(project / "analytics" / "family.py", "\nONE = 1  # noqa: E501\n")


def clock(project: Path) -> None:
    append(project / "analytics" / "family.py", NAIVE_CLOCK)


def environment(project: Path) -> None:
    append(project / "analytics" / "family.py", "\n\ndef home() -> object:\n    import os\n\n    return os.environ\n")


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [(unused, "RUF100"), (clock, "TID251"), (environment, "TID251")],
    ids=["noqa", "clock", "environ"],
)
def test_what_ruff_is_there_for(project: Path, spoil: Callable[[Path], None], rule: str) -> None:
    assert ruff(project).returncode == 0
    spoil(project)
    done = ruff(project)
    assert done.returncode == 1
    assert rule in done.stdout


def test_the_clock_and_the_environment_are_read_in_jobs(project: Path) -> None:
    (project / "jobs" / "small.py").write_text(
        "import datetime\nimport os\n\nNOW = datetime.datetime.now(datetime.UTC)\nHOME = os.environ\n"
    )
    assert run(project, "ruff", "check", "--no-cache", "jobs/small.py").returncode == 0


def test_an_edited_migration(project: Path) -> None:
    folder = project / "sql" / "migrations"
    write_sums(folder)
    assert sums_problems(folder) == []
    append(folder / "0001_registry.sql", "-- a word more\n")
    assert sums_problems(folder) == [
        "0001_registry.sql was edited after it landed: restore it and write a new migration"
    ]


def test_every_library_that_is_imported_is_asked_for() -> None:
    """What only a tool of the tests brings along is not there in an installed greenwatch."""
    asked = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    known = {_name(re.split(r"[\[<>=;]", line)[0]) for line in asked}
    named = packages_distributions()
    strangers = {}
    for path in [*(REPOSITORY / "analytics").rglob("*.py"), *(REPOSITORY / "jobs").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [str(node.module)]
            for module in {name.partition(".")[0] for name in modules}:
                ours = module in ("analytics", "jobs") or module in sys.stdlib_module_names
                if not ours and not known & {_name(name) for name in named.get(module, [module])}:
                    strangers[module] = str(path.relative_to(REPOSITORY))
    assert strangers == {}


def _name(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package.strip()).lower()


def test_make_and_ci_run_the_whole_gate() -> None:
    recipe = (REPOSITORY / "Makefile").read_text(encoding="utf-8").split("\ntest:", 1)[1].split("\n\n", 1)[0]
    for tool in ("ruff format --check", "ruff check", "mypy", "lint-imports", "-m tests.audit", "pytest -W error"):
        assert tool in recipe
    assert "make test" in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")


def test_what_is_left_to_the_soak_is_there() -> None:
    for name, kept in thorough().items():
        path, _, test = name.partition("::")
        place = REPOSITORY / path
        assert place.exists(), name
        for each in [test, *kept] if test or kept else []:
            assert f"def {each.partition('[')[0]}" in place.read_text(encoding="utf-8"), (name, each)
