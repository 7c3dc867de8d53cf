"""What is claimed of water saved and of moisture foretold, on a part of the published data that is quick to judge."""

import numpy as np
import polars as pl
import pytest

from analytics import crops, irrigation
from tests.conftest import needs_shared
from tests.published import soil_report, watering_report


@needs_shared
def test_a_dry_year_takes_less_water_than_a_schedule_and_little_more_than_foresight_would() -> None:
    years, zones = watering_report.tunis(), watering_report.park(2)
    rules = crops.load().rules["plan"]
    past = [years[year] for year in (1992, 1996, 2000)]
    allowed = np.sum([watering_report.ours(zones, year, 7, rules).stress for year in past], axis=0)
    weekly = watering_report.usual(past)
    scale = watering_report.scaled(zones, past, weekly, allowed)
    ours = watering_report.ours(zones, years[1997], 11, rules)
    rival = watering_report.fixed(zones, years[1997], weekly, scale)
    best = watering_report.foreseen(zones, years[1997])
    assert best.water.mean() <= ours.water.mean() < 1.1 * best.water.mean()
    assert ours.water.mean() < 0.8 * rival.water.mean()
    assert ours.stress.mean() <= rival.stress.mean()


@needs_shared
def test_moisture_is_foretold_better_than_by_persistence_and_by_the_balance_alone() -> None:
    found = pl.DataFrame(soil_report.moisture_table("kings-creek", soil_report.kings_creek()))
    assert found.height == 6
    assert (found["joined"] < found["alone"]).all()
    assert (found["joined"] < found["persistence"]).all()


@needs_shared
def test_the_next_measurement_of_a_neutron_probe_is_foretold() -> None:
    whole = soil_report.neutron_table()[-1]
    assert whole["joined"] < 10.0
    assert whole["stress right"] >= 0.88
    assert whole["measurements"] == pytest.approx(84)


@needs_shared
@pytest.mark.parametrize("root", [0.1, 0.3, 0.5])
def test_nobody_is_seen_to_water_a_prairie(root: float) -> None:
    """Of 18 months of grass at Kings Creek that nobody waters; the rules were chosen on the same months."""
    hours = soil_report.prairie(root)
    roots = hours.select("zone", root=pl.lit(root)).unique()
    rises = irrigation.watered(
        hours.with_columns(rain=pl.lit(0.0), lowest=pl.lit(None, pl.Float64)), roots, soil_report.RULES
    )
    seen = irrigation.watered(hours, roots, soil_report.RULES)
    assert rises.height > 50
    assert seen.height <= 2, seen
