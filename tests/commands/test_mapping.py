"""`ingest --mapping`: a table of any make, by a file that says what its columns are; and those of the package."""

from pathlib import Path

import pytest

from analytics.store.connection import Connection
from tests.commands.terminal import DONE, KEYS, NOT_AS_ASKED, WRONG_USAGE, greenwatch, values
from tests.conftest import needs_shared
from tests.ingest.reading import DATA

MAPPING = """
origin = "loggers of the yard"
named = '^yard_(?P<site>[a-z]+)'
station = "yard-<site>"
delimiter = ";"
decimal = ","
missing = [-999]
ignore = ["note"]
cadence = "10m"
[columns]
"O3 [ppb]" = { channel = "o3", unit = "ppb" }
PM = { channel = "pm25", unit = "mg/m³" }
[time]
columns = ["day", "clock"]
form = "%d.%m.%Y %H:%M"
zone = "Europe/Berlin"
twice = "order"
"""
ROWS = """day;clock;PM;O3 [ppb];note
25.10.2026;01:50;0,035;50;a
25.10.2026;02:00;0,036;-999;
25.10.2026;02:00;0,037;x;
29.03.2026;02:30;0,038;;
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    mapping, data = tmp_path / "my.toml", tmp_path / "yard_east.csv"
    mapping.write_text(MAPPING.replace("[columns]", "temperature = 293.15\n[columns]"), encoding="utf-8")
    data.write_text(ROWS, encoding="utf-8")
    return mapping, data


def test_a_users_mapping_reads_what_no_format_knows(conn: Connection, dsn: str, files: tuple[Path, Path]) -> None:
    mapping, data = files
    assert greenwatch("ingest", "--register", data, "--dsn", dsn).code == NOT_AS_ASKED
    first = greenwatch("ingest", "--register", "--json", "--mapping", mapping, data, "--dsn", dsn)
    assert first.code == DONE, first.err
    assert {key: first.json[key] for key in KEYS} == dict(zip(KEYS, (8, 4, 0, 0, 2, 2), strict=True))
    found = [(station, parameter, f"{time:%m-%d %H:%M}", value) for station, parameter, time, value in values(conn)]
    assert found == [
        ("yard-east", "o3", "10-24 23:50", pytest.approx(99.78, abs=0.01)),
        ("yard-east", "pm25", "10-24 23:50", 35.0),
        ("yard-east", "pm25", "10-25 00:00", 36.0),
        ("yard-east", "pm25", "10-25 01:00", 37.0),
    ]
    again = greenwatch("ingest", "--register", "--json", "--mapping", mapping, data, "--dsn", dsn)
    assert {key: again.json[key] for key in KEYS} == dict(zip(KEYS, (8, 0, 0, 4, 2, 2), strict=True))
    decoders = conn.execute("SELECT DISTINCT decoder FROM batch WHERE decoder <> 'readmitted'").fetchall()
    assert decoders == [("my",)]


def test_a_mapping_that_is_wrong_is_said_in_a_line(dsn: str, files: tuple[Path, Path]) -> None:
    mapping, data = files
    mapping.write_text(MAPPING)
    wrong = greenwatch("ingest", "--mapping", mapping, data, "--dsn", dsn)
    assert wrong.code == NOT_AS_ASKED
    assert len(wrong.said) == 1
    assert (
        "my: column 'O3 [ppb]': 'unit': no conversion from ppb to µg/m³; a gas wants 'temperature' [K]" in wrong.said[0]
    )
    mapping.write_bytes(b"\xff\xfe")
    assert "cannot be read" in greenwatch("ingest", "--mapping", mapping, data, "--dsn", dsn).err
    other = mapping.with_name("wide.toml")
    other.write_text(MAPPING)
    taken = greenwatch("ingest", "--mapping", other, data, "--dsn", dsn)
    assert (taken.code, "'wide' is a format there is" in taken.err) == (WRONG_USAGE, True)
    both = greenwatch("ingest", "--mapping", mapping, "--format", "wide", data, "--dsn", dsn)
    assert (both.code, "a mapping is a format of its own" in both.err) == (WRONG_USAGE, True)


def test_a_file_that_does_not_fit_its_mapping_is_not_read_and_the_others_are(
    dsn: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    mapping, data = files
    strange = tmp_path / "yard_west.csv"
    strange.write_text("day;clock;PM;NO2\n")
    done = greenwatch("ingest", "--register", "--json", "--mapping", mapping, strange, data, "--dsn", dsn)
    assert (done.code, done.json["new"]) == (NOT_AS_ASKED, 4)
    assert "yard_west.csv: not of my: needs the column 'o3 [ppb]' once, has it 0 times" in " ".join(done.err.split())


@needs_shared
def test_two_dialects_of_one_file_are_one_file(conn: Connection, dsn: str) -> None:
    folder = DATA / "uci-air-quality"
    first = greenwatch("ingest", "--register", "--json", folder / "comma_iso_bom.csv.gz", "--dsn", dsn)
    assert {key: first.json[key] for key in KEYS} == dict(zip(KEYS, (65_499, 50_994, 0, 0, 14_505, 0), strict=True))
    other = greenwatch("ingest", "--json", folder / "semicolon_decimal_comma.csv.gz", "--dsn", dsn)
    assert {key: other.json[key] for key in KEYS} == dict(zip(KEYS, (65_499, 0, 0, 50_994, 14_505, 0), strict=True))
    assert conn.execute("SELECT count(*) FROM observation").fetchone() == (50_994,)
