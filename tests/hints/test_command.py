"""`greenwatch hints`: what it says of a station, a grid and a section, and emitters in a register file."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import psycopg
import pytest

from analytics.frames import AVERAGES, conform
from analytics.hints import winds
from analytics.store import connection, emitters, register, terms
from analytics.store.connection import Connection
from analytics.store.packing import copy
from jobs.hints import picture
from tests import world
from tests.commands.terminal import DONE, NOT_AS_ASKED, WRONG_USAGE, greenwatch
from tests.conftest import Make
from tests.hints.rows import at, blown, rows
from tests.register.drafts import problems, put

DAYS = 70
NOW = at(24 * DAYS)
PLACES = """
[[station]]
code = "A"
longitude = 116.40
latitude = 39.90
[[station.series]] # speaks, and is not there yet: the hourly one stands in
parameter = "so2"
cadence = "1m"
[[station]]
code = "M"
title = "weather"
longitude = 116.45
latitude = 39.90
"""
WORKS = """
[[emitter]]
name = "coke works"
title_zh = "焦化厂"
longitude = 116.45
latitude = 39.90
emits = ["so2", "H2S"]
[[emitter]]
name = "kitchen"
longitude = 116.40
latitude = 39.95
[[emitter]]
name = "paint shop"
longitude = 116.40
latitude = 39.91
emits = ["tvoc"]
"""
CELLS = [("G1", "tvoc"), ("G2", "tvoc"), ("G3", "tvoc"), ("G4", "tvoc")]
CHANNELS = [("A", "so2"), ("M", "wind_speed"), ("M", "wind_direction"), *CELLS, ("W1", "nh3n"), ("W2", "nh3n")]


def keep(conn: Connection, number: int, hours: pl.DataFrame) -> None:
    """Nothing; `hours` (time, value) are the settled hours of that series."""
    facts = {"averaging": "hour", "count": 1, "expected": 1}
    rows = hours.with_columns(pl.lit(number, pl.Int32).alias("series"), **{k: pl.lit(v) for k, v in facts.items()})
    copy(conn, "average", terms.encode(conn, conform(rows, AVERAGES), "averaging", "averaging"))


@pytest.fixture(scope="module")
def told(make_database: Make) -> str:
    """A store in which SO2 at A comes with the wind from the east, G2 leaks, and W2 follows W1 by five hours."""
    dsn = make_database("apache")
    with closing(connection.connect(dsn)) as conn:
        numbers = dict(zip(CHANNELS, world.settle_world(conn, CHANNELS), strict=True))
        put(conn, PLACES + WORKS)
        blow = blown(DAYS, 90)
        keep(conn, numbers["A", "so2"], blow.select("time", "value"))
        keep(conn, numbers["M", "wind_speed"], blow.select("time", pl.col("speed").alias("value")))
        keep(conn, numbers["M", "wind_direction"], blow.select("time", pl.col("direction").alias("value")))
        for nr, cell in enumerate(CELLS):
            leak = pl.when(pl.col("time") >= NOW - timedelta(hours=4)).then(2.0 if nr == 1 else 0.0).otherwise(0.0)
            keep(conn, numbers[cell], blow.select("time", value=0.1 + 0.01 * nr + leak))
        draw = np.random.default_rng(4)
        pulse = draw.gamma(0.3, 1, 24 * DAYS)
        keep(conn, numbers["W1", "nh3n"], blow.select("time", value=pl.Series(pulse)))
        keep(
            conn,
            numbers["W2", "nh3n"],
            blow.select("time", value=pl.Series(0.5 * np.roll(pulse, 5) + draw.random(24 * DAYS))),
        )
    return dsn


def hints(told: str, *words: object) -> str:
    """What the command prints, as if it were at the end of the hours."""
    done = greenwatch("hints", *words, "--to", NOW.isoformat(), "--dsn", told)
    assert done.code == DONE, done.err
    return done.out


def test_a_station_with_its_winds_and_emitters(told: str) -> None:
    said = hints(told, "station", "A", "--parameter", "SO2", "--language", "en").splitlines()
    assert said[0].startswith("A, sulphur dioxide, 2026-01-05 08:00 to 2026-03-16 07:00: 1,680 hours, high is above ")
    assert said[1] == "wind of M, 4.3 km off"
    assert said[2].startswith("wind from the east (")
    assert said[5] == "no wind: high in 0 of 0 hours; wind unknown: in 0 of 0"
    assert said[6].startswith("1. coke works, 4.3 km to the east (90°): high in ")
    assert said[7].startswith("2. kitchen, 5.6 km to the north (0°): high in ")
    assert said[8:] == ["no hours of the day or the week stand out"], "who emits something else is not named"
    both = hints(told, "station", "A", "--parameter", "so2").splitlines()
    assert "1. coke works 焦化厂，东方（90°）4.3 km：来风 " in "\n".join(both)
    assert len(both) == 2 * len(said)


def test_a_station_as_data(told: str) -> None:
    done = greenwatch("hints", "station", "A", "--parameter", "so2", "--json", "--to", NOW.isoformat(), "--dsn", told)
    facts = done.json
    assert [one["emitter"] for one in facts["emitters"]] == ["coke works", "kitchen"]
    assert facts["emitters"][0]["p"] < 0.05 < facts["emitters"][1]["p"]
    assert "焦化厂" in facts["emitters"][0]["reason_zh"]
    assert len(facts["sectors"]) == 38
    assert sum(one["count"] for one in facts["sectors"]) == 24 * DAYS
    assert (facts["unit"], facts["wind"]["station"], facts["to"]) == ("µg/m³", "M", at(24 * DAYS - 1).isoformat())
    assert [one["signature"] for one in facts["clocks"]] == ["work", "night", "lunch", "dinner", "weekday"]


def test_what_cannot_be_said_of_a_station(told: str) -> None:
    for words, answer in (
        (["station", "B", "--parameter", "so2"], "no station 'B'"),
        (["station", "A", "--parameter", "o3"], "A does not measure o3; it measures so2"),
        (["station", "A", "--parameter", "soot"], "no parameter 'soot'"),
        (["station", "A", "--parameter", "so2", "--weather", "W1"], "W1 does not measure wind_speed"),
        (["station", "A", "--parameter", "so2", "--to", "2020-01-01T00:00Z"], "no hour of so2 at A is settled"),
        (["station", "W1", "--parameter", "nh3n"], "no station within 30 km of W1 measures the wind"),
        (["grid", "--parameter", "pb"], "no station measures pb"),
        (["grid", "--place", "street:none"], "no station in street:none measures tvoc"),
    ):
        done = greenwatch("hints", *words, "--dsn", told)
        assert done.code == NOT_AS_ASKED
        assert answer in done.err


def test_a_polar_plot_is_dark_where_the_source_is(told: str, tmp_path: Path) -> None:
    hints(told, "station", "A", "--parameter", "so2", "--svg", tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    wedges = list(root.iter("{http://www.w3.org/2000/svg}path"))
    dark = [wedge for wedge in wedges if wedge.get("fill") == "hsl(0 85% 32%)"]
    assert 0 < len(dark) < len(wedges) / 10
    assert {(wedge[0].text or "").split("°")[0] for wedge in dark} <= {"80", "90", "100"}
    starts = [(wedge.get("d") or "")[1:].split("A")[0].split() for wedge in dark]
    assert all(float(x) > abs(float(y)) for x, y in starts), "east is on the right"
    words = ("station", "A", "--parameter", "so2", "--to", NOW.isoformat(), "--svg", tmp_path / "no" / "a.svg")
    done = greenwatch("hints", *words, "--dsn", told)
    assert (done.code, "cannot be written" in done.err) == (NOT_AS_ASKED, True)


def test_a_picture_of_nothing_is_empty() -> None:
    empty = ElementTree.fromstring(picture.polar(winds.surface(rows([])), "<nothing & co>"))
    assert not list(empty.iter("{http://www.w3.org/2000/svg}path"))


def test_a_grid_with_the_cell_to_visit(told: str) -> None:
    said = hints(told, "grid", "--language", "en").splitlines()
    assert said == [
        "G2: 2.11 mg/m³ at 2026-03-16 04:00, 17.6 times the other cells; high in 4 of the last 24 h, since 2026-03-16"
        " 04:00; still high; at such hours of the day high in 4%; worth a visit until 2026-03-16 14:00"
    ]
    facts = greenwatch("hints", "grid", "--json", "--to", NOW.isoformat(), "--dsn", told).json
    assert [(one["code"], one["hours"], one["on"]) for one in facts["hot"]] == [("G2", 4, True)]
    assert facts["hot"][0]["reason_zh"].startswith("G2：2026-03-16 04:00 达 2.11 mg/m³")
    assert len(facts["hours"]) == 4 * 24
    before = greenwatch("hints", "grid", "--to", at(24).isoformat(), "--language", "en", "--dsn", told)
    assert before.out == "none of 4 cells is worth a visit at 2026-01-06 08:00\n"


def test_a_section_that_follows_an_outfall(told: str) -> None:
    said = hints(told, "section", "W1", "W2", "--parameter", "nh3n", "--language", "en")
    assert said.startswith("W2 follows W1 by 5 h (")
    back = greenwatch(
        "hints", "section", "W2", "W1", "--parameter", "nh3n", "--json", "--to", NOW.isoformat(), "--dsn", told
    ).json
    assert back["reason"].startswith("W1 is not seen to follow W2")
    assert back["p"] > 0.05
    assert len(back["lags"]) == 97
    few = hints(told, "section", "W1", "W2", "--parameter", "nh3n", "--days", "2", "--language", "en")
    assert few == "too few hours of both to say anything\n"


def test_a_gas_that_is_high_when_people_smell_something(told: str, tmp_path: Path) -> None:
    pulse = np.random.default_rng(4).gamma(0.3, 1, 24 * DAYS)
    foul = [at(int(hour)) for hour in np.flatnonzero(pulse > np.quantile(pulse, 0.97))]
    file = tmp_path / "smelled.csv"
    # By the clock of the people; twice an hour, as fewer do not count.
    times = [f"{time + timedelta(minutes=minutes):%Y-%m-%dT%H:%M}+00:00,rotten" for time in foul for minutes in (5, 50)]
    file.write_text("\n".join(["time,words", *times]))
    said = hints(told, "odours", str(file), "W1", "--parameter", "nh3n", "--language", "en")
    found = "W1: ammonia nitrogen as N is high in 100% of 51 hours in which people smelled something (102 reports)"
    assert said.startswith(found)
    assert "有人反映异味" in hints(told, "odours", str(file), "W1", "--parameter", "nh3n")
    other = greenwatch(
        "hints", "odours", str(file), "A", "--parameter", "so2", "--json", "--to", NOW.isoformat(), "--dsn", told
    ).json
    assert other["reason"].startswith("A: sulphur dioxide is not seen to be high when people smell something")
    assert [row["lag"] for row in other["lags"]] == list(range(-6, 7))
    file.write_text("time\n2026-03-01T08:00\n")
    asked = ("hints", "odours", str(file), "W1", "--parameter", "nh3n", "--dsn", told)
    wrong = greenwatch(*asked)
    assert (wrong.code, "has no offset" in wrong.err) == (WRONG_USAGE, True)
    for content in ("when\n2026-03-01T08:00Z\n", "\xff\n"):
        file.write_text(content)
        gone = greenwatch(*asked)
        assert (gone.code, "no column 'time'" in gone.err) == (NOT_AS_ASKED, True)
    file.write_text("time\n")
    nobody = hints(told, "odours", str(file), "W1", "--parameter", "nh3n", "--language", "en")
    assert nobody.startswith("W1: 0 reports and the hours of")


def test_hints_can_write_nothing(told: str) -> None:
    with closing(connection.connect(told)) as conn, connection.reading(conn):
        assert conn.execute("SELECT current_user, count(*) FROM emitter").fetchone() == (connection.READER, 3)
        with pytest.raises(psycopg.Error), conn.transaction():
            conn.execute("DELETE FROM emitter")


def test_emitters_are_registered_and_changed_one_fact_at_a_time(conn: Connection) -> None:
    first = put(conn, WORKS)
    assert [str(change.subject) for change in first.changes] == ["coke works", "kitchen", "paint shop"]
    assert put(conn, WORKS).changes == []
    changed = put(conn, '[[emitter]]\nname = "kitchen"\nemits = ["tvoc", "pm2.5"]\n').changes
    assert changed == [register.Change("emitter", "kitchen", False, (("emits", "[]", '["pm25", "tvoc"]'),))]
    assert emitters.load(conn).filter(emitter="kitchen").row(0) == ("kitchen", "", "", 116.4, 39.95, ["pm25", "tvoc"])
    assert emitters.load(conn)["emits"].to_list()[0] == ["h2s", "so2"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['name = "x"'], "1: emitter 'x' is new and lacks longitude, latitude"),
        (['name = "x"', "longitude = 1"], "longitude without latitude"),
        (['name = "x"', "longitude = 1", "latitude = 91"], "latitude cannot be 91"),
        (['name = "x"', "longitude = 1", "latitude = 1", 'emits = "so2"'], "emits must be parameters"),
        (['name = "x"', "longitude = 1", "latitude = 1", 'emits = ["smoke"]'], "'smoke' is unknown"),
        (["longitude = 1", "latitude = 1"], "'name' is missing"),
        (['name = "x"', "longitude = 1", "latitude = 1", "height = 9"], "unknown key 'height'"),
    ],
)
def test_what_an_emitter_may_not_say(lines: list[str], said: str) -> None:
    assert said in "\n".join(problems("\n".join(["[[emitter]]", *lines, ""])))
