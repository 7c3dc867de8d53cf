"""Figures of the store in Prometheus's words, from a snapshot that somebody else took."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from analytics.frames import TIME
from analytics.metrics.families import FAMILIES, QUANTITY, UNITS, Family


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
        yield _metric(Family(f"greenwatch_latest_{base}", "gauge", words, "latest", "served", QUANTITY), some)
