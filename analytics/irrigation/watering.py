"""Waterings that were seen: what a meter let through, and rises of the root zone that no rain explains."""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from analytics.frames import TIME, WATERING, conform, settle

_HOUR = timedelta(hours=1)

#: An hour of a zone: moisture of its root zone [m³/m³] from so many `depths`, `rain` and `irrigation` [mm], and the
#: `lowest` air of the days before [°C]; null: unknown.
HOURS: Mapping[str, pl.DataType] = {
    "zone": pl.Int32(),
    "time": TIME,
    "moisture": pl.Float64(),
    "depths": pl.Int64(),
    "rain": pl.Float64(),
    "irrigation": pl.Float64(),
    "lowest": pl.Float64(),
}


def watered(hours: pl.DataFrame, roots: pl.DataFrame, rules: Mapping[str, float]) -> pl.DataFrame:
    """WATERING of `hours` (HOURS), by zone and start; `roots` has `zone`, `root` [m].

    A meter speaks for itself. A rise counts by what is beyond the rain since some hours before it, where the gauge
    spoke in each of them; not if the root zone falls back at once, as after a jump of the probe. Nor after a shower:
    how much of it is found at a probe is anyone's guess (through cracks it is more than fell); nor in days of frost,
    when snow melts and ice in the soil, which no probe sees, becomes water. `rules`: `step` [mm/h] and `least` [mm] of
    a rise, `bridge` [h] within which two are one, `soak` [h] for which rain may still go down, `rain` [mm] of them that
    is a shower, `keep` [h] for which half a rise has to last, `frost` [°C] of the lowest air.
    """
    ordered = hours.sort("zone", "time")
    bridge = _HOUR * rules["bridge"]
    metered = (
        _runs(ordered.filter(pl.col("irrigation") > 0), bridge)
        .group_by("zone", "_run", maintain_order=True)
        .agg(start=pl.col("time").first(), stop=pl.col("time").last() + _HOUR, meter=pl.col("irrigation").sum())
    )
    both = pl.concat([metered, _rises(ordered, roots, rules)], how="diagonal").sort("zone", "start", "stop")
    reached = pl.col("stop").cum_max().shift().over("zone")
    one = both.with_columns(_event=(pl.col("start") - reached > bridge).fill_null(value=True).cum_sum())
    amounts = [
        pl.when(pl.col(name).count() > 0).then(settle(pl.col(name).sum())).alias(name) for name in ("moisture", "meter")
    ]
    events = one.group_by("zone", "_event", maintain_order=True).agg(
        pl.col("start").min(), pl.col("stop").max(), *amounts
    )
    evidence = (
        pl.when(pl.col("moisture").is_null())
        .then(pl.lit("meter"))
        .when(pl.col("meter").is_null())
        .then(pl.lit("moisture"))
        .otherwise(pl.lit("both"))
    )
    return conform(events.with_columns(evidence=evidence), WATERING)


def _runs(rows: pl.DataFrame, bridge: timedelta) -> pl.DataFrame:
    """`rows`, sorted, with the number of their run in their zone: none has a gap of more than `bridge`."""
    gap = pl.col("time").diff().over("zone") > bridge + _HOUR
    return rows.with_columns(_run=gap.fill_null(value=False).cum_sum().over("zone"))


def _rises(ordered: pl.DataFrame, roots: pl.DataFrame, rules: Mapping[str, float]) -> pl.DataFrame:
    """`zone`, `start`, `stop`, `moisture` [mm]: rises that last and are more than the rain before them."""
    spoken = ordered.filter(pl.col("moisture").is_not_null()).join(roots, on="zone", maintain_order="left")
    store = spoken.with_columns(_store=1000 * pl.col("root") * pl.col("moisture"))
    before = pl.col("_store", "time", "depths").shift().over("zone").name.prefix("_last_")
    # Another number of depths is another mean.
    near = (pl.col("time") - pl.col("_last_time") == _HOUR) & (pl.col("depths") == pl.col("_last_depths"))
    rising = store.with_columns(before).filter(near & (pl.col("_store") - pl.col("_last__store") > rules["step"]))
    found = (
        _runs(rising, _HOUR * rules["bridge"])
        .group_by("zone", "_run", maintain_order=True)
        .agg(
            start=pl.col("time").first(),
            stop=pl.col("time").last() + _HOUR,
            _low=pl.col("_last__store").first(),
            _high=pl.col("_store").last(),
            _lowest=pl.col("lowest").min(),
        )
        .with_columns(_wet=pl.col("start") - _HOUR * rules["soak"], _kept=pl.col("stop") + _HOUR * rules["keep"])
        .filter(pl.col("_high") - pl.col("_low") >= rules["least"])
    )
    rain = _within(found, ordered.drop_nulls("rain"), "_wet", "stop", pl.col("rain").sum(), pl.len().alias("_heard"))
    after = _within(found, store, "stop", "_kept", pl.col("_store").min().alias("_floor"))
    asked = (pl.col("stop") - pl.col("_wet")).dt.total_hours()
    return (
        found.join(rain, on=["zone", "start"], how="left", maintain_order="left")
        .join(after, on=["zone", "start"], how="left", maintain_order="left")
        .filter(
            pl.col("_heard") == asked,
            pl.col("rain") < rules["rain"],
            (pl.col("_lowest") >= rules["frost"]).fill_null(value=True),
            (pl.col("_floor") >= (pl.col("_low") + pl.col("_high")) / 2).fill_null(value=True),
        )
        .with_columns(moisture=pl.col("_high") - pl.col("_low") - pl.col("rain"))
        .filter(pl.col("moisture") >= rules["least"])
        .select("zone", "start", "stop", "moisture")
    )


def _within(events: pl.DataFrame, hours: pl.DataFrame, begin: str, end: str, *said: pl.Expr) -> pl.DataFrame:
    """`zone`, `start` of `events` and what is `said` of their `hours` from `begin` up to `end`; none: no row."""
    inside = events.select("zone", "start", _begin=begin, _end=end).join_where(
        hours.select(*(name for name in ("rain", "_store") if name in hours.columns), _zone="zone", _time="time"),
        pl.col("zone") == pl.col("_zone"),
        pl.col("_time") >= pl.col("_begin"),
        pl.col("_time") < pl.col("_end"),
    )
    return inside.sort("zone", "start", "_time").group_by("zone", "start", maintain_order=True).agg(*said)
