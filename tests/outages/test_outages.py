"""Duty staff are told of what is, once, and of its end only where data said so, whatever falls down meanwhile.

`make soak` part `outages` has dozens of stations and strikes; here one of each fate, and a few strikes.
"""

import random
from contextlib import suppress
from pathlib import Path

import pytest

from tests.outages.fates import fates
from tests.outages.stack import PATIENCE, stack
from tests.serving import until

pytestmark = pytest.mark.long

LENGTH, SEED = 60.0, 20261122


def test_whatever_is_struck_down_nobody_is_told_what_is_not_so(tmp_path: Path) -> None:
    with stack(tmp_path, fates(random.Random(SEED), 1, LENGTH), LENGTH, SEED) as place:
        place.live(strikes=True)
        with suppress(AssertionError):  # what is wrong says more
            until(lambda: not place.wrong(), PATIENCE)
        assert sum(place.struck.values()) >= 3
        assert place.wrong() == []
