"""What else asks for derived series: as they were known, episodes, alarms, fits, several workers, readers."""

import math
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from analytics.store import alarms, connection, derivations, derived, observations, registry
from analytics.store.connection import Connection
from jobs import again, chain, relearn, traces
from jobs.export import measured
from jobs.export.ask import Ask
from jobs.intake import Intake, Order
from tests import world
from tests.conftest import NOW
from tests.derivation.site import CHANNELS, DAY, derivation, hours, number, put, run, settle
from tests.world import HOUR, T0

# As it was known


def test_derived_hours_are_made_again_as_they_were_known(site: tuple[Connection, list[int]]) -> None:
    conn, (temperature, humidity, level, other) = site
    seen: list[tuple[Any, dict[str, list[tuple[object, ...]]]]] = []

    def look() -> None:
        settle(conn)
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        seen.append((row[0], {name: sorted(rows, key=repr) for name, rows in stored(conn).items()}))

    story = run(temperature, [20.0 + h % 5 for h in range(48)], -8) + run(humidity, [50.0] * 40)
    world.send(conn, story + run(level, [0.1 * h for h in range(30)]))
    look()
    world.send(conn, run(temperature, [30.0] * 6, 3, revision=1) + run(humidity, [80.0] * 20, 30))
    look()
    put(conn, derivation("growing-degree-days", "given = { base = 12 }"))
    look()
    put(conn, derivation("growing-degree-days", 'inputs = { temperature = { station = "B" } }', "since = 2026-02-28"))
    world.send(conn, run(other, [18.0] * 60))
    look()
    ids = [row[0] for row in conn.execute("SELECT id FROM series ORDER BY 1")]
    windows = pl.DataFrame(
        [(series, T0 - 3 * DAY, T0 + 6 * DAY) for series in ids],
        schema={"series": pl.Int32, "start": pl.Datetime("us", "UTC"), "stop": pl.Datetime("us", "UTC")},
        orient="row",
    )
    assert len({repr(rows) for _, rows in seen}) == 4
    for known, rows in seen:
        _, averages = again.load_again(conn, windows, known)
        assert sorted(averages.select(list(derived.AVERAGE.columns)).rows(), key=repr) == rows["average"]


def stored(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    rows = conn.execute(
        "SELECT a.series, t.name, a.time, a.value, a.count, a.expected FROM average a JOIN term t ON t.id = a.averaging"
    ).fetchall()
    return {"average": rows}


# What else asks for it


def test_where_there_are_hours_there_is_an_extent_and_a_live_edge(site: tuple[Connection, list[int]]) -> None:
    conn, (temperature, humidity, level, _) = site
    wet, total = number(conn, "wet_bulb_temperature"), number(conn, "degree_days_total")
    assert observations.extent(conn, [wet, total]).is_empty()
    for series, stop in ((temperature, 20), (humidity, 12)):
        source = registry.source(conn, "test")
        origin = observations.Origin(source, "test", kind="live")
        observations.save(conn, world.frame(run(series, [20.0] * stop)), world.NOTHING, origin, NOW)
    world.send(conn, run(level, [1.0] * 30))
    settle(conn)
    assert observations.extent(conn, [wet]).rows() == [(wet, T0, T0 + 20 * HOUR)]
    assert observations.extent(conn, [total]).rows() == [(total, T0, T0 + 20 * HOUR)]
    # It is as live as the source that is farthest behind; what came late is live for nobody.
    live = dict(alarms.live(conn, [wet, total, temperature, number(conn, "time_to_full")]).iter_rows())
    assert live == {wet: T0 + 11 * HOUR, total: T0 + 19 * HOUR, temperature: T0 + 19 * HOUR}


def test_an_episode_of_a_derived_series_begins_and_ends(site: tuple[Connection, list[int]]) -> None:
    conn, (temperature, humidity, *_) = site
    rule = (
        '{"parameter": "wet_bulb_temperature", "averaging": "hour", "direction": "above", "levels": [28, 31],'
        ' "off": [26, 30], "bridge": 1, "minimum": 1, "silence": 12, "title": "", "title_zh": "", "source": "OWN",'
        ' "confidence": "memory_low"}'
    )
    conn.execute(
        "UPDATE edition SET rows = rows || jsonb_build_object('hot', %s::jsonb) WHERE name = 'episodes'", [rule]
    )
    values = [20.0] * 30 + [33.0] * 5 + [20.0] * 30
    world.send(conn, run(temperature, values) + run(humidity, [95.0] * len(values)))
    settle(conn)
    rows = conn.execute(
        "SELECT e.time, e.stop, e.level, e.closed FROM episode e JOIN term r ON r.id = e.rule WHERE r.name = 'hot'"
    ).fetchall()
    assert rows == [(T0 + 30 * HOUR, T0 + 35 * HOUR, 2, True)]


# The tide


def test_the_tide_is_learned_by_relearn_alone_and_what_it_judges_is_made_again(conn: Connection) -> None:
    (*_, level, _) = world.settle_world(conn, CHANNELS)
    put(conn, derivation("water-level-detided"))
    days = 80
    start = datetime(2026, 1, 1, tzinfo=UTC)
    first = (start - T0) / HOUR
    turn = [28.9841042 * (first + h) for h in range(24 * days)]
    tide = [2 + 0.5 * _cosine(angle) + (0.25 if h == 1800 else 0.0) for h, angle in enumerate(turn)]
    world.send(conn, run(level, tide, first))
    settle(conn)
    assert set(hours(conn, "water_level_detided").values()) == {None}
    now = start + 60 * DAY
    done = relearn.run(conn, now)
    assert done.fits >= 1
    assert conn.execute("SELECT subject FROM fit WHERE kind = 'tide-removed'").fetchall() == [
        (number(conn, "water_level_detided"),)
    ]
    settle(conn)
    made = hours(conn, "water_level_detided")
    judged = [h for h, value in made.items() if value is not None]
    # From the last local midnight before it was learned.
    assert min(judged) == first + 24 * 60 - 8
    assert max(judged) == first + 24 * days - 1
    assert {round(made[h] or 0, 2) for h in judged} == {2.0, 2.25}
    before = dict(made)
    assert relearn.run(conn, now).fits == 0  # the same hours say the same
    world.send(conn, run(level, [5.0], first + 100, revision=1))
    settle(conn)
    assert hours(conn, "water_level_detided") == before  # a late reading alters no fit
    relearn.run(conn, now + 10 * DAY)
    settle(conn)
    after = hours(conn, "water_level_detided")
    assert {h for h in after if after[h] != before[h]} <= {h for h in judged if h >= first + 24 * 70 - 8}


def _cosine(degrees: float) -> float:
    return math.cos(math.radians(degrees))


def test_two_settlers_end_in_the_same_tables(site: tuple[Connection, list[int]], dsn: str) -> None:
    """The hours of a series and what is made of them are settled by turns, on two connections."""
    conn, (temperature, humidity, level, _) = site
    story = run(temperature, [20.0 + h % 7 for h in range(96)]) + run(humidity, [50.0 + h % 3 for h in range(96)])
    story += run(level, [0.01 * h for h in range(96)])
    world.send(conn, story)
    settle(conn)
    whole = world.picture(conn)
    world.empty(conn)
    with closing(connection.connect(dsn)) as second:
        books = {conn: chain.RuleBook(), second: chain.RuleBook()}
        for part in range(0, len(story), 60):
            world.send(conn, story[part : part + 60])
            for name in ("flag", "compare", "hour", "derive", "average"):
                for worker, shards in ((conn, range(0, 16, 2)), (second, range(1, 16, 2))):
                    clock = lambda: NOW  # noqa: E731  # a clock that stands
                    chain.take_once(worker, name, list(shards), books[worker], clock, 500, chain.Work(name))
    settle(conn)
    assert world.picture(conn) == whole


def test_formulas_are_loaded_with_the_times_they_hold(site: tuple[Connection, list[int]]) -> None:
    conn, _ = site
    put(conn, derivation("time-to-full", "given = { capacity = 4 }", "since = 2026-03-01"))
    found = derivations.load(conn, [number(conn, "time_to_full")])
    border = datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert found.select("since", "until", "given", "offset").rows() == [
        (None, border, '{"capacity": 3.0}', 480),
        (border, None, '{"capacity": 4.0}', 480),
    ]


def test_a_source_that_sends_what_is_derived_is_told_so(
    site: tuple[Connection, list[int]], dsn: str, tmp_path: Path
) -> None:
    """Its cells are rejects that wait for nothing, also where it may register what it brings."""
    conn, _ = site
    file = tmp_path / "sent.csv"
    file.write_text(
        "station,parameter,time,value\nA,degree_days,2026-02-27T00:00Z,3\nA,rain,2026-02-27T00:00Z,1\n",
        encoding="utf-8",
    )
    intake = Intake(conn, Order(register=True))
    counts = intake.file(file)
    assert (counts.new, counts.rejects, intake.waiting) == (1, 1, 0)
    rows = conn.execute("SELECT reason, channel, text, time FROM reject").fetchall()
    assert rows == [("derived series", "degree_days", "3.0", None)]


def test_the_page_and_exports_have_them_like_any_series(site: tuple[Connection, list[int]]) -> None:
    conn, (temperature, humidity, *_) = site
    world.send(conn, run(temperature, [20.0] * 30) + run(humidity, [50.0] * 30))
    settle(conn)
    wet = number(conn, "wet_bulb_temperature")
    (page,) = measured.export_averages(conn, Ask(parameters=["wet_bulb"], averagings=["hour"]))
    assert page.select("station", "parameter", "count", "expected").unique().rows() == [
        ("A", "wet_bulb_temperature", 1, 1)
    ]
    assert page["value"].to_list() == list(hours(conn, "wet_bulb_temperature").values())
    voices = registry.load_voices(conn)
    charts = traces.charts(conn, voices, T0 + 30 * HOUR, DAY, DAY)
    assert [value for value in charts[wet]["hour"] if value is not None] == page["value"].round(6).to_list()[-24:]


def test_the_writer_registers_and_derives(conn: Connection) -> None:
    conn.execute("SET ROLE greenwatch_writer")
    (temperature, *_) = world.settle_world(conn, CHANNELS)
    put(conn, derivation("growing-degree-days"))
    put(conn, derivation("growing-degree-days", "given = { base = 9 }"))
    world.send(conn, run(temperature, [21.0] * 3))
    settle(conn)
    assert hours(conn, "degree_days") == dict.fromkeys(range(3), 0.5)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("UPDATE derivation SET kind = 'heating-degree-days'")
