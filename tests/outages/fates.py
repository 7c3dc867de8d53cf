"""Stations, each with a fate of its own: what it says and when it is silent, and what duty staff must hear of it.

A station of a haze has a day at 200 µg/m³ behind it, its last hours live: it is to be paged of as soon as it speaks
live, and of its end never, since nothing it says in some minutes ends a mean of 24 h. A station of a spike says what is
beyond a hard limit until it is paged (what is past when somebody can look again does not page): it is to be paged of
once, and is over once somebody has acknowledged it, not before.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

#: What a station says in a haze, on a clear day; of carbon monoxide in a spike and else.
HAZE, CLEAR, SPIKE, AIR = 200.0, 20.0, 40.0, 1.0
#: Seconds after which nothing new begins: what was said last must be heard of.
REST = 25.0


@dataclass(frozen=True, slots=True)
class Fate:
    """A station's run of `length` seconds from the start of the live stream.

    `before` is what the day before says, None: it has none; `silent` are the spans in which nothing is said, `beyond`
    from when on, and until when at least, SPIKE is. `fires` and `ends` is how often duty staff are told that it is on,
    and over; `withdrawn` is when a correction takes the haze away, `acknowledged` when somebody may acknowledge it: not
    before it was paged.
    """

    kind: str
    parameter: str
    before: float | None
    says: float
    fires: int
    ends: int = 0
    silent: tuple[tuple[float, float], ...] = ()
    beyond: tuple[float, float] | None = None
    withdrawn: float | None = None
    acknowledged: float | None = None
    source: str = "stations"

    def speaks(self, second: float) -> bool:
        """Whether it says anything at `second`."""
        return not any(start <= second < stop for start, stop in self.silent)

    def value(self, second: float, *, paged: bool) -> float:
        """What it says then: never twice the same, as what is stuck does."""
        start, stop = self.beyond or (inf, inf)
        said = SPIKE if second >= start and (second < stop or not paged) else self.says
        return said * (1 + (int(second) % 11) / 100)


def _gaps(dice: random.Random, length: float) -> tuple[tuple[float, float], ...]:
    """Silences of every length, from seconds to half of it all, the last of them over before the end."""
    spans, at = [], dice.uniform(20, 30)
    while at < length - REST:
        stop = min(at + dice.choice([6, 15, 40, 75, length / 2]), length - REST)
        spans.append((at, stop))
        at = stop + dice.uniform(10, 40)
    return tuple(spans)


def _steady(dice: random.Random, length: float) -> Fate:
    return Fate("steady", "pm25", HAZE, HAZE, 1)


def _gappy(dice: random.Random, length: float) -> Fate:
    return Fate("gappy", "pm25", HAZE, HAZE, 1, silent=_gaps(dice, length))


def _gone(dice: random.Random, length: float) -> Fate:
    """It is not heard again: its alarm is blind, and not over."""
    return Fate("gone", "pm25", HAZE, HAZE, 1, silent=((dice.uniform(20, length / 2), inf),))


def _cleared(dice: random.Random, length: float) -> Fate:
    """Clean air now, which ends no mean of 24 h yet."""
    return Fate("cleared", "pm25", HAZE, CLEAR, 1, silent=_gaps(dice, length))


def _calm(dice: random.Random, length: float) -> Fate:
    return Fate("calm", "pm25", CLEAR, CLEAR, 0, silent=_gaps(dice, length))


def _past(dice: random.Random, length: float) -> Fate:
    """It was a haze, and nobody speaks of now."""
    return Fate("past", "pm25", HAZE, HAZE, 0, silent=((0, inf),))


def _back(dice: random.Random, length: float) -> Fate:
    """Silent at first; the haze still lies there when it is heard again."""
    return Fate("back", "pm25", HAZE, HAZE, 1, silent=((0, dice.uniform(20, length - REST)),))


def _corrected(dice: random.Random, length: float) -> Fate:
    """There was no haze, says a correction: withdrawn, which Alertmanager can only call resolved."""
    return Fate("corrected", "pm25", HAZE, CLEAR, 1, 1, withdrawn=dice.uniform(length / 3, length - REST))


def _spike(dice: random.Random, length: float) -> Fate:
    start = dice.uniform(15, length / 3)
    span = (start, start + dice.uniform(25, 35))
    return Fate("spike", "co", None, AIR, 1, 1, beyond=span, acknowledged=dice.uniform(length / 2, length - REST))


def _nobody(dice: random.Random, length: float) -> Fate:
    """A spike that nobody acknowledges: latched."""
    start = dice.uniform(15, length / 3)
    return Fate("nobody", "co", None, AIR, 1, beyond=(start, start + dice.uniform(25, 35)))


FATES: Mapping[str, Callable[[random.Random, float], Fate]] = {
    "steady": _steady,
    "gappy": _gappy,
    "gone": _gone,
    "cleared": _cleared,
    "calm": _calm,
    "past": _past,
    "back": _back,
    "corrected": _corrected,
    "spike": _spike,
    "nobody": _nobody,
}


def fates(dice: random.Random, each: int, length: float) -> dict[str, Fate]:
    """`each` of every kind, by the code of their stations."""
    return {f"{kind}-{n}": make(dice, length) for kind, make in FATES.items() for n in range(each)}


#: The source that falls silent as a whole.
MASS = "mass"


def mass(dice: random.Random, count: int, length: float) -> dict[str, Fate]:
    """Stations of a source of their own that fall silent one after another within seconds: one page, not one each."""
    at = dice.uniform(length / 4, length / 2)
    return {
        f"{MASS}-{n}": Fate(MASS, "co", None, AIR, 0, silent=((at + dice.uniform(0, 20), inf),), source=MASS)
        for n in range(count)
    }
