"""Detectors on the shared labelled sets, each as it is: one configuration, nothing fitted to a label.

    python -m tests.published.detection_report [--sets NAME...] [--detector NAME...] [--rivals] [--ioos PYTHON]

A row a set and detector: event by event at its own line 1.0, over all and over the halves of each file; at the best
line there is, found with the labels, to say what the line costs; the volume under the surface of precision and recall,
which knows no line, as the mean of the series that have a label; `left out` is F1 where each station has the line that
is the best of all others; of NAB its own score at 1.0 and, as the benchmark
does, at the best line. A set whose labels are of the whole station is scored so: the highest score of its series.
`--ioos` is an interpreter with tests/compare/requirements.lock installed. The sets lie in `../shared/data`.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from rich.console import Console
from rich.table import Table

from analytics.evaluation import nab, sets
from analytics.evaluation.figures import Reached, measure
from tests.published.detectors import OURS, Detector, by_series
from tests.published.rivals import RIVALS

SCRIPT = Path(__file__).parents[1] / "compare" / "rivals" / "detection.py"


def ioos(python: str) -> Detector:
    """Four tests of ioos_qc, run by `python`: 1 where one objects, else 0."""

    def score(rows: pl.DataFrame) -> pl.DataFrame:
        with TemporaryDirectory(prefix="greenwatch-detection-") as made:
            source, target = Path(made) / "rows.parquet", Path(made) / "scores.parquet"
            rows.select("series", "time", "value").write_parquet(source)
            subprocess.run([python, "-I", str(SCRIPT), str(source), str(target)], check=True)
            found = pl.read_parquet(target)["score"]
            return rows.with_columns(found.alias("level"), found.alias("alarm"))

    return score


def measured(name: str, detector: Detector) -> tuple[Reached, float]:
    """What `detector` reaches on the set `name`, and the seconds it took."""
    rows = sets.read(name)
    began = time.perf_counter()
    said = detector(rows.drop("set", "label"))
    seconds = time.perf_counter() - began
    judged = rows.with_columns(said["level"].cast(pl.Float64), said["alarm"].cast(pl.Float64))
    return measure(judged, whole=sets.SETS[name].whole, windows=name == "nab", sites=True), seconds


def published(stations: Sequence[str]) -> Iterator[tuple[str, list[float]]]:
    """NAB's own scores of `stations`, three profiles, of the detectors whose tables have a row a file."""
    files = [f"{station}.csv" for station in stations]
    labels = json.loads((sets.DATA / "nab" / "labels" / "combined_windows.json").read_text())
    windows = sum(len(labels[file]) for file in files)
    for detector in ("numenta", "windowedGaussian"):
        scores = []
        for key, profile in nab.PROFILES.items():
            rows = pl.read_csv(sets.DATA / "nab" / "results" / detector / f"{detector}_{key}_scores.csv")
            total = float(rows.filter(pl.col("File").is_in(files)).select(pl.col("Score").sum()).item())
            scores.append(100 * (total / windows + profile.missed) / (profile.found + profile.missed))
        yield detector, scores


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.published.detection_report")
    parser.add_argument("--sets", nargs="*", choices=list(sets.SETS), default=list(sets.SETS), metavar="NAME")
    parser.add_argument("--detector", nargs="*", choices=list(OURS), default=list(OURS), metavar="NAME")
    parser.add_argument("--rivals", action="store_true", help=", ".join(RIVALS))
    parser.add_argument("--ioos", metavar="PYTHON", help="interpreter with tests/compare/requirements.lock installed")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the figures there as JSON")
    wanted = parser.parse_args()
    who = detectors(wanted.detector, wanted.rivals, wanted.ioos)
    found = {(name, title): measured(name, detector) for name in wanted.sets for title, detector in who.items()}
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    out.print(_figures(found))
    if "nab" in wanted.sets:
        out.print(_nab({title: row.nab for (name, title), (row, _) in found.items() if name == "nab"}))
    if wanted.out:
        kept = [{"set": name, "detector": title} | asdict(row) for (name, title), (row, _) in found.items()]
        wanted.out.write_text(json.dumps(kept, indent=1) + "\n")


def detectors(ours: Sequence[str], rivals: bool, python: str | None) -> dict[str, Detector]:
    """By their names, ours first."""
    found = {name: OURS[name] for name in ours}
    if rivals:
        found |= {name: by_series(judge) for name, judge in RIVALS.items()}
    if python:
        found["ioos_qc"] = ioos(python)
    return found


def _figures(measured: Mapping[tuple[str, str], tuple[Reached, float]]) -> Table:
    table = Table(title="event by event, at each detector's own line of 1.0 and at the best line", pad_edge=False)
    table.add_column("set", no_wrap=True)
    table.add_column("detector", no_wrap=True)
    for name in (
        "F1",
        "precision",
        "recall",
        "false/week",
        "delay [h]",
        "F1 of halves",
        "best F1",
        "false/week",
        "line",
        "left out",
    ):
        table.add_column(name, justify="right")
    for name in ("VUS-PR", "s"):
        table.add_column(name, justify="right")
    for (name, title), (row, took) in measured.items():
        own, best = row.own, row.best
        cells = [own.f1, own.precision, own.recall, own.false_rate, own.delay]
        more = [best.f1, best.false_rate, row.line]
        halves = " ".join(f"{half.f1:.2f}" for half in row.halves)
        apart = "" if row.elsewhere is None else f"{row.elsewhere.f1:.2f}"
        shown = [*(f"{cell:.2f}" for cell in cells), halves, *(f"{cell:.2f}" for cell in more), apart]
        table.add_row(name, title, *shown, f"{row.vus:.3f}", f"{took:.1f}")
    return table


def _nab(found: Mapping[str, Sequence[float]]) -> Table:
    table = Table(title="NAB, the 35 shared files: standard, low FP, low FN", pad_edge=False)
    table.add_column("detector", no_wrap=True)
    for name in ("at 1.0", "at the best line of each profile"):
        table.add_column(name, justify="right")
    for title, scores in found.items():
        table.add_row(title, *(" ".join(f"{score:.1f}" for score in part) for part in (scores[:3], scores[3:])))
    for title, scores in published(sets.read("nab")["station"].unique().to_list()):
        table.add_row(f"{title}, published", "", " ".join(f"{score:.1f}" for score in scores))
    return table


if __name__ == "__main__":
    main()
