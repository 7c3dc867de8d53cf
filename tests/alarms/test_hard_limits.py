"""Hard limits on a real database: from a committed row to an alarm in one look, and what never makes one."""

import random
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from threading import Event

import polars as pl
import pytest

from analytics import alarms
from analytics.alarms import reading
from analytics.store import corrections, observations, planned, registry
from analytics.store.connection import Connection
from analytics.store.incidents import acts
from analytics.store.observations import Origin
from jobs import watch
from jobs.timetable import Books, Timetable
from jobs.watch import look
from jobs.worker import WATCH
from tests import world
from tests.world import HOUR, NOTHING, T0

MINUTE = timedelta(minutes=1)
#: The rules that this is about; others, as of silence, have their say beside them.
HARD = alarms.of_kind(alarms.load(), "reading")


class Fence:
    """One station with carbon monoxide every minute, and the clock. No stage is ever run."""

    def __init__(self, conn: Connection, channel: str = "co", cadence: int = 60) -> None:
        self.conn = conn
        self.series = world.settle_world(conn, [("A", channel)], cadence)[0]

    def send(
        self,
        values: dict[int, float],
        kind: str = "live",
        *,
        mark: str | None = None,
        revision: int = 0,
        series: int = 0,
    ) -> None:
        """Readings by the minute in a batch of `kind`."""
        code = None if mark is None else ord(mark)
        rows = [(series or self.series, minute / 60, value, revision, code) for minute, value in values.items()]
        origin = Origin(registry.source(self.conn, "test"), "test", kind=kind)
        observations.save(self.conn, world.frame(rows), NOTHING, origin, T0 + max(values) * MINUTE)

    def watch(self, minute: float) -> list[tuple[str, str, str]]:
        found = watch.run(self.conn, T0 + (minute + 0.5) * MINUTE)
        return [(event["before"], event["after"], event["reason"]) for event in found if event["rule"] in HARD]

    def acknowledge(self) -> None:
        """Somebody takes note of what is on."""
        for (incident,) in self.conn.execute("SELECT incident FROM alarm WHERE incident IS NOT NULL").fetchall():
            acts.do(self.conn, int(str(incident)), "acknowledge", T0, "Li")

    def correct(self, kind: str, first: int, last: int, **given: float) -> list[int]:
        start, stop = (T0 + minute * MINUTE for minute in (first, last + 1))
        entry = corrections.Entry(self.series, kind, start, stop, given, "Li", "fault")
        return corrections.enter(self.conn, [entry], T0).ids


@pytest.fixture
def fence(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> Fence:
    """Looks of this kind alone; two tests below look at everything."""
    monkeypatch.setattr(look, "KINDS", {"reading": look.KINDS["reading"]})
    return Fence(conn)


FIRED = [("ok", "firing", "fired")]


def test_the_second_reading_beyond_the_limit_fires_at_the_next_look(fence: Fence) -> None:
    fence.send({0: 1.0})
    assert fence.watch(0) == []
    fence.send({1: 40.0})
    assert fence.watch(1) == [("ok", "pending", "begun")]
    fence.send({2: 41.0})
    assert fence.watch(2) == [("pending", "firing", "fired")]
    assert fence.watch(2) == []
    row = fence.conn.execute(
        "SELECT s.kind, s.series, e.evidence->>'value', e.evidence->>'onset' FROM alarm_event e JOIN subject s"
        " ON s.id = e.subject JOIN term r ON r.id = e.rule WHERE r.name = 'co_danger' ORDER BY e.id DESC LIMIT 1"
    ).fetchone()
    assert row == ("channel", fence.series, "41.0", (T0 + MINUTE).isoformat())
    marks = fence.conn.execute("SELECT count(*) FROM stale").fetchone()
    assert marks != (0,), "nothing was settled: no stage, nothing learned is in the loop"


def test_the_first_look_at_what_is_on_already_fires_at_once(fence: Fence) -> None:
    fence.send(dict.fromkeys(range(30), 40.0))
    assert fence.watch(29) == FIRED


@pytest.mark.parametrize("kind", ["late", "backfill", "correction"])
def test_what_did_not_come_live_pages_nobody(fence: Fence, kind: str) -> None:
    fence.send(dict.fromkeys(range(30), 40.0), kind)
    assert fence.watch(29) == []
    fence.send({30: 40.0})
    assert fence.watch(30) == [("ok", "pending", "begun")]  # one live reading confirms nothing
    fence.send({31: 40.0})
    assert fence.watch(31) == [("pending", "firing", "fired")]


def test_live_rows_of_the_past_page_nobody_and_an_event_that_outlasts_a_silence_does(fence: Fence) -> None:
    fence.send(dict.fromkeys(range(30), 40.0))
    assert fence.watch(45) == []
    fence.send(dict.fromkeys(range(30, 46), 40.0))
    assert fence.watch(45) == FIRED


def test_it_is_latched_until_somebody_acknowledges_and_the_air_was_measured_clean(fence: Fence) -> None:
    fence.send({0: 40.0, 1: 40.0})
    assert fence.watch(1) == FIRED
    fence.send(dict.fromkeys(range(2, 12), 1.0))
    assert fence.watch(11) == [("firing", "recovering", "quiet")]
    assert fence.watch(60) == [("recovering", "blind", "silent")]
    fence.acknowledge()
    assert fence.watch(61) == [("blind", "ok", "cleared")]


def test_acknowledged_alone_it_goes_on_while_nothing_is_measured(fence: Fence) -> None:
    fence.send({0: 40.0, 1: 40.0})
    assert fence.watch(1) == FIRED
    fence.acknowledge()
    assert fence.watch(12) == [("firing", "blind", "silent")]
    assert fence.watch(24 * 60 * 30) == []
    fence.send(dict.fromkeys(range(12, 15), 1.0), "late")
    assert fence.watch(24 * 60 * 30) == []
    fence.send(dict.fromkeys(range(15, 17), 1.0), "late")
    assert fence.watch(24 * 60 * 30) == [("blind", "ok", "cleared")]


@pytest.mark.parametrize("mark", ["D", "c", "B"])
def test_readings_that_the_device_calls_void_hold_it_back(fence: Fence, mark: str) -> None:
    fence.send({0: 40.0, 1: 40.0, 2: 40.0}, mark=mark)
    assert fence.watch(2) == []
    fence.send({3: 40.0, 4: 40.0}, mark="T")  # above its range: the event may be real
    assert fence.watch(4) == FIRED
    fence.send(dict.fromkeys(range(5, 30), 0.0), mark=mark)
    assert fence.watch(29) == [("firing", "blind", "silent")]


def test_readings_outside_the_gross_range_are_none(fence: Fence) -> None:
    fence.send({0: 1.0, 1: 999.0, 2: 999.0, 3: 999.0})
    assert fence.watch(3) == []
    fence.send({4: 40.0, 5: 999.0, 6: 40.0})
    assert fence.watch(6) == FIRED


def test_what_is_withdrawn_withdraws_it(fence: Fence) -> None:
    fence.send({0: 40.0, 1: 40.0, 2: 40.0})
    assert fence.watch(2) == FIRED
    fence.correct("withdrawal", 0, 1)
    assert fence.watch(2) == []  # something is left of it
    (last,) = fence.correct("withdrawal", 2, 2)
    assert fence.watch(2) == [("firing", "withdrawn", "removed")]
    corrections.end(fence.conn, [last], "Li", "was right", T0)
    assert fence.watch(2) == [("withdrawn", "pending", "begun")]


def test_a_verdict_and_a_recalibration_of_people_count_at_once(fence: Fence) -> None:
    fence.send({0: 30.0, 1: 30.0})
    assert fence.watch(1) == []
    fence.correct("recalibration", 0, 60, gain=1.3, offset=0)
    assert fence.watch(1) == FIRED
    fence.correct("verdict", 0, 1, code=4)
    assert fence.watch(1) == [("firing", "withdrawn", "removed")]
    fence.send({2: 30.0, 3: 30.0})
    assert fence.watch(3) == [("withdrawn", "firing", "fired")]


def test_a_lower_value_in_its_place_withdraws_it_too(fence: Fence) -> None:
    fence.send({0: 40.0, 1: 40.0})
    assert fence.watch(1) == FIRED
    fence.send({0: 4.0, 1: 4.0}, "correction", revision=1)
    assert fence.watch(1) == [("firing", "withdrawn", "removed")]


def test_an_old_alarm_stands_on_what_it_stood_on(fence: Fence) -> None:
    """Thousands of readings ago; and where readings are closed, nothing takes it away."""
    fence.send({0: 40.0, 1: 40.0})
    assert fence.watch(1) == FIRED
    fence.send(dict.fromkeys(range(2, 3000), 1.0))
    assert fence.watch(2999) == [("firing", "recovering", "quiet")]
    fence.conn.execute("INSERT INTO horizon (time, known, author) VALUES (%s, %s, 'Li')", [T0 + 60 * MINUTE] * 2)
    fence.conn.execute("DELETE FROM observation WHERE time < %s", [T0 + 60 * MINUTE])
    assert fence.watch(2999) == []


def test_each_position_is_a_channel_and_two_cadences_of_one_are_one(fence: Fence) -> None:
    (deep,) = world.settle_world(fence.conn, [("A", "co@3")], 60)
    (hourly,) = world.settle_world(fence.conn, [("A", "co")], 3600)
    for series in (fence.series, deep, hourly):
        fence.send({0: 40.0, 1: 40.0, 2: 40.0}, series=series)
    assert fence.watch(2) == FIRED * 2
    rows = fence.conn.execute(
        "SELECT s.series FROM alarm a JOIN subject s ON s.id = a.subject JOIN term r ON r.id = a.rule"
        " WHERE r.name = 'co_danger' ORDER BY 1"
    ).fetchall()
    assert rows == [(fence.series,), (deep,)]


def test_oxygen_near_nothing_fires_and_a_dead_cell_does_not(conn: Connection) -> None:
    section = Fence(conn, "dissolved_oxygen", 600)
    section.send({0: 0.0, 10: 0.0, 20: 0.0, 30: 0.0})
    assert section.watch(30) == [("ok", "pending", "begun")]
    section.send({40: 0.02})
    assert section.watch(40) == [("pending", "firing", "fired")]
    section.send({50: 1.0, 60: 3.0, 70: 3.0})
    assert section.watch(70) == [("firing", "recovering", "quiet")]


def test_a_channel_that_another_one_speaks_for_by_now_is_still_heard(fence: Fence) -> None:
    fence.send({0: 40.0, 1: 40.0})
    assert fence.watch(1) == FIRED
    (other, third) = (world.settle_world(fence.conn, [("A", "co")], cadence)[0] for cadence in (10, 20))
    fence.conn.execute("INSERT INTO authority SELECT station, parameter, %s, %s FROM series LIMIT 1", [other, third])
    assert fence.watch(2) == []
    fence.send({2: 1.0})
    assert fence.watch(2) == [("firing", "recovering", "quiet")]


def test_what_nobody_was_told_of_needs_nobody_to_acknowledge_it(fence: Fence) -> None:
    planned.add(fence.conn, "all", "", T0, T0 + 60 * MINUTE, "Li", "an exercise", T0)
    fence.send({0: 40.0, 1: 40.0})
    assert fence.watch(1) == FIRED
    fence.send(dict.fromkeys(range(2, 12), 1.0))
    assert fence.watch(11) == [("firing", "ok", "cleared")]
    assert fence.conn.execute("SELECT count(*) FROM incident").fetchone() == (0,)


class Model:
    """What the fence ought to say, of all its readings and none of its queries."""

    def __init__(self) -> None:
        self.heard: dict[int, tuple[float, bool]] = {}
        self.states = pl.DataFrame(schema=dict(alarms.STATE))
        self.acknowledged = False

    def watch(self, minute: int) -> list[tuple[str, str, str]]:
        rows = [(1, 0, 60, T0 + m * MINUTE, value, live) for m, (value, live) in sorted(self.heard.items())]
        readings = pl.DataFrame(rows, schema=dict(reading.READINGS), orient="row")
        asked = pl.DataFrame([(1, "co_danger")], schema={"subject": pl.Int32, "rule": pl.String}, orient="row")
        stands = reading.standing(self.states, readings, HARD)
        evidence = reading.evidence(asked, readings, stands, HARD).with_columns(held=pl.lit(not self.acknowledged))
        found = alarms.watch(self.states, evidence, HARD, T0 + (minute + 0.5) * MINUTE)
        self.states = found.states if found.states.height else self.states
        return [(event["before"], event["after"], event["reason"]) for event in found.events.to_dicts()]


def test_a_look_at_the_newest_readings_says_what_all_readings_say(fence: Fence) -> None:
    model, draw, seen = Model(), random.Random(11), set[str]()
    void: set[int] = set()
    for minute in range(48):
        value = draw.choice([1.0, 20.0, 40.0, 40.0, 40.0] if minute // 12 % 2 == 0 else [1.0, 1.0, 1.0, 1.0, 20.0])
        what = draw.choice(["live"] * 6 + ["void", "late", "replaced", "withdrawn"])
        what = "silence" if 8 <= minute < 20 else what
        missing = [m for m in range(max(0, minute - 10), minute) if m not in model.heard and m not in void]
        known = sorted(model.heard)[-3:]
        if what == "live":
            fence.send({minute: value})
            model.heard[minute] = (value, True)
        elif what == "void":
            fence.send({minute: 40.0}, mark="D")
            void.add(minute)
        elif what == "late" and missing:
            fence.send({missing[-1]: value}, "late")
            model.heard[missing[-1]] = (value, False)
        elif what == "replaced" and known:
            fence.send({known[0]: value}, "correction", revision=minute)
            model.heard[known[0]] = (value, False)
        elif what == "withdrawn" and known:
            fence.correct("withdrawal", known[0], minute)
            model.heard = {m: one for m, one in model.heard.items() if m < known[0]}
            void |= set(range(known[0], minute + 1))
        said = fence.watch(minute)
        assert said == model.watch(minute), (minute, what)
        seen |= {after for _, after, _ in said}
        if draw.random() < 0.15:
            fence.acknowledge()
            model.acknowledged = model.states.height > 0 and model.states["state"][0] in alarms.ACTIVE
        if model.states.height and model.states["state"][0] not in alarms.ACTIVE:
            model.acknowledged = False
    assert seen == set(alarms.STATES), "a seed that leads everywhere"


def test_seconds_from_the_committed_row_to_the_alarm(conn: Connection, dsn: str) -> None:
    """With the clock of a worker; what it took is printed, a busy machine is no failure."""
    fences = world.settle_world(conn, [(f"F{number}", "co") for number in range(4)], 60)
    source, stopping = registry.source(conn, "test"), Event()
    worker = Timetable("watch", dsn, stopping, WATCH, Books(), alone=False)
    worker.start()
    delays = []
    try:
        for number, series in enumerate(fences):
            now = datetime.now(UTC)
            rows = [(series, (now - back * MINUTE - T0) / HOUR, 40.0, 0, None) for back in (1, 0)]
            observations.save(conn, world.frame(rows), NOTHING, Origin(source, "test", kind="live"), now)
            committed = time.monotonic()
            while not told(conn, number + 1):
                assert time.monotonic() - committed < 120
                time.sleep(0.02)
            delays.append(time.monotonic() - committed)
    finally:
        stopping.set()
        assert worker.join(60)
    print(f"from the committed row to the alarm: median {median(delays):.1f} s, worst {max(delays):.1f} s")


def told(conn: Connection, events: int) -> bool:
    """Whether so many alarms have fired."""
    row = conn.execute(
        "SELECT count(*) FROM alarm_event e JOIN term r ON r.id = e.rule"
        " WHERE e.after = 'firing' AND e.told = 'page' AND r.name = 'co_danger'"
    ).fetchone()
    return row == (events,)
