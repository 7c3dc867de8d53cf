"""Files of water and soil in the store: every cell is accounted for, and sent again they change nothing."""

import pytest

from analytics.store import registry
from analytics.store.connection import Connection
from jobs.intake import Intake, Order
from tests.conftest import needs_shared
from tests.ingest.reading import ALL, DATA

PATHS = (
    "driftr-sonde/hoboRaw.txt",
    "driftr-sonde/rawData.csv",
    "pyfao56/test05/LIRF.wth",
    "pyfao56/test06/cotton2022p10-2.sws",
)


@needs_shared
@pytest.mark.parametrize("path", PATHS)
def test_a_file_is_in_once_however_often_it_is_sent(conn: Connection, path: str) -> None:
    intake = Intake(conn, Order(register=True))
    first = intake.file(DATA / path)
    assert first.read == first.new + first.missing + first.rejects
    assert first.new > 0
    again = Intake(conn, Order(register=True)).file(DATA / path)
    assert (again.new, again.replaced, again.duplicates) == (0, 0, first.new)
    assert (again.missing, again.rejects) == (first.missing, first.rejects)


@needs_shared
def test_one_download_of_the_network_says_nothing_new_after_the_other(conn: Connection) -> None:
    one, other = sorted((DATA / "ismn").glob("*_2017*.zip"))
    intake = Intake(conn, Order(register=True))
    first, second = intake.file(one), intake.file(other)
    assert (first.new, second.new, second.duplicates) == (13_924, 0, 13_924)
    found = registry.load_stations(conn).sort("code").select("code", "longitude", "latitude", "offset")
    assert found.rows() == [("COSMOS_ARM-1", -97.4878, 36.6054, 0), ("COSMOS_Barrow-ARM", -156.6287, 71.3298, 0)]


def test_a_logger_with_two_steps_has_series_of_both(conn: Connection) -> None:
    counts = Intake(conn, Order(register=True)).file(ALL["toa5"].path)
    assert (counts.read, counts.new, counts.missing, counts.rejects) == (41, 26, 3, 12)
    rows = conn.execute(
        "SELECT parameter, statistic, cadence FROM series WHERE parameter = 'rain' ORDER BY 3"
    ).fetchall()
    assert rows == [("rain", "", 900), ("rain", "", 3600)]
