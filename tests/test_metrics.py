"""What a scrape is answered: names, units, and what is not served before it is known."""

import re
import subprocess
from datetime import UTC, datetime

import polars as pl
import pytest

from analytics import metrics, parameters
from analytics.frames import TIME
from analytics.metrics import FAMILIES, UNITS, Exporter, Snapshot
from analytics.store import pulls, spools
from tests import tools
from tests.scrape import key, scrape

T = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATEST = pl.DataFrame(
    [
        ("A", "pm25", "", "air", "µg/m³", T, 75.0),
        ("A", "co", "", "air", "mg/m³", T, 1.2),
        ("O'H\"\\\n", "soil_moisture", "-0.1", "soil", "m³/m³", T, 0.21),
        ("R", "conductivity", "", "water", "µS/cm", T, 412.0),
        ("W", "air_pressure", "", "weather", "hPa", T, 1013.2),
        ("W", "odd", "", "", "furlong", T, 1.0),
    ],
    schema={
        **dict.fromkeys(("station", "parameter", "position", "domain", "unit"), pl.String),
        "time": TIME,
        "value": pl.Float64,
    },
    orient="row",
)
LABELS = ["rule", "kind", "scope", "station", "parameter", "position", "source", "district", "severity", "incident"]
ALARMS = pl.DataFrame(
    [
        ("pm25_heavy", "episode", "station", "B", "pm25", "", "", "North", "page", "", 0),
        ("pm25_heavy", "episode", "station", "A", "pm25", "", "", "North", "page", "", 2),
    ],
    schema=[*LABELS, "level"],
    orient="row",
)
WORK = pl.DataFrame(
    [("flag", 3, 1.5, 900, 4, 0, T), ("forecast", 0, 0.0, 0, 0, 1, None)],
    schema={"task": pl.String, "runs": pl.Int64, "seconds": pl.Float64, "read": pl.Int64, "written": pl.Int64}
    | {"failures": pl.Int64, "succeeded": TIME},
    orient="row",
)
SPOOLS = pl.DataFrame(
    [("hj212", T, 900, 3, T, True, 41, 2, 12, 0.25, ""), ("http", T, 0, 0, None, False, 0, 0, 0, 0.0, "")],
    schema=dict(spools.SPOOLS),
    orient="row",
)
FRAMES = {
    "latest": LATEST,
    "alarms": ALARMS,
    "tiers": pl.DataFrame(
        {"incident": ["7"], "rule": ["pm25_heavy"], "district": ["North"], "team": ["duty"], "severity": ["page"]}
        | {"tier": [1]}
    ),
    "alarm_states": pl.DataFrame({"state": ["firing", "ok"], "alarms": [1, 0]}),
    "batches": pl.DataFrame({"kind": ["live"], "batches": [7], "conflicts": [0]}),
    "cells": pl.DataFrame({"kind": ["live", "live"], "outcome": ["new", "reject"], "cells": [41, 2]}),
    "rejects": pl.DataFrame({"waiting": [2]}),
    "sources": pl.DataFrame(
        {"source": ["hj212"], "saved": [T], "live": [T]}, schema_overrides={"saved": TIME, "live": TIME}
    ),
    "source_cells": pl.DataFrame({"source": ["hj212"], "outcome": ["new"], "cells": [41]}),
    "reasons": pl.DataFrame({"source": ["hj212"], "reason": ["ahead of the clock"], "rejects": [2]}),
    "clocks": pl.DataFrame({"station": ["A"], "source": ["hj212"], "offset": [-130.5]}),
    "stale": pl.DataFrame({"stage": ["flag"], "due": [12], "settled": [T]}, schema_overrides={"settled": TIME}),
    "backfill_chunks": pl.DataFrame({"state": ["waiting", "failed"], "chunks": [5, 1]}),
    "backfill_rows": pl.DataFrame({"rows": [4_000_000]}),
    "coverage": pl.DataFrame({"parameter": ["pm25"], "lead": ["24"], "band": ["0.8"], "share": [0.79]}),
    "work": WORK,
    "spools": SPOOLS,
    "pulls": pl.DataFrame([("calder", T, 0, 1, 7, 90, 4, 1, 2, T)], schema=dict(pulls.TOLD), orient="row"),
}


@pytest.fixture
def exporter() -> Exporter:
    """One that shows FRAMES as they were at T."""
    made = Exporter("1.2.3")
    made.show(Snapshot(T, FRAMES))
    return made


def test_nothing_of_the_store_is_served_before_it_was_read() -> None:
    """A restart must not say that an alarm is over: its metric is absent until the state is known."""
    exporter = Exporter("1.2.3")
    names = {name for name, _ in scrape(exporter)}
    assert {name for name in names if name.startswith("greenwatch_")} == {
        "greenwatch_build_info",
        "greenwatch_database_up",
    }
    assert scrape(exporter)[key("greenwatch_database_up")] == 0
    exporter.show(Snapshot(T, {"rejects": FRAMES["rejects"]}))
    assert "greenwatch_alarm_level" not in {name for name, _ in scrape(exporter)}


def test_alarms_are_served_with_an_explicit_zero(exporter: Exporter) -> None:
    found = scrape(exporter)
    common = {"rule": "pm25_heavy", "parameter": "pm25", "district": "North", "severity": "page"}
    common |= {"kind": "episode", "scope": "station", "position": "", "source": "", "incident": ""}
    assert found[key("greenwatch_alarm_level", station="A", **common)] == 2
    assert found[key("greenwatch_alarm_level", station="B", **common)] == 0


def test_the_last_snapshot_stays_when_the_next_one_fails(exporter: Exporter) -> None:
    before = scrape(exporter)
    exporter.failed()
    after = scrape(exporter)
    assert before[key("greenwatch_database_up")] == 1
    assert after[key("greenwatch_database_up")] == 0
    alarm = [name for name in before if name[0] == "greenwatch_alarm_level"]
    assert alarm
    assert all(before[name] == after[name] for name in alarm)
    assert after[key("greenwatch_snapshot_timestamp_seconds")] == T.timestamp()


@pytest.mark.parametrize(
    ("name", "station", "parameter", "position", "domain", "expected"),
    [
        ("grams_per_cubic_meter", "A", "pm25", "", "air", 75e-6),
        ("grams_per_cubic_meter", "A", "co", "", "air", 1.2e-3),
        ("ratio", "O'H\"\\\n", "soil_moisture", "-0.1", "soil", 0.21),
        ("siemens_per_meter", "R", "conductivity", "", "water", 0.0412),
        ("pascals", "W", "air_pressure", "", "weather", 101_320.0),
    ],
)
def test_newest_values_are_in_base_units(
    exporter: Exporter, name: str, station: str, parameter: str, position: str, domain: str, expected: float
) -> None:
    labels = {"station": station, "parameter": parameter, "position": position, "domain": domain}
    found = scrape(exporter)
    assert found[key(f"greenwatch_latest_{name}", **labels)] == expected  # to the bit: as it would be written
    assert found[key("greenwatch_latest_timestamp_seconds", **labels)] == T.timestamp()


def test_a_time_that_is_not_there_is_no_sample(exporter: Exporter) -> None:
    found = scrape(exporter)
    assert found[key("greenwatch_work_success_timestamp_seconds", task="flag")] == T.timestamp()
    assert key("greenwatch_work_success_timestamp_seconds", task="forecast") not in found
    assert found[key("greenwatch_work_failures_total", task="forecast")] == 1


def test_what_waits_in_a_spool_is_served_by_its_door(exporter: Exporter) -> None:
    found = scrape(exporter)
    assert found[key("greenwatch_spool_records", door="hj212")] == 3
    assert found[key("greenwatch_spool_full", door="hj212")] == 1
    assert found[key("greenwatch_spool_full", door="http")] == 0
    assert found[key("greenwatch_spool_oldest_timestamp_seconds", door="hj212")] == T.timestamp()
    assert key("greenwatch_spool_oldest_timestamp_seconds", door="http") not in found  # nothing waits there


def test_every_unit_of_the_parameters_has_a_base_unit() -> None:
    assert {item.unit for item in parameters.load().values()} <= set(UNITS)
    assert all(times == 1 or per == 1 for _, times, per in UNITS.values())


def test_names_are_what_prometheus_asks_for(exporter: Exporter) -> None:
    exporter.answers.labels("observations", 200).inc()
    exporter.seconds.labels("observations").observe(0.02)
    text = exporter.answer("")[0].decode()
    names = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert all(re.fullmatch(r"[a-z_:][a-z0-9_:]*", name) for name, _ in names)
    assert all(name.endswith("_total") for name, kind in names if kind == "counter")
    assert not [name for name, _ in names if name.endswith("_created")]
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert {family.name for family in FAMILIES} <= {name for name, _ in names}
    done = subprocess.run(
        [tools.prometheus_tools().promtool, "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_openmetrics_is_answered_where_it_is_asked_for(exporter: Exporter) -> None:
    body, headers = exporter.answer("application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_seconds_count_from_1970() -> None:
    frame = pl.DataFrame({"t": [T, None]}, schema={"t": TIME})
    assert frame.select(metrics.seconds(pl.col("t"))).to_series().to_list() == [T.timestamp(), None]
