"""How often the truth lies in the band, of made-up series and of real ones."""

import numpy as np
import polars as pl
import pytest

from analytics.forecasting import NAIVE, Subject
from tests.conftest import SHARED, needs_shared
from tests.forecasting.histories import issue, noisy
from tests.published import prsa_forecasts


def test_made_up_series_are_covered_as_promised() -> None:
    """200 series whose errors keep 0.9 of themselves: the truth lies in the band 80 % of the time."""
    truth = noisy(1440 + 72, 200, noise=2, seed=12)
    found = issue(truth[:1440], Subject("made_up"))
    low, high = (np.array([found[number][end] for number in range(200)]).T for end in ("low", "high"))
    inside = (low <= truth[1440:]) & (truth[1440:] <= high)
    for rows in (slice(0, 6), slice(6, 24), slice(24, 72)):
        assert 0.74 < inside[rows].mean() < 0.88
    low, high = (np.array([found[number][end] for number in range(200)]).T for end in ("wide_low", "wide_high"))
    assert 0.925 < ((low <= truth[1440:]) & (truth[1440:] <= high)).mean() < 0.98


@needs_shared
def test_pm25_of_beijing_is_covered() -> None:
    """Two stations, a year, every sixth day: nominal 80 %."""
    known, came = prsa_forecasts.windows(prsa_forecasts.read("PM2.5", ("Dongsi", "Huairou"))[-365 * 24 :], every=149)
    made = prsa_forecasts.issue(known, "pm25")
    assert np.isfinite(made["value"]).mean() > 0.95
    for share in (prsa_forecasts.coverage(made, came)[group] for group in ("1-6 h", "7-24 h", "25-72 h")):
        assert 0.72 < share < 0.88


@needs_shared
@pytest.mark.parametrize(
    ("column", "parameter"),
    [("vwc_5cm", "soil_moisture"), ("vwc_40cm", "soil_moisture"), ("soiltemp_5cm", "soil_temperature")],
)
def test_soil_of_kings_creek_is_covered(column: str, parameter: str) -> None:
    """Rain comes unannounced: days ahead the band of soil moisture is a little too narrow, hours ahead too wide."""
    path = SHARED / "data" / "kings-creek" / "kings_creek_2022-01_2023-06_hourly.csv.gz"
    values = pl.read_csv(path, columns=[column], schema_overrides={column: pl.Float64}).to_numpy()
    known, came = prsa_forecasts.windows(values, every=149)
    made = prsa_forecasts.issue(known, parameter)
    found = prsa_forecasts.coverage(made, came)
    assert 0.76 < found["1-6 h"] < 0.96
    assert 0.70 < found["7-24 h"] < 0.90
    assert 0.68 < found["25-72 h"] < 0.86


@needs_shared
def test_the_gate_serves_ozone_better_than_any_naive_forecast() -> None:
    known, came = prsa_forecasts.windows(prsa_forecasts.read("O3", ("Dongsi",))[-365 * 24 :], every=97)
    served = prsa_forecasts.issue(known, "o3")["value"]
    made = {name: prsa_forecasts.apart(known, "o3", name) for name in NAIVE} | {"served": served}
    shared = np.isfinite(came) & np.all([np.isfinite(values) for values in made.values()], axis=0)
    off = {name: np.abs(values - came)[shared].mean() for name, values in made.items()}
    assert off["served"] < 0.95 * min(off[name] for name in NAIVE)
