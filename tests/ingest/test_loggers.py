"""Loggers and sondes as their programs export them: what stands above the rows decides what is in them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ingest import Source, UnreadableSource, read, recognise
from tests.ingest.reading import ALL, Write, held, same, whole

TOA5 = ALL["toa5"].content
HOBO = ALL["hobo"].content
SOIL, WEATHER = ALL["pyfao56"].content, ALL["pyfao56.weather"].content


def at(hour: int, minute: int = 0, day: int = 1) -> datetime:
    return datetime(2022, 3, day, hour, minute, tzinfo=UTC)


# TOA5


def logger(*rows: str, columns: str = "precipitation_Tot", units: str = "mm") -> bytes:
    names = f'"TIMESTAMP","RECORD",{columns}\n"TS","RN",{units}\n"","","Tot"\n'
    return ('"TOA5","KS003","CR300","1","OS","CPU:x","1","Table1"\n' + names + "\n".join(rows) + "\n").encode()


def rain(*rows: str) -> list[tuple[datetime, float]]:
    cells = whole(held(logger(*rows)), "toa5").cells
    return list(cells.sort("time").select("time", "value").iter_rows())


def test_a_record_starts_a_step_before_its_stamp() -> None:
    rows = ('"2022-03-01 12:00:00",7,1', '"2022-03-01 13:00:00",8,2', '"2022-03-01 14:00:00",9,3')
    assert rain(*rows) == [(at(17), 1), (at(18), 2), (at(19), 3)]


def test_a_gap_does_not_make_a_record_longer() -> None:
    rows = ('"2022-03-01 12:00:00",7,1', '"2022-03-01 12:15:00",8,2', '"2022-03-01 18:15:00",9,3')
    assert rain(*rows, '"2022-03-01 18:30:00",10,4') == [
        (at(17, 45), 1),
        (at(18), 2),
        (at(0, 0, 2), 3),
        (at(0, 15, 2), 4),
    ]


@pytest.mark.parametrize(
    ("rows", "reasons"),
    [
        (('"2022-03-01 12:00:00",7,1',), ["length of the record unknown"]),
        (('"2022-03-01 12:00:00",7,1', '"2022-03-01 13:00:00",9,1'), ["length of the record unknown"] * 2),
        (('"2022-03-01 12:00:00",7,1', '"2022-03-01 12:00:07",8,1'), ["length of the record unknown"] * 2),
        (('"2022-03-01 12:00:00",7,1', '"2022-03-01 11:00:00",8,1'), ["length of the record unknown"] * 2),
        (('"2022-03-01 25:00:00",7,1',), ["unreadable time"]),
        (('"2022-03-01",x,1',), ["unreadable time"]),
        (('"2022-03-01 12:00:00",7,1', '"2022-03-01 13:00:00",8,"INF"'), ["not a number"]),
    ],
)
def test_what_cannot_be_placed_is_a_reject(rows: tuple[str, ...], reasons: list[str]) -> None:
    assert [*whole(held(logger(*rows)), "toa5").rejects["reason"]] == reasons


def test_two_steps_are_two_cadences() -> None:
    batches = [batch for batch in read(Source(ALL["toa5"].path), "toa5") if batch.cells.height]
    steps = [fact["cadence"] for batch in batches for fact in batch.stations.values()]
    assert sorted(steps) == [900, 3600]
    assert [batch.cells["time"].n_unique() for batch in sorted(batches, key=lambda one: one.cells.height)] == [2, 4]


@settings(max_examples=60, deadline=None)
@given(
    starts=st.lists(st.tuples(st.integers(0, 9), st.sampled_from([1, 15, 60])), min_size=1, max_size=30),
    cuts=st.lists(st.integers(1, 2000), max_size=8),
)
def test_a_logger_is_the_same_however_it_is_cut(starts: list[tuple[int, int]], cuts: list[int]) -> None:
    rows, minute = [], 0
    for record, step in starts:
        minute += step
        rows.append(f'"2022-03-{1 + minute // 1440:02} {minute // 60 % 24:02}:{minute % 60:02}:00",{record},{step}')
    content = logger(*rows)
    once = whole(held(content), "toa5")
    assert once.read == len(rows)
    assert same(once, whole(held(content, *sorted({cut for cut in cuts if cut < len(content)})), "toa5"))


@pytest.mark.parametrize(
    ("columns", "units", "what"),
    [
        ('"humus_Avg"', '"%"', "no such column is known, or it is there twice: humus_avg"),
        ('"air_temperature_Avg"', '"furlong"', "no conversion from furlong"),
        ('"farm"', '"name"', "no column of readings"),
        ('"precipitation_Tot","precipitation_Tot"', '"mm","mm"', "there twice"),
    ],
)
def test_a_column_nobody_knows_is_not_left_out_silently(columns: str, units: str, what: str) -> None:
    with pytest.raises(UnreadableSource, match=what):
        whole(held(logger(columns=columns, units=units)), "toa5")


def test_no_table_of_a_logger_is_refused() -> None:
    with pytest.raises(UnreadableSource, match="its first line does not say TOA5"):
        whole(held(b"a,b\n1,2\n"), "toa5")
    with pytest.raises(UnreadableSource, match="TIMESTAMP 0 times"):
        whole(held(b'"TOA5","a"\n"b"\n'), "toa5")


# HOBO


def test_the_title_the_sign_and_the_serial_number_decide() -> None:
    found = whole(held(HOBO), "hobo")
    assert found.stations == {"Test Pool": {"utc_offset": -240}}
    bare = HOBO.partition(b"\n")[2].replace(b"GMT-04:00", b"GMT+05:30")
    other = whole(held(bare), "hobo")
    assert other.stations == {"111": {"utc_offset": 330}}
    assert (other.read, other.rejects.height) == (found.read, found.rejects.height)
    step = found.cells["time"].min() - other.cells["time"].min()  # type: ignore[operator]
    assert step.total_seconds() == 3600 * 9.5  # type: ignore[union-attr]


def test_commas_part_cells_or_thousands() -> None:
    header = '"#","Date Time, GMT+00:00","Temp, °C (LGR S/N: 9)","DO conc, mg/L (LGR S/N: 9)"\n'
    found = whole(held((header + '1,01/31/22 01:00:00 PM,"1,000.5",0\n').encode()), "hobo")
    assert dict(found.cells.select("channel", "value").rows()) == {"water_temperature": 1000.5, "dissolved_oxygen": 0.0}


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ('"Temp, °C (LGR S/N: 9)"', r"nothing.* says whether Temp, °C .* is of water or air"),
        ('"Intensity, Lux (LGR S/N: 9)"', "no such quantity is known.*: intensity"),
        ('"RH, % (S/N: 9)","Temp, K2 (S/N: 9)"', "no conversion from K"),
        ('"RH, % (S/N: 9)","RH, % (S/N: 8)"', "there twice: rh"),
        ('"Stopped (LGR S/N: 9)"', "no column of readings"),
    ],
)
def test_a_quantity_nobody_knows_is_not_left_out_silently(columns: str, what: str) -> None:
    with pytest.raises(UnreadableSource, match=what):
        whole(held(f'"#","Date Time, GMT-04:00",{columns}\n'.encode()), "hobo")


def test_temperature_beside_humidity_is_of_the_air() -> None:
    header = '"#","Date Time, GMT+08:00","Temp, °F (LGR S/N: 9)","RH, % (LGR S/N: 9)"\n'
    found = whole(held((header + "1,01/31/22 01:00:00 PM,50,40\n").encode()), "hobo")
    assert dict(found.cells.select("channel", "value").rows()) == {"air_temperature": 10.0, "relative_humidity": 40.0}


# pyfao56


def test_weather_of_elsewhere_has_no_clock() -> None:
    for old, new in ((b"33.0690000", b"34.0690000"), (b"latitude (", b"longitude (")):
        with pytest.raises(UnreadableSource, match=r"the clock of a weather station at .* is not known"):
            whole(held(WEATHER.replace(old, new)), "pyfao56")


def test_grass_is_short_or_tall() -> None:
    short = WEATHER.replace(b"           T Reference", b"           S Reference")
    for content, channel in ((WEATHER, "reference_evapotranspiration:tall"), (short, "reference_evapotranspiration")):
        channels = whole(held(content), "pyfao56").cells["channel"]
        assert [name for name in channels if name.startswith("reference")] == [channel]


def test_columns_of_a_title_are_those_it_has() -> None:
    with pytest.raises(UnreadableSource, match="has not just the columns Year-DOY, Srad"):
        whole(held(WEATHER.replace(b"Srad", b"Sxxx")), "pyfao56")
    with pytest.raises(UnreadableSource, match=r"has not the columns Year-DOY, n, D01\.\."):
        whole(held(SOIL.replace(b"SWC02", b"SWC03")), "pyfao56")
    with pytest.raises(UnreadableSource, match="has not the title"):
        whole(held(WEATHER.replace(b"Weather Data", b"Update Data")), "pyfao56")


def test_a_table_is_known_by_its_title(on_disk: Write) -> None:
    for content, format in ((TOA5, "toa5"), (HOBO, "hobo"), (SOIL, "pyfao56"), (WEATHER, "pyfao56")):
        assert recognise(on_disk(b"\xef\xbb\xbf\r\n" + content)) == format
        found = whole(held(b"\xef\xbb\xbf\r\n" + content, path=ALL[format].path), format)
        assert found.cells.equals(whole(held(content, path=ALL[format].path), format).cells)
