"""What the runs showed, and the figures made of it."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.soak.figures import Outcome


@dataclass(slots=True)
class Kill:
    """A worker killed in a take, `age` [s] after that began; the seconds until its session was gone, and until what it
    had taken was in other hands; how many takes were undone."""

    age: float
    gone: float = 0.0
    over: float = 0.0
    undone: int = 0


@dataclass(slots=True)
class Run:
    """What a run showed. [s]"""

    seconds: float = 0.0
    #: CPU of a worker until it is ready; of all workers, of the database
    start: float = 0.0
    workers: float = 0.0
    database: float = 0.0
    #: a worker was free for so long, while a mark waited for so long; a live one whoever was free
    free: float = 0.0
    waited: float = 0.0
    live: float = 0.0
    #: the longest take
    take: float = 0.0
    takes: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    picture: dict[str, object] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)


def told(found: Run, log: Path) -> None:
    """Nothing; `found` has the takes that were committed and the rows they read, by stage, as the workers said."""
    for line in (line for path in sorted(log.iterdir()) for line in path.read_text().splitlines()):
        said = json.loads(line) if line.startswith("{") and line.endswith("}") else {}  # a killed one's may be cut
        if said.get("event") == "take":
            found.takes[said["stage"]] += 1
            found.read[said["stage"]] += said["read"]
        assert said.get("level") not in ("error", "critical"), line


def report(out: Outcome, one: Run, two: Run, killed: Run) -> None:
    """Nothing; the figures are in `out`, with the targets of the issue."""
    for name, found in (("one", one), ("two", two), ("killed", killed)):
        out.add(f"{name}: settled", found.seconds, "s")
        out.add(f"{name}: CPU of workers", found.workers, "s")
        out.add(f"{name}: CPU of the database", found.database, "s")
        out.add(f"{name}: CPU of the start of a worker, not counted above", found.start, "s")
        out.add(f"{name}: takes", found.takes.total(), "takes")
        out.add(f"{name}: rows read by them", found.read.total(), "rows")
        out.add(f"{name}: longest take", found.take, "s")
        out.add(f"{name}: a worker was free", found.free, "s")
        out.add(f"{name}: a mark waited while one was free, at most", found.waited, "s", most=30)
        out.add(f"{name}: a live mark waited, at most", found.live, "s")
    total = one.workers + one.database
    out.add("CPU of two, of one", (two.workers + two.database) / total, "", most=1.15)
    for name, found in (("two", two), ("killed", killed)):
        different = [table for table, content in one.picture.items() if content != found.picture[table]]
        out.add(f"{name}: tables that differ from one worker's", len(different), "", most=0)
        out.details[f"{name}: different"] = different
    kills = killed.kills
    out.add("killed in a take", len(kills), "times", least=1)
    out.add("takes undone by a kill, at most", max(kill.undone for kill in kills), "takes", most=1)
    out.add("work undone by a kill, at most", max(kill.age for kill in kills), "s")
    more = killed.workers + killed.database - two.workers - two.database
    out.add("CPU a kill, with the start of another worker", more / len(kills), "s")
    out.add("the killed's session was gone after, at most", max(kill.gone for kill in kills), "s", most=30)
    out.add("what it had taken was another's after, at most", max(kill.over for kill in kills), "s")
    rows_ = {table: content[0] for table, content in one.picture.items() if isinstance(content, tuple)}
    out.details |= {"rows": rows_, "kills": [asdict(kill) for kill in kills]}
    for name, found in (("one", one), ("two", two), ("killed", killed)):
        out.details[name] = {"takes": dict(found.takes), "read": dict(found.read)}
