"""Milliseconds of a scrape of a district of 10,000 series: ours, and what Prometheus's library takes for the same.

python -m tests.benchmarks.scrape
"""

from datetime import UTC, datetime

import polars as pl
from prometheus_client import generate_latest

from analytics import parameters
from analytics.metrics import Exporter, Snapshot
from tests.benchmarks import common
from tests.scrape import Plainly

STATIONS, SERIES = 1_500, 10_000
PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
T = datetime(2026, 6, 1, 12, tzinfo=UTC)


def snapshot(series: int = SERIES, stations: int = STATIONS, alarms: int = 1_000) -> Snapshot:
    """The newest readings of `series` series, `alarms` alarms of theirs, and a clock a station."""
    known = sorted(parameters.load().values(), key=lambda item: item.name)
    numbers = pl.DataFrame({"n": pl.int_range(series, eager=True)})
    facts = pl.DataFrame(
        [(n, item.name, item.domain, item.unit) for n, item in enumerate(known)],
        schema=["k", "parameter", "domain", "unit"],
        orient="row",
    )
    latest = (
        numbers.with_columns(
            pl.format("SYN-{}", pl.col("n") % stations).alias("station"),
            (pl.col("n") // stations % len(known)).cast(pl.Int64).alias("k"),
            pl.when(pl.col("n") // stations >= len(known)).then(pl.lit("-0.1")).otherwise(pl.lit("")).alias("position"),
            (pl.lit(T) - pl.duration(milliseconds=pl.col("n") * 7)).cast(pl.Datetime("us", "UTC")).alias("time"),
            (pl.col("n") * 0.37 % 91).alias("value"),
        )
        .join(facts, on="k")
        .drop("n", "k")
    )
    on = latest.head(alarms).select(
        pl.lit("channel_silent").alias("rule"),
        pl.lit("silence").alias("kind"),
        pl.lit("channel").alias("scope"),
        *("station", "parameter", "position"),
        pl.lit("hj212").alias("source"),
        pl.lit("SYN-WEST").alias("district"),
        pl.lit("ticket").alias("severity"),
        pl.int_range(pl.len()).cast(pl.String).alias("incident"),
        pl.lit(1).alias("level"),
    )
    clocks = latest.unique("station", maintain_order=True).select(
        "station", pl.lit("hj212").alias("source"), pl.lit(0.0).alias("offset")
    )
    spool = {"door": ["hj212"], "bytes": [0], "records": [0], "full": [False], "appended": [7], "refused": [0]}
    spools = pl.DataFrame(spool | {"syncs": [3], "sync_seconds": [0.1], "told": [T], "oldest": [None]})
    return Snapshot(T, {"latest": latest, "alarms": on, "clocks": clocks, "spools": spools})


def measure(series: int = SERIES, times: int = 9) -> dict[str, float]:
    """Seconds of a scrape as Prometheus asks for it, of one as text, of what the library takes, and of what is done
    once a snapshot; medians."""
    exporter, shown = Exporter("1"), snapshot(series)
    exporter.answer(PROMETHEUS, "gzip")
    exporter.show(shown)
    library = Plainly(shown).registry
    return common.measure(
        {
            "scrape, compressed": lambda: exporter.answer(PROMETHEUS, "gzip"),
            "scrape, text": lambda: exporter.answer(""),
            "prometheus_client.generate_latest": lambda: generate_latest(library),
            "once a snapshot": lambda: exporter.show(shown),
        },
        times,
    )


def main() -> None:
    taken = measure()
    common.report("scrape of 10,000 series", SERIES, "series", taken)
    print(", ".join(f"{name} {seconds * 1000:.2f} ms" for name, seconds in taken.items()))


if __name__ == "__main__":
    main()
