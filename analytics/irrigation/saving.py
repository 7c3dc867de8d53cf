"""What was saved: water used beside that of a fixed schedule in the same weather, for no more days of stress."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from analytics.frames import SAVING, conform, empty, settle
from analytics.irrigation.filter import Flags, Numbers

#: The rival waters once a week, whatever the weather [d].
_WEEK = 7
#: What of the usual need of its month a schedule may give; the least that serves is taken.
_SHARES = np.linspace(0.0, 2.0, 21)
#: A month counts where the probe spoke on so many of its days, or a meter ran.
_WATCHED = 0.8
#: The depletions that stand for the doubt of the first one, in standard deviations.
_BEGUN = (-1.0, 0.0, 1.0)
#: Zones that are computed together: so many stay in the processor's cache.
_BLOCK = 50


def savings(balance: pl.DataFrame, unmetered: pl.DataFrame) -> pl.DataFrame:
    """SAVING of the months of `balance` (BALANCE) in which somebody watched, by zone and month.

    `unmetered`: `zone`, `day`, `moisture` [mm] of waterings that no meter saw. The rival gives each week the same share
    of what its month usually needs (mean Kc ET0 of the calendar month in `balance`) on every day of the week in turn,
    from the depletion that began the time or one off by its doubt; each has the least share that ends with no more days
    of stress than there were. `baseline` is their mean, `low` and `high` hold nine of ten. A zone for which no share
    up to twice the need does is left out.
    """
    extra = unmetered.group_by("zone", "day").agg(_extra=pl.col("moisture").sum())
    days = (
        balance.join(extra, on=["zone", "day"], how="left", maintain_order="left")
        .with_columns(
            month=pl.col("day").dt.truncate("1mo"),
            _used=pl.col("irrigation") + pl.col("_extra").fill_null(0.0),
            _demand=(pl.col("kc") * pl.col("et0").clip(lower_bound=0) * pl.col("factor").fill_null(1.0)).fill_null(0.0),
            _usual=(pl.col("kc") * pl.col("et0").clip(lower_bound=0))
            .mean()
            .over("zone", pl.col("day").dt.month())
            .fill_null(0.0),
        )
        .sort("zone", "day")
    )
    if days.is_empty():
        return empty(SAVING)
    seen = days.group_by("zone", "month", maintain_order=True).agg(
        pl.len().alias("days"),
        (pl.col("ks") < 1).sum().alias("stressed"),
        settle(pl.col("_used").sum()).alias("used"),
        _watched=(pl.col("moisture").is_not_null().mean() >= _WATCHED) | (pl.col("irrigation") > 0).any(),
    )
    places = days.select("zone").unique(maintain_order=True)["zone"].to_list()
    rivals = [
        _rivals(days.filter(pl.col("zone").is_in(places[first : first + _BLOCK])))
        for first in range(0, len(places), _BLOCK)
    ]
    return conform(seen.filter("_watched").join(pl.concat(rivals), on=["zone", "month"], maintain_order="left"), SAVING)


def _rivals(days: pl.DataFrame) -> pl.DataFrame:
    """`zone`, `month`, `baseline`, `low`, `high` [mm] of zones that some schedule serves."""
    first: Any = days["day"].min()
    last: Any = days["day"].max()
    zones = days["zone"].unique(maintain_order=True)
    size = (last - first).days + 1
    row = np.searchsorted(zones.to_numpy(), days["zone"].to_numpy())
    column = (days["day"] - first).dt.total_days().to_numpy()

    def spread(name: str) -> Numbers:
        """`name` of each zone and day; 0 on a day without a balance, on which nothing happens."""
        out = np.zeros((zones.len(), size))
        out[row, column] = days[name].fill_null(0.0).to_numpy().astype(float)
        return out

    usual = spread("_usual")
    least = _least(days, spread, usual)
    turns = np.arange(size) % _WEEK == np.arange(_WEEK)[:, None]
    calendar = pl.date_range(first, last, eager=True).dt.truncate("1mo")
    months = calendar.unique(maintain_order=True)
    within = calendar.to_numpy()[:, None] == months.to_numpy()
    sums = np.einsum("zd,td,dm->ztm", usual, turns.astype(float), within.astype(float))
    given = _WEEK * np.repeat(sums, len(_BEGUN), axis=1) * least[:, :, None]
    serves: Flags = np.any(np.isfinite(given), axis=1)
    given = np.where(serves[:, None], given, 0.0)
    said = {
        "baseline": np.nanmean(given, axis=1),
        "low": np.nanquantile(given, 0.05, axis=1),
        "high": np.nanquantile(given, 0.95, axis=1),
    }
    return (
        pl.DataFrame(
            {
                "zone": np.repeat(zones.to_numpy(), months.len()),
                "month": pl.concat([months] * zones.len()),
                **{name: values.ravel() for name, values in said.items()},
            }
        )
        .select("zone", "month", *(settle(pl.col(name)) for name in said))
        .filter(serves.ravel())
    )


def _least(days: pl.DataFrame, spread: Callable[[str], Numbers], usual: Numbers) -> Numbers:
    """The least share of each zone and schedule (n, 7 * 3) that ends with no more days of stress; NaN: none does."""
    taw, raw, demand, effective = map(spread, ("taw", "raw", "_demand", "effective"))
    begun = days.group_by("zone", maintain_order=True).agg(
        pl.col("depletion", "doubt").first(), pl.col("taw").max(), (pl.col("ks") < 1).slice(1).sum().alias("_stressed")
    )
    start, doubt, full, most = (
        begun[name].fill_null(0.0).to_numpy().astype(float)[:, None, None]
        for name in ("depletion", "doubt", "taw", "_stressed")
    )
    turn = np.repeat(np.arange(_WEEK), len(_BEGUN))
    lost = np.clip(start + np.tile(_BEGUN, _WEEK)[:, None] * doubt, 0, full) * np.ones(_SHARES.size)
    stressed = np.zeros(lost.shape)
    known = taw > 0
    known[np.arange(len(known)), np.argmax(known, axis=1)] = False  # a balance begins after its first day
    taw = np.where(taw > 0, taw, full[:, :, 0])
    demand, effective, usual = demand * known, effective * known, usual * known
    for day in range(usual.shape[1]):
        top, ready = taw[:, day, None, None], raw[:, day, None, None]
        stressed += (lost > ready) & known[:, day, None, None]
        ks = np.minimum((top - lost) / (top - ready), 1)
        lost += np.maximum(ks, 0) * demand[:, day, None, None]
        lost -= (
            effective[:, day, None, None] + _WEEK * usual[:, day, None, None] * (turn == day % _WEEK)[:, None] * _SHARES
        )
        np.clip(lost, 0, top, out=lost)
    serves = stressed <= most
    return np.where(serves.any(axis=2), _SHARES[np.argmax(serves, axis=2)], np.nan)
