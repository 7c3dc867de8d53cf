"""Detectors on the shared labelled sets, each as it is: one configuration, nothing fitted to a label.

    python -m tests.published.detection_report [--sets NAME...] [--detector NAME...] [--rivals] [--ioos PYTHON]

A row a set and detector: event by event at its own line 1.0, over all and over the halves of each file; at the best
line there is, found with the labels, to say what the line costs; the volume under the surface of precision and recall,
which knows no line, as the mean of the series that have a label; of NAB its own score at 1.0 and, as the benchmark
does, at the best line. A set whose labels are of the whole station is scored so: the highest score of its series.
`--ioos` is an interpreter with tests/compare/requirements.lock installed. The sets lie in `../shared/data`.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from analytics.evaluation import SCORED, events, nab, vus
from tests.published import sets
from tests.published.detectors import OURS, Detector
from tests.published.rivals import RIVALS

SCRIPT = Path(__file__).parents[1] / "compare" / "rivals" / "detection.py"


@dataclass(frozen=True, slots=True)
class Row:
    """A detector on a set; `nab` holds standard, low FP and low FN at 1.0, then each at its best line."""

    own: events.Figures
    halves: tuple[events.Figures, events.Figures]
    line: float
    best: events.Figures
    vus: float
    nab: Sequence[float]
    seconds: float


def by_series(judge: Callable[[nab.Array], nab.Array]) -> Detector:
    """A detector of one that knows the values of a series only."""

    def score(rows: pl.DataFrame) -> pl.DataFrame:
        parts = [
            part.with_columns(pl.Series("score", judge(part["value"].to_numpy())).fill_nan(None))
            for part in rows.with_row_index("row").partition_by("series", maintain_order=True)
        ]
        return pl.concat(parts).sort("row").drop("row")

    return score


def ioos(python: str) -> Detector:
    """Four tests of ioos_qc, run by `python`: 1 where one objects, else 0."""

    def score(rows: pl.DataFrame) -> pl.DataFrame:
        with TemporaryDirectory(prefix="greenwatch-detection-") as made:
            source, target = Path(made) / "rows.parquet", Path(made) / "scores.parquet"
            rows.select("series", "time", "value").write_parquet(source)
            subprocess.run([python, "-I", str(SCRIPT), str(source), str(target)], check=True)
            return rows.with_columns(pl.read_parquet(target)["score"])

    return score


def measure(name: str, detector: Detector) -> Row:
    """`detector` on the set `name`."""
    rows, whole = sets.read(name), sets.SETS[name].whole
    began = time.perf_counter()
    said = detector(rows.drop("set", "label"))
    seconds = time.perf_counter() - began
    scored = rows.with_columns(said["score"].cast(pl.Float64).fill_nan(None))
    judged = events.together(scored) if whole else scored.select(*SCORED)
    first, second = events.halves(judged)
    line, best = events.best(judged)
    return Row(
        events.judge(judged),
        (events.judge(first), events.judge(second)),
        line,
        best,
        float(np.mean([volume for volume in volumes(judged, rows) if not np.isnan(volume)])),
        of_nab(judged) if name == "nab" else (),
        seconds,
    )


def volumes(judged: pl.DataFrame, rows: pl.DataFrame) -> Iterator[float]:
    """VUS-PR of each series, NaN where it has no label; the buffer is the period of its values (a station's: of its
    first series). Rows that nobody judged are left out."""
    widths = {}
    for key in ("station", "series"):
        for (number,), part in rows.group_by(key, maintain_order=True):
            one = part.filter(pl.col("series") == part["series"][0])
            widths[number] = one["value"].to_numpy()
    for (number,), part in judged.drop_nulls("label").group_by("series", maintain_order=True):
        label, score = part["label"].to_numpy(), part["score"].fill_null(np.nan).to_numpy()
        yield vus.vus_pr(label, score, vus.period(widths[number])) if label.any() else float("nan")


def of_nab(judged: pl.DataFrame) -> list[float]:
    """NAB's three profiles at 1.0, then the three at the best line of each."""
    files = [
        (part["label"].to_numpy(), part["score"].fill_null(np.nan).to_numpy())
        for part in judged.partition_by("series", maintain_order=True)
    ]
    profiles = nab.PROFILES.values()
    return [nab.score(files, events.LINE, one) for one in profiles] + [nab.best(files, one)[1] for one in profiles]


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
    measured = {(name, title): measure(name, detector) for name in wanted.sets for title, detector in who.items()}
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    out.print(_figures(measured))
    if "nab" in wanted.sets:
        out.print(_nab({title: row.nab for (name, title), row in measured.items() if name == "nab"}))
    if wanted.out:
        kept = [{"set": name, "detector": title} | asdict(row) for (name, title), row in measured.items()]
        wanted.out.write_text(json.dumps(kept, indent=1) + "\n")


def detectors(ours: Sequence[str], rivals: bool, python: str | None) -> dict[str, Detector]:
    """By their names, ours first."""
    found = {name: OURS[name] for name in ours}
    if rivals:
        found |= {name: by_series(judge) for name, judge in RIVALS.items()}
    if python:
        found["ioos_qc"] = ioos(python)
    return found


def _figures(measured: Mapping[tuple[str, str], Row]) -> Table:
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
    ):
        table.add_column(name, justify="right")
    for name in ("VUS-PR", "s"):
        table.add_column(name, justify="right")
    for (name, title), row in measured.items():
        own, best = row.own, row.best
        cells = [own.f1, own.precision, own.recall, own.false_rate, own.delay]
        more = [best.f1, best.false_rate, row.line, row.vus]
        halves = " ".join(f"{half.f1:.2f}" for half in row.halves)
        seconds = f"{row.seconds:.1f}"
        table.add_row(
            name, title, *(f"{cell:.2f}" for cell in cells), halves, *(f"{cell:.2f}" for cell in more), seconds
        )
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
