"""`greenwatch evaluate`: how good what is shipped is, where the truth is known, and how good what was issued."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from analytics import detection, parameters, tables
from analytics.evaluation import events, labelled, sets
from analytics.evaluation.figures import Reached, measure
from analytics.texts import text
from jobs import console, verify

app = typer.Typer(help="How good what is shipped is, on data whose truth somebody knows.", no_args_is_help=True)
EXAMPLE = "Example: greenwatch evaluate detection my-labels.csv --sites (columns: series,time,value,label)"


@dataclass(frozen=True, slots=True)
class Scored:
    """What was `reached` on a set, on how many `rows`, in how many `seconds` of detection."""

    name: str
    reached: Reached
    rows: int
    seconds: float


app.command("forecast", epilog=verify.EXAMPLE)(verify.main)


@app.command("detection", epilog=EXAMPLE)
def main(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH...",
            help="CSV or Parquet files, or folders of them, with series, time (with an offset), value and label (1, 0 "
            "or nothing); station and parameter are used where they are there.",
            show_default=False,
        ),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help=f"A shared labelled set: {', '.join(sets.SETS)}; `all` of them.", show_default=False
        ),
    ] = None,
    sites: Annotated[
        bool, typer.Option("--sites", help="Also each station at the line that is the best of all others.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Score the shipped detectors against labels that they never see: by the clock, each reading by those before it."""
    if not paths and not names:
        raise typer.BadParameter("say what to evaluate: files, folders or --set NAME")
    found = [_score(name, rows, sites=sites) for name, rows in _asked(paths or [], names or [])]
    if as_json:
        print(json.dumps([_figures(one) for one in found]))
        return
    heads = (
        "set",
        "f1",
        "precision",
        "recall",
        "false_week",
        "delay_hours",
        "f1_halves",
        "f1_best",
        "vus",
        "speed_rows",
    )
    console.rows([text(f"score_{head}") for head in heads], [_cells(one) for one in found])
    for one in found:
        if (other := one.reached.elsewhere) is not None:
            console.out.print(text("score_elsewhere", between="\n", set=one.name, f1=other.f1, rate=other.false_rate))
        if one.reached.nab:
            standard, low_fp, low_fn = one.reached.nab[:3]
            console.out.print(
                text("score_nab", between="\n", set=one.name, standard=standard, low_fp=low_fp, low_fn=low_fn)
            )


def _asked(paths: list[Path], names: list[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Name and rows of each set that is asked for. Raises `NotAsAsked`."""
    for path in paths:
        try:
            yield path.name, labelled.read(path)
        except labelled.NotLabelled as problem:
            raise console.NotAsAsked(str(problem)) from problem
    for name in sets.SETS if "all" in names else names:
        if name not in sets.SETS:
            raise typer.BadParameter(f"no set {name!r}; there are {', '.join(sets.SETS)}", param_hint="--set")
        if not (sets.DATA / sets.SETS[name].folder).is_dir():
            raise console.NotAsAsked(f"the shared sets do not lie here: {sets.DATA / sets.SETS[name].folder}")
        yield name, sets.read(name)


def _score(name: str, rows: pl.DataFrame, *, sites: bool) -> Scored:
    if not rows["label"].any():
        raise console.NotAsAsked(f"{name}: no row is labelled true, so there is nothing to find")
    known = sets.SETS.get(name) if "set" in rows.columns else None
    began = time.perf_counter()
    said = detection.replay(rows.drop("label"), parameters.load(), detection.parse(tables.read(detection.TABLE)))
    seconds = time.perf_counter() - began
    judged = rows.with_columns(said["level"], said["alarm"])
    reached = measure(judged, whole=known is not None and known.whole, windows=name == "nab", sites=sites)
    return Scored(name, reached, rows.height, seconds)


def _cells(one: Scored) -> list[Any]:
    own, best = one.reached.own, one.reached.best
    halves = " ".join(_told(half.f1) for half in one.reached.halves)
    figures = (own.f1, own.precision, own.recall, own.false_rate, own.delay)
    rate = f"{one.rows / one.seconds:,.0f}"
    return [one.name, *map(_told, figures), halves, _told(best.f1), _told(one.reached.vus), rate]


def _told(figure: float) -> str:
    return "-" if math.isnan(figure) else f"{figure:.3f}"


def _figures(one: Scored) -> dict[str, Any]:
    """The figures as JSON has them: null where there is none."""
    reached = one.reached
    made = {
        "set": one.name,
        "rows": one.rows,
        "own": _event_figures(reached.own),
        "halves": [_event_figures(half) for half in reached.halves],
        "line": reached.line,
        "best": _event_figures(reached.best),
        "elsewhere": None if reached.elsewhere is None else _event_figures(reached.elsewhere),
        "vus_pr": reached.vus,
        "nab": list(reached.nab),
        "seconds": round(one.seconds, 2),
    }
    return {key: _plain(value) for key, value in made.items()}


def _event_figures(one: events.Figures) -> dict[str, Any]:
    figures = {
        "events": one.events,
        "found": one.found,
        "false": one.false,
        "station_weeks": one.weeks,
        "precision": one.precision,
        "recall": one.recall,
        "f1": one.f1,
        "false_a_station_week": one.false_rate,
        "delay_hours": one.delay,
    }
    return {key: _plain(value) for key, value in figures.items()}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
