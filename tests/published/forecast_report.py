"""How good forecasts are on published series: `python -m tests.published.forecast_report NAME`, by hand. Names are:

`beijing`: the model of a parameter over all stations, taught to 2016-02, scored at every hour after it that is shared.
`served PARAMETER`: what is issued there, with the gate and the bands, and how the bands cover by month.
`noise`: the model at one place, of two years.
`elsewhere`: what is issued for noise, water and soil before anything is learned of them, and how the bands cover.
`m4`: H1-H207 of the hourly series of the M4 competition, each scaled by itself, without any column beside.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl

from analytics import forecasting
from analytics.forecasting import FORECASTERS, NAIVE, Array, Asked, Panel, Shape, boosting
from analytics.skill import Ints, truth
from tests.conftest import SHARED
from tests.years import PLACES

PLAN = forecasting.load()
LEADS = (1, 2, 3, 6, 12, 24, 48, 72)
BANDS = ("value", "low", "high", "wide_low", "wide_high")
PARAMETERS = {"pm25": "PM2.5", "pm10": "PM10", "no2": "NO2", "o3": "O3", "so2": "SO2", "co": "CO"}
WEATHER = {"air_temperature": "TEMP", "air_pressure": "PRES", "dew_point": "DEWP", "rain": "RAIN"}
POINTS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")
START = datetime(2013, 3, 1, tzinfo=timezone(timedelta(hours=8)))
#: The first hour of 2016-03; the model is taught the rows before.
TAUGHT = 26_304
#: What issue 8 asks of PM2.5 without weather ahead [ug/m3].
GOALS = {1: 7.3, 6: 20.5, 24: 37.5, 72: 44.5}


def grids() -> dict[str, Array]:
    """[hours, stations] by parameter, as the files have them; NaN after the last shared row of a station."""
    found: dict[str, list[Array]] = {}
    for name in PLACES:
        (path,) = (SHARED / "data" / "beijing-prsa").glob(f"PRSA_Data_{name}_*.csv.gz")
        frame = pl.read_csv(path, null_values="NA", infer_schema_length=None)
        turn = np.deg2rad(frame["wd"].replace_strict({p: 22.5 * n for n, p in enumerate(POINTS)}).to_numpy())
        speed = frame["WSPM"].cast(pl.Float64).to_numpy()
        columns = {key: frame[column].cast(pl.Float64).to_numpy() for key, column in {**PARAMETERS, **WEATHER}.items()}
        columns |= {"wind_east": -speed * np.sin(turn), "wind_north": -speed * np.cos(turn), "wind_speed": speed}
        for key, values in columns.items():
            found.setdefault(key, []).append(values)
    longest = max(len(values) for values in found["pm25"])
    return {
        key: np.stack([np.pad(values, (0, longest - len(values)), constant_values=np.nan) for values in parts], axis=1)
        for key, parts in found.items()
    }


def places() -> Array:
    """[stations, 2] east and north [km]."""
    degrees = np.array(list(PLACES.values()))
    return np.asarray((degrees - degrees.mean(axis=0)) * [111.32 * np.cos(np.deg2rad(40)), 111.32])


def panel(read: Mapping[str, Array], parameter: str) -> Panel:
    """The panel of one parameter: what it is, its neighbours, the other pollutants and the weather so far."""
    beside = {
        name: _onto(values, name) if name in PLAN.subjects else values
        for name, values in read.items()
        if name != parameter
    }
    return Panel(START, _onto(read[parameter], parameter), places(), beside, subject=PLAN.subjects[parameter])


def _onto(values: Array, parameter: str) -> Array:
    return forecasting.onto(values, [PLAN.subjects[parameter]] * values.shape[1])


def _back(values: Array, parameter: str) -> Array:
    return forecasting.back(values, [PLAN.subjects[parameter]] * values.shape[-1])


def mae(made: Mapping[str, Array], came: Array, leads: tuple[int, ...] = LEADS) -> pl.DataFrame:
    """MAE [unit], a row a forecast, over the rows that all of them have."""
    shared = np.isfinite(came) & np.all([np.isfinite(values) for values in made.values()], axis=0)
    rows = []
    for name, values in made.items():
        off = np.where(shared, np.abs(values - came), np.nan)
        rows.append({"forecast": name, **{f"{lead} h": float(np.nanmean(off[:, lead - 1])) for lead in leads}})
    return pl.DataFrame(rows).with_columns(pl.exclude("forecast").round(2))


def naive(values: Array, origins: Ints, parameter: str) -> dict[str, Array]:
    """What naive forecasters say, in units."""
    return {name: _back(FORECASTERS[name](values, origins, PLAN.settings), parameter) for name in NAIVE}


def beijing(*parameters: str) -> None:
    """Prints MAE by lead, and how much better than the best naive forecast."""
    read = grids()
    origins = np.arange(TAUGHT, len(read["pm25"]) - PLAN.settings.leads + 1, dtype=np.int64)
    for parameter in parameters or ("pm25", "o3", "no2", "pm10"):
        mine, began = panel(read, parameter), time.perf_counter()
        fit = boosting.learn(mine, TAUGHT, PLAN.settings)
        assert fit is not None
        learned = time.perf_counter()
        said = _back(boosting.forecast(mine, origins, PLAN.settings, fit), parameter)
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
            f" {learned - began:.0f} s, trust {fit.trust.tolist()}, {len(boosting.pack(fit)) / 1e6:.1f} MB,"
            f" forecast of {said[:, 0].size} in {spent:.0f} s\n",
            flush=True,
        )


def served(parameter: str = "pm25", every: str = "17") -> None:
    """Prints MAE of what is issued, by the gate and in the band, every so many hours; its coverage, and by month."""
    read, settings, asked = grids(), PLAN.settings, PLAN.subjects[parameter]
    values, mine = read[parameter], panel(read, parameter)
    fit = boosting.learn(mine, TAUGHT, settings)
    assert fit is not None
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
    print(_worst(made["value"], bar, came))
    print(
        "who was served",
        {lead: {name: models[lead, name] for _, name in sorted(models) if _ == lead} for lead in LEADS},
    )
    months = [f"{START + timedelta(hours=int(end)):%Y-%m}" for end in ends]
    for low, high, level in (("low", "high", settings.level), ("wide_low", "wide_high", settings.wide)):
        print(f"coverage of the band of {level:.0%}")
        print(coverage(made[low], made[high], came, months))


def coverage(low: Array, high: Array, came: Array, months: Sequence[str]) -> pl.DataFrame:
    """Share of the truth inside a band [origins, leads, series]: all of it, and by month; a row each."""
    inside = np.where(np.isfinite(came) & np.isfinite(low), (low <= came) & (came <= high), np.nan)
    rows = []
    for name in ("all", *sorted(set(months))):
        some = inside[[name in ("all", month) for month in months]]
        rows.append({"month": name, **{f"{lead} h": round(float(np.nanmean(some[:, lead - 1])), 3) for lead in LEADS}})
    return pl.DataFrame(rows)


def _worst(made: Array, bar: Mapping[str, Array], came: Array) -> str:
    """How much worse than the best naive one it was at most, of any series and lead."""
    shared = np.isfinite(came) & np.isfinite(made) & np.all([np.isfinite(values) for values in bar.values()], axis=0)
    heard = shared.any(axis=(0, 1))

    def error(values: Array) -> Array:
        return np.asarray(np.where(shared, np.abs(values - came), np.nan)[:, :, heard])

    best = np.min([np.nanmean(error(values), axis=0) for values in bar.values()], axis=0)
    ratio = np.nanmean(error(made), axis=0) / best
    return f"of any series and lead: at most {100 * (ratio.max() - 1):.1f} % worse than the best naive one"


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
    values, taught = _laeq().to_numpy()[-3 * 365 * 24 :, None], 2 * 365 * 24
    start = datetime(2023, 1, 1, tzinfo=timezone(timedelta(hours=1))) - timedelta(hours=len(values))
    mine = Panel(start, values, np.full((1, 2), np.nan))
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
    settings = PLAN.settings
    for parameter, column in series.items():
        values = column.cast(pl.Float64).to_numpy()[-3 * 365 * 24 :, None]
        subject = PLAN.subjects[parameter]
        ends = np.arange(settings.history, len(values) - settings.leads + 1, every, dtype=np.int64)
        made = {name: np.full((len(ends), settings.leads, 1), np.nan) for name in BANDS}
        for first in range(0, len(ends), 100):
            some = ends[first : first + 100]
            known = np.concatenate([values[end - settings.history : end] for end in some], axis=1)
            asked = [Asked(number, subject, subject.models) for number in range(len(some))]
            issues = forecasting.issue(known, asked, settings)
            for name, grid in made.items():
                grid[first + issues["series"].to_numpy(), :, 0] = np.array(issues[name].to_list(), dtype=np.float64)
        came = truth(values, ends, settings.leads)
        print(f"{parameter}: {len(ends)} times of issue, MAE")
        print(mae({**naive(_onto(values, parameter), ends, parameter), "served": made["value"]}, came))
        # Twelve parts of the time stand for months.
        parts = [f"part {12 * number // len(ends) + 1:2}" for number in range(len(ends))]
        for low, high, level in (("low", "high", settings.level), ("wide_low", "wide_high", settings.wide)):
            found = coverage(made[low], made[high], came, parts)
            worst = found.filter(pl.col("month") != "all").select(pl.exclude("month").min())
            print(f"coverage of the band of {level:.0%}: all of it, and the worst twelfth of the time")
            print(pl.concat([found.filter(month="all").drop("month"), worst]), flush=True)


REPORTS: Mapping[str, Callable[..., None]] = {
    "beijing": beijing,
    "served": served,
    "noise": noise,
    "elsewhere": elsewhere,
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
