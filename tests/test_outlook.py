"""The days ahead: their index, the tier they call for, and the command that says so."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from analytics import averaging, outlook, parameters, standards, tables
from analytics.frames import TIME
from analytics.store import forecasts, terms
from analytics.store.connection import Connection
from analytics.tables import TableError
from jobs import outlook as job
from tests import world
from tests.commands.terminal import DONE, greenwatch
from tests.world import HOUR

TIERS = outlook.load()
RULES = (standards.load(), parameters.load(), averaging.load())
PLACE = pl.DataFrame(
    [(1, 480, None)],
    schema={"station": pl.Int32, "offset": pl.Int16, "places": standards.PLACES},
    orient="row",
)
#: Local midnight at UTC+8, of 2 December 2025: HJ 633-2012 is in force.
MIDNIGHT = datetime(2025, 12, 1, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("indices", "tier"),
    [
        ([], None),
        ([200, 150, 150], None),  # at a line, not above it
        ([201], "yellow"),
        ([151, 151], "yellow"),
        ([151, 90, 151], None),  # not in a row
        ([151, None, 151], None),  # who knows
        ([201, 201], "orange"),
        ([201, 90, 201], "yellow"),
        ([151, 151, 151], "orange"),
        ([201, 201, 201], "orange"),  # red needs a day above 300
        ([201, 301, 201], "red"),
        ([301, 201, 90, 201], "orange"),
        ([90, 301, 250, 201], "red"),
    ],
)
def test_a_tier_is_called_by_the_lines_of_the_plan(indices: list[float | None], tier: str | None) -> None:
    found = outlook.called(indices, TIERS)
    assert (None if found is None else found.name) == tier


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lines": []}, r"\[red\] 'lines': one at least"),
        ({"lines": [3]}, r"'lines' 1: must be a table"),
        ({"lines": [{"above": 200}]}, r"'lines' 1: 'days' is missing"),
        ({"lines": [{"above": 200, "days": 0}]}, r"'days' must be 1 or more"),
        ({"lines": [{"above": 200, "days": 1, "summit": 3}]}, r"unknown key 'summit'"),
        ({"order": "first"}, r"'order' cannot be 'first'"),
    ],
)
def test_a_wrong_table_is_refused(change: dict[str, Any], message: str) -> None:
    content: Any = tables.read(outlook.TABLE)
    content["red"] |= change
    with pytest.raises(TableError, match=message):
        outlook.parse(content)


def hours(parameter: str, values: list[float]) -> pl.DataFrame:
    times = [MIDNIGHT + number * HOUR for number in range(len(values))]
    return pl.DataFrame(
        {"parameter": parameter, "time": times, "value": values}, schema_overrides={"time": TIME, "value": pl.Float64}
    )


def test_the_index_of_a_day_is_that_of_its_means() -> None:
    """PM2.5 of 150 is 200, of 250 is 300; ozone of 8 h at 160 is 100; a day of which too little is known has none."""
    fine = hours("pm25", [150.0] * 24 + [250.0] * 24 + [500.0] * 19)
    ozone = hours("o3", [40.0] * 8 + [160.0] * 12 + [40.0] * 4 + [400.0] * 3)
    found = outlook.days(pl.concat([fine, ozone]), PLACE, *RULES)
    assert found.select("day", "standard", "index", "primary").rows() == [
        (date(2025, 12, 2), "HJ 633-2012", 200, "pm25"),
        (date(2025, 12, 3), "HJ 633-2012", 300, "pm25"),
    ]
    alone = outlook.days(ozone, PLACE, *RULES)
    assert alone.select("day", "index").rows() == [(date(2025, 12, 2), 100)]


def test_what_was_measured_and_what_is_forecast_are_one_day(conn: Connection, dsn: str) -> None:
    """Two stations: 100 and 200 measured till noon, then 220 and 280 ahead, 40 more or less at the ends of the band."""
    one, two = world.settle_world(conn, [("A", "pm25"), ("B", "pm25")])
    noon = MIDNIGHT + 12 * HOUR
    assert job.run(conn, noon) == []
    averaging = terms.intern(conn, "averaging", ["hour"])["hour"]
    for series, now, later in ((one, 100.0, 220.0), (two, 200.0, 280.0)):
        with conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO average (time, value, series, count, expected, averaging) VALUES (%s, %s, %s, 1, 1, %s)",
                [(MIDNIGHT + number * HOUR, now, series, averaging) for number in range(12)],
            )
        row = {
            "series": series,
            "value": [later] * 72,
            "low": [later - 40] * 72,
            "high": [later + 40] * 72,
            "models": ["x"] * 72,
            "skill": [None] * 72,
            "reason": "",
        }
        made = pl.DataFrame([row], schema_overrides={"skill": pl.List(pl.Float64)})
        forecasts.save(conn, made, noon, HOUR, 0.8, None)
    conn.execute("UPDATE forecast SET known = issued")
    (found,) = job.run(conn, noon + timedelta(minutes=10))
    assert (found.district, found.stations, found.issued) == ("", 2, noon)
    # 150 measured and 250 forecast are 200 of today: 250 of the index; then 250: 300. Today half of the band counts.
    assert found.days.select("day", "index", "low", "high").rows() == [
        (date(2025, 12, 2), 250, 230, 270),
        (date(2025, 12, 3), 300, 260, 340),
        (date(2025, 12, 4), 300, 260, 340),
    ]
    assert found.tier == TIERS["orange"]
    assert found.possible == TIERS["red"]
    at = ("--at", (noon + timedelta(minutes=10)).isoformat(), "--dsn", dsn)
    said = greenwatch("outlook", *at, "--language", "en")
    assert said.code == DONE, said.err
    assert "These days call for: orange warning." in said.out
    assert "At the upper end of the band they would call for: red warning." in said.out
    assert "橙色预警" in greenwatch("outlook", *at).out
    plain = greenwatch("outlook", *at, "--json").json
    assert [(each["tier"], each["possible"]) for each in plain] == [("orange", "red")]
    assert job.run(conn, noon + 7 * HOUR) == []  # it is too old
