"""What a balance says to the crews: water or not, how much, by when, and why."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics.crops import Land
from analytics.frames import ADVICE, TIME, conform, settle
from analytics.irrigation import filter
from analytics.irrigation.balance import hear, joined
from analytics.irrigation.soil import depletion_fraction, effective_rain, soil
from analytics.texts import Language, text


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
        pl.col("day", "depletion", "ks", "factor", "joined").last(), _metered=(pl.col("irrigation") > 0).any()
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
        .with_columns(_rate=pl.col("_rate") * pl.col("factor").fill_null(1.0))
    )
    return conform(_say(_decide(_now(state, land), rules, issued), rules), ADVICE)


def _now(state: pl.DataFrame, land: Land) -> pl.DataFrame:
    """`state` with its depletion now: that of yesterday with what was used and what fell since, and the probe heard.

    `_trusted`: was it believed (null: it did not speak).
    """
    since = state.with_columns(
        _before="depletion",
        _joined="joined",
        _unmetered=pl.col("irrigation").is_null(),
        _demand=pl.col("_rate") / pl.col("factor").fill_null(1.0) * pl.col("_since"),
        effective=effective_rain(pl.col("rain").fill_null(0.0), land.rain),
        irrigation=pl.col("irrigation").fill_null(0.0),
    )
    used = (pl.col("ks") * pl.col("_rate") * pl.col("_since")).fill_null(0.0)
    fell = pl.col("effective") + pl.col("irrigation")
    since = since.with_columns(_modelled=(pl.col("depletion") + used - fell).clip(0, pl.col("taw")))
    ground, mind = joined(since)
    believed = pl.Series(hear(since, ground, mind, demand="_demand", unmetered="_unmetered"), dtype=pl.Boolean())
    return state.with_columns(
        depletion=settle(pl.lit(pl.Series(mind.mean[:, filter.DEPLETION])).clip(0, pl.col("taw"))),
        _trusted=pl.when(pl.col("moisture").is_not_null()).then(believed),
    )


def _decide(state: pl.DataFrame, rules: Mapping[str, float], issued: datetime) -> pl.DataFrame:
    lost, raw, rate = pl.col("depletion"), pl.col("raw"), pl.col("_rate")
    hours = pl.when(lost >= raw).then(0.0).when(rate > 0).then((raw - lost) / rate * 24)
    known = rate.is_not_null() | pl.col("_trusted").fill_null(value=False)
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
    fields = ["_key", "depletion", "raw", "_rate", "_hours", "tmax", "_trusted", "_metered"]
    facts = decided.with_columns(_key=key).select(pl.struct(fields).alias("facts"))["facts"]
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
    basis = "advice_probe" if facts["_trusted"] else "advice_balance" if facts["_metered"] else "advice_unmetered"
    doubted = "" if facts["_trusted"] in (True, None) else text("advice_distrusted", language)
    return words + text(basis, language) + doubted
