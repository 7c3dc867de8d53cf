"""Which metric is which column of which frame of a snapshot, and in which base unit a parameter is served."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: the column `value` of the frame `frame`, a sample a row, its `labels` columns of the same name.

    Of more rows than `most` those are served that come first; where one matters more than another, they are ordered by
    the column `first`, the greatest first.
    """

    name: str
    kind: Literal["gauge", "counter"]
    words: str
    frame: str
    value: str
    labels: tuple[str, ...] = ()
    first: str = ""

    @property
    def most(self) -> int:
        """Samples of it, at most."""
        return MOST[self.labels]


QUANTITY = ("station", "parameter", "position", "domain")
_DOOR = ("door",)
_PULL = ("pull",)
_ALARM = ("rule", "kind", "scope", "station", "parameter", "position", "source", "district", "severity", "incident")
_TIER = ("incident", "rule", "district", "team", "severity")

#: Labels -> samples of a metric that has these, at most: whatever is registered, sent or misspelt, a scrape has an end.
#: A district of 10,000 series has 10,000 quantities at most; twice as many alarms are served, a page beside its ticket.
MOST: Mapping[tuple[str, ...], int] = {
    (): 1,
    QUANTITY: 15_000,
    _ALARM: 20_000,
    _TIER: 10_000,
    ("station", "source"): 5_000,
    ("source", "reason"): 2_000,
    ("source", "outcome"): 600,
    ("source",): 120,
    _DOOR: 100,
    _PULL: 500,
    ("parameter", "lead", "band"): 1_000,
    ("task",): 100,
    ("stage",): 20,
    ("state",): 10,
    ("kind",): 10,
    ("kind", "outcome"): 50,
}

FAMILIES = (
    Family(
        "greenwatch_alarm_level",
        "gauge",
        "Level of an alarm: 0 none, 1 and up firing; stays while data are missing, 0 for 24 h after it closed.",
        "alarms",
        "level",
        _ALARM,
        first="level",
    ),
    Family(
        "greenwatch_incident_tier",
        "gauge",
        "How often nobody acknowledged an incident in time: 0 acknowledged, young, or over for less than 24 h.",
        "tiers",
        "tier",
        _TIER,
        first="tier",
    ),
    Family("greenwatch_alarms", "gauge", "Alarms by state.", "alarm_states", "alarms", ("state",)),
    Family("greenwatch_latest_timestamp_seconds", "gauge", "Time of the newest reading.", "latest", "time", QUANTITY),
    Family("greenwatch_batches_total", "counter", "Batches saved.", "batches", "batches", ("kind",)),
    Family(
        "greenwatch_cells_total",
        "counter",
        "Cells read in saved batches, by what became of them.",
        "cells",
        "cells",
        ("kind", "outcome"),
    ),
    Family(
        "greenwatch_conflicts_total",
        "counter",
        "Readings that said another value under one revision.",
        "batches",
        "conflicts",
        ("kind",),
    ),
    Family(
        "greenwatch_rejects_waiting",
        "gauge",
        "Readings that wait for their series to be registered.",
        "rejects",
        "waiting",
    ),
    Family(
        "greenwatch_source_cells_total",
        "counter",
        "Cells read in saved batches of a source, by what became of them.",
        "source_cells",
        "cells",
        ("source", "outcome"),
    ),
    Family(
        "greenwatch_source_saved_timestamp_seconds",
        "gauge",
        "When a batch of a source was last saved.",
        "sources",
        "saved",
        ("source",),
    ),
    Family(
        "greenwatch_source_live_timestamp_seconds",
        "gauge",
        "When a live batch of a source was last saved; absent where there was none.",
        "sources",
        "live",
        ("source",),
    ),
    Family(
        "greenwatch_rejects",
        "gauge",
        "Cells among the newest 200,000 rejects, by source and kind of reason.",
        "reasons",
        "rejects",
        ("source", "reason"),
    ),
    Family(
        "greenwatch_clock_offset_seconds",
        "gauge",
        "What the clock of a station is ahead at least (behind: negative), by the figures of a source; 0: nothing is.",
        "clocks",
        "offset",
        ("station", "source"),
    ),
    Family("greenwatch_stale_windows", "gauge", "Windows that are due to be made again.", "stale", "due", ("stage",)),
    Family(
        "greenwatch_settled_timestamp_seconds",
        "gauge",
        "Everything that was due before this time is done; the time of the snapshot where nothing is due.",
        "stale",
        "settled",
        ("stage",),
    ),
    Family(
        "greenwatch_backfill_chunks",
        "gauge",
        "Chunks of backfills that wait, are read, or failed for good.",
        "backfill_chunks",
        "chunks",
        ("state",),
    ),
    Family("greenwatch_backfill_rows_total", "counter", "Cells that backfills read.", "backfill_rows", "rows"),
    Family(
        "greenwatch_work_runs_total",
        "counter",
        "Takes of a stage, runs of a job of the clock.",
        "work",
        "runs",
        ("task",),
    ),
    Family("greenwatch_work_seconds_total", "counter", "Time spent in them.", "work", "seconds", ("task",)),
    Family("greenwatch_work_rows_read_total", "counter", "Rows they read.", "work", "read", ("task",)),
    Family("greenwatch_work_rows_written_total", "counter", "Rows they changed.", "work", "written", ("task",)),
    Family("greenwatch_work_failures_total", "counter", "Those that ended in an error.", "work", "failures", ("task",)),
    Family(
        "greenwatch_work_success_timestamp_seconds",
        "gauge",
        "When one last ended well.",
        "work",
        "succeeded",
        ("task",),
    ),
    Family(
        "greenwatch_forecast_coverage_ratio",
        "gauge",
        "Share of the truth of the last 28 days that lay in the band of forecasts; absent where too few were scored.",
        "coverage",
        "share",
        ("parameter", "lead", "band"),
    ),
    Family("greenwatch_spool_bytes", "gauge", "Acknowledged bytes that wait for the store.", "spools", "bytes", _DOOR),
    Family("greenwatch_spool_records", "gauge", "Records that wait for the store.", "spools", "records", _DOOR),
    Family(
        "greenwatch_spool_oldest_timestamp_seconds",
        "gauge",
        "When the oldest record that waits was received; absent where none waits.",
        "spools",
        "oldest",
        _DOOR,
    ),
    Family("greenwatch_spool_full", "gauge", "Whether the last record was refused for room.", "spools", "full", _DOOR),
    Family(
        "greenwatch_spool_told_timestamp_seconds",
        "gauge",
        "When the owner of the spool last told of it; it does so every few seconds.",
        "spools",
        "told",
        _DOOR,
    ),
    Family("greenwatch_spool_appended_total", "counter", "Records acknowledged.", "spools", "appended", _DOOR),
    Family(
        "greenwatch_spool_refused_total", "counter", "Records refused for want of room.", "spools", "refused", _DOOR
    ),
    Family("greenwatch_spool_syncs_total", "counter", "How often the disk was asked.", "spools", "syncs", _DOOR),
    Family("greenwatch_spool_sync_seconds_total", "counter", "Time it took.", "spools", "sync_seconds", _DOOR),
    Family(
        "greenwatch_pull_success_timestamp_seconds",
        "gauge",
        "When the last pull that went well was begun; absent before there is one.",
        "pulls",
        "succeeded",
        _PULL,
    ),
    Family(
        "greenwatch_pull_due_timestamp_seconds",
        "gauge",
        "When it is to be asked again; it lies in the past while nobody does so.",
        "pulls",
        "due",
        _PULL,
    ),
    Family("greenwatch_pull_failures", "gauge", "Pulls that failed since one went well.", "pulls", "failures", _PULL),
    Family("greenwatch_pull_failed_total", "counter", "Pulls that failed.", "pulls", "failed", _PULL),
    Family("greenwatch_pull_requests_total", "counter", "Answers that were taken.", "pulls", "requests", _PULL),
    Family("greenwatch_pull_rows_total", "counter", "Values that were read.", "pulls", "read", _PULL),
    Family("greenwatch_pull_rows_new_total", "counter", "Those that were new.", "pulls", "new", _PULL),
    Family("greenwatch_pull_rows_replaced_total", "counter", "Those that replaced one.", "pulls", "replaced", _PULL),
    Family("greenwatch_pull_rejects_total", "counter", "Those that could not be kept.", "pulls", "rejects", _PULL),
)

#: Unit of a parameter -> how its newest value is served: `greenwatch_latest_<base unit>`, times, divided by.
UNITS: Mapping[str, tuple[str, int, int]] = {
    "µg/m³": ("grams_per_cubic_meter", 1, 1_000_000),
    "mg/m³": ("grams_per_cubic_meter", 1, 1_000),
    "mg/L": ("grams_per_cubic_meter", 1, 1),
    "µg/L": ("grams_per_cubic_meter", 1, 1_000),
    "cells/L": ("cells_per_cubic_meter", 1_000, 1),
    "count/L": ("counts_per_cubic_meter", 1_000, 1),
    "%": ("ratio", 1, 100),
    "m³/m³": ("ratio", 1, 1),
    "1": ("dimensionless", 1, 1),
    "NTU": ("ntu", 1, 1),
    "PSU": ("psu", 1, 1),
    "QSU": ("qsu", 1, 1),
    "1/m": ("per_meter", 1, 1),
    "°C": ("celsius", 1, 1),
    "°": ("degrees", 1, 1),
    "°C·d": ("celsius_days", 1, 1),
    "dB": ("decibels", 1, 1),
    "h": ("seconds", 3_600, 1),
    "hPa": ("pascals", 100, 1),
    "kPa": ("pascals", 1_000, 1),
    "m": ("meters", 1, 1),
    "cm": ("meters", 1, 100),
    "mm": ("meters", 1, 1_000),
    "m/s": ("meters_per_second", 1, 1),
    "m³/s": ("cubic_meters_per_second", 1, 1),
    "V": ("volts", 1, 1),
    "mV": ("volts", 1, 1_000),
    "W/m²": ("watts_per_square_meter", 1, 1),
    "µS/cm": ("siemens_per_meter", 1, 10_000),
}
