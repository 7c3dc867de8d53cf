"""Forecasts in the store and by the clock: one row a quantity and hour, never changed, seen by dashboards."""

import json
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timedelta

import polars as pl
import psycopg
import pytest

from analytics import forecasting, tables
from analytics.store import connection, forecasts
from analytics.store.connection import Connection
from jobs import console, forecast, foresee
from jobs.forecast import Issued
from tests import world
from tests.world import HOUR, T0

DAYS = 40
ISSUED = T0 + DAYS * 24 * HOUR
NOW = ISSUED + timedelta(minutes=7)


def wave(hour: int) -> float:
    """A day's wave around 40, and a slow one."""
    return round(40 + 15 * math.sin(2 * math.pi * hour / 24) + 5 * math.sin(hour / 50), 3)


def lay(conn: Connection, channels: Sequence[tuple[str, str]], hours: range = range(DAYS * 24)) -> list[int]:
    """Ids of series with a settled wave over `hours` after T0."""
    found = world.settle_world(conn, channels)
    world.send(conn, [(series, float(hour), wave(hour), 0, None) for series in found for hour in hours])
    world.settle(conn)
    return found


@pytest.fixture
def pm25(conn: Connection) -> int:
    return lay(conn, [("A", "pm25")])[0]


def counts(done: Issued) -> dict[str, int]:
    return {name: value for name, value in asdict(done).items() if isinstance(value, int)}


def stored(conn: Connection) -> list[tuple[object, ...]]:
    return conn.execute("SELECT * FROM forecast ORDER BY series, issued").fetchall()


def test_a_run_issues_the_hours_ahead(conn: Connection, pm25: int) -> None:
    done = forecast.run(conn, NOW)
    assert done.issued == ISSUED
    assert counts(done) == {"wanted": 1, "new": 1, "already": 0, "short": 0, "silent": 0}
    rows = forecasts.load(conn, [pm25])
    assert rows.schema == pl.Schema(forecasts.FORECASTS)
    assert rows["time"].to_list() == [ISSUED + hour * HOUR for hour in range(72)]
    assert rows["issued"].unique().to_list() == [ISSUED]
    assert rows["level"].unique().to_list() == [0.8]
    assert (rows["low"] <= rows["value"]).all()
    assert (rows["value"] <= rows["high"]).all()
    truth = pl.Series([wave(DAYS * 24 + hour) for hour in range(72)])
    assert float(str((rows["value"] - truth).abs().mean())) < 3


def test_only_what_is_listed_and_measured_now_is_forecast(conn: Connection) -> None:
    """Not rain, which adds up; not directions; not what fell silent; what has no day of hours yet is counted."""
    lay(conn, [("A", "pm25"), ("A", "rain"), ("A", "wind_direction")])
    lay(conn, [("B", "pm25")], range(DAYS * 24 - 7))
    lay(conn, [("C", "pm25")], range(DAYS * 24 - 20, DAYS * 24))
    done = forecast.run(conn, NOW)
    assert counts(done) == {"wanted": 2, "new": 1, "already": 0, "short": 1, "silent": 1}


def test_again_within_the_hour_nothing_is_new_whatever_came_meanwhile(conn: Connection, pm25: int) -> None:
    """The past of what was issued is corrected: what people saw stays."""
    forecast.run(conn, NOW)
    before = stored(conn)
    world.send(conn, [(pm25, float(hour), 400.0, 1, None) for hour in range(DAYS * 24 - 24, DAYS * 24)])
    world.settle(conn)
    done = forecast.run(conn, NOW + timedelta(minutes=50))
    assert counts(done) == {"wanted": 1, "new": 0, "already": 1, "short": 0, "silent": 0}
    assert stored(conn) == before


def test_the_next_hour_has_an_issue_of_its_own(conn: Connection, pm25: int) -> None:
    forecast.run(conn, NOW)
    before = stored(conn)
    world.send(conn, [(pm25, float(DAYS * 24), 300.0, 0, None)])
    world.settle(conn)
    assert forecast.run(conn, NOW + HOUR).new == 1
    after = stored(conn)
    assert after[0] == before[0]
    assert len(after) == 2
    both = forecasts.load(conn, [pm25], newest=2)
    assert both["issued"].unique(maintain_order=True).to_list() == [ISSUED, ISSUED + HOUR]
    assert forecasts.load(conn, [pm25])["issued"].unique().to_list() == [ISSUED + HOUR]
    assert max(forecasts.load(conn, [pm25])["value"]) > 200 > max(both["value"][:72])  # it knows of the 300


def test_the_newest_as_it_was_known(conn: Connection, pm25: int) -> None:
    forecast.run(conn, NOW)
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    between = row[0]
    assert isinstance(between, datetime)
    forecast.run(conn, NOW + HOUR)
    assert forecasts.load(conn, [pm25], known=between)["issued"].unique().to_list() == [ISSUED]
    assert forecasts.load(conn, [pm25], known=T0).is_empty()


def test_the_writer_may_issue_and_not_change(conn: Connection, pm25: int) -> None:
    conn.execute("SET ROLE greenwatch_writer")
    assert forecast.run(conn, NOW).new == 1
    for statement in ("UPDATE forecast SET reason = ''", "DELETE FROM forecast", "TRUNCATE forecast"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement)


def test_two_cadences_of_one_quantity_are_one_history(conn: Connection) -> None:
    """Ten units for forty days by the hour; seventy by half hours of the last day, from the one that speaks."""
    (slow,) = world.settle_world(conn, [("A", "pm25")])
    world.settle_world(conn, [("A", "pm25")], cadence=1800)
    row = conn.execute("SELECT id FROM series WHERE cadence = 1800").fetchone()
    assert row is not None
    fast = int(str(row[0]))
    # Not quite flat: a flat line would be suspect.
    world.send(conn, [(slow, float(hour), 10.0 + hour % 2, 0, None) for hour in range(DAYS * 24)])
    halves = [(fast, DAYS * 24 - 24 + step / 2, 70.0 + step % 3, 0, None) for step in range(48)]
    world.send(conn, halves)
    world.settle(conn)
    assert forecast.run(conn, NOW).new == 1
    rows = forecasts.load(conn, [slow, fast])
    assert rows["series"].unique().to_list() == [fast]
    assert rows["value"][0] > 40  # now is what the one that speaks says
    assert rows["skill"].null_count() == 0  # and it was tested on the month of the stand-in


def test_killed_between_batches_and_run_again_each_is_issued_once(
    conn: Connection, other: Connection, dsn: str
) -> None:
    """The server drops the connection after the second batch of one: those two stay, the next run does the rest."""
    found = lay(conn, [(code, "pm25") for code in "ABCDE"])
    row = conn.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None

    def drop(done: Issued) -> None:
        if done.new == 2:
            other.execute("SELECT pg_terminate_backend(%s)", [row[0]])

    with pytest.raises(psycopg.OperationalError):
        forecast.run(conn, NOW, batch=1, notice=drop)
    before = stored(other)
    assert len(before) == 2
    with closing(connection.connect(dsn)) as again:
        assert counts(forecast.run(again, NOW)) == {"wanted": 5, "new": 3, "already": 2, "short": 0, "silent": 0}
        assert sorted(int(str(row[0])) for row in stored(again)) == sorted(found)
        assert [row for row in stored(again) if row in before] == before


def test_two_runs_at_once_issue_each_once(conn: Connection, other: Connection) -> None:
    lay(conn, [(code, "pm25") for code in "ABC"])
    inner: list[Issued] = []

    def meanwhile(done: Issued) -> None:
        if not inner:
            inner.append(forecast.run(other, NOW))

    done = forecast.run(conn, NOW, batch=1, notice=meanwhile)
    assert counts(inner[0]) == {"wanted": 3, "new": 2, "already": 1, "short": 0, "silent": 0}
    assert counts(done) == {"wanted": 3, "new": 1, "already": 2, "short": 0, "silent": 0}
    assert len(stored(conn)) == 3


def test_a_batch_makes_no_difference(conn: Connection) -> None:
    lay(conn, [(code, parameter) for code in "AB" for parameter in ("pm25", "relative_humidity")])
    forecast.run(conn, NOW, batch=1)
    one = stored(conn)
    conn.execute("TRUNCATE forecast")
    forecast.run(conn, NOW, batch=3)
    known = conn.execute("SELECT * FROM forecast LIMIT 0").description
    assert known is not None
    place = [column.name for column in known].index("known")
    assert [row[:place] + row[place + 1 :] for row in stored(conn)] == [row[:place] + row[place + 1 :] for row in one]


def test_beyond_the_budget_the_naive_are_served_in_the_order_of_the_table(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lay(conn, [("A", "relative_humidity"), ("A", "pm25")])
    content = tables.read(forecasting.TABLE)
    assert isinstance(content, dict)
    content["settings"]["budget"]["value"] = 1
    monkeypatch.setattr(forecast, "load_plan", lambda *_: forecasting.parse(content))
    forecast.run(conn, NOW)
    reasons = {row[0]: row[1] for row in conn.execute("SELECT series, reason FROM forecast")}
    assert reasons == {
        found[0]: "beyond the budget of 1 fitted series a run; boosting has learned nothing of it yet",
        found[1]: "boosting has learned nothing of it yet",
    }


def test_the_table_in_force_at_the_hour_is_used(conn: Connection) -> None:
    """An edition that begins tomorrow does not forecast today."""
    conn.execute(
        "INSERT INTO edition (name, sha256, valid_from, known, rows)"
        " SELECT name, '', %s, known, jsonb_set(rows, '{settings,leads,value}', '48') FROM edition"
        " WHERE name = 'forecasts'",
        [NOW + 24 * HOUR],
    )
    assert foresee.load_plan(conn, NOW).settings.leads == 72


def test_who_begins_to_speak_within_the_hour_does_not_issue_it_again(conn: Connection, pm25: int) -> None:
    forecast.run(conn, NOW)
    world.settle_world(conn, [("A", "pm25")], cadence=60)
    assert counts(forecast.run(conn, NOW)) == {"wanted": 1, "new": 0, "already": 1, "short": 0, "silent": 0}
    assert forecast.run(conn, NOW + HOUR).new == 1
    # Two series have forecasts now, the quantity has one.
    rows = conn.execute("SELECT issued, time FROM report.forecast ORDER BY time").fetchall()
    assert rows == [(ISSUED + HOUR, ISSUED + hour * HOUR) for hour in range(1, 73)]


def test_what_is_issued_is_looked_up_and_not_searched_for(conn: Connection) -> None:
    def blocks() -> int:
        conn.execute("SELECT pg_stat_force_next_flush()")
        row = conn.execute(
            "SELECT idx_blks_hit + idx_blks_read + heap_blks_hit + heap_blks_read FROM pg_statio_user_tables"
            " WHERE relname = 'forecast'"
        ).fetchone()
        assert row is not None
        return int(str(row[0]))

    conn.execute(
        "INSERT INTO forecast SELECT s, %s::timestamptz + h * interval '1 hour', now(), 3600, 0.8, '{}', '{}', '{}',"
        " '{}', '', '{}', now() FROM generate_series(1, 100) s, generate_series(0, 199) h",
        [ISSUED],
    )
    conn.execute("VACUUM ANALYZE forecast")
    before = blocks()
    assert forecasts.issued(conn, ISSUED, [7, 9, 999]) == {7, 9}
    assert blocks() - before < 30  # of some hundred


def test_dashboards_see_the_newest_issue(conn: Connection) -> None:
    series, deep = lay(conn, [("A", "pm25"), ("A", "relative_humidity@2")])
    forecast.run(conn, NOW)
    forecast.run(conn, NOW + HOUR)
    conn.execute("SET ROLE greenwatch_reader")
    rows = conn.execute(
        "SELECT station, parameter, position, issued, time, lead, value, low, high, model, skill, level, reason,"
        " wide, wide_low, wide_high FROM report.forecast ORDER BY parameter, time"
    ).fetchall()
    assert len(rows) == 144
    assert {row[:4] for row in rows} == {
        ("A", "pm25", "", ISSUED + HOUR),
        ("A", "relative_humidity", "2", ISSUED + HOUR),
    }
    assert [(row[4], row[5]) for row in rows[:72]] == [(ISSUED + hour * HOUR, hour) for hour in range(1, 73)]
    chances = conn.execute(
        'SELECT station, parameter, issued, "limit", time, lead, chance FROM report.forecast_chance ORDER BY 4, 5'
    ).fetchall()
    conn.execute("RESET ROLE")
    assert [row[:6] for row in chances] == [
        ("A", "pm25", ISSUED + HOUR, limit, ISSUED + hour * HOUR, hour) for limit in (75, 150) for hour in range(1, 73)
    ]
    told = [float(str(row[6])) for row in chances]
    assert all(high <= low < 0.2 for low, high in zip(told[:72], told[72:], strict=True))
    loaded = forecasts.load(conn, [series, deep])
    named = ["value", "low", "high", "model", "skill", "level", "reason", "wide", "wide_low", "wide_high"]
    assert [row[6:] for row in rows] == loaded.select(named).rows()


def test_the_command_says_what_was_issued(
    conn: Connection, dsn: str, pm25: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "now", lambda: NOW)
    forecast.main(as_json=True, dsn=dsn)
    said = json.loads(capsys.readouterr().out)
    assert said.pop("seconds") > 0
    assert said == {"issued": str(ISSUED), "wanted": 1, "new": 1, "already": 0, "short": 0, "silent": 0}
    forecast.main(dsn=dsn)
    assert "there already" in capsys.readouterr().out
