"""Figures of the service in Prometheus's words: from a snapshot that somebody else took, never from a database.

`FAMILIES` says which metric is which column of which frame of a snapshot. A metric that is not in the snapshot is not
served: before the alarms are loaded there is no `greenwatch_alarm_level`, so a restart resolves nothing.
"""

from analytics.metrics.families import FAMILIES, MOST, UNITS, Family
from analytics.metrics.pages import DEVICES, Broker, Deadman, Door, Exporter, Line
from analytics.metrics.snapshot import Block, Snapshot, blocks, seconds

__all__ = [
    "DEVICES",
    "FAMILIES",
    "MOST",
    "UNITS",
    "Block",
    "Broker",
    "Deadman",
    "Door",
    "Exporter",
    "Family",
    "Line",
    "Snapshot",
    "blocks",
    "seconds",
]
