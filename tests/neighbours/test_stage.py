"""The stage `compare` in the store: maps, marks, first and final verdicts, what is read, and the past made again."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from analytics.quality import BITS, SUSPECT
from analytics.store import corrections, derived, ledger, observations
from analytics.store.connection import Busy, Connection
from jobs import again, chain, relearn
from jobs.compare import load_pairs, most
from tests import world
from tests.conftest import NOW
from tests.neighbours.town import LOOK, Town
from tests.world import HOUR, T0

INSTANT = timedelta(microseconds=1)
QUIET: list[float | None] = [float(30 + hour % 3) for hour in range(48)]
HIGH: list[float | None] = [value + 120 for value in QUIET if value is not None]
APART, GAP = BITS["neighbours"], BITS["gap"]


def quiet_but(**high: Any) -> dict[int, list[float | None]]:
    """Two days of five stations, those that are named high for all of them."""
    return {number: HIGH if f"s{number}" in high else QUIET for number in range(5)}


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_what_lies_apart_from_its_neighbours_becomes_suspect(conn: Connection) -> None:
    town = Town(conn)
    town.send(quiet_but(s2=True))
    town.settle()
    assert town.verdicts() == town.verdicts("first_verdict") == [(n, 0, SUSPECT, GAP) for n in range(5)]
    assert town.learn() == 5
    town.settle()
    assert town.apart() == [(2, hour) for hour in range(48)]
    assert town.apart("first_verdict") == []
    assert town.verdicts()[:2] == [(0, 0, SUSPECT, GAP), (1, 0, SUSPECT, GAP)]
    assert (2, 0, SUSPECT, GAP | APART) in town.verdicts()
    # What is suspect still counts.
    row = conn.execute(
        "SELECT value, count FROM average a JOIN term t ON t.id = a.averaging"
        " WHERE series = %s AND t.name = 'hour' AND time = %s",
        [town.series[2], T0 + 7 * HOUR],
    ).fetchone()
    assert row == (151.0, 1)


def test_an_event_of_all_is_judged_good_and_its_hours_are_made_again(conn: Connection) -> None:
    town = Town(conn)
    jump: list[float | None] = [20.0, 22.0, 400.0, 380.0, 60.0, 21.0]
    town.send({number: [value + number for value in jump if value is not None] for number in range(5)})
    town.settle()
    objected = [(n, hour, code) for n, hour, code, _ in town.verdicts() if hour]
    assert {hour for _, hour, _ in objected} >= {2, 4}
    town.learn()
    work = town.settle()
    assert [row for row in town.verdicts() if row[1]] == []
    assert [(n, hour, code) for n, hour, code, _ in town.verdicts("first_verdict") if hour] == objected
    assert (work["flag"].takes, work["compare"].written) == (0, len(objected))
    assert work["hour"].marks > 0


def test_the_late_rows_of_a_neighbour_are_heard(conn: Connection) -> None:
    """With two neighbours nothing is said; when the third comes, late, hours of other stations are judged by it."""
    town = Town(conn, 4)
    town.send({0: HIGH, 1: QUIET, 2: QUIET, 3: [QUIET[0]]})
    town.learn()
    town.settle()
    assert town.apart() == [(0, 0)]
    town.send({3: QUIET[1:40]}, first=1)
    work = town.settle()
    assert town.apart() == [(0, hour) for hour in range(40)]
    assert (work["compare"].read > 0, work["flag"].marks) == (True, 1)
    # It is corrected: now they are two against two, and each has the median of the others against it.
    town.send({3: HIGH[1:40]}, first=1, revision=1)
    town.settle()
    assert town.apart() == [(n, hour) for n in range(4) for hour in range(n != 0, 40)]


def test_what_a_neighbour_is_in_the_end_does_not_matter(conn: Connection) -> None:
    """Two that lie apart, both suspect in the end, are heard by each other and by all: no answer depends on another."""
    town = Town(conn)
    values = {**quiet_but(s0=True), 4: [None if v is None else v - 29 for v in QUIET]}
    town.send(values)
    town.learn()
    town.settle()
    first = town.verdicts()
    assert {n for n, _ in town.apart()} == {0}
    conn.execute("DELETE FROM verdict WHERE series = %s", [town.series[0]])
    conn.execute("UPDATE verdict SET code = 4, tests = 1 WHERE series = %s", [town.series[4]])
    for number in (1, 2, 3):
        conn.execute(
            "INSERT INTO stale (stage, subject, start, stop, due) VALUES (2, %s, %s, %s, %s)",
            [town.series[number], T0, T0 + 48 * HOUR, T0],
        )
    town.settle()
    assert [row for row in town.verdicts() if row[0] in (1, 2, 3)] == [row for row in first if row[0] in (1, 2, 3)]


def test_a_map_holds_from_the_first_reading_on_and_is_kept_once(conn: Connection) -> None:
    town = Town(conn)
    assert town.learn() == 0  # nobody has readings
    town.send(quiet_but(), first=24)
    town.settle()
    assert town.learn() == 5
    first, last = T0 + 24 * HOUR, T0 + 71 * HOUR + INSTANT
    assert town.marks() == [("compare", number, first, last) for number in range(5)]
    rows = conn.execute("SELECT DISTINCT kind, since, valid_from, fitted_at FROM fit WHERE kind = 'neighbours'")
    assert rows.fetchall() == [("neighbours", first, first, LOOK)]
    town.settle()
    assert town.learn(LOOK + HOUR) == 0
    assert town.marks() == []
    # What is sent from before has a first map, too.
    town.send({0: QUIET})
    town.settle()
    assert town.learn(LOOK + 2 * HOUR) == 1
    assert [(start, stop) for _, _, start, stop in town.marks()] == [(T0, first)]


def test_a_station_that_moved_has_another_map_from_the_last_local_midnight_on(conn: Connection) -> None:
    town = Town(conn)
    town.send(quiet_but(s0=True))
    town.learn(T0 + 30 * HOUR)
    town.settle()
    assert town.apart() == [(0, hour) for hour in range(48)]
    town.move(0, 2.0)
    now = T0 + 30 * HOUR  # 14:00 local: the day began at 16:00 UTC
    assert town.learn(now + INSTANT) == 5
    begins = T0 + 16 * HOUR
    assert [start for _, _, start, _ in town.marks()] == [begins] * 5
    town.settle()
    assert town.apart() == [(0, hour) for hour in range(16)]
    assert town.learn(now + HOUR) == 0
    town.move(0, 0.0)  # and back, the same day
    assert town.learn(now + 2 * HOUR) == 5
    town.settle()
    assert town.apart() == [(0, hour) for hour in range(48)]


def test_who_nobody_is_around_of_has_no_map_and_reads_no_reading(conn: Connection) -> None:
    town = Town(conn)
    for number in range(5):
        town.move(number, float(number))
    town.send(quiet_but(s1=True))
    assert town.learn() == 0
    work = town.settle()
    assert town.verdicts() == [(n, 0, SUSPECT, GAP) for n in range(5)]
    # The first verdicts, and as many final ones that were not there yet.
    assert (work["compare"].read, work["compare"].written) == (5, 5)


def test_compare_is_judged_where_flag_is(conn: Connection) -> None:
    town = Town(conn)
    town.send(quiet_but())
    town.learn()
    town.settle()
    rows: list[Any] = conn.execute("SELECT stage, subject, during FROM judged WHERE stage IN (1, 2)").fetchall()
    judged = {(stage, subject): during for stage, subject, during in rows}
    for number in town.series:
        for stage in (1, 2):
            span = judged[stage, number]
            assert span[0].lower <= T0
            assert span[-1].upper >= T0 + 47 * HOUR


def test_a_person_has_the_last_word(conn: Connection) -> None:
    """On a series with neighbours and on one without; it survives what is computed again, until it is ended."""
    town = Town(conn, 6)
    town.move(5, 3.0)
    town.send({**quiet_but(s2=True), 5: QUIET})
    town.learn()
    town.settle()
    entries = [
        corrections.Entry(town.series[2], "verdict", T0, T0 + 2 * HOUR, {"code": 1}, "Li", "a fire next door"),
        corrections.Entry(
            town.series[5], "verdict", T0 + 5 * HOUR, T0 + 7 * HOUR, {"code": 4}, "Li", "the inlet was off"
        ),
    ]
    ids = corrections.enter(conn, entries, LOOK)
    town.settle()
    manual = BITS["manual"]
    assert town.apart() == [(2, hour) for hour in range(2, 48)]
    assert [row for row in town.verdicts() if row[0] == 5] == [
        (5, 0, SUSPECT, GAP),
        (5, 5, 4, manual),
        (5, 6, 4, manual),
    ]
    town.send({2: HIGH[:3], 5: QUIET[5:8]}, first=0, revision=1)
    town.send({5: QUIET[5:8]}, first=5, revision=2)
    town.settle()
    assert town.apart() == [(2, hour) for hour in range(2, 48)]
    assert [row[1] for row in town.verdicts() if row[3] & manual] == [5, 6]
    corrections.end(conn, ids.ids, "Li", "it was not", LOOK)
    town.settle()
    assert town.apart() == [(2, hour) for hour in range(48)]
    assert [row[1] for row in town.verdicts() if row[3] & manual] == []


def test_the_past_is_made_again_from_maps_and_neighbours_of_then(conn: Connection) -> None:
    """As of three times, each equal to what was stored then: before the map, with it, and after a neighbour changed."""
    town = Town(conn, 4)
    town.send({0: HIGH, 1: QUIET, 2: QUIET, 3: QUIET})
    seen = []

    def clock() -> datetime:
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        assert isinstance(row[0], datetime)
        return row[0]

    def look() -> None:
        town.settle(clock())
        stored = {
            "verdicts": sorted(derived.load(conn, derived.VERDICT, everything()).rows()),
            "averages": sorted(derived.load(conn, derived.AVERAGE, everything()).rows(), key=repr),
        }
        seen.append((clock(), stored))

    def everything() -> Any:
        spans = observations.extent(conn, town.series)
        return spans.with_columns(start=spans["start"] - 48 * HOUR, stop=spans["stop"] + 48 * HOUR)

    look()
    assert town.learn(clock()) == 4
    look()
    town.send({3: HIGH[:20]}, revision=1)
    look()
    assert [len(stored["verdicts"]) for _, stored in seen] == [4, 48 + 3, 48 + 3 * 20]
    for known, stored in seen:
        verdicts, averages = again.load_again(conn, everything(), known)
        assert sorted(verdicts.rows()) == stored["verdicts"]
        assert sorted(averages.select(list(derived.AVERAGE.columns)).rows(), key=repr) == stored["averages"]
    assert load_pairs(conn, T0).height == 0


def test_one_in_a_hundred_series_days_reads_no_more_than_it_may(conn: Connection) -> None:
    """Of 25 stations over 20 days, eight neighbours each: 3 % x (1 + neighbours) of what comparing all of it reads."""
    count, days = 25, 20
    town = Town(conn, count)
    for number in range(count):
        town.move(number, number * 0.05)
    town.send({n: [float(30 + (7 * hour + n) % 9) for hour in range(24 * days)] for n in range(count)})
    town.learn()
    whole = town.settle()["compare"].read
    pairs = load_pairs(conn)
    around = most(pairs)
    stale = [(3, 4), (11, 15), (17, 9), (20, 2), (8, 12)]  # station, day: 5 of 500
    for number, day in stale:
        town.send({number: [float(40 + hour % 5) for hour in range(24)]}, first=24 * day, revision=1)
    part = town.settle()["compare"].read
    share = part / whole
    print(f"compare: 1 % of series-days stale reads {part:,} of {whole:,} rows, {share:.1%}; {around} neighbours")
    assert share <= 0.03 * (1 + around)


def test_in_small_takes_nothing_is_compared_again_for_neighbours_that_come_later(conn: Connection) -> None:
    """Where a budget lets a stage judge one series after the other, those around them wait until all are judged."""
    town = Town(conn, 8)
    hours = {}
    for revision, budget in enumerate((chain.BUDGET, chain.BUDGET, 400)):
        town.send({n: [float(30 + revision + (hour + n) % 9) for hour in range(240)] for n in range(8)}, 0, revision)
        town.learn()
        work = {item.stage: item for item in chain.settle(conn, lambda: NOW, budget=budget)}
        hours[budget] = work["compare"].reach
    assert work["flag"].takes > 3
    assert hours[400] <= 1.5 * hours[chain.BUDGET]


def test_a_parameter_without_limits_for_neighbours_has_no_map(conn: Connection) -> None:
    series = world.settle_world(conn, [(f"T{number}", "rain") for number in range(4)])
    conn.execute("UPDATE station SET longitude = 116, latitude = 40")
    world.send(conn, [(number, float(hour), 1.0, 0, None) for number in series for hour in range(5)])
    assert relearn.run(conn, LOOK).maps == 0


def test_who_learns_at_the_same_time_waits(conn: Connection, other: Connection) -> None:
    """Else a map could be kept under a number below one that settlers have already seen, and they would not see it."""
    town = Town(conn)
    town.send(quiet_but())
    town.settle()
    other.execute("SET lock_timeout = '200ms'")
    with conn.transaction():
        assert town.learn() == 5
        with pytest.raises(Busy):
            relearn.run(other, LOOK + HOUR)
    assert relearn.run(other, LOOK + HOUR).maps == 0


def test_an_hour_waits_for_the_verdicts_of_its_readings(conn: Connection, other: Connection) -> None:
    """While somebody else compares, or cannot, nothing is made of readings that nobody has judged; others go on."""
    town = Town(conn)
    town.send({0: [5000.0], 1: [30.0]}, first=3)
    hours = "SELECT series, value FROM average a JOIN term t ON t.id = a.averaging WHERE t.name = 'hour' ORDER BY 1"
    book = chain.RuleBook()

    def take(name: str, number: int) -> bool:
        shard = town.series[number] % ledger.SHARDS
        return chain.take_once(conn, name, [shard], book, lambda: NOW, chain.BUDGET, chain.Work(name))

    assert take("flag", 0)
    assert not take("hour", 0)
    with other.transaction(force_rollback=True):  # the mark is taken, and not yet gone
        stage = chain.STAGES["compare"][0]
        shards = ledger.lock(other, stage, [town.series[0] % ledger.SHARDS])
        assert ledger.claim(other, stage, shards, NOW).height == 1
        assert not take("hour", 0)
        assert take("flag", 1)
        assert take("compare", 1)
        assert take("hour", 1)
    assert conn.execute(hours).fetchall() == [(town.series[1], 30.0)]
    assert take("compare", 0)
    assert take("hour", 0)
    assert conn.execute(hours).fetchall() == [(town.series[0], None), (town.series[1], 30.0)]
