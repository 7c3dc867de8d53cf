"""Damaged frames, each with a good one behind it: `mutants(SEED, COUNT)` in a process of its own."""

import random
import time
from contextlib import suppress
from dataclasses import dataclass, field

from analytics.telemetry.hj212.frames import Decoder, Frame
from analytics.telemetry.hj212.messages import NoMessage, parse
from tests.soak.fuzz import way
from tests.soak.worker import peak
from tests.telemetry import test_hj212_frames


@dataclass(slots=True)
class Tally:
    """What became of the mutants of `seed`."""

    seed: int
    mutants: int = 0
    #: frames that were heard beside the good one, those of them that say something, and faults
    frames: int = 0
    messages: int = 0
    faults: int = 0
    #: mutants behind which the good frame was not heard; some of them
    lost: int = 0
    examples: list[str] = field(default_factory=list)
    #: the longest that one kept the processor [s], whoever else is at work
    slowest: float = 0.0
    #: memory that the process took more once it had seen a tenth [MiB]
    grown: float = 0.0


def mutants(seed: int, count: int) -> Tally:
    """The tally of `count` mutants of `seed`, heard one after another by one decoder, as on a line."""
    tally, dice, before = Tally(seed), random.Random(seed), 0.0
    decoder = Decoder()
    for number, raw in enumerate(test_hj212_frames.mutants(count, seed)):
        if number == count // 10:
            before = peak()
        began = time.process_time()
        found = way.heard(decoder, raw + way.GOOD + b"\r\n", dice.randint(1, 400))
        tally.slowest = max(tally.slowest, time.process_time() - began)
        frames = [one for one in found if isinstance(one, Frame)]
        tally.mutants += 1
        tally.frames += len(frames) - 1
        tally.faults += len(found) - len(frames)
        if not way.kept(found):
            tally.lost += 1
            tally.examples = [*tally.examples, raw.hex()][:5]
        for frame in frames:
            with suppress(NoMessage):
                parse(frame.segment)
                tally.messages += 1
    tally.grown = peak() - before
    return tally
