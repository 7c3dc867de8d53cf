"""Derived series in the store: made as hours come, repaired by what is late, and only where it matters."""

from datetime import timedelta

import polars as pl
import psycopg
import pytest

from analytics.store import ledger
from analytics.store.connection import Connection
from jobs import chain, derive
from tests import world
from tests.conftest import NOW
from tests.derivation.site import CHANNELS, derivation, hours, number, put, run, settle, settled
from tests.world import HOUR, T0


def test_hours_are_derived_with_their_days_and_what_is_derived_from_them(site: tuple[Connection, list[int]]) -> None:
    conn, (temperature, humidity, level, _) = site
    # A local day of UTC+8, from 16:00.
    world.send(conn, run(temperature, [20.0] * 48) + run(humidity, [100.0] * 40) + run(level, [0.1] * 3))
    settle(conn)
    assert hours(conn, "wet_bulb_temperature") == dict.fromkeys(range(40), 20.0)
    assert hours(conn, "degree_days") == dict.fromkeys(range(48), 0.5)
    assert hours(conn, "degree_days", "day")[16] == 12.0
    total = hours(conn, "degree_days_total")
    assert total[15] is None  # of the day from which on it counts the first eight hours are missing
    assert total[40] is None
    assert hours(conn, "time_to_full") == {0: None, 1: None, 2: None}
    assert conn.execute("SELECT count(*) FROM stale").fetchone() == (0,)


def test_a_late_reading_repairs_what_is_made_of_it_and_nothing_else(site: tuple[Connection, list[int]]) -> None:
    conn, (temperature, humidity, _, other) = site
    put(conn, derivation("heating-degree-days", 'position = "h"', station="B"))
    world.send(conn, run(temperature, [20.0] * 72, -8) + run(humidity, [50.0] * 72, -8) + run(other, [5.0] * 72, -8))
    settle(conn)
    before = {name: hours(conn, name) for name in ("wet_bulb_temperature", "degree_days", "degree_days_total")}
    cold = hours(conn, "degree_days", station="B")
    world.send(conn, run(temperature, [26.0], 10, revision=1))
    work = settle(conn)
    after = {name: hours(conn, name) for name in before}
    assert {h for h in before["degree_days"] if before["degree_days"][h] != after["degree_days"][h]} == {10}
    assert {
        h
        for h in before["wet_bulb_temperature"]
        if before["wet_bulb_temperature"][h] != after["wet_bulb_temperature"][h]
    } == {10}
    later = {h: value for h, value in after["degree_days_total"].items() if value != before["degree_days_total"][h]}
    assert set(later) == set(range(10, 64))
    assert all(value == pytest.approx(before["degree_days_total"][h] + 0.25) for h, value in later.items())
    assert hours(conn, "degree_days", station="B") == cold
    # Two hours of their inputs and their own, and of the sum the season that there is.
    assert work["derive"].written == 2 + 54
    assert work["derive"].read <= 5 + 2 * 72


def test_nothing_changes_where_an_input_is_made_again_as_it_was(site: tuple[Connection, list[int]]) -> None:
    conn, (temperature, *_) = site
    world.send(conn, run(temperature, [20.0] * 10))
    settle(conn)
    before = world.picture(conn)
    stale = pl.DataFrame([(temperature, T0, T0 + 10 * HOUR)], schema=dict(ledger.WINDOWS), orient="row")
    ledger.mark(conn, chain.STAGES["hour"][0], stale, NOW)
    assert settle(conn)["derive"].marks == 0
    ledger.mark(conn, chain.STAGES["derive"][0], stale.with_columns(subject=number(conn, "degree_days")), NOW)
    assert settle(conn)["derive"].written == 0
    assert world.picture(conn) == before


def test_hours_of_readings_never_touch_a_derived_series(site: tuple[Connection, list[int]]) -> None:
    """Readings of it can be there from before it was derived, or by hand: they count for nothing."""
    conn, (temperature, *_) = site
    world.send(conn, run(temperature, [20.0] * 10))
    settle(conn)
    before = hours(conn, "degree_days")
    world.send(conn, run(number(conn, "degree_days"), [7.0] * 5, 3))
    settle(conn)
    assert hours(conn, "degree_days") == before


def test_a_formula_makes_what_came_before_it_and_another_one_makes_it_anew(conn: Connection) -> None:
    (temperature, *_) = world.settle_world(conn, CHANNELS)
    world.send(conn, run(temperature, [20.0] * 48))
    settle(conn)
    effect = put(conn, derivation("growing-degree-days"))
    assert effect.derive.select("start", "stop").rows() == [(T0, T0 + 48 * HOUR)]
    settle(conn)
    assert hours(conn, "degree_days") == dict.fromkeys(range(48), settled(10 / 24))
    put(conn, derivation("growing-degree-days", "given = { base = 15 }"))
    settle(conn)
    assert hours(conn, "degree_days") == dict.fromkeys(range(48), settled(5 / 24))
    # From a local day on (UTC+8) another one, and then none.
    put(conn, derivation("growing-degree-days", "given = { base = 0 }", "since = 2026-02-28"))
    put(conn, derivation("", 'parameter = "degree_days"', "since = 2026-03-01"))
    settle(conn)
    early, late = settled(5 / 24), settled(20 / 24)
    assert hours(conn, "degree_days") == {h: early if h < 16 else late for h in range(40)}
    assert set(hours(conn, "degree_days", "day")) == {-8, 16}


def test_an_input_of_another_station_counts_by_the_day_of_the_derived_one(conn: Connection) -> None:
    (*_, other) = world.settle_world(conn, CHANNELS)
    put(
        conn,
        derivation("growing-degree-days", 'inputs = { temperature = { station = "B" } }'),
        derivation("degree-days-total", "given = { month = 2, day = 28 }"),
    )
    world.send(conn, run(other, [34.0] * 48, -8))
    settle(conn)
    assert [h for h, value in hours(conn, "degree_days_total").items() if value is not None] == list(range(16, 40))
    put(conn, '[[station]]\ncode = "A"\nutc_offset = "+00:00"')
    settle(conn)
    assert [h for h, value in hours(conn, "degree_days_total").items() if value is not None] == list(range(24, 40))
    assert set(hours(conn, "degree_days", "day")) == {-24, 0, 24}


def test_whoever_settles_holds_the_formulas_until_the_commit(
    site: tuple[Connection, list[int]], other: Connection
) -> None:
    """Else hours could be written by one who does not know what is made of them, after that was made."""
    conn, _ = site
    windows = pl.DataFrame([(1, T0, T0 + HOUR)], schema=dict(ledger.WINDOWS), orient="row")
    other.execute("SET lock_timeout = '200ms'")
    with conn.transaction():
        derive.measured(conn, windows)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            put(other, derivation("heating-degree-days", 'position = "h"'))
    put(other, derivation("heating-degree-days", 'position = "h"'))
    with conn.transaction():
        derive.measured(conn, windows)
        put(other, '[[source]]\nname = "x"')  # what has nothing to do with it does not wait


def test_a_take_in_parts_makes_the_same(site: tuple[Connection, list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    conn, (temperature, humidity, level, _) = site
    story = run(temperature, [20.0 + h % 7 for h in range(96)]) + run(humidity, [50.0] * 96)
    world.send(conn, story + run(level, [0.01 * h for h in range(96)]))
    settle(conn)
    whole = world.picture(conn)
    world.empty(conn)
    monkeypatch.setattr(derive, "ROWS", 1)
    world.send(conn, story + run(level, [0.01 * h for h in range(96)]))
    settle(conn)
    assert world.picture(conn) == whole


def test_the_open_hour_is_derived_when_it_closes(site: tuple[Connection, list[int]]) -> None:
    conn, (temperature, *_) = site
    now = T0 + 10 * HOUR + timedelta(minutes=30)
    for minute, value in ((5, 20.0), (20, 22.0)):
        world.send(conn, [(temperature, 10 + minute / 60, value, 0, None)], now=now)
        chain.settle(conn, lambda: now)
    world.send(conn, [(temperature, 9.0, 20.0, 0, None)], now=now)
    chain.settle(conn, lambda: now)
    assert set(hours(conn, "air_temperature")) == {9, 10} or set(hours(conn, "air_temperature")) == {9}
    assert set(hours(conn, "degree_days")) == {9}
    chain.settle(conn, lambda: T0 + 11 * HOUR)
    assert set(hours(conn, "degree_days")) == {9, 10}
