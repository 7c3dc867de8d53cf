"""HJ 212 messages as cells: what the standard prints, what devices send, and nothing lost on the way."""

import csv
import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics import clocks
from analytics.frames import Batch
from analytics.ingest import Source, hj212
from analytics.ingest.hj212 import Bent, Said
from analytics.telemetry.hj212.devices import Device, fits, keyed, masked
from analytics.telemetry.hj212.encoding import frame
from analytics.telemetry.hj212.frames import Decoder, Frame
from analytics.telemetry.hj212.messages import Message, NoMessage, parse
from tests.conftest import SHARED, needs_shared

HEAD = {"QN": "20260315080030123", "ST": "22", "CN": "2011", "PW": "123456", "MN": "M1", "Flag": "5"}
TIME = ("DataTime", "20260315080000")
#: The same in UTC, and the QN [µs].
AT, REVISION = datetime(2026, 3, 15, tzinfo=UTC), 1_773_532_830_123_000


def message(*items: tuple[str, str], **head: str) -> Message:
    """A message of M1 with DataTime and `items`, each a group."""
    return parse(frame({**HEAD, **head}, [[TIME], *([item] for item in items)])[6:-6])


def batch(*messages: Message, device: Device | None = None, received: datetime | None = None) -> tuple[Batch, Counter]:  # type: ignore[type-arg]
    """The one batch of `messages`, and the bends."""
    bends: Counter[str] = Counter()
    said = [Said(str(place), one, device or Device("M1", "A"), received) for place, one in enumerate(messages)]
    [(step, some)] = hj212.grouped(said).items()
    return hj212.batch(some, step, bends), bends


def cells(found: Batch) -> list[tuple[object, ...]]:
    """Channel and value of each cell."""
    return found.cells.select("channel", "value").rows()


def test_a_figure_has_its_channel_time_mark_and_revision() -> None:
    [one] = batch(message(("a34004-Rtd", "47"), ("a34004-Flag", "D")))[0].cells.rows(named=True)
    assert one == {"station": "A", "channel": "pm25", "time": AT, "value": 47.0, "mark": 68, "revision": REVISION}


@pytest.mark.parametrize(
    ("item", "system", "channel", "value"),
    [
        (("a34004-Rtd", "47"), "22", "pm25", 47.0),
        (("a34004-Rtd", "47000"), "31", "pm25", 47.0),  # ng/m³, as the standard has it
        (("a21026-Rtd", "6"), "39", "so2", 6.0),
        (("a21026-Rtd", "0.006"), "31", "so2", 6.0),
        (("a21005-Avg", "0.7"), "22", "co", 0.7),
        (("a01006-Rtd", "101.9"), "22", "air_pressure", 1019.0),
        (("w20111-Rtd", "0.04"), "21", "hg", 0.00004),
        (("011-Rtd", "231.0"), "32", "cod", 231.0),
        (("A34004-RTD", "47"), "22", "pm25", 47.0),
        (("w01009-Avg", "1e1"), "21", "dissolved_oxygen", 10.0),
        (("w21003-Avg", "+0.50"), "21", "nh3n", 0.5),
        (("a34004-Min", "1"), "22", "pm25:min", 1.0),
        (("a34004-Max", "1"), "22", "pm25:max", 1.0),
        (("LA-Rtd", "50.1"), "23", "laeq", 50.1),
        (("Leq-Data", "50.1"), "23", "laeq", 50.1),
        (("LMx-NightData", "71"), "23", "lafmax:night", 71.0),
        (("Ldn-Data", "57"), "23", "laeq:ldn", 57.0),
        (("Ld-DayData", "55"), "23", "laeq:ldn-day", 55.0),
        (("w01018-Cou", "3"), "32", "cod:sum", 3.0),
    ],
)
def test_codes_and_units_are_those_of_the_table(item: tuple[str, str], system: str, channel: str, value: float) -> None:
    assert cells(batch(message(item, ST=system))[0]) == [(channel, value)]


def test_what_a_device_is_registered_with_goes_before_the_table() -> None:
    own = Device(
        "M1",
        "A",
        units={"a34004": "ng/m³", "x1": "%"},
        channels={"x1": "soil_moisture@-0.1", "ys1": "", "a21026": "no2"},
        sentinels=(7.0,),
    )
    items = (("a34004-Rtd", "47000"), ("X1-Rtd", "23"), ("ys1-Rtd", "1"), ("a21026-Rtd", "5"), ("a21004-Rtd", "7"))
    found, _ = batch(message(*items), device=own)
    assert cells(found) == [("pm25", 47.0), ("soil_moisture@-0.1", 0.23), ("no2", 5.0)]
    assert (found.missing, found.read) == (1, 4)


@pytest.mark.parametrize("text", ["", "-99", "-99.000000", "-9999", "-99.0", "--", "NaN"])
def test_what_stands_for_no_value_is_missing(text: str) -> None:
    found, _ = batch(message(("a34004-Rtd", text), ("a34004-Flag", "B")))
    assert (found.cells.height, found.rejects.height, found.missing) == (0, 0, 1)


def test_a_sentinel_that_the_parameter_can_have_is_a_value() -> None:
    own = Device("M1", "A", channels={"x1": "orp"})
    assert cells(batch(message(("x1-Rtd", "-99")), device=own)[0]) == [("orp", -99.0)]
    assert cells(batch(message(("a01001-Rtd", "0")))[0]) == [("air_temperature", 0.0)]


@pytest.mark.parametrize(
    ("item", "channel", "reason"),
    [
        (("a24036-Avg", "0.1"), "a24036-Avg", "no parameter has the code a24036"),
        (("LA-td", "50.1"), "LA-td", "no figure is called -td"),
        (("a34004-Rtd", "4,7"), None, None),
        (("a34004-Rtd", "x7"), "pm25", "not a number"),
        (("a34004-Rtd", "inf"), "pm25", "not a number"),
    ],
)
def test_what_cannot_be_a_value_keeps_its_words(item: tuple[str, str], channel: str | None, reason: str | None) -> None:
    found, _ = batch(message(item))
    if channel is None:  # a comma divides items: 4 is the value, 7 says nothing
        assert cells(found) == [("pm25", 4.0)]
        return
    [one] = found.rejects.rows(named=True)
    assert (one["channel"], one["text"], one["reason"]) == (channel, item[1], reason)
    assert (one["stamp"], one["place"]) == ("2026-03-15T08:00:00+08:00", "message 0")


def test_a_unit_that_cannot_be_the_parameter_s_is_a_reject_with_the_number_that_was_sent() -> None:
    found, _ = batch(message(("a34004-Rtd", "47")), device=Device("M1", "A", units={"a34004": "dB"}))
    [one] = found.rejects.rows(named=True)
    assert (one["text"], one["reason"]) == ("47", "no conversion from dB to µg/m³")


@pytest.mark.parametrize(
    ("command", "text", "offset", "time", "bend"),
    [
        ("2011", "20260315080001", 480, AT + timedelta(seconds=1), None),
        ("2011", "20260315080000000", 480, AT, Bent.long_time),
        ("2011", "20260315080000", -330, AT + timedelta(hours=13, minutes=30), None),
        ("2051", "20260315080002", 480, AT, Bent.past_grid),
        ("2051", "20260315080003", 480, AT + timedelta(seconds=3), None),
        ("2061", "20260315080001", 480, AT, Bent.past_grid),
        ("2061", "20260315081000", 480, AT + timedelta(minutes=10), None),
        ("2031", "20260315000001", 480, AT - timedelta(hours=8), Bent.past_grid),
    ],
)
def test_times_are_those_of_the_device_and_put_back_where_they_slipped(
    command: str, text: str, offset: int, time: datetime, bend: Bent | None
) -> None:
    said = parse(frame({**HEAD, "CN": command}, [[("DataTime", text)], [("a34004-Avg", "1")]])[6:-6])
    found, bends = batch(said, device=Device("M1", "A", utc_offset=offset))
    assert found.cells["time"].to_list() == [time]
    assert bends == Counter([bend] if bend else [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no DataTime"),
        ("20261315080000", "unreadable time"),
        ("2026031508", "unreadable time"),
        ("20260315081101", "ahead of the clock"),
    ],
)
def test_a_time_that_cannot_be_is_a_reject(text: str, reason: str) -> None:
    said = parse(frame(HEAD, [[("DataTime", text)], [("a34004-Rtd", "1")]])[6:-6])
    found = clocks.early(batch(said, received=AT + timedelta(minutes=1))[0], AT + timedelta(days=99))
    assert found.rejects["reason"].to_list() == [reason]
    assert found.rejects["text"].cast(pl.Float64).to_list() == [1.0]


def test_several_times_of_a_message_are_each_of_what_follows_them() -> None:
    items = [[("a34004-Avg", "1")], [TIME], [("a34002-Avg", "2")], [("DataTime", "20260315090000")], [("LA-Avg", "3")]]
    found, _ = batch(parse(frame({**HEAD, "CN": "2061"}, items)[6:-6]))
    assert found.cells.select("channel", "time").rows() == [
        ("pm25", AT),
        ("pm10", AT),
        ("laeq", AT + timedelta(hours=1)),
    ]


@pytest.mark.parametrize("number", ["", "2026", "99990315080030123", "20261315080030123", "2026031508003012x"])
def test_a_number_that_is_no_time_is_no_revision(number: str) -> None:
    assert batch(message(("a34004-Rtd", "1"), QN=number))[0].cells["revision"].to_list() == [None]


def test_cadences_of_one_quantity_are_batches_of_their_own() -> None:
    own = Device("M1", "A", cadences={"2061": 14_400})
    said = [Said(kind, message(("a34004-Avg", "1"), CN=kind), own) for kind in ("2011", "2051", "2061", "2031", "2021")]
    found = {step: hj212.batch(some, step, Counter()) for step, some in hj212.grouped(said).items()}
    assert list(found) == [60, 600, 14_400, 86_400]
    assert all(one.stations == {"A": {"cadence": step}} for step, one in found.items())
    assert [one.cells["channel"].to_list() for one in found.values()] == [["pm25"]] * 4


@needs_shared
def test_every_printed_frame_comes_to_cells_rejects_and_missing_ones() -> None:
    """Counted by hand from the texts: an item `code-Rtd=` and the like is a figure, whatever becomes of it."""
    with (SHARED / "standards" / "hj212_frames.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["expect"] == "accept"]
    kinds = ("-rtd", "-avg", "-min", "-max", "-cou", "-data", "-daydata", "-nightdata", "-td")
    for row in rows:
        [found] = Decoder().feed(row["frame_without_crlf"].encode())
        assert isinstance(found, Frame)
        said = parse(found.segment)
        inside = row["frame_without_crlf"].partition("CP=&&")[2].rpartition("&&")[0]
        names = [part.partition("=")[0].strip().lower() for part in inside.replace(";", ",").split(",")]
        wanted = sum(name.endswith(kinds) for name in names) if row["cn"] in ("2011", "2051", "2061", "2031") else 0
        batches = [
            hj212.batch(some, step, Counter())
            for step, some in hj212.grouped([Said(row["id"], said, Device("M", "A"))]).items()
        ]
        assert sum(one.read for one in batches) == wanted, row["id"]


@needs_shared
def test_the_file_of_messages_is_read_as_a_file() -> None:
    found = list(hj212.read(Source(SHARED / "data" / "hj212-messages" / "messages.jsonl")))
    refused = pl.concat([one.rejects for one in found])
    # Its README: five messages of the thirteen do not check out.
    assert refused.filter(pl.col("reason").str.starts_with("wrong")).height == 5
    values = pl.concat([one.cells for one in found])
    assert values.filter(pl.col("station") == "ZLDSZ20210127").height == 10
    assert not any("123456" in text for text in refused["text"] if "PW" in text)


def test_whatever_a_frame_says_with_a_good_checksum_is_cells_rejects_or_missing() -> None:
    """Texts changed at random, as no checksum tells: nothing raises but `NoMessage`, and the counts add up."""
    dice, own = random.Random(11), Device("M1", "A", utc_offset=-720, sentinels=(7.0,))
    good = frame({**HEAD, "CN": "2061"}, [[TIME], [("a34004-Min", "3"), ("a34004-Flag", "N")], [("LA-Avg", "7")]])[6:-6]
    words = [b"DataTime=00010101000000", b"DataTime=99991231235959", b"=", b";", b",", b"//", b"&&", b"-Rtd", b"1e999"]
    words += ["\u0661".encode(), b"\0", "\u4e2d".encode("gb18030"), b"\xff", b"CN=2011;", b"x" * 300, b"-99", b"-"]
    said = []
    for number in range(10_000):
        raw = bytearray(good)
        for _ in range(dice.randint(1, 5)):
            at = dice.randrange(len(raw))
            raw[at : at + dice.randint(0, 12)] = dice.choice(words)
        with suppress(NoMessage):
            said.append(Said(str(number), parse(bytes(raw)), own, AT))
    read = sum(hj212.batch(some, step, Counter()).read for step, some in hj212.grouped(said).items())
    assert read > 1000


def test_a_file_is_read_frame_by_frame_however_it_is_cut(tmp_path: Path) -> None:
    said = b"".join(
        b"2026-03-15 08:00 recv " + frame({**HEAD, "QN": f"202603150800{n:02}123"}, [[TIME], [("a34004-Rtd", str(n))]])
        for n in range(60)
    )
    broken = said.replace(b"a34004-Rtd=7&&", b"a34004-Rtd=8&&")
    path = tmp_path / "line.log"
    path.write_bytes(broken)
    assert hj212.recognises(Source(path))
    *some, last = hj212.read(Source(path))
    assert sorted(pl.concat([one.cells for one in some])["value"]) == [n for n in range(60) if n != 7]
    [one] = last.rejects.rows(named=True)
    assert (one["place"], one["reason"]) == ("frame 8", "wrong checksum")
    assert "PW=******" in one["text"]


def test_a_password_is_kept_as_a_hash_of_its_device_and_found_by_it() -> None:
    pepper = b"a pepper of tests"
    own = Device("M1", "A", keyed(pepper, "M1", "123456"))
    assert fits(own, pepper, "123456")
    assert not fits(own, pepper, "123457")
    assert not fits(own, b"another one", "123456")
    assert keyed(pepper, "M2", "123456") != own.key


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"QN=1;PW=123456;MN=1;CP=&&&&", b"QN=1;PW=******;MN=1;CP=&&&&"),
        (b"QN=1; pw =12 ;MN=1", b"QN=1; pw =***;MN=1"),
        (b"CP=&&NewPW=654321&&", b"CP=&&NewPW=******&&"),
        (b"##0101PW=1&2,3=4;MN=1", b"##0101PW=*******;MN=1"),
        (b"PW=\xff\xfe", b"PW=**"),
        (b"PW=&&x;MN=1;CP=&&&&", b"PW=***;MN=1;CP=&&&&"),
        (b"PW=12CP=&&A=1&&", b"PW=**CP=&&A=1&&"),
        (b"CP=&&NewPW=a&&&1c80\r\n##", b"CP=&&NewPW=**&&1c80\r\n##"),
        (b"CP=&&DataTime=1;SPW=3&&", b"CP=&&DataTime=1;SPW=3&&"),
    ],
)
def test_a_password_is_masked_byte_by_byte(raw: bytes, shown: bytes) -> None:
    assert masked(raw) == shown
