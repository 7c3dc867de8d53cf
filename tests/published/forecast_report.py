"""How good forecasts are on published series: `python -m tests.published.forecast_report NAME`, by hand. Names are:

`beijing [PARAMETER...]`: the model of a parameter over all stations, taught to 2016-02, scored at every hour after it.
`weather [PARAMETER] [EVERY]`: the same with weather ahead, as it came and degraded as a forecast of it is.
`served [PARAMETER] [EVERY]`: what is issued there, with the gate and the bands, how the bands cover by month, and CRPS.
`rivals PYTHON [PARAMETER]`: ours beside statsforecast and mlforecast; see tests/published/forecast_rivals.py.
`speed PYTHON [PARAMETER]`: how many times as long AutoETS takes for the same series.
`noise`: the model at one place, of two years.
`elsewhere`: what is issued for noise, water and soil before anything is learned of them, and how the bands cover.
`rivers [EVERY]`: what is issued for water levels, taught where the past is long enough; against the level as it is.
`soil`: moisture days ahead at stations unseen when it was learned, with the rain that came.
`m4`: H1-H207 of the hourly series of the M4 competition, each scaled by itself, without any column beside.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl

from analytics import forecasting
from analytics.forecasting import NAIVE, Array, Asked, Fit, Panel, Shape, boosting
from analytics.skill import Ints, truth
from tests.published.forecast_beijing import (
    BANDS,
    LEADS,
    PLAN,
    START,
    TAUGHT,
    back,
    coverage,
    crps,
    grids,
    mae,
    naive,
    onto,
    panel,
    taught,
    worst,
)
from tests.published.forecast_elsewhere import elsewhere, m4, noise
from tests.published.forecast_rivals import rivals, speed
from tests.published.forecast_rivers import rivers
from tests.published.forecast_soil import soil
from tests.published.forecast_weather import with_weather

#: What issue 8 asks of PM2.5 without weather ahead [ug/m3], and with it.
GOALS = {1: 7.3, 6: 20.5, 24: 37.5, 72: 44.5}
WITH_WEATHER = {24: 21, 72: 23}


def beijing(*parameters: str) -> None:
    """Prints MAE by lead, and how much better than the best naive forecast."""
    read = grids()
    origins = np.arange(TAUGHT, len(read["pm25"]) - PLAN.settings.leads + 1, dtype=np.int64)
    for parameter in parameters or ("pm25", "o3", "no2", "pm10"):
        mine, began, worked = panel(read, parameter), time.perf_counter(), time.process_time()
        fit = taught(mine)
        learned, work = time.perf_counter(), time.process_time() - worked
        said = back(boosting.forecast(mine, origins, PLAN.settings, fit), parameter)
        spent = time.perf_counter() - learned
        came = truth(read[parameter], origins, PLAN.settings.leads)
        rows = mae({**naive(mine.values, origins, parameter), boosting.NAME: said}, came)
        bar, own = rows.filter(pl.col("forecast").is_in(NAIVE)), rows.filter(forecast=boosting.NAME)
        better = [round(100 * float(1 - own[name][0] / bar[name].min()), 1) for name in rows.columns[1:]]
        print(f"{parameter}: {len(origins)} origins, MAE")
        print(rows)
        print("better than the best naive [%]", dict(zip(LEADS, better, strict=True)), flush=True)
        if parameter == "pm25":
            print("goals", {lead: (float(own[f"{lead} h"][0]), goal) for lead, goal in GOALS.items()})
        print(
            f"taught {fit.manifest['rows_read']} rows x {fit.manifest['columns_read']} columns in"
            f" {learned - began:.0f} s ({work:.0f} s of processor), trust {np.round(fit.trust, 3).tolist()},"
            f" {len(boosting.pack(fit)) / 1e6:.1f} MB,"
            f" forecast of {said[:, 0].size} in {spent:.0f} s\n",
            flush=True,
        )


def served(parameter: str = "pm25", every: str = "17") -> None:
    """Prints MAE of what is issued, by the gate and in the band, every so many hours; its coverage, and by month."""
    read, settings, asked = grids(), PLAN.settings, PLAN.subjects[parameter]
    values, mine = read[parameter], panel(read, parameter)
    fit = taught(mine)
    ends = np.arange(TAUGHT, len(values) - settings.leads + 1, int(every), dtype=np.int64)
    tested = forecasting.origins(settings)
    columns = [Asked(number, asked, asked.models) for number in range(values.shape[1])]
    made = {name: np.full((len(ends), settings.leads, len(columns)), np.nan) for name in BANDS}
    models: Counter[tuple[int, str]] = Counter()
    for place, end in enumerate(ends):
        seen = slice(int(end) - settings.history, int(end))
        beside = {name: grid[seen] for name, grid in mine.beside.items()}
        recent = replace(mine, start=START + timedelta(hours=seen.start), values=mine.values[seen], beside=beside)
        told = {boosting.NAME: boosting.forecast(recent, tested, settings, fit)}
        issues = forecasting.issue(values[seen], columns, settings, told)
        for name, grid in made.items():
            grid[place][:, issues["series"].to_numpy()] = np.array(issues[name].to_list(), dtype=np.float64).T
        models.update((lead, row[lead - 1]) for row in issues["models"] for lead in LEADS)
    came = truth(values, ends, settings.leads)
    bar = naive(mine.values, ends, parameter)
    print(f"{parameter}: {len(ends)} times of issue, MAE")
    print(mae({**bar, "served": made["value"]}, came))
    print(worst(made["value"], bar, came))
    print(
        "who was served",
        {lead: {name: models[lead, name] for _, name in sorted(models) if _ == lead} for lead in LEADS},
    )
    months = [f"{START + timedelta(hours=int(end)):%Y-%m}" for end in ends]
    for low, high, level in (("low", "high", settings.level), ("wide_low", "wide_high", settings.wide)):
        print(f"coverage of the band of {level:.0%}")
        print(coverage(made[low], made[high], came, months))
    levels = [(1 - settings.wide) / 2, (1 - settings.level) / 2, 0.5, (1 + settings.level) / 2, (1 + settings.wide) / 2]
    ours = [made[name] for name in ("wide_low", "low", "value", "high", "wide_high")]
    static = _split(mine, ends, made["value"], levels, fit, parameter)
    print("CRPS of the five stored quantiles, and of split conformal around the same forecast")
    print(crps({"served": ours, "split conformal": static}, levels, came))


def _split(mine: Panel, ends: Ints, point: Array, levels: Sequence[float], fit: Fit, parameter: str) -> list[Array]:
    """[ends, leads, series] quantiles around `point` by split conformal: of what the model missed in the year before it
    was taught no more, told there by the part that was not taught it; on the scale, a station by itself."""
    past = np.arange(TAUGHT - 365 * 24, TAUGHT - PLAN.settings.leads, 7, dtype=np.int64)
    off = truth(mine.values, past, PLAN.settings.leads) - boosting.forecast(mine, past, PLAN.settings, fit)
    middle = onto(point, parameter)
    return [back(middle + np.nanquantile(off, level, axis=0), parameter) for level in levels]


def weather(parameter: str = "pm25", every: str = "1") -> None:
    """Prints MAE at 24 and 72 h with weather ahead, taught it: as it came, and degraded as `forecast_weather` says."""
    read = grids()
    origins = np.arange(TAUGHT, len(read["pm25"]) - PLAN.settings.leads + 1, int(every), dtype=np.int64)
    mine, leads = panel(read, parameter), (24, 72)
    made = naive(mine.values, origins, parameter)
    for name, degraded in (("observed weather ahead", False), ("degraded weather ahead", True)):
        told = with_weather(mine, degraded=degraded)
        fit = taught(told, Shape(leads=leads))
        made[name] = back(boosting.forecast(told, origins, PLAN.settings, fit), parameter)
    print(f"{parameter}: {len(origins)} origins, MAE; goals of PM2.5 {WITH_WEATHER}")
    print(mae(made, truth(read[parameter], origins, PLAN.settings.leads), leads), flush=True)


REPORTS: Mapping[str, Callable[..., None]] = {
    "beijing": beijing,
    "weather": weather,
    "served": served,
    "rivals": rivals,
    "speed": speed,
    "noise": noise,
    "elsewhere": elsewhere,
    "rivers": rivers,
    "soil": soil,
    "m4": m4,
}


def main() -> None:
    """Prints the report that was asked for."""
    with pl.Config(
        tbl_rows=100, tbl_cols=20, fmt_str_lengths=80, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True
    ):
        REPORTS[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
