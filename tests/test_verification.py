"""Forecasts held against what came: by an obvious loop, again when late data changes it, never when nothing did."""

import json
import math
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from analytics.store import forecasts, retention, terms, verification
from analytics.store.connection import Connection
from jobs import console, verify
from tests import world
from tests.world import HOUR, T0

DAY = 24 * HOUR
NOW = T0 + 5 * DAY + HOUR
Story = tuple[int, dict[int, float], dict[int, dict[str, list[float]]]]
GROUPS = {6: range(1, 7), 24: range(7, 25), 72: range(25, 73)}


def lay(conn: Connection, series: int, values: dict[int, float]) -> None:
    """Hourly means of a series, by hours after T0."""
    hour = terms.intern(conn, "averaging", ["day", "hour"])["hour"]  # no store has hours alone
    conn.execute("DELETE FROM average WHERE series = %s AND time = ANY (%s)", [series, [T0 + h * HOUR for h in values]])
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO average (time, value, series, count, expected, averaging) VALUES (%s, %s, %s, 1, 1, %s)",
            [(T0 + number * HOUR, value, series, hour) for number, value in values.items()],
        )


def tell(conn: Connection, series: int, hour: int, seed: int, *, wide: bool = True) -> dict[str, list[float]]:
    """What is issued at that hour after T0: numbers by chance, chances of 75 and 150."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(40, 110, 72)
    spread = rng.uniform(2, 30, 72)
    row = {
        "value": middle.tolist(),
        "low": (middle - spread).tolist(),
        "high": (middle + spread).tolist(),
        "wide_low": (middle - 2 * spread).tolist(),
        "wide_high": (middle + 2 * spread).tolist(),
        "chance": rng.uniform(0, 1, 144).tolist(),
    }
    more = {"series": series, "models": ["x"] * 72, "skill": [None] * 72, "reason": "", "limits": [75.0, 150.0]}
    issue = {**row, **more}
    if not wide:
        issue = {
            name: values for name, values in issue.items() if name not in ("wide_low", "wide_high", "chance", "limits")
        }
    frame = pl.DataFrame([issue], schema_overrides={"skill": pl.List(pl.Float64)})
    assert forecasts.save(conn, frame, T0 + hour * HOUR, HOUR, 0.8, 0.95 if wide else None) == 1
    return row


@pytest.fixture
def story(conn: Connection) -> Story:
    """A series with five days of truth, with gaps, and forecasts of it, some hours without one."""
    (series,) = world.settle_world(conn, [("A", "pm25")])
    rng = np.random.default_rng(4)
    values = {hour: float(value) for hour, value in enumerate(rng.uniform(30, 120, 120).round(2)) if rng.random() < 0.9}
    lay(conn, series, values)
    issued = {hour: tell(conn, series, hour, hour) for hour in range(0, 120, 5)}
    return series, values, issued


def loss(share: float, line: float, came: float) -> float:
    return share * (came - line) if came >= line else (1 - share) * (line - came)


def obvious(
    values: dict[int, float], issued: dict[int, dict[str, list[float]]], day: int
) -> dict[int, dict[str, float]]:
    """The scores of a day by loops."""
    found: dict[int, dict[str, float]] = {}
    for last, leads in GROUPS.items():
        sums = dict.fromkeys(("count", "off", "pinball", "inside", "wide_inside", "bar_count", "bar", "bar_off"), 0.0)
        sums |= dict.fromkeys(("hits", "misses", "false_alarms", "brier", "wave_count", "wave", "wave_off"), 0.0)
        for hour, row in issued.items():
            for lead in leads:
                at = hour + lead - 1
                if at not in values or not day * 24 <= at < day * 24 + 24:
                    continue
                came, said = values[at], {name: cells[lead - 1] for name, cells in row.items()}
                off = abs(came - said["value"])
                sums["count"] += 1
                sums["off"] += off
                lines = ((0.5, "value"), (0.1, "low"), (0.9, "high"), (0.025, "wide_low"), (0.975, "wide_high"))
                sums["pinball"] += sum(loss(share, said[name], came) for share, name in lines) / 5
                sums["inside"] += said["low"] <= came <= said["high"]
                sums["wide_inside"] += said["wide_low"] <= came <= said["wide_high"]
                if hour - 1 in values:
                    sums["bar_count"] += 1
                    sums["bar"] += abs(came - values[hour - 1])
                    sums["bar_off"] += off
                if at - 24 in values:
                    sums["wave_count"] += 1
                    sums["wave"] += abs(came - values[at - 24])
                    sums["wave_off"] += off
                over, warned = came > 75, said["value"] > 75
                sums["hits"] += over and warned
                sums["misses"] += over and not warned
                sums["false_alarms"] += warned and not over
                sums["brier"] += (said["chance"] - over) ** 2
        if sums["count"]:
            found[last] = sums
    return found


def kept(conn: Connection, series: int, day: int) -> dict[int, dict[str, object]]:
    cursor = conn.execute("SELECT * FROM forecast_score WHERE series = %s AND day = %s", [series, T0 + day * DAY])
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    return {int(str(row[2])): dict(zip(names, row, strict=True)) for row in cursor}


def test_scores_are_the_obvious_loop(conn: Connection, story: Story) -> None:
    series, values, issued = story
    done = verify.run(conn, NOW)
    assert (done.changed, done.scores) == (5, 14)  # on the first day nothing was said three days before
    for day in range(5):
        found, expected = kept(conn, series, day), obvious(values, issued, day)
        assert found.keys() == expected.keys()
        for last, sums in expected.items():
            for name, value in sums.items():
                assert math.isclose(float(str(found[last][name])), value, rel_tol=1e-9), (day, last, name)
            assert found[last]["hours"] == sum(day * 24 <= hour < day * 24 + 24 for hour in values)


def test_only_what_changed_is_scored_again(conn: Connection, story: Story) -> None:
    """A late value, another value, one that is withdrawn; a day that is not over waits."""
    series, values, issued = story
    verify.run(conn, NOW)
    before = [kept(conn, series, day) for day in range(5)]
    assert (verify.run(conn, NOW).changed, verify.run(conn, NOW + timedelta(hours=9)).changed) == (0, 0)
    (late,) = sorted(set(range(48, 72)) - values.keys())[:1]
    lay(conn, series, {late: 77.5})
    assert verify.run(conn, NOW).changed == 1
    after = [kept(conn, series, day) for day in range(5)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True, True]
    assert math.isclose(float(str(after[2][72]["off"])), obvious({**values, late: 77.5}, issued, 2)[72]["off"])
    conn.execute("DELETE FROM average WHERE series = %s AND time < %s", [series, T0 + DAY])
    verify.run(conn, NOW)
    assert kept(conn, series, 0) == {}


def test_a_stand_in_is_the_truth_where_nobody_speaks_and_old_rows_have_one_band(conn: Connection) -> None:
    (slow,) = world.settle_world(conn, [("A", "pm25")])
    world.settle_world(conn, [("A", "pm25")], cadence=60)
    row = conn.execute("SELECT id FROM series WHERE cadence = 60").fetchone()
    assert row is not None
    fast = int(str(row[0]))
    lay(conn, slow, {24: 50.0, 25: 60.0})
    lay(conn, fast, {25: 70.0})
    said = tell(conn, fast, 24, 1, wide=False)
    verify.run(conn, NOW)
    found = kept(conn, fast, 1)[6]
    assert found["off"] == pytest.approx(abs(50 - said["value"][0]) + abs(70 - said["value"][1]))
    assert (found["count"], found["wide_count"], found["chances"], found["bar_count"]) == (2, 0, 0, 0)


def test_what_was_deleted_keeps_its_scores(conn: Connection, story: Story) -> None:
    series, *_ = story
    verify.run(conn, NOW)
    before = kept(conn, series, 1)
    assert retention.forget(conn, "forecast", T0 + 2 * DAY, NOW + 4 * DAY) > 0
    lay(conn, series, {30: 5.0})
    verify.run(conn, NOW)
    assert kept(conn, series, 1) == before


def test_bands_are_held_against_what_came(conn: Connection, story: Story) -> None:
    """Over days enough; what was seen too little of says nothing."""
    series, *_ = story
    verify.run(conn, NOW)
    assert verification.coverage(conn, T0, 0.8, 0.95).is_empty()  # five days
    conn.execute(
        """
        INSERT INTO forecast_score
        SELECT (jsonb_populate_record(f, jsonb_build_object('day', f.day - interval '7 days'))).*
        FROM forecast_score f WHERE series = %s
        """,
        [series],
    )
    found = verification.coverage(conn, T0 - 8 * DAY, 0.8, 0.95)
    rows = [row for day in range(5) for last, row in kept(conn, series, day).items() if last == 72]
    inside, wide, count = (2 * sum(int(str(row[name])) for row in rows) for name in ("inside", "wide_inside", "count"))
    assert count >= 500
    assert found.filter(lead="72")["band"].to_list() == ["0.8", "0.95"]
    assert found.filter(lead="72")["share"].to_list() == [pytest.approx(inside / count), pytest.approx(wide / count)]
    assert found.filter(lead="6").is_empty()  # fewer than 500 forecasts
    assert verification.coverage(conn, T0, 0.8, 0.95).is_empty()


def test_dashboards_and_the_command_tell_them(
    conn: Connection,
    dsn: str,
    story: Story,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, values, issued = story
    monkeypatch.setattr(console, "now", lambda: NOW)
    verify.main(days=2, as_json=True, dsn=dsn)
    said = {row["lead"]: row for row in json.loads(capsys.readouterr().out)}
    days = [obvious(values, issued, day) for day in (3, 4)]
    for last, row in said.items():
        total = {name: sum(day[last][name] for day in days) for name in days[0][last]}
        assert row["count"] == total["count"]
        assert row["mae"] == pytest.approx(total["off"] / total["count"])
        assert row["coverage"] == pytest.approx(total["inside"] / total["count"])
        assert row["skill"] == pytest.approx(1 - total["bar_off"] / total["bar"])
        assert row["mase"] == pytest.approx(total["wave_off"] / total["wave"])
        assert row["hits"] == total["hits"]
    verify.main(dsn=dsn)
    assert "pm25" in capsys.readouterr().out
    conn.execute("SET ROLE greenwatch_reader")
    rows = conn.execute(
        "SELECT station, parameter, day, lead, count, mae, rmse, skill, pinball, coverage, wide_coverage, hits, misses,"
        " false_alarms, brier FROM report.forecast_score WHERE day >= %s ORDER BY day, lead",
        [T0 + 3 * DAY],
    ).fetchall()
    assert [row[:4] for row in rows] == [("A", "pm25", T0 + day * DAY, lead) for day in (3, 4) for lead in GROUPS]
    assert float(str(rows[0][5])) == pytest.approx(days[0][6]["off"] / days[0][6]["count"])


def test_nobody_but_who_scores_may(conn: Connection, story: Story) -> None:
    conn.execute("SET ROLE greenwatch_writer")
    assert verify.run(conn, NOW).scores == 14
    assert verification.load(conn, T0, NOW)["series"].max() == 1
