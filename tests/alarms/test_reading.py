"""Hard limits on raw readings: the evidence of a look, held against the obvious loop, and laws 5 and 6 over it."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import alarms, parameters
from analytics.alarms import ACTIVE, BLIND, FIRING, OK, PENDING, RECOVERING, STATE, WITHDRAWN, reading
from analytics.frames import SERIES
from analytics.tables import TableError
from tests.stories import EXAMPLES

T0 = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
MINUTE = timedelta(minutes=1)
RECORD: dict[str, Any] = {
    "kind": "reading",
    "parameter": "co",
    "direction": "above",
    "limit": 10,
    "off": 5,
    "readings": 2,
    "of": 3,
    "clear": 3,
    "minutes": 2,
    "cadences": 3,
    "at_least": 3,
    "severity": "page",
    "title": "",
    "title_zh": "",
    "source": "OWN",
    "confidence": "memory_low",
}
LIMIT, OFF, READINGS, OF, CLEAR, SPAN, LATE = 10, 5, 2, 3, 3, 2 * MINUTE, 3 * MINUTE


class Heard(NamedTuple):
    """A reading that is not void."""

    value: float
    live: bool = True


def rules(**changes: Any) -> dict[str, alarms.Rule]:
    record = {key: value for key, value in {**RECORD, **changes}.items() if value is not None}
    return alarms.parse({"alarm": record})


def frame(heard: dict[int, Heard], rank: int = 0, cadence: int = 60) -> pl.DataFrame:
    """`reading.READINGS` of subject 1, by the minute."""
    rows = [(1, rank, cadence, T0 + minute * MINUTE, *one) for minute, one in sorted(heard.items())]
    return pl.DataFrame(rows, schema=dict(reading.READINGS), orient="row")


ASKED = pl.DataFrame({"subject": [1], "rule": ["alarm"]}, schema={"subject": pl.Int32, "rule": pl.String})
NOBODY = ASKED.clear()


def look(heard: dict[int, Heard], **changes: Any) -> dict[str, Any]:
    """The evidence of `heard`, as a row."""
    return reading.evidence(ASKED, frame(heard), NOBODY, rules(**changes)).row(0, named=True)


def seen(values: str) -> dict[int, Heard]:
    """A reading a minute: `!` beyond the limit, `-` between the lines, `.` good, `l` beyond but late, ` ` none."""
    said = {"!": Heard(12.0), "-": Heard(7.0), ".": Heard(1.0), "l": Heard(12.0, live=False)}
    return {minute: said[sign] for minute, sign in enumerate(values) if sign != " "}


@pytest.mark.parametrize(
    ("values", "on", "settled", "confirmed", "quiet", "over"),
    [
        ("....", False, False, False, 4, True),
        ("...!", True, True, False, 0, False),
        ("..!!", True, True, True, 0, False),
        (".!.!", True, True, True, 0, False),  # two of three
        ("!..!", True, True, False, 0, False),
        ("..!-", True, False, False, 0, False),
        (".!!-", True, False, True, 0, False),  # it is on, but nothing is told anew by what is not beyond the limit
        ("!!.-", False, False, False, 0, False),  # between the lines: neither on again nor quiet
        ("!!..", False, False, False, 2, False),
        ("!!...", False, False, False, 3, True),
        ("!!..  .", False, False, False, 3, True),
        ("!! . .", False, False, False, 2, False),
        ("..ll", True, False, False, 0, False),  # the past
        ("..l!", True, True, False, 0, False),
        (".!l!", True, True, True, 0, False),
        ("!.l!", True, True, False, 0, False),
    ],
)
def test_what_is_seen_in_a_row_of_readings(
    values: str, on: bool, settled: bool, confirmed: bool, quiet: int, over: bool
) -> None:
    found = look(seen(values))
    assert [found[name] for name in ("on", "settled", "confirmed", "quiet", "over")] == [
        on,
        settled,
        confirmed,
        quiet,
        over,
    ]


def test_onset_is_the_first_reading_beyond_since_it_was_quiet_for_long_enough() -> None:
    assert look(seen("!!...!.!"))["onset"] == T0 + 5 * MINUTE
    assert look(seen("!!..!.!"))["onset"] == T0
    assert look(seen("....."))["onset"] is None


def test_a_device_stuck_at_full_scale_waits_for_another_number() -> None:
    stuck = {minute: Heard(20.0) for minute in range(3)}
    assert look(stuck)["confirmed"]
    assert not look(stuck, full_scale=20)["confirmed"]
    assert not look(stuck, full_scale=19.5)["confirmed"]
    assert look(stuck, full_scale=21)["confirmed"]
    assert look({**stuck, 3: Heard(19.0)}, full_scale=20)["confirmed"]
    below = {"direction": "below", "limit": 0.2, "off": 2, "full_scale": 0}
    assert not look({minute: Heard(0.0) for minute in range(3)}, **below)["confirmed"]
    assert look({0: Heard(0.1), 1: Heard(0.0)}, **below)["confirmed"]


def test_who_stands_in_counts_only_while_who_speaks_is_silent() -> None:
    speaks, stands = frame(seen("...")), frame(seen("!!!!!!!!"), rank=1)
    found = reading.evidence(ASKED, pl.concat([speaks, stands]), NOBODY, rules()).row(0, named=True)
    # Silent since minute 2, and three minutes are on time: from minute 6 on the other one counts.
    assert (found["onset"], found["confirmed"]) == (T0 + 6 * MINUTE, True)
    both = pl.concat([frame(seen("......")), stands])
    assert reading.evidence(ASKED, both, NOBODY, rules())["on"].to_list() == [False]


def test_readings_are_on_time_by_the_cadence_of_their_series() -> None:
    slow = reading.evidence(ASKED, frame(seen("!!"), cadence=3600), NOBODY, rules()).row(0, named=True)
    assert slow["lateness"] == timedelta(hours=3)
    assert look(seen("!!"))["lateness"] == LATE


def test_nothing_known_is_not_nothing_wrong() -> None:
    found = look({})
    assert (found["on"], found["quiet"], found["over"], found["covered"]) == (False, 0, False, False)


def test_of_one_quantity_one_series_speaks_and_one_stands_in() -> None:
    rows = [
        (1, 1, "co", "", "", 3600, 480, 0),
        (2, 1, "co", "", "", 60, 480, 1),
        (3, 1, "co", "", "", 300, 480, None),
        (4, 1, "co", "3", "", 60, 480, None),
        (5, 1, "co", "", "max", 60, 480, None),
        (6, 2, "pm25", "", "", 60, 480, 0),
        (7, 2, "co", "", "", 300, 480, None),
        (8, 2, "co", "", "", 60, 480, None),
    ]
    series = pl.DataFrame(rows, schema={**SERIES, "rank": pl.Int16()}, orient="row")
    heard = reading.heard(series, rules()).select("voice", "series", "rank").rows()
    assert heard == [(1, 1, 0), (1, 2, 1), (4, 4, 0), (8, 8, 0), (8, 7, 1)]
    assert reading.heard(series, rules(statistic="max"))["series"].to_list() == [5]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"direction": "up"}, "direction"),
        ({"off": 11}, "off"),
        ({"direction": "below", "off": 9}, "off"),
        ({"readings": 0}, "readings"),
        ({"of": 1}, "of"),
        ({"clear": 0}, "clear"),
        ({"minutes": -1}, "minutes"),
        ({"full_scale": 10}, "full_scale"),
        ({"limit": "10"}, "limit"),
        ({"limit": True}, "limit"),
        ({"parameter": None}, "parameter"),
        ({"parameter": ["co"]}, "parameter"),
        ({"confirm": 1}, "confirm"),
    ],
)
def test_a_wrong_rule_names_block_and_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(TableError, match=rf"\[alarm\].*'{key}'"):
        rules(**changes)


def test_the_package_rules_name_parameters_within_their_ranges() -> None:
    known, found = parameters.load(), alarms.of_kind(alarms.load(), "reading")
    reading.check(found, known)
    with pytest.raises(TableError, match=r"\[alarm\].*'strange'"):
        reading.check(rules(parameter="strange"), known)
    for rule in found.values():
        low, high = known[rule.keys["parameter"]].quality["gross_range"]["fail"]
        assert low <= rule.keys["limit"] < high, "a limit outside the gross range could never be exceeded"
        assert rule.latched


class World:
    """Readings of one channel, some of live batches; a clock; somebody who may acknowledge."""

    def __init__(self, *, latched: bool) -> None:
        self.rules = rules(latched=latched)
        self.heard: dict[int, Heard] = {}
        self.states = pl.DataFrame(schema=dict(STATE))
        self.acknowledged = False

    def watch(self, minute: int) -> list[dict[str, Any]]:
        """A look as jobs/watch/reading.py has it, at the end of `minute`."""
        newest = dict(sorted(self.heard.items())[-6:])
        stands = reading.standing(self.states, frame(self.heard), self.rules)
        evidence = reading.evidence(ASKED, frame(newest), stands, self.rules)
        held = self.rules["alarm"].latched and not self.acknowledged
        evidence = evidence.with_columns(pl.lit(held).alias("held"))
        found = alarms.watch(self.states, evidence, self.rules, T0 + (minute + 0.5) * MINUTE)
        if found.states.height:
            self.states = found.states
        return found.events.to_dicts()

    @property
    def state(self) -> str:
        return str(self.states["state"][0]) if self.states.height else OK


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["live", "live", "live", "silence", "late", "void", "correct", "acknowledge"]),
        st.integers(1, 4),
        st.sampled_from([1.0, 7.0, 12.0, 12.0]),
    ),
    max_size=14,
)


@settings(max_examples=EXAMPLES or 20, deadline=None)
@given(STEPS, st.booleans())
def test_laws_hold_whatever_comes(steps: list[tuple[str, int, float]], latched: bool) -> None:
    world, minute = World(latched=latched), 0
    for what, length, value in steps:
        if what == "acknowledge":
            world.acknowledged = world.state in ACTIVE
            laws_hold(world, minute)
        for _ in range(length if what in ("live", "silence") else 0):
            minute += 1
            if what == "live":
                world.heard[minute] = Heard(value)
            laws_hold(world, minute)
        if what in ("late", "void", "correct"):
            missing = what == "late"
            for past in [m for m in range(max(0, minute - 8), minute + 1) if (m in world.heard) != missing][-length:]:
                if what == "void":
                    del world.heard[past]
                else:
                    world.heard[past] = Heard(value, live=False)
            laws_hold(world, minute)


def laws_hold(world: World, minute: int) -> None:
    before = world.state
    was = world.states.row(0, named=True) if world.states.height else {}
    events = world.watch(minute)
    now, heard = T0 + (minute + 0.5) * MINUTE, sorted(world.heard.items())
    lives = [m for m, one in heard if one.live]
    fresh = bool(lives) and now - (T0 + lives[-1] * MINUTE) <= LATE
    if before not in ACTIVE and world.state in (PENDING, FIRING) and before != world.state:  # law 6
        assert fresh
        assert heard[-1][1].live
        assert heard[-1][1].value > LIMIT
    if before not in ACTIVE and world.state == FIRING:
        assert sum(one.live and one.value > LIMIT for _, one in heard[-OF:]) >= READINGS
    if before in ACTIVE:
        stood = [m for m, one in heard if one.value > LIMIT and was["onset"] <= T0 + m * MINUTE <= was["seen"]]
        assert (not stood) == (world.state == WITHDRAWN)
    if before in ACTIVE and world.state == OK:  # law 5
        last = heard[-CLEAR:]
        assert len(last) == CLEAR
        assert all(one.value <= OFF for _, one in last)
        assert world.acknowledged or not world.rules["alarm"].latched
        world.acknowledged = False
    if world.state == FIRING:
        assert fresh
        assert heard[-1][1].value > OFF
    if world.state == RECOVERING:
        assert fresh
    if before in ACTIVE and not fresh:
        assert world.state in (BLIND, WITHDRAWN, OK)
    for event in events:
        assert event["before"] == before
    if world.state != WITHDRAWN:
        assert world.watch(minute) == [], "the same moment again tells nothing new"
