"""What dashboards of many stations read: a loop over all rows as the oracle; limits and colours as in the tables."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import Any

import pytest

from analytics import standards
from analytics.store.connection import Connection, connect
from dashboards.pieces import classes
from tests.conftest import Make

START, DAYS = datetime(2026, 3, 1, tzinfo=UTC), 45
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: Twelve stations in two districts; three more in none. A month of hours of fifteen is more than it takes to read days.
HERE, EVERY = ["l'Est", "Nord"], ["l'Est", "Nord", ""]


@pytest.fixture(scope="module")
def many(make_database: Make) -> Iterator[Connection]:
    """Hours and days of means and of indices; station 3 has a stand-in that speaks while it is ill."""
    with closing(connect(make_database("apache"))) as conn:
        conn.execute("INSERT INTO station (code) SELECT 'S' || lpad(n::text, 2, '0') FROM generate_series(1, 15) AS n")
        conn.execute(
            """
            INSERT INTO membership (station, kind, place)
            SELECT id, 'district', CASE WHEN id % 2 = 0 THEN 'l''Est' ELSE 'Nord' END FROM station WHERE code <= 'S12'
            """
        )
        conn.execute(
            "INSERT INTO membership SELECT id, 'noise_zone', '-infinity', '4a' FROM station WHERE code = 'S01'"
        )
        conn.execute(
            """
            INSERT INTO series (station, parameter, cadence) SELECT id, 'pm25', 60 FROM station
            UNION ALL SELECT id, 'pm25', 600 FROM station WHERE code = 'S03'
            """
        )
        conn.execute(
            """
            INSERT INTO term (kind, name) VALUES ('averaging', 'hour'), ('averaging', 'day'),
                ('standard', 'HJ 633-2026'), ('standard', 'GB 3838-2002'), ('primary', 'pm25')
            """
        )
        conn.execute("CREATE TEMP TABLE times (averaging int2, time timestamptz)")
        conn.execute(
            """
            INSERT INTO times SELECT g.id, time FROM term g CROSS JOIN LATERAL generate_series(
                %s::timestamptz + CASE g.name WHEN 'day' THEN interval '16 hours' ELSE interval '0' END,
                %s::timestamptz - interval '1 s', CASE g.name WHEN 'day' THEN interval '1 day' ELSE '1 hour' END
            ) AS time WHERE g.kind = 'averaging' AND NOT (g.name = 'hour' AND time >= %s AND time < %s)
            """,
            [START, START + DAYS * DAY, START + 30 * HOUR, START + 36 * HOUR],
        )
        conn.execute(
            """
            INSERT INTO average (series, averaging, time, value, count, expected)
            SELECT s.id, averaging, time,
                   CASE WHEN s.station <> 3 OR s.cadence <> 60 OR extract(day FROM time AT TIME ZONE 'UTC') <> 5
                        THEN s.id * 3 + extract(epoch FROM time)::int8 / 3600 % 29 END, 45, 60
            FROM series s CROSS JOIN times
            """
        )
        conn.execute(
            """
            INSERT INTO assessment (station, averaging, standard, time, known, index, class, "primary", count)
            SELECT s.id, averaging, d.id, time, time, (s.id * 7 + extract(epoch FROM time)::int8 / 3600) % 240,
                   2, p.id, 6
            FROM station s CROSS JOIN times JOIN term d ON d.kind = 'standard' JOIN term p ON p.kind = 'primary'
            """
        )
        conn.execute("ANALYZE")
        yield conn


def asked(conn: Connection, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows."""
    return conn.execute(sql.encode(), values).fetchall()


def test_all_stations_of_the_districts_or_those_that_are_named(many: Connection) -> None:
    chosen = "SELECT station FROM report.chosen(%s, %s) ORDER BY 1"
    assert len(asked(many, chosen, EVERY, [""])) == 15
    assert asked(many, chosen, ["l'Est"], [""]) == [(f"S{n:02}",) for n in range(2, 13, 2)]
    assert asked(many, chosen, ["Nord"], ["S02", "S03", "S07"]) == [("S03",), ("S07",)]
    assert asked(many, chosen, [], [""]) == []
    assert asked(many, chosen, HERE, ["nobody"]) == []


def test_a_stand_in_speaks_where_the_first_does_not(many: Connection) -> None:
    rows = asked(
        many,
        """
        SELECT time, filled, value FROM report.means(%s, %s, ARRAY['pm25'], 'hour', %s, %s)
        WHERE value IS NOT NULL ORDER BY time
        """,
        HERE,
        ["S03"],
        START + 3 * DAY,
        START + 6 * DAY,
    )
    assert len(rows) == len({row[0] for row in rows}) == 73
    assert {row[0].day for row in rows if row[1]} == {5}
    assert {row[0].day for row in rows if not row[1]} == {4, 6, 7}


@pytest.mark.parametrize(
    ("districts", "days", "step", "grain"),
    [
        (HERE, 4, HOUR, "hour"),
        (HERE, 20, 3 * HOUR, "hour"),
        (EVERY, 40, 5 * HOUR, "hour"),
        (HERE, 30, 21 * HOUR, "day"),
    ],
)
def test_the_spread_is_what_a_loop_makes_of_the_means(
    many: Connection, districts: list[str], days: int, step: timedelta, grain: str
) -> None:
    until = START + days * DAY
    rows = asked(
        many,
        "SELECT time, mean, low, high, count, grain FROM report.spread(%s, %s, 'pm25', %s, %s, %s)",
        districts,
        [""],
        START,
        until,
        step / timedelta(milliseconds=1),
    )
    means = asked(
        many,
        f"""
        SELECT time, value FROM report.mean WHERE averaging = '{grain}' AND time BETWEEN %s AND %s AND value IS NOT NULL
            AND station IN (SELECT station FROM report.district WHERE district = ANY (%s))
        """,
        START,
        until,
        districts,
    )
    width = max(step, HOUR) if grain == "hour" else DAY
    origin = datetime(2000, 1, 1, tzinfo=UTC) - (timedelta() if grain == "hour" else 8 * HOUR)
    points = defaultdict(list)
    for time, value in means:
        points[origin + (time - origin) // width * width].append(value)
    assert {row[5] for row in rows} == {grain}
    told = {row[0]: row[1:5] for row in rows if row[4]}
    assert told.keys() == points.keys()
    for time, values in points.items():
        assert told[time] == pytest.approx((fmean(values), min(values), max(values), len(values)), rel=1e-12), time
    # The six hours without any are a gap of three points and more, or none.
    gaps = [row[0] for row in rows if not row[4]]
    assert gaps == ([START + 30 * HOUR] if grain == "hour" and width == HOUR else [])


def test_the_index_over_the_stations(many: Connection) -> None:
    until = START + 5 * DAY
    rows = asked(
        many,
        "SELECT time, worst, median, best, count FROM report.indices(%s, %s, 'HJ 633', %s, %s, 3600000)",
        HERE,
        [""],
        START,
        until,
    )
    held = defaultdict(list)
    for time, index in asked(
        many,
        """
        SELECT time, index FROM report.assessment WHERE averaging = 'hour' AND standard = 'HJ 633-2026'
            AND time BETWEEN %s AND %s AND station <= 'S12'
        """,
        START,
        until,
    ):
        held[time].append(index)
    told = {row[0]: tuple(row[1:]) for row in rows}
    assert told.pop(START + 30 * HOUR) == (None, None, None, 0)
    assert told == {time: (max(each), median(each), min(each), 12) for time, each in held.items()}


def test_days_are_read_where_hours_were_too_many_rows(many: Connection) -> None:
    asking = "SELECT DISTINCT grain FROM report.graded(%s, %s, 'HJ 633', %s, %s, 3600000)"
    assert asked(many, asking, EVERY, [""], START, START + 40 * DAY) == [("hour",)]
    # 15 stations x 24 hours x 90 days are 32,400.
    assert asked(many, asking, EVERY, [""], START - 45 * DAY, START + 45 * DAY) == [("day",)]
    assert asked(many, asking, EVERY, ["S01"], START - 45 * DAY, START + 45 * DAY) == [("hour",)]


def test_only_the_standards_of_the_family_are_read(many: Connection) -> None:
    asking = "SELECT DISTINCT standard FROM report.assessed(%s, %s, %s, 'day', %s, %s)"
    for family, standard in (("HJ 633", "HJ 633-2026"), ("GB 3838", "GB 3838-2002")):
        assert asked(many, asking, HERE, [""], family, START, START + 9 * DAY) == [(standard,)]
    assert asked(many, asking, HERE, [""], "GB", START - 9 * DAY, START - DAY) == []


def test_the_limit_of_a_noise_zone(many: Connection) -> None:
    rows = asked(many, 'SELECT station, parameter, averaging, "limit" FROM report.noise_limit ORDER BY 2, 3')
    assert rows == [("S01", "laeq", "ld", 70), ("S01", "laeq", "ln", 55), ("S01", "lafmax", "", 70)]


def test_the_limits_of_water_are_those_of_the_table(many: Connection) -> None:
    table = standards.tables()["standards/gb3838_limits"]
    assert isinstance(table, list)
    wanted = {
        (
            row["parameter"],
            row["water_body"],
            int(row["class"]),
            *(float(row[end]) if row[end] else None for end in ("low", "high")),
        )
        for row in table
    }
    assert set(asked(many, "SELECT parameter, water_body, class, low, high FROM report.water_limit")) == wanted
    assert asked(many, "SELECT DISTINCT water_body FROM report.water_body") == [("river",)]


def test_the_colours_of_the_dashboards_are_those_of_the_store(many: Connection) -> None:
    rows = asked(many, "SELECT label, colour, standard, class FROM report.class")
    assert {label: colour.lower() for label, colour, *_ in rows} == {
        words: colour.lower() for words, colour in classes().values()
    }
    for standard in ("HJ 633-2026", "GB 3838-2002"):
        one = {str(level): (label, colour) for label, colour, name, level in rows if name == standard}
        assert one == classes(standard)
