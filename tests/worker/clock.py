"""What the tests of the worker share: a clock that is set by hand, and patience."""

import time
from collections.abc import Callable
from datetime import datetime


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Nothing, once `true`; fails after `seconds`."""
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "it did not come true"
        time.sleep(0.05)


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now
