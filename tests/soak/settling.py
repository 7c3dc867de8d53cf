"""The chain over three years of twelve stations, and what one late row costs after it."""

import json
import random
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from analytics.store import connection
from analytics.store.connection import Connection
from analytics.synthetic import District
from jobs import chain, detect
from jobs.ingest import Intake, Order
from jobs.rules import load_rules
from tests.soak.figures import Outcome
from tests.soak.house import ROOT, SHARED, House, pace

REAL = SHARED / "beijing-prsa"
STATIONS, LATE, SYNTHETIC_DAYS = 12, 20, 320
HOUR = timedelta(hours=1)


def run(house: House, _: int) -> Outcome:
    """Figures of the full settle, and of twenty late rows each settled by itself."""
    out = Outcome()
    with house.files() as folder, house.database() as dsn, pace("settle", 2 + LATE, "steps") as step:
        files = sorted(REAL.glob("*.csv.gz")) or [_synthetic(folder)]
        real = files[0].parent == REAL
        out.notes.append(f"input: {'the twelve Beijing files of ../shared' if real else 'made up, of the same size'}")
        began = time.perf_counter()
        steps = [] if real else ["--cadence", "10m"]
        _command("ingest", "--register", "--json", *steps, *map(str, files), "--dsn", dsn)
        step(1, "ingest")
        ingested = time.perf_counter() - began
        began = time.perf_counter()
        stages = json.loads(_command("settle", "--json", "--dsn", dsn))["stages"]
        whole = time.perf_counter() - began
        step(1, "settle")
        with closing(connection.connect(dsn)) as conn:
            _full(out, conn, ingested, whole, stages)
            _late(out, conn, dsn, folder, step)
    return out


def _synthetic(folder: Path) -> Path:
    """Air of the made-up district, every 10 minutes for as long as makes the same number of cells."""
    path, made = folder / "district.parquet", District(1)
    sites = [site for site in made.stations() if site.letter == "A"][:STATIONS]
    stop = datetime(2026, 1, 1, tzinfo=UTC)
    made.readings(stop - timedelta(days=SYNTHETIC_DAYS), stop, 600, sites).write_parquet(path)
    return path


def _command(*words: str) -> str:
    """What `greenwatch WORDS` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def _full(out: Outcome, conn: Connection, ingested: float, whole: float, stages: list[dict[str, Any]]) -> None:
    readings = _count(conn, "SELECT count(*) FROM observation")
    out.add("readings", readings, "rows")
    out.add("ingest command, files to commit", readings / ingested, "rows/s")
    out.add("settle command, readings", readings / whole, "rows/s")
    out.add("settle command", whole, "s")
    for stage in stages:
        out.add(f"stage {stage['stage']}: read", stage["read"] / max(stage["seconds"], 1e-9), "rows/s")
        out.add(f"stage {stage['stage']}: written", stage["written"], "rows")
    out.details["stages"] = stages


def _late(out: Outcome, conn: Connection, dsn: str, folder: Path, step: Any) -> None:
    """Twenty late rows, half of them for empty hours and half corrections, each settled alone."""
    intake = Intake(conn, Order(format="long", source="late"))
    seconds, share, beyond, details = [], [], 0, []
    touches, limits = [], []
    for number, (row, series, station) in enumerate(_choose(conn)):
        path = folder / f"late-{number}.csv"
        path.write_text(
            f"station,parameter,time,value,revision\n{row[0]},{row[1]},{row[2].isoformat()},{row[3]},{number + 1}\n"
        )
        intake.file(path)
        before = reach(conn, series, station, row[2])
        began = time.perf_counter()
        done = chain.settle(conn, lambda: datetime.now(UTC))
        seconds.append(time.perf_counter() - began)
        # Rows that the settle removed were there before it, rows that it made are there after it.
        after = reach(conn, series, station, row[2])
        allowed = {name: (max(after[name][0], most[0]), max(after[name][1], most[1])) for name, most in before.items()}
        limits.append(allowed)
        touched = {work.stage: (work.read, work.written) for work in done}
        for stage, (read, written) in touched.items():
            beyond += read > allowed[stage][0] or written > allowed[stage][1]
        touches.append(touched)
        share.append(sum(map(sum, touched.values())) / sum(map(sum, allowed.values())))
        details.append({"parameter": row[1], "touched": touched, "declared": allowed, "seconds": round(seconds[-1], 3)})
        step(1, f"late row {number + 1}")
    began = time.perf_counter()
    _command("settle", "--json", "--dsn", dsn)
    idle = time.perf_counter() - began
    out.add("one late row: settled, median of twenty", median(seconds), "s", most=1.0)
    out.add("one late row: settled, worst of twenty", max(seconds), "s", most=1.0)
    out.add("start of a `settle` command with nothing due, on top", idle, "s")
    for stage in chain.STAGES:
        rows = [sum(item[stage]) for item in touches]
        whole = [sum(item[stage]) for item in limits]
        out.add(f"one late row, {stage}: rows read and written, most", max(rows), "rows")
        out.add(f"one late row, {stage}: rows its declared reach holds, most", max(whole), "rows")
    out.add("rows touched / rows of the declared reach, worst of twenty", max(share), "", most=1.0)
    out.add("stages that touched more than their declared reach", beyond, "", most=0)
    out.details["late"] = details


Late = tuple[tuple[str, str, datetime, float], int, int]


def _choose(conn: Connection) -> list[Late]:
    """(station, parameter, time, value), series id, station id: hours of series, every other one without a reading."""
    rng = random.Random(20)
    rows = conn.execute(
        "SELECT s.id, t.id, t.code, s.parameter, l.time FROM series s JOIN station t ON t.id = s.station"
        " JOIN latest l ON l.series = s.id WHERE l.time IS NOT NULL AND s.parameter = ANY(%s) ORDER BY 1",
        [["pm25", "pm10", "so2", "no2", "co", "o3"]],
    ).fetchall()
    chosen: list[Late] = []
    while len(chosen) < LATE:
        series, station, code, parameter, newest = rng.choice(rows)
        assert isinstance(newest, datetime)
        start = _hour(newest - timedelta(days=rng.uniform(30, 1000)))
        times = pl.Series(
            [
                row[0]
                for row in conn.execute(
                    "SELECT time FROM observation WHERE series = %s AND time >= %s AND time < %s ORDER BY 1",
                    [series, start, start + timedelta(days=10)],
                )
            ]
        )
        hours = [start + n * HOUR for n in range(240)]
        wanted = [hour for hour in hours if (hour in set(times)) == (len(chosen) % 2 == 1)]
        if wanted:
            value = round(rng.uniform(1, 90), 1)
            row = (str(code), str(parameter), rng.choice(wanted), value)
            chosen.append((row, int(str(series)), int(str(station))))
    return chosen


def reach(conn: Connection, series: int, station: int, at: datetime) -> dict[str, tuple[int, int]]:
    """Rows that each stage may read and write for a change of `series` at `at`, by what the stages declare.

    Counted in the store: what lies in the declared windows. A window grows from stage to stage, since a stage marks
    what it changed; rows read are the inputs of the window and the rows kept there, which are compared.
    """
    step = _count(conn, "SELECT cadence FROM series WHERE id = %s", series) * timedelta(seconds=1)
    flag, average = chain.STAGES["flag"][0], chain.STAGES["average"][0]
    back, forward = (max(side, flag.cadences * step) for side in (flag.back, flag.forward))
    # flag: judged again are readings from `forward` before to `back` after, which read as much again on both sides
    low, high = at - forward, at + back
    inputs = _rows(conn, "observation", series, low - back, high + forward)
    flagged = _rows(conn, "verdict", series, low, high)
    written = _rows(conn, "observation", series, low, high)
    allowed = {"flag": (inputs + flagged, written)}
    # hour: the hours of those readings
    low, high = _hour(low), _hour(high) + HOUR
    readings = _rows(conn, "observation", series, low, high) + _rows(conn, "verdict", series, low, high)
    hours = (high - low) // HOUR
    allowed["hour"] = (readings + hours, hours)
    # average: what is built from those hours
    low, high = low - average.forward, high + average.back
    inputs = (high - low + average.back + average.forward) // HOUR
    made = _count(
        conn,
        "SELECT count(*) FROM average a JOIN term t ON t.id = a.averaging"
        " WHERE a.series = %s AND a.time >= %s AND a.time < %s AND t.name <> 'hour'",
        series,
        _hour(low),
        _hour(high) + HOUR,
    )
    allowed["average"] = (inputs + made, made)
    # assess: all averages and indices of the station there
    spoken = _count(
        conn,
        "SELECT count(*) FROM average a JOIN series s ON s.id = a.series"
        " WHERE s.station = %s AND a.time >= %s AND a.time < %s",
        station,
        low,
        high,
    )
    indices = _count(
        conn,
        "SELECT count(*) FROM assessment WHERE station = %s AND time >= %s AND time < %s",
        station,
        low,
        high,
    )
    allowed["assess"] = (spoken + indices, indices)
    allowed["detect"] = _quiet(conn, station, low, high)
    return allowed


def _quiet(conn: Connection, station: int, low: datetime, high: datetime) -> tuple[int, int]:
    """Rows that `detect` may read and write for a change of a station in [low, high).

    An episode lives from one quiet stretch to the next: its values are looked for in steps, each twice as far as the
    one before. So no rule looks farther than twice the way to the end of the quiet, beyond the first step.
    """
    episodes = "FROM episode WHERE station = %s AND time < %s AND stop > %s"
    read = written = 0
    for rule in load_rules(conn)[-1].episodes.values():
        most = detect.MARGIN + rule.silence * HOUR
        row = conn.execute(
            f"SELECT min(time), max(stop) {episodes}".encode(), [station, high + most, low - most]
        ).fetchone()
        assert row is not None
        first, last = (edge if isinstance(edge, datetime) else low for edge in row)
        far = most + 2 * max(low - first, last - high, timedelta(0)) + most
        read += _count(
            conn,
            "SELECT count(*) FROM average a JOIN series s ON s.id = a.series JOIN term t ON t.id = a.averaging"
            " WHERE s.station = %s AND s.parameter = %s AND t.name = %s AND a.time >= %s AND a.time < %s",
            station,
            rule.parameter,
            rule.averaging,
            low - far,
            high + far,
        )
        written = max(written, _count(conn, f"SELECT count(*) {episodes}", station, high + far, low - far))
    return read + written, written


def _rows(conn: Connection, table: str, series: int, low: datetime, high: datetime) -> int:
    query = f"SELECT count(*) FROM {table} WHERE series = %s AND time >= %s AND time <= %s"
    return _count(conn, query, series, low, high)


def _count(conn: Connection, query: str, *params: object) -> int:
    row = conn.execute(query.encode(), params).fetchone()
    assert row is not None
    return int(str(row[0]))


def _hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)
