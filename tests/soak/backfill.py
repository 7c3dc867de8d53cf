"""Three years of twelve stations read in while a thousand series send: live keeps its delay, nothing pages.

The years are hours of stations that only files know; and minutes of the last days of some that send, since who fills
the past of a live series waits for its rows, and it for him. What `backfill diff` tells is held against two exports.
"""

import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import numpy as np
import polars as pl

from analytics.store import backfills, connection
from analytics.store.connection import Connection
from jobs import chain, forecast, migrate
from jobs.backfill import cli, diff, sources, status
from jobs.backfill import plan as planning
from jobs.backfill.sources import Ask
from jobs.intake import Intake, Order
from jobs.up import Family
from tests.soak import live, rows
from tests.soak.figures import Outcome
from tests.soak.house import ROOT, House, pace

SERIES, SECONDS = 1_000, 240
STATIONS, YEARS = 12, 3
#: Days of minutes, of stations that send.
MINUTES, SENDING = 4, 6
#: The live stream runs for so long before the backfill is begun [s], and a backfill is over after so long [s].
AHEAD, PATIENCE = 30.0, 3600.0
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def run(house: House, _: int) -> Outcome:
    """Figures of one backfill behind live data, and of the same live data without it."""
    out = Outcome()
    with pace("backfill", 2 * (SECONDS + live.HISTORY), "s") as step:
        for name, filled in (("alone", False), ("filled", True)):
            with house.database() as dsn, house.files() as folder, closing(connection.connect(dsn)) as conn:
                list(migrate.migrate(conn))
                live.history(conn, folder, SERIES)
                files = archive(folder)
                known(conn, folder)
                step(live.HISTORY, f"{name}: the past")
                if filled:
                    measured(out, conn, dsn, files, folder)
                else:
                    report(out, name, live.measure(dsn, SERIES, SECONDS, scrape=1.0), None)
                step(SECONDS, name)
    return out


def measured(out: Outcome, conn: Connection, dsn: str, files: list[Path], folder: Path) -> None:
    """Nothing; the figures of the run that is filled are in `out`."""
    asked = Ask(Order(source="archive", revision=1, kind="backfill"), tuple(files))
    began = time.perf_counter()
    planned = planning.plan(conn, asked)
    out.add("plan", planned.counts.read / (time.perf_counter() - began), "cells/s")
    before, issued = export(dsn, folder / "before.csv"), forecasts(conn)
    found = sources.find(conn, asked)

    def begin() -> None:
        time.sleep(AHEAD)
        with closing(connection.connect(dsn)) as own:
            cli.begin(own, asked, found)

    beginning = Thread(target=begin)
    beginning.start()
    seen = live.measure(dsn, SERIES, SECONDS, scrape=1.0)
    beginning.join()
    now = status.standing(conn, 1, datetime.now(UTC))
    report(out, "filled", seen, now)
    seconds = finish(dsn, conn)
    done = status.standing(conn, 1, datetime.now(UTC))
    out.add("cells read", done.counts.read, "cells", least=planned.counts.read, most=planned.counts.read)
    out.add("cells new", done.counts.new, "cells", least=planned.counts.new, most=planned.counts.new)
    out.add("alone, the rest took", seconds, "s")
    spent = conn.execute("SELECT job, read, seconds FROM work ORDER BY 1").fetchall()
    out.details["work"] = {str(job): f"{read:,} rows, {took:.1f} s" for job, read, took in spent}
    events = conn.execute("SELECT count(*) FROM alarm_event WHERE after = 'firing'").fetchone()
    out.add("pages", int(str(events[0] if events else 1)), "", most=0)
    again = sum(row not in forecasts(conn) for row in issued)
    out.add("forecasts there were, and issued again", again, f"of {len(issued)}", most=0)
    told = diff.diff(conn, 1, backfills.load(conn, 1)["begun"].item())
    out.add("days that diff tells", told.days.height, "days", least=1)
    out.add(
        "days it tells otherwise than two exports",
        differing(before, export(dsn, folder / "after.csv"), told),
        "",
        most=0,
    )
    out.add("episodes new, longer or gone", told.episodes.height, "", least=100)
    marked = conn.execute("SELECT count(*) FROM report.episode WHERE retrospective").fetchone()
    out.add("episodes marked as found afterwards", int(str(marked[0] if marked else 0)), "", least=100)


def report(out: Outcome, name: str, seen: live.Seen, now: status.Standing | None) -> None:
    """Nothing; how soon what was sent was seen, with the target of the issue where it is filled meanwhile."""
    for what, delays in seen.delays.items():
        for share in (50, 95, 99):
            most = 10.0 if now is not None and (what, share) == ("metric", 95) else None
            out.add(f"{name}: row to {what} p{share}", float(np.percentile(delays, share)), "s", most=most)
        if what in seen.lost:
            out.add(f"{name}: never seen: {what}", seen.lost[what], "", most=0)
    for process, spent in seen.cpu.items():
        out.add(f"{name}: CPU of {process}", 60 * spent / seen.seconds, "s/min")
    if now is not None:
        out.add(f"{name}: cells read meanwhile", now.counts.read, "cells", least=1)
        out.add(f"{name}: windows left to settle", now.windows, "")


def finish(dsn: str, conn: Connection) -> float:
    """Seconds until a worker of its own was done with the backfill and all it made stale."""
    family, began = Family(), time.monotonic()
    with family.heeding():
        family.start("worker", ["--dsn", dsn])
        while not status.standing(conn, 1, datetime.now(UTC)).settled:
            assert time.monotonic() - began < PATIENCE, "the backfill does not end"
            assert not family.ended(), f"{family.ended()} ended; its words are above"
            time.sleep(1)
    return time.monotonic() - began


def archive(folder: Path) -> list[Path]:
    """Files of the years, one a station, and of the minutes."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = YEARS * 365 * 24
    out = []
    for station in range(STATIONS):
        frame = rows.readings(len(rows.PARAMETERS), 0, hours, seed=station)
        path = folder / f"years-{station:02}.parquet"
        written(frame, now - hours * HOUR, HOUR, dict.fromkeys(range(8), f"P{station:02}")).write_parquet(path)
        out.append(path)
    steps = MINUTES * 24 * 60
    frame = rows.readings(8 * SENDING, 0, steps, seed=99)
    minute = timedelta(minutes=1)
    start = now - timedelta(minutes=live.HISTORY + 60) - steps * minute
    path = folder / "minutes.parquet"
    written(frame, start, minute, {number: f"S{number // 8:04}" for number in range(8 * SENDING)}).write_parquet(path)
    return [*out, path]


def written(frame: pl.DataFrame, start: datetime, step: timedelta, codes: dict[int, str]) -> pl.DataFrame:
    """The long form of `rows.readings`: from `start` on, every `step`; three days in sixty are hazy."""
    names = list(rows.PARAMETERS)
    steps = (pl.col("time") - rows.START) / (rows.CADENCE / step)
    haze = (start + steps).dt.epoch("d") % 60 < 3
    return frame.select(
        pl.col("number").replace_strict(codes, return_dtype=pl.String).alias("station"),
        (pl.col("number") % len(names))
        .replace_strict(dict(enumerate(names)), return_dtype=pl.String)
        .alias("parameter"),
        (start + steps).alias("time"),
        pl.when(haze).then(pl.col("value") * 5).otherwise("value").round(1).alias("value"),
    )


def known(conn: Connection, folder: Path) -> None:
    """Nothing; of the twelve stations the last sixty days are known, as others measured them, and forecast."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    intake = Intake(conn, Order(format="long", source="archive", register=True, cadence=3600))
    for station in range(STATIONS):
        frame = rows.readings(len(rows.PARAMETERS), 0, 60 * 24, seed=1000 + station)
        path = folder / f"known-{station:02}.parquet"
        written(frame, now - 60 * DAY, HOUR, dict.fromkeys(range(8), f"P{station:02}")).write_parquet(path)
        intake.file(path)
    chain.settle(conn, lambda: datetime.now(UTC))
    forecast.run(conn, datetime.now(UTC))


def forecasts(conn: Connection) -> set[tuple[object, ...]]:
    """Every forecast of the twelve stations, whole."""
    query = """
        SELECT f::text FROM forecast f JOIN series s ON s.id = f.series JOIN station t ON t.id = s.station
        WHERE t.code LIKE 'P%'
    """
    return set(conn.execute(query).fetchall())


def export(dsn: str, path: Path) -> pl.DataFrame:
    """The assessments of the twelve stations, as `greenwatch export` writes them."""
    stations = [word for number in range(STATIONS) for word in ("--station", f"P{number:02}")]
    words = ["export", "assessments", *stations, "-o", str(path), "--dsn", dsn]
    subprocess.run([sys.executable, "-m", "jobs.cli", *words], cwd=ROOT, check=True, capture_output=True)
    return pl.read_csv(path, schema_overrides={"index": pl.Int64, "class": pl.Int64}, try_parse_dates=True)


def differing(before: pl.DataFrame, after: pl.DataFrame, told: diff.Diff) -> int:
    """How many days of the twelve stations two exports and the difference do not tell alike."""
    key = ["station", "standard", "averaging", "time"]
    both = before.select(*key, "index", "class", there=1).join(
        after.select(*key, "index", "class", there=1), on=key, how="full", coalesce=True, suffix="_after"
    )
    other = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_after")) for name in ("index", "class", "there"))
    group = ["station", "standard", "averaging", "day"]
    expected = (
        both.with_columns((pl.col("time") + pl.duration(hours=8)).dt.date().alias("day"))
        .group_by(group)
        .agg(
            pl.col("index").max().alias("index_before"),
            pl.col("index_after").max(),
            pl.col("class").max().alias("class_before"),
            pl.col("class_after").max(),
            other.sum().alias("rows"),
        )
        .filter(pl.col("rows") > 0)
        .select(told.days.columns)
    )
    ours = told.days.filter(pl.col("station").str.starts_with("P"))
    return len(set(expected.rows()) ^ set(ours.rows()))
