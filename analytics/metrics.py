"""Figures of the service in Prometheus's words: from a snapshot that somebody else took, never from a database.

`FAMILIES` says which metric is which column of which frame of a snapshot. A metric that is not in the snapshot is not
served: before the alarms are loaded there is no `greenwatch_alarm_level`, so a restart resolves nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Literal

import polars as pl
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from analytics.frames import TIME

# Else each counter has a second sample that nothing here asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # as the library has it

#: Of answers [s]: the slowest bucket is what a POST may wait for.
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: the column `value` of the frame `frame`, a sample a row, its `labels` columns of the same name."""

    name: str
    kind: Literal["gauge", "counter"]
    words: str
    frame: str
    value: str
    labels: tuple[str, ...] = ()


_QUANTITY = ("station", "parameter", "position", "domain")
_DOOR = ("door",)

FAMILIES = (
    Family(
        "greenwatch_alarm_level",
        "gauge",
        "Level of an alarm: 0 none, 1 and up firing; stays while data are missing, 0 for 24 h after it closed.",
        "alarms",
        "level",
        ("rule", "station", "parameter", "district", "severity"),
    ),
    Family("greenwatch_alarms", "gauge", "Alarms by state.", "alarm_states", "alarms", ("state",)),
    Family("greenwatch_latest_timestamp_seconds", "gauge", "Time of the newest reading.", "latest", "time", _QUANTITY),
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
        ("job",),
    ),
    Family("greenwatch_work_seconds_total", "counter", "Time spent in them.", "work", "seconds", ("job",)),
    Family("greenwatch_work_rows_read_total", "counter", "Rows they read.", "work", "read", ("job",)),
    Family("greenwatch_work_rows_written_total", "counter", "Rows they changed.", "work", "written", ("job",)),
    Family("greenwatch_work_failures_total", "counter", "Those that ended in an error.", "work", "failures", ("job",)),
    Family(
        "greenwatch_work_success_timestamp_seconds", "gauge", "When one last ended well.", "work", "succeeded", ("job",)
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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store as it was at `taken`: the frames FAMILIES asks for, as far as they could be loaded.

    `latest` has `unit` and `value` [unit] beside the columns of its family; times are UTC, null where there is none.
    """

    taken: datetime
    frames: Mapping[str, pl.DataFrame] = field(default_factory=dict)


def seconds(time: pl.Expr) -> pl.Expr:
    """Seconds since 1970 of a time, as Prometheus counts."""
    return time.dt.timestamp("us") / 1_000_000


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """The metrics of `snapshot`, in the order of FAMILIES; then the newest values, a metric a base unit."""
    yield GaugeMetricFamily(
        "greenwatch_snapshot_timestamp_seconds",
        "When the figures of the store were read; a scrape never waits for it.",
        snapshot.taken.timestamp(),
    )
    for family in FAMILIES:
        if family.frame in snapshot.frames:
            yield _metric(family, snapshot.frames[family.frame])
    if "latest" in snapshot.frames:
        yield from _newest(snapshot.frames["latest"])


def _metric(family: Family, frame: pl.DataFrame) -> Metric:
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = make(family.name, family.words, labels=family.labels)
    value = seconds(pl.col(family.value)) if frame.schema[family.value] == TIME else pl.col(family.value)
    rows = frame.select(*family.labels, value.cast(pl.Float64).alias("_value")).drop_nulls("_value")
    for *labels, number in rows.iter_rows():
        metric.add_metric(["" if label is None else str(label) for label in labels], number)
    return metric


def _newest(latest: pl.DataFrame) -> Iterator[Metric]:
    served = pl.DataFrame(
        [(unit, *how) for unit, how in UNITS.items()],
        schema={"unit": pl.String, "base": pl.String, "times": pl.Int64, "per": pl.Int64},
        orient="row",
    )
    # Divided, not multiplied by a fraction: 75 µg/m³ is 7.5e-05 and not 7.500000000000001e-05.
    value = (pl.col("value") * pl.col("times") / pl.col("per")).alias("served")
    rows = latest.join(served, on="unit", maintain_order="left").with_columns(value)
    for (base,), some in rows.group_by("base", maintain_order=True):
        words = "Newest reading as it came, before it is judged; the time of it is greenwatch_latest_timestamp_seconds."
        yield _metric(Family(f"greenwatch_latest_{base}", "gauge", words, "latest", "served", _QUANTITY), some)


class Exporter(Collector):
    """What /metrics answers: the newest snapshot it was given, and figures of this process."""

    def __init__(self, version: str) -> None:
        """Serves no figure of the store until `show` is called."""
        self._version, self._lock = version, Lock()
        self._snapshot: Snapshot | None = None
        self._well = False
        registry = self._registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self.answers = Counter("greenwatch_http_requests", "Requests answered.", ["handler", "code"], registry=registry)
        self.seconds = Histogram(
            "greenwatch_http_request_seconds", "Time to answer.", ["handler"], buckets=BUCKETS, registry=registry
        )

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest one."""
        return self._snapshot

    def show(self, snapshot: Snapshot) -> None:
        """Nothing; `snapshot` is what is served from now on."""
        self._snapshot, self._well = snapshot, True

    def failed(self) -> None:
        """Nothing; the last snapshot could not be taken, the one before stays."""
        self._well = False

    def page(self, accept: str) -> tuple[bytes, str]:
        """The answer to a scrape that accepts `accept`, and its content type."""
        with self._lock:  # two scrapes at once cost no more memory than one
            return _encoded(self._registry, accept)

    def collect(self) -> Iterable[Metric]:
        """The metrics of the newest snapshot, and whether there is a fresh one."""
        yield InfoMetricFamily("greenwatch_build", "What runs here.", {"version": self._version})
        yield GaugeMetricFamily(
            "greenwatch_database_up", "Whether the last snapshot of the store could be taken.", float(self._well)
        )
        if self._snapshot is not None:
            yield from families(self._snapshot)


#: From the last byte of a frame to the commit of its figures [s].
WAITS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
#: Devices whose last word has a sample of its own: a district has some thousand, a mistake any number.
DEVICES = 5_000


class Line:
    """What /metrics of a listener answers: its connections, what came through them, how soon it was in the store."""

    def __init__(self, version: str) -> None:
        """Nothing was heard yet."""
        registry = self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        name = "greenwatch_listen"
        Gauge("greenwatch_listen_build", "What listens here.", ["version"], registry=registry).labels(version).set(1)
        self.connections = Gauge(f"{name}_connections", "Connections that are open.", registry=registry)
        self.closed = Counter(f"{name}_closed", "Connections we ended, by why.", ["reason"], registry=registry)
        self.frames = Counter(f"{name}_frames", "Frames of known devices, by command.", ["command"], registry=registry)
        self.faults = Counter(
            f"{name}_faults", "What was no frame, or nobody's who may speak.", ["fault"], registry=registry
        )
        self.bends = Counter(f"{name}_bends", "Rules that taken frames did not keep.", ["rule"], registry=registry)
        self.unanswered = Counter(
            f"{name}_unanswered", "Frames not kept, and so not answered.", ["reason"], registry=registry
        )
        self.requests = Counter(f"{name}_requests", "Requests sent to devices.", ["command"], registry=registry)
        self.results = Counter(f"{name}_results", "How requests ended.", ["outcome"], registry=registry)
        self.commit = Histogram(
            f"{name}_commit_seconds", "From a frame's receipt to its commit.", buckets=WAITS, registry=registry
        )
        self.drained = Gauge(
            f"{name}_drained_timestamp_seconds", "When the store last had what waited for it.", registry=registry
        )
        self._seen = Gauge(
            f"{name}_seen_timestamp_seconds", "When a device was last heard.", ["device"], registry=registry
        )
        self._devices: set[str] = set()
        self._lock = Lock()

    def heard(self, device: str, at: datetime) -> None:
        """Nothing; `device` spoke. Beyond DEVICES all others are one."""
        if device not in self._devices:
            if len(self._devices) >= DEVICES:
                device = "others"
            self._devices.add(device)
        self._seen.labels(device).set(at.timestamp())

    def page(self, accept: str) -> tuple[bytes, str]:
        """The answer to a scrape that accepts `accept`, and its content type."""
        with self._lock:
            return _encoded(self._registry, accept)


def _encoded(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    try:
        encode, kind = choose_encoder(accept)
    except TypeError:  # the library compares a version that is none with numbers
        encode, kind = choose_encoder("")
    return encode(registry), kind
