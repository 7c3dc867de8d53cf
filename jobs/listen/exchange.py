"""A request of ours to a device: sent, sent again, accepted, done; or given up."""

from collections.abc import Callable
from dataclasses import dataclass, field

from analytics.telemetry.hj212.codes import WELL
from analytics.telemetry.hj212.encoding import RESULT, TO_REQUEST
from analytics.telemetry.hj212.messages import Message
from jobs.listen.limits import Limits

#: How a request ended: done, nothing was there, and what else a device may say; ours is that it said nothing.
DONE, SILENT = "done", "no answer"


@dataclass(slots=True)
class Exchange:
    """`frame` is a request of `kind` to `mn`, known by its QN `number`; `ended` hears once how it ended."""

    mn: str
    kind: str
    number: str
    frame: bytes
    limits: Limits
    ended: Callable[[str], None] = lambda outcome: None
    outcome: str | None = field(default=None, init=False)
    accepted: bool = field(default=False, init=False)
    _sent: int = field(default=0, init=False)
    _deadline: float = field(default=0.0, init=False)

    def begin(self, now: float) -> bytes:
        """What is to be sent first."""
        self._sent, self._deadline = 1, now + self.limits.over_time
        return self.frame

    def hear(self, message: Message, now: float) -> bool:
        """Whether `message` belongs to it: an answer, a result, or figures under its QN."""
        if message.head["QN"] != self.number or message.head["MN"] != self.mn:
            return False
        kind = message.head["CN"]
        if kind == TO_REQUEST:
            if (code := message.said("QnRtn")) == WELL:
                self._accept(now)
            else:
                self._end(_named("QnRtn", code))
        elif kind == RESULT:
            code = message.said("ExeRtn")
            self._end(DONE if code == WELL else _named("ExeRtn", code))
        elif kind == self.kind:
            self._accept(now)  # some send what was asked for and no word before
            return False  # figures, asked for or not, go their way
        else:
            return False
        return True

    def due(self, now: float) -> bytes | None:
        """What is to be sent again now, if anything."""
        if self.outcome is not None or now < self._deadline:
            return None
        if self.accepted or self._sent > self.limits.recount:
            self._end(DONE if self.accepted else SILENT)
            return None
        self._sent += 1
        self._deadline = now + self.limits.over_time
        return self.frame

    def abandon(self) -> None:
        """Nothing; its connection is gone."""
        self._end(SILENT)

    def _accept(self, now: float) -> None:
        self.accepted, self._deadline = True, now + self.limits.result

    def _end(self, outcome: str) -> None:
        if self.outcome is None:
            self.outcome = outcome
            self.ended(outcome)


def _named(name: str, code: str) -> str:
    """The code in words of which there are few: they are counted."""
    return f"{name}={code}" if code.isascii() and code.isdecimal() and len(code) <= 3 else f"{name}=?"
