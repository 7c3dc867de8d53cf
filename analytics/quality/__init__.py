"""Readings to verdicts, in two passes.

own            the first pass: tests of a series by itself
neighbours     the final one: held against the series around it, whose own first pass counts, never their final one
surroundings   which series are around which
codes          flags, bits and measures that these share
"""

from analytics.quality.codes import (
    BITS,
    CADENCES,
    FAIL,
    GOOD,
    MISSING,
    NOT_EVALUATED,
    SLACK,
    SUSPECT,
)
from analytics.quality.neighbours import REACH, compare
from analytics.quality.own import BACK, FORWARD, TESTS, Setting, Test, flag, marks, reach
from analytics.quality.surroundings import NOBODY, pairs, survey

__all__ = [
    "BACK",
    "BITS",
    "CADENCES",
    "FAIL",
    "FORWARD",
    "GOOD",
    "MISSING",
    "NOBODY",
    "NOT_EVALUATED",
    "REACH",
    "SLACK",
    "SUSPECT",
    "TESTS",
    "Setting",
    "Test",
    "compare",
    "flag",
    "marks",
    "pairs",
    "reach",
    "survey",
]
