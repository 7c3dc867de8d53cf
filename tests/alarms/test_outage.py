"""Sources of whose channels too many fall silent: one page, however they stop, and what ends it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import alarms
from tests.alarms.hearing import RULES, Channel, Town
from tests.alarms.test_silence import until
from tests.stories import LAW

PAGE = (75, "source_out", 1, "page")


def gateway(stations: int, each: int, stop: int = 60, again: int | None = None) -> dict[int, Channel]:
    """Channels of stations of one source that all stop at a minute, and that of another one, which goes on."""
    made = {n: Channel(station=n // each + 1, talks=until(stop, again)) for n in range(stations * each)}
    return {**made, 1000: Channel(station=99, source=2)}


def test_a_mass_outage_is_one_page_and_nothing_else() -> None:
    town = Town(gateway(4, 3))
    town.run(0, 400)
    assert town.told == [PAGE]  # last heard at 59, silent after 10, and 2 to be sure
    assert {rule for _, rule, *_ in town.events} == {"source_out"}


def test_it_ends_when_less_than_half_of_the_share_is_left_and_the_others_are_told_then() -> None:
    channels = gateway(5, 2, again=200)
    channels[0].talks = until(60)
    town = Town(channels)
    town.run(0, 260)
    # The tenth channel is less than 15 %: it is over when the others were heard three times.
    assert [each for each in town.events if each[1] == "source_out"] == [
        (70, "source_out", 1, "ok", "pending"),
        (75, "source_out", 1, "pending", "firing"),
        (210, "source_out", 1, "firing", "ok"),
    ]
    assert town.told == [PAGE, (210, "channel_silent", 0, "ticket")]


def test_what_stays_between_is_the_same_outage() -> None:
    """Of ten channels two stay away: more than half of three."""
    channels = gateway(5, 2, again=200)
    channels[0].talks = channels[3].talks = until(60)
    town = Town(channels)
    town.run(0, 300)
    assert town.told == [PAGE]
    assert town.state("source_out", 1) == "firing"


def test_few_channels_are_no_outage() -> None:
    town = Town(gateway(2, 2))
    town.run(0, 120)
    assert sorted(town.told) == [(80, "station_silent", 1, "ticket"), (80, "station_silent", 2, "ticket")]


def test_slow_channels_are_waited_for_before_anybody_is_told_of_quick_ones() -> None:
    """Of twenty channels six speak each minute, which is 30 %: whether the source is out the hours will tell."""
    cadences = [1] * 6 + [60] * 14
    town = Town({n: Channel(station=n // 2, cadence=each, talks=until(61)) for n, each in enumerate(cadences)})
    town.run(0, 260)
    assert town.told == [(245, "source_out", 1, "page")]
    town = Town({n: Channel(station=n // 2, cadence=each) for n, each in enumerate(cadences)})
    for number in range(6):
        town.channels[number].talks = until(61)
    town.run(0, 140)
    assert town.told == [(120, "station_silent", n, "ticket") for n in range(3)]


def test_a_long_outage_stays_one_whatever_is_old() -> None:
    """Beyond the `recent` hours the channels are those that were live when it began."""
    rules = alarms.parse({**RULES, "source_out": {**RULES["source_out"], "recent": 1}})
    town = Town(gateway(3, 2), rules=rules)
    town.run(0, 100)
    town.run(100, 600, every=50)
    assert town.told == [PAGE]
    assert town.state("source_out", 1) == "firing"
    for channel in town.channels.values():
        channel.talks = until(0, 600)
    town.run(600, 620)
    assert town.state("source_out", 1) == "ok"


def test_channels_long_dead_are_none_of_it() -> None:
    rules = alarms.parse({**RULES, "source_out": {**RULES["source_out"], "recent": 2}})
    channels = gateway(5, 2, stop=9999)
    for number in (0, 1, 2):
        channels[number].talks = until(1)
    for number in (3, 4):
        channels[number].talks = until(300)
    town = Town(channels, rules=rules)
    town.run(0, 120, every=20)
    town.told.clear()
    town.run(120, 400, every=20)
    # Two of seven, not five of ten.
    assert not [each for each in town.told if each[3] == "page"]


def test_an_outage_of_ours_is_none_of_theirs() -> None:
    town = Town(gateway(4, 3, stop=100, again=305))
    town.run(0, 400, looking=lambda now: not 100 <= now < 300)
    assert town.told == []
    town = Town(gateway(4, 3, stop=60, again=310))
    town.run(0, 325, looking=lambda now: not 100 <= now < 300)
    assert town.told == [PAGE]
    assert [after for *_, after in town.events] == ["pending", "firing", "blind", "firing", "ok"]


@given(
    stops=st.lists(st.integers(60, 160), min_size=6, max_size=14),
    cadences=st.lists(st.sampled_from([1, 1, 10, 30]), min_size=14, max_size=14),
    back=st.integers(180, 260),
)
@settings(LAW, max_examples=3)
def test_however_they_stop_nobody_is_paged_twice(stops: list[int], cadences: list[int], back: int) -> None:
    town = Town(
        {n: Channel(station=n // 3, cadence=cadences[n], talks=until(stop, back)) for n, stop in enumerate(stops)}
    )
    town.run(0, 400, every=10)
    assert len([each for each in town.told if each[3] == "page"]) <= 1
    assert len(town.told) == len({(rule, subject) for _, rule, subject, _ in town.told})
    assert all(state == "ok" for state in town.states["state"])


@given(stop=st.integers(30, 90), breaks=st.lists(st.tuples(st.integers(60, 200), st.integers(1, 90)), max_size=3))
@settings(LAW, max_examples=3)
def test_an_outage_is_one_page_whenever_we_are_away(stop: int, breaks: list[tuple[int, int]]) -> None:
    town = Town(gateway(3, 2, stop=stop))
    town.run(0, 400, looking=lambda now: not any(start <= now < start + long for start, long in breaks), every=10)
    assert [each[1:] for each in town.told] == [PAGE[1:]]
    assert town.state("source_out", 1) == "firing"
