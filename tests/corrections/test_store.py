"""Layers in the store: through the ledger to every figure, ended without a trace, as they were known at any time."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Thread

import polars as pl
import psycopg
import pytest

from analytics.corrections import CorrectionError
from analytics.store import connection, corrections, ledger, registry, state
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from analytics.store.errors import NoSuchCorrection
from jobs import chain
from tests import world
from tests.conftest import NOW
from tests.world import HOUR, T0

LINE = {"gain": 2.0, "offset": 0.0}


@pytest.fixture
def series(conn: Connection) -> list[int]:
    """Two days of hours of two quantities of a station, settled."""
    ids = world.settle_world(conn, [("A", "pm25"), ("A", "o3")])
    world.send(conn, [(s, float(hour), 30.0 + hour % 5, 0, None) for s in ids for hour in range(48)])
    world.settle(conn)
    return ids


def enter(conn: Connection, number: int, kind: str, first: float, last: float, **given: float) -> int:
    entry = Entry(number, kind, T0 + first * HOUR, T0 + last * HOUR, given, "Wang", "checked on site")
    return corrections.enter(conn, [entry], NOW).ids[0]


def one(conn: Connection, query: str, *params: object) -> object:
    row = conn.execute(query, params).fetchone()
    assert row is not None
    return row[0]


def hour_of(conn: Connection, number: int, hour: int) -> tuple[object, ...] | None:
    return conn.execute(
        "SELECT value, count FROM average WHERE series = %s AND time = %s AND averaging ="
        " (SELECT id FROM term WHERE kind = 'averaging' AND name = 'hour')",
        [number, T0 + hour * HOUR],
    ).fetchone()


def known(conn: Connection) -> datetime:
    """A time after all that is known and before all that comes."""
    return one(conn, "SELECT clock_timestamp()")  # type: ignore[return-value]


def counted(conn: Connection, number: int, at: datetime | None = None) -> dict[float, float]:
    windows = pl.DataFrame([(number, T0, T0 + 48 * HOUR)], schema=dict(ledger.WINDOWS), orient="row")
    rows = chain.readings(conn, windows, at).sort("time")
    return {(time - T0) / HOUR: value for time, value in rows.select("time", "value").iter_rows()}


def test_a_recalibration_reaches_every_figure_that_stands_on_it_and_no_reading(
    conn: Connection, series: list[int]
) -> None:
    before = world.picture(conn)
    enter(conn, series[0], "recalibration", 10, 13, **LINE)
    work = {item.stage: item for item in chain.settle(conn, lambda: NOW)}
    after = world.picture(conn)
    assert after["observation"] == before["observation"]
    assert hour_of(conn, series[0], 10) == (60.0, 1)
    assert hour_of(conn, series[0], 13) == (33.0, 1)
    assert after["corrected"] == [(series[0], T0 + hour * HOUR, 2 * (30.0 + hour % 5)) for hour in (10, 11, 12)]
    # Only what stands on three hours of one series was made again: their hours, running means and days around them.
    assert work["flag"].reach <= 3 + 2 * 3 + 1
    changed = set(after["average"]) ^ set(before["average"])
    assert {row[0] for row in changed} == {series[0]}
    assert all(T0 + 10 * HOUR - timedelta(days=1) <= row[2] <= T0 + 13 * HOUR + timedelta(days=1) for row in changed)  # type: ignore[operator]
    assert after["assessment"] != before["assessment"]


def test_entered_and_ended_leaves_the_tables_as_they_were(conn: Connection, series: list[int]) -> None:
    before = world.picture(conn)
    ids = [
        enter(conn, series[0], "recalibration", 10, 30, **LINE),
        enter(conn, series[0], "drift", 5, 20, gap=-12.0),
        enter(conn, series[0], "withdrawal", 12, 15),
        enter(conn, series[1], "verdict", 0, 9, code=4.0),
    ]
    world.settle(conn)
    assert world.picture(conn) != before
    corrections.end(conn, [ids[1], ids[3]], "Li", "wrong sensor", NOW)
    world.settle(conn)
    corrections.end(conn, [ids[0], ids[2]], "Li", "wrong sensor", NOW)
    world.settle(conn)
    assert world.picture(conn) == before
    rows = conn.execute("SELECT ended_by, ended_reason, ended >= known FROM correction ORDER BY id").fetchall()
    assert rows == [("Li", "wrong sensor", True)] * 4


def test_what_is_withdrawn_stays_in_the_store_and_does_not_count(conn: Connection, series: list[int]) -> None:
    enter(conn, series[0], "withdrawal", 10, 12)
    world.settle(conn)
    assert one(conn, "SELECT count(*) FROM observation WHERE series = %s", series[0]) == 48
    assert [hour_of(conn, series[0], hour) for hour in (9, 10, 12)] == [(34.0, 1), None, (32.0, 1)]
    assert counted(conn, series[0]).keys() == set(range(48)) - {10.0, 11.0}
    # A reading that comes later for the withdrawn time does not count either: the layer is over the time.
    assert world.send(conn, [(series[0], 10.0, 99.0, 1, None)]).replaced == 1
    world.settle(conn)
    assert hour_of(conn, series[0], 10) is None


def test_a_manual_verdict_survives_every_recomputation(conn: Connection, series: list[int]) -> None:
    enter(conn, series[0], "verdict", 10, 11, code=4.0)
    world.send(conn, [(series[1], 20.0, 5000.0, 1, None)])  # fails by its own test
    enter(conn, series[1], "verdict", 20, 21, code=1.0)
    world.settle(conn)
    assert hour_of(conn, series[0], 10) == (None, 0)
    assert hour_of(conn, series[1], 20) == (5000.0, 1)
    world.send(conn, [(series[0], 10.0, 31.5, 1, None), (series[1], 20.0, 5001.0, 2, None)])
    world.settle(conn)
    assert hour_of(conn, series[0], 10) == (None, 0)
    assert hour_of(conn, series[1], 20) == (5001.0, 1)


def test_a_layer_without_an_end_holds_for_what_comes(conn: Connection, series: list[int]) -> None:
    enter(conn, series[0], "recalibration", 40, 100_000, **LINE)
    world.send(conn, [(series[0], 60.0, 50.0, 0, None)])
    world.settle(conn)
    assert hour_of(conn, series[0], 60) == (100.0, 1)


def test_a_layer_where_nothing_was_measured_marks_nothing(conn: Connection, series: list[int]) -> None:
    enter(conn, series[0], "recalibration", -100, -50, **LINE)
    enter(conn, series[0], "recalibration", 500, 600, **LINE)
    assert one(conn, "SELECT count(*) FROM stale") == 0
    enter(conn, series[0], "recalibration", -100, 1, **LINE)
    assert conn.execute("SELECT subject, start, stop FROM stale").fetchall() == [(series[0], T0, T0 + HOUR)]


def test_many_layers_go_in_whole_or_not_at_all(conn: Connection, series: list[int]) -> None:
    good = Entry(series[0], "withdrawal", T0, T0 + HOUR, {}, "Wang", "x")
    bad = Entry(series[0], "recalibration", T0, T0 + HOUR, {"gain": 0.0, "offset": 0.0}, "Wang", "x")
    with pytest.raises(CorrectionError):
        corrections.enter(conn, [good, bad], NOW)
    with pytest.raises(psycopg.errors.CheckViolation):
        corrections.enter(conn, [good, Entry(series[0], "withdrawal", T0, T0, {}, "Wang", "x")], NOW)
    assert one(conn, "SELECT count(*) FROM correction") == 0


def test_what_is_in_force_is_not_entered_once_more(conn: Connection, series: list[int]) -> None:
    """Whoever got no answer sends again; a value must not be doubled twice for that."""
    entry = Entry(series[0], "recalibration", T0, T0 + HOUR, LINE, "Wang", "span check")
    ids, new = corrections.enter(conn, [entry, entry], NOW)
    assert (ids[0], new) == (ids[1], 1)
    world.settle(conn)
    assert corrections.enter(conn, [entry, replace(entry, reason="another")], NOW).new == 1
    assert one(conn, "SELECT count(*) FROM correction") == 2
    corrections.end(conn, ids[:1], "Li", "x", NOW)
    assert corrections.enter(conn, [entry], NOW) == ([ids[0] + 2], 1)


def test_what_is_not_in_force_cannot_be_ended(conn: Connection, series: list[int]) -> None:
    number = enter(conn, series[0], "withdrawal", 10, 11)
    with pytest.raises(NoSuchCorrection, match=f"no correction {number + 1} is in force"):
        corrections.end(conn, [number, number + 1], "Li", "x", NOW)
    corrections.end(conn, [number], "Li", "x", NOW)
    with pytest.raises(NoSuchCorrection):
        corrections.end(conn, [number], "Li", "x", NOW)


def test_as_of_sees_the_layers_known_then_among_the_batches_known_then(conn: Connection, series: list[int]) -> None:
    """A reading, a layer, another value, the layer's end: each moment counts as it did."""
    number, moments = series[0], [known(conn)]
    layer = enter(conn, number, "recalibration", 10, 11, **LINE)
    moments.append(known(conn))
    world.send(conn, [(number, 10.0, 40.0, 1, None)])
    moments.append(known(conn))
    corrections.end(conn, [layer], "Li", "x", NOW)
    moments.append(known(conn))
    enter(conn, number, "withdrawal", 10, 11)
    assert [counted(conn, number, at).get(10.0) for at in [*moments, known(conn)]] == [30.0, 60.0, 80.0, 40.0, None]
    assert counted(conn, number).get(10.0) is None


def test_known_times_of_batches_and_layers_follow_their_commits(conn: Connection, series: list[int]) -> None:
    layer = enter(conn, series[0], "withdrawal", 10, 11)
    world.send(conn, [(series[0], 90.0, 1.0, 0, None)])
    corrections.end(conn, [layer], "Li", "x", NOW)
    world.send(conn, [(series[0], 91.0, 1.0, 0, None)])
    row = conn.execute(
        "SELECT b[1] < c.known, c.known < b[2], b[2] < c.ended, c.ended < b[3] FROM correction c,"
        " (SELECT array_agg(known ORDER BY ordinal) AS b FROM batch) AS batches"
    ).fetchone()
    assert row == (True,) * 4


def test_a_reading_that_is_being_saved_is_marked_by_one_of_the_two(
    conn: Connection, other: Connection, dsn: str, series: list[int]
) -> None:
    """A save is under way when a layer is entered: the layer waits for it, and finds its readings."""
    number, done = series[0], list[int]()

    def lay() -> None:
        with closing(connection.connect(dsn)) as own:
            done.append(enter(own, number, "recalibration", 0, 1000, **LINE))

    with other.transaction():
        world.send(other, [(number, 60.0, 50.0, 0, None)])
        thread = Thread(target=lay)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(20)
    assert done
    world.settle(conn)
    assert hour_of(conn, number, 60) == (100.0, 1)


def test_a_take_without_layers_costs_one_look(
    conn: Connection, series: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the live minute: `corrected` is not looked at where no layer ever was."""
    asked = list[str]()
    real = corrections.load

    def load(*given: object, **named: object) -> pl.DataFrame:
        asked.append("layers")
        return real(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(corrections, "load", load)
    monkeypatch.setattr("analytics.store.derived.CORRECTED", None)  # whoever writes it fails
    world.send(conn, [(series[0], 60.0, 50.0, 0, None)])
    takes = {item.stage: item.takes for item in chain.settle(conn, lambda: NOW)}
    assert len(asked) == takes["flag"] + takes["compare"] + takes["hour"]


def test_the_newest_reading_counts_as_it_is_corrected(conn: Connection, series: list[int]) -> None:
    enter(conn, series[0], "recalibration", 47, 48, **LINE)
    enter(conn, series[1], "withdrawal", 47, 48)
    world.settle(conn)
    found = state.newest(conn, registry.load_voices(conn), T0 + 48 * HOUR)
    assert dict(found.select("series", "value").iter_rows()) == {series[0]: 64.0, series[1]: None}


def test_what_a_layer_would_touch(conn: Connection, series: list[int]) -> None:
    windows = pl.DataFrame(
        [(series[0], T0 + 10 * HOUR, T0 + 30 * HOUR), (series[1], T0 - HOUR, T0)],
        orient="row",
        schema={"series": pl.Int32, "start": pl.Datetime("us", "UTC"), "stop": pl.Datetime("us", "UTC")},
    )
    assert corrections.touches(conn, windows) == [(20, 2), (0, 0)]
    assert registry.load_stations(conn)["offset"].to_list() == [480]
