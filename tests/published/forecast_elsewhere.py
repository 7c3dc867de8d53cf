"""How good forecasts are on other series than Beijing's air: a competition's, noise, water and soil."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl

from analytics import forecasting
from analytics.forecasting import Array, Asked, Panel, Shape, boosting
from analytics.skill import Ints, truth
from tests.conftest import SHARED
from tests.published.forecast_beijing import BANDS, LEADS, PLAN, START, back, coverage, mae, naive, onto

#: Hours.
YEAR = 365 * 24


def m4() -> None:
    """Prints sMAPE, MASE and OWA of naive forecasts (to check the scorer) and of the model, on H1-H207."""
    folder = SHARED / "data" / "m4-hourly"
    known = [row[~np.isnan(row)] for row in _rows(folder / "Hourly-train.csv.gz")]
    came = np.stack(_rows(folder / "Hourly-test_H1-H207.csv.gz"))
    horizon, count = came.shape[1], len(came)
    scale = np.array([np.abs(row[24:] - row[:-24]).mean() for row in known])
    said = {
        "naive": np.stack([np.repeat(row[-1], horizon) for row in known]),
        "seasonal-naive": np.stack([np.resize(row[-24:], horizon) for row in known]),
        "naive 2": np.stack([_naive2(row, horizon) for row in known]),
    }
    longest = max(map(len, known))
    values = np.full((longest, len(known)), np.nan)
    for number, row in enumerate(known):
        values[longest - len(row) :, number] = (row - row.mean()) / max(scale[number], 1e-9)
    settings = replace(PLAN.settings, leads=horizon)
    mine = Panel(START, values, np.full((len(known), 2), np.nan))
    shape = Shape(leads=tuple(range(1, horizon + 1)), rows=60_000, block=168)
    fit = boosting.learn(mine, longest, settings, shape)
    assert fit is not None
    made = boosting.forecast(mine, np.array([longest]), settings, fit)[0].T
    middle = np.array([row.mean() for row in known])
    said[boosting.NAME] = made * np.maximum(scale, 1e-9)[:, None] + middle[:, None]
    rows = []
    for name, all_of_it in said.items():
        some = all_of_it[:count]
        smape = (200 * np.abs(came - some) / (np.abs(came) + np.abs(some))).mean()
        rows.append(
            {"forecast": name, "sMAPE": smape, "MASE": (np.abs(came - some).mean(axis=1) / scale[:count]).mean()}
        )
    table = pl.DataFrame(rows)
    bar = table.filter(forecast="naive 2")
    owa = (pl.col("sMAPE") / bar["sMAPE"][0] + pl.col("MASE") / bar["MASE"][0]) / 2
    print(table.with_columns(owa.alias("OWA")).with_columns(pl.exclude("forecast").round(3)))
    print("published on H1-H207: seasonal naive 11.555 / 1.032, naive 44.339 / 7.135; goal: OWA 0.50")


def _rows(path: Path) -> list[Array]:
    frame = pl.read_csv(path, infer_schema_length=None).drop("V1")
    return list(frame.cast(pl.Float64).to_numpy())


def _naive2(values: Array, horizon: int, season: int = 24) -> Array:
    """The benchmark of the competition: naive of what is left without the season, where there is one."""
    from statsmodels.tsa.seasonal import seasonal_decompose  # type: ignore[import-untyped]
    from statsmodels.tsa.stattools import acf  # type: ignore[import-untyped]

    kept = acf(values, nlags=season, fft=False)
    limit = 1.645 * np.sqrt((1 + 2 * (kept[1:season] ** 2).sum()) / len(values))
    if abs(kept[season]) <= limit:
        return np.repeat(values[-1], horizon)
    seasonal = seasonal_decompose(values, model="multiplicative", period=season).seasonal
    ahead = np.resize(seasonal[len(values) - season :], horizon)
    return np.asarray(values[-1] / seasonal[-1] * ahead)


def noise() -> None:
    """Prints MAE of LAeq in 2022 at one place of Barcelona, taught the two years before; goal: 0.90 dB at 24 h."""
    values, taught = _laeq().to_numpy()[-3 * YEAR :, None], 2 * YEAR
    start = datetime(2023, 1, 1, tzinfo=timezone(timedelta(hours=1))) - timedelta(hours=len(values))
    days = (start, start + timedelta(hours=len(values) + PLAN.settings.leads))
    free = forecasting.free("ES", *(day.date() for day in days))
    mine = Panel(start, values, np.full((1, 2), np.nan), free=free)
    fit = boosting.learn(mine, taught, PLAN.settings)
    assert fit is not None
    origins = np.arange(taught, len(values) - PLAN.settings.leads + 1, dtype=np.int64)
    said = boosting.forecast(mine, origins, PLAN.settings, fit)
    print(mae({**naive(values, origins, "laeq"), boosting.NAME: said}, truth(values, origins, PLAN.settings.leads)))


def _laeq() -> pl.Series:
    """[dB] by the hour; what its author filled in is a gap."""
    found = pl.read_parquet(SHARED / "data" / "noise-barcelona" / "sensor_496_hourly_2015-12_2022.parquet")
    measured = pl.when(pl.col("filled_by_author").not_()).then("laeq_1h_db")
    return found.select(measured).to_series().cast(pl.Float64)


def elsewhere(every: int = 35) -> None:
    """Prints MAE and coverage of what is issued for noise, water and soil, now and then in the newest three years."""
    data = SHARED / "data"
    probe = pl.read_parquet(data / "swmp-apalachicola" / "apacpwq.parquet")
    hours = (
        probe.with_columns(pl.when(pl.col("f_do_mgl").str.starts_with("<-")).then(None).otherwise("do_mgl").alias("x"))
        .sort("datetimestamp")
        .group_by_dynamic("datetimestamp", every="1h")
        .agg(pl.col("x").mean())
        .upsample("datetimestamp", every="1h")
    )
    soil = pl.read_csv(
        data / "kings-creek" / "kings_creek_2022-01_2023-06_hourly.csv.gz",
        columns=["vwc_5cm"],
        schema_overrides={"vwc_5cm": pl.Float64},
    )
    series = {
        "laeq": _laeq(),
        "dissolved_oxygen": hours["x"],
        "soil_moisture": soil["vwc_5cm"],
    }
    for parameter, column in series.items():
        values = column.cast(pl.Float64).to_numpy()[-YEAR * 3 :, None]
        report(values, parameter, issue_times(values, every), {})


def issue_times(values: Array, every: int, first: int = 0) -> Ints:
    """Rows of issue of a series [hours, 1] from `first` on, every so many hours."""
    settings = PLAN.settings
    return np.arange(max(settings.history, first), len(values) - settings.leads + 1, every, dtype=np.int64)


def report(values: Array, parameter: str, ends: Ints, learned: Mapping[str, Array]) -> None:
    """Prints MAE of what is issued for a series [hours, 1] at the rows `ends`, and how its bands cover.

    `learned` is what models that were taught before say on the scale of the series at every hour: [hours, leads].
    """
    settings, subject = PLAN.settings, PLAN.subjects[parameter]
    made = {name: np.full((len(ends), settings.leads, 1), np.nan) for name in BANDS}
    tested = forecasting.origins(settings) - settings.history
    for first in range(0, len(ends), 100):
        some = ends[first : first + 100]
        known = np.concatenate([values[end - settings.history : end] for end in some], axis=1)
        asked = [
            Asked(number, subject, tuple(dict.fromkeys([*subject.models, *learned]))) for number in range(len(some))
        ]
        told = {name: np.stack([said[end + tested] for end in some], axis=-1) for name, said in learned.items()}
        issues = forecasting.issue(known, asked, settings, told)
        for name, grid in made.items():
            grid[first + issues["series"].to_numpy(), :, 0] = np.array(issues[name].to_list(), dtype=np.float64)
    came = truth(values, ends, settings.leads)
    models = {name: back(said[ends][:, :, None], parameter) for name, said in learned.items()}
    rows = mae({**naive(onto(values, parameter), ends, parameter), **models, "served": made["value"]}, came)
    still, own = (rows.filter(forecast=name) for name in ("persistence", "served"))
    print(f"{parameter}: {len(ends)} times of issue, MAE")
    print(rows)
    # Of moisture in shares the first hours are 0.00, and say nothing.
    better = {
        lead: round(100 * float(1 - own[name][0] / still[name][0]), 1)
        for lead in LEADS
        if still[name := f"{lead} h"][0]
    }
    print("better than persistence [%]", better)
    # Twelve parts of the time stand for months.
    parts = [f"part {12 * number // len(ends) + 1:2}" for number in range(len(ends))]
    for low, high, level in (("low", "high", settings.level), ("wide_low", "wide_high", settings.wide)):
        found = coverage(made[low], made[high], came, parts)
        worst = found.filter(pl.col("month") != "all").select(pl.exclude("month").min())
        print(f"coverage of the band of {level:.0%}: all of it, and the worst twelfth of the time")
        print(pl.concat([found.filter(month="all").drop("month"), worst]), flush=True)
