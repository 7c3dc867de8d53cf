"""Listener, server and subscriber under load, killed by turns, their database crashed under them, over and over."""

import time

import numpy as np

from tests.doors.siege import DATABASE, LOAD, siege
from tests.soak.figures import Outcome
from tests.soak.house import House, pace

ROUNDS = 200
SEED = 20260601
#: Of ten strikes so many fall while others may still be on their way back from the one before.
ROUGH = 3


def run(house: House, _: int) -> Outcome:
    """Figures of two hundred strikes, and whether each acknowledged reading is in the store, once."""
    out = Outcome()
    with house.files() as folder, siege(folder, SEED) as place, pace("doors", ROUNDS, "strikes") as step:
        began = time.perf_counter()
        for _ in range(ROUNDS):
            name = place.dice.choice([*LOAD, DATABASE])
            place.strike(name, calm=place.dice.randrange(10) >= ROUGH)
            step(1, name)
        place.flow()
        seconds = time.perf_counter() - began
        wrong = place.finish()
        for name in (*LOAD, DATABASE):
            out.add(f"`{name}` struck", place.struck[name], "times")
        out.add("strikes", place.struck.total(), "times", least=ROUNDS)
        out.add("time a strike", seconds / ROUNDS, "s")
        out.add("processes that began while the database was away, and ended", place.again, "times")
        for name, process in place.processes.items():
            out.add(f"readings acknowledged by `{name}`", sum(sender.sent for sender in process.senders), "rows")
        out.add("all doors at work again, median", float(np.median(place.recoveries)), "s")
        out.add("all doors at work again, longest", max(place.recoveries), "s")
        out.add("lost, counted twice, never sent, sums that do not add up", len(wrong), "", most=0)
        out.details = {"wrong": wrong, "seed": SEED}
    return out
