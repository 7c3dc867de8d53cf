"""Work ahead: two cores work where one would wait."""

import threading
from collections.abc import Iterator
from queue import Queue
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one made while the last one is used. Raises what making one raises."""
    queue: Queue[T | BaseException | None] = Queue(maxsize=1)
    stopped = threading.Event()

    def work() -> None:
        try:
            for item in items:
                if stopped.is_set():
                    return
                queue.put(item)
            queue.put(None)
        except BaseException as problem:  # handed over, raised by the consumer
            queue.put(problem)

    thread = threading.Thread(target=work, name="reader", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        while thread.is_alive() and not queue.empty():
            queue.get_nowait()
