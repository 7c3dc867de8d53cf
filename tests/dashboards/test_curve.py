"""Curves at the width of a panel: what a loop over all rows makes of them, on both tiers, of never too many rows."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import fmean
from typing import Any

import pytest

from analytics.store.connection import Connection, connect
from tests.conftest import Make

STATION, OFFSET = "l'O\"1", timedelta(hours=8)
START, DAYS = datetime(2026, 3, 1, tzinfo=UTC), 40
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: Both series are silent; the first one alone is.
DEAD = (START + timedelta(hours=20), START + timedelta(hours=23))
ILL = (START + timedelta(hours=30), START + timedelta(hours=31))

Point = tuple[float | None, float | None, float | None, float | None, float | None, float | None, int]


@pytest.fixture(scope="module", params=["apache", "plain"])
def kept(make_database: Make, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """Two days of minutes of a series that speaks and of ten minutes of its stand-in; forty of hours and days."""
    with closing(connect(make_database(request.param))) as conn:
        conn.execute("INSERT INTO station (code) VALUES (%s)", [STATION])
        conn.execute("INSERT INTO term (kind, name) VALUES ('averaging', 'hour'), ('averaging', 'day')")
        conn.execute(
            """
            INSERT INTO series (station, parameter, cadence)
            SELECT id, 'pm25', cadence FROM station, unnest(ARRAY[60, 600]) AS cadence
            """
        )
        conn.execute(
            """
            INSERT INTO observation (time, value, series, batch)
            SELECT time, 10 + 0.5 * s.cadence / 60 + extract(epoch FROM time)::int8 / 60 %% 97, s.id, 1
            FROM series s CROSS JOIN LATERAL generate_series(
                %s::timestamptz, %s::timestamptz - interval '1 s', make_interval(secs => s.cadence)) AS time
            WHERE NOT (time >= %s AND time < %s) AND NOT (s.cadence = 60 AND time >= %s AND time < %s)
            """,
            [START, START + 2 * DAY, *DEAD, *ILL],
        )
        conn.execute(
            """
            INSERT INTO verdict (time, series, tests, code)
            SELECT time, series, 1, CASE WHEN extract(minute FROM time) < 30 THEN 3 ELSE 4 END
            FROM observation WHERE extract(minute FROM time)::int % 11 = 7
            """
        )
        conn.execute(
            """
            INSERT INTO corrected (time, series, value)
            SELECT time, series, CASE WHEN extract(minute FROM time)::int % 2 = 0 THEN value + 100 END
            FROM observation WHERE extract(minute FROM time)::int % 13 = 5
            """
        )
        conn.execute(
            """
            INSERT INTO average (time, value, series, count, expected, averaging)
            SELECT time, CASE WHEN s.cadence = 60 AND extract(hour FROM time) = 5 THEN NULL ELSE
                       s.cadence + extract(epoch FROM time)::int8 / 3600 %% 31 END, s.id, 50, 60, g.id
            FROM series s JOIN term g ON g.kind = 'averaging'
            CROSS JOIN LATERAL generate_series(
                %s::timestamptz + CASE g.name WHEN 'day' THEN interval '16 hours' ELSE interval '0' END,
                %s::timestamptz - interval '1 s',
                CASE g.name WHEN 'day' THEN interval '1 day' ELSE interval '1 hour' END
            ) AS time
            """,
            [START, START + DAYS * DAY],
        )
        yield conn


#: since, until, width of a point, what it is made of.
CASES = (
    (START, START + 6 * HOUR, MINUTE, "reading"),
    (START + 18 * HOUR, START + 33 * HOUR, 2 * MINUTE, "reading"),
    (START, START + 2 * DAY, 5 * MINUTE, "reading"),
    (START, START + 2 * DAY, 20 * MINUTE, "reading"),
    (START + timedelta(minutes=7), START + 30 * HOUR, timedelta(seconds=10), "reading"),
    (START, START + 2 * DAY, 21 * MINUTE, "hour"),
    (START, START + 30 * DAY, HOUR, "hour"),
    (START, START + 39 * DAY, timedelta(minutes=100), "hour"),
    (START, START + DAYS * DAY, 21 * HOUR, "day"),
    (START, START + DAYS * DAY, 50 * HOUR, "day"),
)


@pytest.mark.parametrize(("since", "until", "step", "grain"), CASES)
def test_a_curve_is_what_a_loop_makes_of_the_rows(
    kept: Connection, since: datetime, until: datetime, step: timedelta, grain: str
) -> None:
    rows = asked(
        kept,
        """
        SELECT time, mean, low, high, filled, suspect, fail, count, grain, width
        FROM report.curve(%s, 'pm25', '', %s, %s, %s)
        """,
        STATION,
        since,
        until,
        step / timedelta(milliseconds=1),
    )
    width = wide(step, grain)
    assert {(row[8], row[9]) for row in rows} == {(grain, width)}
    expected = looped(chosen(kept, since, until, grain), width)
    assert [row[0] for row in rows] == sorted(expected)
    for time, *values in rows:
        assert numbers(values[:7]) == pytest.approx(numbers(expected[time]), rel=1e-12, nan_ok=True), time
    # Never more than twenty rows a point, of each of the two series.
    assert sum(row[7] for row in rows) <= 2 * 20 * max(1, math.ceil((until - since) / step))


def asked(conn: Connection, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows."""
    return conn.execute(sql.encode(), values).fetchall()


def numbers(values: Iterable[float | None]) -> list[float]:
    """`values`; what is missing is no number."""
    return [math.nan if value is None else float(value) for value in values]


def wide(step: timedelta, grain: str) -> timedelta:
    """Of a point: never narrower than what it is made of, whole hours or days of it."""
    if grain == "reading":
        return max(step, MINUTE)
    unit = HOUR if grain == "hour" else DAY
    return math.ceil(step / unit) * unit


def chosen(
    conn: Connection, since: datetime, until: datetime, grain: str
) -> list[tuple[datetime, float | None, int, int]]:
    """time, value, rank, verdict of what speaks at each time."""
    if grain == "reading":
        query = """
            SELECT o.time, CASE WHEN c.time IS NULL THEN o.value ELSE c.value END, (s.cadence = 600)::int,
                   coalesce(v.code, 2)
            FROM observation o JOIN series s ON s.id = o.series
            LEFT JOIN verdict v USING (series, time) LEFT JOIN corrected c USING (series, time)
        """
    else:
        query = f"""
            SELECT time, value, (s.cadence = 600)::int, 2 FROM average a JOIN series s ON s.id = a.series
            JOIN term g ON g.id = a.averaging AND g.name = '{grain}'
        """
    best: dict[datetime, tuple[datetime, float | None, int, int]] = {}
    for row in asked(conn, query):
        if since <= row[0] <= until:
            have = best.get(row[0])
            if have is None or (row[1] is None, row[2]) < (have[1] is None, have[2]):
                best[row[0]] = (row[0], row[1], row[2], row[3])
    return list(best.values())


def looped(rows: list[tuple[datetime, float | None, int, int]], width: timedelta) -> dict[datetime, Point]:
    """Start of a point -> its values; and those without any, behind a point that none follows within three."""
    origin = datetime(2000, 1, 1, tzinfo=UTC) - OFFSET
    buckets = defaultdict(list)
    for time, value, rank, code in rows:
        buckets[origin + (time - origin) // width * width].append((value, rank, code))
    points: dict[datetime, Point] = {}
    for start, held in buckets.items():
        good = [value for value, rank, code in held if value is not None and code == 2 and rank == 0]
        second = [value for value, rank, code in held if value is not None and code == 2 and rank == 1]
        suspect = [value for value, _, code in held if value is not None and code == 3]
        fail = [value for value, _, code in held if value is not None and code == 4]
        points[start] = (
            fmean(good) if good else None,
            min(good, default=None),
            max(good, default=None),
            fmean(second) if second else None,
            max(suspect, default=None),
            max(fail, default=None),
            sum(value is not None for value, _, _ in held),
        )
    starts = sorted(points)
    for start, following in pairwise(starts):
        if following - start > 3 * width:
            points[start + width] = (None,) * 6 + (0,)
    return points


def test_the_gap_is_there_and_the_stand_in_is_apart(kept: Connection) -> None:
    query = "SELECT time, mean, filled FROM report.curve(%s, 'pm25', '', %s, %s, 60000)"
    rows = asked(kept, query, STATION, START, START + 2 * DAY)
    assert [row for row in rows if DEAD[0] <= row[0] < DEAD[1]] == [(DEAD[0], None, None)]
    ill = [row for row in rows if ILL[0] <= row[0] < ILL[1] and (row[1], row[2]) != (None, None)]
    assert len(ill) >= 4
    assert all(mean is None and filled is not None for _, mean, filled in ill)


@pytest.mark.parametrize("step", [1.0, 60_000.0, 3_600_000.0, 86_400_000.0])
def test_of_nothing_there_is_nothing(kept: Connection, step: float) -> None:
    sql = "SELECT * FROM report.curve(%s, %s, '', %s, %s, %s)"
    assert kept.execute(sql, ["nobody", "pm25", START, START + DAY, step]).fetchall() == []
    assert kept.execute(sql, [STATION, "o3", START, START + DAY, step]).fetchall() == []
    assert kept.execute(sql, [STATION, "pm25", START + DAY, START, step]).fetchall() == []


def test_where_no_means_are_kept_readings_are_read(kept: Connection) -> None:
    with kept.transaction(force_rollback=True):
        kept.execute("DELETE FROM average")
        query = "SELECT grain, sum(count)::int FROM report.curve(%s, 'pm25', '', %s, %s, 86400000) GROUP BY grain"
        [(grain, rows)] = asked(kept, query, STATION, START, START + 2 * DAY)
    assert grain == "reading"
    assert rows > 2000
