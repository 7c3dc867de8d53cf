"""How far a reading departs from the median of some of the 24 before it: what lasts, and what comes slowly."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics.detection import _residual
from analytics.parameters import Parameter

NAME = "departure"
SETTING, REACH = _residual.SETTING, _residual.REACH
LAGS = (1, 4, 8, 16, 24)


def fit(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob`: see `_residual.fit`."""
    return _residual.fit(_residual.wanted(steps, voices, parameters, setting), setting, LAGS)


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step: distance from the readings before over the line, null where one is not near."""
    return _residual.score(steps, fits, LAGS, NAME)
