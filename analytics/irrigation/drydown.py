"""Field capacity and wilting point as dry-downs show them, each with its doubt.

After rain that filled the soil it drains for two days: what it holds then is field capacity. In a long drying it comes
ever slower to a moisture that plants cannot take it below: where the daily loss would be nothing is the wilting point.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from analytics.crops import Land
from analytics.frames import SOIL_LIMIT, conform
from analytics.irrigation.filter import Numbers

#: Water that fills [mm], water that ends a drying [mm a day], days of draining, least days of a drying.
_SOAK, _DRY, _DRAIN, _LEAST = 10.0, 1.0, 2, 6
#: A rise of a day that ends a drying, whatever water is known of [m³/m³]; dry-downs that count as having shown a limit.
_RISE, _ENOUGH = 0.004, 3


@dataclass(frozen=True, slots=True)
class Limit:
    """A moisture [m³/m³], its standard deviation, and the dry-downs it was seen in (0: only what was known before)."""

    value: float
    doubt: float
    seen: int


def limits(days: pl.DataFrame, zones: pl.DataFrame, land: Land) -> pl.DataFrame:
    """SOIL_LIMIT of `zones` (ZONES) whose probe was believed on some of their `days` (BALANCE).

    What is known before is the texture's range, its half taken as the standard deviation, whatever a zone is registered
    with: who registers what was learned does not make it surer. It stays until three dry-downs have shown another: one
    alone may be the weather's.
    """
    believed = pl.when(pl.col("trusted").fill_null(value=False)).then("moisture")
    since = pl.col("day").min().over("zone")
    rows = (
        days.select(
            "zone",
            _nr=(pl.col("day") - since).dt.total_days(),
            _moisture=believed,
            _water=pl.col("rain") + pl.col("irrigation"),
            _demand=pl.col("kc") * pl.col("et0"),
        )
        .filter(pl.col("_moisture").is_not_null().any().over("zone"))
        .join(zones.select("zone", "texture").join(land.soils, on="texture"), on="zone", maintain_order="left")
    )
    found = []
    for (zone,), some in rows.group_by("zone", maintain_order=True):
        place, first = some["_nr"].to_numpy(), some.row(0, named=True)
        moisture, water, demand = (np.full(int(place.max()) + 1, np.nan) for _ in range(3))
        for grid, name in ((moisture, "_moisture"), (water, "_water"), (demand, "_demand")):
            grid[place] = some[name].cast(pl.Float64).to_numpy()
        # Water that nobody metered ends a drying too.
        rise = np.diff(moisture, prepend=np.nan)
        water = np.where(rise > _RISE, np.fmax(water, _DRY), water)
        table = Limit(first["fc"], first["fc_spread"], 0), Limit(first["wp"], first["wp_spread"], 0)
        shown = learn(moisture, water, *table, demand)
        fc, wp = (
            new if new.seen >= _ENOUGH else replace(old, seen=new.seen) for new, old in zip(shown, table, strict=True)
        )
        days_heard = int(np.isfinite(moisture).sum())
        found.append((zone, days_heard, fc.value, fc.doubt, fc.seen, wp.value, wp.doubt, wp.seen))
    return conform(pl.DataFrame(found, schema=dict(SOIL_LIMIT), orient="row"), SOIL_LIMIT)


def learn(
    moisture: Numbers, water: Numbers, fc: Limit, wp: Limit, demand: Numbers | None = None
) -> tuple[Limit, Limit]:
    """Field capacity and wilting point by the days of `moisture` [m³/m³] and `water` [mm], NaN where unknown.

    With the `demand` of the days [mm] a loss counts by it: in autumn less is lost each day, however wet the soil is.
    `fc` and `wp` are what is known before (the table's middle, and its range as doubt). They stay 0.04 apart.
    """
    full: list[float] = []
    dry: list[tuple[float, float]] = []
    high = np.nanquantile(moisture, 0.7) if np.isfinite(moisture).any() else np.nan
    calm = np.nan_to_num(water, nan=0.0) < _DRY
    start = 0
    while start < calm.size:
        if not calm[start]:
            start += 1
            continue
        stop = start
        while stop < calm.size and calm[stop]:
            stop += 1
        soaked = np.nansum(water[max(start - _DRAIN, 0) : start]) >= _SOAK
        values = moisture[start:stop]
        if soaked and values.size >= _DRAIN and np.isfinite(values[_DRAIN - 1]) and values[_DRAIN - 1] >= high:
            full.append(float(values[_DRAIN - 1]))
        if (
            values.size >= _LEAST
            and np.isfinite(values).all()
            and (found := _floor(values, None if demand is None else demand[start + 1 : stop]))
        ):
            dry.append(found)
        start = stop
    upper = _join(fc, [(value, 0.03) for value in full])
    lowest = np.nanmin(moisture) if np.isfinite(moisture).any() else np.inf
    lower = _join(wp, dry)
    top = max(upper.value, 0.06)
    return Limit(top, upper.doubt, upper.seen), Limit(
        float(np.clip(min(lower.value, lowest), 0.01, top - 0.04)), lower.doubt, lower.seen
    )


def _floor(values: Numbers, demand: Numbers | None) -> tuple[float, float] | None:
    """Where a drying would end and its standard error; None where its losses do not shrink as it dries."""
    loss, at = -np.diff(values), (values[:-1] + values[1:]) / 2
    if demand is not None:
        if not (demand > 0).all():
            return None
        loss = loss * demand.mean() / demand
    spread = at - at.mean()
    if (ss := float(spread @ spread)) < 1e-6:
        return None
    slope = float(spread @ loss) / ss
    if slope <= 0.01:
        return None
    floor = float(at.mean() - loss.mean() / slope)
    rest = loss - loss.mean() - slope * spread
    sigma = np.sqrt(float(rest @ rest) / max(values.size - 3, 1))
    error = sigma / slope * np.sqrt(1 / values.size + (at.mean() - floor) ** 2 / ss)
    return (floor, max(float(error), 0.005)) if floor > 0 else None


def _join(before: Limit, seen: list[tuple[float, float]]) -> Limit:
    """What was known and what was seen, each by its doubt; dry-downs of one soil differ by more than their own."""
    if not seen:
        return before
    values, errors = np.array([value for value, _ in seen]), np.array([error for _, error in seen])
    between = values.std() if values.size > 1 else 0.02
    weights = 1 / (errors**2 + between**2)
    mean, variance = float(weights @ values / weights.sum()), 1 / float(weights.sum())
    weight = before.doubt**2 / (before.doubt**2 + variance)
    value = before.value + weight * (mean - before.value)
    return Limit(value, float(np.sqrt((1 - weight) * before.doubt**2)), len(seen))
