"""`export`: every row that was asked for and no other, the same in every format, page by page."""

import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics.store import connection
from jobs.export import pages
from tests.commands.terminal import DONE, FORMATS, KINDS, REPOSITORY, fetch, greenwatch, read

TIMES = pl.Datetime("us", "UTC")

COLUMNS = {
    "observations": ["station", "parameter", "time", "value"],
    "verdicts": ["station", "parameter", "time", "code"],
    "averages": ["station", "parameter", "time", "averaging", "value"],
    "assessments": ["station", "time", "averaging", "standard", "index"],
}


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
    monkeypatch.setattr(pages, "PAGE", size)
    fetch(kind, stored, tmp_path)
    paged = (tmp_path / f"{kind}.csv").read_text()
    assert sorted(paged.splitlines()) == sorted(whole.splitlines())  # first: nothing lost, nothing twice
    assert paged == whole
