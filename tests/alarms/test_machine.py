"""The states of an alarm: each transition, and laws 5 and 6 whatever comes in whatever order."""

import itertools
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import alarms, episodes, standards
from analytics.alarms import ACTIVE, BLIND, FIRING, OK, PENDING, RECOVERING, STATE, STATES, WITHDRAWN, episode
from analytics.frames import TIME
from analytics.store import alarms as store
from analytics.tables import TableError
from analytics.texts import text
from tests.alarms.facts import HOUR, MINUTE, NOW, RECORD, T0, evidence, rules, state
from tests.rows import EPISODE
from tests.stories import EXAMPLES

CALM = {"on": False, "settled": False, "quiet": 1}
SILENT = {"live": NOW - 11 * MINUTE}
GONE = {"on": False, "settled": False, "stands": False, "onset": None, "episode": None, "level": None}


@pytest.mark.parametrize(
    ("before", "changes", "after", "reason"),
    [
        # nothing was on
        (OK, {}, FIRING, "fired"),
        (OK, {"confirmed": False}, PENDING, "begun"),
        (OK, SILENT, OK, None),
        (OK, {"live": None, "lateness": None}, OK, None),
        (OK, {"live": NOW + 11 * MINUTE}, OK, None),  # a clock in the future is no live edge
        (OK, {"covered": False}, OK, None),  # the averages end long before the live readings
        (OK, {"settled": False}, OK, None),
        (OK, CALM, OK, None),
        (OK, {"filled": NOW - 59 * MINUTE}, OK, None),  # a backfill had a hand in the newest hour
        (OK, {"filled": NOW - HOUR}, FIRING, "fired"),
        (WITHDRAWN, {}, FIRING, "fired"),
        (WITHDRAWN, {"filled": NOW}, WITHDRAWN, None),
        (WITHDRAWN, SILENT, WITHDRAWN, None),
        # to be confirmed
        (PENDING, {"confirmed": False}, PENDING, None),
        (PENDING, {}, FIRING, "fired"),
        (PENDING, {"filled": NOW}, PENDING, None),
        (PENDING, SILENT, PENDING, None),
        (PENDING, CALM, OK, "passed"),
        (PENDING, GONE, OK, "removed"),
        # told
        (FIRING, {}, FIRING, None),
        (FIRING, {"level": 2}, FIRING, "raised"),
        (FIRING, {"level": 2, "filled": NOW}, FIRING, "raised"),
        (FIRING, SILENT, BLIND, "silent"),
        (FIRING, {"covered": False}, BLIND, "silent"),
        (FIRING, CALM, RECOVERING, "quiet"),
        (FIRING, {**CALM, "quiet": 0}, RECOVERING, "quiet"),
        (FIRING, {**CALM, "over": True}, OK, "cleared"),
        (FIRING, GONE, WITHDRAWN, "removed"),
        (FIRING, {**GONE, **SILENT}, WITHDRAWN, "removed"),
        (BLIND, SILENT, BLIND, None),
        (BLIND, {**SILENT, "level": 2}, BLIND, None),
        (BLIND, {}, FIRING, "seen"),
        (BLIND, CALM, RECOVERING, "seen"),
        (BLIND, {**CALM, **SILENT}, BLIND, None),
        (BLIND, {**CALM, **SILENT, "over": True}, OK, "cleared"),  # late readings show that it is over
        (BLIND, GONE, WITHDRAWN, "removed"),
        (RECOVERING, CALM, RECOVERING, None),
        (RECOVERING, {}, FIRING, "again"),
        (RECOVERING, SILENT, BLIND, "silent"),
        (RECOVERING, {**CALM, "quiet": 3}, RECOVERING, None),
        (RECOVERING, {**CALM, "over": True}, OK, "cleared"),
        (RECOVERING, GONE, WITHDRAWN, "removed"),
        # latched: it ends when somebody has acknowledged it
        (FIRING, {**CALM, "over": True, "held": True}, RECOVERING, "quiet"),
        (RECOVERING, {**CALM, "over": True, "held": True}, RECOVERING, None),
        (BLIND, {**CALM, **SILENT, "over": True, "held": True}, BLIND, None),
        (FIRING, {**GONE, "held": True}, WITHDRAWN, "removed"),
    ],
)
def test_each_transition(before: str, changes: dict[str, Any], after: str, reason: str | None) -> None:
    states, events = alarms.watch(state(before), evidence(**changes), rules(), NOW)
    assert events.select("before", "after", "reason").rows() == ([(before, after, reason)] if reason else [])
    if after != before:
        assert states.select("state", "since").rows() == [(after, NOW)]


def test_every_pair_of_states_that_can_follow_has_a_reason() -> None:
    """Whatever is known, an event says why; `watch` is total over all states and all evidence."""
    flags = [True, False]
    times = [None, NOW - MINUTE, NOW - HOUR]
    for before, on, stands, quiet, live, held in itertools.product(STATES, flags, flags, (0, 1, 9), times, flags):
        lateness = None if live is None else 10 * MINUTE
        facts = {"on": on, "settled": on, "stands": stands, "quiet": quiet, "live": live, "lateness": lateness}
        facts |= {"over": quiet == 9, "held": held, "confirmed": held}
        found = alarms.watch(state(before), evidence(**facts), rules(), NOW)
        assert found.events["reason"].null_count() == 0
        assert set(found.events["after"]) <= set(STATES)


def test_what_is_remembered_follows_the_state() -> None:
    (fired,) = alarms.watch(state(OK), evidence(level=2), rules(), NOW).states.to_dicts()
    assert fired == {
        "subject": 1,
        "rule": "alarm",
        "state": FIRING,
        "level": 2,
        "since": NOW,
        "episode": T0 + 5 * HOUR,
        "edge": NOW,
        "closed": None,
        "onset": T0 + 5 * HOUR,
        "seen": NOW,
        "fired": NOW,
        "first": "page",
        "told": "page",
        "incident": None,
    }
    (earlier,) = alarms.watch(state(FIRING), evidence(onset=T0 + 2 * HOUR), rules(), NOW).states.to_dicts()
    assert (earlier["onset"], earlier["seen"], earlier["since"]) == (T0 + 2 * HOUR, NOW, T0)
    (blind,) = alarms.watch(state(FIRING, 2), evidence(**SILENT, on=False), rules(), NOW).states.to_dicts()
    assert (blind["level"], blind["seen"], blind["closed"]) == (2, T0 + 9 * HOUR, None)
    (over,) = alarms.watch(state(BLIND), evidence(**{**CALM, "over": True}), rules(), NOW).states.to_dicts()
    assert (over["closed"], over["onset"], over["seen"]) == (NOW, None, None)
    assert alarms.watch(state(BLIND), evidence(**SILENT, edge=T0 + 9 * HOUR, on=False), rules(), NOW).states.is_empty()


def test_the_store_knows_the_same_states_and_columns() -> None:
    assert store.ACTIVE == ACTIVE
    assert dict(STATE) == store.STATE
    assert dict(alarms.SCOPES) == store.SCOPES


def test_people_are_told_why_in_both_languages() -> None:
    """Each reason of an event has its words."""
    reasons = {*alarms.REASONS.values(), "passed", "removed", "raised", "lowered", "told", "escalated"}
    words = [
        *(f"alarm_{reason}" for reason in reasons),
        *(f"alarm_told_{word or 'nobody'}" for word in alarms.SEVERITIES),
    ]
    assert all(text(key) for key in [*words, *STATES])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"severity": "loud"}, "'severity' cannot be 'loud'"),
        ({"clear": 0}, "'clear' must be 1 or more"),
        ({"confirm": -1}, "'confirm' must be 0 or more"),
        ({"level": "2"}, "'level' cannot be '2'"),
    ],
)
def test_a_table_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TableError, match=words):
        rules(**changes)


def test_the_package_alarms_fit_the_package_episodes() -> None:
    known = episodes.load()
    depths = {name: rule.depth for name, rule in known.items()}
    bridges = {name: rule.bridge for name, rule in known.items()}
    alarms.check(alarms.load(), depths, bridges)
    with pytest.raises(TableError, match="'rule' has no level 2"):
        alarms.check(rules(level=2), {"rule": 1}, {"rule": 0})
    with pytest.raises(TableError, match="'clear' must be more than the bridge"):
        alarms.check(rules(), {"rule": 1}, {"rule": 4})


RULE = episodes.parse({"rule": {**EPISODE, "silence": 12}})
BOTH = alarms.parse({"mild": {**RECORD, "confirm": 1}, "heavy": {**RECORD, "level": 2, "confirm": 2}})
PLACES = pl.DataFrame({"station": [1], "offset": [0]}, schema={"station": pl.Int32, "offset": pl.Int16}).with_columns(
    pl.lit([], standards.PLACES).alias("places")
)


@dataclass
class World:
    """One station: its hours, its newest live reading, the remembered states. All pure."""

    hours: dict[int, float] = field(default_factory=dict)
    live: datetime | None = None
    states: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict(STATE)))

    def marked(self) -> pl.DataFrame:
        rows = [(1, "pm25", "hour", T0 + hour * HOUR, value) for hour, value in sorted(self.hours.items())]
        schema = {"station": pl.Int32(), "parameter": pl.String(), "averaging": pl.String(), "time": TIME}
        spoken = pl.DataFrame(rows, schema=schema | {"value": pl.Float64()}, orient="row")
        return episodes.conditions(spoken, PLACES, RULE)

    def held(self) -> pl.DataFrame:
        rows = [
            (1, "rule", row["time"], row["stop"], row["closed"], datetime.fromisoformat(start), level)
            for row in episodes.runs(self.marked()).to_dicts()
            for start, level in json.loads(row["levels"])
        ]
        return episode.stretches(
            pl.DataFrame(rows, schema=store.TURNS, orient="row").rename({"station": "subject"}), BOTH
        )

    def watch(self, now: datetime) -> pl.DataFrame:
        """The events of now."""
        held = self.held()
        live = pl.DataFrame(
            [(1, "rule", self.live, None, 60)],
            schema={"subject": pl.Int32, "episode_rule": pl.String, "live": TIME, "filled": TIME, "cadence": pl.Int32},
            orient="row",
        )
        edges = episode.edges(live, BOTH)
        asked = episode.asked(self.states, held, edges, now)
        values = self.marked().rename({"rule": "episode_rule", "station": "subject"})
        known = episode.evidence(self.states, asked, held, values, edges, BOTH, now)
        found = alarms.watch(self.states, known, BOTH, now)
        self.states = pl.concat([found.states, self.states]).unique(["subject", "rule"], keep="first")
        return found.events


LEVEL, OFF, CLEAR, CONFIRM = {"mild": 10, "heavy": 20}, {"mild": 5, "heavy": 18}, 4, {"mild": 1, "heavy": 2}

#: (what happens, how many hours, value)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["live", "live", "live", "silent", "late", "correct", "void"]),
        st.integers(1, 6),
        st.sampled_from([0.0, 5.0, 7.0, 12.0, 12.0, 19.0, 30.0]),
    ),
    max_size=12,
)


@settings(max_examples=EXAMPLES or 12, deadline=None)
@given(STEPS, st.integers(0, 40))
def test_laws_5_and_6_whatever_comes(steps: list[tuple[str, int, float]], backfilled: int) -> None:
    """Hour after hour live, silent, late, corrected, voided; what the past was like before is drawn too."""
    world = World(dict.fromkeys(range(-backfilled, 0), 30.0))
    before: dict[str, str] = {}
    hour = 0
    for what, length, value in steps:
        if what in ("late", "correct", "void"):
            past = [h for h in range(hour - length * 3, hour) if (h in world.hours) != (what == "late")]
            for h in past[-length:]:
                if what == "void":
                    del world.hours[h]
                else:
                    world.hours[h] = value
            laws_hold(world, T0 + hour * HOUR + MINUTE, before)
            continue
        for _ in range(length):
            if what == "live":
                world.hours[hour] = value
                world.live = T0 + hour * HOUR + 59 * MINUTE
            hour += 1
            laws_hold(world, T0 + hour * HOUR + MINUTE, before)


def laws_hold(world: World, now: datetime, before: dict[str, str]) -> None:
    remembered = {row["rule"]: row for row in world.states.to_dicts()}
    events = world.watch(now)
    held = world.held()
    fresh = world.live is not None and now - world.live <= 10 * MINUTE
    for event in events.to_dicts():
        rule, after = event["rule"], event["after"]
        assert event["before"] == before.get(rule, OK)
        newest = [world.hours[hour] for hour in sorted(world.hours)]
        if event["before"] not in ACTIVE and after in (PENDING, FIRING):  # law 6
            assert fresh
            assert newest[-1] > OFF[rule]
        if after == FIRING and event["before"] in (OK, WITHDRAWN, PENDING):
            assert event["edge"] - event["onset"] >= CONFIRM[rule] * HOUR
            assert fresh
        if event["before"] in ACTIVE and after == OK:  # law 5
            assert all(value <= OFF[rule] for value in newest[-CLEAR:])
            assert len(newest) >= CLEAR
        before[rule] = after
    for rule, row in remembered.items():
        if row["state"] in ACTIVE:  # law 5: withdrawn exactly where nothing is left of what it stood on
            stood = held.filter(pl.col("rule") == rule, pl.col("start") < row["seen"], pl.col("stop") > row["onset"])
            assert stood.is_empty() == (before[rule] == WITHDRAWN)
    for rule, name in before.items():
        (row,) = world.states.filter(pl.col("rule") == rule).to_dicts()
        assert row["state"] == name
        if name == FIRING:
            assert fresh
            assert world.hours[max(world.hours)] > OFF[rule]
        if name in ACTIVE:  # nothing that is on is forgotten
            assert row["level"] >= (2 if rule == "heavy" else 1)
            assert row["closed"] is None or row["since"] >= row["closed"]
    if WITHDRAWN not in before.values():
        assert world.watch(now).is_empty(), "the same moment again tells nothing new"


def test_a_backfill_never_pages_and_the_first_live_hour_does_however_old_the_onset() -> None:
    world = World(dict.fromkeys(range(-48, 0), 30.0))
    assert world.watch(T0).is_empty()
    world.live = T0 - MINUTE
    assert world.watch(T0).select("rule", "after", "onset").rows() == [
        ("heavy", FIRING, T0 - 48 * HOUR),
        ("mild", FIRING, T0 - 48 * HOUR),
    ]


def test_only_quiet_in_a_row_ends_it() -> None:
    """Three quiet hours end the episode; the hour between the lines after them is not quiet: counting begins anew."""
    world = World(dict.fromkeys(range(4), 12.0), live=T0 + 4 * HOUR - MINUTE)
    world.watch(T0 + 4 * HOUR)
    said = []
    for hour, value in enumerate([4.0, 4.0, 4.0, 7.0, 4.0, 4.0, 4.0, 4.0], start=4):
        world.hours[hour], world.live = value, T0 + (hour + 1) * HOUR - MINUTE
        said += [(hour, event["after"]) for event in world.watch(T0 + (hour + 1) * HOUR).to_dicts()]
    assert said == [(4, RECOVERING), (11, OK)]


def test_another_run_does_not_stand_for_one_that_was_corrected_away() -> None:
    world = World(dict.fromkeys(range(4), 12.0), live=T0 + 4 * HOUR - MINUTE)
    world.watch(T0 + 4 * HOUR)
    world.hours = {**dict.fromkeys(range(9), 0.0), **dict.fromkeys(range(9, 12), 12.0)}
    world.live = T0 + 12 * HOUR - MINUTE
    assert world.watch(T0 + 12 * HOUR).select("after", "onset").rows() == [(WITHDRAWN, T0)]
    assert world.watch(T0 + 12 * HOUR)["after"].to_list() == [FIRING]


def test_a_correction_of_level_two_withdraws_only_level_two() -> None:
    world = World(dict.fromkeys(range(4), 30.0), live=T0 + 4 * HOUR - MINUTE)
    world.watch(T0 + 4 * HOUR)
    world.hours = dict.fromkeys(range(4), 12.0)
    events = world.watch(T0 + 4 * HOUR + MINUTE)
    assert events.select("rule", "before", "after", "reason").rows() == [
        ("heavy", FIRING, WITHDRAWN, "removed"),
        ("mild", FIRING, FIRING, "lowered"),
    ]
