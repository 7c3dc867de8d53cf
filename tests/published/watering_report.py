"""`python -m tests.published.watering_report`: water used and days of stress in ten real years, beside fixed schedules.

Rain and reference evapotranspiration are those of Manhattan (Kansas, USCRN), Kings Creek beside it, and Tunis; zones
are made up: four kinds, each five times with another true use, a probe with noise and an offset, and rain that counts
otherwise than our tables say. Ours knows tables, weather up to yesterday, meters and probes. The rival waters every
seventh day by the month: usual ET0 x Kc, times the least factor that gave this very zone no more days of stress than
ours in five other years, or as few as any; `plain` is the same times 1, `less` that scaled schedule drawn up less the
usual rain that counts (USDA's rule), scaled anew. The planner knows all that will come and fills
up what is beyond RAW, day by day: the least there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics import crops, irrigation
from analytics import evapotranspiration as et
from analytics.irrigation import filter, plan
from analytics.irrigation.filter import DEPLETION, LOSS, ZONE, Ground, Numbers
from tests.conftest import SHARED

#: (name, Kc, p, field capacity, wilting point [m³/m³], root [m]) of tables covers and soils.
KINDS = (
    ("turf, warm season", 0.85, 0.5, 0.29, 0.15, 0.5),
    ("shrubs", 0.5, 0.5, 0.25, 0.12, 0.6),
    ("conifers", 1.0, 0.7, 0.25, 0.12, 1.0),
    ("ground cover", 0.5, 0.5, 0.23, 0.11, 0.5),
)
TIMES = 5
#: Days of the year: watering from 1 April to 31 October; the balance runs from 1 January.
OPEN, SHUT = 90, 304
#: Year looked at, the five others of its rival.
YEARS = {
    "manhattan": ((2009, 2011, 2013, 2015), (2008, 2010, 2012, 2014, 2016)),
    "kings creek": ((2022,), (2008, 2010, 2012, 2014, 2016)),
    "tunis": ((1993, 1995, 1997, 1999, 2001), (1992, 1994, 1996, 1998, 2000)),
}


@dataclass(frozen=True)
class Weather:
    """Rain and ET0 [mm] of a year's 365 days."""

    rain: Numbers
    et0: Numbers


def manhattan() -> dict[int, Weather]:
    read = pl.read_csv(
        SHARED / "data" / "uscrn" / "KS_Manhattan_6_SSW_daily_2003_2017.csv.gz", infer_schema_length=None
    )

    def known(name: str) -> pl.Expr:
        return pl.when(pl.col(name).cast(pl.Float64) > -99).then(pl.col(name).cast(pl.Float64))

    days = read.select(
        day=pl.col("LST_DATE").cast(pl.String).str.to_date("%Y%m%d"),
        latitude=pl.lit(39.1),
        altitude=pl.lit(348.0),
        tmax=known("T_DAILY_MAX"),
        tmin=known("T_DAILY_MIN"),
        dewpoint=pl.lit(None, pl.Float64),
        rh_max=known("RH_DAILY_MAX"),
        rh_min=known("RH_DAILY_MIN"),
        rh_mean=known("RH_DAILY_AVG"),
        wind=pl.lit(None, pl.Float64),
        wind_height=pl.lit(2.0),
        radiation=known("SOLARAD_DAILY"),
        rain=known("P_DAILY_CALC"),
    )
    return by_year(et.daily(days))


def kings_creek() -> dict[int, Weather]:
    path = SHARED / "data" / "kings-creek" / "kings_creek_2022-01_2023-06_hourly.csv.gz"
    hours = pl.read_csv(path, infer_schema_length=None).with_columns(
        day=pl.col("datetime").str.slice(0, 10).str.to_date()
    )
    radiation = pl.when(pl.col("srad").count() >= 20).then(pl.col("srad").mean() * 0.0864)
    days = hours.group_by("day", maintain_order=True).agg(
        pl.col("tavg").max().alias("tmax"),
        pl.col("tavg").min().alias("tmin"),
        pl.col("rhavg").max().alias("rh_max"),
        pl.col("rhavg").min().alias("rh_min"),
        pl.col("rhavg").mean().alias("rh_mean"),
        pl.col("wspd").mean().alias("wind"),
        pl.col("prcp").sum().alias("rain"),
        radiation.alias("radiation"),
    )
    weather = days.with_columns(latitude=39.0867, altitude=340.0, dewpoint=pl.lit(None, pl.Float64), wind_height=3.0)
    return {2022: by_year(et.daily(weather))[2022]}


def tunis() -> dict[int, Weather]:
    read = pl.read_csv(SHARED / "data" / "aquacrop-tunis" / "tunis_climate.txt.gz", separator="\t")
    days = read.select(day=pl.date(pl.col("Year"), pl.col("Month"), pl.col("Day")), rain="Prcp(mm)", et0="Et0(mm)")
    return by_year(days)


def by_year(days: pl.DataFrame) -> dict[int, Weather]:
    """The years that are whole; a gap has no rain, and the ET0 of the day before."""
    found = {}
    for (year,), some in days.sort("day").group_by(pl.col("day").dt.year(), maintain_order=True):
        whole = some.with_columns(pl.col("et0").forward_fill().backward_fill().clip(0), pl.col("rain").fill_null(0.0))
        if whole.height >= 365:
            found[int(str(year))] = Weather(*(whole[name].to_numpy()[:365].astype(float) for name in ("rain", "et0")))
    return found


@dataclass(frozen=True)
class Park:
    """Zones, an array each: what the tables say, and what is true of `use` [1] and of their probes [m³/m³]."""

    kind: npt.NDArray[np.int_]
    kc: Numbers
    ground: Ground
    use: Numbers
    offset: Numbers

    @property
    def raw(self) -> Numbers:
        return self.ground.p * self.ground.taw


def park(seed: int) -> Park:
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(len(KINDS)), TIMES)
    kc, p, fc, wp, root = (np.array([KINDS[k][place] for k in kind], dtype=float) for place in range(1, 6))
    return Park(
        kind,
        kc,
        Ground(fc, wp, root, p, drain=1.0, pores=0.0),
        np.exp(rng.normal(0, 0.1, kind.size)),
        rng.normal(0, 0.02, kind.size),
    )


def reached(rain: Numbers) -> Numbers:
    """What of a day's rain truly reaches the roots: leaves hold 2 mm."""
    return np.maximum(rain - 2.0, 0.0)


def tabled(rain: Numbers) -> Numbers:
    """What our tables say of it."""
    bands = crops.load().rain
    return np.asarray(rain * np.select([rain < below for below, _ in bands], [share for _, share in bands]))


def truly(lost: Numbers, zones: Park, et0: float, rain: float, water: Numbers) -> Numbers:
    """The true depletion a day on."""
    taw, raw = zones.ground.taw, zones.raw
    stress = np.clip((taw - lost) / (taw - raw), 0, 1)
    use = zones.use * zones.kc * et0 * stress
    return np.clip(lost - water + use - float(reached(np.array(rain))), 0, taw)


@dataclass(frozen=True)
class Season:
    """Water [mm that reach the roots], days of stress, waterings: of each zone."""

    water: Numbers
    stress: Numbers
    times: Numbers


def ours(zones: Park, year: Weather, seed: int, rules: Mapping[str, float], known: int = 0) -> Season:
    """A season by the advice; with `known` the rain of so many days ahead is foretold, true but for its amount."""
    rng = np.random.default_rng(seed)
    number, ground = zones.kc.size, zones.ground
    state = filter.begin(ground, 0.3 * ground.taw, doubt=ZONE)
    true = 0.2 * ground.taw
    water, stress, times = np.zeros(number), np.zeros(number), np.zeros(number)
    sure = tabled(year.rain)
    for day in range(SHUT):
        give = np.zeros(number)
        if day >= OPEN:
            recent = year.et0[max(day - 3, 0) : day].mean()
            demand = np.repeat((zones.kc * recent * np.exp(state.mean[:, LOSS]))[:, None], plan.LONG, axis=1)
            rains = traces(sure, day)
            if known:
                amount = np.exp(rng.normal(0, 0.4, plan.LONG)) * sure[day : day + plan.LONG]
                rains[:, :known] = amount[:known]
            ahead = plan.Ahead(
                np.clip(state.mean[:, DEPLETION], 0, ground.taw),
                np.sqrt(np.maximum(state.cov[:, DEPLETION, DEPLETION], 0)),
                zones.raw,
                ground.taw,
                demand,
                np.repeat(rains[None], number, axis=0),
            )
            give = plan.make(ahead, rules, days=1).depth[:, 0]
        true = truly(true, zones, float(year.et0[day]), float(year.rain[day]), give)
        fell = np.full(number, sure[day])
        filter.predict(state, ground, zones.kc * year.et0[day], fell, give, ZONE)
        said = ground.fc + zones.offset - true / (1000 * ground.root) + rng.normal(0, 0.004, number)
        filter.hear(state, ground, said[:, None], wetted=fell + give > 0, doubt=ZONE)
        if day >= OPEN:
            water, times = water + give, times + (give > 0)
            stress = stress + (true > zones.raw)
    return Season(water, stress, times)


def traces(rain: Numbers, day: int) -> Numbers:
    """Rains that may come (m, LONG): those of the last 90 days, each as it went on."""
    starts = range(max(day - 90, 0), day - plan.LONG + 1, 4)
    return np.stack([rain[start : start + plan.LONG] for start in starts])


@dataclass(frozen=True)
class Usual:
    """ET0 and rain that counts [mm/d] of a usual day of each month, (12,)."""

    et0: Numbers
    rain: Numbers


def fixed(zones: Park, year: Weather, weekly: Usual, scale: Numbers) -> Season:
    """A season by the schedule: what is usual of a month, `scale` (n,)."""
    number = zones.kc.size
    true, water, stress, times = 0.2 * zones.ground.taw, np.zeros(number), np.zeros(number), np.zeros(number)
    for day in range(SHUT):
        give = np.zeros(number)
        if day >= OPEN and (day - OPEN) % 7 == 0:
            month = min(day // 30, 11)
            give = scale * 7 * np.maximum(zones.kc * weekly.et0[month] - weekly.rain[month], 0)
        true = truly(true, zones, float(year.et0[day]), float(year.rain[day]), give)
        if day >= OPEN:
            water, times, stress = water + give, times + (give > 0), stress + (true > zones.raw)
    return Season(water, stress, times)


def foreseen(zones: Park, year: Weather) -> Season:
    """The least water without a day of stress: what is beyond RAW, when it is, by who knows all."""
    number = zones.kc.size
    true, water = 0.2 * zones.ground.taw, np.zeros(number)
    for day in range(SHUT):
        after = truly(true, zones, float(year.et0[day]), float(year.rain[day]), np.zeros(number))
        give = np.where(day >= OPEN, np.maximum(after - zones.raw, 0), 0.0)
        true, water = after - give, water + give
    return Season(water, np.zeros(number), np.zeros(number))


def scaled(zones: Park, years: Sequence[Weather], weekly: Usual, allowed: Numbers) -> Numbers:
    """The least factor of each zone whose days of stress over `years` are no more than `allowed` (n,), or than those of
    the factor that has fewest."""
    factors = np.arange(0.2, 3.01, 0.05)
    dry = np.array(
        [
            np.sum([fixed(zones, year, weekly, np.full(allowed.size, factor)).stress for year in years], axis=0)
            for factor in factors
        ]
    )
    return np.asarray(factors[np.argmax(dry <= np.maximum(allowed, dry.min(axis=0)), axis=0)])


def usual(years: Sequence[Weather], *, rain: bool = False) -> Usual:
    """Means of a month, by who counts 30 days to each; with `rain` what counts of it, else none."""
    et0, fell = (np.mean([getattr(year, name) for year in years], axis=0) for name in ("et0", "rain"))
    days = [slice(30 * month, 30 * (month + 1) if month < 11 else 365) for month in range(12)]
    sums = pl.DataFrame({"rain": [float(fell[day].sum()) for day in days]})
    counts = sums.select(irrigation.effective_rain_month(pl.col("rain"))).to_series().to_numpy() / 30
    return Usual(np.array([et0[day].mean() for day in days]), counts if rain else np.zeros(12))


def rows(rules: Mapping[str, float], known: int = 0) -> Iterator[dict[str, Any]]:
    """A row a year and kind: water of ours, the rivals and the planner [mm], days of stress a zone."""
    read = {"manhattan": manhattan(), "kings creek": kings_creek(), "tunis": tunis()}
    for place, (site, (looked, others)) in enumerate(YEARS.items()):
        past = [(read["manhattan"] if site == "kings creek" else read[site])[year] for year in others]
        weekly, zones = usual(past), park(place)
        allowed = np.sum([ours(zones, year, 7, rules, known).stress for year in past], axis=0)
        scale = scaled(zones, past, weekly, allowed)
        drawn = usual(past, rain=True)
        finer = scaled(zones, past, drawn, allowed)
        for number in looked:
            year = read[site][number]
            season, best = ours(zones, year, 11, rules, known), foreseen(zones, year)
            rival, plain = fixed(zones, year, weekly, scale), fixed(zones, year, weekly, np.ones(scale.size))
            less = fixed(zones, year, drawn, finer)
            for kind, (name, *_) in enumerate(KINDS):
                of = zones.kind == kind
                yield {
                    "site": site,
                    "year": number,
                    "kind": name,
                    "ours": season.water[of].mean(),
                    "rival": rival.water[of].mean(),
                    "less": less.water[of].mean(),
                    "plain": plain.water[of].mean(),
                    "planner": best.water[of].mean(),
                    "stress": season.stress[of].mean(),
                    "of rival": rival.stress[of].mean(),
                    "of less": less.stress[of].mean(),
                    "of plain": plain.stress[of].mean(),
                    "times": season.times[of].mean(),
                }


def table(found: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    sums = found.group_by(by, maintain_order=True).agg(pl.selectors.numeric().exclude("year").mean())
    return sums.with_columns(
        saved=100 * (1 - pl.col("ours") / pl.col("rival")),
        thrift=100 * (1 - pl.col("ours") / pl.col("plain")),
        above=100 * (pl.col("ours") / pl.col("planner") - 1),
    )


def main() -> None:
    rules = crops.load().rules["plan"]
    pl.Config(tbl_rows=80, tbl_cols=20, tbl_width_chars=180, float_precision=1)
    pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True)
    for known, words in ((0, "no forecast of rain"), (3, "rain of three days foretold, its amount within a half")):
        found = pl.DataFrame(list(rows(rules, known)))
        years = table(found, ["site", "year"])
        print(f"Water [mm] of a season and days of stress of a zone: {words}")
        print("saved beside the rival, thrift beside plain, above the planner [%]; less and plain leave more stress")
        print(years)
        print(table(found, ["kind"]))
        whole = table(found.with_columns(all=pl.lit("ten years")), ["all"]).row(0, named=True)
        few = years.filter(pl.col("saved") < 20)["year"].to_list()
        more = years.filter(pl.col("stress") > pl.col("of rival"))["year"].to_list()
        print(f"All: saved {whole['saved']:.1f} %, above the planner {whole['above']:.1f} %, days of stress")
        print(
            f"{whole['stress']:.2f} (rival {whole['of rival']:.2f}, less {whole['of less']:.2f}, plain"
            f" {whole['of plain']:.1f}); beside plain saved {100 * (1 - whole['ours'] / whole['plain']):.1f} %."
        )
        print(f"Years with less than 20 % saved: {few}; with more days of stress than the rival: {more}")


if __name__ == "__main__":
    main()
