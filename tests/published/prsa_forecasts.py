"""Forecasts on `beijing-prsa`: `python -m tests.published.prsa_forecasts` prints what forecasts.toml rests on.

Each column of a grid is a station at one time of issue, with its sixty days before: hundreds of issues at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from analytics import forecasting
from analytics.forecasting import FORECASTERS, NAIVE, Array, Asked, Settings
from tests.conftest import SHARED

PLAN = forecasting.load()
LEADS = (1, 6, 24, 72)
STATIONS = ("Dongsi", "Huairou", "Changping", "Gucheng")
#: the last year of the shared part, its forecasts verified inside it
YEAR = 365 * 24


def read(column: str, stations: Sequence[str] = STATIONS) -> Array:
    """[hours, stations] one column of the files, as the source has it."""
    found = []
    for name in stations:
        (path,) = (SHARED / "data" / "beijing-prsa").glob(f"PRSA_Data_{name}_*.csv.gz")
        frame = pl.read_csv(path, null_values="NA", columns=[column], schema_overrides={column: pl.Float64})
        found.append(frame[column].to_numpy())
    return np.stack(found, axis=1)


def windows(values: Array, every: int, settings: Settings = PLAN.settings) -> tuple[Array, Array]:
    """[history, columns] and [leads, columns]: what is known at each time of issue, and what came."""
    ends = range(settings.history, len(values) - settings.leads + 1, every)
    known = np.concatenate([values[end - settings.history : end] for end in ends], axis=1)
    came = np.concatenate([values[end : end + settings.leads] for end in ends], axis=1)
    return known, came


def issue(known: Array, parameter: str, settings: Settings = PLAN.settings) -> Mapping[str, Array]:
    """[leads, columns] `value`, `low` and `high` of every column, NaN where nothing was issued."""
    subject = PLAN.subjects[parameter]
    out = {name: np.full((settings.leads, known.shape[1]), np.nan) for name in ("value", "low", "high")}
    for start in range(0, known.shape[1], 100):
        some = known[:, start : start + 100]
        asked = [Asked(start + number, subject, subject.models) for number in range(some.shape[1])]
        made = forecasting.issue(some, asked, settings)
        for name, grid in out.items():
            grid[:, made["series"].to_numpy()] = np.array(made[name].to_list()).T
    return out


def apart(known: Array, parameter: str, name: str, settings: Settings = PLAN.settings) -> Array:
    """[leads, columns] what one forecaster says by itself."""
    subjects = [PLAN.subjects[parameter]] * known.shape[1]
    grid = forecasting.onto(known, subjects)
    made = FORECASTERS[name](grid, np.array([len(known)]), settings)[-1]
    return forecasting.back(np.asarray(made), subjects)


def errors(made: Mapping[str, Array], came: Array) -> pl.DataFrame:
    """MAE [unit] at LEADS, a row a forecast, over the rows that all of them have."""
    shared = np.isfinite(came) & np.all([np.isfinite(values) for values in made.values()], axis=0)
    rows = []
    for name, values in made.items():
        off = np.where(shared, np.abs(values - came), np.nan)
        rows.append({"forecast": name, **{f"{lead} h": float(np.nanmean(off[lead - 1])) for lead in LEADS}})
    return pl.DataFrame(rows).with_columns(pl.exclude("forecast").round(2))


def coverage(made: Mapping[str, Array], came: Array, settings: Settings = PLAN.settings) -> dict[str, float]:
    """Share of the truth inside the band, by group of leads; and its mean width [unit]."""
    there = np.isfinite(came) & np.isfinite(made["low"])
    inside = (made["low"] <= came) & (came <= made["high"])
    out, start = {}, 0
    for stop in settings.groups:
        rows = slice(start, stop)
        out[f"{start + 1}-{stop} h"] = round(float(inside[rows][there[rows]].mean()), 3)
        start = stop
    return {**out, "width": round(float((made["high"] - made["low"])[there].mean()), 1)}


def naive_variants(known: Array, came: Array) -> pl.DataFrame:
    """MAE of damped persistence on PM2.5 with other settings."""
    changed = {
        f"damping {hours} h, mean {mean} h": replace(PLAN.settings, damping=hours, mean=mean)
        for mean in (336, 720)
        for hours in (24, 36, 48)
    }
    made = {label: apart(known, "pm25", "damped-persistence", settings) for label, settings in changed.items()}
    return errors(made, came)


def fitted_variants(known: Array, came: Array, parameter: str) -> pl.DataFrame:
    """MAE of the harmonic model with other settings."""
    forms = ((1, 3), (2, 3), (3, 3), (1, 1), (1, 2))
    changed = {
        f"order {order}, harmonics {count}": replace(PLAN.settings, order=order, harmonics=count)
        for order, count in forms
    }
    made = {label: apart(known, parameter, "harmonic", settings) for label, settings in changed.items()}
    return errors(made, came)


def band_variants(known: Array, came: Array) -> pl.DataFrame:
    """Coverage of the band of PM2.5 with other settings."""
    changed = {
        f"step {step} h, rate {rate}": replace(PLAN.settings, step=step, rate=rate)
        for step in (6, 12)
        for rate in (0.0, 0.01, 0.05)
    }
    rows = ({"band": label, **coverage(issue(known, "pm25", new), came, new)} for label, new in changed.items())
    return pl.DataFrame(list(rows))


def report() -> dict[str, pl.DataFrame]:
    """Tables by title: MAE of each forecaster and of what the gate serves, coverage of the band, and variants."""
    tables, bands = {}, []
    for column, parameter in (("PM2.5", "pm25"), ("O3", "o3"), ("NO2", "no2"), ("TEMP", "air_temperature")):
        known, came = windows(read(column)[-YEAR:], every=71)
        served = issue(known, parameter)
        made = {name: apart(known, parameter, name) for name in (*NAIVE, *PLAN.subjects[parameter].models)}
        tables[f"{column}: MAE, {known.shape[1]} issues"] = errors({**made, "served": served["value"]}, came)
        bands.append({"parameter": column, **coverage(served, came)})
        if column == "PM2.5":
            tables["PM2.5: damped persistence"] = naive_variants(known, came)
            tables["PM2.5: the band, half of the issues"] = band_variants(known[:, ::2], came[:, ::2])
        if column in ("PM2.5", "O3"):
            tables[f"{column}: harmonic"] = fitted_variants(known, came, parameter)
    return {**tables, "coverage of the 80 % band": pl.DataFrame(bands)}


if __name__ == "__main__":
    with pl.Config(tbl_rows=100, fmt_str_lengths=80, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        for title, rows in report().items():
            print(title, rows, sep="\n")
