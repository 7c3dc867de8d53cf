"""The twelve stations of Beijing as grids and panels, models taught on them to 2016-02, and how far off they are."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl

from analytics import forecasting
from analytics.forecasting import FORECASTERS, NAIVE, Array, Fit, Panel, Shape, boosting
from analytics.skill import Ints
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
        name: onto(values, name) if name in PLAN.subjects else values
        for name, values in read.items()
        if name != parameter
    }
    days = (START, START + timedelta(hours=len(read[parameter]) + PLAN.settings.leads))
    free = forecasting.free(PLAN.settings.calendar, *(day.date() for day in days))
    values = onto(read[parameter], parameter)
    return Panel(START, values, places(), beside, free=free, subject=PLAN.subjects[parameter])


def onto(values: Array, parameter: str) -> Array:
    return forecasting.onto(values, [PLAN.subjects[parameter]] * values.shape[-1])


def back(values: Array, parameter: str) -> Array:
    return forecasting.back(values, [PLAN.subjects[parameter]] * values.shape[-1])


def taught(mine: Panel, shape: Shape | None = None) -> Fit:
    """The model of a panel taught to 2016-02. Kept among temporary files under the code and what it was taught: fits of
    other code are never read."""
    shape = shape or Shape()
    said = hashlib.sha256(repr((shape, mine.subject, sorted(mine.beside), sorted(mine.ahead))).encode())
    # Weather ahead is said by functions, of which `shape` and the panel say nothing.
    mine_and_ahead = (Path(__file__), Path(__file__).with_name("forecast_weather.py"))
    for path in sorted([*Path(forecasting.__file__).parent.rglob("*.py"), *mine_and_ahead]):
        said.update(path.read_bytes())
    kept = Path(tempfile.gettempdir()) / f"greenwatch-{said.hexdigest()[:16]}.fit"
    if not kept.exists():
        fit = boosting.learn(mine, TAUGHT, PLAN.settings, shape)
        assert fit is not None
        kept.write_bytes(boosting.pack(fit))
    return boosting.unpack(kept.read_bytes())


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
    return {name: back(FORECASTERS[name](values, origins, PLAN.settings), parameter) for name in NAIVE}


def coverage(low: Array, high: Array, came: Array, months: Sequence[str]) -> pl.DataFrame:
    """Share of the truth inside a band [origins, leads, series]: all of it, and by month; a row each."""
    inside = np.where(np.isfinite(came) & np.isfinite(low), (low <= came) & (came <= high), np.nan)
    rows = []
    for name in ("all", *sorted(set(months))):
        some = inside[[name in ("all", month) for month in months]]
        rows.append({"month": name, **{f"{lead} h": round(float(np.nanmean(some[:, lead - 1])), 3) for lead in LEADS}})
    return pl.DataFrame(rows)


def worst(made: Array, bar: Mapping[str, Array], came: Array) -> str:
    """How much worse than the best naive one it was at most, of any series and lead."""
    shared = np.isfinite(came) & np.isfinite(made) & np.all([np.isfinite(values) for values in bar.values()], axis=0)
    heard = shared.any(axis=(0, 1))

    def error(values: Array) -> Array:
        return np.asarray(np.where(shared, np.abs(values - came), np.nan)[:, :, heard])

    best = np.min([np.nanmean(error(values), axis=0) for values in bar.values()], axis=0)
    ratio = np.nanmean(error(made), axis=0) / best
    return f"of any series and lead: at most {100 * (ratio.max() - 1):.1f} % worse than the best naive one"


def crps(made: Mapping[str, Sequence[Array]], levels: Sequence[float], came: Array) -> pl.DataFrame:
    """Continuous ranked probability score [unit], a row a forecast, over the rows that all of them have.

    `made` has a grid a level: between the quantiles the distribution is taken as straight, beyond the outer ones there
    is nothing. The score is twice the mean quantile loss (Gneiting and Raftery 2007, section 4.2) over 100 levels.
    """
    shared = np.isfinite(came) & np.all([np.isfinite(grid) for grids in made.values() for grid in grids], axis=0)
    rows = []
    for name, grids_ in made.items():
        row: dict[str, str | float] = {"forecast": name}
        for lead in LEADS:
            here = shared[:, lead - 1]
            known = np.maximum.accumulate([grid[:, lead - 1][here] for grid in grids_], axis=0)
            true, lost = came[:, lead - 1][here], 0.0
            for level in np.arange(0.005, 1, 0.01):
                right = int(np.clip(np.searchsorted(levels, level), 1, len(levels) - 1))
                low, high = levels[right - 1], levels[right]
                share = np.clip((level - low) / (high - low), 0, 1)
                off = true - (known[right - 1] * (1 - share) + known[right] * share)
                lost += float(np.maximum(level * off, (level - 1) * off).mean()) / 100
            row[f"{lead} h"] = round(2 * lost, 2)
        rows.append(row)
    return pl.DataFrame(rows)
