"""Readings saved and loaded (laws 1, 2, 4, 7)."""

from analytics.store.observations.loading import cut, extent, load, ordinal_at, ranked, winners
from analytics.store.observations.rows import KEY, READINGS, STORED, load_keys, remove
from analytics.store.observations.saving import Counts, Origin, Saved, readmit, save

__all__ = [
    "KEY",
    "READINGS",
    "STORED",
    "Counts",
    "Origin",
    "Saved",
    "cut",
    "extent",
    "load",
    "load_keys",
    "ordinal_at",
    "ranked",
    "readmit",
    "remove",
    "save",
    "winners",
]
