"""`greenwatch migrate` from a checkout and from a wheel: the same files travel in both."""

import subprocess
import sys
import zipfile
from pathlib import Path

from analytics import standards
from tests.commands.terminal import greenwatch
from tests.migrations.schema import MIGRATIONS, REPOSITORY, TABLES


def test_the_command_migrates_and_says_what_it_did(blank: str) -> None:
    done = [greenwatch("migrate", "--dsn", blank, *more) for more in (["--plan"], [], ["--plan"], [])]
    count = len(list(MIGRATIONS.glob("*.sql")))
    assert [run.code for run in done] == [0, 0, 0, 0]
    assert [run.out.count("migration ") for run in done] == [count, 0, 0, 0]
    assert done[1].err.count("migration ") == count
    assert "up to date: PostgreSQL" in done[3].err


def test_the_sql_and_the_tables_travel_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "tree")
    tree = tmp_path / "tree"
    for folder in ("migrations", "views"):
        wanted = sorted(path.name for path in (REPOSITORY / "sql" / folder).glob("*.sql"))
        assert sorted(path.name for path in (tree / "analytics" / "sql" / folder).glob("*.sql")) == wanted
    wanted = sorted(str(p.relative_to(REPOSITORY)) for p in (REPOSITORY / "analytics" / "tables").rglob("*.[ct]*v*"))
    assert all((tree / path).exists() for path in wanted)
    assert not list(tree.rglob("test_*.py"))
    # Neither the checkout nor the venv's link to it is on the path: -I -S, and the libraries by hand.
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    program = f"""
import sys
sys.path[:0] = [{str(tree)!r}, {libraries!r}]
import analytics
from analytics import standards
from analytics.store import files
assert analytics.__file__.startswith({str(tree)!r}), analytics.__file__
assert all(str(path).startswith({str(tree)!r}) for path in files.sql("migrations") + files.sql("views"))
print(*(path.stem for path in files.sql("migrations")))
print(*sorted(standards.tables()))
print(standards.load().breakpoints.height)
import jobs.cli
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stems, tables, points = done.stdout.splitlines()
    assert stems.split() == [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]
    assert tables.split() == sorted(TABLES)
    assert int(points) == standards.load().breakpoints.height
