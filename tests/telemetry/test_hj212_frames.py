"""Frames of the standard, of devices and damaged ones; whatever comes, the good frame behind it is found."""

import csv
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.telemetry.hj212.crc import crc, modbus
from analytics.telemetry.hj212.frames import LONGEST, Bend, Decoder, Fault, Frame, Wrong, likely
from analytics.telemetry.hj212.messages import parse
from tests.conftest import SHARED, needs_shared

GOOD = (
    b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
    b"CP=&&RtdInterval=30&&1C80\r\n"
)
FRAMES = SHARED / "standards" / "hj212_frames.csv"
#: Damaged frames of the gate; the soak has a million.
MUTANTS = 20_000


def frames() -> list[dict[str, str]]:
    with FRAMES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def decode(data: bytes, step: int = LONGEST, decoder: Decoder | None = None) -> list[Frame | Fault]:
    decoder = decoder or Decoder()
    found = [one for first in range(0, len(data), step) for one in decoder.feed(data[first : first + step])]
    return [*found, *decoder.flush()]


def test_the_checksum_is_that_of_the_standard_and_not_of_modbus() -> None:
    assert crc(b"123456789") == "2F80"
    assert modbus(b"123456789") == "4B37"


@needs_shared
@pytest.mark.parametrize("step", [1, 7, 5000])
def test_each_frame_is_taken_or_refused_for_its_reason(step: int) -> None:
    for row in frames():
        first, *_, last = decode(row["frame_without_crlf"].encode() + b"\r\n" + GOOD, step)
        assert isinstance(last, Frame)
        assert last.raw == GOOD[:-2], row["id"]
        if row["expect"] == "accept":
            assert isinstance(first, Frame), row["id"]
            assert (len(first.segment), crc(first.segment)) == (int(row["segment_bytes"]), row["crc_right"]), row["id"]
            head = parse(first.segment).head
            assert (head["ST"], head["CN"]) == (row["st"], row["cn"]), row["id"]
            continue
        assert isinstance(first, Fault), row["id"]
        wrong = {Wrong.crc} if row["length_check"] == "ok" else {Wrong.length, Wrong.cut_off}
        assert first.wrong in wrong, row["id"]
        named = {"modbus": Bend.modbus_crc, "byte_swapped": Bend.swapped_crc}.get(row["crc_check"])
        assert likely(first.raw) == (named if row["length_check"] == "ok" else None), row["id"]


def test_what_a_device_is_known_for_is_taken_and_named() -> None:
    swapped = GOOD.replace(b"1C80", b"801C")
    [fault] = decode(swapped)
    assert isinstance(fault, Fault)
    [frame] = decode(swapped, decoder=Decoder(frozenset({Bend.swapped_crc})))
    assert isinstance(frame, Frame)
    assert frame.bends == (Bend.swapped_crc,)
    [small] = decode(GOOD.replace(b"1C80", b"1c80"))
    assert isinstance(small, Frame)
    assert small.bends == (Bend.lower_case_crc,)


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_length_in_characters_is_understood(step: int) -> None:
    segment = "QN=20160801085857223;ST=32;CN=3020;PW=1;MN=1;Flag=5;CP=&&i11001-Info=//清洗管路;好//&&"
    raw = segment.encode()
    first, second = decode(f"##{len(segment):04}".encode() + raw + crc(raw).encode() + b"\r\n" + GOOD, step)
    assert isinstance(first, Frame)
    assert (first.segment, first.bends) == (raw, (Bend.length_in_characters,))
    assert isinstance(second, Frame)


def mutants(count: int, seed: int) -> Iterator[bytes]:
    """Good and bad frames with bytes changed, lost, doubled and heads strewn in."""
    dice, plenty = random.Random(seed), [GOOD, GOOD[:-2], GOOD * 2]
    if FRAMES.exists():
        plenty += [row["frame_without_crlf"].encode() + b"\r\n" for row in frames()]
    for _ in range(count):
        raw = bytearray(dice.choice(plenty))
        for _ in range(dice.randint(1, 4)):
            place, kind = dice.randrange(len(raw) + 1), dice.random()
            if kind < 0.4:
                raw[place : place + 1] = bytes([dice.randrange(256)])
            elif kind < 0.6:
                del raw[place : place + dice.randint(1, 20)]
            elif kind < 0.8:
                raw[place:place] = dice.randbytes(dice.randint(1, 10))
            else:
                raw[place:place] = b"##%04d" % dice.randrange(10_000)
        yield bytes(raw)


def test_behind_whatever_comes_the_good_frame_is_found() -> None:
    dice = random.Random(7)
    for raw in mutants(MUTANTS, 6):
        decoder, data, found = Decoder(), raw + GOOD, list[Frame | Fault]()
        while data:
            size = dice.randint(1, 400)
            found += decoder.feed(data[:size])
            data = data[size:]
            assert decoder.waiting <= LONGEST
        found += decoder.flush()
        assert any(isinstance(one, Frame) and one.raw == GOOD[:-2] for one in found), raw


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bytes_of_any_kind_are_all_accounted_for(parts: list[bytes]) -> None:
    decoder = Decoder()
    found = [one for part in parts for one in decoder.feed(part)] + list(decoder.flush())
    told = sum(one.count if isinstance(one, Fault) else len(one.raw) for one in found)
    blank = sum(part.count(byte) for part in parts for byte in (b"\r", b"\n", b"\t", b" ", b"\0"))
    size = sum(map(len, parts))
    assert size - blank <= told <= size
    assert decoder.waiting == 0


def test_no_line_makes_it_hold_or_do_more_than_a_frame_s_worth() -> None:
    """Heads upon heads: each is looked at once, and none is waited for beyond the longest frame."""
    for flood in (b"#" * 200_000, b"##9999" * 30_000, b"##1024" * 30_000, b"##0001&&FFFF" * 15_000):
        decoder = Decoder()
        for first in range(0, len(flood), 4096):
            for _ in decoder.feed(flood[first : first + 4096]):
                pass
            assert decoder.waiting <= LONGEST
