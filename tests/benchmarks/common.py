"""What the benchmarks share: ways measured in turn, and one table of ratios."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from analytics.frames import OBSERVATIONS, SERIES, TIME, conform

Way = Callable[[], object]
START = datetime(2024, 1, 1, tzinfo=UTC)


def measure(ways: Mapping[str, Way], times: int = 3) -> dict[str, float]:
    """Seconds of each way, the median of `times` rounds in which each has its turn: a slow minute meets them all."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(times):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - began)
    return {name: median(found) for name, found in taken.items()}


def report(title: str, amount: int, unit: str, seconds: Mapping[str, float]) -> None:
    """Nothing; prints rates, and how many times as fast the first way is as each other one."""
    table = Table(box=None, pad_edge=False)
    table.add_column("way")
    for name in (f"{unit}/s", "the first is … times as fast"):
        table.add_column(name, justify="right")
    ours = next(iter(seconds.values()))
    for number, (name, taken) in enumerate(seconds.items()):
        table.add_row(name, f"{amount / taken:,.0f}", f"{taken / ours:.2f}" if number else "")
    print(f"{title}: {amount:,} {unit}, medians of interleaved rounds")
    Console(highlight=False, width=110).print(table)


def readings(
    count: int, steps: int, cadence: timedelta, *, gaps: float = 0.02, seed: int = 1
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`frames.OBSERVATIONS` of `count` made-up PM2.5 series, the share `gaps` missing, and their `frames.SERIES`."""
    rng = np.random.Generator(np.random.PCG64(seed))
    step = cadence // timedelta(microseconds=1)
    level = np.abs(45 + np.cumsum(rng.normal(0, 1.5, (count, steps)), axis=1)) + rng.normal(0, 4, (count, steps))
    spikes = rng.random((count, steps)) < 0.001
    frame = pl.DataFrame(
        {
            "series": np.repeat(np.arange(1, count + 1, dtype=np.int32), steps),
            "time": np.tile(int(START.timestamp()) * 1_000_000 + np.arange(steps, dtype=np.int64) * step, count),
            "value": np.round(np.abs(level) + 900 * spikes, 1).ravel(),
        }
    ).with_columns(pl.col("time").cast(TIME), mark=pl.lit(None, pl.Int16))
    kept = frame.filter(pl.Series(rng.random(frame.height) >= gaps))
    facts = {"position": "", "statistic": "", "parameter": "pm25", "cadence": int(cadence.total_seconds())}
    series = pl.DataFrame({"series": np.arange(1, count + 1), "station": np.arange(1, count + 1)}).with_columns(
        offset=pl.lit(480), **{name: pl.lit(fact) for name, fact in facts.items()}
    )
    return conform(kept, OBSERVATIONS), conform(series, SERIES)
