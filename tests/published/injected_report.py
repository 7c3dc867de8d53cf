"""Faults and events injected into real series, and those of the made-up district: what detectors make of them.

    python -m tests.published.injected_report [--seed N] [--sets NAME...] [--spread NAME...] [--detector NAME...]
        [--rivals]

A row a kind: the share found at the line 1.0, by size in robust standard deviations, of the whole series and of values
within their day (where days differ it is a fraction of the other, and 2 of them are ordinary weather); in how many the
first alarm said `event` or `fault` rightly, of those that said either; the median delay; and for all of them together
the alarms where nothing was injected, a station-week (what really happened in the series counts against a detector,
unless somebody labelled it). `beijing` is PM2.5 and ozone of twelve stations by the hour, `district` the simulated one
by hourly means, of which the faults that quality control sees by itself (gaps, impossible values) are left out.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import polars as pl
from rich.console import Console
from rich.table import Table

from analytics import ingest, quality
from analytics.evaluation import SCORED, events, injection, sets
from analytics.evaluation.injection import KINDS, SIZES, SPREADS, TRUTH
from analytics.synthetic import District
from tests.published.detection_report import detectors
from tests.published.detectors import OURS, PARAMETERS, Detector
from tests.published.heavy_days_report import PLACES
from tests.published.rivals import RIVALS

#: Rows (station, series, parameter, time, value, label) and what is true of them.
Told = tuple[pl.DataFrame, pl.DataFrame]
#: Of the district: from when to when, and what of its truth a detector of values is asked for.
START, STOP = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC)
ASKED = ("stuck", "spike", "offset", "drift", "noisy")
_NEAR = {"series": pl.String(), "near": pl.List(pl.String())}
#: An alarm after the end of what was injected still finds it.
GRACE = timedelta(hours=1)


def beijing(seed: int, spread: str) -> Told:
    """PM2.5 and ozone of twelve stations, 2013 to 2016, and what was injected."""
    cells = pl.concat(
        batch.cells
        for path in sorted((sets.DATA / "beijing-prsa").glob("*.csv.gz"))
        for batch in ingest.read(ingest.Source(path), "beijing-prsa")
    ).filter(pl.col("channel").is_in(["pm25", "o3"]))
    rows = cells.select(
        "station",
        pl.format("{}/{}", "station", "channel").alias("series"),
        pl.col("channel").alias("parameter"),
        "time",
        "value",
        pl.lit(value=False).alias("label"),
    )
    told, truth = injection.inject(rows, seed, spread=spread)
    places = [(name, *place) for name, place in PLACES.items()]
    return near(told, pl.DataFrame(places, schema=["station", "longitude", "latitude"], orient="row")), truth


def near(rows: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `near`: the series around each, as `greenwatch relearn` finds them; `places` (station, longitude,
    latitude [°])."""
    series = rows.select("series", "station", "parameter").unique().sort("series").with_row_index("number")
    voices = series.select("station", "parameter", pl.col("number").cast(pl.Int32).alias("series"))
    voices = voices.with_columns(pl.lit("").alias("position"), pl.lit(3600).alias("cadence"), pl.lit(0).alias("rank"))
    maps = quality.survey(voices, places, PARAMETERS).select("subject", "blob")
    names = dict(series.select("number", "series").iter_rows())
    near = {names[of]: [names[one] for one in json.loads(blob)["neighbours"]] for of, blob in maps.iter_rows()}
    lists = pl.DataFrame({"series": list(near), "near": list(near.values())}, schema=_NEAR)
    return rows.join(lists, on="series", how="left", maintain_order="left")


def labelled(name: str) -> Callable[[int, str], Told]:
    """What was injected into a labelled set; its own labels are not asked for."""
    return lambda seed, spread: injection.inject(sets.read(name).drop("set"), seed, spread=spread)


def district(seed: int, _spread: str) -> Told:
    """Hourly means of half a year of the made-up district, and its own events and faults of values."""
    made = District(seed)
    parts = [made.readings(START, STOP, cadence) for cadence in (600, 14_400)]
    rows = (
        pl.concat(parts)
        .group_by("station", "parameter", pl.col("time").dt.truncate("1h"))
        .agg(pl.col("value").mean())
        .with_columns(pl.format("{}/{}", "station", "parameter").alias("series"))
        .sort("series", "time")
    )
    happened = made.truth(START, STOP)
    asked = happened.filter((pl.col("class") == "event") | pl.col("kind").is_in(ASKED))
    series = rows.select("station", "series", "parameter").unique()
    # What meets the whole district meets each series of its parameter.
    named = asked.drop_nulls("station").join(series, on=["station", "parameter"])
    common = asked.filter(pl.col("station").is_null()).drop("station").join(series, on="parameter")
    truth = pl.concat([named, common], how="diagonal").select(
        "series", "kind", pl.col("class").alias("group"), "start", "stop", pl.lit(None, pl.Float64).alias("size")
    )
    truth = truth.filter(pl.col("start") >= START + injection.QUIET).select(*TRUTH)
    rows = near(rows, made.registry().select("station", "longitude", "latitude").unique())
    # Where anything else is wrong or goes on nobody is asked.
    spans = pl.concat([truth.select("series", "start", "stop", on=pl.lit(value=True)), _others(happened, series)])
    return rows.with_columns(_labels(rows, spans)), truth


def _others(happened: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """Stretches of series of which the district says something that is not asked for."""
    rest = happened.filter(pl.col("class") == "fault", ~pl.col("kind").is_in(ASKED)).drop_nulls("station")
    some = rest.drop_nulls("parameter").join(series, on=["station", "parameter"])
    every = rest.filter(pl.col("parameter").is_null()).drop("parameter").join(series, on="station")
    return pl.concat([part.select("series", "start", "stop", on=pl.lit(None, pl.Boolean)) for part in (some, every)])


def _labels(rows: pl.DataFrame, spans: pl.DataFrame) -> pl.Series:
    """Of each row: true within a span that is asked for, else null within another one, else false."""
    inside = (
        rows.with_row_index("row")
        .join_where(
            spans.rename({"series": "of"}),
            pl.col("series") == pl.col("of"),
            pl.col("time") < pl.col("stop"),
            pl.col("time").dt.offset_by("1h") > pl.col("start"),
        )
        .group_by("row")
        .agg(pl.col("on").any(ignore_nulls=True).alias("asked"))
    )
    said = rows.with_row_index("row").join(inside, on="row", how="left", maintain_order="left")
    asked = pl.col("asked")
    label = pl.when(asked.is_null()).then(False).when(asked).then(True).alias("label")
    return said.select(label).to_series()


#: Of a seed, and what sizes are counted in.
SOURCES: Mapping[str, Callable[[int, str], Told]] = {
    "beijing": beijing,
    "logan-river": labelled("logan-river"),
    "swmp-apalachicola": labelled("swmp-apalachicola"),
    "district": district,
}


def tell(told: Told, detector: Detector) -> tuple[pl.DataFrame, events.Figures]:
    """`TRUTH` with `found`, `delay` and `said` at the line, and the figures of `events` for false alarms."""
    rows, truth = told
    said = detector(rows.drop("label"))
    named = [said["group"]] if "group" in said.columns else []
    scored = rows.with_columns(said["alarm"].cast(pl.Float64).fill_nan(None).alias("score"), *named)
    found = injection.found(truth, scored, grace=GRACE)
    return found, events.judge(scored.select(*SCORED))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.published.injected_report")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sets", nargs="*", choices=list(SOURCES), default=list(SOURCES), metavar="NAME")
    parser.add_argument("--spread", nargs="*", choices=list(SPREADS), default=list(SPREADS), metavar="NAME")
    parser.add_argument("--detector", nargs="*", choices=list(OURS), default=list(OURS), metavar="NAME")
    parser.add_argument("--rivals", action="store_true", help=", ".join(RIVALS))
    parser.add_argument("--ioos", metavar="PYTHON", help="interpreter with tests/compare/requirements.lock installed")
    wanted = parser.parse_args()
    out = Console(highlight=False, width=120)
    for name, spread in product(wanted.sets, wanted.spread):
        # The district's events have sizes of their own.
        if name == "district" and spread != wanted.spread[0]:
            continue
        told = SOURCES[name](wanted.seed, spread)
        for title, detector in detectors(wanted.detector, wanted.rivals, wanted.ioos).items():
            out.print(_table(f"{title} on {name}, seed {wanted.seed}, sizes by {spread}", *tell(told, detector)))


def _table(title: str, found: pl.DataFrame, figures: events.Figures) -> Table:
    table = Table(title=f"{title}: {figures.false_rate:.2f} alarms a station-week beside", pad_edge=False)
    table.add_column("kind", no_wrap=True)
    for name in ("count", "found", *(f"{size:g}σ" for size in SIZES), "called rightly", "delay [h]"):
        table.add_column(name, justify="right")
    for kind in [*KINDS, *sorted(set(found["kind"]) - set(KINDS))]:
        _row(table, kind, found.filter(kind=kind))
    table.add_section()
    for group in (injection.FAULT, injection.EVENT):
        _row(table, f"all {group}s", found.filter(group=group))
    return table


def _row(table: Table, name: str, rows: pl.DataFrame) -> None:
    if rows.is_empty():
        return
    near = pl.col("size").abs()
    # A regional event is a little larger here and smaller there: it counts to the nearest size.
    edges = [0.0, *((low + high) / 2 for low, high in pairwise(SIZES)), float("inf")]
    sizes = [rows.filter(near >= low, near < high) for low, high in pairwise(edges)]
    named = rows.drop_nulls("said")
    right = named.filter(pl.col("said") == pl.col("group"))
    delay = rows.select(pl.col("delay").median()).item()
    shares = [_share(part.filter("found").height, part.height) for part in (rows, *sizes)]
    table.add_row(
        name, str(rows.height), *shares, _share(right.height, named.height), "" if delay is None else f"{delay:.1f}"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else ""


if __name__ == "__main__":
    main()
