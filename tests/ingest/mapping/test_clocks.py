"""Stamps of tables as times: every form, both sides of a change of clocks, the end of a period, a column of hours."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.frames import Batch
from analytics.ingest import mapping, read_as
from tests.ingest.reading import Write, held, parquet, together


def table(clock: str, lines: list[str], header: str = "t,pm", *cuts: int) -> Batch:
    """Lines of stamps, each with the value 1, by the clock `clock`."""
    text = (
        f"origin = 'test'\nstation = 'yard'\n[columns]\npm = {{ channel = 'pm25', unit = 'µg/m³' }}\n[time]\n{clock}\n"
    )
    content = "".join(f"{line}\n" for line in [header, *(f"{line},1" for line in lines)]).encode()
    return together(list(read_as(mapping(text, "test"), held(content, *cuts))))


def read(clock: str, lines: list[str], header: str = "t,pm") -> list[str]:
    batch = table(clock, lines, header)
    assert batch.read == len(lines)
    return [time.strftime("%Y-%m-%dT%H:%M:%S") for time in batch.cells["time"]]


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("%Y-%m-%d %H:%M:%S", ["2026-02-03 04:05:06", " 2026-2-3 4:05:06 "], ["26-02-03 04:05:06", "2026-02-03 04:05"]),
        ("%d/%m/%Y %H.%M", ["03/02/2026 04.05"], ["03/13/2026 04.05", "03/02/2026 04:05", "03/02/0026 04.05"]),
        ("%m/%d/%y %I:%M:%S %p", ["02/03/26 04:05:06 AM", "2/3/26 4:05:06 am"], ["02/03/26 16:05:06 PM"]),
        ("%Y%m%d", ["20260203"], ["2026-02-03", "20260230"]),
        ("%Y-%m-%d %H", ["2026-02-03 4"], ["2026-02-03 24", "2026-02-03"]),
        ("%Y-%j", ["2026-34"], ["2026-366", "2026-0"]),
        ("%Y-%m-%dT%H:%M:%S%.f", ["2026-02-03T04:05:06.250000", "2026-02-03T04:05:06"], ["2026-02-03T04:05:06,5"]),
        ("%d %b %Y", ["3 Feb 2026"], ["3 Fev 2026"]),
        ("epoch", ["1770091506", "1770091506.0"], ["x", "-5", "99999999999", "nan"]),
        ("epoch-ms", ["1770091506000"], ["1e30"]),
        ("iso", ["2026-02-03T04:05:06Z", "2026-02-03 12:05:06+08:00"], ["2026-02-03 04:05:06", "1960-01-01T00:00:00Z"]),
    ],
)
def test_a_stamp_is_read_in_its_form_and_in_no_other(form: str, good: list[str], bad: list[str]) -> None:
    batch = table(f"columns = ['t']\nform = '{form}'\nzone = 'UTC'", [f'"{line}"' for line in [*good, *bad]])
    wanted = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    found = batch.cells["time"].to_list()
    assert len(found) == len(good)
    assert all(time in {wanted.replace(microsecond=250_000)} | _cut(wanted) for time in found)
    assert sorted(batch.rejects["stamp"]) == sorted(bad)


def _cut(time: datetime) -> set[datetime]:
    """The same with less and less of it."""
    return {
        time,
        time.replace(second=0),
        time.replace(minute=0, second=0),
        time.replace(hour=0, minute=0, second=0),
    }


def test_forms_are_tried_in_order_and_columns_joined() -> None:
    clock = "columns = ['day', 'clock']\nform = ['%Y-%m-%d %H:%M', '%m/%d/%Y %H:%M']\nzone = '+01:00'"
    lines = ["2026-02-03,00:30", "2/4/2026,0:30", ",0:30", "2026-02-05,"]
    assert read(clock, lines[:2], "day,clock,pm") == ["2026-02-02T23:30:00", "2026-02-03T23:30:00"]
    assert table(clock, lines, "day,clock,pm").rejects["stamp"].to_list() == [" 0:30", "2026-02-05 "]


def test_ends_are_moved_to_starts_and_hours_of_1_to_24_are_added() -> None:
    clock = "columns = ['day']\nform = '%Y-%m-%d'\nzone = '+08:00'\nadd = 'hour'\nbefore = '1h'"
    batch = table(
        clock, ["2026-01-01,1", "2026-01-01,24", "2026-01-01,25", "2026-01-01,-1", "2026-01-01,x"], "day,hour,pm"
    )
    assert [time.hour for time in batch.cells["time"]] == [16, 15]
    assert batch.rejects["reason"].unique().to_list() == ["unreadable time"]
    assert batch.rejects["stamp"].to_list() == ["2026-01-01 -1", "2026-01-01 25", "2026-01-01 x"]


def test_a_stamp_of_another_clock_than_the_stations_is_told_apart() -> None:
    clock = "columns = ['t']\nform = '%Y-%m-%d'\nzone = 'UTC'\nlocal = 'America/Los_Angeles'"
    batch = table(clock, ["2026-07-01"])
    assert batch.cells["time"].to_list() == [datetime(2026, 7, 1, tzinfo=UTC)]
    assert batch.stations == {"yard": {"utc_offset": -480}}


# The change of clocks: on 2015-03-29 Madrid has no 02:30, on 2015-10-25 it has two.

MADRID = "columns = ['t']\nform = '%Y-%m-%d %H:%M'\nzone = 'Europe/Madrid'\n"
SPRING = ["2015-03-29 01:30", "2015-03-29 02:30", "2015-03-29 03:30"]
AUTUMN = ["2015-10-25 01:30", "2015-10-25 02:30", "2015-10-25 02:30", "2015-10-25 03:30"]


def test_the_hour_that_is_skipped_is_refused_by_name() -> None:
    batch = table(MADRID, SPRING)
    assert [time.strftime("%H:%M") for time in batch.cells["time"]] == ["00:30", "01:30"]
    assert batch.rejects.select("stamp", "reason").rows() == [("2015-03-29 02:30", "time that the clock skips")]
    assert batch.stations == {"yard": {"utc_offset": 60}}


@pytest.mark.parametrize(
    ("twice", "kept", "refused"),
    [
        ("reject", ["23:30", "02:30"], 2),
        ("order", ["23:30", "00:30", "01:30", "02:30"], 0),
        ("first", ["23:30", "00:30", "00:30", "02:30"], 0),
        ("second", ["23:30", "01:30", "01:30", "02:30"], 0),
    ],
)
def test_the_hour_that_comes_twice_is_told_apart_or_refused_by_name(twice: str, kept: list[str], refused: int) -> None:
    batch = table(f"{MADRID}twice = '{twice}'", AUTUMN)
    assert [time.strftime("%H:%M") for time in batch.cells["time"]] == kept
    assert batch.rejects["reason"].to_list() == ["time that the clock shows twice"] * refused


def test_the_order_is_that_of_one_station_and_holds_across_blocks() -> None:
    text = "origin = 'test'\nstation = '<who>'\n[columns]\npm = { channel = 'pm25', unit = 'µg/m³' }\n[time]\n" + MADRID
    lines = [f"2015-10-25 02:{minute},{who},1\n" for who in "AB" for _ in range(2) for minute in ("00", "30")]
    content = ("t,who,pm\n" + "".join(lines) + "2015-10-25 02:00,A,9\n").encode()
    wanted = [(who, hour, minute) for who in "AB" for hour in (0, 1) for minute in (0, 30)]
    for cut in range(1, len(content), 7):
        batch = together(list(read_as(mapping(text + "twice = 'order'", "test"), held(content, cut))))
        found = [(who, time.hour, time.minute) for who, time in batch.cells.select("station", "time").rows()]
        assert sorted(found) == wanted
        assert batch.rejects.select("text", "reason").rows() == [("9", "time that the clock shows twice, a third time")]


ZONES = ["Europe/London", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe"]


@settings(max_examples=12, deadline=None)
@given(day=st.integers(0, 365 * 50), zone=st.sampled_from(ZONES))
def test_half_a_year_of_a_clock_in_order_comes_back_whole(day: int, zone: str) -> None:
    start = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(days=day)
    instants = pl.datetime_range(start, start + timedelta(days=200), "30m", time_zone="UTC", eager=True)
    stamps = instants.dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M").to_list()
    batch = table(f"columns = ['t']\nform = '%Y-%m-%d %H:%M'\nzone = '{zone}'\ntwice = 'order'", stamps)
    assert batch.rejects.is_empty()
    # A lone stamp of a doubled hour at either end is its first: nothing tells otherwise.
    assert len(set(batch.cells["time"]) - set(instants)) <= 2
    assert batch.cells["time"].n_unique() >= len(instants) - 2


def test_stamps_of_a_parquet_are_taken_as_they_are(on_disk: Write) -> None:
    text = "origin = 'test'\nstation = 'yard'\n[columns]\npm = { channel = 'pm25', unit = 'µg/m³' }\n[time]\n" + MADRID
    naive = pl.DataFrame({"t": ["2015-03-29 02:30", "2015-07-01 00:00"], "pm": [1, 2]})
    naive = naive.with_columns(pl.col("t").str.to_datetime("%Y-%m-%d %H:%M"))
    batch = together(list(read_as(mapping(text, "test"), on_disk(parquet(naive)))))
    assert batch.cells["time"].to_list() == [datetime(2015, 6, 30, 22, tzinfo=UTC)]
    assert batch.rejects["reason"].to_list() == ["time that the clock skips"]
    zoned = naive.with_columns(pl.col("t").dt.replace_time_zone("UTC"))
    batch = together(list(read_as(mapping(text, "test"), on_disk(parquet(zoned)))))
    assert batch.cells["time"].to_list() == zoned["t"].to_list()
    far = pl.DataFrame({"t": pl.Series([2**62, 10**12]).cast(pl.Datetime("ms")), "pm": [1, 2]})
    batch = together(list(read_as(mapping(text, "test"), on_disk(parquet(far)))))
    assert (batch.cells.height, batch.rejects["reason"].to_list()) == (1, ["time out of range"])
