"""procrastinate: its tables, chunks put into its queue, and the thread of a worker that takes them out.

A job is a chunk. Of a worker whose heart stopped the jobs are handed out again; nothing is done twice by it, since a
chunk knows how far it is saved (analytics/store/backfills.py). Jobs that are over are deleted: our own tables tell.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.schema import SchemaManager
from procrastinate.types import JSONDict

from analytics.store import connection, guests
from analytics.store.connection import Connection, Lost
from analytics.store.guests import Guest
from jobs import console
from jobs.threads import Thread

log = structlog.get_logger()
# What matters of it is said by our own log; a worker that cannot reach the database would say the same for ever.
for _name in ("procrastinate", "psycopg.pool"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False

SCHEMA = "queue"
_QUEUE = _TASK = "backfill"
#: A worker shows so often that it lives [s]; one that did not for so long is dead, and its chunk somebody else's.
BEAT, DEAD = 5.0, 20.0
#: After an accident of a worker, rather than of a chunk, the chunk is tried again so soon.
_SOON = timedelta(seconds=5)

#: Does a chunk; after how long it is to be done again, None: it is over.
Do = Callable[[Connection, int], timedelta | None]


class Again(Exception):
    """The chunk is to be done again, after `wait`."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(wait)
        self.wait = wait


class _Later(BaseRetryStrategy):
    """Whatever happens to a chunk, its job stays until the chunk is over."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        wait = exception.wait if isinstance(exception, Again) else _SOON
        return RetryDecision(retry_at=console.now() + wait)


def guest() -> Guest:
    """The tables of the installed library."""
    folder = Path(SchemaManager.get_migrations_path())
    steps = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}
    return Guest(SCHEMA, SchemaManager.get_schema(), steps)


def put(conn: Connection, chunks: Sequence[int]) -> Mapping[int, int]:
    """Job of each of `chunks`; they are handed out as soon as the transaction of `conn` is committed."""
    task = _app("", lambda chunk: None).tasks[_TASK]
    given: list[JSONDict] = [{"chunk": chunk} for chunk in chunks]
    with guests.within(conn, SCHEMA):
        jobs = task.configure(connection=conn).batch_defer(*given) if given else []
    return dict(zip(chunks, jobs, strict=True))


def withdraw(conn: Connection, jobs: Sequence[int]) -> None:
    """Nothing; those of `jobs` that nobody has begun are gone with the transaction of `conn`."""
    manager = _app("", lambda chunk: None).job_manager
    with guests.within(conn, SCHEMA):
        for job in jobs:
            manager.cancel_job_by_id(job, delete_job=True, connection=conn)


def _app(dsn: str, do: Callable[[int], None]) -> App:
    how = connection.arguments(application="greenwatch chunks: queue", options=f"-c search_path={SCHEMA}")
    del how["autocommit"]
    app = App(connector=PsycopgConnector(conninfo=dsn, kwargs=how, min_size=1, max_size=2))
    app.task(name=_TASK, queue=_QUEUE, retry=_Later())(do)
    return app


@dataclass(slots=True)
class Porter(Thread):
    """Takes chunks out of the queue, one after the other, and lets `do` do them."""

    do: Do

    def serve(self, conn: Connection) -> None:
        """Nothing; chunks are done until `stopping` is set."""
        guests.require(conn, guest())
        try:
            asyncio.run(self._run(conn))
        except ConnectorException as problem:
            raise Lost(str(problem.__cause__ or problem)) from problem

    async def _run(self, conn: Connection) -> None:
        """Nothing; until `stopping`, or until `conn` or the queue's own connections are lost."""
        async with _app(self.dsn, partial(self._one, conn)).open_async() as app:
            worker = asyncio.create_task(
                app.run_worker_async(
                    queues=[_QUEUE],
                    install_signal_handlers=False,
                    delete_jobs="always",
                    fetch_job_polling_interval=1.0,
                    update_heartbeat_interval=BEAT,
                    stalled_worker_timeout=DEAD,
                )
            )
            rescue = asyncio.create_task(_rescue(app))
            try:
                while not (self.stopping.is_set() or conn.closed or worker.done() or rescue.done()):
                    await asyncio.sleep(0.2)
            finally:
                rescue.cancel()
                worker.cancel()  # it waits for the chunk, which sees `stopping`
                ends = await asyncio.gather(rescue, worker, return_exceptions=True)
            for end in ends:
                if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                    raise end

    def _one(self, conn: Connection, chunk: int) -> None:
        wait = self.do(conn, chunk)
        if wait is not None:
            raise Again(wait)


async def _rescue(app: App) -> None:
    """Nothing; the jobs of workers whose heart stopped are handed out again, for as long as this runs."""
    while True:
        for job in await app.job_manager.get_stalled_jobs(queue=_QUEUE, seconds_since_heartbeat=DEAD):
            try:
                await app.job_manager.retry_job(job)
            except ConnectorException:
                log.debug("taken over by another worker", job=job.id)
            else:
                log.warning("taken over from a dead worker", chunk=job.task_kwargs.get("chunk"))
        await asyncio.sleep(BEAT)
