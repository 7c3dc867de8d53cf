"""What is learned of how often channels speak, from readings whose answer is seen by eye; kept by `relearn`."""

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from analytics.alarms import cadence
from analytics.frames import TIME

MONDAY = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
READINGS: dict[str, Any] = {"series": pl.Int32, "time": TIME, "known": TIME}

Said = list[tuple[datetime, float | None]]


def newest(said: Said, days: int) -> pl.DataFrame:
    """READINGS of a series that said something at a time and came so many seconds later (None: not live): of each day
    the newest ones."""
    rows = []
    for day in range(days):
        start = MONDAY + day * DAY
        of = sorted((each for each in said if start <= each[0] < start + DAY), key=lambda each: each[0])
        rows += [(1, at, None if late is None else at + timedelta(seconds=late)) for at, late in of[-cadence.NEWEST :]]
    return pl.DataFrame(rows, schema=READINGS, orient="row")


def hours(said: Said) -> pl.DataFrame:
    whole = sorted({at.replace(minute=0, second=0) for at, _ in said})
    return pl.DataFrame([(1, at) for at in whole], schema={"series": pl.Int32, "time": TIME}, orient="row")


def learned(said: Said, days: int = cadence.DAYS) -> dict[str, float] | None:
    made = cadence.learn(newest(said, days), hours(said))
    return None if made.is_empty() else json.loads(made["blob"].item())


def every(step: timedelta, start: datetime = MONDAY, length: timedelta = 35 * DAY, late: float = 2.0) -> Said:
    return [(start + n * step, late) for n in range(length // step)]


@pytest.mark.parametrize(
    ("step", "late"), [(MINUTE, 2.0), (5 * MINUTE, 30.0), (HOUR, 3700.0), (4 * HOUR, 15000.0), (DAY, 90000.0)]
)
def test_a_steady_channel_is_its_step_and_its_delay(step: timedelta, late: float) -> None:
    assert learned(every(step, late=late)) == {
        "gap": step.total_seconds(),
        "long": step.total_seconds(),
        "delay": late,
        "late": late,
    }


def test_a_pause_each_night_and_each_weekend_is_a_habit() -> None:
    night = [each for n in range(35) for each in every(MINUTE, MONDAY + n * DAY + 14 * HOUR, 8 * HOUR)]
    # From 21:59 to 14:00, by the hour.
    assert learned(night) == {"gap": 60.0, "long": 17 * 3600.0, "delay": 2.0, "late": 2.0}
    workdays = [each for n in range(35) if n % 7 < 5 for each in every(MINUTE, MONDAY + n * DAY + 6 * HOUR, 10 * HOUR)]
    found = learned(workdays)
    assert found is not None
    # From Friday 15:59 to Monday 06:00, by the hour.
    assert found["long"] == 63 * 3600.0


def test_three_outages_are_no_habit() -> None:
    def there(at: datetime) -> bool:
        return not any(MONDAY + n * DAY <= at < MONDAY + n * DAY + 9 * HOUR for n in (3, 17, 30))

    # What waits in the evening of a day comes an hour late in one go.
    said: Said = [(at, 3602.0 if (at.day, at.hour) == (20, 23) else 2.0) for at, _ in every(MINUTE) if there(at)]
    assert learned(said) == {"gap": 60.0, "long": 60.0, "delay": 2.0, "late": 2.0}


def test_of_few_days_less_is_known_and_of_fewer_nothing() -> None:
    assert learned(every(MINUTE, length=2 * DAY), 3) is None
    with_gap = [each for each in every(MINUTE, length=6 * DAY) if not 4 <= (each[0] - MONDAY) / HOUR < 8]
    assert learned(with_gap, 6) == {"gap": 60.0, "long": 5 * 3600.0, "delay": 2.0, "late": 2.0}
    with_gap += every(MINUTE, MONDAY + 6 * DAY, DAY)
    assert learned(with_gap, 7) == {"gap": 60.0, "long": 60.0, "delay": 2.0, "late": 2.0}


def test_what_did_not_come_live_teaches_nothing() -> None:
    assert learned([(at, None) for at, _ in every(MINUTE)]) is None
    half = [(at, late if at.minute % 2 else None) for at, late in every(MINUTE)]
    assert learned(half) == {"gap": 120.0, "long": 120.0, "delay": 2.0, "late": 2.0}


def test_the_same_readings_are_the_same_bytes_in_any_order() -> None:
    said = every(7 * MINUTE)
    one, two = newest(said, 35), hours(said)
    made = cadence.learn(one, two)
    again = cadence.learn(one.sample(fraction=1, shuffle=True, seed=1), two.reverse())
    assert made.equals(again)


def test_the_newest_fit_is_the_one_that_is_read() -> None:
    blobs = [json.dumps({"gap": g, "long": g, "delay": 1.0, "late": 1.0}).encode() for g in (60.0, 120.0)]
    fits = pl.DataFrame(
        {"subject": [7, 7], "valid_from": [MONDAY + DAY, MONDAY], "blob": blobs},
        schema={"subject": pl.Int32, "valid_from": TIME, "blob": pl.Binary},
    )
    assert cadence.read(fits).rows() == [(7, 60.0, 60.0, 1.0, 1.0)]
    assert cadence.read(fits.clear()).is_empty()
