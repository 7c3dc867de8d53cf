"""The obvious way to compare, reading by reading: what `quality.compare` must say too."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from analytics.quality import BITS, CADENCES, FAIL, GOOD, NOT_EVALUATED, SUSPECT

Key = tuple[int, datetime]


class Reading(NamedTuple):
    """A reading, and what its first pass says of it."""

    value: float
    code: int = GOOD
    tests: int = 0


def loop(
    number: int,
    cadence: int,
    readings: Mapping[Key, Reading],
    around: Sequence[tuple[int, datetime, datetime | None]],
    given: Mapping[str, Any],
) -> dict[datetime, tuple[int, int]]:
    """Code and tests of each reading of series `number`, whose neighbours are `around` (neighbour, from, to)."""
    tolerance = timedelta(seconds=given["tolerance"] * cadence)
    event = BITS["spike"] | BITS["rate"] | BITS["gap"] | BITS["gross_range"]

    def heard(neighbour: int, at: datetime) -> float | None:
        near = [
            (abs(time - at), time, reading.value)
            for (other, time), reading in readings.items()
            if other == neighbour
            and abs(time - at) <= tolerance
            and not reading.tests & ~event
            and (reading.code <= SUSPECT or not reading.tests & BITS["gross_range"])
        ]
        return min(near)[2] if near else None

    own = sorted(time for series, time in readings if series == number)
    out = {}
    for place, time in enumerate(own):
        value, code, tests = readings[number, time]
        who = [n for n, start, stop in around if start <= time and (stop is None or time < stop)]
        before = own[place - 1] if place and (time - own[place - 1]).total_seconds() <= CADENCES * cadence else None
        after = own[place + 1] if place + 1 < len(own) else None
        if after is not None and (after - time).total_seconds() > CADENCES * cadence:
            after = None
        beside = {"rate": [before], "spike": [before, after]}
        for test, times in beside.items():
            known = [t for t in times if t is not None]
            if not tests & BITS[test] or len(known) < len(times):
                continue
            step = value - sum(readings[number, t].value for t in known) / len(known)
            seen = 0
            for neighbour in who:
                now, then = heard(neighbour, time), [heard(neighbour, t) for t in known]
                if now is None or None in then:
                    continue
                move = now - sum(v for v in then if v is not None) / len(then)
                short = max(given["floor"], given["share"] * abs(step))
                seen += move * step > 0 and abs(move) + 1e-9 >= abs(step) - short
            if seen >= given["least"]:
                tests &= ~BITS[test]
        if tests != readings[number, time].tests:
            # A step and what looks far are never worse than suspect in these tests; only a range or a mark fails.
            left = FAIL if code == FAIL and tests & (BITS["gross_range"] | BITS["device_mark"]) else SUSPECT
            code = GOOD if tests == 0 else left
        values = [v for n in who if (v := heard(n, time)) is not None]
        if len(values) >= given["least"]:
            centre = median(values)
            spread = median(abs(v - centre) for v in values)
            limit = max(given["floor"], given["factor"] * 1.4826 * spread, given["share"] * abs(centre))
            if abs(value - centre) > limit + 1e-9:
                code, tests = max(code, SUSPECT), tests | BITS["neighbours"]
            elif code == NOT_EVALUATED and tests == 0:
                code = GOOD
        out[time] = code, tests
    return out
