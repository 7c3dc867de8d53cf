"""Who is told of what: severities that only grow, held back and told later, conditions of which one is enough, levels
that count once they have held, regions."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from analytics import alarms
from analytics.alarms import (
    BLIND,
    FIRING,
    HUSHED,
    OK,
    PENDING,
    RECOVERING,
    STATE,
    WITHDRAWN,
    episode,
    hush,
    region,
)
from analytics.frames import TIME
from analytics.tables import TableError
from tests.alarms import facts

T0 = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TEXTS = dict.fromkeys(("title", "title_zh"), "") | {"source": "OWN", "confidence": "memory_low"}
RECORD: dict[str, Any] = facts.RECORD | {"severity": "ticket", "confirm": 0}
REGION: dict[str, Any] = TEXTS | {
    "kind": "region",
    "member": "alarm",
    "least": 3,
    "share": 0.5,
    "confirm": 0,
    "clear": 1,
    "severity": "page",
}
NOBODY = pl.DataFrame(schema=dict(STATE))


def evidence(now: datetime, *subjects: int, rule: str = "alarm", **changes: Any) -> pl.DataFrame:
    """It holds at the live edge, unless said otherwise."""
    row = {"rule": rule, "episode": T0, "onset": T0, "edge": now, "live": now, **changes}
    return pl.concat([facts.evidence(subject=each, **row) for each in subjects])


class Watch:
    """The machine from look to look."""

    def __init__(self, **changes: Any) -> None:
        self.rules = alarms.parse({"alarm": {**RECORD, **changes}})
        self.states = NOBODY

    def look(self, hour: float, hushed: bool = False, **changes: Any) -> list[tuple[str, str, str]]:
        """(after, reason, told) of each event."""
        now = T0 + hour * HOUR
        back = pl.DataFrame([(1, "alarm", "planned")] if hushed else [], schema=dict(HUSHED), orient="row")
        found = alarms.watch(self.states, evidence(now, 1, **changes), self.rules, now, back)
        self.states = pl.concat([found.states, self.states]).unique(["subject", "rule"], keep="first")
        return found.events.select("after", "reason", "told").rows()


CALM: dict[str, Any] = {"on": False, "settled": False, "quiet": 1}


def test_a_ticket_that_stays_on_pages_once_and_keeps_its_ticket() -> None:
    watch = Watch(escalate={"after": 3, "severity": "page"})
    assert watch.look(0) == [(FIRING, "fired", "ticket")]
    assert watch.look(2.9) == []
    assert watch.look(3) == [(FIRING, "escalated", "page")]
    assert watch.states.select("first", "told").rows() == [("ticket", "page")]
    assert watch.look(9) == []
    assert watch.look(10, **CALM) == [(RECOVERING, "quiet", "page")]
    assert watch.look(11, **{**CALM, "over": True}) == [(OK, "cleared", "page")]
    # The next time begins from nothing.
    assert watch.look(12) == [(FIRING, "fired", "ticket")]
    assert watch.states.select("first", "told", "fired").rows() == [("ticket", "ticket", T0 + 12 * HOUR)]


def test_what_is_blind_or_recovering_does_not_escalate_until_it_is_seen_to_hold() -> None:
    watch = Watch(escalate={"after": 3, "severity": "page"})
    watch.look(0)
    assert watch.look(4, live=T0) == [(BLIND, "silent", "ticket")]
    assert watch.look(5, **CALM) == [(RECOVERING, "seen", "ticket")]
    assert watch.look(6, filled=T0 + 6 * HOUR) == [(FIRING, "again", "ticket")]  # a backfill had a hand in it
    assert watch.look(7) == [(FIRING, "escalated", "page")]


def test_what_is_held_back_is_told_later_if_it_still_holds_then() -> None:
    watch = Watch()
    assert watch.look(0, hushed=True) == [(FIRING, "fired", "")]
    assert watch.look(1, hushed=True) == []
    assert watch.look(2, live=T0) == [(BLIND, "silent", "")]  # held back no more, and nobody knows how it stands
    assert watch.look(3) == [(FIRING, "seen", "ticket")]
    assert watch.look(4, hushed=True) == []  # nobody who was told is untold
    assert watch.states["told"].to_list() == ["ticket"]
    assert watch.look(5, hushed=True, **{**CALM, "over": True}) == [(OK, "cleared", "ticket")]


def test_what_was_over_while_it_was_held_back_was_never_told() -> None:
    watch = Watch()
    said = watch.look(0, hushed=True) + watch.look(1, hushed=True, **CALM) + watch.look(2, **{**CALM, "over": True})
    assert [told for _, _, told in said] == ["", "", ""]
    assert watch.look(3, **CALM) == []


def test_held_back_on_the_same_level_told_with_the_louder_word_when_it_is_over() -> None:
    watch = Watch(escalate={"after": 3, "severity": "page"})
    watch.look(0, hushed=True)
    assert watch.look(5, hushed=True) == []
    assert watch.look(6) == [(FIRING, "told", "page")]
    assert watch.states.select("first", "told").rows() == [("page", "page")]


@pytest.mark.parametrize("told", ["", "ticket", "page"])
def test_severity_never_falls_within_an_activation(told: str) -> None:
    """Whatever rule is in force: a label of the gauge that changes is a false end."""
    for severity, hushed in itertools.product(("ticket", "page"), (True, False)):
        watch = Watch(severity=severity)
        watch.look(0, hushed=True)
        watch.states = watch.states.with_columns(first=pl.lit(told), told=pl.lit(told))
        watch.look(1, hushed=hushed)
        [(first, now)] = watch.states.select("first", "told").rows()
        rank = ("", "ticket", "page").index
        assert rank(now) >= rank(told)
        assert first == told or told == ""


# ---- rules


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "odd"}, "'kind' cannot be 'odd'"),
        ({"escalate": {"after": 0, "severity": "page"}}, "'after' must be 1 or more"),
        ({"escalate": {"after": 1, "severity": "ticket"}}, "'severity' must be above 'ticket'"),
        ({"escalate": {"after": 1}}, "'severity' is missing"),
        ({"inhibits": ["nothing"]}, "there is no rule and no kind 'nothing'"),
        ({"inhibits": [1]}, "'inhibits' cannot be"),
        ({"inhibits": ["alarm"]}, "hold each other back"),
        ({"any": [{"episode": "a", "level": 1}]}, "needs either 'episode' and 'level' or 'any'"),
        ({"any": [], "episode": None, "level": None}, "must name one episode rule at least"),
        ({"any": [{"episode": "a"}], "episode": None, "level": None}, "'any' 1: 'level' is missing"),
        ({"any": ["a"], "episode": None, "level": None}, "'any' cannot be"),
        ({"any": [{"episode": "a", "level": 1}] * 2, "episode": None, "level": None}, "each once"),
        ({"raise": -1}, "'raise' must be 0 or more"),
        ({"latched": 1}, "'latched' cannot be 1"),
        ({"least": 3}, "unknown key 'least'"),
        ({"member": None, "kind": "region"}, "is missing|unknown key"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    record = {key: value for key, value in {**RECORD, **changes}.items() if value is not None}
    with pytest.raises(TableError, match=words):
        alarms.parse({"alarm": record})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"least": 1}, "'least' must be 2 or more"),
        ({"share": 0}, "'share' must be above 0"),
        ({"share": 1.2}, "'share' must be above 0"),
        ({"member": "nothing"}, "'member' cannot be 'nothing'"),
        ({"member": "region"}, "hold each other back"),
    ],
)
def test_a_region_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TableError, match=words):
        alarms.check(alarms.parse({"alarm": RECORD, "region": {**REGION, **changes}}), {"rule": 1}, {"rule": 0})


# ---- whom nobody is told of


def states(*rows: tuple[int, str, str, str]) -> pl.DataFrame:
    schema = {"subject": pl.Int32, "rule": pl.String, "state": pl.String, "told": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


LIES = pl.DataFrame(
    [(1, "station", "A", 1), (1, "district", "EAST", 9), (2, "station", "A", 1), (2, "parameter", "pm25", None)],
    schema=dict(hush.LIES),
    orient="row",
)


def held(asking: list[tuple[int, str, int]], on: pl.DataFrame, planned: list[tuple[str, str]], **rules: Any) -> object:
    asks = pl.DataFrame(asking, schema={"subject": pl.Int32, "rule": pl.String, "due": pl.Int8}, orient="row")
    events = pl.DataFrame(planned, schema={"scope": pl.String, "name": pl.String}, orient="row")
    parsed = alarms.parse(rules)
    parameters = {name: {"pm25"} if name != "both" else {"pm25", "o3"} for name in parsed}
    return hush.hushed(asks, on, LIES, events, parsed, parameters).rows()


def test_an_alarm_holds_back_what_lies_under_it_as_far_as_that_is_not_louder() -> None:
    above = {**RECORD, "inhibits": ["below"]}
    asking = [(2, "below", 1)]
    for state, found in ((FIRING, True), (BLIND, True), (RECOVERING, True), (OK, False), ("pending", False)):
        on = states((1, "above", state, "ticket"))
        assert held(asking, on, [], above=above, below=RECORD) == ([(2, "below", "above")] if found else [])
    assert held([(2, "below", 2)], states((1, "above", FIRING, "ticket")), [], above=above, below=RECORD) == []
    assert held(asking, states((3, "above", FIRING, "page")), [], above=above, below=RECORD) == []
    assert held(asking, states((1, "other", FIRING, "page")), [], above=above, below=RECORD, other=RECORD) == []
    kinds = {**RECORD, "inhibits": ["reading"]}
    assert held(asking, states((1, "above", FIRING, "page")), [], above=kinds, below=RECORD) == []


def test_a_region_holds_its_members_back() -> None:
    on = states((9, "region", FIRING, "page"))
    assert held([(1, "alarm", 2)], on, [], alarm=RECORD, region=REGION) == [(1, "alarm", "region")]


def test_what_nobody_was_told_of_holds_nothing_back_unless_it_is_told_now() -> None:
    """A region that fired while it was muted, and went blind: somebody hears of its members."""
    rules = {"alarm": RECORD, "region": REGION}
    for state in (FIRING, BLIND, RECOVERING):
        assert held([(1, "alarm", 2)], states((9, "region", state, "")), [], **rules) == []
    both = [(1, "alarm", 2), (9, "region", 2)]
    assert held(both, states((9, "region", FIRING, "")), [], **rules) == [(1, "alarm", "region")]


@pytest.mark.parametrize(
    ("planned", "found"),
    [
        ([("all", "")], [1, 2]),
        ([("station", "A")], [1, 2]),
        ([("station", "B")], []),
        ([("district", "EAST")], [1]),
        ([("parameter", "pm25")], [1, 2]),
        ([("parameter", "o3")], []),
        ([], []),
    ],
)
def test_a_planned_event_covers_what_lies_in_it(planned: list[tuple[str, str]], found: list[int]) -> None:
    said = held([(1, "alarm", 1), (2, "alarm", 1)], states(), planned, alarm=RECORD)
    assert sorted(said) == [(each, "alarm", "planned") for each in found]  # type: ignore[call-overload]


def test_an_alarm_about_two_parameters_is_covered_by_both_of_them() -> None:
    two = {"both": RECORD}
    assert held([(1, "both", 1)], states(), [("parameter", "pm25")], **two) == []
    both = [("parameter", "pm25"), ("parameter", "o3")]
    assert held([(1, "both", 1)], states(), both, **two) == [(1, "both", "planned")]


# ---- levels that count once they have held


def level(turns: list[tuple[float, int]], stop: float, **holds: int) -> list[tuple[datetime, int]]:
    """(start, level) of the stretches of levels from 1 on."""
    names = ("subject", "episode_rule", "episode", "stop", "closed", "start", "level")
    kinds = (pl.Int32(), pl.String(), TIME, TIME, pl.Boolean(), TIME, pl.Int16())
    rows = [(1, "rule", T0, T0 + stop * HOUR, False, T0 + at * HOUR, number) for at, number in turns]
    frame = pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")
    return episode.stretches(frame, alarms.parse({"alarm": {**RECORD, **holds}})).select("start", "level").rows()


@pytest.mark.parametrize(
    ("turns", "stop", "holds", "found"),
    [
        ([(0, 1), (2, 2)], 3, {}, 2),
        ([(0, 1), (2, 2)], 4, {"raise": 3}, 1),
        ([(0, 1), (2, 2)], 5, {"raise": 3}, 2),
        ([(0, 1), (2, 3)], 5, {"raise": 3}, 3),
        ([(0, 1), (2, 3), (4, 2)], 5, {"raise": 3}, 2),  # at 2 or more for three hours, at 3 for two
        ([(0, 2), (3, 1)], 4, {"lower": 2}, 2),
        ([(0, 2), (3, 1)], 5, {"lower": 2}, 1),
        ([(0, 2), (3, 1), (4, 2)], 5, {"lower": 2}, 2),
        ([(0, 2)], 1, {"raise": 3}, 1),
        ([(0, 1), (2, 2), (3, 1), (4, 2)], 6, {"raise": 3}, 1),  # it has to hold without a break
    ],
)
def test_a_level_counts_once_it_has_held(
    turns: list[tuple[float, int]], stop: float, holds: dict[str, int], found: int
) -> None:
    assert level(turns, stop, **holds) == [(T0, found)]


# ---- regions


def member(station: int, state: str, hour: float = 0, closed: float | None = None) -> dict[str, Any]:
    end = None if closed is None else T0 + closed * HOUR
    since = T0 + hour * HOUR
    facts = {"onset": since, "edge": since + HOUR, "closed": end, "level": 2}
    return {"subject": station, "rule": "alarm", "state": state, "place": "EAST"} | facts


def region_of(members: list[dict[str, Any]], stations: int, before: str = OK, seen: float = 1) -> dict[str, Any]:
    """Evidence of the region."""
    rules = alarms.parse({"alarm": RECORD, "region": REGION})
    regions = alarms.of_kind(rules, "region")
    schema = {name: STATE[name] for name in ("subject", "rule", "state", "level", "onset", "edge", "closed")}
    frame = pl.DataFrame(members, schema={**schema, "place": pl.String()})
    row = {"subject": 9, "rule": "region", "state": before, "onset": T0, "seen": T0 + seen * HOUR}
    known = pl.DataFrame([] if before == OK else [row], schema=dict(STATE))
    named = known.with_columns(pl.lit("EAST").alias("place"))
    asked = region.candidates(named, frame, regions).with_columns(pl.lit(9, pl.Int32).alias("subject"))
    heard = pl.DataFrame({"place": ["EAST"], "member": ["alarm"], "stations": [stations]})
    found = region.evidence(known, asked, frame, heard, regions, T0 + 5 * HOUR).to_dicts()
    return found[0] if found else {}


def test_enough_stations_and_enough_of_all_are_a_region() -> None:
    three = [member(station, FIRING, station) for station in (1, 2, 3)]
    found = region_of(three, 6)
    assert (found["on"], found["settled"], found["level"], found["value"]) == (True, True, 2, 3.0)
    assert found["onset"] == T0 + 3 * HOUR  # as soon as it was three
    assert region_of(three, 7)["on"] is False
    assert region_of(three[:2], 2) == {}
    # One that recovers keeps a region on, and begins none.
    kept = region_of([*three[:2], member(3, RECOVERING)], 6)
    assert (kept["on"], kept["settled"]) == (True, False)


def test_a_region_is_blind_of_what_its_members_are_blind_of() -> None:
    blind = [member(1, FIRING), member(2, BLIND), member(3, BLIND)]
    found = region_of(blind, 4, FIRING)
    assert (found["on"], found["covered"], found["over"], found["stands"]) == (False, False, False, True)


def test_a_region_ends_when_too_few_can_be_on_and_is_withdrawn_when_they_never_were() -> None:
    ended = [member(station, OK, 0, closed=3) for station in (1, 2, 3)]
    assert region_of(ended, 6, FIRING, seen=0)["over"] is True
    going = [*ended[:2], member(3, FIRING, 0)]
    assert region_of(going, 6, FIRING, seen=0)["over"] is True
    assert region_of(going, 6, FIRING, seen=1)["over"] is False  # within the hour
    gone = [member(station, WITHDRAWN, 0, closed=3) for station in (1, 2)]
    assert region_of([*gone, ended[2]], 6, FIRING)["stands"] is False
    assert region_of(ended, 6, FIRING)["stands"] is True
    # One that may come on again was on all the same.
    assert region_of([*ended[:2], member(3, PENDING, 5, closed=3)], 6, FIRING)["stands"] is True


def test_a_region_whose_members_are_all_over_waits_for_no_further_hour() -> None:
    """Corrections end them all at the hour that it was last on: nothing would ever move on again."""
    ended = [member(station, OK, 0, closed=3) for station in (1, 2, 3)]
    assert region_of(ended, 6, FIRING, seen=1)["over"] is True
    # A last one that nobody sees is none to wait for either, two are not enough to be one.
    assert region_of([*ended[:2], member(3, BLIND)], 6, FIRING, seen=1)["over"] is True


def test_a_region_does_not_end_because_its_members_are_judged_late() -> None:
    """Readings come in time, the means of them do not: nobody is counted twice."""
    blind = [member(station, BLIND, 4) for station in (1, 2, 3)]
    found = region_of(blind, 6, FIRING)
    assert (found["on"], found["covered"], found["quiet"], found["over"]) == (False, False, 0, False)
