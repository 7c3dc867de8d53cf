"""Posts that are safe in the spool and not in the store yet: put there, drained from there, asked for by their id."""

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event, Lock
from time import monotonic
from typing import Any
from uuid import UUID

import structlog

from analytics import spool as spools
from analytics.spool import Place, Record, Spool, SpoolError
from analytics.store import posts as store
from analytics.store.connection import Connection, Deadlock, Lost
from analytics.store.errors import StoreError
from analytics.store.posts import REFUSED, SAVED, Settled
from jobs import console, doors, drain
from jobs.drain import Drainer, Guarded
from jobs.web import posts, problems
from jobs.web.memory import Memory
from jobs.web.posts import Post

log = structlog.get_logger()

Answer = dict[str, Any]

#: Of the segments of the spool, drained ones too [bytes]; of those that are drained, at most.
ROOM, DRAINED = 4 * 2**30, 2 * 2**30
#: Who drains waits so long [s] for a commit that was only slow: longer than a statement of it may take.
PATIENCE = 45.0
#: Between two looks for posts to be forgotten [s]: what became of one is known as long as its bytes are kept.
FORGET = 3600.0


class StillSaving(StoreError):
    """A commit of the post is still under way."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a post that waits."""

    source: str
    received: datetime


@dataclass(slots=True)
class Draining(Drainer):
    """A drainer that looks at what waits `before` it begins."""

    before: Callable[[Connection], None] = field(default=lambda conn: None)

    def serve(self, conn: Connection) -> None:
        """Nothing; drains until it is stopped, or `conn` is lost."""
        self.before(conn)
        Drainer.serve(self, conn)


class Backlog:
    """The spool of `door`, which lies in `folder`; from `start` to `stop`. Without a `door` nothing is taken.

    The folder is made by the first post that needs it.
    """

    def __init__(self, dsn: str, door: str | None, memory: Memory, folder: Path | None = None) -> None:
        """Opens nothing yet."""
        self._dsn, self._door, self._memory = dsn, door, memory
        self._folder = folder or (doors.folder(door) if door else None)
        self._lock, self._stopping, self._looked = Lock(), Event(), Event()
        self._spool: Spool | None = None
        self._drainer: Draining | None = None
        self._waiting: dict[UUID, Known] = {}
        self._saving: dict[UUID, Future[Answer]] = {}
        self._answers: dict[UUID, Answer] = {}
        self._words: dict[UUID, str] = {}
        self._passed: set[UUID] = set()
        self._forget = 0.0
        #: whether the store was not there when it was last needed
        self.away = False

    @property
    def on(self) -> bool:
        """Whether there is a spool."""
        return self._door is not None

    def start(self) -> None:
        """Nothing; what an earlier server left is being drained. Where another one does that there is no spool here."""
        if self._folder is None or not self._folder.is_dir():
            self._looked.set()
            return
        try:
            self._open()
        except (SpoolError, OSError) as problem:
            log.warning("no spool", folder=str(self._folder), problem=f"{type(problem).__name__}: {problem}")
            self._door = None
            self._looked.set()

    def stop(self) -> None:
        """Nothing; what waits is for the next server."""
        self._stopping.set()
        with self._lock:
            drainer, spool = self._drainer, self._spool
        if drainer is not None:
            drainer.join(10)
        if spool is not None:
            spool.close()

    def put(self, post: Post, saving: "Future[Answer] | None") -> "Future[Place]":
        """The place of `post` once it is on the disk; `saving`: its commit, which is under way all the same.

        Raises what `Spool` does; its exceptions are the future's too.
        """
        spool = self._open()
        with self._lock:
            self._waiting[post.id] = Known(post.source, post.received)
            if saving is not None:
                self._saving[post.id] = saving
        future = spool.append(post.body, post.head(), post.received)
        future.add_done_callback(lambda done: self._put(post.id, done))
        return future

    def _put(self, id: UUID, done: "Future[Place]") -> None:
        if done.cancelled() or done.exception() is not None:
            with self._lock:
                self._waiting.pop(id, None)
                self._saving.pop(id, None)

    def _open(self) -> Spool:
        with self._lock:
            if self._spool is None:
                if self._door is None or self._folder is None or self._stopping.is_set():
                    raise spools.Closed("there is no spool")
                self._spool = Spool(self._folder, room=ROOM)
                self._drainer = Draining(
                    f"drain {self._door}",
                    self._dsn,
                    self._stopping,
                    self._spool,
                    self._door,
                    self._settle,
                    most=1,  # a transaction each, as when they are saved at once: they meet others no otherwise
                    room=DRAINED,
                    before=self._look,
                )
                self._drainer.start()
            return self._spool

    def _look(self, conn: Connection) -> None:
        """Nothing; what an earlier server left is known."""
        self.away = False
        if self._looked.is_set():
            return
        assert self._door is not None
        assert self._folder is not None
        assert self._spool is not None
        after, end = drain.cursor(conn, self._door), self._spool.end
        while found := spools.read(self._folder, after, 100, upto=end).records:
            with self._lock:
                for record in found:
                    self._waiting.setdefault(UUID(record.head["id"]), Known(record.head["source"], record.received))
            after = found[-1].place
        self._looked.set()

    def state(self, conn: Connection, id: UUID) -> Settled | Known | None:
        """What became of the post `id`, or that it waits; None where nothing is known of it. Raises `Lost` where the
        store must be asked and is away."""
        with self._lock:
            known = self._waiting.get(id)
        settled = store.load(conn, id)
        if settled is None and known is None and not self._looked.is_set():
            raise Lost("what waits was not looked through yet")
        return settled or known

    def waits(self, id: UUID) -> Known | None:
        """What is known of the post `id` without the store: None where it does not wait."""
        with self._lock:
            return self._waiting.get(id)

    def _settle(self, conn: Connection, records: list[Record]) -> None:
        """Nothing; `records` are in, and what became of them is known to whoever asks."""
        here = [Post.of(record) for record in records]
        ids = {post.id for post in here}
        with self._lock:
            for id in self._passed - ids:  # their transaction is over
                self._waiting.pop(id, None)
                self._saving.pop(id, None)
            self._passed = ids
        for post in here:
            self._await(post)
        self._answers.clear()
        self._words.clear()
        assert self._door is not None
        Guarded(self._door, self._save)(conn, records)
        for post in here:
            self._remember(conn, post)
        if monotonic() >= self._forget:
            self._forget = monotonic() + FORGET
            store.forget(conn, console.now() - drain.KEPT)
        self.away = False

    def _await(self, post: Post) -> None:
        """Nothing, once the commit that was slow has ended: before a lock is held for which it could wait."""
        saving = self._saving.get(post.id)
        if saving is not None:
            try:
                saving.exception(PATIENCE)
            except Late:
                raise StillSaving(f"a commit of {post.origin} is under way for {PATIENCE:.0f} s") from None

    def _save(self, conn: Connection, records: list[Record]) -> None:
        """Nothing; `records` are in. For `Guarded`: raises where one of them cannot be read."""
        for record in records:
            post = Post.of(record)
            try:
                self._answers[post.id] = self._committed(conn, post) or self._saved(conn, post, record)
            except (Lost, Deadlock, StoreError):
                raise
            except problems.Refused as refused:
                self._words[post.id] = str(refused)
                raise
            except Exception as problem:
                self._words[post.id] = f"it could not be read: {type(problem).__name__}"
                raise

    def _committed(self, conn: Connection, post: Post) -> Answer | None:
        """The answer to `post` whose commit, though slow, succeeded; None where it did not."""
        counts = store.committed(conn, post.origin, post.received)
        if counts is None:
            return None
        saving = self._saving.get(post.id)
        if saving is not None and saving.done() and not saving.cancelled() and saving.exception() is None:
            return saving.result()
        return asdict(counts)

    def _saved(self, conn: Connection, post: Post, record: Record) -> Answer:
        assert self._door is not None
        with self._memory.intake(conn, post.order) as intake:
            return posts.save(intake, post, post.read(), doors.origin(self._door, [record]))

    def _remember(self, conn: Connection, post: Post) -> None:
        answer = self._answers.get(post.id)
        state = SAVED
        if answer is None:
            state, answer = REFUSED, problems.body("unreadable-body", self._words.get(post.id, "it could not be read"))
        store.settle(conn, post.id, Settled(post.source, post.received, console.now(), state, answer))
