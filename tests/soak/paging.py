"""What a scrape of ten thousand series takes, also while no SQL can be answered; and how soon a row is a message at the
desk, with the timings that Prometheus and Alertmanager are given."""

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import httpx
import numpy as np
import polars as pl

from analytics.store import connection, observations, registry
from analytics.store.observations import Origin
from tests import tools, world
from tests.benchmarks.scrape import PROMETHEUS
from tests.paging.desk import Desk, listening
from tests.paging.loop import PROMISED, Loop, gas, looping, running
from tests.panels import rules
from tests.serving import until
from tests.soak import rows
from tests.soak.figures import Outcome
from tests.soak.house import House, pace

SERIES, SCRAPES = 10_000, 200
#: What greenwatch looks at for its figures.
LOCKED = "latest, series, station, alarm, alarm_event, incident, work, spool"
#: Each in a district of its own, so that each is a first message; so long [s] after one another that together they meet
#: every phase of a scrape.
ROUNDS, APART = 5, 7.0
#: A busy machine; a lock that the server waits for.
PATIENCE = 120


def run(house: House, _: int) -> Outcome:
    """Figures of scrapes and of rounds."""
    out = Outcome()
    with pace("paging", 2, "parts") as step, listening() as desk:
        with house.database() as dsn, house.files() as folder:
            scrapes(out, dsn, folder, desk)
        step(1, "scrapes")
        with house.database() as dsn, house.files() as folder:
            rounds(out, dsn, folder, desk)
        step(1, "rounds")
    return out


def scrapes(out: Outcome, dsn: str, folder: Path, desk: Desk) -> None:
    """Nothing; what Prometheus waits for at ten thousand series is in `out`."""
    with closing(connection.connect(dsn)) as conn, closing(connection.connect(dsn)) as other:
        ids = world.settle_world(conn, rows.names(SERIES), 600)
        now = datetime.now(UTC)
        readings = [(number, 0.0, 1.0, 0, None) for number in ids]
        frame = world.frame(readings).with_columns(
            pl.lit(now - timedelta(minutes=5)).cast(pl.Datetime("us", "UTC")).alias("time")
        )
        origin = Origin(registry.source(conn, "soak"), "soak", kind="live")
        observations.save(conn, frame, world.NOTHING, origin, now)
        loop = Loop(desk, folder, dsn, {"serve": tools.free_ports(1)[0]})
        loop.start("serve")
        try:
            address = f"{loop.at('serve')}/metrics"
            asked = {"Accept": PROMETHEUS, "Accept-Encoding": "gzip"}
            with httpx.Client(headers=asked, timeout=60, trust_env=False) as client:
                until(
                    lambda: client.get(address).text.count("\ngreenwatch_latest_timestamp_seconds{") == SERIES, PATIENCE
                )
                size = len(client.get(address).content)
                at_ease = _scrapes(client, address)
                with other.transaction():
                    other.execute(f"LOCK TABLE {LOCKED} IN ACCESS EXCLUSIVE MODE")
                    time.sleep(5)  # the look that was under way is over, the next one waits
                    before = _looked(client, address)
                    locked = _scrapes(client, address)
                    still = _looked(client, address) == before
                until(lambda: _looked(client, address) > before, PATIENCE)
        finally:
            loop.stop("serve")
    out.add("series", SERIES, "")
    out.add("a page", size / 1e6, "MB")
    for name, took in (("a scrape", at_ease), ("a scrape while its tables are locked", locked)):
        for share in (50, 95):
            value = float(np.percentile(took, share)) * 1000
            out.add(f"{name} p{share}", value, "ms", most=100 if share == 95 else None)
    out.add("no look at the tables meanwhile", float(still), "", least=1)


def _scrapes(client: httpx.Client, address: str) -> list[float]:
    """Seconds of each of many, as Prometheus asks: compressed, on a connection that stays."""
    took = []
    for _ in range(SCRAPES):
        began = time.perf_counter()
        with client.stream("GET", address) as answer:
            for _ in answer.iter_raw():
                pass
        took.append(time.perf_counter() - began)
    return took


def _looked(client: httpx.Client, address: str) -> float:
    """When the figures were looked up [s]."""
    [line] = [
        line for line in client.get(address).text.splitlines() if line.startswith("greenwatch_snapshot_timestamp")
    ]
    return float(line.split()[1])


def rounds(out: Outcome, dsn: str, folder: Path, desk: Desk) -> None:
    """Nothing; how long it took from a row to the desk is in `out`."""
    [hard] = [rule for rule in rules() if rule["alert"] == "HardLimit"]
    waits = float(hard["for"].removesuffix("s"))
    codes = [f"GAS-{number}" for number in range(ROUNDS)]
    with closing(connection.connect(dsn)) as conn:
        gas(conn, {code: f"SYN-{code}" for code in codes})
        with looping(desk, dsn, folder, hurry=False) as loop, running(folder / "worker.log", "worker", "--dsn", dsn):
            until(lambda: conn.execute("SELECT count(*) FROM work WHERE job = 'watch'").fetchone() == (1,), PATIENCE)
            began = {}
            for code in codes:
                began[code] = loop.exceed(code, datetime.now(UTC).replace(microsecond=0))
                time.sleep(APART)
            told = {code: loop.told("/duty", "HardLimit", code, within=PATIENCE).at for code in codes}
    took = [told[code] - began[code] - waits for code in codes]
    out.add("row to desk beyond `for`, median", median(took), "s", most=PROMISED)
    out.add("row to desk beyond `for`, worst", max(took), "s")
    out.details["row to desk beyond `for`"] = took
