"""`GET /v1/readings` and `/v1/averages` against a bare SELECT of the same rows. `python -m tests.benchmarks.read`."""

from contextlib import closing
from datetime import timedelta
from functools import partial

import httpx
import polars as pl

from analytics.store import connection
from analytics.store.packing import copy
from jobs.web.site import Settings
from tests import world
from tests.benchmarks.common import Way, measure, readings, report
from tests.serving import serving
from tests.soak.house import house

SELECT = "SELECT series, time, value, mark FROM observation ORDER BY series, time"
HOURS = (
    "SELECT series, date_trunc('hour', time) AS hour, avg(value), min(value), max(value), count(*) FROM observation"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)


def ask(client: httpx.Client, form: str, **words: float | str) -> int:
    """Rows of all pages of the answer."""
    asked: dict[str, float | str] = {"limit": 100_000, "format": form, **words}
    answer = client.get("/v1/readings", params=asked)
    rows = 0
    while True:
        answer.raise_for_status()
        if form == "parquet":
            rows += pl.read_parquet(answer.content).height
        else:
            rows += len(answer.json()["rows"]) if form == "json" else answer.content.count(b"\n") - 1
        if "next" not in answer.links:
            return rows
        answer = client.get(answer.links["next"]["url"])


def main() -> None:
    """Prints two tables."""
    with house("benchmarks") as place, place.database() as dsn, closing(connection.connect(dsn)) as conn:
        series = world.settle_world(conn, [(f"S{number:02}", "pm25") for number in range(40)], 600)
        frame, _ = readings(len(series), 5000, timedelta(minutes=10))
        copy(conn, "observation", frame.with_columns(batch=pl.lit(1, pl.Int32)))
        conn.execute(
            "UPDATE latest l SET time = o.last, first = o.first, rows = o.rows FROM (SELECT series, min(time) AS first,"
            " max(time) AS last, count(*) AS rows FROM observation GROUP BY 1) AS o WHERE o.series = l.series"
        )
        with serving(Settings(dsn)) as client:
            for form in ("parquet", "csv", "json"):
                assert ask(client, form) == frame.height
            ways: dict[str, Way] = {"SELECT, fetchall": lambda: conn.execute(SELECT).fetchall()}
            ways |= {f"/v1/readings as {form}": partial(ask, client, form) for form in ("parquet", "csv", "json")}
            report("readings over HTTP, each page rendered and read", frame.height, "rows", measure(ways))
            ways = {
                "SELECT ... GROUP BY hour": lambda: conn.execute(HOURS).fetchall(),
                "/v1/readings in steps of an hour": partial(ask, client, "parquet", step="1h", capture=0.75),
            }
            report("hours over HTTP, of readings", frame.height, "readings", measure(ways))


if __name__ == "__main__":
    main()
