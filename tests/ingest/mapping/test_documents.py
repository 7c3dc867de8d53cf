"""JSON documents of records by a mapping, and tables in a zip archive."""

import json
import zipfile
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import ingest
from analytics.frames import Batch
from analytics.ingest import Source, UnreadableSource, _zip, mapping, read_as
from analytics.ingest._mapping import documents
from tests.conftest import needs_shared
from tests.ingest.reading import DATA, Write, held, together, whole

TEXT = """
origin = "test"
records = "data.rows"
station = "<at.name>"
ignore = ["/at\\\\.where\\\\..*/"]
[columns]
"value.pm" = { channel = "pm25", unit = "µg/m³" }
[time]
columns = ["when"]
form = "iso"
zone = "UTC"
"""


def by(text: str, source: Source) -> Batch:
    return together(list(read_as(mapping(text, "test"), source)))


def record(value: object, **more: object) -> dict[str, object]:
    at = {"name": "yard", "where": [1.0, 2.0]}
    return {"at": at, "value": {"pm": value}, "when": "2026-01-01T00:00:00Z"} | more


def test_values_are_found_by_their_path_and_numbers_stay_as_they_are_written() -> None:
    rows = [record(1.25), record("2.5"), record(None), record(0), "text", record(True)]
    content = json.dumps({"data": {"rows": rows}}).encode()
    batch = by(TEXT, held(b"\xef\xbb\xbf" + content))
    assert batch.cells["value"].sort().to_list() == [0.0, 1.25, 2.5]
    assert batch.missing == 1
    assert batch.rejects.sort("place").select("place", "reason", "text").rows() == [
        ("record 5", "broken line", '"text"'),
        ("record 6", "not a number", "true"),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"data": {"rows": 1}}', "is no JSON document|has no records at 'data.rows'"),
        ('{"data": {"rows": [', "no JSON: "),
        ('{"data": ' + "[" * 100_000, "no JSON: "),
        ('{"other": []}', "is no JSON document of such records"),
        ('{"data": {"rows": [{"at": {"name": "a"}, "value": {"pm": 1, "no": 1}, "when": "x"}]}}', "column 'value.no'"),
        (
            '{"data": {"rows": [{"at": {"name": "a"}, "value": {"pm": 1, "pm": 2}, "when": "x"}]}}',
            "column 'value.pm' once",
        ),
    ],
)
def test_what_is_no_such_document_is_refused(content: str, says: str) -> None:
    with pytest.raises(UnreadableSource, match=says):
        by(TEXT, held(content.encode()))


def test_a_document_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST", 100)
    with pytest.raises(UnreadableSource, match="a JSON document of more than"):
        by(TEXT, held(json.dumps({"data": {"rows": [record(1)] * 9}}).encode()))


def test_records_of_ever_other_names_do_not_fill_the_memory() -> None:
    """Each of 30,000 records has a name of its own: a table of them would have 300 million cells."""
    rows = [record(1) | {f"n{number % 10_000}": 1} for number in range(30_000)]
    with pytest.raises(UnreadableSource, match=r"30000 records of 1000\d columns"):
        by(TEXT, held(json.dumps({"data": {"rows": rows}}).encode()))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_document_is_read_or_refused(data: st.DataObject) -> None:
    leaf = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4))
    value = st.recursive(
        leaf, lambda deeper: st.lists(deeper, max_size=2) | st.dictionaries(st.text(max_size=3), deeper, max_size=2)
    )
    rows = data.draw(st.lists(st.one_of(value, value.map(record)), max_size=6))
    try:
        batch = by(TEXT, held(json.dumps({"data": {"rows": rows}}).encode()))
    except UnreadableSource:
        return
    assert batch.read == len(rows)


@needs_shared
def test_the_snapshot_of_the_national_stations_adds_up() -> None:
    path = DATA / "cnemc-2019" / "airnow_snapshot_20180220T07.geojson.gz"
    assert ingest.recognise(Source(path)) == "cnemc-snapshot"
    batch = whole(Source(path), "cnemc-snapshot")
    assert (batch.read, batch.rejects.height) == (1495 * 15, 0)
    first = dict(batch.cells.filter(station="1001A").select("channel", "value").iter_rows())
    assert (first["aqi"], first["co"], first["pm25"], first["pm25:mean-24h"], "pm10" in first) == (
        54,
        0.7,
        38,
        134,
        False,
    )
    # The label 07:00 in Beijing is the end of its hour.
    assert {f"{time:%Y-%m-%dT%H}" for time in batch.cells["time"]} == {"2018-02-19T22"}
    assert batch.stations["1001A"]["title"] == "万寿西宫"


# In an archive.

DAY = "sensor_id;sensor_type;location;lat;lon;timestamp;P1;durP1;ratioP1;P2;durP2;ratioP2\n"


def archive(files: dict[str, bytes]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return out.getvalue()


def test_tables_of_an_archive_are_read_and_what_nobody_knows_is_named(on_disk: Write) -> None:
    rows = [f"{DAY}8554;SDS011;1;57;-2;2019-03-0{day}T00:01:23;{day};;;x;;\n".encode() for day in (1, 2)]
    source = on_disk(archive({"a/1.csv": rows[0], "a/readme.txt": b"hello\n", "2.csv": rows[1]}))
    assert ingest.recognise(source) == "zipped"
    batch = whole(source, "zipped")
    assert batch.cells.sort("time").select("station", "value").rows() == [("sds011-8554", 1.0), ("sds011-8554", 2.0)]
    assert sorted(batch.rejects.select("place", "reason").rows()) == [
        ("2.csv, line 2", "not a number"),
        ("a/1.csv, line 2", "not a number"),
        ("a/readme.txt", "file of no known format"),
    ]
    assert "zipped" not in ingest.known(on_disk(archive({"readme.txt": b"hello\n"})))
    with pytest.raises(UnreadableSource):
        whole(on_disk(b"PK\x03\x04 and no more"), "zipped")


def test_a_bomb_in_an_archive_is_refused(on_disk: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_zip, "FREE", 1_000_000)
    bomb = archive({"1.csv": DAY.encode() + b" " * 20_000_000})
    with pytest.raises(UnreadableSource, match="unpack to more than"):
        whole(on_disk(bomb), "zipped")


@needs_shared
def test_the_archive_of_a_month_is_its_days() -> None:
    folder = DATA / "aberdeen-air" / "sensor_community"
    path = folder / "original_daily_files_8554_2019-03.zip"
    batch = whole(Source(path), "zipped")
    with zipfile.ZipFile(path) as zipped:
        lines = sum(len(zipped.read(name).splitlines()) - 1 for name in zipped.namelist())
    assert (batch.read, batch.rejects.height) == (2 * lines, 0)
    day = whole(Source(folder / "2019-03-21_sds011_sensor_8554.csv"), "sensor-community").cells
    assert batch.cells.filter(batch.cells["time"].dt.date() == day["time"][0].date()).equals(day)
