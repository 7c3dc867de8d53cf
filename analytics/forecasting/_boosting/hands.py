"""Several at a time, each by one thread: as fast as two cores allow, and the same bits on any machine."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types

Item = TypeVar("Item")
Made = TypeVar("Made")

#: No more, however many cores there are: each holds a copy of what it learns from.
_HANDS = min(os.cpu_count() or 1, 2)


def each(work: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
    """What `work` makes of each of `items`, in their order. It must leave the interpreter alone most of its time."""
    # Of matrices the limit is the process's, of OpenMP each thread's own.
    with (
        threadpool_limits(1),
        ThreadPoolExecutor(_HANDS, initializer=threadpool_limits, initargs=(1, "openmp")) as pool,
    ):
        return list(pool.map(work, items))
