"""Pages that look the same to everybody: made once for all who ask within a while, however many tabs are open."""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock

#: A page is shown again for so many times as long as it took to make, which so takes a fifth of the time at most; and
#: for so long [s] at most.
TIMES, LONGEST = 4, 3.0
_MAKING = float("inf")


class Shared:
    """Texts by key, remembered for a while."""

    def __init__(self) -> None:
        """Remembers nothing."""
        self._lock = Lock()
        self._made: dict[Hashable, tuple[Future[str], float]] = {}

    def page(self, key: Hashable, make: Callable[[], str]) -> str:
        """What `make` gives, or gave a moment ago. Who comes while it is made waits for that, and shares its failure.

        There are as many texts as `key`s were ever asked for: few and bounded ones.
        """
        with self._lock:
            future, until = self._made.get(key, (Future[str](), 0.0))
            mine = time.monotonic() >= until
            if mine:
                future = Future()
                self._made[key] = future, _MAKING
        if mine:
            self._make(key, future, make)
        return future.result()

    def _make(self, key: Hashable, future: "Future[str]", make: Callable[[], str]) -> None:
        began, until = time.monotonic(), 0.0
        try:
            future.set_result(make())
            now = time.monotonic()
            until = now + min(LONGEST, TIMES * (now - began))
        except Exception as problem:  # theirs, too, who wait for it
            future.set_exception(problem)
        finally:
            future.cancel()  # nothing where it is done: whatever ended the making, nobody waits for ever
            with self._lock:
                self._made[key] = future, until
