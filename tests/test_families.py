"""Every member of a family keeps the family's promise. A new file in the folder is tested without a word here."""

from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

from analytics import ingest
from analytics.family import members
from analytics.frames import CELLS, REJECTS, TIME
from analytics.ingest import MODULES, Source, known
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
    files = sorted(path.stem.replace("_", "-") for path in Path(ingest.__file__).parent.glob("[a-z]*.py"))
    assert list(MODULES) == list(ingest.RECOGNISERS) == files
    assert {"beijing-prsa", "cnemc", "long", "ndjson", "wide"} < set(MODULES)
    assert members("analytics.ingest", "__doc__").keys() == MODULES.keys()


@pytest.mark.parametrize("format", MODULES)
def test_a_format_says_where_it_comes_from(format: str) -> None:
    module = import_module(f"analytics.ingest.{format.replace('-', '_')}")
    assert "Origin:" in (module.__doc__ or "")
    assert module.read.__doc__
    assert module.recognises.__doc__


@pytest.mark.parametrize("sample", ALL.values(), ids=ALL)
def test_only_its_own_format_knows_a_sample(sample: Sample) -> None:
    assert known(Source(sample.path)) == [sample.format]


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
