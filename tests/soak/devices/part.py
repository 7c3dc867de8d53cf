"""1,500 devices that send eight figures a minute over HJ 212, all stages running: how soon they are safe, committed,
judged, and what it costs.

A row counts as committed at the moment another session of the database sees its batch, which is asked for ten times a
second: an upper bound, and none of the listener's own figures. GREENWATCH_SOAK_DEVICES=150x60 runs fewer devices for
fewer seconds.
"""

import os
from collections.abc import Mapping
from contextlib import closing

import numpy as np
import polars as pl

from analytics.frames import TIME
from analytics.store import connection
from analytics.store.connection import Connection
from tests.soak import rows
from tests.soak.devices import site
from tests.soak.devices.fleet import CODES
from tests.soak.devices.site import Heard
from tests.soak.figures import Outcome
from tests.soak.house import House, pace
from tests.soak.live import _series, history

#: Devices, and for how long they send [s]; every so manieth of them sends what cannot be.
DEVICES, SECONDS, EVERY = 1_500, 600, 12
SIZE = "GREENWATCH_SOAK_DEVICES"


def run(house: House, _: int) -> Outcome:
    """Figures of the devices."""
    devices, seconds = asked(SIZE, DEVICES, SECONDS)
    out, series = Outcome(), devices * len(CODES)
    with pace("devices", 2, "steps") as step, house.database() as dsn, house.files() as folder:
        with closing(connection.connect(dsn)) as conn:
            history(conn, folder, series)
            site.settle(conn, devices, 0)
            numbers = _series(conn, series)
        step(1, f"{series:,} series: their past")
        watched = {numbers[n * len(CODES)]: n * len(CODES) for n in range(0, devices, EVERY)}
        found = site.measure(dsn, folder, live=devices, beating=0, seconds=seconds, every=EVERY, watched=watched)
        step(1, f"{devices:,} devices")
        with closing(connection.connect(dsn)) as conn:
            report(out, f"{devices:,} devices: ", found, watched)
            adds_up(out, f"{devices:,} devices: ", found, stored(conn, found), sums(conn))
    return out


def asked(name: str, devices: int, seconds: int) -> tuple[int, int]:
    """The size that the environment asks for, as 150x60; else the usual one."""
    words = os.environ.get(name, f"{devices}x{seconds}").split("x")
    return int(words[0]), int(words[1])


def stored(conn: Connection, found: Heard) -> pl.DataFrame:
    """`station`, `parameter`, `time`, `value`, `batch` of all rows of the time in which the devices sent."""
    first = pl.from_epoch(pl.Series([min(frame["second"] for frame in found.frames)])).dt.replace_time_zone("UTC")
    rows_ = conn.execute(
        "SELECT t.code, s.parameter, o.time, o.value, o.batch FROM observation o"
        " JOIN series s ON s.id = o.series JOIN station t ON t.id = s.station WHERE o.time >= %s",
        [first.item()],
    ).fetchall()
    names = ["station", "parameter", "time", "value", "batch"]
    found_ = pl.DataFrame(rows_, schema=names, orient="row", infer_schema_length=None)
    return found_.with_columns(pl.col("time").cast(TIME))


def sums(conn: Connection) -> Mapping[str, int]:
    """What the batches of the listener say of their cells."""
    names = ("read", "new", "replaced", "duplicates", "missing", "rejects", "batches")
    row = conn.execute(
        "SELECT sum(read), sum(new), sum(replaced), sum(duplicates), sum(missing), sum(rejects), count(*) FROM batch"
        " WHERE decoder = 'hj212'"
    ).fetchone()
    assert row is not None
    return {name: int(str(value or 0)) for name, value in zip(names, row, strict=True)}


def said(found: Heard) -> pl.DataFrame:
    """`station`, `parameter`, `time`, `wanted`, `sent`: a row each figure of a frame that was answered."""
    kinds = list(rows.PARAMETERS)
    frames = pl.DataFrame(found.frames).select(
        pl.col("device").replace_strict({one: site.station(one) for one in {f["device"] for f in found.frames}}),
        "sent",
        time=pl.from_epoch("second").dt.replace_time_zone("UTC").cast(TIME),
        wanted="figures",
        parameter=pl.lit(kinds),
    )
    return frames.rename({"device": "station"}).explode("wanted", "parameter")


def report(out: Outcome, what: str, found: Heard, watched: Mapping[int, int]) -> None:
    """Nothing; how soon, and at what cost, is in `out`, with the targets of the issue."""
    out.add(f"{what}frames sent", found.told["sent"], "frames")
    delays(out, f"{what}frame to answer", [frame["answered"] - frame["sent"] for frame in found.frames], most=1)
    sent = {(frame["device"] * len(CODES), frame["second"]): frame["sent"] for frame in found.frames}
    due = [key for key in sent if key[0] in set(watched.values())]
    seen = [found.verdicts[key] - sent[key] for key in due if key in found.verdicts]
    delays(out, f"{what}frame to verdict", seen, most=20)
    out.add(f"{what}never seen: verdict", len(due) - len(seen), "", most=0)
    costs(out, what, found)


def adds_up(out: Outcome, what: str, found: Heard, store: pl.DataFrame, counted: Mapping[str, int]) -> None:
    """Nothing; how soon rows were committed, and whether each is there once as it was sent, is in `out`."""
    keys = ["station", "parameter", "time"]
    both = said(found).join(store, on=keys, how="left", nulls_equal=True)
    seen = pl.Series([found.batches.get(batch, float("inf")) for batch in both["batch"].fill_null(-1)])
    frames = both.with_columns(seen=seen).group_by("station", "time", "sent").agg(pl.col("seen").max())
    delays(out, f"{what}frame to committed rows", (frames["seen"] - frames["sent"]).to_list(), most=5)
    out.add(f"{what}answered figures that are not in the store", both["value"].null_count(), "", most=0)
    out.add(f"{what}in the store as another value", both.filter(pl.col("value") != pl.col("wanted")).height, "", most=0)
    out.add(f"{what}in the store twice, or never sent", store.height - said(found).height, "", most=0)
    cells = found.told["sent"] * len(CODES)
    odd = abs(counted["new"] - cells) + sum(counted[name] for name in ("replaced", "duplicates", "missing", "rejects"))
    out.add(f"{what}cells that the batches count as anything but new", odd, "", most=0)
    out.add(f"{what}batches", 60 * counted["batches"] / found.seconds, "/min")


def delays(out: Outcome, name: str, found: list[float], *, most: float) -> None:
    """Nothing; how long it took is in `out`; `most` holds for 99 of a hundred."""
    for share in (50, 99, 100):
        value = float(np.percentile(found, share, method="higher")) if found else float("inf")
        out.add(f"{name} {'at most' if share == 100 else f'p{share}'}", value, "s", most=most if share == 99 else None)


def costs(out: Outcome, what: str, found: Heard) -> None:
    """Nothing; CPU, memory and what went wrong on the line are in `out`."""
    for name, spent in found.cpu.items():
        out.add(f"{what}CPU of {name}", 60 * spent / found.seconds, "s/min")
    for name, size in found.memory.items():
        out.add(f"{what}memory of the listener {name}", size, "MiB")
    for name, why in (("lost", "connections ended by the listener"), ("strange", "answers to nothing that was said")):
        out.add(f"{what}{why}", found.told[name], "", most=0)
    out.add(f"{what}never answered", found.told["unanswered"], "", most=0)
    out.add(f"{what}faults and frames not kept", sum(found.figures.get(n, 0) for n in ("faults", "unanswered")), most=0)
    out.add(f"{what}sender behind its clock, at most", found.told["late"], "s")
