"""Chance without a sequence: a draw is a hash of seed, words and index, so that any of them can be made by itself.

The hash is SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"), in whole numbers
only: the same bits on every machine and every NumPy.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1
#: Mean and standard deviation of the sum of four 16-bit numbers.
_MEAN, _DEVIATION = 2 * 65535.0, 65536 / np.sqrt(3)


def key(seed: int, *words: object) -> int:
    """A number of 64 bits for the stream that `words` name."""
    text = "\x1f".join(map(str, (seed, *words)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def keys(seed: int, codes: Sequence[str], *words: object) -> Keys:
    """A column of stream keys, one a code: a station's chance does not depend on which others there are."""
    return np.array([key(seed, code, *words) for code in codes], dtype=np.uint64).reshape(-1, 1)


def uniform(streams: Keys, index: Ints) -> Array:
    """Uniform numbers of [0, 1), a row a stream, a column an index (or an index of its own for each cell)."""
    return (_bits(streams, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(streams: Keys, index: Ints) -> Array:
    """Numbers of mean 0 and variance 1, all within 3.5: sums of four uniform ones, so that no function rounds."""
    bits = _bits(streams, index)
    total = (bits & np.uint64(0xFFFF)).astype(np.float64)
    for shift in (16, 32, 48):
        total += (bits >> np.uint64(shift)) & np.uint64(0xFFFF)
    total -= _MEAN
    total /= _DEVIATION
    return total


def smooth(streams: Keys, minutes: Ints, scale: int) -> Array:
    """Noise of unit variance without a jump: normal numbers every `scale` minutes and what lies between them.

    `minutes` is one row for all streams or a row for each.
    """
    cell = minutes // scale
    low, high = int(cell.min()), int(cell.max())
    knots = normal(streams, np.arange(low, high + 2, dtype=np.int64))
    part = (minutes - cell * scale) / scale
    weight = part * part * (3 - 2 * part)
    place = cell - low
    if minutes.ndim == 1:
        before, after = knots[:, place], knots[:, place + 1]
    else:
        before, after = np.take_along_axis(knots, place, 1), np.take_along_axis(knots, place + 1, 1)
    rest = 1 - weight
    return np.asarray((before * rest + after * weight) / np.sqrt(rest * rest + weight * weight))


def _bits(streams: Keys, index: Ints) -> Keys:
    state = streams + index.astype(np.uint64) * np.uint64(_GOLDEN)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(_FIRST)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(_SECOND)
    return np.asarray(state ^ (state >> np.uint64(31)))


class Draw:
    """Single draws, one after the other, of the stream that the words name."""

    def __init__(self, seed: int, *words: object) -> None:
        """The first draw is next."""
        self._state = key(seed, *words)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number of [low, high)."""
        self._state = (self._state + _GOLDEN) & _MASK
        bits = self._state
        bits = ((bits ^ (bits >> 30)) * _FIRST) & _MASK
        bits = ((bits ^ (bits >> 27)) * _SECOND) & _MASK
        return low + (high - low) * ((bits ^ (bits >> 31)) >> 11) * 2.0**-53

    def below(self, count: int) -> int:
        """A whole number of 0 to `count` - 1."""
        return int(self.uniform() * count)

    def shuffled(self, items: Sequence[float]) -> list[float]:
        """`items` in an order of chance."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in items]
