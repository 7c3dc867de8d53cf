"""Ten thousand series at ten minutes for thirty days: one late row, and one series-day in a hundred, against all.

A full recompute is asked for in two ways, each the fair one for its kind of one in a hundred. *Made*: the readings are
new, so that all that stands on them is made and written; one in a hundred is revised, and what stands on it replaced.
*Again*: what is there is marked once more at every stage that a change of readings would come to; everything is read,
made and compared, nothing is written. The target of own series is held against this one: to replace a row costs more
than to write it where none was, and in a real change of everything both sides would pay that.
"""

import random
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from analytics.store import connection, ledger
from analytics.store.connection import Connection
from jobs import chain, relearn
from jobs.compare import load_pairs
from jobs.intake import Intake, Order
from tests.soak import rows, settling
from tests.soak.figures import Outcome
from tests.soak.house import House, pace
from tests.soak.live import _cpu as cpu_of

SERIES, DAYS, SHARE = 10_000, 30, 0.01
#: Rows that a soak is asked for by default; with fewer, there are fewer series.
ROWS = 10_000_000
#: Readings of a file.
FILE = 2_000_000
#: Stages that read their own series only.
OWN = ("flag", "hour", "derive", "average")
HELD = ("again", "own series together")
DAY = timedelta(days=1)
STEPS = DAY // rows.CADENCE
#: Greater than that of any late row.
REVISION = 1000


def run(house: House, total: int) -> Outcome:
    """Figures of ten thousand series, or of as many fewer as fewer rows are asked for."""
    kinds = len(rows.PARAMETERS)
    series = min(SERIES, SERIES * total // ROWS // kinds * kinds)
    with house.database() as dsn, house.files() as folder, pace("scale", 6 + settling.LATE, "steps") as step:
        return measure(dsn, folder, max(series, 10 * kinds), DAYS, step)


def measure(dsn: str, folder: Path, series: int, days: int, step: Any) -> Outcome:
    """Figures of `series` series for so many days."""
    out = Outcome()
    with closing(connection.connect(dsn)) as conn, closing(connection.connect(dsn)) as then:
        ids = rows.register(conn, series)
        late, held = _late(ids, days)
        began = time.perf_counter()
        count = _ingest(conn, folder, series, days, held)
        out.add("readings", count, "rows")
        out.add("ingest", count / (time.perf_counter() - began), "rows/s")
        step(1, "ingest")
        relearn.run(conn, datetime.now(UTC))
        around = _neighbours(out, conn, series)
        drawn = _draw(series, days)
        windows = _windows(ids, drawn)
        step(1, "who is around whom")
        made = settle(conn)
        conn.execute("VACUUM ANALYZE")
        step(1, "settle")
        settling.late(out, conn, then, folder, late, step)
        again = [_again(conn, windows)]
        every = _again(conn, pl.DataFrame({"subject": ids}).select("subject", start=_at(0), stop=_at(days)))
        again.append(_again(conn, windows))
        step(1, "what is there, again")
        _revise(conn, folder, series, days, drawn)
        revised = settle(conn)
        step(1, "one in a hundred revised")
        _outcome(out, "made", made, [revised], around, count)
        _outcome(out, "again", every, again, around, count)
        out.add("series-days stale", drawn.height, f"of {series * days}")
        out.add("windows left stale", sum(ledger.waiting(conn, datetime.now(UTC))[:2]), "", most=0)
    return out


@dataclass(slots=True)
class Spent:
    """What a settle cost, by stage: seconds, processor seconds (ours and those of the database for us), rows."""

    seconds: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    read: dict[str, float] = field(default_factory=dict)
    written: dict[str, float] = field(default_factory=dict)
    takes: dict[str, float] = field(default_factory=dict)

    def of(self, what: str, stages: tuple[str, ...]) -> float:
        """The sum of `stages` of one of the above."""
        found: Mapping[str, float] = getattr(self, what)
        return sum(found[stage] for stage in stages)


def settle(conn: Connection) -> Spent:
    """What it cost to settle all that is due."""
    spent = Spent(cpu=dict.fromkeys(chain.STAGES, 0.0))
    last = _cpu(conn)

    def notice(work: chain.Work, marks: int) -> None:
        nonlocal last
        now = _cpu(conn)
        spent.cpu[work.stage] += now - last
        last = now

    for work in chain.settle(conn, lambda: datetime.now(UTC), notice=notice):
        for name in ("seconds", "read", "written", "takes"):
            getattr(spent, name)[work.stage] = getattr(work, name)
    return spent


def _cpu(conn: Connection) -> float:
    """Processor seconds of this process, and of the one that serves its connection, so far."""
    return time.process_time() + cpu_of(conn.info.backend_pid)


def _ingest(conn: Connection, folder: Path, series: int, days: int, held: pl.DataFrame) -> int:
    """Readings saved: all but those `held` back."""
    intake = Intake(conn, Order(format="long", source="soak"))
    size, count = max(1, FILE // series), 0
    for first in range(0, days * STEPS, size):
        frame = _readings(series, days, first).join(held, on=["number", "time"], how="anti")
        count += intake.file(rows.write(folder / "rows.parquet", frame, series)).new
    return count


def _readings(series: int, days: int, first: int) -> pl.DataFrame:
    """Those of the file that begins with the step `first`."""
    return rows.readings(series, first, min(max(1, FILE // series), days * STEPS - first))


def _neighbours(out: Outcome, conn: Connection, series: int) -> float:
    """How many neighbours a series has in the mean, those that have none counted."""
    counts = load_pairs(conn).group_by("series").len()["len"]
    out.add("neighbours of a series, mean", mean := float(counts.sum()) / series, "", least=1)
    out.add("neighbours of a series, most", float(counts.max() or 0))  # type: ignore[arg-type]  # a number
    return mean


def _late(ids: pl.Series, days: int) -> tuple[list[settling.Late], pl.DataFrame]:
    """Rows that come late, and which readings (number, time) are held back for that: every other one of them."""
    rng = random.Random(20)
    names, chosen, held = rows.names(len(ids)), [], []
    for turn in range(settling.LATE):
        number, at = rng.randrange(len(ids)), rows.START + rng.randrange(days * STEPS) * rows.CADENCE
        held.append((number, at) if turn % 2 == 0 else (-1, at))
        chosen.append(settling.Late(*names[number], at, round(rng.uniform(1, 90), 1), ids[number]))
    back = pl.DataFrame(held, schema={"number": pl.Int32, "time": pl.Datetime("us", "UTC")}, orient="row")
    return chosen, back


def _draw(series: int, days: int) -> pl.DataFrame:
    """`number`, `day`: one series-day in a hundred."""
    chosen = random.Random(21).sample(range(series * days), max(1, round(SHARE * series * days)))
    every = pl.Series("drawn", sorted(chosen), dtype=pl.Int64)
    return pl.DataFrame({"number": (every // days).cast(pl.Int32), "day": (every % days).cast(pl.Int32)})


def _at(day: Any) -> pl.Expr:
    whole = pl.lit(rows.START) + pl.duration(days=day)
    return whole.cast(pl.Datetime("us", "UTC"))


def _windows(ids: pl.Series, drawn: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS of the series-days `drawn`, as a saver marks them: from the first reading to just after the last."""
    last = rows.CADENCE - timedelta(microseconds=1)
    return drawn.select(
        ids.gather(drawn["number"]).alias("subject"), start=_at(pl.col("day")), stop=_at(pl.col("day") + 1) - last
    )


def _again(conn: Connection, windows: pl.DataFrame) -> Spent:
    """What it cost to make again, and find as it was, all that stands on the readings in `windows`.

    `flag` marks `compare` and `hour`, whatever it finds; what comes after them is marked by what changed, so here.
    """
    now = datetime.now(UTC)
    found = conn.execute("SELECT id, station FROM series").fetchall()
    stations = pl.DataFrame(found, schema={"subject": pl.Int32, "station": pl.Int32}, orient="row")
    theirs = windows.join(stations, on="subject").select(pl.col("station").alias("subject"), "start", "stop")
    with conn.transaction():
        for stage, (declared, _) in chain.STAGES.items():
            if stage in ("flag", "average", "assess", "detect"):
                mine = windows if declared.subject == "series" else ledger.merge(theirs)
                ledger.mark(conn, declared, mine.select(*ledger.WINDOWS), now)
    return settle(conn)


def _revise(conn: Connection, folder: Path, series: int, days: int, drawn: pl.DataFrame) -> None:
    """Nothing; every reading of the series-days `drawn` has another value."""
    intake = Intake(conn, Order(format="long", source="soak"))
    for first in range(0, days * STEPS, max(1, FILE // series)):
        frame = _readings(series, days, first)
        day = (pl.col("time") - rows.START).dt.total_days().cast(pl.Int32)
        theirs = frame.with_columns(day=day).join(drawn, on=["number", "day"], how="semi").drop("day")
        other = theirs.with_columns((pl.col("value") * 1.02 + 0.1).round(1), revision=pl.lit(REVISION, pl.Int64))
        intake.file(rows.write(folder / "revised.parquet", other, series))


def _outcome(out: Outcome, name: str, whole: Spent, parts: list[Spent], around: float, count: int) -> None:
    """Nothing; the figures of one way to recompute are in `out`, with the targets of the issue."""
    stages = [stage for stage in chain.STAGES if whole.takes[stage]]
    seconds = whole.of("seconds", tuple(stages))
    out.add(f"{name}: everything settled", count / seconds, "readings/s")
    out.add(f"{name}: everything settled, processor", 1e6 * whole.of("cpu", tuple(stages)) / count, "µs/reading")
    for stage in stages:
        for what, unit in (("seconds", "s"), ("cpu", "s")):
            title = {"seconds": "everything", "cpu": "everything, processor"}[what]
            out.add(f"{name}: {stage}: {title}", whole.of(what, (stage,)), unit)
    together = {"own series together": tuple(stage for stage in OWN if stage in stages)}
    for title, some in (together | {stage: (stage,) for stage in stages}).items():
        for what in ("cpu", "seconds", "read"):
            part = sum(part.of(what, some) for part in parts) / len(parts)
            most = None
            if what == "cpu":
                most = 0.03 * (1 + around) if title == "compare" else 0.03 if (name, title) == HELD else None
            words = {"cpu": "processor", "seconds": "time", "read": "rows read"}[what]
            out.add(
                f"{name}: 1 % stale / everything, {title}: {words}",
                part / max(whole.of(what, some), 1e-9),
                "",
                most=most,
            )
    out.details[name] = {"everything": asdict(whole), "stale": [asdict(part) for part in parts]}
