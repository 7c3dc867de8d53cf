"""The keys in force, as they were some seconds ago at most: whoever comes with one waits for no query."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from math import ceil
from threading import Event, Lock, Thread
from time import monotonic

import structlog

from analytics.store import connection, keys, people
from analytics.store.errors import StoreError
from analytics.store.keys import Key
from jobs.web.people import People

log = structlog.get_logger()

#: What every key begins with: a program that looks for secrets in code finds them by it.
PREFIX = "gw_"
#: Rows that are none: who waited as long as was said is let in, whatever the last bit of the sum says.
_NOTHING = 1e-3
#: Between two looks at the table [s]: a key that was revoked is refused as soon.
PAUSE = 2.0
#: Without a look for so long [s] something is wrong; the keys known by then stay in force.
STALE = 60.0


def digest(secret: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class Keys:
    """The keys and the people of the store `dsn`, from `start` to `stop`. While the database is away those known last
    stay in force.

    `always`: nobody sends or reads without a key, even where none was made.
    """

    def __init__(self, dsn: str, *, always: bool = False) -> None:
        """Knows none until `start`."""
        self._dsn, self._always = dsn, always
        self.people = People()
        self._stopped, self._loaded = Event(), Event()
        self._thread = Thread(target=self._work, name="keys", daemon=True)
        self._looked = monotonic()
        self._known: Mapping[bytes, Key] = {}
        self._scopes: frozenset[str] = frozenset()

    def start(self) -> None:
        """Nothing; the first look is on its way."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing; the thread has ended, or ends with the query it waits for."""
        self._stopped.set()
        self._thread.join(timeout=5)

    @property
    def known(self) -> bool:
        """Whether the table was looked at: until then nobody can say who needs a key."""
        return self._loaded.is_set()

    @property
    def problem(self) -> str:
        """What is wrong, in words; empty where nothing is."""
        late = monotonic() - self._looked
        if not self.known:
            return "the keys were not looked at yet"
        return f"the keys in force are those of {late:.0f} s ago" if late > STALE else ""

    def needed(self, scope: str) -> bool:
        """Whether `scope` is only for who has a key: as soon as one was ever made for it. That it was revoked since
        opens nothing again."""
        return self._always or scope in self._scopes

    def find(self, secret: str) -> Key | None:
        """The key in force that `secret` is; None where it is none.

        Looked up by its hash: how long that takes tells of the hash, out of which nobody makes a key. The hashes are
        then compared in constant time.
        """
        given = digest(secret)
        key = self._known.get(given)
        return key if key is not None and hmac.compare_digest(key.hash, given) else None

    def show(self, found: Iterable[Key]) -> None:
        """Nothing; `found` are all the keys from now on."""
        there = list(found)
        self._known = {key.hash: key for key in there if key.revoked is None}
        self._scopes = frozenset().union(*(key.scopes for key in there))
        self._looked = monotonic()
        self._loaded.set()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                with closing(connection.connect(self._dsn, application="greenwatch serve: keys")) as conn:
                    conn.execute("SET statement_timeout = '10s'")
                    while not self._stopped.is_set():
                        self.people.show(people.load(conn))
                        self.show(keys.load(conn))
                        self._stopped.wait(PAUSE)
            except (connection.Lost, StoreError):
                pass  # said by the watcher
            except Exception as problem:  # a mistake of ours must not leave revoked keys in force unseen
                log.error("keys", problem=f"{type(problem).__name__}: {problem}")
            self._stopped.wait(PAUSE)


class Buckets:
    """How many rows each key may still send: `most` at once, filled again by `rate` a second."""

    def __init__(self, rate: float, most: float, clock: Callable[[], float] = monotonic) -> None:
        """All are full."""
        self._rate, self._most, self._clock = rate, most, clock
        self._lock = Lock()
        self._left: dict[int, tuple[float, float]] = {}

    def take(self, key: int, rows: int) -> int:
        """0 where the key of this id may send `rows` more, which are taken; else the seconds until it may."""
        with self._lock:
            now = self._clock()
            left = self._now(key, now)
            wanted = min(float(rows), self._most)
            if enough := left >= wanted - _NOTHING:
                left = max(0.0, left - wanted)
            self._left[key] = left, now
        return 0 if enough else max(1, ceil((wanted - left - _NOTHING) / self._rate))

    def spend(self, key: int, rows: int) -> None:
        """Nothing; the key of this id has paid for `rows` more, and owes what it had not: as many as it may ever send
        at once, at most."""
        with self._lock:
            now = self._clock()
            self._left[key] = max(-self._most, self._now(key, now) - rows), now

    def _now(self, key: int, now: float) -> float:
        """How many rows the key may send, or owes."""
        left, since = self._left.get(key, (self._most, now))
        return min(self._most, left + (now - since) * self._rate)
