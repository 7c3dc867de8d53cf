"""Whole years of real files fed shuffled, doubled and delayed, against one ordered run: equal, bit for bit."""

import time
from contextlib import closing
from datetime import timedelta

from analytics.store import connection
from tests import years
from tests.soak.figures import Outcome
from tests.soak.house import House, pace

BATCHES, PAUSES = 60, 20
#: Days between the times as of which is learned: baselines and tides of a year, dated.
EVERY = 28
SETS = {
    "beijing": years.beijing(
        list(years.PLACES), years.day("2014-03-01", 8), years.day("2014-03-01", 8) + timedelta(days=365)
    ),
    "logan": years.logan("TonyGrove2019", years.day("2019-01-01", -7), years.day("2020-01-01", -7)),
}


def run(house: House, _: int) -> Outcome:
    """Figures of a year of twelve stations of Beijing and of a year of a sonde of Logan River."""
    out = Outcome()
    if not years.BEIJING.exists():
        out.notes.append("not run: the real files of ../shared are not here")
        return out
    with pace("years", len(SETS) * (BATCHES + 1), "batches") as step:
        for name, year in SETS.items():
            with house.database() as dsn, closing(connection.connect(dsn, application="soak")) as conn:
                began = time.perf_counter()
                rows = years.in_order(conn, year, every=EVERY)
                out.add(f"{name}: readings", rows, "rows", least=100_000)
                out.add(f"{name}: in order, settled and learned from", time.perf_counter() - began, "s")
                readings, kept = years.messages(conn), years.keep(conn)
                for table, count in kept.items():
                    out.add(f"{name}: rows of {table}", count, "rows")
                step(1, f"{name}, in order")
                years.forget(conn)
                began = time.perf_counter()
                came = years.out_of_order(
                    conn, readings, BATCHES, pauses=PAUSES, notice=lambda batch: step(1, f"batch {batch + 1}")
                )
                out.add(f"{name}: cells sent, a quarter of them twice", came["read"], "cells")
                out.add(f"{name}: settled between the {BATCHES} batches", came["settled"], "times", least=PAUSES / 2)
                out.add(f"{name}: out of order, settled", time.perf_counter() - began, "s")
                different = years.differing(conn)
                out.add(f"{name}: rows that differ from the ordered run", sum(different.values()), "rows", most=0)
                out.details[name] = {"kept": kept, "different": different, "came": dict(came)}
    return out
