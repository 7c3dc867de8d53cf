"""Early warnings: what an issue says, held against the obvious loop; and what makes, keeps and ends one."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import alarms, averaging, episodes, parameters
from analytics.alarms import ACTIVE, BLIND, FIRING, OK, PENDING, RECOVERING, STATE, WITHDRAWN, forecast
from analytics.frames import TIME
from analytics.tables import TableError
from tests.stories import EXAMPLES

T0 = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
HOUR = timedelta(hours=1)
RECORD: dict[str, Any] = {
    "kind": "forecast",
    "episode": "pm25_24h",
    "level": 1,
    "leads": 12,
    "by": "value",
    "confirm": 2,
    "clear": 2,
    "cadences": 3,
    "severity": "ticket",
    "title": "",
    "title_zh": "",
    "source": "OWN",
    "confidence": "memory_low",
}
EPISODES, PARAMETERS, AVERAGINGS = episodes.load(), parameters.load(), averaging.load()
STATION = pl.DataFrame({"station": [1], "offset": [480], "places": [[]], "fed": [False]}).with_columns(
    pl.col("station").cast(pl.Int32),
    pl.col("places").cast(pl.List(pl.Struct({"place": pl.String, "since": pl.Date, "until": pl.Date}))),
)


def rules(**changes: Any) -> dict[str, alarms.Rule]:
    return alarms.parse({"warning": {**RECORD, **changes}})


def issue(
    values: Mapping[int, float] | list[float], at: int = 0, spread: float = 10, parameter: str = "pm25"
) -> pl.DataFrame:
    """`forecast.ISSUES` of station 1, issued at the hour `at`."""
    leads = dict(enumerate(values)) if isinstance(values, list) else values
    rows = [
        (1, parameter, 3600, T0 + at * HOUR, T0 + (at + lead) * HOUR, value, value - spread, value + spread)
        for lead, value in leads.items()
    ]
    return pl.DataFrame(rows, schema=dict(forecast.ISSUES), orient="row")


def hours(values: Mapping[int, float], parameter: str = "pm25") -> pl.DataFrame:
    """Hourly means of station 1."""
    rows = [(1, parameter, T0 + hour * HOUR, value) for hour, value in values.items()]
    schema = {"station": pl.Int32(), "parameter": pl.String(), "time": TIME, "value": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def said(
    issues: pl.DataFrame, measured: Mapping[int, float], *, fed: bool = False, **changes: Any
) -> list[dict[str, Any]]:
    parameter = issues["parameter"][0]
    places = STATION.with_columns(fed=fed)
    found = forecast.said(
        issues, hours(measured, parameter), places, rules(**changes), EPISODES, PARAMETERS, AVERAGINGS
    )
    return found.to_dicts()


def past(value: float, count: int = 23) -> dict[int, float]:
    return dict.fromkeys(range(-count, 0), value)


def test_a_forecast_hour_is_not_held_against_the_line_of_a_day() -> None:
    """An hour at 200 after a clean day is no day above 115; one hour of 200 after a day at 115 is."""
    (clean,) = said(issue([200.0] * 12), past(10.0))
    assert (clean["says"], clean["level"]) == (False, 0)
    # 10 (24 - n) / 24 + 200 n / 24 is highest in the last hour: 105.
    assert clean["value"] == 105.0
    (dirty,) = said(issue([116.0] * 12), past(115.0))
    assert (dirty["says"], dirty["first"], dirty["until"]) == (True, T0, T0 + 12 * HOUR)


def test_the_hours_of_the_mean_are_measured_up_to_the_issue_and_forecast_from_there_on() -> None:
    (found,) = said(issue([200.0] * 12), past(90.0))
    # 90 + 110 n / 24 > 115 from n = 6 on: the hour that begins five hours after the issue.
    assert (found["first"], found["until"]) == (T0 + 5 * HOUR, T0 + 12 * HOUR)
    assert found["value"] == 145.0
    # What was measured since the issue does not matter: it stands as it was issued.
    assert said(issue([200.0] * 12), {**past(90.0), 0: 0.0, 1: 0.0}) == [found]


@pytest.mark.parametrize(("by", "says"), [("low", False), ("value", True), ("high", True)])
def test_it_rests_on_the_value_or_an_end_of_the_band(by: str, says: bool) -> None:
    (found,) = said(issue([120.0] * 12, spread=30), past(114.0), by=by)
    assert found["says"] is says


def test_too_few_measured_hours_are_neither_a_warning_nor_its_end() -> None:
    (found,) = said(issue([10.0] * 12), past(10.0, count=12))
    assert (found["says"], found["first"]) == (None, None)
    (found,) = said(issue([300.0] * 12), past(10.0, count=12))  # from the eighth hour on there are twenty
    assert (found["says"], found["first"]) == (True, T0 + 7 * HOUR)


@pytest.mark.parametrize(("leads", "fed", "until"), [(12, False, 12), (48, False, 24), (48, True, 48)])
def test_it_never_looks_beyond_a_day_without_a_forecast_of_the_weather(leads: int, fed: bool, until: int) -> None:
    (found,) = said(issue([200.0] * 72), past(200.0), leads=leads, fed=fed)
    assert found["until"] == T0 + until * HOUR


def test_an_hourly_rule_takes_the_hours_as_they_are_and_a_lower_line_the_lowest() -> None:
    (found,) = said(issue([100.0, 250.0, 310.0, 100.0], parameter="o3"), {}, episode="o3_1h")
    assert (found["first"], found["until"], found["level"], found["value"]) == (T0 + HOUR, T0 + 3 * HOUR, 2, 310.0)
    (found,) = said(issue([8.0, 2.5, 4.0], parameter="dissolved_oxygen"), {}, episode="oxygen_low")
    assert (found["says"], found["level"], found["value"]) == (True, 1, 2.5)


VALUES = st.one_of(st.none(), st.sampled_from([20.0, 100.0, 115.0, 118.0, 160.0, 300.0]))


@settings(max_examples=EXAMPLES or 30, deadline=None)
@given(st.lists(VALUES, min_size=26, max_size=26), st.lists(VALUES, min_size=1, max_size=30), st.integers(1, 2))
def test_what_it_says_is_what_a_loop_finds(measured: list[float | None], ahead: list[float | None], level: int) -> None:
    before = {hour - 26: value for hour, value in enumerate(measured) if value is not None}
    leads = {lead: value for lead, value in enumerate(ahead) if value is not None}
    if not leads:
        return
    known = {**before, **leads}
    means = {}
    for hour in (lead for lead in leads if lead < 12):
        window = [known[h] for h in range(hour - 23, hour + 1) if h in known]
        if len(window) >= 20:
            means[hour] = sum(window) / len(window)
    over = [hour for hour, mean in means.items() if round(mean, 6) > (115, 150)[level - 1]]
    (found,) = said(issue(leads), before, level=level) or [{"says": None, "first": None, "until": None}]
    whole = len(means) == sum(lead < 12 for lead in leads) and means
    assert found["says"] is (True if over else False if whole else None)
    assert found["first"] == (T0 + min(over) * HOUR if over else None)
    assert found["until"] == (T0 + (max(over) + 1) * HOUR if over else None)


KEY = {"subject": pl.Int32(), "rule": pl.String()}


class Warned:
    """A station, what its issues said, an hour each, and the clock."""

    def __init__(self) -> None:
        self.rules = rules()
        self.states = pl.DataFrame(schema=dict(STATE))
        self.said: dict[int, bool | None] = {}
        self.reach = 6
        self.heard: int | None = None
        self.overtaken = False

    def watch(self, hour: float) -> list[tuple[str, str]]:
        rows = [
            (1, "warning", T0 + at * HOUR, says, *self._hours(at, says), 1 if says else 0, 120.0)
            for at, says in sorted(self.said.items())
        ]
        found = pl.DataFrame(rows, schema=dict(forecast.SAID), orient="row").with_columns(subject=pl.col("station"))
        heard = None if self.heard is None else T0 + self.heard * HOUR
        edge = pl.DataFrame(
            [(1, "warning", heard, 3600, None)],
            schema={**KEY, "heard": TIME, "cadence": pl.Int32(), "filled": TIME},
            orient="row",
        )
        over = pl.DataFrame([(1, "warning")], schema=KEY, orient="row").head(1 if self.overtaken else 0)
        now = T0 + hour * HOUR
        evidence = forecast.evidence(self.states, found, edge, over, self.rules, EPISODES, now)
        result = alarms.watch(self.states, evidence, self.rules, now)
        if result.states.height:
            self.states = result.states
        return [(event["after"], event["reason"]) for event in result.events.to_dicts()]

    def _hours(self, at: int, says: bool | None) -> tuple[datetime | None, datetime | None]:
        return (T0 + (at + 2) * HOUR, T0 + (at + self.reach) * HOUR) if says else (None, None)

    def issue(self, hour: int, says: bool | None) -> list[tuple[str, str]]:
        self.said[hour] = says
        self.heard = hour
        return self.watch(hour + 0.1)

    @property
    def state(self) -> str:
        return str(self.states["state"][0]) if self.states.height else OK


def test_two_issues_in_a_row_warn_and_two_that_do_not_say_so_end_it() -> None:
    world = Warned()
    assert world.issue(0, says=True) == [(PENDING, "begun")]
    assert world.issue(1, says=False) == [(OK, "passed")]
    assert world.issue(2, says=True) == [(PENDING, "begun")]
    assert world.issue(3, says=True) == [(FIRING, "fired")]
    assert world.issue(4, says=False) == [(RECOVERING, "quiet")]
    assert world.issue(5, says=True) == [(FIRING, "again")]
    assert world.issue(6, says=None) == [(BLIND, "silent")]  # cannot say: not over
    assert world.issue(7, says=False) == [(RECOVERING, "seen")]
    assert world.issue(8, says=False) == [(OK, "cleared")]


def test_when_forecasts_stop_it_is_blind_and_ends_with_the_hours_it_warned_of() -> None:
    world = Warned()
    world.issue(0, says=True)
    assert world.issue(1, says=True) == [(FIRING, "fired")]
    assert world.watch(3.9) == []
    assert world.watch(4.1) == [(BLIND, "silent")]
    assert world.watch(6.9) == []
    assert world.watch(7) == [(OK, "cleared")]
    assert world.watch(8) == []


def test_forecasts_of_a_station_that_is_silent_warn_nobody() -> None:
    world = Warned()
    world.said = {0: True, 1: True}
    assert world.watch(1.1) == []  # nothing of it ever came live
    world.heard = -3
    assert world.watch(1.1) == []
    world.heard = 0
    assert world.watch(1.1) == [(FIRING, "fired")]


def test_old_issues_and_issues_far_apart_warn_nobody() -> None:
    world = Warned()
    world.said, world.heard = {0: True, 1: True}, 5
    assert world.watch(5.1) == []
    world.said = {0: True, 5: True}
    assert world.watch(5.1) == [(PENDING, "begun")]


def test_the_alarm_itself_takes_its_place() -> None:
    world = Warned()
    world.overtaken = True
    world.issue(0, says=True)
    assert world.issue(1, says=True) == []
    world.overtaken = False
    assert world.issue(2, says=True) == [(FIRING, "fired")]
    world.overtaken = True
    assert world.watch(2.2) == [(OK, "cleared")]


def test_what_was_measured_wrongly_withdraws_it() -> None:
    world = Warned()
    world.issue(0, says=True)
    world.issue(1, says=True)
    world.said = {0: False, 1: False}
    assert world.watch(1.2) == [(WITHDRAWN, "removed")]


def test_which_alarms_take_its_place() -> None:
    told = alarms.of_kind(alarms.load(), "episode")
    states = pl.DataFrame(
        [(1, "pm25_polluted", FIRING), (2, "pm25_heavy", BLIND), (3, "pm25_heavy", PENDING), (4, "o3_heavy", FIRING)],
        schema={**KEY, "state": pl.String()},
        orient="row",
    )
    assert forecast.overtaken(states, rules(level=1), told)["subject"].sort().to_list() == [1, 2]
    assert forecast.overtaken(states, rules(level=2), told)["subject"].to_list() == [2]


@settings(max_examples=EXAMPLES or 20, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["issue", "issue", "nothing", "correct"]), st.sampled_from([True, True, False, None]))
    )
)
def test_laws_hold_whatever_is_issued(steps: list[tuple[str, bool | None]]) -> None:
    world = Warned()
    for hour, (what, says) in enumerate(steps):
        before, was = world.state, world.states.to_dicts()
        if what == "issue":
            world.said[hour] = says
        elif what == "correct" and world.said:
            world.said[max(world.said)] = says
        world.heard = hour
        world.watch(hour + 0.1)
        newest = sorted(world.said.items())
        fresh = bool(newest) and hour + 0.1 - newest[-1][0] <= 3
        if before not in ACTIVE and world.state == FIRING:  # law 6
            assert fresh
            assert [value for _, value in newest[-2:]] == [True, True]
        if before in ACTIVE:
            stood = [at for at, value in newest if value and was[0]["onset"] <= T0 + at * HOUR <= was[0]["seen"]]
            assert (not stood) == (world.state == WITHDRAWN)
        if before in ACTIVE and world.state == OK:  # law 5: by what newer issues say, or since its hours are over
            warned = max(at for at, value in newest if value) + world.reach
            assert [value for _, value in newest[-2:]] == [False, False] or hour + 0.1 >= warned
        if before in ACTIVE and not fresh:
            assert world.state in (BLIND, WITHDRAWN, OK)
        if world.state != WITHDRAWN:
            assert world.watch(hour + 0.1) == []


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"by": "mean"}, "by"),
        ({"leads": 0}, "leads"),
        ({"confirm": 0}, "confirm"),
        ({"clear": 0}, "clear"),
        ({"any": []}, "any"),
    ],
)
def test_a_wrong_rule_names_block_and_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(TableError, match=rf"\[warning\].*'{key}'"):
        rules(**changes)


def test_the_package_rules_name_levels_that_there_are() -> None:
    depths = {name: rule.depth for name, rule in EPISODES.items()}
    forecast.check(alarms.of_kind(alarms.load(), "forecast"), depths)
    for changes in ({"episode": "strange"}, {"level": 3}):
        with pytest.raises(TableError, match=r"\[warning\]"):
            forecast.check(rules(**changes), depths)
