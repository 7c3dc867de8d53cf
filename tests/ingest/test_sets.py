"""Every set of ../shared/data that holds series of sensors is read, and its cells add up (`sets/*.toml`)."""

from datetime import UTC, datetime

import polars as pl
import pytest

from analytics.ingest import MAPPINGS, Source, read, recognise
from tests.conftest import needs_shared
from tests.ingest.listed import Listed, counted, listed

LISTED = listed()


@needs_shared
@pytest.mark.parametrize("entry", LISTED, ids=[entry.path for entry in LISTED])
def test_the_cells_of_a_set_add_up_and_those_seen_by_eye_are_there(entry: Listed) -> None:
    rejects, seen = 0, []
    for path in entry.files:
        source = Source(path, rows=None if entry.rows is None else (0, entry.rows))
        assert recognise(source) == entry.format
        batches = list(read(source, entry.format))
        cells, missing = counted(entry, path, entry.rows)
        assert sum(batch.read for batch in batches) == cells, path.name
        assert sum(batch.missing for batch in batches) == missing, path.name
        rejects += sum(batch.rejects.height for batch in batches)
        for batch in batches:
            assert set(batch.stations) == set(batch.cells["station"])
            seen.append(batch.cells.filter(_wanted(entry)))
    assert rejects == entry.rejects
    found = pl.concat(seen)
    for station, channel, time, value in entry.see:
        when = datetime.fromisoformat(str(time)).astimezone(UTC)
        mine = found.filter(station=station, channel=channel, time=when)["value"].to_list()
        assert mine == [pytest.approx(value, abs=1e-4)] * len(mine), (station, channel, time)
        assert mine, (station, channel, time)


def _wanted(entry: Listed) -> pl.Expr:
    """Is a cell one of those seen by eye, but for its value?"""
    tests = [
        (pl.col("station") == station)
        & (pl.col("channel") == channel)
        & (pl.col("time") == datetime.fromisoformat(str(time)).astimezone(UTC))
        for station, channel, time, _ in entry.see
    ]
    return pl.any_horizontal(tests) if tests else pl.lit(value=False)


#: Formats whose files other tests read: test_documents.py.
ELSEWHERE = {"cnemc-snapshot"}


def test_every_mapping_has_a_set_it_reads() -> None:
    assert set(MAPPINGS) - {entry.format for entry in LISTED} == ELSEWHERE
