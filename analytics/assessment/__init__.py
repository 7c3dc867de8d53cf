"""Averages × dated standards -> index, class, compliance; and what exceeds a limit.

index   air: indices, classes and primary pollutants (HJ 633), daily limits (GB 3095)
water   class of a section and its main pollutants (GB 3838)
noise   levels against the limits of their zone (GB 3096 and its kin)
"""

import polars as pl

from analytics.assessment import index, noise, water
from analytics.assessment.index import exceedances, indices
from analytics.standards import Standards

__all__ = ["assess", "exceedances", "indices"]


def assess(averages: pl.DataFrame, stations: pl.DataFrame, standards: Standards) -> pl.DataFrame:
    """Assessments (`frames.ASSESSMENTS`) of air, water and noise, by station, standard, averaging and time.

    `averages`: station, parameter, averaging, time, value [unit of the parameter], one row each; `stations`: station,
    offset [min], places (`standards.PLACES`). A row depends on the averages of its own station and time alone.
    """
    made = [part(averages, stations, standards) for part in (index.assess, water.assess, noise.assess)]
    return pl.concat(made).sort("station", "standard", "averaging", "time")
