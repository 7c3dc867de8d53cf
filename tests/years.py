"""Real years, fed in order and out of order: what they end in must be the same, row by row and bit by bit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from analytics import ingest
from analytics.ingest import Source
from analytics.store import observations, register, registry
from analytics.store.connection import Connection
from analytics.store.observations import READINGS, Origin
from analytics.store.packing import fetch
from jobs import chain, relearn
from jobs import register as job
from jobs.intake import Intake, Order
from tests import world
from tests.conftest import NOW, SHARED

BEIJING, LOGAN = SHARED / "data" / "beijing-prsa", SHARED / "data" / "logan-river"
#: By now everything there is is due, and no period is open.
LATE = datetime(2100, 1, 1, tzinfo=UTC)

#: Where the stations of Beijing stand, about: the files do not say. [°] east, north.
PLACES = {
    "Aotizhongxin": (116.397, 39.982),
    "Changping": (116.230, 40.195),
    "Dingling": (116.220, 40.292),
    "Dongsi": (116.417, 39.929),
    "Guanyuan": (116.339, 39.929),
    "Gucheng": (116.184, 39.914),
    "Huairou": (116.628, 40.328),
    "Nongzhanguan": (116.461, 39.937),
    "Shunyi": (116.655, 40.127),
    "Tiantan": (116.407, 39.886),
    "Wanliu": (116.287, 39.987),
    "Wanshouxigong": (116.352, 39.878),
}


Make = Callable[[], "Year"]


class Year(NamedTuple):
    """A part of the real files: which, from when until when, of which channels (None: all); the site it is at."""

    paths: Sequence[Path]
    start: datetime
    stop: datetime
    site: str
    channels: Sequence[str] | None = None


def beijing(stations: Sequence[str], start: datetime, stop: datetime, channels: Sequence[str] | None = None) -> Year:
    """Hourly air and weather of `stations` that know where they stand, with their degree-days."""
    site = "".join(
        f'[[station]]\ncode = "{code}"\nlongitude = {PLACES[code][0]}\nlatitude = {PLACES[code][1]}\n'
        f'[[derivation]]\nstation = "{code}"\nkind = "growing-degree-days"\n'
        f'[[derivation]]\nstation = "{code}"\nkind = "degree-days-total"\n'
        f"given = {{ month = {start.month}, day = {start.day} }}\n"
        for code in stations
    )
    paths = [path for code in stations for path in BEIJING.glob(f"PRSA_Data_{code}_*.csv.gz")]
    return Year(paths, start, stop, site, channels)


def logan(name: str, start: datetime, stop: datetime, channels: Sequence[str] | None = None) -> Year:
    """A sonde every quarter of an hour, the file `name`, with its oxygen saturation and the time until it is full."""
    station = name.rstrip("0123456789")
    step = 'cadence = "15m"'
    site = (
        f'[[derivation]]\nstation = "{station}"\nkind = "oxygen-saturation"\ngiven = {{ altitude = 1360 }}\n'
        f"inputs = {{ oxygen = {{ {step} }}, temperature = {{ {step} }}, conductivity = {{ {step} }} }}\n"
        f'[[derivation]]\nstation = "{station}"\nkind = "time-to-full"\ngiven = {{ capacity = 1.2 }}\n'
        f"inputs = {{ level = {{ {step} }} }}\n"
    )
    return Year([LOGAN / f"{name}.csv.gz"], start, stop, site, channels)


def in_order(conn: Connection, year: Year, *, every: int) -> int:
    """Number of readings; they are in the store in their order of time, settled, learned from as of `every` so many
    days, and settled again."""
    rows = 0
    for path in year.paths:
        intake = Intake(conn, Order(register=True, source="years"))
        source = Source(path)
        name = ingest.recognise(source)
        for batch in ingest.read(source, name):
            wanted = pl.col("time").is_between(year.start, year.stop, closed="left")
            if year.channels is not None:
                wanted &= pl.col("channel").is_in(year.channels)
            cells = batch.cells.filter(wanted).sort("time")
            counts = intake.block(replace(batch, cells=cells, rejects=batch.rejects.clear(), missing=0), name)
            assert counts.new == counts.read
            rows += counts.new
    draft = register.read(year.site.encode(), "site.toml", *job.rules(conn))
    job.write(conn, draft)
    chain.settle(conn, lambda: LATE)
    relearn.run(conn, year.stop, every=every)
    chain.settle(conn, lambda: LATE)
    return rows


def messages(conn: Connection) -> pl.DataFrame:
    """READINGS: every reading of the store."""
    return fetch(conn, f"SELECT {', '.join(READINGS)} FROM observation ORDER BY time, series", READINGS)


def forget(conn: Connection) -> None:
    """Nothing; readings and all that was made of them are gone. Registry and fits stay."""
    conn.execute("CREATE TEMP TABLE learned ON COMMIT PRESERVE ROWS AS TABLE fit")
    world.empty(conn)
    conn.execute("INSERT INTO fit OVERRIDING SYSTEM VALUE SELECT * FROM learned")
    conn.execute("DROP TABLE learned")


def disordered(readings: pl.DataFrame, batches: int, seed: int) -> Iterator[pl.DataFrame]:
    """`readings` as they come over bad lines: most some hours late, some by days, a few by months; a quarter of them
    comes twice, at two times. In `batches`, each shuffled."""
    dice = np.random.default_rng(seed)
    again = readings.filter(pl.Series(dice.random(readings.height) < 0.25))
    sent = pl.concat([readings, again])
    late = np.select(
        [(kind := dice.random(sent.height)) < 0.8, kind < 0.97],
        [dice.uniform(0, 6, sent.height), dice.uniform(6, 24 * 14, sent.height)],
        dice.uniform(24 * 14, 24 * 150, sent.height),
    )
    arrival = pl.col("time") + pl.Series((late * 3_600_000_000).astype("int64")).cast(pl.Duration("us"))
    ordered = sent.with_columns(arrival.alias("arrival")).sort("arrival", maintain_order=True).drop("arrival")
    size = -(-ordered.height // batches)
    for number in range(batches):
        yield ordered.slice(number * size, size).sample(fraction=1, shuffle=True, seed=seed + number)


def out_of_order(
    conn: Connection,
    readings: pl.DataFrame,
    batches: int,
    *,
    pauses: int,
    seed: int = 1,
    budget: int = chain.BUDGET,
    notice: Callable[[int], None] = lambda batch: None,
) -> Mapping[str, int]:
    """What the batches counted; `readings` came out of order, and were settled after some of the batches.

    About `pauses` times: what is settled too early must be repaired by what comes later.
    """
    number = registry.source(conn, "years")
    dice, total = np.random.default_rng(seed), {"read": 0, "new": 0, "duplicates": 0, "settled": 0}
    for count, batch in enumerate(disordered(readings, batches, seed)):
        counts = observations.save(conn, batch, world.NOTHING, Origin(number, "years"), NOW)
        assert counts.read == batch.height == counts.new + counts.duplicates
        for name in ("read", "new", "duplicates"):
            total[name] += getattr(counts, name)
        if dice.random() < pauses / batches:
            chain.settle(conn, lambda: LATE, budget=budget)
            total["settled"] += 1
        notice(count)
    chain.settle(conn, lambda: LATE, budget=budget)
    return total


def keep(conn: Connection) -> dict[str, int]:
    """Rows of each picture, which is kept as a table of texts: what is equal there is equal bit for bit."""
    for name, query in world.PICTURES.items():
        conn.execute(f"CREATE TABLE kept_{name} AS SELECT p::text AS row FROM ({query}) AS p".encode())
    return {name: _count(conn, f"SELECT count(*) FROM kept_{name}") for name in world.PICTURES}


def differing(conn: Connection) -> dict[str, int]:
    """Rows of each picture that are there now and were not kept, or the other way round."""
    found = {}
    for name, query in world.PICTURES.items():
        now = f"SELECT p::text FROM ({query}) AS p"
        ways = [f"SELECT row FROM kept_{name} EXCEPT ALL {now}", f"{now} EXCEPT ALL SELECT row FROM kept_{name}"]
        found[name] = sum(_count(conn, f"SELECT count(*) FROM ({way}) AS d") for way in ways)
    return found


def _count(conn: Connection, query: str) -> int:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return int(str(row[0]))


def day(text: str, hours: int) -> datetime:
    """Local midnight of a day, `hours` from UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=hours)
