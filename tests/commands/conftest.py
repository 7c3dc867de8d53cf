"""Fixtures of the tests of commands."""

from pathlib import Path

import polars as pl
import pytest

from tests.commands.terminal import DONE, greenwatch, long
from tests.conftest import Make


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """A small wide file: 5 rows of 2 cells, one empty, one NA, one no number, one row without an offset."""
    path = tmp_path / "day.csv"
    path.write_text(
        "station,time,pm25,o3\n"
        "S1,2026-02-10T00:00:00+08:00,35,0\n"
        "S1,2026-02-10T01:00:00+08:00,36,\n"
        "S1,2026-02-10T02:00:00+08:00,NA,60\n"
        "S2,2026-02-10T00:00:00+08:00,40,broken\n"
        "S2,2026-02-10 01:00:00,41,61\n"
    )
    return path


@pytest.fixture(scope="session")
def stored(make_database: Make, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A settled store of three stations: wide hourly air, a level of every ten minutes, two editions of the index.

    It begins in mid day and in mid hour, with what is bad now and then.
    """
    dsn, folder = make_database("apache"), tmp_path_factory.mktemp("stored")
    lines = ["station,time,pm25,o3,no2"]
    for station in ("A1", "B,2"):
        for hour in range(60):
            stamp = pl.datetime(2026, 2, 28, 5, 0, time_zone="UTC") + pl.duration(hours=hour)
            text = pl.select(stamp.dt.strftime("%Y-%m-%dT%H:%M:%SZ")).item()
            values = [40 + hour % 7, 60 + hour % 5, 30 + hour % 3]
            values[0] = 2000 if hour == 20 else values[0]
            lines.append(f'"{station}",{text},{values[0]},{values[1]},{"" if hour in (10, 11, 12, 13) else values[2]}')
    wide = folder / "wide.csv"
    wide.write_text("\n".join(lines) + "\n")
    levels = [
        f"C3,laeq,2026-02-28T{5 + minute // 60:02}:{minute % 60:02}Z,{50 + minute % 9},{'D' if minute == 70 else ''},"
        for minute in range(10, 600, 10)
    ]
    steps = [
        greenwatch("ingest", "--register", wide, "--dsn", dsn),
        greenwatch("ingest", "--register", "--cadence", "10m", long(folder / "long.csv", *levels), "--dsn", dsn),
        greenwatch("settle", "--dsn", dsn),
    ]
    assert [step.code for step in steps] == [DONE] * 3, steps
    return dsn
