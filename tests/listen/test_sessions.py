"""Connections over real sockets: what is answered, when, and what a bad device costs itself and nobody else."""

import asyncio
import ssl
import subprocess
from pathlib import Path
from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET

import pytest

from analytics.spool import Full
from analytics.telemetry.hj212.crc import crc
from analytics.telemetry.hj212.devices import keyed
from analytics.telemetry.hj212.encoding import frame
from analytics.telemetry.hj212.frames import Bend
from jobs.listen.server import context
from tests.listen.line import PASSWORD, PEPPER, Paper, device, hall, head, limits, run, said, until


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_frame_in_many_packets_is_answered_once(size: int) -> None:
    async def test() -> None:
        async with hall(device("M1")) as here, here.caller() as caller:
            data = said("M1", 1)
            await caller.say(*(data[at : at + size] for at in range(0, len(data), size)))
            answer = await caller.hear()
            assert answer is not None
            assert {key: answer.head[key] for key in ("QN", "ST", "CN", "PW", "MN", "Flag")} == {
                **head("M1", 1, "9014"),
                "ST": "91",
                "Flag": "4",
            }
            assert await caller.hear(0.05) is None
            assert len(here.paper.records) == 1

    run(test)


def test_many_frames_in_a_packet_are_each_answered_in_their_order() -> None:
    async def test() -> None:
        async with hall(device("M1")) as here, here.caller() as caller:
            await caller.say(b"".join(said("M1", number, value=number) for number in range(40)))
            numbers = [answer.head["QN"] for _ in range(40) if (answer := await caller.hear())]
            assert numbers == [head("M1", number, "")["QN"] for number in range(40)]
            assert here.count("frames", "2011") == 40

    run(test)


def test_an_answer_waits_for_the_disk_and_a_record_holds_no_password() -> None:
    async def test() -> None:
        async with hall(device("M1"), paper=Paper(slow=True)) as here, here.caller() as caller:
            await caller.say(said("M1", 1), said("M1", 2))
            assert await caller.hear(0.1) is None
            (first, about, one), (_, _, two) = here.paper.records
            assert about == {"mn": "M1"}
            assert PASSWORD.encode() not in first
            assert len(first) == len(said("M1", 1)) - 2
            here.paper.settle(two)
            answer = await caller.hear()
            assert answer is not None
            assert answer.head["QN"].endswith("002")
            here.paper.settle(one)
            answer = await caller.hear()
            assert answer is not None
            assert answer.head["QN"].endswith("001")

    run(test)


def test_what_the_disk_does_not_take_is_not_answered() -> None:
    async def test() -> None:
        async with hall(device("M1"), paper=Paper(problem=Full("no room"))) as here, here.caller() as caller:
            await caller.say(said("M1", 1))
            assert await caller.hear(0.1) is None
            assert here.count("unanswered", "full") == 1
            here.paper.problem = None
            await caller.say(said("M1", 1))
            assert await caller.hear() is not None

    run(test)


def test_who_wants_no_answer_gets_none() -> None:
    async def test() -> None:
        async with hall(device("M1")) as here, here.caller() as caller:
            await caller.say(said("M1", 1, flag=4))
            assert await caller.hear(0.1) is None
            assert len(here.paper.records) == 1

    run(test)


def test_a_device_that_ends_its_half_still_hears_its_answer() -> None:
    async def test() -> None:
        async with hall(device("M1"), paper=Paper(slow=True)) as here, here.caller() as caller:
            await caller.say(said("M1", 1))
            caller.writer.write_eof()
            await until(lambda: len(here.paper.records) == 1)
            here.paper.settle(here.paper.records[0][2])
            assert await caller.hear() is not None
            assert await caller.ended()

    run(test)


@pytest.mark.parametrize(
    ("data", "why"), [(said("M1", 1, password="654321"), "wrong password"), (said("M2", 1), "unknown device")]
)
def test_a_stranger_is_refused_unanswered_and_let_go(data: bytes, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        async with hall(device("M1")) as here:
            async with here.caller() as good, here.caller() as caller:
                await caller.say(*[data] * 5)
                assert await caller.ended()
                assert here.count("faults", why) == 5
                assert here.count("closed", "refused") == 1
                await good.say(said("M1", 2))
                assert await good.hear() is not None
            assert len(here.paper.records) == 1

    run(test)
    told = "".join(capfd.readouterr())
    assert told.count(why) == 1
    assert "654321" not in told
    assert PASSWORD not in told


def test_wrong_passwords_from_an_address_are_soon_not_looked_at() -> None:
    async def test() -> None:
        async with hall(device("M1"), limits=limits(guesses=3)) as here, here.caller() as caller:
            await caller.say(*(said("M1", 1, password=str(guess)) for guess in range(3)))
            await caller.say(said("M1", 1))
            assert await caller.hear(0.1) is None
            assert here.count("faults", "too many wrong passwords") == 1
            here.house.limits = limits(guesses=3, guessing=0.0)
            await caller.say(said("M1", 1))
            assert await caller.hear() is not None

    run(test)


def test_a_password_is_asked_for_again_once_it_is_another() -> None:
    async def test() -> None:
        async with hall(device("M1")) as here, here.caller() as caller:
            await caller.say(said("M1", 1))
            assert await caller.hear() is not None
            other = device("M1")
            here.house.devices = {"M1": type(other)("M1", "M1", keyed(PEPPER, "M1", "new"))}
            await caller.say(said("M1", 2))
            assert await caller.hear(0.1) is None
            await caller.say(said("M1", 3, password="new"))
            assert await caller.hear() is not None

    run(test)


def test_a_frame_too_long_and_noise_cost_only_themselves() -> None:
    async def test() -> None:
        async with hall(device("M1")) as here, here.caller() as caller:
            await caller.say(b"##2000" + b"x" * 2000, b"noise", said("M1", 1))
            assert await caller.hear() is not None
            assert here.count("faults", "longer than the standard allows") == 1

    run(test)


def test_faults_without_end_end_the_connection() -> None:
    async def test() -> None:
        async with hall(device("M1"), limits=limits(faults=10)) as here, here.caller() as caller:
            await caller.say(said("M1", 1).replace(b"35.2", b"35.3"), *[b"##0001&&FFFF"] * 20)
            assert await caller.ended()
            assert here.count("closed", "faults") == 1

    run(test)


def test_who_sends_a_frame_byte_by_byte_is_not_waited_for() -> None:
    async def test() -> None:
        async with hall(device("M1"), limits=limits(part=0.1, stranger=0.4)) as here, here.caller() as caller:
            for byte in said("M1", 1)[:60]:
                if caller.reader.at_eof():
                    break
                await caller.say(bytes([byte]))
                await asyncio.sleep(0.015)
            assert await caller.ended()
            assert here.count("faults", "cut off") + here.count("faults", "bytes that begin no frame") > 0
            assert here.count("closed", "said nothing") == 1

    run(test)


def test_half_a_frame_is_given_up_and_the_next_one_is_heard() -> None:
    async def test() -> None:
        async with hall(device("M1"), limits=limits(part=0.05)) as here, here.caller() as caller:
            await caller.say(said("M1", 1)[:80])
            await until(lambda: here.count("faults", "cut off") == 1)
            await caller.say(said("M1", 2))
            assert await caller.hear() is not None

    run(test)


def test_who_is_silent_is_let_go_and_a_heartbeat_keeps_the_line() -> None:
    async def test() -> None:
        async with hall(device("M1"), limits=limits(idle=1.0)) as here, here.caller() as caller:
            for number in range(6):
                await caller.say(frame(head("M1", number, "9015", flag=9)))
                answer = await caller.hear()
                assert answer is not None
                assert (answer.head["CN"], answer.head["Flag"]) == ("9014", "8")
                await asyncio.sleep(0.2)
            assert not here.paper.records
            assert await caller.ended()
            assert here.count("closed", "idle") == 1

    run(test)


def test_a_device_speaks_through_its_newest_connection() -> None:
    async def test() -> None:
        async with hall(device("M1"), device("M2")) as here, here.caller() as older, here.caller() as newer:
            await older.say(said("M1", 1), said("M2", 1))
            assert await older.hear() is not None
            assert await older.hear() is not None
            await newer.say(said("M1", 2))
            assert await newer.hear() is not None
            await older.say(said("M2", 2))  # which goes on there
            assert await older.hear() is not None
            await newer.say(said("M2", 3))
            assert await older.ended()
            assert await newer.hear() is not None
            assert len(here.house.voices) == 2

    run(test)


def test_a_stranger_makes_room_and_a_device_does_not() -> None:
    async def test() -> None:
        async with hall(device("M1"), limits=limits(connections=2)) as here:
            async with here.caller() as known, here.caller() as stranger:
                await known.say(said("M1", 1))
                assert await known.hear() is not None
                async with here.caller() as third:
                    assert await stranger.ended()
                    await third.say(said("M1", 2))
                    assert await third.hear() is not None
            assert here.count("closed", "crowded out") == 1

    run(test)


def test_who_does_not_read_is_cut_off() -> None:
    async def test() -> None:
        async with hall(device("M1"), limits=limits(unread=20_000)) as here, here.caller() as caller:
            await caller.say(said("M1", 1))
            assert await caller.hear() is not None
            caller.reader._transport.pause_reading()  # type: ignore[attr-defined]  # as a device that hangs
            for transport, side in ((caller.writer.transport, SO_RCVBUF), (here.transport(), SO_SNDBUF)):
                transport.get_extra_info("socket").setsockopt(SOL_SOCKET, side, 4096)
            frames = b"".join(said("M1", number) for number in range(200))
            for _ in range(400):
                if here.count("closed", "does not read"):
                    break
                caller.writer.write(frames)
                await asyncio.sleep(0.005)
            assert here.count("closed", "does not read") == 1

    run(test)


def test_a_flood_is_slowed_down_and_keeps_nobody_waiting() -> None:
    async def test() -> None:
        few = limits(rate=20_000, burst=10_000)
        async with hall(device("M1"), device("M2"), limits=few) as here, here.caller() as flood, here.caller() as calm:
            begun = here.house.loop.time()
            flood.writer.write(b"".join(said("M1", number) for number in range(4000)))
            await asyncio.sleep(0.3)
            taken, passed = len(here.paper.records), here.house.loop.time() - begun
            assert 0 < taken * len(said("M1", 1)) < 10_000 + 20_000 * passed + 2 * 8192
            await calm.say(said("M2", 1))
            assert await calm.hear() is not None
            assert len(here.paper.records) < 4000

    run(test)


def test_what_only_a_known_device_may_bend_is_refused_from_others() -> None:
    async def test() -> None:
        swapped = device("M2", bends=frozenset({Bend.swapped_crc}))

        def bent(mn: str) -> bytes:
            whole = said(mn, 1)
            return whole[:-6] + whole[-4:-2] + whole[-6:-4] + b"\r\n"

        async with hall(device("M1"), swapped) as here, here.caller() as caller:
            assert crc(said("M1", 1)[6:-6]).encode() == said("M1", 1)[-6:-2]
            await caller.say(bent("M1"), bent("M2"))
            answer = await caller.hear()
            assert answer is not None
            assert answer.head["MN"] == "M2"
            assert here.count("faults", "wrong checksum") == 1
            assert here.count("bends", Bend.swapped_crc) == 1

    run(test)


def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*made, *words, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)

    async def test() -> None:
        trusts = ssl.create_default_context(cafile=str(cert))
        async with hall(device("M1"), tls=context(cert, key)) as here:
            async with here.caller(trusts) as caller:
                await caller.say(said("M1", 1)[:50], said("M1", 1)[50:], *(said("M1", 2) for _ in range(20)))
                assert [await caller.hear() is not None for _ in range(21)] == [True] * 21
            with pytest.raises(ssl.SSLError):
                async with here.caller(ssl.create_default_context()):
                    pass
            async with here.caller() as plain:
                await plain.say(said("M1", 3))
                assert await plain.ended()

    run(test)


def test_a_stranger_is_heard_slower_than_a_device() -> None:
    async def test() -> None:
        few = limits(stranger_rate=1000, stranger_burst=1000, faults=1_000_000)
        async with hall(device("M1"), limits=few) as here, here.caller() as caller:
            caller.writer.write(b"##0001&&FFFF" * 4000)
            await asyncio.sleep(0.2)
            assert 0 < here.count("faults", "wrong length") * 12 < 2 * 8192
            async with here.caller() as other:
                await other.say(said("M1", 1), b"".join(said("M1", number) for number in range(50)))
                assert [await other.hear() is not None for _ in range(51)] == [True] * 51

    run(test)


def test_a_crowd_of_strangers_takes_a_place_each() -> None:
    async def test() -> None:
        async with hall(device("M1"), limits=limits(connections=5)) as here:
            lines = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(40)]
            await until(lambda: here.count("closed", "crowded out") == 35)
            assert len(here.house.sessions) == len(here.house.strangers) == 5
            assert here.house.line.connections._value.get() == 5
            for _, writer in lines:
                writer.transport.abort()

    run(test)
