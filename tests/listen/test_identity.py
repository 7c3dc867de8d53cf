"""Who speaks on a line, frame by frame; and what a crowd, a slow line or a second listener costs the others."""

import asyncio
import os
import ssl
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from analytics.metrics import Line
from analytics.spool import Spool
from analytics.store import connection, spools
from analytics.store.connection import Connection
from analytics.telemetry.hj212.devices import keyed, masked
from analytics.telemetry.hj212.frames import FRONT, Bend
from analytics.telemetry.hj212.messages import parse
from jobs import serve
from jobs.drain import Drainer, Guarded, Saver
from jobs.listen.house import READ
from jobs.listen.server import context, greet
from jobs.timed import Timed
from tests.conftest import NOW
from tests.listen.line import PASSWORD, PEPPER, Paper, device, hall, limits, run, said, until
from tests.serving import until as patiently


def test_another_password_is_another_device_s_whoever_spoke_before() -> None:
    async def test() -> None:
        async with hall(device("M1"), device("M2")) as here, here.caller() as caller:
            await caller.say(said("M1", 1))
            assert await caller.hear() is not None
            for number, password in enumerate(("654321", "", PASSWORD + "0", "密码"), 2):
                await caller.say(said("M1", number, password=password))
                assert await caller.hear(0.05) is None
            assert len(here.paper.records) == 1
            assert here.count("faults", "wrong password") == 4
            await caller.say(said("M1", 8))  # who knew it goes on
            answer = await caller.hear()
            assert answer is not None
            assert answer.head["QN"].endswith("008")

    run(test)


def test_another_number_needs_its_own_password() -> None:
    async def test() -> None:
        other = device("M2")
        other = type(other)("M2", "M2", keyed(PEPPER, "M2", "another"))
        async with hall(device("M1"), other) as here, here.caller() as caller:
            await caller.say(said("M1", 1), said("M2", 2), said("M2", 3, password="another"), said("M1", 4))
            heard = [answer.head["QN"][-3:] for _ in range(3) if (answer := await caller.hear())]
            assert heard == ["001", "003", "004"]
            assert [head["mn"] for _, head, _ in here.paper.records] == ["M1", "M2", "M1"]

    run(test)


def test_a_device_whose_password_is_another_one_is_not_remembered() -> None:
    async def test() -> None:
        async with hall(device("M1")) as here:
            async with here.caller() as caller:
                await caller.say(said("M1", 1))
                assert await caller.hear() is not None
                here.house.devices = {}
                await caller.say(said("M1", 2))
                await until(lambda: here.count("faults", "unknown device") == 1)
                assert not here.house.voices
            await until(lambda: not here.house.sessions)
            assert not here.house.voices

    run(test)


def test_a_gateway_keeps_its_line_though_one_of_its_devices_is_nobody_s() -> None:
    async def test() -> None:
        async with hall(device("M1")) as here, here.caller() as caller:
            for number in range(20):
                await caller.say(said("M9", number) + said("M1", number))
                assert await caller.hear() is not None
            assert here.count("faults", "unknown device") == 20

    run(test)


def test_who_calls_again_may_not_send_more() -> None:
    async def test() -> None:
        few = limits(rate=5_000, burst=10_000, stranger_rate=5_000, stranger_burst=3_000)
        async with hall(device("M1"), limits=few) as here:
            frames, begun, calls = b"".join(said("M1", number) for number in range(40)), here.house.loop.time(), 0
            while here.house.loop.time() - begun < 1.0:
                async with here.caller() as flood:
                    flood.writer.write(frames)
                    await asyncio.sleep(0.1)
                    calls += 1
            passed = here.house.loop.time() - begun
            taken = len(here.paper.records) * len(said("M1", 1))
            assert calls > 3
            # What is read at once comes on top, and is owed the next time.
            assert 5_000 < taken < 10_000 + 5_000 * passed + 8_192
            assert here.count("closed", "called again too soon") > 0
            await asyncio.sleep(2)
            async with here.caller() as calm:
                await calm.say(said("M1", 1))
                assert await calm.hear() is not None

    run(test)


def test_a_rule_that_a_device_is_let_bend_holds_for_who_calls_then() -> None:
    async def test() -> None:
        whole = said("M1", 1)
        bent = whole[:-6] + whole[-4:-2] + whole[-6:-4] + b"\r\n"
        async with hall(device("M1")) as here:
            async with here.caller() as caller:
                await caller.say(bent)
                assert await caller.hear(0.1) is None
            here.house.devices = {"M1": device("M1", bends=frozenset({Bend.swapped_crc}))}
            async with here.caller() as caller:
                await caller.say(bent)
                assert await caller.hear() is not None

    run(test)


def test_a_frame_is_late_only_by_its_own_time() -> None:
    """Whoever sends without a pause has always begun another frame when it is looked at."""

    async def test() -> None:
        async with hall(device("M1"), limits=limits(part=0.15)) as here, here.caller() as caller:
            data = b"".join(said("M1", number) for number in range(40))
            for at in range(70, len(data), 137):
                await caller.say(data[max(0, at - 137) : at])
                await asyncio.sleep(0.015)
            await caller.say(data[at:])
            numbers = [int(answer.head["QN"][-3:]) for _ in range(40) if (answer := await caller.hear())]
            assert numbers == list(range(40))
            assert here.count("faults", "cut off") == 0

    run(test)


def test_half_a_frame_is_not_late_while_nobody_reads_the_rest() -> None:
    async def test() -> None:
        few = limits(part=0.1, pending=2)
        async with hall(device("M1"), limits=few, paper=Paper(slow=True)) as here, here.caller() as caller:
            frames = [said("M1", number) for number in range(4)]
            await caller.say(frames[0] + frames[1] + frames[2][:80])
            await until(lambda: len(here.paper.records) == 2)
            await caller.say(frames[2][80:] + frames[3])
            await asyncio.sleep(0.4)  # the disk takes its time, longer than a frame may
            for _, _, future in list(here.paper.records):
                here.paper.settle(future)
            await until(lambda: len(here.paper.records) == 4)
            assert here.count("faults", "cut off") == 0

    run(test)


@pytest.mark.parametrize("blank", ["", " ", "\t", "\r\n", "\v\f", "\u00a0", "\u3000"])
def test_what_is_taken_for_a_password_is_masked(blank: str) -> None:
    """Blanks around the name of a field are bent rules; none of them brings a password onto the disk."""
    segment = f"QN=20260601080000001;CN=9015;{blank}PW{blank}={PASSWORD};MN=M1;Flag=5;CP=&&&&".encode()
    taken = parse(segment).head["PW"] == PASSWORD
    assert taken is (blank not in ("\u00a0", "\u3000"))
    assert not taken or PASSWORD.encode() not in masked(b"##0000" + segment)[FRONT:]


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What the listener says, and what a device that trusts it says."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*made, *words, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    ours = context(cert, key)
    assert ours is not None
    return ours, ssl.create_default_context(cafile=str(cert))


def test_a_crowd_that_shakes_no_hands_keeps_nobody_out(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    ours, theirs = tls

    async def test() -> None:
        async with hall(device("M1")) as here:
            with closing(serve.listen("127.0.0.1", 0)) as listener:
                here.port = listener.getsockname()[1]
                greeter = asyncio.create_task(greet(here.house, listener, ours, 5))
                await asyncio.sleep(0)
                crowd = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(30)]
                await until(lambda: here.count("closed", "no handshake") >= 25)
                async with here.caller(theirs) as caller:
                    await caller.say(said("M1", 1))
                    assert await caller.hear() is not None
                    # What each of ten thousand has for itself is small.
                    assert len(here.transport()._ssl_protocol._ssl_buffer) <= READ  # type: ignore[attr-defined]
                    greeter.cancel()
                    await asyncio.gather(greeter, return_exceptions=True)
                    await caller.say(said("M1", 2))
                    assert await caller.hear() is not None
                assert [await asyncio.wait_for(reader.read(), 5) for reader, _ in crowd] == [b""] * 30
                for _, writer in crowd:
                    writer.transport.abort()

    run(test)


def test_one_door_of_a_store_has_one_spool(dsn: str, conn: Connection, tmp_path: Path) -> None:
    """The cursor of another machine's spool would pass over what this one promised."""
    stopping = threading.Event()
    with Spool(tmp_path / "north") as spool, closing(connection.connect(dsn)) as other:
        assert spools.own(other, "hj212")
        spool.append(b"no frame", {"mn": "M1"}, NOW).result(10)
        drainer = Drainer("drain", dsn, stopping, spool, "hj212", Guarded("hj212", Saver("hj212")))
        drainer.start()
        try:
            patiently(lambda: "is drained by another process" in drainer.problem)
            assert spools.cursor(conn, "hj212") is None
            other.close()
            patiently(lambda: spools.cursor(conn, "hj212") is not None)
            assert drainer.problem == ""
        finally:
            stopping.set()
            assert drainer.join(20)


def test_a_line_without_files_for_all_says_how_many_it_takes(blank: str, tmp_path: Path) -> None:
    words = f"ulimit -n 400; exec {sys.executable} -m jobs.cli listen --port 0 --connections 1000 --dsn '{blank}'"
    environ = {"GREENWATCH_PEPPER": PEPPER.decode(), "GREENWATCH_HOME": str(tmp_path)}
    root = Path(__file__).parents[2]
    done = subprocess.run(["bash", "-c", words], cwd=root, env=os.environ | environ, capture_output=True, text=True)
    told = " ".join(done.stderr.split())
    assert "400 open files, too few for 1,000 connections: 144 are taken" in told
    assert done.returncode == 1  # there are no tables


def test_what_waits_is_not_waited_for(dsn: str, conn: Connection, tmp_path: Path) -> None:
    """Behind an outage there is more than a transaction holds: then nothing is gathered."""
    stopping = threading.Event()
    with Spool(tmp_path / "spool") as spool:
        last = [spool.append(b"no frame", {"mn": "M1"}, NOW) for _ in range(35)][-1].result(10)
        save = Guarded("hj212", Saver("hj212"))
        drainer = Timed("d", dsn, stopping, spool, "hj212", save, most=10, page=Line("test"), gather=3600.0)
        drainer.start()
        try:
            patiently(lambda: spools.cursor(conn, "hj212") == last)
        finally:
            stopping.set()
            assert drainer.join(20)
