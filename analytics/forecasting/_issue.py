"""Forecasts of many series at one time: every model, its test on the series' own past, the gate, the band."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics import skill
from analytics.forecasting._scale import Subject, back, onto
from analytics.forecasting._settings import Settings
from analytics.frames import settle
from analytics.skill import Array, Bools, Ints

Forecaster = Callable[[Array, Ints, Settings], Array]

#: A row a series: arrays over the leads. `model` serves a lead, `skill` is 1 - MAE / MAE of the best naive one in the
#: backtest (null: not tested), `reason` says where and why the gate fell back. `chance` of being over each of `limits`:
#: all leads of the first, then of the second (null: too few verified forecasts).
ISSUES: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "value": pl.List(pl.Float64()),
    "low": pl.List(pl.Float64()),
    "high": pl.List(pl.Float64()),
    "models": pl.List(pl.String()),
    "skill": pl.List(pl.Float64()),
    "reason": pl.String(),
    "wide_low": pl.List(pl.Float64()),
    "wide_high": pl.List(pl.Float64()),
    "limits": pl.List(pl.Float64()),
    "chance": pl.List(pl.Float64()),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A column of the history: the series it is, how it is forecast, and why not by all its models, if so."""

    series: int
    subject: Subject
    models: tuple[str, ...]
    reason: str = ""


def issue(
    history: Array,
    asked: Sequence[Asked],
    settings: Settings,
    forecasters: Mapping[str, Forecaster],
    naive: Sequence[str],
    told: Mapping[str, Array],
) -> pl.DataFrame:
    """ISSUES of the columns of `history` [hours, series], for the hours after its end; of models that are neither
    forecasters nor `told` nothing is known.

    A column with fewer than `least` values, or none among its last `fresh` hours, has no row: nobody can say anything.
    """
    subjects = [column.subject for column in asked]
    grid = onto(history, subjects)
    origins = skill.origins(len(history), backtest=settings.backtest, step=settings.step)
    made = {name: forecasters[name](grid, origins, settings) for name in naive}
    for name in sorted({name for column in asked for name in column.models}):
        mine = np.array([name in column.models for column in asked])
        made[name] = np.full((len(origins), settings.leads, len(asked)), np.nan)
        if name in told:
            made[name][:, :, mine] = told[name][:, :, mine]
        elif name in forecasters:
            made[name][:, :, mine] = forecasters[name](grid[:, mine], origins, settings)
    came = skill.truth(history, origins, settings.leads)
    running = {name: np.isfinite(values[-1]).all(axis=0) for name, values in made.items()}
    errors = {name: np.abs(back(values, subjects) - came) for name, values in made.items()}
    gates = settings.gates or settings.groups
    choice = skill.gate(errors, running, naive, gates, settings.least_origins)

    widths = np.diff([0, *gates])
    model = np.repeat(choice.model, widths, axis=0)
    stacked = np.stack([made[name] for name in choice.names])
    served = np.take_along_axis(stacked, np.maximum(model, 0)[None, None], axis=0)[0]
    residuals = skill.truth(grid, origins, settings.leads) - served
    low, high, known = _ends(grid, served[-1], residuals, settings.level, settings.rate)
    wide_low, wide_high, _ = _ends(grid, served[-1], residuals, settings.wide, settings.rate)
    values = {
        "value": back(served[-1], subjects),
        "low": back(low, subjects),
        "high": back(high, subjects),
        "wide_low": back(np.minimum(wide_low, low), subjects),
        "wide_high": back(np.maximum(wide_high, high), subjects),
        "skill": np.repeat(choice.skill, widths, axis=0),
    }
    there = np.isfinite(history)
    enough = (
        (there.sum(axis=0) >= settings.least) & there[-settings.fresh :].any(axis=0) & (choice.model >= 0).all(axis=0)
    )
    taught = forecasters.keys() | told.keys()
    reasons = [_reason(column, number, choice, settings, running, known, taught) for number, column in enumerate(asked)]
    made_of = _frame(asked, values, np.array(choice.names)[model], reasons, enough)
    return _with_chances(made_of, asked, served[-1], residuals)


def _with_chances(issues: pl.DataFrame, asked: Sequence[Asked], point: Array, residuals: Array) -> pl.DataFrame:
    """ISSUES with `limits` and `chance` of those that have limits."""
    rows = []
    for number, column in enumerate(asked):
        if column.subject.limits:
            lines = onto(np.array([column.subject.limits]).T, [column.subject])[:, 0]
            off = residuals[:, :, number]
            chance = np.concatenate([skill.chance(off, line - point[:, number]) for line in lines])
            told = [None if np.isnan(share) else round(float(share), 4) for share in chance]
            rows.append((column.series, list(column.subject.limits), told))
    schema = {name: ISSUES[name] for name in ("series", "limits", "chance")}
    return issues.join(pl.DataFrame(rows, schema=schema, orient="row"), on="series", how="left").select(*ISSUES)


def _ends(grid: Array, point: Array, residuals: Array, level: float, rate: float) -> tuple[Array, Array, Bools]:
    """[leads, series] the ends of the band around `point`, and whether they rest on verified forecasts.

    Where too few were verified they lie twice as far from the forecast as the series has ever been.
    """
    low, high = skill.band(residuals, level=level, rate=rate)
    known = np.isfinite(low) & np.isfinite(high)
    there = np.isfinite(grid)
    least, most = np.where(there, grid, np.inf).min(axis=0), np.where(there, grid, -np.inf).max(axis=0)
    low = np.where(known, low, 2 * np.minimum(least - point, 0))
    high = np.where(known, high, 2 * np.maximum(most - point, 0))
    return point + np.minimum(low, 0), point + np.maximum(high, 0), known


def _reason(
    column: Asked,
    number: int,
    choice: skill.Choice,
    settings: Settings,
    running: Mapping[str, Bools],
    known: Bools,
    taught: Set[str],
) -> str:
    """Where and why the series `number` is not served by its models, in words; empty where it is."""
    parts = [column.reason] if column.reason else []
    gates = settings.gates or settings.groups
    starts = [1, *(end + 1 for end in gates[:-1])]
    spans = [_span(start, end) for start, end in zip(starts, gates, strict=True)]
    mae, tested = choice.mae[:, :, number], choice.tested[:, number]
    if not tested.all():
        parts.append(f"too short a history to test at {_merged(starts, gates, ~tested)}")
    for name in column.models:
        if name not in taught:
            parts.append(f"{name} has learned nothing of it yet")
            continue
        own, bar = mae[choice.names.index(name)], choice.bar[:, number]
        if not running[name][number]:
            parts.append(f"{name} cannot say: too few hours to learn from, or they do not vary")
            continue
        if (unproven := tested & np.isnan(own)).any():
            parts.append(f"{name} has too few verified forecasts at {_merged(starts, gates, unproven)}")
        if (lost := tested & (own >= bar)).any():
            figures = [f"{span} (MAE {a:.3g} against {b:.3g})" for span, a, b in zip(spans, own, bar, strict=True)]
            where = ", ".join(word for word, mine in zip(figures, lost, strict=True) if mine)
            parts.append(f"{name} did not beat the naive forecasts at {where}")
    if not known[:, number].all():
        parts.append("too few verified forecasts for a band: twice the spread of the history stands in")
    return "; ".join(parts)


def _span(start: int, end: int) -> str:
    return f"{start}-{end} h" if start < end else f"{end} h"


def _merged(starts: Sequence[int], ends: Sequence[int], chosen: Bools) -> str:
    """The spans that are `chosen`, neighbours as one."""
    found: list[tuple[int, int]] = []
    for start, end, mine in zip(starts, ends, chosen, strict=True):
        if mine and found and found[-1][1] == start - 1:
            found[-1] = (found[-1][0], end)
        elif mine:
            found.append((start, end))
    return ", ".join(_span(*one) for one in found)


def _frame(
    asked: Sequence[Asked],
    values: Mapping[str, Array],
    models: npt.NDArray[np.str_],
    reasons: Sequence[str],
    enough: Bools,
) -> pl.DataFrame:
    leads = len(models)
    rows = pl.DataFrame({name: pl.Series(grid.T.ravel()) for name, grid in values.items()}).with_columns(
        series=pl.Series(np.repeat(np.array([column.series for column in asked], dtype=np.int32), leads)),
        models=pl.Series(models.T.ravel()),
        reason=pl.Series(np.repeat(np.array(reasons, dtype=object), leads), dtype=pl.String()),
        enough=pl.Series(np.repeat(enough, leads)),
    )
    settled = rows.filter("enough").with_columns(settle(pl.col(name).fill_nan(None)) for name in values)
    lists = settled.group_by("series", maintain_order=True).agg(pl.col(*values, "models"), pl.col("reason").first())
    return lists.select(pl.col(name).cast(dtype) for name, dtype in ISSUES.items() if name in lists.columns)
