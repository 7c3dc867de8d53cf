"""Channels and stations that fall silent: what somebody is told, and when; series whose answer is seen by eye."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import alarms
from analytics.tables import TableError
from tests.alarms.hearing import LIMIT, RULES, WORDS, Channel, Town
from tests.stories import LAW

HOURS = 60


def until(minute: int, again: int | None = None) -> Callable[[int], bool]:
    """Talks until `minute`, and from `again` on."""
    return lambda now: now < minute or (again is not None and now >= again)


def test_a_silent_channel_is_a_ticket_and_ends_when_it_was_heard_three_times() -> None:
    town = Town({1: Channel(talks=until(60, 180)), 2: Channel()})
    town.run(0, 175)
    town.run(175, 190, every=1)
    # Last heard at 59; silent when that is more than 10 min ago, told after 20 more.
    assert town.told == [(90, "channel_silent", 1, "ticket")]
    assert town.events == [
        (70, "channel_silent", 1, "ok", "pending"),
        (90, "channel_silent", 1, "pending", "firing"),
        (180, "channel_silent", 1, "firing", "recovering"),
        (182, "channel_silent", 1, "recovering", "ok"),
    ]


def test_a_short_silence_tells_nobody() -> None:
    town = Town({1: Channel(talks=until(60, 85)), 2: Channel()})
    town.run(0, 120)
    assert town.told == []
    assert town.events[-1] == (85, "channel_silent", 1, "pending", "ok")


def test_a_reading_now_and_then_is_one_silence() -> None:
    """Each half hour one reading: it never was heard three times in a row of its limit."""
    town = Town({1: Channel(talks=lambda now: now < 60 or (now > 120 and now % 30 == 0)), 2: Channel()})
    town.run(0, 300)
    assert town.told == [(90, "channel_silent", 1, "ticket")]
    assert town.state("channel_silent", 1) in alarms.ACTIVE


def test_what_was_read_again_or_came_late_ends_nothing() -> None:
    """A live batch that brings what a device kept moves the newest reading, but to where it is no news."""
    town = Town({1: Channel(talks=until(60)), 2: Channel()})
    town.run(0, 200)
    town.channels[1].live = 150
    town.run(200, 204)
    assert town.state("channel_silent", 1) == "firing"
    assert len(town.told) == 1


def test_a_learned_pause_is_no_silence() -> None:
    """A point that measures at night, for eight hours of minutes: the gap of sixteen hours was learned."""
    night = Channel(talks=lambda now: now % 1440 < 480, long=16 * 3600.0, late=30.0)
    deaf = Channel(station=2, talks=lambda now: now % 1440 < 480)
    town = Town({1: night, 2: deaf})
    town.run(0, 2000, every=30)
    assert {subject for _, rule, subject, _ in town.told if rule == "station_silent"} == {2}
    assert not [each for each in town.told if each[1] == "channel_silent"]
    night.talks = until(0)
    town.told.clear()
    town.run(2000, 3400, every=30)
    # Last heard at 1919; 1.5 × (16 h + 30 s) after that, and ten minutes.
    assert [each for each in town.told if each[2] == 1] == [(3390, "station_silent", 1, "ticket")]


def test_a_station_is_one_alarm_and_not_ten() -> None:
    town = Town({n: Channel(talks=until(60, 300)) for n in range(1, 11)})
    town.rules = alarms.parse({**RULES, "source_out": {**RULES["source_out"], "least": 20}})
    town.run(0, 320)
    assert town.told == [(80, "station_silent", 1, "ticket")]
    assert {rule for _, rule, *_ in town.events} == {"station_silent"}
    assert town.state("station_silent", 1) == "ok"


def test_channels_of_a_station_wait_for_those_that_speak_seldom() -> None:
    """The minutes stop, and so does the hour, which nobody can know before three hours: one alarm, of the station."""
    town = Town({1: Channel(talks=until(60)), 2: Channel(talks=until(60)), 3: Channel(cadence=60, talks=until(60))})
    town.run(0, 200)
    assert town.told == [(190, "station_silent", 1, "ticket")]
    # Where the hour goes on, it is known with its next reading that the station is there.
    town = Town({1: Channel(talks=until(60)), 2: Channel(talks=until(60)), 3: Channel(cadence=60)})
    town.run(0, 130)
    assert town.told == [(90, "channel_silent", 1, "ticket"), (90, "channel_silent", 2, "ticket")]
    # And no longer than the rule is patient.
    town = Town({1: Channel(talks=until(60)), 2: Channel(cadence=1440, talks=until(60))})
    town.run(0, 400)
    assert town.told == [(310, "channel_silent", 1, "ticket")]


def test_what_was_never_heard_and_what_is_retired_is_not_silent() -> None:
    town = Town({1: Channel(talks=until(0)), 2: Channel(), 3: Channel(talks=until(60)), 4: Channel(talks=until(60))})
    town.channels[4].retired = True
    town.run(0, 80)
    town.channels[3].retired = True
    town.run(80, 200)
    assert town.told == []
    assert town.events == [
        (70, "channel_silent", 3, "ok", "pending"),
        (80, "channel_silent", 3, "pending", "ok"),
    ]


def test_a_channel_that_is_retired_while_its_alarm_is_on_is_withdrawn() -> None:
    town = Town({1: Channel(talks=until(60)), 2: Channel()})
    town.run(0, 100)
    town.channels[1].retired = True
    town.run(100, 102)
    assert town.events[-1] == (100, "channel_silent", 1, "firing", "withdrawn")


def test_after_a_break_of_ours_nobody_is_told_of_what_we_did_not_hear() -> None:
    """We are away from 100 to 300, and what was sent meanwhile is gone."""
    town = Town({1: Channel(talks=until(100, 305)), 2: Channel(talks=until(100, 305)), 3: Channel(talks=until(98))})
    town.run(0, 340, looking=lambda now: not 100 <= now < 300)
    assert town.told == [(330, "channel_silent", 3, "ticket")]  # one limit after we are back, and its 20 minutes


def test_what_is_heard_again_after_a_break_begins_nothing() -> None:
    """Silent by its readings when we come back, heard soon after, but not yet three times."""
    town = Town({1: Channel(cadence=5, talks=until(100, 305))})
    town.run(0, 340, looking=lambda now: not 100 <= now < 300)
    assert town.events == []


def test_what_was_told_before_a_break_of_ours_goes_blind_and_comes_back() -> None:
    town = Town({1: Channel(talks=until(60)), 2: Channel()})
    town.run(0, 300, looking=lambda now: not 100 <= now < 200)
    assert town.told == [(90, "channel_silent", 1, "ticket")]
    assert town.events[2:] == [
        (200, "channel_silent", 1, "firing", "blind"),
        (215, "channel_silent", 1, "blind", "firing"),
    ]


def test_a_door_that_was_away_silences_nobody_behind_it() -> None:
    town = Town(
        {
            **{n: Channel(door="hj212", talks=until(100, 305)) for n in (1, 2)},
            3: Channel(station=2, door="http", talks=until(100)),
            4: Channel(station=2, door="http"),
        },
        away=lambda now: {"hj212"} if 100 <= now < 300 else set(),
    )
    town.run(0, 340)
    assert town.told == [(130, "channel_silent", 3, "ticket")]


def test_a_restart_forgets_how_often_it_was_heard_and_ends_nothing_too_soon() -> None:
    town = Town({1: Channel(talks=until(60, 180)), 2: Channel()})
    town.run(0, 180)
    town.run(180, 182, every=1)
    town.memory.clear()
    town.run(182, 200, every=1)
    assert town.events[-1] == (185, "channel_silent", 1, "recovering", "ok")


@given(
    channels=st.lists(
        st.tuples(st.sampled_from([1, 5, 60]), st.integers(1, 3), st.sampled_from(["", "hj212"])),
        min_size=1,
        max_size=8,
    ),
    breaks=st.lists(st.tuples(st.integers(60, 300), st.integers(2, 200)), min_size=1, max_size=3),
)
@settings(LAW, max_examples=3)
def test_breaks_of_ours_tell_nobody_of_channels_that_speak(
    channels: list[tuple[int, int, str]], breaks: list[tuple[int, int]]
) -> None:
    """Whenever we are away, and for how long: what speaks as soon as we are back is never told of."""

    def away(now: int) -> bool:
        return any(start <= now < start + length for start, length in breaks)

    town = Town(
        {
            n: Channel(station=station, door=door, cadence=cadence, talks=lambda now: not away(now))
            for n, (cadence, station, door) in enumerate(channels, start=1)
        }
    )
    town.run(0, 600, looking=lambda now: not away(now))
    assert town.told == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scope": "source"}, "'scope' cannot be 'source'"),
        ({"share": 0.5, "least": 1}, "of the scope 'station'"),
        ({"clear": 0}, "'clear' must be 1 or more"),
        ({"factor": 0.5}, "'factor' must be 1 or more"),
        ({"wait": -1}, "'wait' must be 0 or more"),
    ],
)
def test_a_table_that_cannot_be_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(TableError, match=words):
        alarms.parse({"one": {**RULES["channel_silent"], **change}})


def test_a_share_is_more_than_nothing() -> None:
    with pytest.raises(TableError, match="'share' must be more than 0"):
        alarms.parse({"one": {**RULES["station_silent"], "share": 0}})
    assert LIMIT.keys() | WORDS.keys() < RULES["channel_silent"].keys()
