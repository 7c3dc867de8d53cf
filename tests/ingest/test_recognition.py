"""Which format a file is of: one, or a word about what was seen."""

import gzip
import tomllib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ingest import FORMATS, Source, UnknownFormat, known, read, recognise
from tests.conftest import needs_shared
from tests.ingest.reading import DATA, held, whole

WORDS = ["station", "parameter", "time", "value", "mark", "revision", "date", "hour", "type", "ts"]
WORDS += ["pm25", "PM2.5", "AQI", "No", "year", "month", "day", "datetime", "50", "100", "LEQ dB -A", "laeq_5s"]
WORDS += ["timestamp", "P1", "P2", "datetime_utc", "deviceDeploymentID", "V1", "location", "unit", "utc"]


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
    assert len(known(Source(path))) <= 1


def _left_out() -> set[Path]:
    """The files that hold no readings (left_out.toml says why), and the words beside the sets."""
    lists = tomllib.loads((Path(__file__).parent / "left_out.toml").read_text(encoding="utf-8"))
    globs = ["README.md", "*/README.md", *(glob for why in lists.values() for glob in why)]
    found = {glob: {path for path in DATA.glob(glob) if path.is_file()} for glob in globs}
    assert all(found.values()), [glob for glob, paths in found.items() if not paths]
    return set().union(*found.values())


@needs_shared
def test_every_file_at_hand_is_known_to_one_format_or_left_out_by_name() -> None:
    found: dict[str, list[str]] = {}
    left_out = _left_out()
    for path in sorted(path for path in DATA.rglob("*") if path.is_file()):
        names = known(Source(path))
        assert len(names) == (path not in left_out), (path, names)
        for name in names:
            found.setdefault(name, []).append(path.parent.relative_to(DATA).as_posix())
    assert {
        name: (len(folders), {folder.partition("/")[0] for folder in folders})
        for name, folders in found.items()
        if name in EARLIER
    } == EARLIER


#: Formats -> how many files there are of each, and in which sets. The others are listed with their sets (test_sets.py).
EARLIER = {
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
    with pytest.raises(UnknownFormat, match=r"columns when, what; formats are .*, beijing-prsa, .*, wide"):
        recognise(held(b"when,what\n1,2\n"))
    with pytest.raises(UnknownFormat, match="hj2120; formats are"):
        read(held(b""), "hj2120")
