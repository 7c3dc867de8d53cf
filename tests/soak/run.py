"""The big figures: `python -m tests.soak.run [PART ...]`.

Each part writes what it found into `tests/soak/<date>-<commit>.json` as soon as it is done. A run that was stopped goes
on where it was: parts that are done are kept as long as commit and code stay, and run again only where they are named
or with --no-resume. Exit code 1 where a target was missed.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from jobs import console
from tests.soak import (
    backfill,
    bulk,
    detection,
    doors,
    draw,
    files,
    growth,
    kills,
    laws,
    live,
    outages,
    paging,
    scale,
    settling,
    sizes,
    stories,
    views,
    years,
)
from tests.soak.devices import idle
from tests.soak.devices import part as devices
from tests.soak.figures import Outcome, record, show, write
from tests.soak.fuzz import part as fuzz
from tests.soak.house import House, code, commit, house, machine, people
from tests.soak.panels import part as panels
from tests.soak.workers import part as workers

#: Rows of `bulk`; `growth` goes to three times as many.
ROWS = 10_000_000
#: In the order they run; all take the house and the rows asked for.
PARTS: Mapping[str, Callable[[House, int], Outcome]] = {
    "bulk": bulk.run,
    "growth": growth.run,
    "chain": sizes.run,
    "settle": settling.run,
    "scale": scale.run,
    "live": live.run,
    "backfill": backfill.run,
    "files": files.run,
    "kills": kills.run,
    "doors": doors.run,
    "workers": workers.run,
    "laws": laws.run,
    "thorough": laws.thorough,
    "years": years.run,
    "devices": devices.run,
    "idle": idle.run,
    "fuzz": fuzz.run,
    "views": views.run,
    "draw": draw.run,
    "panels": panels.run,
    "outages": outages.run,
    "paging": paging.run,
    "detection": detection.run,
    "stories": stories.run,
}
HERE = Path(__file__).parent


def main() -> int:
    """Exit code: 0 where every target was met."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True, help="skip what is done")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of bulk, default {ROWS:,}")
    given = parser.parse_args()
    if strange := set(given.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(strange))}; there are {', '.join(PARTS)}")
    os.environ["GREENWATCH_LOG"] = "ERROR"
    console.start_logging()
    name, dirty = commit()
    path = next(iter(sorted(HERE.glob(f"*-{name}.json"))), HERE / f"{datetime.now(UTC):%Y-%m-%d}-{name}.json")
    kept: dict[str, Any] = json.loads(path.read_text())["parts"] if path.exists() else {}
    digest = code()
    done = {part for part, found in kept.items() if found["code"] == digest and found["rows"] == given.rows}
    todo = given.parts or [part for part in PARTS if not (given.resume and part in done)]
    # Ended from outside, too, the server and its data go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("soak: ended; what is done is kept"))
    with house() as place:
        content = {"commit": name, "dirty": dirty, "machine": machine(place.dsn), "parts": kept}
        for number, part in enumerate(todo, 1):
            people.print(f"[bold]{part}[/] (part {number} of {len(todo)})")
            began, clock = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", time.perf_counter()
            outcome = PARTS[part](place, given.rows)
            measured = digest if code() == digest else "changed while it ran"
            kept[part] = record(outcome, began, time.perf_counter() - clock, measured) | {"rows": given.rows}
            write(path, content)
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 132)
    return min(1, show(content, list(PARTS), out))


if __name__ == "__main__":
    sys.exit(main())
