"""How far a backfill is."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from threading import Event
from typing import Any

import polars as pl
from rich.progress import Progress
from rich.table import Table

from analytics.store import backfills, health
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from jobs import console
from jobs.backfill.chunk import BEHIND, FRESH

#: Between two looks at how far it is [s].
PAUSE = 0.5
#: What is said of readings that were not let in.
HELD = (
    "wait as rejects: their period is approved (`greenwatch review`) or archived (`greenwatch keep restore` opens it)"
)
#: Problems that are shown, at most.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a backfill is: it is running, done, failed (chunks of it did, for good) or cancelled."""

    backfill: int
    begun: datetime
    state: str
    #: of each state, how many chunks; how much of the whole is read [1]
    chunks: dict[str, int]
    done: float
    counts: Counts
    #: cells a second since it was begun, and seconds left at that pace; null where nothing was read yet
    rate: float | None
    left: float | None
    #: windows that are due to be made again of what is no live work, of whatever comes, and the hours they span
    windows: int
    hours: int
    #: for how long live work has waited [s]: chunks give way to it
    behind: float
    #: rejects that wait: their period is approved, or older than the horizon
    held: int
    #: `place`, `state`, `failures`, `problem` of chunks that failed, be it that they are tried again
    problems: list[dict[str, Any]] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do, but for chunks that failed for good."""
        return self.state != "running" and not self.windows


def standing(conn: Connection, backfill: int, now: datetime) -> Standing:
    """How far it is `now`. Raises `NotAsAsked` where there is no such backfill."""
    [facts] = load(conn, backfill).to_dicts()
    chunks = backfills.chunks(conn, backfill)
    by_state = dict(chunks.group_by("state").len().iter_rows())
    going = by_state.get("waiting", 0) + by_state.get("running", 0)
    stopped = "cancelled" if facts["cancelled"] else "failed" if by_state.get("failed") else "done"
    counts = Counts(**{name: int(chunks[name].sum()) for name in asdict(Counts())})
    share = _share(chunks)
    end = now if going else max([facts["begun"], *chunks["since"].to_list()])
    spent = max((end - facts["begun"]).total_seconds(), 1e-3)
    windows, hours = health.backlog(conn, now, now - FRESH)
    bad = chunks.filter(pl.col("problem") != "").sort("state", "id").head(SHOWN)
    return Standing(
        backfill=backfill,
        begun=facts["begun"],
        state="running" if going and not facts["cancelled"] else stopped,
        chunks={state: int(by_state.get(state, 0)) for state in backfills.STATES},
        done=share,
        counts=counts,
        rate=counts.read / spent if counts.read else None,
        left=spent / share * (1 - share) if share and going else None,
        windows=windows,
        hours=hours,
        behind=health.behind(conn, now, now - FRESH),
        held=int(chunks["held"].sum()),
        problems=bad.select("place", "state", "failures", "problem").to_dicts(),
    )


def _share(chunks: pl.DataFrame) -> float:
    """How much of the whole is read; of a chunk that is begun, by what those that are done had for their size."""
    over = pl.col("state") == "done"
    cells, size = (float(chunks.filter(over)[name].sum()) for name in ("read", "size"))
    part = (pl.col("read") * size / cells).clip(upper_bound=pl.col("size")) if cells else pl.lit(0.0)
    read = chunks.select(pl.when(over).then("size").otherwise(part).sum()).item()
    return float(read) / max(1.0, float(chunks["size"].sum()))


def load(conn: Connection, backfill: int | None) -> pl.DataFrame:
    """The row of `backfill`, or of the newest. Raises `NotAsAsked`."""
    found = backfills.load(conn, backfill)
    if found.is_empty():
        words = "there is no backfill yet" if backfill is None else f"there is no backfill {backfill}"
        raise console.NotAsAsked(f"{words}; `greenwatch backfill run PATH...` begins one")
    return found.tail(1)


def follow(
    conn: Connection,
    backfill: int,
    bar: Progress,
    stopping: Event,
    clock: Callable[[], datetime] = console.now,
) -> Standing:
    """How it stands when it is over and what it changed is made again, or when `stopping` is set; `bar` shows it."""
    task = bar.add_task("reading", total=1.0)
    most = 0
    while True:
        now = standing(conn, backfill, clock())
        if now.state == "running":
            bar.update(task, completed=now.done, cells=now.counts.read)
        else:
            most = max(most, now.hours)
            bar.update(task, description="settling", total=max(1, most), completed=most - now.hours, cells=0)
        if now.settled or stopping.wait(PAUSE):
            return now


def table(now: Standing) -> Table:
    """What people see of it."""
    out = Table(box=None, pad_edge=False, show_header=False)
    out.add_row("backfill", f"{now.backfill}, {now.state}, begun {now.begun:%Y-%m-%d %H:%M:%S} UTC")
    chunks = ", ".join(f"{count:,} {state}" for state, count in now.chunks.items() if count)
    out.add_row("chunks", f"{chunks or 'none'} ({now.done:.0%} of what there is to read)")
    counts = ", ".join(f"{value:,} {name}" for name, value in asdict(now.counts).items() if value)
    out.add_row("cells", counts or "none yet")
    if now.rate is not None:
        left = f", about {timedelta(seconds=round(now.left))} left" if now.left is not None else ""
        out.add_row("rate", f"{now.rate:,.0f} cells/s{left}")
    out.add_row("to settle", f"{now.windows:,} windows of {now.hours:,} hours" if now.windows else "nothing")
    if now.behind >= BEHIND and now.state == "running":
        out.add_row("gives way", f"live work has waited for {now.behind:.0f} s")
    if now.held:
        out.add_row("", f"{now.held:,} {HELD}")
    for problem in now.problems:
        out.add_row(problem["state"], f"{problem['place']}: {problem['problem']} ({problem['failures']} times)")
    return out
