"""How good forecasts of water levels are on three published rivers, against the level staying as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from analytics.forecasting import Array, Panel, boosting
from tests.conftest import SHARED
from tests.published.forecast_beijing import PLAN
from tests.published.forecast_elsewhere import YEAR, issue_times, report

DATA = SHARED / "data"
PARAMETER = "water_level"


@dataclass(frozen=True)
class River:
    """Hours [hours, stations] of levels from `start` on, and what is measured beside them."""

    start: datetime
    levels: Array
    beside: Mapping[str, Array] = field(default_factory=dict)


def rivers(every: str = "35") -> None:
    """Prints MAE and coverage of what is issued of the last year, by the gate and in the band; taught two years before.

    Two sets have flow, not level: its root stands for the level, as over a weir of a triangle, so errors are in roots
    of the unit of flow. A month of the third is too short for a gate and a fit: what is served untested is shown.
    """
    for name, river in {"lamprey-river": lamprey(), "airgr-hourly-basin": basin()}.items():
        rows = len(river.levels) - 3 * YEAR
        some = River(
            river.start + timedelta(hours=rows),
            river.levels[rows:],
            {key: grid[rows:] for key, grid in river.beside.items()},
        )
        mine = Panel(some.start, some.levels, np.full((1, 2), np.nan), some.beside, subject=PLAN.subjects[PARAMETER])
        fit = boosting.learn(mine, 2 * YEAR, PLAN.settings)
        assert fit is not None
        first = 2 * YEAR - PLAN.settings.backtest
        said = np.full((len(some.levels), PLAN.settings.leads), np.nan)
        asked = np.arange(first, len(said), dtype=np.int64)
        said[first:] = boosting.forecast(mine, asked, PLAN.settings, fit)[:, :, 0]
        print(name)
        report(some.levels, PARAMETER, issue_times(some.levels, int(every), 2 * YEAR), {boosting.NAME: said})
    valley = calder()
    for station, column in zip(STATIONS, valley.T, strict=True):
        # Nothing is known before the month: a history of gaps.
        longer = np.concatenate([np.full(PLAN.settings.history, np.nan), column])[:, None]
        print("calder-valley", station)
        report(longer, PARAMETER, issue_times(longer, 7, PLAN.settings.history + 48), {})


def lamprey() -> River:
    """The roots of 13 years of flow."""
    read = pl.read_parquet(DATA / "lamprey-river" / "lamprey_discharge_15min_1999_2012.parquet")
    hours = _hours(read.select(time="DATE", value="DISCHARGE"))
    return River(hours["time"][0].replace(tzinfo=UTC), np.sqrt(hours["value"].to_numpy())[:, None])


def basin() -> River:
    """The roots of four years of flow, and rain and evapotranspiration beside them."""
    read = pl.read_csv(DATA / "airgr-hourly-basin" / "L0123003_hourly_2004_2007.csv.gz", infer_schema_length=None)
    start = datetime.fromisoformat(read["DatesR"][0]).replace(tzinfo=UTC)
    level = np.sqrt(read["Qls"].to_numpy())[:, None]
    return River(start, level, {"rain": read["P"].to_numpy()[:, None], "et0": read["E"].to_numpy()[:, None]})


STATIONS = ("Todmorden-Callis-Bridge", "Nutclough", "Hebden-Bridge", "Mytholmroyd", "Mytholmroyd-Dauber-Bridge")


def calder() -> Array:
    """[hours, STATIONS] a month of levels [mm]."""
    columns = []
    for station in STATIONS:
        read = pl.read_csv(DATA / "calder-valley" / f"{station}-level-15min-Qualified.csv.gz", infer_schema_length=None)
        times = pl.col("dateTime").str.to_datetime()
        columns.append(_hours(read.select(time=times, value=pl.col("value").cast(pl.Float64, strict=False))))
    wide = columns[0].select("time")
    for number, hours in enumerate(columns):
        wide = wide.join(hours.rename({"value": str(number)}), on="time", how="left")
    return 1000 * wide.sort("time").drop("time").to_numpy()


def _hours(read: pl.DataFrame) -> pl.DataFrame:
    """Means of the hours, gaps where there is nothing."""
    means = read.sort("time").group_by_dynamic("time", every="1h").agg(pl.col("value").cast(pl.Float64).mean())
    return means.upsample("time", every="1h")
