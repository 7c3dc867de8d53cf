"""One soil water balance a zone, day by day.

FAO-56 chapter 8 with one coefficient a cover; depletion is counted from field capacity, in mm of the root zone. No
runoff and no capillary rise: rain counts by the bands of irrigation.toml, which stand for both. Where a probe speaks at
the end of a day it is weighed against the balance (filter.py); `correction` is what it says beyond the balance (water
nobody wrote down). What it tells of the zone's losses and of its own offset is learned; a probe that says what cannot
be is not believed, and the balance runs on.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics import crops, evapotranspiration
from analytics.crops import Land
from analytics.frames import BALANCE, conform, empty, settle
from analytics.irrigation import filter
from analytics.irrigation.soil import (
    depletion,
    depletion_fraction,
    effective_rain,
    percolation,
    soil,
    stress,
)

REAL = pl.Float64()

#: What a day nobody knows the weather of may take [mm]: it goes into the doubt.
UNKNOWN = 5.0

#: A day of a zone: its weather (evapotranspiration.WEATHER), rain and irrigation [mm] (null: unknown), and the mean
#: moisture of its root zone at the end of the day [m³/m³] by its probe (null: it did not speak), and by the `others`
#: beside, in the order of ZONES.
DAYS: Mapping[str, pl.DataType] = {
    "zone": pl.Int32(),
    **evapotranspiration.WEATHER,
    "rain": REAL,
    "irrigation": REAL,
    "moisture": REAL,
    "others": pl.List(REAL),
}


def balance(days: pl.DataFrame, zones: pl.DataFrame, land: Land, before: pl.DataFrame) -> pl.DataFrame:
    """BALANCE of `zones` (ZONES), by zone and day, of their `days` (DAYS) after those they have.

    `before` holds `zone`, the last `day` that is settled (null: none), its `depletion` and `joined`; earlier rows of
    `days` are only looked back at, for a day without ET0. Without a depletion a zone begins with half of the readily
    available water lost (`start_raw`), until its probe speaks.
    """
    facts = soil(zones, land)
    settled = before.select("zone", _settled="day", _first="depletion", _known="joined")
    asked = days.join(facts.drop(*evapotranspiration.WEATHER, "code", "title", strict=False), on="zone")
    missing = land.rules["weather"]
    weather = evapotranspiration.daily(asked, wind_default=missing["wind_default"], k_rs=missing["k_rs"])
    rows = (
        _demand(weather, land)
        .join(settled, on="zone", how="left")
        .filter((pl.col("day") > pl.col("_settled")).fill_null(value=True))
        .sort("day", "zone")
    )
    state = settled.select("zone", _before="_first", _joined="_known")
    out = [empty(BALANCE)]
    for _, some in rows.group_by("day", maintain_order=True):
        done = _day(some.join(state, on="zone", how="left"), land.rules["balance"]["start"])
        out.append(done)
        state = pl.concat([done.select("zone", _before="depletion", _joined="joined"), state]).unique(
            "zone", keep="first"
        )
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
    return pl.concat([empty(BALANCE), *(_alike(some, start) for some in alike(rows))])


def alike(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """`rows` of zones in parts with as many probes each: one zone is the same whatever others there are."""
    further = pl.col("beside").list.len().fill_null(0).alias("_further")
    return rows.with_columns(further).partition_by("_further", maintain_order=True, include_key=False) or [rows]


def _alike(rows: pl.DataFrame, start: float) -> pl.DataFrame:
    """`_day` of zones with as many probes each."""
    before, taw, raw = pl.col("_before"), pl.col("taw"), pl.col("raw")
    water = pl.col("effective") + pl.col("irrigation")
    begun = rows.sort("zone").with_columns(
        _unmetered=pl.col("irrigation").is_null(),
        irrigation=settle(pl.col("irrigation").fill_null(0.0)),
        fallbacks=_named(pl.col("fallbacks"), {"start_raw": before.is_null()}),
        _before=settle(pl.min_horizontal(before.fill_null(start * raw), taw)),
    )
    ground, state = joined(begun)
    done = (
        begun.with_columns(factor=pl.Series(np.exp(state.mean[:, filter.LOSS]), dtype=REAL))
        .with_columns(ks=settle(stress(taw=taw, raw=raw, depletion=before)), factor=settle(pl.col("factor")))
        # What is not there cannot be used: without the second a dry root zone would lose more than it holds.
        .with_columns(
            etc=pl.when(pl.col("_demand").is_null())
            .then(0.0)
            .otherwise(
                settle(pl.min_horizontal(pl.col("ks") * pl.col("factor") * pl.col("_demand"), taw - before + water))
            )
        )
        .with_columns(percolation=settle(percolation(water=water, etc=pl.col("etc"), before=before)))
        .with_columns(
            _modelled=settle(
                depletion(before=before, water=water, etc=pl.col("etc"), percolation=pl.col("percolation"), taw=taw)
            )
        )
    )
    done = _heard(done, ground, state).with_columns(correction=settle(pl.col("depletion") - pl.col("_modelled")))
    unknown = pl.col("_demand").is_null()
    return conform(done.with_columns(etc=pl.when(~unknown).then("etc")), BALANCE)


def joined(rows: pl.DataFrame) -> tuple[filter.Ground, filter.State]:
    """What the filter must know of the zones of `rows` (fc, wp, root, raw, taw), and their state with the depletion
    `_before` [mm] and what is kept of them, `_joined` (null: nothing yet)."""
    column = {name: _numbers(rows[name]) for name in ("fc", "wp", "root", "raw", "taw", "_before")}
    ground = filter.Ground(
        column["fc"], column["wp"], column["root"], column["raw"] / column["taw"], drain=1.0, pores=0.0
    )
    state = filter.begin(ground, column["_before"], probes=1 + _further(rows), doubt=filter.ZONE)
    kept = rows.select("_joined").with_row_index("_place").drop_nulls()
    # A probe more or less: what was kept is of another length.
    for (width,), some in kept.group_by(pl.col("_joined").list.len(), maintain_order=True):
        known = some["_joined"].explode().to_numpy().reshape(some.height, int(str(width)))
        filter.put(state, some["_place"].to_numpy().astype(np.intp), known)
    return ground, state


def _further(rows: pl.DataFrame) -> int:
    """How many further probes each zone of `rows` has."""
    return int(rows["beside"].list.len().fill_null(0).max() or 0)  # type: ignore[arg-type]  # a number, says its column


def readings(rows: pl.DataFrame) -> filter.Numbers:
    """What each probe of the zones of `rows` says (n, m) [m³/m³]; NaN: nothing."""
    first = rows["moisture"].cast(REAL).fill_null(float("nan")).to_numpy()
    further = [
        rows["others"].list.get(place, null_on_oob=True).cast(REAL).fill_null(float("nan")).to_numpy()
        for place in range(_further(rows))
    ]
    return np.stack([first, *further], axis=1)


def verdict(rows: pl.DataFrame, believed: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """`rows` with `trusted` and `doubted`, of which probe (n, m) was `believed`, and `moisture` by those that were."""
    said = readings(rows)
    spoke = np.isfinite(said)
    some, trusted = (np.asarray(of.any(axis=1), dtype=bool) for of in (spoke, believed))
    counted = np.where(trusted[:, None], believed, spoke)
    mean = np.where(counted, said, 0.0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    odd = [
        [code for code, out in zip(codes or (), row, strict=False) if out]
        for codes, row in zip(rows["probes"].to_list(), (spoke & ~believed).tolist(), strict=True)
    ]
    return rows.with_columns(
        trusted=pl.when(pl.Series(some)).then(pl.Series(trusted)),
        moisture=pl.when(pl.Series(some)).then(settle(pl.lit(pl.Series(mean)))),
        doubted=pl.Series(odd, dtype=pl.List(pl.String())),
    )


def hear(
    rows: pl.DataFrame, ground: filter.Ground, state: filter.State, *, demand: str, unmetered: str
) -> npt.NDArray[np.bool_]:
    """Which probes of the zones of `rows` (n, m) are believed; `state` is then that after `rows`.

    `rows` have what came of `effective` rain, `irrigation`, and the column `demand` [mm], and end, without the probes,
    with the depletion `_modelled` [mm]; `moisture` and `others` [m³/m³] are what they say then.
    """
    given = {name: _numbers(rows[name].fill_null(0.0)) for name in (demand, "effective", "irrigation")}
    blind, sure = rows[demand].is_null().to_numpy(), state.cov.copy()
    filter.predict(state, ground, given[demand], given["effective"], given["irrigation"], filter.ZONE)
    state.mean[:, filter.DEPLETION] = _numbers(rows["_modelled"])
    state.cov[blind] = sure[blind]
    state.cov[blind, filter.DEPLETION, filter.DEPLETION] += UNKNOWN**2
    return filter.hear(
        state,
        ground,
        readings(rows),
        wetted=given["effective"] + given["irrigation"] > 0,
        unmetered=rows[unmetered].to_numpy(),
        doubt=filter.ZONE,
    )


def _numbers(column: pl.Series) -> filter.Numbers:
    return column.to_numpy().astype(float)


def _heard(done: pl.DataFrame, ground: filter.Ground, state: filter.State) -> pl.DataFrame:
    """`done` with the depletion after the probes, what is learned of them, and its doubt."""
    believed = hear(done, ground, state, demand="_demand", unmetered="_unmetered")
    kept = filter.kept(state)
    doubt = np.sqrt(state.cov[:, filter.DEPLETION, filter.DEPLETION])
    return (
        verdict(done, believed)
        .with_columns(
            _lost=pl.Series(state.mean[:, filter.DEPLETION]).clip(0, done["taw"]),
            probe_offset=settle(pl.lit(pl.Series(state.mean[:, filter.OFFSET]))),
            doubt=settle(pl.lit(pl.Series(doubt))),
            joined=pl.Series(kept, dtype=pl.Array(pl.Float32(), kept.shape[1])).arr.to_list(),
        )
        .with_columns(depletion=settle(pl.when("trusted").then("_lost").otherwise("_modelled")))
    )
