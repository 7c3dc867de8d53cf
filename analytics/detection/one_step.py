"""How far a reading jumps off the one before it: spikes, steps, sensors that fall to zero."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics.detection import _residual
from analytics.parameters import Parameter

NAME = "one-step"
SETTING, REACH = _residual.SETTING, _residual.REACH
LAGS = (1,)


def fit(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob`: see `_residual.fit`."""
    return _residual.fit(_residual.wanted(steps, voices, parameters, setting), setting, LAGS)


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step: the step from the reading before over the line, null where none is near."""
    return _residual.score(steps, fits, LAGS, NAME)
