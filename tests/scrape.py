"""What a scrape of /metrics brings, read by Prometheus's own parser; and what its own library would bring."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from analytics.metrics import FAMILIES, UNITS, Broker, Deadman, Exporter, Family, Line, Snapshot

Key = tuple[str, frozenset[tuple[str, str]]]


def scrape(exporter: Exporter) -> dict[Key, float]:
    """Value of each sample by name and labels, read by Prometheus's own parser."""
    return read(exporter.answer("")[0].decode())


def read(text: str) -> dict[Key, float]:
    """Value of each sample of a page in Prometheus's text format."""
    found: dict[Key, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def openmetrics(text: str) -> list[Metric]:
    """The families of a page in OpenMetrics. Raises `ValueError` where it is none."""
    return list(parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # as the library has it


def key(name: str, **labels: str) -> Key:
    return name, frozenset(labels.items())


def served_names() -> dict[str, str]:
    """What greenwatch serves, of the store and of each process, and its kind; a histogram by the names of its parts."""
    names: dict[str, str] = {family.name: family.kind for family in FAMILIES}
    exporter = Exporter("1")
    exporter.show(Snapshot(datetime.now(UTC)))
    exporter.heard(datetime.now(UTC))
    for page in (exporter, Line("1"), Broker("1"), Deadman("1")):
        for name, kind in re.findall(r"^# TYPE (greenwatch_\S+) (\w+)$", page.answer("")[0].decode(), re.MULTILINE):
            parts = [f"{name}_{part}" for part in ("bucket", "count", "sum")]
            names |= dict.fromkeys(parts, "counter") if kind == "histogram" else {name: kind}
    return names


class Plainly(Collector):
    """A snapshot as Prometheus's library writes it: an object a sample, in a loop. What ours is held against."""

    def __init__(self, snapshot: Snapshot) -> None:
        """`snapshot`, whose frames have room."""
        self.snapshot = snapshot
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Its metrics, but for what it says of itself."""
        frames = self.snapshot.frames
        for family in FAMILIES:
            if family.frame in frames:
                yield metric(family, frames[family.frame].rows(named=True))
        bases: dict[str, list[dict[str, Any]]] = {}
        for row in frames.get("latest", pl.DataFrame()).rows(named=True):
            if row["unit"] in UNITS and row["value"] is not None:
                base, times, per = UNITS[row["unit"]]
                bases.setdefault(base, []).append({**row, "served": row["value"] * times / per})
        [latest] = [family for family in FAMILIES if family.name == "greenwatch_latest_timestamp_seconds"]
        for base, rows in bases.items():
            yield metric(Family(f"greenwatch_latest_{base}", "gauge", "", "latest", "served", latest.labels), rows)


def metric(family: Family, rows: Iterable[Mapping[str, Any]]) -> Metric:
    """The metric `family` of `rows`."""
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    made = make(family.name, family.words, labels=family.labels)
    for row in rows:
        value = row[family.value]
        number = value.timestamp() if isinstance(value, datetime) else value
        if number is not None:
            labels = ["" if row.get(name) is None else str(row[name]) for name in family.labels]
            made.add_metric(labels, float(number))
    return made
