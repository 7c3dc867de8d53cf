"""What a balance says to the crews: water or not, how much, by when, and why."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from analytics.crops import Land
from analytics.frames import ADVICE, TIME, conform, settle
from analytics.irrigation import filter, plan
from analytics.irrigation.balance import alike, hear, joined, verdict
from analytics.irrigation.soil import depletion_fraction, effective_rain, soil
from analytics.texts import Language, text


def advise(
    last: pl.DataFrame,
    zones: pl.DataFrame,
    land: Land,
    today: pl.DataFrame,
    issued: datetime,
    *,
    past: pl.DataFrame | None = None,
    foretold: pl.DataFrame | None = None,
    supplies: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """ADVICE of `zones` (ZONES) at `issued`, a full hour; zones without a balance have none.

    `last` is BALANCE of the last days, the newest of them the day before today; `today` has `zone`, `rain` and
    `irrigation` of today so far [mm], `moisture` and `others` of the root zone now as in DAYS [m³/m³] and `tmax` of
    yesterday [°C], each null where unknown. ET0 and Kc of the last days are taken to persist, spread evenly over
    the day. Rain comes as it is `foretold` (`zone`, `ahead` [d] of 24 h from `issued`, `rain` [mm], `lowest` [°C],
    each may be null), else as it came in some week of the `past` (`zone`, `day`, `effective` [mm]; without it: of
    `last`). `supplies` are as store.supplies.load gives them: what a supply gives is shared, and none of it is used
    while it is closed.
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
    now = _now(state, land).join(_NO_SUPPLY if supplies is None else supplies, on="zone", how="left")
    first = _NOTHING if foretold is None else foretold.filter(ahead=0)
    now = now.join(first.select("zone", _lowest="lowest"), on="zone", how="left", maintain_order="left")
    ahead, shut = _ahead(now, last if past is None else past, land, foretold)
    alone = plan.make(ahead, land.rules["plan"], shut)
    made = replace(alone, depth=_shared(now, ahead, alone.depth, shut))
    less = made.depth[:, 0] < alone.depth[:, 0] - _OTHER
    short = pl.Series(less | ((alone.depth[:, 0] > 0) & (made.depth[:, 0] == 0)), dtype=pl.Boolean())
    return conform(_say(_decide(now.with_columns(_short=short), made, rules, issued), land.rules), ADVICE)


_NO_SUPPLY = pl.DataFrame(
    schema={
        "zone": pl.Int32(),
        "supply": pl.String(),
        "daily": pl.Float64(),
        "left": pl.Float64(),
        "night": pl.Boolean(),
        "closed": pl.Boolean(),
    }
)
_NOTHING = pl.DataFrame(schema={"zone": pl.Int32(), "lowest": pl.Float64()})
#: So much another depth is another advice [mm].
_OTHER = 1.0


def news(made: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """What of ADVICE `made` differs from that `before`: in its day, in whether and how much to water, in trust."""
    same_of = ("day", "water", "trusted", "doubted")
    told = before.select("zone", **{f"_{name}": name for name in (*same_of, "depth")})
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"_{name}")) for name in same_of)
    near = ((pl.col("depth") - pl.col("_depth")).abs() <= _OTHER).fill_null(value=True)
    return made.join(told, on="zone", how="left", maintain_order="left").filter(~(same & near)).select(*ADVICE)


def _now(state: pl.DataFrame, land: Land) -> pl.DataFrame:
    """`state` with its depletion now: that of yesterday, what was used and fell since, and the probes heard."""
    placed = state.with_row_index("_place")
    return pl.concat([_heard(some, land) for some in alike(placed)]).sort("_place").drop("_place")


def _heard(state: pl.DataFrame, land: Land) -> pl.DataFrame:
    """`_now` of zones with as many probes each; `trusted` and `doubted` as in BALANCE."""
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
    believed = hear(since, ground, mind, demand="_demand", unmetered="_unmetered")
    return verdict(state, believed).with_columns(
        depletion=settle(pl.lit(pl.Series(mind.mean[:, filter.DEPLETION])).clip(0, pl.col("taw"))),
        _doubt=settle(pl.lit(pl.Series(np.sqrt(mind.cov[:, filter.DEPLETION, filter.DEPLETION])))),
    )


def _ahead(
    now: pl.DataFrame, past: pl.DataFrame, land: Land, foretold: pl.DataFrame | None
) -> tuple[plan.Ahead, filter.Flags]:
    """What is known of the days ahead, zone by zone as in `now`, and on which of them it may not be watered."""
    rules, places = land.rules["plan"], now.select("zone").with_row_index("_place")
    long = int(rules["past"])
    fallen = np.zeros((now.height, long))
    age = (pl.col("day").max() - pl.col("day")).dt.total_days()
    fell = past.with_columns(_age=age).filter(pl.col("_age") < long).join(places, on="zone")
    fallen[fell["_place"].to_numpy(), long - 1 - fell["_age"].to_numpy()] = fell["effective"].to_numpy()
    said, lowest = (np.full((now.height, plan.LONG), np.nan) for _ in range(2))
    if foretold is not None:
        some = foretold.filter(pl.col("ahead").is_between(0, plan.LONG - 1)).join(places, on="zone")
        for grid, name in ((said, "rain"), (lowest, "lowest")):
            grid[some["_place"].to_numpy(), some["ahead"].to_numpy()] = some[name].to_numpy()
    lost, doubt, raw, taw, rate = (
        now[name].fill_null(0.0).to_numpy().astype(float) for name in ("depletion", "_doubt", "raw", "taw", "_rate")
    )
    demand = np.repeat(rate[:, None], plan.LONG, axis=1)
    shut = lowest < land.rules["advice"]["frost"]
    cold = (pl.col("tmax") < land.rules["advice"]["cold"]).fill_null(value=False)
    shut[:, 0] |= now.select(cold).to_series().to_numpy()
    # Nobody knows when the water of a source will be better: until it is seen to be, nothing is planned with it.
    shut |= now["closed"].fill_null(value=False).to_numpy()[:, None]
    return plan.Ahead(lost, doubt, raw, taw, demand, plan.rains(fallen, said, land.rain)), shut


def _shared(now: pl.DataFrame, ahead: plan.Ahead, wanted: filter.Numbers, shut: filter.Flags) -> filter.Numbers:
    """`wanted` within what each supply gives: where one is short, shared by need."""
    out = wanted.copy()
    litres = (now["area"] / now["efficiency"]).to_numpy()
    today = now["irrigation"].fill_null(0.0).to_numpy() * litres
    limited = now.with_row_index("_place").filter(pl.any_horizontal(pl.col("daily", "left").is_not_null()))
    for _, some in limited.group_by("supply", maintain_order=True):
        places = some["_place"].to_numpy()
        gives = [1000 * (np.inf if some[name][0] is None else float(some[name][0])) for name in ("daily", "left")]
        # What was given today is in no balance yet.
        left, whole = np.full(plan.LONG, gives[0]), max(gives[1] - today[places].sum(), 0.0)
        left[0] = max(left[0] - today[places].sum(), 0.0)
        asked = (wanted[places] * litres[places, None]).sum(axis=0)
        if (asked > left).any() or asked.sum() > whole:
            names = ("lost", "doubt", "raw", "taw", "demand", "rain")
            few = plan.Ahead(*(getattr(ahead, name)[places] for name in names))
            out[places] = plan.share(few, wanted[places], litres[places], left, shut[places], whole=whole)
    return out


def _decide(state: pl.DataFrame, made: plan.Plan, rules: Mapping[str, float], issued: datetime) -> pl.DataFrame:
    lost, raw, rate = pl.col("depletion"), pl.col("raw"), pl.col("_rate")
    hours = pl.when(lost >= raw).then(0.0).when(rate > 0).then((raw - lost) / rate * 24)
    cold = (pl.col("tmax") < rules["cold"]).fill_null(value=False)
    known = rate.is_not_null() | pl.col("trusted").fill_null(value=False)
    # Net of each day, and what of it the emitters give [m³].
    gross = made.depth * (state["area"] / 1000 / state["efficiency"]).to_numpy()[:, None]
    listed = pl.Series(gross, dtype=pl.Array(pl.Float64(), plan.LONG)).arr.to_list()
    decided = state.with_columns(
        _hours=hours,
        _cold=cold,
        _known=known,
        _rain=pl.Series(made.rain, dtype=pl.Boolean()),
        depth=settle(pl.lit(pl.Series(made.depth[:, 0]))),
        plan=listed.list.eval(settle(pl.element())),
        risk=settle(pl.lit(pl.Series(made.stress, dtype=pl.Float64()))),
    ).with_columns(
        issued=pl.lit(issued, TIME),
        day="_today",
        water=pl.col("depth") > 0,
        volume=pl.col("plan").list.first(),
        # Who is to water today is to do so today.
        _hours=pl.when(pl.col("depth") > 0)
        .then(pl.min_horizontal("_hours", pl.lit(rules["ahead"])).fill_null(rules["ahead"]))
        .otherwise("_hours"),
    )
    decided = decided.with_columns(
        minutes=settle(pl.col("volume") / pl.col("flow") * 60),
        # Down to the full hour: who comes by then is in time.
        latest=pl.when(pl.col("_hours") <= rules["horizon"] * 24).then(
            pl.lit(issued, TIME) + pl.duration(hours=pl.col("_hours").floor())
        ),
    )
    said = ("water", "depth", "volume", "minutes", "latest", "risk", "plan")
    return decided.with_columns(pl.when("_known").then(name).alias(name) for name in said)


def _say(decided: pl.DataFrame, every: Mapping[str, Mapping[str, float]]) -> pl.DataFrame:
    """`decided` with the hour from which to water, and the reason in words."""
    rules, hours = every["advice"], every["plan"]
    decided = decided.with_columns(
        begin=pl.when(pl.col("night").fill_null(value=False))
        .then(_begin(hours["night"], hours["morning"], wait=True))
        .otherwise(_begin(hours["begin"], hours["end"]))
    )
    lost, raw = pl.col("depletion"), pl.col("raw")
    of_year = pl.col("left").is_not_null() & ((pl.col("left") <= 0) | pl.col("daily").is_null())
    key = (
        pl.when(~pl.col("_known"))
        .then(pl.lit("advice_unknown"))
        .when(pl.col("closed").fill_null(value=False) & (pl.col("_hours") <= rules["ahead"]).fill_null(value=False))
        .then(pl.lit("advice_source"))
        .when(pl.col("_cold") & (pl.col("_hours") <= rules["ahead"]).fill_null(value=False))
        .then(pl.lit("advice_cold"))
        .when((pl.col("_lowest") < rules["frost"]) & (pl.col("_hours") <= rules["ahead"]).fill_null(value=False))
        .then(pl.lit("advice_frost"))
        .when((lost >= raw) & pl.col("water"))
        .then(pl.lit("advice_now"))
        .when("water")
        .then(pl.lit("advice_soon"))
        .when(pl.col("_short") & ~pl.col("water") & of_year)
        .then(pl.lit("advice_spent"))
        .when(pl.col("_short") & ~pl.col("water").any().over("supply"))
        .then(pl.lit("advice_exhausted"))
        .when(pl.col("_short") & ~pl.col("water"))
        .then(pl.lit("advice_none_left"))
        .when("_rain")
        .then(pl.lit("advice_rain"))
        .when(pl.col("latest").is_not_null())
        .then(pl.lit("advice_later"))
        .when(pl.col("_rate").is_null())
        .then(pl.lit("advice_wet"))
        .otherwise(pl.lit("advice_enough"))
    )
    fields = [
        "_key",
        "depletion",
        "raw",
        "_rate",
        "_hours",
        "tmax",
        "trusted",
        "doubted",
        "_metered",
        "risk",
        "_short",
        "supply",
        "daily",
        "left",
        "_lowest",
    ]
    facts = decided.with_columns(_key=key).select(pl.struct(fields).alias("facts"))["facts"]
    words = {
        name: [_reason(row, language, rules) for row in facts]
        for name, language in (("reason", Language.en), ("reason_zh", Language.zh))
    }
    return decided.with_columns(*(pl.Series(name, found, pl.String()) for name, found in words.items()))


def _begin(begin: float, end: float, *, wait: bool = False) -> pl.Expr:
    """From when to water: within the hours of the day when least is lost, or at once where it cannot wait for them.

    With `wait` it has to.
    """
    hour = (pl.col("issued") + pl.duration(minutes="offset")).dt.hour()
    within = (hour >= begin) | (hour < end) if begin > end else hour.is_between(begin, end, closed="left")
    opens = pl.col("issued") + pl.duration(hours=(begin - hour) % 24)
    return pl.when("water").then(
        pl.when(within if wait else within | (opens > pl.col("latest"))).then("issued").otherwise(opens)
    )


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
        lowest=facts["_lowest"] or 0.0,
        horizon=int(rules["horizon"]),
        risk=100 * (facts["risk"] or 0.0),
        supply=facts["supply"] or "",
        daily=facts["daily"] or 0.0,
        left=facts["left"] or 0.0,
    )
    if facts["_key"] == "advice_unknown":
        return words
    basis = "advice_probe" if facts["trusted"] else "advice_balance" if facts["_metered"] else "advice_unmetered"
    some = ", ".join(facts["doubted"])
    doubted = text("advice_distrusted", language, probes=some) if some else ""
    risky = facts["_key"] == "advice_soon"
    without = text("advice_risk", language, risk=100 * facts["risk"]) if risky else ""
    part = facts["_short"] and facts["_key"] in ("advice_now", "advice_soon")
    short = "advice_short" if facts["daily"] is not None else "advice_short_of_year"
    shared = text(short, language, supply=facts["supply"], daily=facts["daily"], left=facts["left"]) if part else ""
    return words + text(basis, language) + without + shared + doubted
