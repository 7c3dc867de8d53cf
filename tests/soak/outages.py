"""Dozens of stations, each with a fate of its own, while all that a page passes through is struck down by turns."""

import random
import time
from contextlib import suppress

from tests.outages.fates import fates, mass
from tests.outages.stack import DATABASE, stack
from tests.serving import until
from tests.soak.figures import Outcome
from tests.soak.house import House

#: Stations of each fate, and how long they live it [s].
EACH, LENGTH = 4, 900.0
#: Stations that fall silent at once.
MANY = 15
SEED = 20260601
#: After the last strike an outage is waited for in peace, for its limit and its wait. [s]
PEACE = 5 * 60.0


def run(house: House, _: int) -> Outcome:
    """Figures of a quarter of an hour: what was struck, and whether duty staff were told of what was not so."""
    out, dice = Outcome(), random.Random(SEED)
    lives = fates(dice, EACH, LENGTH) | mass(dice, MANY, LENGTH)
    with house.files() as folder, stack(folder, lives, LENGTH, SEED) as place:
        began = time.perf_counter()
        place.live(strikes=True)
        with suppress(AssertionError):
            until(lambda: not place.wrong(), PEACE)
        wrong = place.wrong()
        out.add("stations", len(lives), "", least=24)
        for name in (*place.programs, DATABASE):
            out.add(f"`{name}` struck", place.struck[name], "times")
        out.add("strikes", place.struck.total(), "times", least=24)
        out.add("time of it all", time.perf_counter() - began, "s")
        out.add("stations of which duty staff were told what is not so, or not what is", len(wrong), "", most=0)
        beside = place.told(["PollutionEpisode"], "station", "ticket")
        out.add("stations with a ticket told beside a page, by an Alertmanager struck down", len(beside), "")
        # Of whom something wrong was told: all of it.
        about = {words.partition(":")[0] for words in wrong}
        told = [line for line in place.heard() if line[2] in about]
        out.details = {"wrong": wrong, "seed": SEED, "strikes": place.strikes, "told": told}
    return out
