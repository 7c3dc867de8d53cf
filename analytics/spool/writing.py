"""The owner of a spool: records in, each acknowledged once it would outlive a crash of the machine.

One thread writes. It takes all who wait, writes them in one go, asks the disk once, and only then acknowledges. The
first who waits is begun with at once, those who come meanwhile share the next turn. Places follow the order of appends.

What fails leaves nothing: the segment is cut back to what was acknowledged and left for a new one. Its bytes behind
that are never used again: a disk that failed to keep them may say otherwise the next time it is asked, and a reader may
have seen them. A process that was killed leaves at most a torn end, which the next owner cuts off.
"""

import errno
import fcntl
import os
import secrets
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Condition, Thread

from analytics.spool import framing, segments
from analytics.spool.errors import Closed, Failed, Full, InUse, SpoolError, TooLarge
from analytics.spool.framing import Place
from analytics.spool.reading import ending
from analytics.spool.segments import Segment

#: Of a segment [bytes].
MOST = 64 * 2**20
#: In one go, and waiting for the disk [bytes]: who comes while it does not keep up is refused.
_TURN, _WAITING = 8 * 2**20, 128 * 2**20
#: What the system says where there is no room: on the disk, for the user, in a file.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Figures:
    """What this owner did since it opened the spool."""

    #: records acknowledged, and refused since there was no room
    appended: int = 0
    refused: int = 0
    #: how often the disk was asked, and the time it took in all [s]
    syncs: int = 0
    sync_seconds: float = 0.0
    #: whether the last record was refused
    full: bool = False
    #: bytes of the torn end that the owner before left
    cut: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record on its way, packed but for its number; `second` in which it was received."""

    rest: bytes
    second: int
    future: "Future[Place]"


class Spool:
    """The spool of `folder`, which is made where it is missing; its owner until `close`, or the end of the process.

    `most` is of a segment, `room` of all segments together, drained ones too [bytes]. Raises `InUse` where somebody
    else owns it, `OSError` where the folder cannot be used.
    """

    def __init__(self, folder: Path, *, most: int = MOST, room: int | None = None) -> None:
        """Cuts off the torn end that a killed owner left."""
        self.folder, self.room = folder, room
        # The newest segment is never deleted: it must not be all there is room for.
        self._most = most if room is None else min(most, room // 8)
        self._lock = _own(folder)
        self._wake, self._moved = Condition(), Condition()
        self._waiting: deque[_Waiting] = deque()
        self._bytes, self._closing = 0, False
        self._segment: Segment | None = None
        self._file, self._size, self._used = -1, 0, 0
        self._highest, self._number = 0, 0
        self._end: Place | None = None
        self._appended, self._refused, self._syncs, self._seconds, self._full = 0, 0, 0, 0.0, False
        with ExitStack() as undo:
            undo.callback(os.close, self._lock)
            self._cut = self._tidy()
            self._used = _used(folder)
            undo.pop_all()
        self._thread = Thread(target=self._work, name=f"spool {folder.name}", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, payload: bytes, head: Mapping[str, str], received: datetime) -> "Future[Place]":
        """The place of the record, once it is on the disk.

        Its exception is `Full`, `TooLarge`, `Closed` or `Failed`: then nothing of it is in the spool. Who cancels it in
        time takes it back. Raises `ValueError` where `received` has no zone.
        """
        future: Future[Place] = Future()
        try:
            rest = framing.packed(payload, head, received)
        except TooLarge as problem:
            future.set_exception(problem)
            return future
        entry = _Waiting(rest, int(received.timestamp()), future)
        refusal: SpoolError | None = None
        with self._wake:
            if self._closing:
                refusal = Closed(str(self.folder))
            elif self._bytes + len(rest) > _WAITING:
                self._refused += 1
                refusal = Full(f"{self._bytes:,} bytes wait for the disk of {self.folder}")
            else:
                self._waiting.append(entry)
                self._bytes += len(rest)
                self._wake.notify()
        if refusal:
            future.set_exception(refusal)
        return future

    def close(self) -> None:
        """Nothing; what was appended is on the disk or refused, nothing more is taken, another may own the folder."""
        with self._wake:
            if self._closing:
                return
            self._closing = True
            self._wake.notify()
        self._thread.join()
        if self._file >= 0:
            os.close(self._file)
        os.close(self._lock)
        with self._moved:
            self._moved.notify_all()

    @property
    def end(self) -> Place | None:
        """Behind the last record that is safe; None before there is one."""
        return self._end

    @property
    def number(self) -> int:
        """How many records were ever appended."""
        return self._number

    @property
    def figures(self) -> Figures:
        """What was done so far."""
        return Figures(self._appended, self._refused, self._syncs, self._seconds, self._full, self._cut)

    def wait(self, after: Place | None, timeout: float) -> bool:
        """Whether there is a record behind `after`; waits for one, for `timeout` [s] or until the spool is closed."""
        with self._moved:
            self._moved.wait_for(lambda: self._closing or self._behind(after), timeout)
            return self._behind(after)

    def _behind(self, after: Place | None) -> bool:
        return self._end is not None and (after is None or after < self._end)

    def _tidy(self) -> int:
        """Bytes of the torn end, which is cut off; where numbers go on is known then."""
        for path in self.folder.glob(f"*{segments.PART}"):
            path.unlink()
        there = segments.listing(self.folder)
        self._highest = there[-1].number if there else 0
        cut = 0
        for segment in reversed(there):
            last = ending(segment)
            if segment is there[-1] and not segment.packed:
                cut = max(0, segment.path.stat().st_size - last.offset)
                if cut:
                    os.truncate(segment.path, last.offset)
                segments.sync(segment.path)  # what a killed owner wrote but had not synced is a record now
            if last.number:
                self._number, self._end = last.number, Place(segment.number, last.offset)
                break
        return cut

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                if not self._waiting:
                    return
                turn = self._next_turn()
            while turn:
                turn = self._some(turn)

    def _next_turn(self) -> list[_Waiting]:
        turn: list[_Waiting] = []
        total = 0
        while self._waiting and (not turn or total + len(self._waiting[0].rest) <= _TURN):
            entry = self._waiting.popleft()
            self._bytes -= len(entry.rest)
            if entry.future.set_running_or_notify_cancel():
                turn.append(entry)
                total += len(entry.rest)
        return turn

    def _some(self, turn: list[_Waiting]) -> list[_Waiting]:
        """The rest of `turn`; what fits into the segment is on the disk or refused."""
        fits = self._fitting(turn)
        fitting, rest = turn[:fits], turn[fits:]
        try:
            if not fits:  # the first one begins a new segment
                self._leave()
                return rest
            fitting = self._with_room(fitting)
            places = self._written(fitting) if fitting else []
        except Exception as problem:
            self._give_up(fitting, problem)
        else:
            self._full = len(fitting) < fits
            self._appended += len(places)
            for entry, place in zip(fitting, places, strict=True):
                entry.future.set_result(place)
        return rest

    def _fitting(self, turn: Sequence[_Waiting]) -> int:
        """How many of `turn` go into the segment that is open: all where none is, but for what is more than `most`."""
        filled, count = self._size if self._segment else 0, 0
        for entry in turn:
            filled += framing.size(entry.rest)
            if filled > self._most and (count or self._size):
                break
            count += 1
        return count

    def _with_room(self, entries: list[_Waiting]) -> list[_Waiting]:
        """Those of `entries` for which `room` is left; the others are refused."""
        if self.room is None:
            return entries
        if self._used + sum(framing.size(entry.rest) for entry in entries) > self.room:
            self._used = _used(self.folder)  # some may have been compressed or deleted
        kept: list[_Waiting] = []
        refused: list[_Waiting] = []
        used = self._used
        for entry in entries:
            fits = used + framing.size(entry.rest) <= self.room
            (kept if fits else refused).append(entry)
            used += framing.size(entry.rest) if fits else 0
        self._refuse(refused, Full(f"{self.folder} may hold {self.room:,} bytes and holds {used:,}"))
        return kept

    def _written(self, entries: Sequence[_Waiting]) -> list[Place]:
        """The places of `entries`, which are on the disk. Raises `OSError`."""
        segment = self._segment or self._begin(entries[0].second)
        pieces: list[bytes] = []
        places, offset = [], self._size
        for number, entry in enumerate(entries, self._number + 1):
            pieces += framing.framed(segment.marker, number, entry.rest)
            offset += framing.size(entry.rest)
            places.append(Place(segment.number, offset))
        data = memoryview(b"".join(pieces))
        while data:
            data = data[os.write(self._file, data) :]
        began = time.perf_counter()
        os.fsync(self._file)
        self._seconds += time.perf_counter() - began
        self._syncs += 1
        self._used += offset - self._size
        with self._moved:
            self._size, self._end = offset, places[-1]
            self._number += len(places)
            self._moved.notify_all()
        return places

    def _begin(self, second: int) -> Segment:
        """A new segment, whose name is on the disk. Raises `OSError`."""
        number, marker = max(self._highest + 1, second), secrets.token_bytes(framing.MARKER)
        path = self.folder / segments.name(number, marker)
        self._highest = number
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._segment, self._size = Segment(number, marker, path, packed=False), 0
        segments.sync(self.folder)
        return self._segment

    def _leave(self) -> None:
        """Nothing; the next record begins a new segment."""
        file, self._file, self._segment, self._size = self._file, -1, None, 0
        if file >= 0:
            os.close(file)

    def _give_up(self, entries: Sequence[_Waiting], problem: Exception) -> None:
        """Nothing; nothing of `entries` is there, and they are told why."""
        with suppress(OSError):  # else its end is torn, which readers know how to pass
            if self._segment:
                if self._size:
                    os.ftruncate(self._file, self._size)
                else:
                    self._segment.path.unlink()
        with suppress(OSError):
            self._leave()
        said = f"{self.folder}: {problem}"
        full = isinstance(problem, OSError) and problem.errno in _NO_ROOM
        self._full = self._full or full
        self._refuse(entries, Full(said) if full else Failed(said))

    def _refuse(self, entries: Sequence[_Waiting], refusal: SpoolError) -> None:
        """Nothing; `entries` are told that they are not in."""
        if isinstance(refusal, Full):
            with self._wake:
                self._refused += len(entries)
        for entry in entries:
            entry.future.set_exception(refusal)


def _own(folder: Path) -> int:
    """The lock of `folder`, which is made where it is missing. Raises `InUse`, `OSError`."""
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    for each in made:
        segments.sync(each.parent)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o640)
    with ExitStack() as undo:
        undo.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(str(folder)) from None
        undo.pop_all()
    return lock


def _used(folder: Path) -> int:
    """Bytes of the segments of `folder`, as they lie there."""
    total = 0
    for segment in segments.listing(folder):
        with suppress(FileNotFoundError):
            total += segment.path.stat().st_size
    return total
