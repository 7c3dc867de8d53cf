"""Every member of a family keeps the family's promise. A new file in the folder is tested without a word here."""

from importlib import import_module

import polars as pl
import pytest

from analytics import ingest
from analytics.family import members
from analytics.frames import CELLS, REJECTS, TIME
from analytics.ingest import FORMATS, RECOGNISERS, Source
from tests.ingest.reading import ALL, Sample

ORDER = ["station", "channel", "time"]


def everything(source: Source, format: str) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Cells, rejects and the count of missing cells of all batches."""
    batches = list(ingest.read(source, format))
    assert all(batch.cells.schema == pl.Schema(CELLS) for batch in batches)
    assert all(batch.rejects.schema == pl.Schema(REJECTS) for batch in batches)
    cells = pl.concat([batch.cells for batch in batches]).sort(ORDER)
    return cells, pl.concat([batch.rejects for batch in batches]), sum(batch.missing for batch in batches)


def test_a_folder_is_a_registry_of_its_modules() -> None:
    assert list(FORMATS) == [
        "beijing-prsa",
        "china-water",
        "cnemc",
        "ea-hydrology",
        "kings-creek",
        "logan-river",
        "long",
        "ndjson",
        "noise-montreal",
        "noise-whidbey",
        "wide",
    ]
    assert list(FORMATS) == list(RECOGNISERS)
    assert members("analytics.ingest", "__doc__").keys() == FORMATS.keys()


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_says_where_it_comes_from(format: str) -> None:
    module = import_module(f"analytics.ingest.{format.replace('-', '_')}")
    assert "Origin:" in (module.__doc__ or "")
    assert module.read.__doc__
    assert module.recognises.__doc__


@pytest.mark.parametrize("sample", ALL.values(), ids=ALL)
def test_only_its_own_format_knows_a_sample(sample: Sample) -> None:
    source = Source(sample.path)
    assert [name for name, recognises in RECOGNISERS.items() if recognises(source)] == [sample.format]


@pytest.mark.parametrize("sample", ALL.values(), ids=ALL)
def test_a_sample_comes_back_as_the_cells_beside_it(sample: Sample) -> None:
    folder = sample.path.parent
    cells, rejects, missing = everything(Source(sample.path), sample.format)
    wanted = pl.read_csv(folder / "cells.csv", schema={**CELLS, "time": pl.String()}).with_columns(
        pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ", time_unit="us", time_zone="UTC").cast(TIME)
    )
    refused = pl.read_csv(folder / "rejects.csv", infer_schema=False)
    assert cells.equals(wanted.sort(ORDER))
    assert sorted(rejects.select("place", "reason", "text").rows()) == sorted(refused.rows())
    assert missing == int((folder / "missing.txt").read_text())
