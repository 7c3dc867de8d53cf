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
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from analytics.evaluation import SCORED, events, nab, vus
from tests.published import sets
from tests.published.rivals import RIVALS

#: Readings (station, series, parameter, time, value) -> the same rows in the same order, with `score`.
Detector = Callable[[pl.DataFrame], pl.DataFrame]
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
    parser.add_argument(
        "--rivals", action="store_true", help="z-score, Hampel, ETS residual, Sub-PCA, isolation forest"
    )
    parser.add_argument("--ioos", metavar="PYTHON", help="interpreter with tests/compare/requirements.lock installed")
    wanted = parser.parse_args()
    who = {name: OURS[name] for name in wanted.detector}
    if wanted.rivals:
        who |= {name: by_series(judge) for name, judge in RIVALS.items()}
    if wanted.ioos:
        who["ioos_qc"] = ioos(wanted.ioos)
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    table = Table(pad_edge=False)
    for name in ("set", "detector"):
        table.add_column(name, overflow="fold")
    for name in ("F1", "precision", "recall", "false/week", "delay h", "halves", "best F1", "at", "VUS-PR", "NAB 1.0"):
        table.add_column(name, justify="right")
    table.add_column("NAB best", justify="right")
    table.add_column("s", justify="right")
    for name in wanted.sets:
        for who_said, detector in who.items():
            table.add_row(name, who_said, *_cells(measure(name, detector)))
        if name == "nab":
            for title, scores in published(sets.read(name)["station"].unique().to_list()):
                table.add_row(name, f"{title}, published", *[""] * 10, _scores(scores), "")
        table.add_section()
    out.print(table)


def _cells(row: Row) -> list[str]:
    own = row.own
    return [
        f"{own.f1:.3f}",
        f"{own.precision:.2f}",
        f"{own.recall:.2f}",
        f"{own.false_rate:.2f}",
        f"{own.delay:.1f}",
        f"{row.halves[0].f1:.2f} {row.halves[1].f1:.2f}",
        f"{row.best.f1:.3f}",
        f"{row.line:.2f}",
        f"{row.vus:.3f}",
        _scores(row.nab[:3]),
        _scores(row.nab[3:]),
        f"{row.seconds:.1f}",
    ]


def _scores(values: Sequence[float]) -> str:
    return " ".join(f"{value:.1f}" for value in values)


OURS: Mapping[str, Detector] = {}

if __name__ == "__main__":
    main()
