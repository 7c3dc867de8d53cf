"""What verdicts are made of: QARTOD flags, a bit a test, and the measures that all tests share."""

from collections.abc import Mapping

import polars as pl

from analytics.corrections import MANUAL

GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9  # QARTOD primary flags

#: Bit of each test in the mask of a verdict. They are stable: verdicts in the database carry them.
BITS: Mapping[str, int] = {
    "gross_range": 1,
    "spike": 2,
    "rate": 4,
    "flat_line": 8,
    "gap": 16,
    "device_mark": 32,
    "neighbours": 64,
    "manual": MANUAL,
}

#: A neighbour in time farther than this many cadences does not exist.
CADENCES = 3

SECOND, HOUR = 1_000_000, 3_600_000_000  # [µs]
#: Slack of a comparison in decimal fractions: 50.1 - 50.0 is not more than 0.1.
SLACK = 1e-9
VALUE = pl.col("value")
