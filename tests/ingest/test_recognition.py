"""Which format a file is of: one, or a word about what was seen."""

import gzip

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ingest import FORMATS, RECOGNISERS, Source, UnknownFormat, read, recognise
from tests.conftest import needs_shared
from tests.ingest.reading import DATA, held, whole

WORDS = ["station", "parameter", "time", "value", "mark", "revision", "date", "hour", "type", "ts"]
WORDS += ["pm25", "PM2.5", "AQI", "No", "year", "month", "day", "datetime", "50", "100", "LEQ dB -A", "laeq_5s"]


@settings(max_examples=200, deadline=None)
@given(names=st.lists(st.sampled_from(WORDS), max_size=8), packed=st.booleans())
def test_no_header_is_known_to_two_formats(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], packed: bool
) -> None:
    path = tmp_path_factory.mktemp("header") / "file"
    if packed:
        pl.DataFrame(schema=dict.fromkeys(names, pl.String)).write_parquet(path)
    else:
        path.write_text(",".join(names))
    assert sum(recognises(Source(path)) for recognises in RECOGNISERS.values()) <= 1


@needs_shared
def test_no_file_at_hand_is_known_to_two_formats() -> None:
    known: dict[str, list[str]] = {}
    for path in sorted(path for path in DATA.rglob("*") if path.is_file()):
        found = [name for name, recognises in RECOGNISERS.items() if recognises(Source(path))]
        assert len(found) <= 1, path
        for name in found:
            known.setdefault(name, []).append(path.parent.relative_to(DATA).as_posix())
    assert {
        name: (len(folders), {folder.partition("/")[0] for folder in folders}) for name, folders in known.items()
    } == {
        "beijing-prsa": (12, {"beijing-prsa"}),
        "china-water": (70, {"china-water-sections"}),
        "cnemc": (13, {"cnemc-2019"}),
        "ea-hydrology": (9, {"calder-valley"}),
        "kings-creek": (1, {"kings-creek"}),
        "logan-river": (9, {"logan-river"}),
        "noise-montreal": (4, {"noise-montreal"}),
        "noise-whidbey": (2, {"noise-whidbey"}),
    }


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n \r\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_has_no_cells(format: str, content: bytes) -> None:
    assert whole(held(content), format).read == 0
    with pytest.raises(UnknownFormat, match="no header"):
        recognise(held(content))


def test_an_unknown_file_is_told_what_was_seen_and_what_there_is() -> None:
    with pytest.raises(UnknownFormat, match=r"columns when, what; formats are beijing-prsa, .*, wide"):
        recognise(held(b"when,what\n1,2\n"))
    with pytest.raises(UnknownFormat, match="hj212; formats are"):
        read(held(b""), "hj212")
