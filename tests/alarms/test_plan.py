"""`greenwatch alarms plan`: what other rules would have told, by what the watch did tell of the same past."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from analytics.store import observations, planned, registry
from analytics.store.connection import Connection
from analytics.store.observations import Origin
from analytics.tables import TableError
from jobs import chain, watch
from jobs.alarms import app
from tests import world
from tests.world import HOUR, NOTHING, T0

SECOND = timedelta(seconds=1)
#: No mean of 24 hours is there before it has 20 of them.
HOURS = 46
#: Where nothing turns, hours come some at a time.
LOOKS = (19, 20, 24, 29, *range(30, 39), 41, 43, 45)
#: Station -> value of each hour.
HAZE: dict[str, Callable[[int], float]] = {
    "A": lambda hour: 200.0 if hour < 30 else 0.0,
    "B": lambda hour: 200.0 if 10 <= hour < 34 else 20.0,
    "C": lambda hour: 130.0,
    "D": lambda hour: 20.0,
}
RULE = """
[pm25_polluted]
episode = "pm25_24h"
level = 1
severity = "page"
confirm = 1
clear = 7
cadences = 3
at_least = 10
title = "as before, louder"
title_zh = "同前，改为呼叫"
source = "OWN"
confidence = "memory_low"
"""


@pytest.fixture
def past(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(rule, severity) that the watch told, hour after hour; B has a gap, what of it comes late tells nobody."""
    series = dict(zip(HAZE, world.settle_world(conn, [(code, "pm25") for code in HAZE]), strict=True))
    conn.execute("INSERT INTO membership (station, kind, place) SELECT id, 'district', 'EAST' FROM station")
    number = registry.source(conn, "test")
    told: list[tuple[str, str]] = []
    for before, hour in zip((-1, *LOOKS), LOOKS, strict=False):
        at = T0 + (hour + 1) * HOUR
        # Batches are dated by the clock of the database: that of the test is told afterwards.
        newest = conn.execute("SELECT coalesce(max(id), 0) FROM batch").fetchone()
        hours = range(before + 1, hour + 1)
        rows = [(series[code], float(each), value(each), 0, None) for each in hours for code, value in HAZE.items()]
        rows = [row for row in rows if row[:2] != (series["B"], 33.0)]
        observations.save(conn, world.frame(rows), NOTHING, Origin(number, "test", kind="live"), at)
        if hour == 36:
            late = [(series["B"], 33.0, 200.0, 0, None)]
            observations.save(conn, world.frame(late), NOTHING, Origin(number, "test", kind="late"), at)
        conn.execute("UPDATE batch SET known = %s WHERE id > %s", [at, newest[0] if newest else 0])
        chain.settle(conn, lambda now=at: now)  # type: ignore[misc]
        events = watch.run(conn, at + HOUR / 12)
        told += [
            (event["rule"], event["told"]) for event in events if event["reason"] in ("fired", "told") and event["told"]
        ]
    monkeypatch.setattr("jobs.console.now", lambda: T0 + HOURS * HOUR)
    return told


def plan(dsn: str, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["plan", *words, "--json", "--dsn", dsn], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_what_rules_would_have_told_of_a_past_that_was_watched(
    past: list[tuple[str, str]], conn: Connection, dsn: str, tmp_path: Path
) -> None:
    as_it_was(past, conn, dsn, tmp_path)
    as_it_was_not(conn, dsn, tmp_path)


def as_it_was(past: list[tuple[str, str]], conn: Connection, dsn: str, tmp_path: Path) -> None:
    """The rules now would have told what they told, and writing the file told nobody."""
    file = tmp_path / "rules.toml"
    file.write_text(RULE, encoding="utf-8")
    before = world.picture(conn), conn.execute("SELECT count(*), max(id) FROM alarm_event").fetchone()
    said = plan(dsn, str(file), "--from", T0.isoformat())
    assert (world.picture(conn), conn.execute("SELECT count(*), max(id) FROM alarm_event").fetchone()) == before
    now = {(line["rule"], line["severity"]): line["now"] for line in said["rules"] if line["now"]}
    replayed = {key: past.count(key) for key in past if key[0].startswith("pm")}
    assert now == replayed
    assert now["pm25_heavy", "page"] == 2
    # With the file the tickets are pages.
    lines = {(line["rule"], line["severity"]): line for line in said["rules"]}
    tickets, pages = lines["pm25_polluted", "ticket"], lines["pm25_polluted", "page"]
    assert (tickets["now"], tickets["then"], pages["now"], pages["then"]) == (3, 0, 0, 3)
    assert (pages["difference"], pages["subjects"]) == (3, ["A", "B", "C"])
    assert pages["longest"] > 20
    assert "channel_silent" in said["not_replayed"] or said["not_replayed"]
    assert len(said["assumed"]) == 6
    # For people, both languages; and of one station alone.
    shown = CliRunner().invoke(app, ["plan", str(file), "--from", T0.isoformat(), "--station", "A", "--dsn", dsn])
    assert "pm25_polluted" in shown.stdout
    assert "+1" in shown.stdout
    assert "B 0" not in shown.stdout
    assert "均值取现存值" in shown.stderr


def as_it_was_not(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """Another line, a region, and what was planned."""
    rules, runs = tmp_path / "rules.toml", tmp_path / "runs.toml"
    region = RULE.replace(
        'episode = "pm25_24h"\nlevel = 1', 'kind = "region"\nmember = "pm25_heavy"\nleast = 2\nshare = 0.5'
    )
    region = region.replace("cadences = 3\nat_least = 10\n", "").replace("[pm25_polluted]", "[pm25_most]")
    rules.write_text(region, encoding="utf-8")
    said = plan(dsn, str(rules), "--from", T0.isoformat())
    lines = {(line["rule"], line["severity"]): line for line in said["rules"]}
    assert (lines["pm25_most", "page"]["now"], lines["pm25_most", "page"]["then"]) == (0, 1)
    assert lines["pm25_most", "page"]["subjects"] == ["EAST"]
    assert lines["pm25_heavy", "page"]["then"] < lines["pm25_heavy", "page"]["now"]
    # A milder line: D is told of, too, had it been in force.
    text = (Path(__file__).parents[2] / "analytics/tables/episodes.toml").read_text(encoding="utf-8")
    block = text[text.index("[pm25_24h]") :].split("\n\n")[0].replace("levels = [115, 150]", "levels = [10, 150]")
    runs.write_text(block.replace("off = [75, 145]", "off = [5, 145]"), encoding="utf-8")
    rules.write_text("", encoding="utf-8")
    said = plan(dsn, str(rules), "--episodes", str(runs), "--from", T0.isoformat())
    lines = {(line["rule"], line["severity"]): line for line in said["rules"]}
    assert lines["pm25_polluted", "ticket"]["subjects"] == ["A", "B", "C", "D"]
    # Nobody would have been told while something was planned.
    planned.add(conn, "district", "EAST", T0 - HOUR, T0 + 90 * HOUR, "Wang", "fireworks", T0)
    assert plan(dsn, str(rules), "--from", T0.isoformat())["rules"] == []


#: (kind, minutes, value): what a channel of carbon monoxide sends, a batch at the end of each.
BATCHES = (
    ("live", range(5), 1.0),
    ("live", range(5, 7), 40.0),  # two beyond 35: told at once
    ("live", range(7, 10), 41.0),
    ("live", range(10, 16), 1.0),  # five that are well, over four minutes: over
    ("late", range(16, 20), 40.0),  # nobody saw it then
    ("live", range(20, 26), 1.0),
    ("live", range(26, 31), 20.0),
    ("live", range(31, 41), 1.0),
)


def test_a_hard_limit_is_told_again_reading_by_reading(
    conn: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = world.settle_world(conn, [("A", "co")], 60)[0]
    for kind, minutes, value in BATCHES:
        at = T0 + (minutes[-1] * 60 + 20) * SECOND
        rows = [(series, minute / 60, value, 0, None) for minute in minutes]
        origin = Origin(registry.source(conn, "test"), "test", kind=kind)
        observations.save(conn, world.frame(rows), NOTHING, origin, at)
        conn.execute("UPDATE batch SET known = %s WHERE id = (SELECT max(id) FROM batch)", [at])
    monkeypatch.setattr("jobs.console.now", lambda: T0 + HOUR)
    file, tables = tmp_path / "rules.toml", Path(__file__).parents[2] / "analytics/tables"
    rules = (tables / "alarms.toml").read_text(encoding="utf-8")
    block = rules[rules.index("[co_danger]") :].split("\n\n")[0]
    file.write_text(block.replace("limit = 35", "limit = 15"), encoding="utf-8")
    said = plan(dsn, str(file), "--from", T0.isoformat())
    [line] = said["rules"]
    assert (line["rule"], line["severity"], line["now"], line["then"]) == ("co_danger", "page", 1, 2)
    assert line["subjects"] == ["A co"]
    told = [(each["at"], each["until"]) for each in line["times"]]
    expected = [(7, 16), (31, 41)]
    assert told == [tuple((T0 + minute * 60 * SECOND).isoformat() for minute in pair) for pair in expected]
    assert "co_danger" not in said["not_replayed"]
    # Escalating rules are looked at as long as they are on, and while something is planned nobody is told.
    file.write_text(
        block.replace('severity = "page"', 'severity = "ticket"\nescalate = {after = 1, severity = "page"}')
    )
    [page, ticket] = plan(dsn, str(file), "--from", T0.isoformat())["rules"]
    assert (page["now"], page["then"], ticket["now"], ticket["then"]) == (1, 0, 0, 1)
    planned.add(conn, "station", "A", T0, T0 + HOUR, "Wang", "span gas", T0)
    assert plan(dsn, str(file), "--from", T0.isoformat())["rules"] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[pm25_polluted", "is no TOML"),
        (RULE.replace("level = 1", "level = 9"), "has no level 9"),
        (RULE.replace('"page"', '"loud"'), "'severity' cannot be 'loud'"),
        (RULE.replace("clear = 7", "clear = 1"), "'clear' must be more than the bridge"),
    ],
)
def test_rules_that_cannot_be_are_refused(conn: Connection, dsn: str, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=words):
        CliRunner().invoke(app, ["plan", str(file), "--dsn", dsn], catch_exceptions=False)


def test_what_is_not_there_is_wrong_usage(conn: Connection, dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULE, encoding="utf-8")
    for words in (["--station", "Z"], ["--from", "2999-01-01T00:00Z"], ["--from", "yesterday"]):
        done = CliRunner().invoke(app, ["plan", str(file), *words, "--dsn", dsn])
        assert done.exit_code == 2, done.output
    assert CliRunner().invoke(app, ["plan", str(tmp_path / "none.toml"), "--dsn", dsn]).exit_code == 2
