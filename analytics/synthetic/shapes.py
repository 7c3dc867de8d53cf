"""Shapes in time that the domains share, of values from 0 to 1."""

import numpy as np

from analytics.synthetic.chance import Array, Ints


def bell(at: Ints, start: int, stop: int) -> Array:
    """0 outside, 1 in the middle, smooth at both ends."""
    part = np.clip((at - start) / (stop - start), 0, 1)
    return np.asarray(np.sin(np.pi * part) ** 2)


def plateau(at: Ints, start: int, stop: int, edge: int) -> Array:
    """0 outside, 1 inside but for `edge` minutes at each end."""
    edge = max(min(edge, (stop - start) // 2), 1)
    up, down = np.clip((at - start) / edge, 0, 1), np.clip((stop - at) / edge, 0, 1)
    part = np.minimum(up, down)
    return np.asarray(part * part * (3 - 2 * part))


def bump(clock: Array, at: float, width: float) -> Array:
    """1 at the hour `at` of every day, less around it."""
    far = np.abs(clock - at)
    return np.asarray(np.exp(-((np.minimum(far, 24 - far) / width) ** 2)))
