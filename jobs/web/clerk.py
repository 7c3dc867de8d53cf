"""Posts taken: saved at once where the store keeps up, else safe in the spool first and saved when it does.

An answer is 200 when the commit is done within PROMPT, 202 when the body is on the disk instead. A commit that was only
slow may still succeed after that. The post is not saved twice then: whoever drains waits for it, and looks whether its
batch is in the store (`posts.committed`), where a server that was killed meanwhile left it. And if one is saved twice
after all, the second time finds duplicates (laws 2, 7).
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from analytics.spool import SpoolError
from analytics.store.connection import Connection, Deadlock, Lost
from jobs.web import posts
from jobs.web.backlog import Answer, Backlog
from jobs.web.memory import Memory
from jobs.web.posts import Post, Readings
from jobs.web.problems import Refused

log = structlog.get_logger()

#: A commit is waited for so long [s] before the body goes into the spool.
PROMPT = 2.0
#: When to come back [s] where the database is away.
LATER = 5


class Workers:
    """A few threads, each of which does one thing after the other; what they are at when the program ends is left."""

    def __init__(self, count: int, name: str) -> None:
        """They wait for something to do."""
        self._count, self._jobs = count, queue.SimpleQueue[tuple[Future[Answer], Callable[[], Answer]] | None]()
        for number in range(count):
            threading.Thread(target=self._work, name=f"{name} {number}", daemon=True).start()

    def submit(self, work: Callable[[], Answer]) -> "Future[Answer]":
        """What comes of `work`; it can be cancelled until it is begun."""
        future: Future[Answer] = Future()
        self._jobs.put((future, work))
        return future

    def stop(self) -> None:
        """Nothing; each ends after what it is at."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            future, work = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as problem:  # theirs who wait for it
                    future.set_exception(problem)


class Clerk:
    """Takes posts: saves `count` at once on connections of `pool`, and puts into `backlog` what that takes too long."""

    def __init__(self, pool: "ConnectionPool[Connection]", memory: Memory, backlog: Backlog, count: int) -> None:
        """Its threads wait for posts."""
        self._pool, self._memory, self._backlog = pool, memory, backlog
        self._workers = Workers(count, "saver")
        # Threads of their own: who looks at pages while the database is away may hold all the others.
        self._reading, self._putting = anyio.CapacityLimiter(count), anyio.CapacityLimiter(count)

    def stop(self) -> None:
        """Nothing; no further post is saved."""
        self._workers.stop()

    async def take(self, post: Post, read: Callable[[], Readings]) -> Answer | None:
        """What became of `post`, whose readings (as `read` gives them) are in; None where it waits in the spool.

        Raises what `read` does; `Refused`, too, where it is in neither: then nothing is acknowledged.
        """
        if self._backlog.on and self._backlog.away:
            await anyio.to_thread.run_sync(read, limiter=self._reading)  # what cannot be read is refused at once
            if await self._wait_in_spool(post, None):
                return None
        legible = threading.Event()
        job = self._workers.submit(partial(self._save, post, read, legible))
        if self._backlog.on and not await _done(job, PROMPT):
            begun = not job.cancel()
            if begun:
                await _read_through(job, legible)
            else:
                await anyio.to_thread.run_sync(read, limiter=self._reading)
            if not (begun and job.done()) and await self._wait_in_spool(post, job if begun else None):
                return job.result() if _well(job) else None
            if not begun:
                raise Refused("away", "the database is too slow, and the spool takes no more", Retry_After=str(LATER))
        await _done(job, None)
        try:
            return job.result()
        except (Lost, Deadlock) as problem:
            log.warning("not saved", problem=str(problem).strip().splitlines()[0])
            if self._backlog.on and await self._wait_in_spool(post, None):
                return None
            words = "no connection to the database" if isinstance(problem, PoolTimeout) else "the database gave up"
            raise Refused("away", f"{words}: nothing is acknowledged", Retry_After=str(LATER)) from None

    def _save(self, post: Post, read: Callable[[], Readings], legible: threading.Event) -> Answer:
        readings = read()
        legible.set()
        try:
            with self._pool.connection() as conn, self._memory.intake(conn, post.order) as intake:
                answer = posts.save(intake, post, readings, post.origin)
        except PoolTimeout:
            self._backlog.away = True
            raise
        self._backlog.away = False
        return answer

    async def _wait_in_spool(self, post: Post, saving: "Future[Answer] | None") -> bool:
        """Whether `post` is safe on the disk. `saving`: its commit, which is under way all the same."""
        try:
            placed = await anyio.to_thread.run_sync(self._backlog.put, post, saving, limiter=self._putting)
            await _done(placed, None)
            placed.result()
        except (SpoolError, OSError) as problem:
            log.warning("not spooled", problem=f"{type(problem).__name__}: {problem}"[:500])
            return False
        return True


async def _read_through(job: "Future[Answer]", legible: threading.Event) -> None:
    """Nothing, once what `job` is to save was read, or it has ended: seldom is more than a moment left of that."""
    while not (legible.is_set() or job.done()):
        await asyncio.sleep(0.01)


def _well(job: "Future[Answer]") -> bool:
    return job.done() and not job.cancelled() and job.exception() is None


async def _done(job: "Future[Any]", seconds: float | None) -> bool:
    """Whether `job` has ended, at latest after so many `seconds`."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the server ended meanwhile
            loop.call_soon_threadsafe(ended.set)

    job.add_done_callback(tell)
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)
    return job.done()
