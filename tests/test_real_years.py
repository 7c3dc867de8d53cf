"""Law 2 on real files: a month of four stations of Beijing and of a sonde of Logan River, in order and out of order.

Whole years of all stations: the soak's part `years`.
"""

from datetime import timedelta

import pytest

from analytics.store.connection import Connection
from tests import world, years
from tests.conftest import needs_shared
from tests.years import Year

pytestmark = pytest.mark.long

NEAR = ("Dongsi", "Guanyuan", "Tiantan", "Wanshouxigong")
AIR = ("pm25", "o3", "co", "air_temperature", "wind_direction")
WATER = ("dissolved_oxygen", "water_temperature", "conductivity", "ph", "water_level")


def month() -> Year:
    start = years.day("2015-11-10", 8)
    return years.beijing(NEAR, start, start + timedelta(days=34), AIR)


def sonde() -> Year:
    start = years.day("2014-06-10", -7)
    return years.logan("TonyGrove2014", start, start + timedelta(days=31), WATER)


@needs_shared
@pytest.mark.parametrize(
    ("year", "fills"),
    [
        (month, ("verdict", "average", "assessment", "score", "episode")),
        (sonde, ("verdict", "average", "assessment", "score")),
    ],
    ids=["beijing", "logan"],
)
def test_shuffled_doubled_and_delayed_it_ends_in_the_same_tables(
    conn: Connection, year: years.Make, fills: tuple[str, ...]
) -> None:
    rows = years.in_order(conn, year(), every=7)
    expected, readings = world.picture(conn), years.messages(conn)
    assert readings.height == rows > 10_000
    assert all(expected[name] for name in fills), "the month is too quiet"
    made = conn.execute(
        "SELECT s.parameter FROM average a JOIN series s ON s.id = a.series JOIN derivation d ON d.series = s.id"
        " WHERE a.value IS NOT NULL GROUP BY 1"
    ).fetchall()
    assert len(made) == 2, made
    years.forget(conn)
    came = years.out_of_order(conn, readings, 12, pauses=3, budget=20_000)
    assert came["new"] == rows
    assert came["duplicates"] == came["read"] - rows > rows / 5
    assert came["settled"] >= 1
    assert world.picture(conn) == expected
