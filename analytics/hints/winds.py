"""Values by the wind they came with. Directions [°] are those the wind comes from; 360 is north, so is 0.

The conditional probability function is m / n: of the `n` hours with wind from a sector, the `m` above a high quantile
of all (Ashbaugh et al., Atmospheric Environment 19, 1985, 1263-1270); with cells of direction and speed it is the
bivariate one (Uria-Tellaetxe and Carslaw, Environmental Modelling & Software 59, 2014, 1-9). As `polarPlot` and
`percentileRose` of openair have them (quantiles interpolated as R does), but for three things:

- an hour without a value counts nowhere (`percentileRose` counts it in n);
- calm is no direction, whatever the vane says (openair keeps hours of 0 m/s that have a direction other than 0);
- a wind of 0 to 5° is of the sector of the north (`polarPlot` puts it into the first one).

What came with no wind to speak of, and with a wind that is not known, is shown beside the sectors, never left out.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from analytics.frames import TIME, conform, settle
from analytics.hints.chance import Array

#: An hour of a series with the wind at its place: `speed` [m/s] and `direction` [°], null where unknown.
ROWS: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "time": TIME,
    "value": pl.Float64(),
    "speed": pl.Float64(),
    "direction": pl.Float64(),
}

#: What is said of some hours: `count` of them on `days` (UTC), the `mean` of their values, the `share` they have in the
#: sum of all values (openair's weighted mean), how many are `high`, and high / count, the conditional probability.
_TOLD: Mapping[str, pl.DataType] = {
    "count": pl.Int32(),
    "days": pl.Int32(),
    "mean": pl.Float64(),
    "share": pl.Float64(),
    "high": pl.Int32(),
    "probability": pl.Float64(),
}
#: `wind` is "from" (a sector, named by its middle), "calm" or "unknown". `sure` is what the probability is at least, as
#: days are counted and not hours: those of a day are hardly more than one (Wilson's bound, 95 % of both sides).
SECTORS: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "wind": pl.String(),
    "sector": pl.Int16(),
    **_TOLD,
    "sure": pl.Float64(),
}
#: Hours of a sector with speeds in (speed - step, speed] [m/s].
CELLS: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "sector": pl.Int16(),
    "speed": pl.Float64(),
    **_TOLD,
}
#: Smooth values at a direction, and a speed. `hours` is how many hours as good as there it stands on; the others are
#: null where these are too few.
CURVE: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "direction": pl.Int16(),
    "hours": pl.Float64(),
    "mean": pl.Float64(),
    "probability": pl.Float64(),
}
SURFACE: Mapping[str, pl.DataType] = {"series": pl.Int32(), "direction": pl.Int16(), "speed": pl.Float64()} | {
    name: CURVE[name] for name in ("hours", "mean", "probability")
}

#: Width of a sector [°], and the highest speed of no wind [m/s]: Beaufort 0 is 0 to 0.2 m/s (WMO-No. 8).
WIDTH, CALM = 10, 0.2
#: What is high, where nothing else is said: above this percentile of all hours.
HIGH = 90.0
#: Spreads of the kernels [°, m/s], as openair's nonparametric wind regression has them by default.
TURN, RUN = 5.0, 1.5
#: Hours that a smooth value stands on, at the least.
LEAST = 3.0
#: Two-sided 95 %.
_Z = 1.959964
_BLOCK = 50_000
FROM, STILL, UNKNOWN = "from", "calm", "unknown"


def beside(values: pl.DataFrame, wind: pl.DataFrame) -> pl.DataFrame:
    """`ROWS` of `values` (series, time, value) and the `wind` at their place (time, speed [m/s], direction [°]).

    Raises `ValueError` where a number is NaN or infinite.
    """
    return conform(values.join(wind, on="time", how="left"), ROWS).sort("series", "time")


def apart(one: float, other: float) -> float:
    """The angle between two directions [°], the short way round."""
    off = abs(one - other) % 360
    return min(off, 360 - off)


def placed(rows: pl.DataFrame, *, width: int = WIDTH, calm: float = CALM) -> pl.DataFrame:
    """`rows` (`ROWS`) that have a value, by series and time, with `wind` and `sector` as in `SECTORS`.

    A speed below 0 or a direction outside 0 to 360 is not known. Raises `ValueError` where 360 is no multiple of
    `width` [°], or a number is NaN.
    """
    if width < 1 or 360 % width:
        raise ValueError(f"sectors of {width}° do not fill a circle")
    speed, direction = pl.col("speed"), pl.col("direction")
    known = (speed >= 0) & direction.is_between(0, 360)
    number = (direction / width - 0.5).ceil().cast(pl.Int16)
    return (
        conform(rows, ROWS)
        .drop_nulls("value")
        .sort("series", "time")
        .with_columns(
            pl.when(known & (speed > calm))
            .then(pl.lit(FROM))
            .when(known)
            .then(pl.lit(STILL))
            .otherwise(pl.lit(UNKNOWN))
            .alias("wind")
        )
        .with_columns(
            pl.when(pl.col("wind") == FROM)
            .then(pl.when(number == 0).then(360).otherwise(number * width))
            .cast(pl.Int16)
            .alias("sector")
        )
    )


def marked(hours: pl.DataFrame, *, high: float = HIGH, upto: float = 100.0) -> pl.DataFrame:
    """`hours` (as `placed` gives them) with `above`: the value lies above the percentile `high` of its series, and not
    above the percentile `upto`. Percentiles are those of the hours whose wind is known, calm ones among them.

    Raises `ValueError` unless 0 <= high < upto <= 100.
    """
    if not 0 <= high < upto <= 100:
        raise ValueError(f"{high} to {upto} are no percentiles")
    windy = pl.when(pl.col("wind") != UNKNOWN).then(pl.col("value"))
    low, top = (windy.quantile(share / 100, "linear").over("series") for share in (high, upto))
    within = pl.lit(True) if upto == 100 else pl.col("value") <= top
    return hours.with_columns(((pl.col("value") > low) & within).fill_null(value=False).alias("above"))


def sectors(
    rows: pl.DataFrame, *, width: int = WIDTH, high: float = HIGH, upto: float = 100.0, calm: float = CALM
) -> pl.DataFrame:
    """`SECTORS` of each series in `rows` (`ROWS`): all sectors, then the calm, then the unknown wind, whether they have
    hours or not; their counts add up to the hours that have a value. With `upto` below 100 an interval of percentiles.
    """
    hours = marked(placed(rows, width=width, calm=calm), high=high, upto=upto)
    every = pl.DataFrame(
        {
            "wind": [FROM] * (360 // width) + [STILL, UNKNOWN],
            "sector": [*range(width, 361, width), None, None],
        },
        schema={"wind": pl.String, "sector": pl.Int16},
    )
    keys = ["series", "wind", "sector"]
    found = (
        hours.select("series")
        .unique()
        .join(every, how="cross")
        .join(_told(hours, keys), on=keys, how="left", nulls_equal=True)
        .with_columns(pl.col("count", "days", "high").fill_null(0), pl.col("share").fill_null(0.0))
        .with_columns(settle(_sure(pl.col("probability"), pl.col("days"))).alias("sure"))
    )
    order = pl.col("wind").replace_strict([FROM, STILL, UNKNOWN], [0, 1, 2], return_dtype=pl.Int8)
    return conform(found, SECTORS).sort("series", order, "sector")


def cells(
    rows: pl.DataFrame,
    *,
    width: int = WIDTH,
    step: float = 1.0,
    high: float = HIGH,
    upto: float = 100.0,
    calm: float = CALM,
) -> pl.DataFrame:
    """`CELLS` of each series in `rows` (`ROWS`) that have an hour: by sector and speed, in intervals of `step` [m/s].

    The probability is the conditional bivariate one. Raises `ValueError` where `step` is not above 0.
    """
    if not step > 0:
        raise ValueError(f"speeds cannot be cut into intervals of {step} m/s")
    hours = marked(placed(rows, width=width, calm=calm), high=high, upto=upto).filter(pl.col("wind") == FROM)
    cut = hours.with_columns(settle((pl.col("speed") / step).ceil() * step).alias("speed"))
    return conform(_told(cut, ["series", "sector", "speed"]), CELLS).sort("series", "sector", "speed")


def curve(
    rows: pl.DataFrame,
    *,
    width: int = WIDTH,
    spread: float = 2 * TURN,
    high: float = HIGH,
    upto: float = 100.0,
    calm: float = CALM,
    least: float = LEAST,
) -> pl.DataFrame:
    """`CURVE` of each series in `rows` (`ROWS`), a row every `width` [°]: means under a Gaussian of `spread` [°].

    Nonparametric regression on the direction: Henry et al., Atmospheric Environment 36, 2002, 2237-2244.
    """
    hours = marked(placed(rows, width=width, calm=calm), high=high, upto=upto).filter(pl.col("wind") == FROM)
    at = np.arange(width, 361, width, dtype=float)
    parts = [
        pl.DataFrame({"series": [series] * at.size, "direction": at} | _means(mass, sums, least))
        for series, mass, sums in _smooth(hours, at, np.zeros(1), spread, np.inf)
    ]
    return conform(pl.concat([pl.DataFrame(schema=dict(CURVE)), *(conform(part, CURVE) for part in parts)]), CURVE)


def surface(
    rows: pl.DataFrame,
    *,
    width: int = WIDTH,
    step: float = 1.0,
    turn: float = TURN,
    run: float = RUN,
    high: float = HIGH,
    upto: float = 100.0,
    calm: float = CALM,
    least: float = LEAST,
) -> pl.DataFrame:
    """`SURFACE` of each series in `rows` (`ROWS`): the bivariate polar plot, smooth, at every `width` [°] and `step`
    [m/s] up to the highest speed.

    Nonparametric wind regression: at (θ, u) the mean of all values, weighted by
    exp(-(θ - θi)² / 2 turn²) exp(-(u - ui)² / 2 run²), differences of angles the short way round (Henry et al.,
    Environmental Science & Technology 43, 2009, 4090-4097, with Gaussians for both as openair's `statistic = "nwr"`).
    openair's default surface is a spline of the cells instead. `least` hours, as their weights count, or null.
    """
    if not step > 0:
        raise ValueError(f"speeds cannot be cut into steps of {step} m/s")
    hours = marked(placed(rows, width=width, calm=calm), high=high, upto=upto).filter(pl.col("wind") == FROM)
    at = np.arange(width, 361, width, dtype=float)
    parts = []
    for series in hours["series"].unique().sort():
        mine = hours.filter(pl.col("series") == series)
        fastest = float(mine["speed"].max())  # type: ignore[arg-type]  # speeds are numbers
        speeds = np.arange(0, fastest + step, step)
        for _, mass, sums in _smooth(mine, at, speeds, turn, run):
            grid = {
                "series": [series] * (at.size * speeds.size),
                "direction": np.repeat(at, speeds.size),
                "speed": np.tile(speeds, at.size),
            }
            parts.append(conform(pl.DataFrame(grid | _means(mass, sums, least)), SURFACE))
    return pl.concat([pl.DataFrame(schema=dict(SURFACE)), *parts])


def peaks(found: pl.DataFrame) -> pl.DataFrame:
    """The rows of `SURFACE` whose probability is higher than at all points around them, the highest of a series first:
    each may be a source of its own."""
    rows = found.drop_nulls("probability")
    width, step = (
        float(rows[name].unique().sort().diff().min() or 1)  # type: ignore[arg-type]  # numbers
        for name in ("direction", "speed")
    )
    where = [(pl.col("direction") / width).round().cast(pl.Int32), (pl.col("speed") / step).round().cast(pl.Int32)]
    points = rows.with_columns(where[0].alias("turn"), where[1].alias("run"))
    round_ = round(360 / width)
    highest = pl.lit(value=True)
    for turn in (-1, 0, 1):
        for run in (-1, 0, 1):
            if turn or run:
                name = f"near_{turn}_{run}"
                beside = points.select(
                    "series",
                    ((pl.col("turn") + turn - 1) % round_ + 1).alias("turn"),
                    (pl.col("run") + run).alias("run"),
                    pl.col("probability").alias(name),
                )
                points = points.join(beside, on=["series", "turn", "run"], how="left")
                highest &= (pl.col("probability") > pl.col(name)).fill_null(value=True)
    top = points.filter(highest, pl.col("probability") > 0).select(*SURFACE)
    order = ["series", "probability", "direction", "speed"]
    return top.sort(order, descending=[False, True, False, False])


def _told(hours: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    whole = pl.col("value").sum().over("series")
    return (
        hours.with_columns(whole.alias("whole"))
        .group_by(keys, maintain_order=True)
        .agg(
            pl.len().alias("count"),
            pl.col("time").dt.date().n_unique().alias("days"),
            settle(pl.col("value").mean()).alias("mean"),
            pl.when(pl.col("whole").first() > 0)
            .then(settle(pl.col("value").sum() / pl.col("whole").first()))
            .alias("share"),
            pl.col("above").sum().alias("high"),
            settle(pl.col("above").mean()).alias("probability"),
        )
    )


def _sure(share: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Wilson's lower bound of a `share` of `count` (Journal of the American Statistical Association 22, 1927, 209)."""
    middle = share + _Z**2 / (2 * count)
    wide = _Z * (share * (1 - share) / count + _Z**2 / (4 * count**2)).sqrt()
    return pl.when(count > 0).then(((middle - wide) / (1 + _Z**2 / count)).clip(lower_bound=0))


def _smooth(
    hours: pl.DataFrame, at: Array, speeds: Array, turn: float, run: float
) -> Iterator[tuple[int, Array, Array]]:
    """Of each series: its number, the weights and the weighted sums of value and mark at (`at`, `speeds`)."""
    for part in hours.partition_by("series", maintain_order=True):
        mass, sums = np.zeros((at.size, speeds.size)), np.zeros((2, at.size, speeds.size))
        for some in part.iter_slices(_BLOCK):
            off = np.abs(at[:, None] - some["direction"].to_numpy()[None, :]) % 360
            round_ = _bell(np.minimum(off, 360 - off), turn)
            along = _bell(speeds[:, None] - some["speed"].to_numpy()[None, :], run).T
            mass += round_ @ along
            for nr, name in enumerate(("value", "above")):
                sums[nr] += (round_ * some[name].cast(pl.Float64).to_numpy()) @ along
        yield int(part["series"][0]), mass, sums


def _bell(off: Array, spread: float) -> Array:
    return np.exp(-0.5 * (off / spread) ** 2)


def _means(mass: Array, sums: Array, least: float) -> dict[str, pl.Series]:
    hours = mass.ravel()
    enough = hours >= least
    found = {"hours": pl.Series(hours)}
    for nr, name in enumerate(("mean", "probability")):
        means = np.divide(sums[nr].ravel(), hours, out=np.zeros_like(hours), where=enough)
        found[name] = pl.select(pl.when(pl.Series(enough)).then(pl.Series(means))).to_series()
    return {name: each.round(6) for name, each in found.items()}
