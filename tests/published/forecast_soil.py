"""How good forecasts of soil moisture are with rain ahead: at stations that were not there when it was learned."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from analytics.forecasting import Array, Panel, Shape, boosting
from analytics.forecasting._panel import Ahead
from analytics.skill import Ints, truth
from tests.published import soil_report
from tests.published.forecast_beijing import PLAN
from tests.published.soil_report import LEADS, LEARN, Site

#: A row is a day: so many ahead, no wave of the day, and a way back to the mean of a month that takes as long.
DAYS = replace(PLAN.settings, leads=max(LEADS), season=1, mean=30, damping=30, fresh=1, least=10)
#: The model of a row a day.
SHAPE = Shape(leads=LEADS, block=28)
#: Parts of the stations, each foretold by what the others taught, and the seed that draws them.
PARTS, SEED = 4, 7
START = datetime(2020, 1, 1, tzinfo=UTC)


def soil(parts: str = str(PARTS)) -> None:
    """Prints MAE [vol-%] on `uscrn`, each part of the stations as the others taught it, and on `kings-creek`, as all of
    them did: the soil staying as it is, the water balance with the probe joined, and what was learned beyond both, all
    with the rain and the evapotranspiration that came."""
    found = soil_report.uscrn()
    balance = _balance(found)
    drawn = np.random.default_rng(SEED).permutation(len(found.moisture)) % int(parts)
    said = np.full((found.moisture.shape[1], max(LEADS), len(drawn)), np.nan)
    for part in range(int(parts)):
        said[:, :, drawn == part] = _said(found, balance, drawn != part, found, balance, drawn == part)
    _print("uscrn", found, balance, said)
    creek = soil_report.kings_creek()
    theirs = _balance(creek)
    every, one = np.ones(len(drawn), dtype=bool), np.ones(1, dtype=bool)
    _print("kings-creek", creek, theirs, _said(found, balance, every, creek, theirs, one))
    print("goals on uscrn 0.42, 0.80, 1.25; on kings-creek never worse than persistence", flush=True)


def _balance(here: Site) -> Array:
    """[days, leads, series] moisture [vol-%] of each day ahead, by the water balance with the rain that comes."""
    made = soil_report.forecasts(here, probe=True)
    out = np.full((here.moisture.shape[1], max(LEADS), len(here.moisture)), np.nan)
    for lead in LEADS:
        # What is foretold at the end of a day is of the origin of the day after it.
        out[1:, lead - 1] = 100 * made["known", lead].T[:-1]
    return out


def _said(taught: Site, balance: Array, learn: Array, asked: Site, theirs: Array, tell: Array) -> Array:
    """[days, leads, series] of the chosen series of `asked`, by what the chosen ones of `taught` teach."""
    fit = boosting.learn(_panel(taught, balance, learn), taught.moisture.shape[1], DAYS, SHAPE)
    assert fit is not None
    days = np.arange(asked.moisture.shape[1], dtype=np.int64)
    return boosting.forecast(_panel(asked, theirs, tell), days, DAYS, fit)


def _panel(here: Site, balance: Array, chosen: Array) -> Panel:
    moisture, rain, et0 = (100 * here.moisture[chosen].T, here.rain[chosen].T, here.et0[chosen].T)
    mine = balance[:, :, chosen]
    ahead: dict[str, Ahead] = {
        "rain": lambda origins: truth(rain, origins, DAYS.leads),
        "et0": lambda origins: truth(et0, origins, DAYS.leads),
        "balance": lambda origins: mine[origins] - _now(moisture, origins),
    }
    places = np.full((moisture.shape[1], 2), np.nan)
    return Panel(START, moisture, places, {"rain": rain, "et0": et0}, ahead, subject=PLAN.subjects["soil_moisture"])


def _now(moisture: Array, origins: Ints) -> Array:
    """[origins, 1, series] the day before each origin."""
    return np.where((origins > 0)[:, None], moisture[np.maximum(origins - 1, 0)], np.nan)[:, None]


def _print(name: str, here: Site, balance: Array, said: Array) -> None:
    moisture = 100 * here.moisture.T
    origins = np.arange(LEARN + 1, len(moisture), dtype=np.int64)
    came, still = truth(moisture, origins, max(LEADS)), np.repeat(_now(moisture, origins), max(LEADS), axis=1)
    made = {"persistence": still, "water balance": balance[origins], boosting.NAME: said[origins]}
    there = np.isfinite(came) & np.all([np.isfinite(grid) for grid in made.values()], axis=0)
    rows = []
    for who, grid in made.items():
        off = np.where(there, np.abs(grid - came), np.nan)
        rows.append({"forecast": who, **{f"{lead} d": round(float(np.nanmean(off[:, lead - 1])), 3) for lead in LEADS}})
    print(f"{name}: {int(there[:, 0].sum())} forecasts a day ahead, MAE [vol-%]")
    print(pl.DataFrame(rows), flush=True)
