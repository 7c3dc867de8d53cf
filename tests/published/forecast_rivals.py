"""Ours beside statsforecast and mlforecast on `beijing-prsa`, at times of issue spread over hours and seasons."""

import json
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from analytics import forecasting
from analytics.forecasting import Array, Asked, Panel, boosting
from analytics.skill import Ints, truth
from tests.published.forecast_beijing import PLAN, START, TAUGHT, back, grids, mae, naive, panel, taught

SCRIPT = Path(__file__).parents[1] / "compare" / "rivals" / "forecasts.py"
NAMES = ("AutoETS", "AutoTheta", "MSTL", "AutoARIMA", "LightGBM")
#: What a rival is given before a time of issue [h]; how many times, and the seed that draws them.
GIVEN, COUNT, SEED = 4 * 7 * 24, 300, 7


def rivals(python: str, parameter: str = "pm25", count: str = str(COUNT), names: str = ",".join(NAMES)) -> None:
    """Prints MAE by lead of rivals and of ours at the same seeded times of issue; and what a rival took.

    `python` is an interpreter with tests/compare/requirements.lock installed. All are on the scale of the parameter. A
    gap is filled for rivals, who run through none, along a straight line, at the end by the value before it.
    """
    read = grids()
    mine, chosen = panel(read, parameter), names.split(",")
    origins, stations = times(len(mine.values), int(count), mine.values.shape[1])
    said, spent = _asked(python, mine, origins, stations, chosen, parameter)
    apart = np.arange(len(origins))
    fit = taught(mine)
    every = {**naive(mine.values, origins, parameter)}
    every[boosting.NAME] = back(boosting.forecast(mine, origins, PLAN.settings, fit), parameter)
    ours = {name: values[apart, :, stations][:, :, None] for name, values in every.items()}
    came = truth(read[parameter], origins, PLAN.settings.leads)[apart, :, stations][:, :, None]
    print(f"{parameter}: {len(origins)} times of issue, each of one station, MAE over the rows that all have")
    print(mae({**ours, **said}, came))
    print(spent, flush=True)


def speed(python: str, parameter: str = "pm25", count: str = "100") -> None:
    """Prints how much longer AutoETS takes for the same series at the same times than ours do, its backtest, gate and
    bands included; what is learned by the clock is not asked. Both have one thread."""
    mine, settings, subject = panel(grids(), parameter), PLAN.settings, PLAN.subjects[parameter]
    origins, stations = times(len(mine.values), int(count), mine.values.shape[1])
    _, said = _asked(python, mine, origins, stations, ["AutoETS"], parameter)
    known = np.stack(
        [
            back(mine.values[origin - settings.history : origin], parameter)[:, station]
            for origin, station in zip(origins, stations, strict=True)
        ],
        axis=1,
    )
    models = tuple(name for name in subject.models if name in forecasting.FORECASTERS)
    asked = [Asked(number, subject, models) for number in range(len(origins))]
    began = time.perf_counter()
    issued = forecasting.issue(known, asked, settings)
    ours, theirs = time.perf_counter() - began, json.loads(said)["seconds"]["AutoETS"]
    print(
        f"{issued.height} of {len(origins)} series issued in {ours:.1f} s; AutoETS {theirs:.1f} s: {theirs / ours:.0f}"
    )


def times(rows: int, count: int, series: int) -> tuple[Ints, Ints]:
    """`count` rows after TAUGHT, as many of each hour of the day and of each twelfth of the time, and a series each."""
    rng = np.random.default_rng(SEED)
    days = (rows - PLAN.settings.leads - TAUGHT) // 24
    place = np.arange(count)
    day = ((place * 12 // count + rng.random(count)) * days / 12).astype(np.int64)
    return TAUGHT + day * 24 + place % 24, rng.integers(series, size=count)


def _asked(
    python: str, mine: Panel, origins: Ints, stations: Ints, names: list[str], parameter: str
) -> tuple[dict[str, Array], str]:
    """[origins, leads, 1] by name what rivals say in units, and what they said of themselves."""
    whole = filled(mine.values[:TAUGHT])
    given = [
        _rows(str(number), mine.values[origin - GIVEN : origin, station], int(origin))
        for number, (origin, station) in enumerate(zip(origins, stations, strict=True))
    ]
    with TemporaryDirectory(prefix="greenwatch-rivals-") as made:
        paths = [Path(made) / f"{name}.parquet" for name in ("taught", "asked", "said")]
        pl.concat([_rows(f"s{n}", column, TAUGHT) for n, column in enumerate(whole.T)]).write_parquet(paths[0])
        pl.concat(given).write_parquet(paths[1])
        run = subprocess.run(
            [python, str(SCRIPT), *map(str, paths), *names], check=True, stdout=subprocess.PIPE, text=True
        )
        rows = pl.read_parquet(paths[2]).sort(pl.col("unique_id").cast(pl.Int64), "ds")
    shape = (len(origins), PLAN.settings.leads, 1)
    spent = json.loads(run.stdout.splitlines()[-1])
    return {name: back(rows[name].to_numpy().reshape(shape), parameter) for name in names}, json.dumps(spent)


def _rows(name: str, values: Array, stop: int) -> pl.DataFrame:
    """(unique_id, ds, y) of `values`, which end before the row `stop`."""
    first = START.replace(tzinfo=None) + timedelta(hours=stop - len(values))
    hours = pl.datetime_range(first, first + timedelta(hours=len(values) - 1), "1h", eager=True)
    return pl.DataFrame({"unique_id": [name] * len(values), "ds": hours, "y": filled(values[:, None])[:, 0]})


def filled(values: Array) -> Array:
    """`values` [hours, series] without gaps: a straight line from value to value, and nothing new at the ends."""
    place = np.arange(len(values))
    columns = []
    for column in values.T:
        there = np.isfinite(column)
        columns.append(np.interp(place, place[there], column[there]) if there.any() else np.zeros(len(values)))
    return np.stack(columns, axis=1)
