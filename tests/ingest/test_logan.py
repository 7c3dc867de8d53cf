"""The sondes of Logan River: raw values are readings, corrected ones a statistic; the files of ../shared add up."""

import csv
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics.ingest import Source, UnreadableSource, recognise
from tests.conftest import needs_shared
from tests.ingest.reading import ALL, DATA, held, whole

FOLDER = DATA / "logan-river"
SITE = FOLDER / "TonyGrove2014.csv.gz"
SAMPLE = ALL["logan-river"]


def test_the_files_name_tells_the_station() -> None:
    names = {"Mendon2020.csv": "Mendon", "MS2018.csv": "MainStreet", "download.csv": "logan-river"}
    for name, station in names.items():
        found = whole(held(SAMPLE.content, path=Path(name)), "logan-river")
        assert found.stations == {station: {"utc_offset": -420, "cadence": 900}}
        assert found.cells["station"].unique().to_list() == [station]


def test_stage_comes_in_metres_to_the_digit_of_the_file() -> None:
    level = whole(Source(SAMPLE.path), "logan-river").cells.filter(channel="water_level")
    assert level["value"].to_list() == [0.6044]


def test_other_columns_are_refused() -> None:
    with pytest.raises(UnreadableSource, match="Logan River"):
        whole(held(b"datetime,temp,cond\n2017-01-01 00:00,1,2\n"), "logan-river")


@needs_shared
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*20??.csv.gz")), ids=lambda path: path.name.partition(".")[0])
def test_a_site_year_adds_up_cell_for_cell(path: Path) -> None:
    assert recognise(Source(path)) == "logan-river"
    found = whole(Source(path), "logan-river")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        header, *lines = [line for line in csv.reader(file) if line]
    read = [number for number, name in enumerate(header) if number and not name.endswith("_qual")]
    cells = [line[number] for line in lines for number in read]
    missing = sum(cell in ("", "NULL") or float(cell) == -9999 for cell in cells)
    assert (found.read, found.missing, found.rejects.height) == (len(cells), missing, 0)


@needs_shared
def test_the_clock_is_standard_time_all_the_year() -> None:
    """On 2014-11-02 the clocks of Utah went back: no hour comes twice, and none is missing in March of 2019."""
    autumn = whole(Source(SITE), "logan-river").cells.filter(channel="ph")
    spring = whole(Source(FOLDER / "MainStreet2019.csv.gz"), "logan-river").cells.filter(channel="conductivity")
    for cells, day in ((autumn, datetime(2014, 11, 2, 7, tzinfo=UTC)), (spring, datetime(2019, 3, 10, 7, tzinfo=UTC))):
        times = cells.filter(pl.col("time").is_between(day, day + timedelta(days=1), closed="left"))["time"]
        assert (times.len(), times.n_unique()) == (96, 96)
