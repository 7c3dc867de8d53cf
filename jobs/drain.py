"""What lies in a spool into the store. The cursor moves in the transaction of what it passes: killed at any point, a
record is in once, or is read again.

    spool = Spool(doors.folder("hj212"))                         the owner of the socket appends
    drainer = Drainer("drain hj212", dsn, stopping, spool, "hj212", Guarded("hj212", Saver("hj212")))
    drainer.start()                                              and this runs beside it
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import structlog

from analytics import spool as spools_on_disk
from analytics.frames import CELLS, REJECTS, Batch, empty
from analytics.spool import Damage, Place, Record, Spool, SpoolError
from analytics.store import health, spools
from analytics.store.connection import Busy, Conflict, Connection, Deadlock, Failure, Lost, Unfit
from analytics.store.errors import NewerStore, NotMigrated, Passed
from analytics.store.observations import Counts
from analytics.store.spools import Told
from jobs import console, doors
from jobs.intake import CHANNELS, Intake, Order
from jobs.rules import RuleBook
from jobs.threads import Thread

log = structlog.get_logger()

#: Saves records, in the transaction that moves the cursor past them.
Save = Callable[[Connection, list[Record]], object]

#: Records of one transaction, and how often it is repeated after a deadlock: with a quarter of them, then one by one.
MOST, _TRIES = 1000, 4
#: Of the bytes of a record in a reject [characters].
_SHOWN = 1000
#: Why a record is a reject whose decoder raised, and bytes that are no record any more.
UNDECODED, DAMAGED = "could not be decoded", "damaged in the spool"
#: What no record is at fault of: stopping at it loses nothing, a reject for it would be wrong.
_NO_FAULT = (Failure, NotMigrated, NewerStore, Passed, SpoolError, console.Stopped)
#: Between two looks while nothing comes, between two words to the store, between two looks for what is to be
#: compressed or deleted [s].
PAUSE, TELL, TIDY = 0.5, 5.0, 60.0
#: After a failure that is none of the connection's it waits so long, twice as long each time up to the longest [s].
_SOON, _SELDOM = 0.2, 15.0
#: How long drained segments are kept for `greenwatch replay`.
KEPT = timedelta(days=30)


def drain(
    conn: Connection, spool_folder: Path, door: str, save: Save, most: int = MOST, *, upto: Place | None = None
) -> int:
    """How many records behind the cursor of `door` were saved, in one transaction with the move of the cursor.

    A deadlock repeats the transaction with fewer. What else goes wrong undoes it whole and is raised: `Lost`, what
    `save` raises, `spool.Rewound`. `upto` is the end that the owner of the spool knows to be safe (`Spool.end`);
    without it nobody may be appending, or what he has not answered yet may be in.
    """
    return _advance(conn, spool_folder, door, save, most, upto)[0]


def _advance(
    conn: Connection, folder: Path, door: str, save: Save, most: int, upto: Place | None
) -> tuple[int, Place | None]:
    """How many records were saved, and where the cursor is then."""
    for tried in range(_TRIES):
        try:
            return _taken(conn, folder, door, save, most, upto)
        except (Deadlock, Conflict, Busy):
            # Others save the same series in another order, batch by batch: with one batch a transaction, which those do
            # who lost as well, nobody waits with a lock in hand that another one wants.
            most = 1 if tried else max(1, most // 4)
    return _taken(conn, folder, door, save, most, upto)


def _taken(
    conn: Connection, folder: Path, door: str, save: Save, most: int, upto: Place | None
) -> tuple[int, Place | None]:
    with conn.transaction():
        held = spools.hold(conn, door)
        after = None if held is None else Place(*held)
        found = spools_on_disk.read(folder, after, most, upto=upto)
        if found.place is None or found.place == after:
            return 0, after
        if found.records:
            save(conn, found.records)
        if found.damages:
            _pass_over(conn, door, found.damages)
        spools.move(conn, door, found.place)
    return len(found.records), found.place


def _pass_over(conn: Connection, door: str, damages: list[Damage]) -> None:
    """Nothing; what cannot be read any more is among the rejects, and in the log."""
    log.error("damaged", door=door, damages=[str(damage) for damage in damages])
    rows = [(str(damage), str(damage.place), DAMAGED) for damage in damages]
    _refuse(conn, door, rows, f"{door} {damages[0].place}")


def _refuse(
    conn: Connection, door: str, rows: list[tuple[str, str, str]], origin: str, *, trial: bool = False
) -> Counts:
    """Counts of one batch of rejects: `rows` are text, place and reason."""
    said = pl.DataFrame(rows, schema=["text", "place", "reason"], orient="row")
    nobody = [pl.lit(None, pl.String).alias(name) for name in ("station", "channel", "stamp")]
    batch = Batch(empty(CELLS), said.with_columns(nobody).select(*REJECTS))
    return Intake(conn, Order(dry_run=trial)).block(batch, door.partition("@")[0], origin)


@dataclass(slots=True)
class Guarded:
    """`save`, whom no record of `door` stops: those with which it raises are found, and become rejects with their bytes
    and their place.

    What is no fault of a record is raised as ever: a database that is away, or whose tables are others.
    `refused` are the counts of those rejects so far.
    """

    door: str
    save: Save
    trial: bool = False
    refused: Counts = field(default_factory=Counts, init=False)

    def __call__(self, conn: Connection, records: list[Record]) -> None:
        """Nothing; `records` are saved, or rejects. Raises what is no fault of theirs."""
        failed = list(self._each(conn, records))
        if failed:
            rows = [(_shown(record.payload), str(record.place), reason) for record, reason in failed]
            origin = doors.origin(self.door, [record for record, _ in failed])
            self.refused += _refuse(conn, self.door, rows, origin, trial=self.trial)

    def _each(self, conn: Connection, records: list[Record]) -> Iterator[tuple[Record, str]]:
        """Those of `records` that cannot be saved, and why; the others are."""
        try:
            with conn.transaction():
                self.save(conn, records)
                return
        except Exception as problem:
            if isinstance(problem, _NO_FAULT) and not isinstance(problem, Unfit):
                raise
            if len(records) == 1:
                log.warning("not decoded", door=self.door, place=str(records[0].place), problem=repr(problem)[:500])
                yield records[0], f"{UNDECODED}: {type(problem).__name__}"
                return
        half = len(records) // 2
        yield from self._each(conn, records[:half])
        yield from self._each(conn, records[half:])


def _shown(payload: bytes) -> str:
    """`payload` as text, the first of it where it is long."""
    text = payload[:_SHOWN].decode("utf-8", "backslashreplace")[:_SHOWN]
    return text if len(payload) <= _SHOWN else f"{text}… ({len(payload):,} bytes)"


@dataclass(slots=True)
class Saver:
    """Records of `door` into the store, by its decoder; for `drain`, within `Guarded`.

    `again`: they came long ago, no batch of them is live. `trial`: who calls undoes it. `source`: only what that one
    says. `counts` are of all it did not raise at so far. Raises `KeyError` where there is no such door.
    """

    door: str
    again: bool = False
    trial: bool = False
    source: str | None = None
    decode: doors.Decode | None = None
    counts: Counts = field(default_factory=Counts, init=False)
    _book: RuleBook = field(default_factory=RuleBook, init=False)
    _state: object = field(default=None, init=False)
    _known: dict[int | None, pl.DataFrame] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.decode = self.decode or doors.decoder(self.door)

    def __call__(self, conn: Connection, records: list[Record]) -> Counts:
        """Counts of what `records` hold. Raises what the decoder does."""
        assert self.decode is not None
        state = health.registry_state(conn)
        if state != self._state:
            self._state, self._known = state, {}
        total = Counts()
        for item in self.decode(conn, records):
            if self.source in (None, item.order.source or item.decoder):
                total += self._saved(conn, item)
        self.counts += total
        return total

    def _saved(self, conn: Connection, item: doors.Decoded) -> Counts:
        order = replace(item.order, dry_run=self.trial)
        if self.again and order.kind == "live":
            order = replace(order, kind="late")
        known = self._known.get(order.cadence, pl.DataFrame(schema=CHANNELS))
        intake = Intake(conn, order, parameters=self._book.open(conn)[-1].parameters, known=known)
        counts = intake.block(item.batch, item.decoder, doors.origin(self.door, item.records))
        if not order.register:  # a series that was made in this transaction may be undone with it
            self._known[order.cadence] = intake.known
        return counts


@dataclass(slots=True)
class Drainer(Thread):
    """A thread that drains `spool` into the store as it fills, tells the store what waits, keeps segments for `age`.

    Its owner closes the spool after the thread has ended. `problem` is why it could not drain the last time, "" where
    it could: for /healthz. `room`: as many bytes of segments are kept at most, the oldest drained ones go first; three
    quarters of what the spool may hold where nothing is said, so that what is drained never keeps out what comes.
    """

    spool: Spool
    door: str
    save: Save
    most: int = MOST
    age: timedelta = KEPT
    room: int | None = None
    problem: str = field(default="", init=False)
    #: the cursor, as it was last committed
    place: Place | None = field(default=None, init=False)
    _tell: float = field(default=0.0, init=False)
    _tidied: float = field(default=-TIDY, init=False)
    _tidying: threading.Thread | None = field(default=None, init=False)

    def serve(self, conn: Connection) -> None:
        """Nothing; drains until `stopping`, or `conn` is lost. What waits then waits for the next owner."""
        most, pause = self.most, _SOON
        if not self._owned(conn):
            return
        self.place = cursor(conn, self.door)
        while not self.stopping.is_set():
            try:
                more = self._step(conn, most)
            except Exception as problem:
                words = f"{type(problem).__name__}: {problem}".splitlines()[0][:500]
                if words != self.problem:
                    log.error("not drained", door=self.door, problem=words)
                self.problem = words
                if conn.closed:
                    raise Lost(words) from problem
                # Too many at once may be what is wrong: they took too long, or met too many others.
                most, pause = max(1, most // 4), min(2 * pause, _SELDOM)
                self.stopping.wait(pause)
            else:
                most, pause, self.problem = min(self.most, 2 * most), _SOON, ""
                if not more:
                    self.stopping.wait(PAUSE)

    def _owned(self, conn: Connection) -> bool:
        """Whether this is the one who drains the door, once it is; False where it was stopped before.

        The places of another machine's spool are not ours: with its cursor we would pass over what we promised.
        """
        while not self.stopping.is_set():
            if spools.own(conn, self.door):
                self.problem = ""
                return True
            words = f"{self.door} is drained by another process into this store: each spool needs a name (--name)"
            if words != self.problem:
                log.error("not drained", door=self.door, problem=words)
            self.problem = words
            self.stopping.wait(PAUSE)
        return False

    def _step(self, conn: Connection, most: int) -> bool:
        """Whether the spool did what it promised: there is no end behind which nothing comes."""
        now = time.monotonic()
        if now >= self._tell:
            self._tell = now + TELL
            self.tell(conn)
        # A spool that is full of what is drained refuses nobody for long.
        if now - self._tidied >= (PAUSE if self.spool.figures.full else TIDY):
            self._tidied = now
            self._tidy_up()
        if not self.spool.wait(self.place, PAUSE):
            return True
        before = self.place
        _, self.place = _advance(conn, self.spool.folder, self.door, self.save, most, self.spool.end)
        return self.place != before

    def tell(self, conn: Connection) -> None:
        """Nothing; the store knows what waits."""
        spools.tell(conn, self.door, told(self.spool, self.place, self.problem), console.now())

    def _tidy_up(self) -> None:
        """Nothing; segments are being compressed and deleted beside the draining."""
        if self.place is not None and (self._tidying is None or not self._tidying.is_alive()):
            work = threading.Thread(target=self._kept, args=(self.place,), name=f"{self.name} keeps", daemon=True)
            self._tidying = work
            work.start()

    def _kept(self, drained: Place) -> None:
        try:
            room = self.room
            if room is None and self.spool.room is not None:
                room = self.spool.room * 3 // 4
            spools_on_disk.keep(self.spool.folder, drained, console.now() - self.age, most=room)
        except OSError as problem:  # it is tried again
            log.warning("segments not kept", door=self.door, problem=str(problem))


def cursor(conn: Connection, door: str) -> Place | None:
    """Behind the last record of `door` that is in the store."""
    found = spools.cursor(conn, door)
    return None if found is None else Place(*found)


def told(spool: Spool, drained: Place | None, problem: str = "") -> Told:
    """What the owner of `spool` tells of it, drained up to `drained`: plain figures, for the store and Prometheus."""
    waits = spools_on_disk.depth(spool.folder, drained, spool.end, spool.number)
    done = spool.figures
    return Told(
        bytes=waits.bytes,
        records=waits.records,
        oldest=waits.oldest,
        full=done.full,
        appended=done.appended,
        refused=done.refused,
        syncs=done.syncs,
        sync_seconds=done.sync_seconds,
        problem=problem,
    )
