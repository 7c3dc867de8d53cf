"""What the listener asks of devices: the clock, and figures that are missing."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.telemetry.hj212 import encoding
from analytics.telemetry.hj212.encoding import frame
from analytics.telemetry.hj212.gaps import Gap, gaps
from analytics.telemetry.hj212.messages import Message, parse
from jobs.listen.exchange import DONE, SILENT
from tests.listen.line import Caller, device, hall, head, limits, run, said, until

START = datetime(2026, 6, 1)  # noqa: DTZ001  # a device's clock
STEP = 3600
SPAN = encoding.span(START, START)


async def answered(caller: Caller, request: Message, kind: str, *items: tuple[str, str]) -> None:
    """The device answers `request`."""
    await caller.say(frame({**request.head, "ST": "91", "CN": kind, "Flag": "4"}, [[item] for item in items]))


def test_a_clock_that_is_asked_for_is_set_on_the_device_s_own_time() -> None:
    async def test() -> None:
        async with hall(device("M1", utc_offset=540, edition=2025)) as here, here.caller() as caller:
            await caller.say(frame(head("M1", 1, "1013", flag=9), [[("PolId", "a34004")]]))
            notice, request = await caller.hear(), await caller.hear()
            assert notice is not None
            assert request is not None
            assert (notice.head["CN"], notice.head["QN"]) == ("9013", head("M1", 1, "")["QN"])
            assert (request.head["CN"], request.head["ST"], request.head["Flag"]) == ("1012", "22", "9")
            assert request.said("SystemTime") == "20260601090000"  # NOW is midnight UTC
            assert request.said("PolId") == "a34004"
            await answered(caller, request, "9011", ("QnRtn", "1"))
            await answered(caller, request, "9012", ("ExeRtn", "1"))
            await caller.say(said("M1", 2))
            assert await caller.hear() is not None
            [session] = here.house.sessions
            assert session.exchange is not None
            assert session.exchange.outcome == DONE
            assert len(here.paper.records) == 1

    run(test)


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([("9011", ("QnRtn", "1")), ("9012", ("ExeRtn", "100"))], "ExeRtn=100"),
        ([("9011", ("QnRtn", "3"))], "QnRtn=3"),
        ([("9011", ("QnRtn", "x" * 50))], "QnRtn=?"),
        ([("9012", ("ExeRtn", "1"))], DONE),
    ],
)
def test_a_request_ends_as_the_device_says(answers: list[tuple[str, tuple[str, str]]], outcome: str) -> None:
    async def test() -> None:
        async with hall(device("M1")) as here, here.caller() as caller:
            await caller.say(said("M1", 1))
            assert await caller.hear() is not None
            [session] = here.house.sessions
            exchange = session.request(here.house.devices["M1"], "2061", SPAN)
            assert exchange is not None
            assert session.request(here.house.devices["M1"], "2051", SPAN) is None  # one at a time
            request = await caller.hear()
            assert request is not None
            assert [item.value for item in request.items()] == ["20260601000000"] * 2
            await caller.say(said("M1", 7, "2061"))  # of another number: figures, and no answer
            assert await caller.hear() is not None
            for kind, item in answers:
                await answered(caller, request, kind, item)
            await caller.say(said("M1", 8))
            assert await caller.hear() is not None
            assert exchange.outcome == outcome  # and not before: the figures between were none of its
            assert session.request(here.house.devices["M1"], "2051", SPAN) is not None

    run(test)


def test_figures_under_the_number_of_a_request_are_kept_and_answered() -> None:
    async def test() -> None:
        async with hall(device("M1"), limits=limits(over_time=5.0, recount=0)) as here, here.caller() as caller:
            await caller.say(said("M1", 1))
            assert await caller.hear() is not None
            [session] = here.house.sessions
            exchange = session.request(here.house.devices["M1"], "2061", SPAN)
            request = await caller.hear()
            assert exchange is not None
            assert request is not None
            figures = [[("DataTime", "20260601000000")], [("a34004-Avg", "31")]]
            await caller.say(frame({**request.head, "ST": "22"}, figures))
            answer = await caller.hear()
            assert answer is not None
            assert (answer.head["CN"], answer.head["QN"]) == ("9014", request.head["QN"])
            assert len(here.paper.records) == 2
            assert exchange.accepted

    run(test)


def test_a_request_without_an_answer_is_sent_again_and_given_up() -> None:
    async def test() -> None:
        few = limits(over_time=0.05, recount=2)
        async with hall(device("M1"), limits=few) as here, here.caller() as caller:
            await caller.say(said("M1", 1))
            assert await caller.hear() is not None
            [session] = here.house.sessions
            exchange = session.request(here.house.devices["M1"], "2061", SPAN)
            assert exchange is not None
            requests = [await caller.hear() for _ in range(3)]
            assert len({request.head["QN"] for request in requests if request}) == 1
            await until(lambda: exchange.outcome == SILENT)
            assert await caller.hear(0.1) is None

    run(test)


def test_a_request_ends_with_its_connection() -> None:
    async def test() -> None:
        heard: list[str] = []
        async with hall(device("M1")) as here:
            async with here.caller() as caller:
                await caller.say(said("M1", 1))
                assert await caller.hear() is not None
                [session] = here.house.sessions
                exchange = session.request(here.house.devices["M1"], "2061", SPAN)
                assert exchange is not None
                exchange.ended = heard.append
                assert await caller.hear() is not None
            async with here.caller() as caller:
                await caller.say(said("M1", 2))
                assert await caller.hear() is not None
        assert heard == [SILENT]

    run(test)


def test_a_request_says_nothing_it_should_not() -> None:
    message = parse(said("M1", 1)[6:-6])
    number, data = encoding.request("2051", message.head, START + timedelta(milliseconds=7), SPAN)
    assert number == "20260601000000007"
    assert parse(data[6:-6]).head == {**message.head, "QN": number, "CN": "2051"}


@given(
    st.lists(st.integers(-5, 50), max_size=60),
    st.integers(0, 20),
    st.integers(0, 50),
    st.integers(1, 6),
    st.integers(0, STEP - 1),
)
def test_gaps_are_what_an_obvious_loop_finds(hours: list[int], low: int, span: int, most: int, late: int) -> None:
    start, stop = START + timedelta(hours=low), START + timedelta(hours=low + span, seconds=late)
    there = [START + timedelta(hours=hour, seconds=late) for hour in hours]
    absent = [hour for hour in range(low, low + span) if hour not in hours]
    runs: list[list[int]] = []
    for hour in absent:
        if runs and runs[-1][-1] == hour - 1:
            runs[-1].append(hour)
        else:
            runs.append([hour])
    wanted = [Gap(*(START + timedelta(hours=run[-most:][end]) for end in (0, -1))) for run in reversed(runs)]
    assert gaps(there, start, stop, STEP, most) == wanted


def test_an_interval_that_has_begun_before_the_span_is_not_asked_for() -> None:
    half = timedelta(minutes=30)
    assert gaps([], START + half, START + 3 * timedelta(hours=1) + half, STEP, 10) == [
        Gap(START + timedelta(hours=1), START + timedelta(hours=2))
    ]
