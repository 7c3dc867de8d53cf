"""The files of ../shared, read whole: their counts add up, and are those of their READMEs."""

import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from analytics.ingest import Source, read, recognise
from tests.conftest import needs_shared
from tests.ingest.reading import DATA, whole


@needs_shared
def test_the_twelve_files_of_beijing_add_up() -> None:
    paths = sorted((DATA / "beijing-prsa").glob("*.csv.gz"))
    batches = [batch for path in paths for batch in read(Source(path), recognise(Source(path)))]
    assert sum(batch.read for batch in batches) == 4_421_376
    assert sum(batch.rejects.height for batch in batches) == 0
    cells = pl.concat([batch.cells for batch in batches])
    assert 368_448 - cells.filter(channel="pm25").height == 7_483
    first = cells.filter(station="Changping", time=datetime(2013, 2, 28, 16, tzinfo=UTC))
    values = dict(first.select("channel", "value").iter_rows())
    assert (values["co"], values["wind_direction"], values["air_pressure"]) == (0.3, 90.0, 1020.8)
    assert batches[0].stations == {"Aotizhongxin": {"utc_offset": 480, "memberships": {"city": "Beijing"}}}


@needs_shared
@pytest.mark.parametrize("path", sorted((DATA / "cnemc-2019" / "raw").glob("*.gz")), ids=lambda path: path.name[12:20])
def test_a_day_of_the_national_stations_adds_up_cell_for_cell(path: Path) -> None:
    assert recognise(Source(path)) == "cnemc"
    batch = whole(Source(path), "cnemc")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file))
    full = [line for line in lines if len(line) == len(header)]
    filled = sum(cell != "" for line in full for cell in line[3:])
    empty = sum(cell == "" for line in full for cell in line[3:])
    assert (batch.cells.height, batch.rejects.height, batch.missing) == (filled, len(lines) - len(full), empty)


@needs_shared
def test_the_wide_file_and_the_daily_files_say_the_same() -> None:
    source = Source(DATA / "cnemc-2019" / "sixty_stations_jan_oct.parquet")
    assert recognise(source) == "cnemc"
    batches = list(read(source, "cnemc"))
    assert sum(batch.read for batch in batches) == 401_283 * 15
    wide = pl.concat([batch.cells for batch in batches])
    daily = whole(Source(DATA / "cnemc-2019" / "raw" / "china_sites_20190513.csv.gz"), "cnemc").cells
    keys = ["station", "channel", "time"]
    both = wide.filter(pl.col("time").is_in(daily["time"].unique())).join(daily, on=keys, suffix="_daily")
    assert both.height > 59 * 15 * 20
    assert (both["value"] == both["value_daily"]).all()
    # The label 2019-01-01 00:00 is the end of its hour: 23:00 of the day before, 15:00 UTC.
    assert wide["time"].min() == datetime(2018, 12, 31, 15, tzinfo=UTC)
