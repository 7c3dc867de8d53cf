"""What a root zone holds, loses and gives: FAO-56 chapter 8, one function an equation; zones with their soils."""

import polars as pl

from analytics.crops import Land
from analytics.frames import settle

_REAL = pl.Float64()


def total_available_water(*, fc: pl.Expr, wp: pl.Expr, root: pl.Expr) -> pl.Expr:
    """TAW [mm] of field capacity and wilting point [m³/m³] over `root` [m]. FAO-56 equation 82, p. 162."""
    return 1000 * (fc - wp) * root


def depletion_fraction(
    *, p: pl.Expr, etc: pl.Expr, slope: float = 0.04, pivot: float = 5.0, low: float = 0.1, high: float = 0.8
) -> pl.Expr:
    """p [1] of a table at `etc` [mm/d] without stress. FAO-56 table 22, footnote 2, p. 163."""
    return (p + slope * (pivot - etc)).clip(low, high)


def stress(*, taw: pl.Expr, raw: pl.Expr, depletion: pl.Expr) -> pl.Expr:
    """Ks [1] at `depletion` [mm]; 1 up to RAW, 0 from TAW on. FAO-56 equation 84, p. 169."""
    return pl.when(depletion > raw).then(((taw - depletion) / (taw - raw)).clip(0, 1)).otherwise(1.0)


def percolation(*, water: pl.Expr, etc: pl.Expr, before: pl.Expr) -> pl.Expr:
    """DP [mm]: what of rain and irrigation the root zone cannot hold. FAO-56 equation 88, p. 171."""
    return (water - etc - before).clip(lower_bound=0)


def depletion(*, before: pl.Expr, water: pl.Expr, etc: pl.Expr, percolation: pl.Expr, taw: pl.Expr) -> pl.Expr:
    """Dr [mm] at the end of a day that began with `before`, within 0 and TAW. FAO-56 equations 85, 86, p. 170."""
    return (before - water + etc + percolation).clip(0, taw)


def effective_rain(rain: pl.Expr, bands: tuple[tuple[float, float], ...]) -> pl.Expr:
    """What of a day's `rain` [mm] reaches the roots: its share by the first band (below [mm], share) it stays below."""
    share = pl.lit(bands[-1][1])
    for below, factor in reversed(bands[:-1]):
        share = pl.when(rain < below).then(factor).otherwise(share)
    return rain * share


def effective_rain_month(rain: pl.Expr) -> pl.Expr:
    """What of a month's `rain` [mm] reaches the roots, by USDA's rule, as schedules are drawn up with."""
    return pl.when(rain <= 250).then(rain * (125 - 0.2 * rain) / 125).otherwise(125 + 0.1 * rain)


def root_zone(readings: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """`by`, `moisture` [m³/m³]: mean of the root zone of probes at `depth` [m] with `value` [m³/m³].

    Each stands for the soil halfway to its neighbours, the first from the surface, the last down to `root` [m]; the
    soil below the roots does not count. A single one stands for all.
    """
    depth, root = pl.col("depth"), pl.col("root")
    ordered = readings.filter(pl.col("value").is_not_null()).sort(*by, "depth", "value")
    upper = ((depth + depth.shift().over(by)) / 2).fill_null(0.0)
    lower = ((depth + depth.shift(-1).over(by)) / 2).fill_null(float("inf"))
    thickness = pl.min_horizontal(lower, root) - pl.min_horizontal(upper, root)
    return (
        ordered.with_columns(_thickness=thickness)
        .group_by(by, maintain_order=True)
        .agg(moisture=settle((pl.col("value") * pl.col("_thickness")).sum() / pl.col("_thickness").sum()))
    )


def soil(zones: pl.DataFrame, land: Land) -> pl.DataFrame:
    """`zones` (ZONES) with what the tables say of cover, soil and method: kc_*, p, fc, wp, root, taw, efficiency.

    A zone whose cover, texture or method is in no table, as in an edition older than it, is left out; so is one whose
    own field capacity and the table's wilting point, or the other way round, leave no water to plants.
    """
    efficiency = {name: method.efficiency for name, method in land.methods.items()}
    covers = land.covers.rename({"title": "cover_title", "title_zh": "cover_title_zh"})
    return (
        zones.join(covers, on="cover", maintain_order="left")
        .join(land.soils.drop("title_zh", "fc_spread", "wp_spread"), on="texture", maintain_order="left")
        .with_columns(
            root=pl.coalesce("root_depth", "root"),
            fc=pl.coalesce("field_capacity", "fc"),
            wp=pl.coalesce("wilting_point", "wp"),
        )
        .with_columns(
            taw=settle(total_available_water(fc=pl.col("fc"), wp=pl.col("wp"), root=pl.col("root"))),
            efficiency=pl.col("method").replace_strict(efficiency, default=None, return_dtype=_REAL),
        )
        .filter(pl.col("efficiency").is_not_null(), (pl.col("fc") > pl.col("wp")).fill_null(value=True))
    )
