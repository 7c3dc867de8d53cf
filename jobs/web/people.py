"""People who log in by name and password (HTTP Basic). A check takes argon2's time and memory, and is done apart from
the event loop, few at once; who was let in is remembered for a while by a keyed hash, never by the password."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from math import ceil
from time import monotonic

import anyio
import anyio.to_thread

from analytics.store.people import Person
from jobs import passwords

#: Checks at once, each some tenths of a second and 64 MiB; and how many more may wait.
CHECKS, QUEUE = 2, 16
#: Who was let in is, for a shift [s], without another check, unless the password is changed or the person disabled:
#: whoever guesses at a name locks out nobody who works. So many are remembered.
REMEMBERED, MOST = 12 * 3600.0, 1_000
#: Tries that cost nothing; after each further one that fails the next has to wait, twice as long each time.
FREE = 5
#: But for at most so long [s]: of one name from one address; of one address, which many people may share; of a name
#: from anywhere.
LONGEST: Mapping[str, float] = {"both": 300.0, "address": 30.0, "name": 10.0}
#: So often somebody may be wrong who comes from where the name was not guessed at, however often it was elsewhere: who
#: asks all the time takes every turn, and must not lock out whose name it is.
OWN = 2
#: Tries are forgotten after so long without another one [s]; so many are known at most.
FORGOTTEN, KNOWN = 900.0, 10_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody was not let in: `wrong`, `wait` (so many `seconds`), or `busy`."""

    why: str
    seconds: int = 0


@dataclass(slots=True)
class Tries:
    """Tries that failed, by whose they were."""

    clock: Callable[[], float] = monotonic
    _failed: "OrderedDict[Hashable, tuple[int, float]]" = field(default_factory=OrderedDict)

    def wait(self, name: str, address: str) -> int:
        """Seconds until the next try; 0 where it may be now."""
        now = self.clock()
        both, named, where = _keys(name, address)
        own, _ = self._failed.get(both, (0, 0.0))
        left = [self._until(key) - now for key in ((both, where, named) if own > OWN else (both, where))]
        return max(0, ceil(max(left)))

    def count(self, name: str, address: str) -> None:
        """Nothing; a try is under way. It counts as failed until `forgive`: many at once are no way around it."""
        now = self.clock()
        for key in _keys(name, address):
            times, last = self._failed.pop(key, (0, now))
            self._failed[key] = (times + 1 if now - last < FORGOTTEN else 1), now
        while len(self._failed) > KNOWN:
            self._failed.popitem(last=False)

    def forgive(self, name: str, address: str) -> None:
        """Nothing; the try was a good one. Others of the name or the address, maybe by others, stay."""
        both, *shared = _keys(name, address)
        self._failed.pop(both, None)
        for key in shared:
            times, last = self._failed.pop(key, (0, 0.0))
            if times > 1:
                self._failed[key] = times - 1, last

    def _until(self, key: tuple[str, ...]) -> float:
        times, last = self._failed.get(key, (0, 0.0))
        over = times - FREE
        return last + min(2.0 ** min(over, 30), LONGEST[key[0]]) if over > 0 else 0.0


def _keys(name: str, address: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    place = _place(address)
    return ("both", name, place), ("name", name), ("address", place)


def _place(address: str) -> str:
    """What counts as one address: of IPv6 the network, of which everybody has 2^64 addresses."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ip_network((int(found), 64), strict=False))


class People:
    """Who may log in, as the store had it some seconds ago."""

    def __init__(
        self, fits: Callable[[str, str], bool] = passwords.fits, clock: Callable[[], float] = monotonic
    ) -> None:
        """Knows nobody until `show`."""
        self._fits, self._clock = fits, clock
        self._known: Mapping[str, Person] = {}
        self._ever = False
        self._secret = secrets.token_bytes(32)
        self._let_in: OrderedDict[bytes, float] = OrderedDict()
        self._threads = anyio.CapacityLimiter(CHECKS)
        self._under_way = 0
        #: checks by what will be remembered: a page asks for ten things at once, which are one try
        self._checks: dict[bytes, anyio.Event] = {}
        self.tries = Tries(clock)

    @property
    def needed(self) -> bool:
        """Whether acting is for people alone: as soon as anybody was ever added."""
        return self._ever

    def show(self, found: Iterable[Person]) -> None:
        """Nothing; `found` are all from now on."""
        there = list(found)
        self._known = {person.name: person for person in there if person.disabled is None}
        self._ever = bool(there)

    async def log_in(self, name: str, password: str, address: str) -> Person | Refusal:
        """Who it is, or why not."""
        shown = name[: passwords.LONGEST]
        while True:
            person = self._known.get(name)
            mark = self._mark(name, password, "" if person is None else person.hash)
            if person is not None and self._let_in.get(mark, 0.0) > self._clock():
                return person
            if seconds := self.tries.wait(shown, address):
                return Refusal("wait", seconds)
            if (check := self._checks.get(mark)) is None:
                break
            await check.wait()
        if self._under_way >= CHECKS + QUEUE:
            return Refusal("busy", 1)
        self.tries.count(shown, address)
        self._under_way += 1
        ended = self._checks[mark] = anyio.Event()
        try:
            # A name that is not there takes as long: nobody learns from that which are.
            hash = passwords.NOBODY if person is None else person.hash
            given = password[: passwords.LONGEST + 1]
            fits = await anyio.to_thread.run_sync(self._fits, hash, given, limiter=self._threads)
            if person is None or not fits:
                return Refusal("wrong")
            self.tries.forgive(shown, address)
            self._let_in[mark] = self._clock() + REMEMBERED
            while len(self._let_in) > MOST:
                self._let_in.popitem(last=False)
            return person
        finally:
            self._under_way -= 1
            del self._checks[mark]
            ended.set()

    def _mark(self, name: str, password: str, hash: str) -> bytes:
        """What is remembered: under another password, or another key of the next process, it is another one."""
        parts = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (name, password, hash)]
        return hmac.new(self._secret, b"".join(parts), hashlib.sha256).digest()
