"""What devices say to do harm, from frames with a good checksum to the store: each is told, the next one is in."""

from pathlib import Path

from analytics.store.connection import Connection
from analytics.telemetry.hj212.crc import crc
from jobs import console
from tests.listen.line import device, hall, run, said
from tests.listen.test_store import OBSERVED, SITE, drained, put, spooled

#: What might end a text, a statement, a line or a terminal; bytes of no character; a text that fills the frame.
SPELLS = (
    b"') OR 1=1 --",
    b"%s %(x)s {x} $1",
    b"A\0B",
    b"\x1b[2J\x07",
    b"\r\nX",
    "\ufeff\u202e中".encode("gb18030"),
    b"\xff\xfe",
    b"x" * 700,
)
#: A segment with a place for a spell where a device says who it is, what it measured, when, and what it is marked.
PLACES = (
    (b"ST=22;CN=2011;PW=123456;MN=", b";Flag=4;CP=&&DataTime=20260601080000;a34004-Rtd=1&&"),
    (b"QN=", b";ST=22;CN=2011;PW=123456;MN=M1;Flag=4;CP=&&DataTime=20260601080100;a34004-Rtd=1&&"),
    (b"ST=", b";CN=2011;PW=123456;MN=M1;Flag=4;CP=&&DataTime=20260601080200;a34004-Rtd=1&&"),
    (b"ST=22;CN=2011;PW=123456;MN=M1;Flag=4;CP=&&DataTime=", b";a34004-Rtd=1&&"),
    (b"ST=22;CN=2011;PW=123456;MN=M1;Flag=4;CP=&&DataTime=20260601080300;", b"-Rtd=1&&"),
    (b"ST=22;CN=2011;PW=123456;MN=M1;Flag=4;CP=&&DataTime=20260601080400;a34004-", b"=1&&"),
    (b"ST=22;CN=2011;PW=123456;MN=M1;Flag=4;CP=&&DataTime=20260601080500;a34004-Rtd=", b"&&"),
    (b"ST=22;CN=2011;PW=123456;MN=M1;Flag=4;CP=&&DataTime=20260601080600;a34004-Rtd=1,a34004-Flag=", b"&&"),
)


def framed(segment: bytes) -> bytes:
    return b"##%04d" % len(segment) + segment + crc(segment).encode() + b"\r\n"


def spelt() -> list[bytes]:
    """A frame for each place and each spell in it."""
    return [framed(before + spell + after) for before, after in PLACES for spell in SPELLS]


def test_no_text_is_more_than_a_text(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    frames = spelt()
    spooled(tmp_path, *frames)
    counts = drained(conn, tmp_path).counts
    assert counts.read == counts.new + counts.duplicates + counts.replaced + counts.missing + counts.rejects
    # Each is a figure or a reject; but a suffix that no edition has is a name of its own, and may be none.
    assert counts.read >= len(frames) - len(SPELLS)
    rows = conn.execute("SELECT text, station, channel, reason FROM reject").fetchall()
    assert len({str(row) for row in rows}) > len(SPELLS)
    assert not any("123456" in str(row) for row in rows)
    spooled(tmp_path, said("M1", 1, value=7.5, time="20260601075900"))
    assert drained(conn, tmp_path).counts.new == 1
    assert 7.5 in [row[4] for row in conn.execute(OBSERVED).fetchall()]


def test_whoever_calls_itself_so_is_nobody_and_the_others_are_heard() -> None:
    """Over the line: names that are none are unknown devices, what is said under a good one is kept and answered."""

    async def test() -> None:
        async with hall(device("M1")) as here, here.caller() as good:
            for frame in spelt():
                async with here.caller() as caller:
                    await caller.say(frame)
                    caller.writer.write_eof()
                    assert await caller.ended()
            kept = len(here.paper.records)
            assert kept == (len(SPELLS) - 1) * (len(PLACES) - 1)  # bytes of no character are no message
            assert {head["mn"] for _, head, _ in here.paper.records} == {"M1"}
            assert not any(b"123456" in payload for payload, _, _ in here.paper.records)
            assert here.count("faults", "unknown device") == here.count("faults", "no message") - 1 == len(SPELLS) - 1
            await good.say(said("M1", 2))
            assert await good.hear() is not None
            assert len(here.paper.records) == kept + 1

    run(test)


def test_no_name_of_a_stranger_moves_the_terminal_of_the_log() -> None:
    said = console.harmless(None, "warning", {"device": "\x1b[2J\x07\u202e\x9b1m", "count": 3, "why": "中文 ok"})
    assert said == {"device": "\ufffd[2J\ufffd\ufffd\ufffd1m", "count": 3, "why": "中文 ok"}
