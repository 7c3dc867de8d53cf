"""One soil water balance a zone, day by day, and what it says to the crews: water or not, how much, by when.

FAO-56 chapter 8 with one coefficient a cover; depletion is counted from field capacity, in mm of the root zone. No
runoff and no capillary rise: rain counts by the bands of irrigation.toml, which stand for both. A probe is believed:
where it speaks at the end of a day, the depletion is what it says, and `correction` is what it says beyond the balance
(water nobody wrote down, or a probe that drifts). The filter that weighs the two is another matter.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics import crops, evapotranspiration
from analytics.crops import Land
from analytics.frames import ADVICE, BALANCE, TIME, conform, empty, settle
from analytics.texts import Language, text

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


# The soil


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


def depletion_of(*, moisture: pl.Expr, fc: pl.Expr, root: pl.Expr, taw: pl.Expr) -> pl.Expr:
    """Dr [mm] of the mean `moisture` [m³/m³] of the root zone, within 0 and TAW."""
    return (1000 * (fc - moisture) * root).clip(0, taw)


def effective_rain(rain: pl.Expr, bands: tuple[tuple[float, float], ...]) -> pl.Expr:
    """What of a day's `rain` [mm] reaches the roots: its share by the first band (below [mm], share) it stays below."""
    share = pl.lit(bands[-1][1])
    for below, factor in reversed(bands[:-1]):
        share = pl.when(rain < below).then(factor).otherwise(share)
    return rain * share


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

    A zone whose cover, texture or method is in no table, as in an edition older than it, is left out.
    """
    efficiency = {name: method.efficiency for name, method in land.methods.items()}
    covers = land.covers.rename({"title": "cover_title", "title_zh": "cover_title_zh"})
    return (
        zones.join(covers, on="cover", maintain_order="left")
        .join(land.soils.drop("title_zh"), on="texture", maintain_order="left")
        .with_columns(root=pl.coalesce("root_depth", "root"))
        .with_columns(
            taw=settle(total_available_water(fc=pl.col("fc"), wp=pl.col("wp"), root=pl.col("root"))),
            efficiency=pl.col("method").replace_strict(efficiency, default=None, return_dtype=REAL),
        )
        .filter(pl.col("efficiency").is_not_null())
    )


# The balance


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


# The advice


def advise(last: pl.DataFrame, zones: pl.DataFrame, land: Land, today: pl.DataFrame, issued: datetime) -> pl.DataFrame:
    """ADVICE of `zones` (ZONES) at `issued`, a full hour; zones without a balance have none.

    `last` is BALANCE of the last days, the newest of them the day before today; `today` has `zone`, `rain` and
    `irrigation` of today so far [mm], `moisture` of the root zone now [m³/m³] and `tmax` of yesterday [°C], each null
    where unknown. ET0 and Kc of the last days are taken to persist, spread evenly over the day; no rain is foreseen.
    """
    rules, recent = land.rules["advice"], int(land.rules["balance"]["recent"])
    ordered = last.sort("zone", "day")
    rates = (
        ordered.filter(pl.col("et0").is_not_null())
        .group_by("zone")
        .agg(_rate=settle((pl.col("kc") * pl.col("et0").clip(lower_bound=0)).tail(recent).mean()))
    )
    newest = ordered.group_by("zone", maintain_order=True).agg(
        pl.col("day", "depletion", "ks").last(), _metered=(pl.col("irrigation") > 0).any()
    )
    local = pl.lit(issued, TIME) + pl.duration(minutes=pl.col("offset"))
    state = (
        soil(zones, land)
        .join(newest, on="zone")
        .join(rates, on="zone", how="left")
        .join(today, on="zone", how="left")
        .with_columns(
            _today=local.dt.date(), _metered=pl.col("_metered") | (pl.col("irrigation") > 0).fill_null(value=False)
        )
        .with_columns(
            _since=(
                local.dt.replace_time_zone(None) - (pl.col("day") + timedelta(days=1)).cast(pl.Datetime("us"))
            ).dt.total_minutes()
            / 1440,
            raw=settle(
                pl.coalesce(depletion_fraction(p=pl.col("p"), etc=pl.col("_rate"), **land.rules["stress"]), "p")
                * pl.col("taw")
            ),
        )
        .with_columns(depletion=settle(_now(land)))
    )
    return conform(_say(_decide(state, rules, issued), rules), ADVICE)


def _now(land: Land) -> pl.Expr:
    """Depletion now: the probe's, or that of yesterday with what was used and what fell since."""
    used = pl.col("ks") * pl.col("_rate") * pl.col("_since")
    fell = effective_rain(pl.col("rain").fill_null(0.0), land.rain) + pl.col("irrigation").fill_null(0.0)
    carried = (pl.col("depletion") + used.fill_null(0.0) - fell).clip(0, pl.col("taw"))
    measured = depletion_of(moisture=pl.col("moisture"), fc=pl.col("fc"), root=pl.col("root"), taw=pl.col("taw"))
    return pl.coalesce(measured, carried)


def _decide(state: pl.DataFrame, rules: Mapping[str, float], issued: datetime) -> pl.DataFrame:
    lost, raw, rate = pl.col("depletion"), pl.col("raw"), pl.col("_rate")
    hours = pl.when(lost >= raw).then(0.0).when(rate > 0).then((raw - lost) / rate * 24)
    known = rate.is_not_null() | pl.col("moisture").is_not_null()
    due = (pl.col("_hours") <= rules["ahead"]).fill_null(value=False)
    cold = (pl.col("tmax") < rules["cold"]).fill_null(value=False)
    # Down to the full hour: who comes by then is in time.
    latest = pl.lit(issued, TIME) + pl.duration(hours=pl.col("_hours").floor())
    decided = state.with_columns(_hours=hours, _known=known, _cold=cold).with_columns(
        issued=pl.lit(issued, TIME),
        day="_today",
        water=pl.when("_known").then(due & ~cold),
        latest=pl.when(pl.col("_known") & (pl.col("_hours") <= rules["horizon"] * 24)).then(latest),
    )
    net = pl.when("water").then(lost).otherwise(0.0)
    decided = decided.with_columns(
        depth=pl.when("_known").then(settle(net)), volume=net * pl.col("area") / 1000 / pl.col("efficiency")
    )
    return decided.with_columns(
        volume=pl.when("_known").then(settle(pl.col("volume"))),
        minutes=pl.when("_known").then(settle(pl.col("volume") / pl.col("flow") * 60)),
    )


def _say(decided: pl.DataFrame, rules: Mapping[str, float]) -> pl.DataFrame:
    """`decided` with the reason in words."""
    lost, raw = pl.col("depletion"), pl.col("raw")
    key = (
        pl.when(~pl.col("_known"))
        .then(pl.lit("advice_unknown"))
        .when(pl.col("_cold") & (pl.col("_hours") <= rules["ahead"]).fill_null(value=False))
        .then(pl.lit("advice_cold"))
        .when(lost >= raw)
        .then(pl.lit("advice_now"))
        .when("water")
        .then(pl.lit("advice_soon"))
        .when(pl.col("latest").is_not_null())
        .then(pl.lit("advice_later"))
        .when(pl.col("_rate").is_null())
        .then(pl.lit("advice_wet"))
        .otherwise(pl.lit("advice_enough"))
    )
    fields = ["_key", "depletion", "raw", "_rate", "_hours", "tmax", "_probe", "_metered"]
    facts = decided.with_columns(_key=key, _probe=pl.col("moisture").is_not_null()).select(
        pl.struct(fields).alias("facts")
    )["facts"]
    words = {
        name: [_reason(row, language, rules) for row in facts]
        for name, language in (("reason", Language.en), ("reason_zh", Language.zh))
    }
    return decided.with_columns(*(pl.Series(name, found, pl.String()) for name, found in words.items()))


def _reason(facts: Mapping[str, Any], language: Language, rules: Mapping[str, float]) -> str:
    hours = facts["_hours"] or 0.0
    words = text(
        facts["_key"],
        language,
        lost=facts["depletion"],
        raw=facts["raw"],
        rate=facts["_rate"] or 0.0,
        days=hours / 24,
        hours=int(hours),
        tmax=facts["tmax"] or 0.0,
        cold=rules["cold"],
        horizon=int(rules["horizon"]),
    )
    if facts["_key"] == "advice_unknown":
        return words
    basis = "advice_probe" if facts["_probe"] else "advice_balance" if facts["_metered"] else "advice_unmetered"
    return words + text(basis, language)
