"""Figures to expressions and back, for the tests of what plants take."""

from typing import Any

import polars as pl


def number(expression: pl.Expr) -> float:
    """The one value of an expression of literals."""
    return float(pl.select(expression).item())


def lit(value: Any) -> pl.Expr:
    return pl.lit(float(value))
