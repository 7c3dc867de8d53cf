"""Blocks of weeks of the calendar, every third of which is kept from each of three that learn."""

from datetime import datetime

import numpy as np

from analytics.skill import Bools, Ints

FOLDS = 3


def fold(start: datetime, rows: Ints, block: int) -> Ints:
    """The fold of each row: a block of the calendar, so that panels that begin elsewhere agree."""
    return np.asarray((int(start.timestamp()) // 3600 + rows) // block % FOLDS)


def apart(start: datetime, rows: Ints, lead: int, block: int, number: int) -> tuple[Bools, Bools]:
    """What a fold is taught and what it is tested on: neither hours nor those they are about touch a tested block."""
    out = [fold(start, rows + shift, block) == number for shift in (-lead, 0, lead)]
    return ~np.any(out, axis=0), out[1]
