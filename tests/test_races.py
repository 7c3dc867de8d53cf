"""What a hostile reader of the store found, each case as small as it can be."""

import copy
from datetime import timedelta
from threading import Thread
from typing import Any

import polars as pl
import pytest

from analytics import standards
from analytics.frames import CELLS, REJECTS, Batch
from analytics.store import derived, ledger, migrations, register, registry, scattered
from analytics.store.connection import Connection
from jobs import chain
from jobs.intake import Intake, Order, readmit
from tests import world
from tests.conftest import NOW
from tests.world import HOUR, T0


def cells(*rows: tuple[str, str, float, float]) -> Batch:
    """A block of (station, channel, hours after T0, value)."""
    given = [(station, channel, T0 + hour * HOUR, value, None, None) for station, channel, hour, value in rows]
    return Batch(pl.DataFrame(given, schema=dict(CELLS), orient="row"), pl.DataFrame(schema=dict(REJECTS)))


def one(conn: Connection, query: str) -> Any:
    row = conn.execute(query).fetchone()
    return row[0] if row else None


def test_an_open_hour_does_not_hold_back_the_past_of_its_run(conn: Connection) -> None:
    """Ten days of hours up to this one: all but the open hour is done at once, the open hour at the next minute."""
    series = world.settle_world(conn, [("A", "pm25")])[0]
    now = T0 + timedelta(hours=240, minutes=20)
    world.send(conn, [(series, float(hour), 40.0, 0, None) for hour in range(241)], now=now)
    chain.settle(conn, lambda: now)
    assert one(conn, "SELECT count(*) FROM average a JOIN term t ON t.id = a.averaging WHERE t.name = 'hour'") == 240
    assert one(conn, "SELECT count(*) FROM assessment") > 250
    chain.settle(conn, lambda: now + timedelta(minutes=1))
    assert one(conn, "SELECT count(*) FROM average a JOIN term t ON t.id = a.averaging WHERE t.name = 'hour'") == 241


def test_rules_that_change_during_a_round_hold_for_what_comes_after_them(
    conn: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While series 1 is judged, a limit is lowered and a reading of series 2 is observed: the new limit counts."""
    first, second = world.settle_world(conn, [("A", "pm25"), ("B", "pm25")])
    lowered: dict[str, Any] = copy.deepcopy(standards.tables())
    lowered["parameters"]["pm25"]["quality"]["gross_range"].update(suspect=[0, 30], fail=[-5, 40])
    since = T0 + 240 * HOUR

    def upgrade() -> None:
        assert [step.name for step in migrations.migrate(other, lowered, since)] == ["parameters"]
        world.send(other, [(second, 241.0, 50.0, 0, None)], now=since)

    real, todo = derived.write, [upgrade]

    def write(*given: Any, **named: Any) -> pl.DataFrame:
        changed = real(*given, **named)
        while todo:
            todo.pop()()
        return changed

    monkeypatch.setattr(derived, "write", write)
    world.send(conn, [(first, 0.0, 5.0, 0, None)])
    world.settle(conn)
    verdicts = conn.execute("SELECT code FROM verdict WHERE series = %s", [second]).fetchall()
    assert verdicts == [(4,)]


def test_an_offset_that_changes_beside_a_backfill_holds_for_it_too(conn: Connection, other: Connection) -> None:
    """The station's clock is corrected in a transaction while another process sends and settles older days."""
    series = world.settle_world(conn, [("A", "pm25")])[0]
    world.send(conn, [(series, float(hour), 40.0, 0, None) for hour in range(48)])
    world.settle(conn)

    def backfill() -> None:
        world.send(other, [(series, float(hour), 40.0, 0, None) for hour in range(-480, -240)])
        world.settle(other)

    thread = Thread(target=backfill)
    with conn.transaction():
        register.lock(conn)
        stored = register.load(conn)
        said = register.Registry(stations={"A": {**stored.stations["A"], "utc_offset": 0}})
        effect = register.apply(conn, register.Plan(said.counts(), write=said))
        chain.mark_registered(conn, effect, NOW)
        thread.start()
        thread.join(1)
    thread.join(30)
    world.settle(conn)
    starts = "SELECT DISTINCT extract(hour FROM a.time)::int FROM average a JOIN term t ON t.id = a.averaging"
    assert conn.execute(f"{starts} WHERE t.name = 'day'").fetchall() == [(0,)]


def test_a_reading_is_not_rejected_beside_its_own_registration(
    conn: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process finds no series; another would register it before the first has saved: it has to wait."""
    late = Thread(target=lambda: Intake(other, Order(register=True)).block(cells(("A", "pm25", 1, 1.0)), "long"))
    real, todo = registry.resolve, [late]

    def resolve(*given: Any) -> pl.DataFrame:
        found = real(*given)
        while todo:
            first = todo.pop()  # before it runs: it comes through here itself
            first.start()
            first.join(0.5)
        return found

    monkeypatch.setattr(registry, "resolve", resolve)
    intake = Intake(conn, Order())
    assert intake.block(cells(("A", "pm25", 0, 1.0)), "long").rejects == 1
    late.join(20)
    readmit(other, intake.parameters)
    assert (one(conn, "SELECT count(*) FROM observation"), one(conn, "SELECT count(*) FROM reject")) == (2, 0)


def test_a_station_that_reads_as_null_waits_and_comes_back(conn: Connection) -> None:
    intake = Intake(conn, Order())
    assert intake.block(cells(("\\N", "pm25", 0, 1.0), ("\\N", "o3", 0, 1.0)), "long").rejects == 2
    Intake(conn, Order(register=True)).block(cells(("\\N", "pm25", 1, 2.0), ("\\N", "o3", 1, 2.0)), "long")
    assert readmit(conn, intake.parameters).new == 2
    assert (one(conn, "SELECT count(*) FROM observation"), one(conn, "SELECT count(*) FROM reject")) == (4, 0)


def test_marks_and_cadence_of_waiting_readings_are_kept(conn: Connection) -> None:
    """The same value with another mark is another reading; minutes do not come back into a series of hours."""
    world.settle_world(conn, [("A", "pm25")], 3600)
    minutes = Intake(conn, Order(cadence=60))
    assert minutes.block(cells(*[("A", "pm25", n / 60, 5.0) for n in range(3)]), "long").rejects == 3
    assert readmit(conn, minutes.parameters).read == 0
    plain = cells(("B", "pm25", 0, 5.0))
    marked = Batch(plain.cells.with_columns(pl.lit(ord("D"), pl.Int16).alias("mark")), plain.rejects)
    for block in (plain, marked):
        Intake(conn, Order()).block(block, "long")
    world.settle_world(conn, [("B", "pm25")])
    assert readmit(conn, minutes.parameters).read == 2
    assert one(conn, "SELECT mark FROM observation") == ord("D")


def test_marks_of_a_stage_of_another_version_are_left_to_it(conn: Connection) -> None:
    series = world.settle_world(conn, [("A", "pm25")])[0]
    conn.execute("INSERT INTO stale (stage, subject, start, stop, due) VALUES (99, 1, %s, %s, %s)", [T0, NOW, NOW])
    world.send(conn, [(series, 0.0, 40.0, 0, None)])
    world.settle(conn)
    assert conn.execute("SELECT stage FROM stale").fetchall() == [(99,)]


def test_a_series_far_denser_than_registered_does_not_burst_a_take(conn: Connection) -> None:
    """Registered by the hour, sent each second: a take reads its budget and its reach, not the day."""
    series = world.settle_world(conn, [("A", "pm25")])[0]
    world.send(conn, [(series, second / 3600, 40.0, 0, None) for second in range(0, 86_400, 5)])
    work = {item.stage: item for item in chain.settle(conn, lambda: NOW, budget=1000)}
    assert work["flag"].read / work["flag"].takes <= 1000 + 4 * 3 * 720 + 10


def test_scattered_rows_are_joined_by_four_weeks_at_a_time() -> None:
    rows = pl.DataFrame({"time": [T0, T0 + 24 * HOUR, T0 + 24 * 400 * HOUR]}).cast({"time": ledger.WINDOWS["start"]})
    assert sorted(part.height for part in scattered.by_time(rows)) == [1, 2]
