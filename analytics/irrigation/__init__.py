"""Soil water of irrigated zones, what the crews are told of it, and what was saved."""

from analytics.irrigation.advice import advise, news
from analytics.irrigation.balance import DAYS, balance
from analytics.irrigation.drydown import limits
from analytics.irrigation.plan import LONG
from analytics.irrigation.saving import savings
from analytics.irrigation.soil import (
    depletion,
    depletion_fraction,
    effective_rain,
    effective_rain_month,
    percolation,
    root_zone,
    soil,
    stress,
    total_available_water,
)
from analytics.irrigation.watering import HOURS, watered

__all__ = [
    "DAYS",
    "HOURS",
    "LONG",
    "advise",
    "balance",
    "depletion",
    "depletion_fraction",
    "effective_rain",
    "effective_rain_month",
    "limits",
    "news",
    "percolation",
    "root_zone",
    "savings",
    "soil",
    "stress",
    "total_available_water",
    "watered",
]
