"""One soil water balance a zone, day by day.

FAO-56 chapter 8 with one coefficient a cover; depletion is counted from field capacity, in mm of the root zone. No
runoff and no capillary rise: rain counts by the bands of irrigation.toml, which stand for both. A probe is believed:
where it speaks at the end of a day, the depletion is what it says, and `correction` is what it says beyond the balance
(water nobody wrote down, or a probe that drifts).
"""

from collections.abc import Mapping

import polars as pl

from analytics import crops, evapotranspiration
from analytics.crops import Land
from analytics.frames import BALANCE, conform, empty, settle
from analytics.irrigation.soil import (
    depletion,
    depletion_fraction,
    depletion_of,
    effective_rain,
    percolation,
    soil,
    stress,
)

REAL = pl.Float64()

#: A day of a zone: its weather (evapotranspiration.WEATHER), rain and irrigation [mm] (null: unknown), and the mean
#: moisture of its root zone at the end of the day [m³/m³] (null: no probe spoke).
DAYS: Mapping[str, pl.DataType] = {
    "zone": pl.Int32(),
    **evapotranspiration.WEATHER,
    "rain": REAL,
    "irrigation": REAL,
    "moisture": REAL,
}


def balance(days: pl.DataFrame, zones: pl.DataFrame, land: Land, before: pl.DataFrame) -> pl.DataFrame:
    """BALANCE of `zones` (ZONES), by zone and day, of their `days` (DAYS) after those they have.

    `before` holds `zone`, the last `day` that is settled (null: none) and its `depletion`; earlier rows of `days` are
    only looked back at, for a day without ET0. Without a depletion a zone begins with half of the readily available
    water lost (`start_raw`), until its probe speaks.
    """
    facts = soil(zones, land)
    settled = before.select("zone", _settled="day", _first="depletion")
    asked = days.join(facts.drop(*evapotranspiration.WEATHER, "code", "title", strict=False), on="zone")
    missing = land.rules["weather"]
    weather = evapotranspiration.daily(asked, wind_default=missing["wind_default"], k_rs=missing["k_rs"])
    rows = (
        _demand(weather, land)
        .join(settled, on="zone", how="left")
        .filter((pl.col("day") > pl.col("_settled")).fill_null(value=True))
        .sort("day", "zone")
    )
    state = settled.select("zone", _before="_first")
    out = [empty(BALANCE)]
    for _, some in rows.group_by("day", maintain_order=True):
        done = _day(some.join(state, on="zone", how="left"), land.rules["balance"]["start"])
        out.append(done)
        state = pl.concat([done.select("zone", _before="depletion"), state]).unique("zone", keep="first")
    return pl.concat(out).sort("zone", "day")


def _demand(weather: pl.DataFrame, land: Land) -> pl.DataFrame:
    """`weather` with what its plants would use without stress (`_demand` [mm]; null: unknown), and RAW."""
    known = weather.with_columns(
        et0=settle(pl.col("et0")),
        kc=settle(
            crops.coefficient(day=pl.col("day"), latitude=pl.col("latitude"), u2=pl.col("u2"), rh_min=pl.col("rh_min"))
        ),
        effective=settle(effective_rain(pl.col("rain").fill_null(0.0), land.rain)),
    )
    carried = known.join(_recent(known, land), on=["zone", "day"], how="left")
    used = pl.coalesce("et0", "_recent").clip(lower_bound=0)  # dew in a cold spell waters nobody's roots
    fraction = depletion_fraction(p=pl.col("p"), etc=pl.col("_demand"), **land.rules["stress"])
    rows = carried.with_columns(_demand=pl.col("kc") * used).with_columns(
        raw=settle(pl.coalesce(fraction, "p") * pl.col("taw"))
    )
    missing = {
        "et0_recent": pl.col("et0").is_null() & pl.col("_recent").is_not_null(),
        "no_weather": pl.col("_demand").is_null(),
        "no_rain": pl.col("rain").is_null(),
    }
    return rows.with_columns(fallbacks=_named(pl.col("fallbacks"), missing))


def _named(fallbacks: pl.Expr, others: Mapping[str, pl.Expr]) -> pl.Expr:
    """The list `fallbacks` with the names of `others` that hold."""
    names = [pl.when(when).then(pl.lit(name)) for name, when in others.items()]
    return pl.concat_list(fallbacks, pl.concat_list(names).list.drop_nulls())


def _recent(known: pl.DataFrame, land: Land) -> pl.DataFrame:
    """`zone`, `day`, `_recent`: for days without ET0 the mean of the last few that have one."""
    rules = land.rules["balance"]
    gaps = known.filter(pl.col("et0").is_null()).select("zone", "day")
    near = (
        gaps.join(known.select("zone", _other="day", _et0="et0").drop_nulls(), on="zone")
        .filter((pl.col("day") - pl.col("_other")).dt.total_days().is_between(1, rules["within"]))
        .sort("zone", "day", "_other", descending=[False, False, True])
    )
    means = near.group_by("zone", "day", maintain_order=True).agg(
        _recent=settle(pl.col("_et0").head(int(rules["recent"])).mean())
    )
    return means


def _day(rows: pl.DataFrame, start: float) -> pl.DataFrame:
    """BALANCE of one day of zones that ended the one before with `_before`."""
    before, taw, raw = pl.col("_before"), pl.col("taw"), pl.col("raw")
    water = pl.col("effective") + pl.col("irrigation")
    done = (
        rows.with_columns(
            irrigation=pl.col("irrigation").fill_null(0.0),
            fallbacks=_named(pl.col("fallbacks"), {"start_raw": before.is_null()}),
            _before=pl.min_horizontal(before.fill_null(start * raw), taw),
        )
        .with_columns(ks=settle(stress(taw=taw, raw=raw, depletion=before)))
        # What is not there cannot be used: without the second a dry root zone would lose more than it holds.
        .with_columns(
            etc=pl.when(pl.col("_demand").is_null())
            .then(0.0)
            .otherwise(settle(pl.min_horizontal(pl.col("ks") * pl.col("_demand"), taw - before + water)))
        )
        .with_columns(percolation=settle(percolation(water=water, etc=pl.col("etc"), before=before)))
        .with_columns(
            _modelled=settle(
                depletion(before=before, water=water, etc=pl.col("etc"), percolation=pl.col("percolation"), taw=taw)
            ),
            _measured=settle(depletion_of(moisture=pl.col("moisture"), fc=pl.col("fc"), root=pl.col("root"), taw=taw)),
        )
        .with_columns(depletion=pl.coalesce("_measured", "_modelled"))
        .with_columns(correction=settle(pl.col("depletion") - pl.col("_modelled")))
    )
    unknown = pl.col("_demand").is_null()
    return conform(done.with_columns(etc=pl.when(~unknown).then("etc")), BALANCE)
