"""What the shipped detectors reach on a fixed part of the shared sets: kept beside this file, held by the gate.

    python -m tests.published.kept_scores [--keep]

Without --keep it prints what is reached now beside what is kept. A change that lowers a score says so by keeping the
new ones, in the same commit, with its reason in the message.
"""

import argparse
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from analytics.evaluation import SCORED, events, sets
from analytics.evaluation.figures import of_nab
from tests.published.detectors import shipped

KEPT = Path(__file__).parent / "kept_scores.toml"
COMMAND = "python -m tests.published.kept_scores --keep"
#: Of each set the part that is held: some seconds of one processor in all.
PARTS: Mapping[str, pl.Expr] = {
    "logan-river": pl.col("station") == "TonyGrove2014",
    "swmp-apalachicola": (pl.col("parameter") == "turbidity") & (pl.col("time") < datetime(2012, 8, 1, tzinfo=UTC)),
    "skab": pl.col("station").is_in([f"valve1-{number}" for number in range(5)]),
    "nab": pl.col("station").str.contains("cpu_utilization_asg|rds|art_daily_(flat|jumps)"),
}
#: What may be lost by rounding in another version of a library.
SLACK = {"f1": 0.002, "nab": 0.2}


def scores() -> dict[str, dict[str, float]]:
    """F1 of events and, of NAB, its standard score, at the line 1.0: of each part."""
    made = {}
    for name, part in PARTS.items():
        rows = sets.read(name).filter(part)
        alarms = rows.with_columns(shipped(rows.drop("set", "label"))["alarm"].alias("score"))
        alarms = events.together(alarms) if sets.SETS[name].whole else alarms.select(*SCORED)
        made[name] = {"f1": events.judge(alarms).f1}
        if name == "nab":
            made[name]["nab"] = of_nab(alarms)[0]
    return made


def kept() -> dict[str, dict[str, float]]:
    """What was kept, without its date and command."""
    return {name: one for name, one in tomllib.loads(KEPT.read_text()).items() if isinstance(one, dict)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.published.kept_scores")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT.name}")
    keep, found = parser.parse_args().keep, scores()
    if keep:
        lines = [f"date = {datetime.now(UTC):%Y-%m-%d}", f'command = "{COMMAND}"']
        for name, one in found.items():
            lines += ["", f"[{name}]", *(f"{key} = {value:.4f}" for key, value in one.items())]
        KEPT.write_text("\n".join(lines) + "\n")
    for name, one in found.items():
        before = kept().get(name, {})
        print(name, *(f"{key} {value:.4f} (kept {before.get(key, float('nan')):.4f})" for key, value in one.items()))


if __name__ == "__main__":
    main()
