"""What a format knows of the step between readings decides which series they are."""

import gzip
from pathlib import Path

import pytest

from analytics.store import registry
from analytics.store.connection import Connection
from jobs.intake import Intake, Order, readmit
from tests.conftest import needs_shared
from tests.ingest.reading import ALL, DATA

WATER = ALL["china-water"].content
HOURS = b"station,time,pm25,o3\nA,2026-01-01T00:00:00+08:00,1,2\n"


def series(conn: Connection) -> list[tuple[str, int, int]]:
    """Parameter, cadence and number of rows of every series."""
    rows = conn.execute(
        """
        SELECT s.parameter || CASE WHEN s.statistic = '' THEN '' ELSE ':' || s.statistic END,
               s.cadence, coalesce(l.rows, 0)
        FROM series s LEFT JOIN latest l ON l.series = s.id ORDER BY 1, 2
        """
    ).fetchall()
    return [(str(name), int(str(cadence)), int(str(count))) for name, cadence, count in rows]


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_format_says_the_step_of_its_series_and_of_each(conn: Connection) -> None:
    intake = Intake(conn, Order(register=True))
    counts = intake.file(ALL["noise-whidbey"].path)
    assert (counts.read, counts.new, counts.rejects) == (118, 39, 3)
    found = series(conn)
    assert ("laeq", 3600, 24) in found
    assert ("laeq:lden", 86_400, 1) in found
    assert [row for row in found if row[1] == 3600] == [("laeq", 3600, 24)]
    assert registry.load_stations(conn)["title"].to_list() == ["Test Field"]
    intake.file(ALL["noise-montreal"].path)
    assert ("laeq", 60, 2) in series(conn)


def test_one_channel_of_two_steps_is_two_series_whatever_came_first(conn: Connection, tmp_path: Path) -> None:
    paths = [write(tmp_path, name, HOURS) for name in ("a.csv", "b.csv")]
    water = ALL["china-water"].path
    once = Intake(conn, Order(register=True))
    once.file(water)
    # The same station and channels a day apart, as an answer of the platform has them.
    code = "试验省-试验桥"
    daily = write(
        tmp_path, "2021-03-03.json", ALL["china-water.json"].content.replace("试验湖心".encode(), "试验桥".encode())
    )
    once.file(daily)
    twice = once.file(daily)
    assert (twice.new, twice.replaced) == (0, 0)
    cadences = conn.execute(
        "SELECT array_agg(s.cadence ORDER BY s.cadence) FROM series s JOIN station t ON t.id = s.station"
        " WHERE t.code = %s AND s.parameter = 'ph'",
        [code],
    ).fetchone()
    assert cadences == ([14_400, 86_400],)
    # What says nothing of its step is an hour apart when it is new, and afterwards whatever speaks.
    assert all(once.file(path).rejects == 0 for path in paths)
    assert [row for row in series(conn) if row[0] == "pm25"] == [("pm25", 3600, 1)]


def test_what_the_user_asks_for_counts_more(conn: Connection) -> None:
    Intake(conn, Order(register=True, cadence=600)).file(ALL["china-water"].path)
    assert {cadence for _, cadence, _ in series(conn)} == {600}


def test_readings_wait_for_a_series_of_their_step(conn: Connection, tmp_path: Path) -> None:
    source = write(tmp_path, "2021-03.csv", WATER)
    intake = Intake(conn, Order())
    waiting = intake.file(source)
    assert (waiting.new, intake.waiting) == (0, 16)
    Intake(conn, Order(register=True, cadence=3600)).file(source)
    # A series of another step is another series: they go on waiting.
    assert readmit(conn, intake.parameters).read == 0
    Intake(conn, Order(register=True)).file(source)
    assert readmit(conn, intake.parameters).duplicates == 16
    assert {cadence for _, cadence, _ in series(conn)} == {3600, 14_400}


@needs_shared
@pytest.mark.parametrize(
    ("paths", "series_of_each"),
    [
        (
            ["china-water-sections/raw_json/2020-05-28.json.gz", "china-water-sections/raw_json/2020-06-17.json.gz"],
            86_400,
        ),
        (["calder-valley/Bacup-rainfall-15min-Qualified.csv.gz"], 900),
    ],
)
def test_real_files_come_in_without_a_word_about_their_step(
    conn: Connection, paths: list[str], series_of_each: int
) -> None:
    intake = Intake(conn, Order(register=True))
    for path in paths:
        counts = intake.file(DATA / path)
        assert (counts.new, counts.rejects) == (counts.read - counts.missing, 0)
    assert {cadence for _, cadence, _ in series(conn)} == {series_of_each}


def test_a_packed_sample_keeps_the_year_of_its_name(conn: Connection, tmp_path: Path) -> None:
    Intake(conn, Order(register=True)).file(write(tmp_path / "2021-03", "桥.csv.gz", gzip.compress(WATER)))
    newest = conn.execute("SELECT max(time)::text FROM observation").fetchone()
    assert newest is not None
    assert str(newest[0]).startswith("2021-03-01 00:00")
