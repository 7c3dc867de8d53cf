"""What is shared among those who ask, so that none of them takes all of it: bytes at hand, turns."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field


class Held:
    """How much is at hand: of all together, and of each."""

    def __init__(self) -> None:
        """Nothing is."""
        self.all = 0
        self._of: Counter[str] = Counter()

    def of(self, who: str) -> int:
        """How much of `who` is."""
        return self._of[who]

    def add(self, who: str, more: int) -> None:
        """Nothing; so much `more` of `who` is at hand, or less where that is negative."""
        self.all += more
        self._of[who] += more
        if not self._of[who]:  # whoever came once is not remembered
            del self._of[who]


@dataclass(slots=True)
class _Waits:
    """Somebody who waits for a turn."""

    who: str
    begun: asyncio.Event = field(default_factory=asyncio.Event)


class Turns:
    """So many turns at once. When one is free it goes to whoever of those that wait has the fewest; of equals to the
    one who waits longest. So one who asks for much waits for himself, others for one of his turns at most."""

    def __init__(self, most: int) -> None:
        """All are free."""
        self._free = most
        self._line: list[_Waits] = []
        self._going = Held()

    def waiting(self, who: str | None = None) -> int:
        """How many wait; of `who`, where that is said."""
        return len(self._line) if who is None else sum(each.who == who for each in self._line)

    async def take(self, who: str) -> None:
        """Nothing, once it is the turn of `who`, who gives it back by `give`. Cancelled, it has none."""
        turn, begun = _Waits(who), False
        self._line.append(turn)
        self._next()
        try:
            await turn.begun.wait()
            begun = True
        finally:
            if not begun and turn in self._line:
                self._line.remove(turn)
            elif not begun:
                self.give(who)

    def give(self, who: str) -> None:
        """Nothing; a turn of `who` is over."""
        self._free += 1
        self._going.add(who, -1)
        self._next()

    def _next(self) -> None:
        while self._free and self._line:
            turn = min(self._line, key=lambda each: self._going.of(each.who))  # the first of several
            self._line.remove(turn)
            self._free -= 1
            self._going.add(turn.who, 1)
            turn.begun.set()
