"""`python -m tests.published.soil_report`: soil moisture and depletion days ahead, with the probe joined and without.

Held against the balance alone, persistence and the probe read as it stands, on USCRN (155 stations, 2020), Kings Creek
(2022-2023) and the neutron probe of pyfao56's cotton. Everything a forecast rests on lies before it; what is asked with
known rain is shown apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from analytics import crops, irrigation
from analytics import evapotranspiration as et
from analytics.irrigation import drydown, dual, filter
from analytics.irrigation.filter import DEPLETION, Ground, Numbers
from tests.conftest import SHARED
from tests.irrigation import peer

LEADS = (1, 3, 7)
#: How waterings are seen.
RULES = crops.load().rules["watering"]
#: Days before the first forecast, and between two lessons from dry-downs.
LEARN, AGAIN = 60, 30
#: A soil nobody has described, before anything is heard of it: loam.
FC, WP = 0.25, 0.12
#: A layer of 30 cm under grass, whose middle the probes at 10 and 20 cm stand for.
ROOT, P, KC = 0.30, 0.2, 0.9


#: A probe that is lowered once a week, and irrigation that is metered.
NEUTRON = filter.Doubt((0.3, 0.3, 0.02, 0.1), (0.02, 0.03, 0.002, 0.01), water=0.2, noise=(0.008, 0.005))


@dataclass(frozen=True)
class Site:
    """Days of `n` places: rain and reference evapotranspiration [mm], moisture [m³/m³], (n, days)."""

    rain: Numbers
    et0: Numbers
    moisture: Numbers


def uscrn() -> Site:
    read = pl.read_parquet(SHARED / "data" / "uscrn" / "uscrn_daily_2020_all_stations.parquet")
    depths = ["soil_moisture_10_daily", "soil_moisture_20_daily"]
    known = read.filter(pl.all_horizontal(pl.col(depths).is_not_null()).sum().over("wban") >= 250)
    weather = known.select(
        "wban",
        day="lst_date",
        latitude="latitude",
        altitude=pl.lit(200.0),
        tmax="t_daily_max",
        tmin="t_daily_min",
        dewpoint=pl.lit(None, pl.Float64),
        rh_max="rh_daily_max",
        rh_min="rh_daily_min",
        rh_mean="rh_daily_avg",
        wind=pl.lit(None, pl.Float64),
        wind_height=pl.lit(2.0),
        radiation="solarad_daily",
        rain="p_daily_calc",
        moisture=pl.mean_horizontal(*depths, ignore_nulls=False),
    )
    return site(et.daily(weather), "wban")


def prairie(root: float) -> pl.DataFrame:
    """irrigation.HOURS of the grass at Kings Creek with roots of `root` [m], which nobody waters."""
    path = SHARED / "data" / "kings-creek" / "kings_creek_2022-01_2023-06_hourly.csv.gz"
    read = pl.read_csv(path, infer_schema_length=None).with_columns(
        zone=pl.lit(1, pl.Int32),
        time=pl.col("datetime").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC"),
    )
    probes = read.unpivot([f"vwc_{depth}cm" for depth in (5, 20, 40)], index=["zone", "time"]).with_columns(
        depth=pl.col("variable").str.extract(r"(\d+)").cast(pl.Float64) / 100, root=pl.lit(root)
    )
    frozen = pl.col("tavg").rolling_min_by("time", f"{RULES['thaw']:.0f}d")
    weather = read.select("zone", "time", rain="prcp", irrigation=pl.lit(None, pl.Float64), lowest=frozen)
    known = probes.drop_nulls("value").group_by("zone", "time").agg(depths=pl.len())
    moist = irrigation.root_zone(probes, ["zone", "time"]).join(known, on=["zone", "time"])
    met = weather.join(moist, on=["zone", "time"], how="left")
    return met.select(pl.col(name).cast(dtype) for name, dtype in irrigation.HOURS.items())


def kings_creek() -> Site:
    read = pl.read_csv(
        SHARED / "data" / "kings-creek" / "kings_creek_2022-01_2023-06_hourly.csv.gz", infer_schema_length=None
    )
    hours = read.with_columns(day=pl.col("datetime").str.slice(0, 10).str.to_date())
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
        pl.mean_horizontal("vwc_5cm", "vwc_20cm").mean().alias("moisture"),
    )
    weather = days.with_columns(
        place=pl.lit("kings creek"),
        latitude=39.0867,
        altitude=340.0,
        dewpoint=pl.lit(None, pl.Float64),
        wind_height=3.0,
    )
    return site(et.daily(weather), "place")


def site(days: pl.DataFrame, by: str) -> Site:
    columns = []
    for name in ("rain", "et0", "moisture"):
        wide = days.pivot("day", index=by, values=name, aggregate_function="first").sort(by).drop(by)
        columns.append(wide.select(sorted(wide.columns)).to_numpy().astype(float))
    return Site(*columns)


def ground(number: int, fc: float = FC, wp: float = WP) -> Ground:
    full = np.full(number, 1.0)
    return Ground(fc * full, wp * full, ROOT * full, P * full)


def forecasts(here: Site, *, probe: bool) -> dict[tuple[str, int], Numbers]:
    """Forecast moisture (n, days issued) by ("known rain" or "no rain known", lead); NaN where none was made."""
    number, days = here.rain.shape
    soil = ground(number)
    et0 = np.nan_to_num(_carried(here.et0), nan=2.0)
    rain = np.nan_to_num(here.rain)
    state = filter.begin(soil, 0.3 * soil.taw)
    out = {(kind, lead): np.full((number, days), np.nan) for kind in ("known", "unknown") for lead in LEADS}
    for day in range(days):
        demand = KC * np.maximum(et0[:, day], 0)
        filter.predict(state, soil, demand, rain[:, day], np.zeros(number))
        if probe:
            # Nobody meters these places: what they hear of may have come unseen.
            free = np.ones(number, dtype=bool)
            filter.hear(state, soil, here.moisture[:, [day]], wetted=rain[:, day] > 1.0, unmetered=free)
            if day >= AGAIN and day % AGAIN == 0:
                soil, state = relearned(here, soil, state, day)
        if day < LEARN or day + 1 >= days:
            continue
        far = min(max(LEADS), days - 1 - day)
        past = KC * np.maximum(et0[:, max(day - 6, 0) : day + 1], 0).mean(axis=1)
        true = KC * np.maximum(et0[:, day + 1 : day + 1 + far], 0)
        sharp = replace_cov(state)
        for kind, used, rains in (
            ("known", true, rain[:, None, day + 1 : day + 1 + far]),
            ("unknown", np.repeat(past[:, None], far, axis=1), traces(rain, day, far)),
        ):
            made = filter.moisture_of(filter.ahead(sharp, soil, used, rains), wide(soil))
            middle = np.median(made, axis=1)
            for lead in LEADS:
                if lead <= far:
                    out[kind, lead][:, day] = middle[:, lead - 1]
    return learned(here, out) if probe else out


#: How much of the change that the filter foretells is taken over.
SHARES = np.linspace(0, 1.4, 15)
#: What says that it is all of it, before anything is known: so much error [m³/m³] at no change at all.
FIRST = 3.0


def learned(here: Site, made: dict[tuple[str, int], Numbers]) -> dict[tuple[str, int], Numbers]:
    """`made`, each change from the newest reading as large as was best for all whose truth was known then."""
    out = {}
    for (kind, lead), foretold in made.items():
        now = here.moisture
        paths = now[None] + SHARES[:, None, None] * (foretold - now)[None]
        off = np.abs(paths[:, :, :-lead] - now[None, :, lead:])
        sofar = np.cumsum(np.nan_to_num(off).sum(axis=1), axis=1) + FIRST * (SHARES[:, None] - 1) ** 2
        best = np.full(now.shape[1], int(np.argmin(np.abs(SHARES - 1))))
        # What was foretold lead days ago is the newest of which the truth is known.
        best[lead:] = np.argmin(sofar, axis=0)
        out[kind, lead] = np.take_along_axis(paths, best[None, None, :], axis=0)[0]
    return out


def wide(soil: Ground) -> Ground:
    return replace(soil, **{name: getattr(soil, name)[:, None, None] for name in ("fc", "wp", "root", "p")})


def replace_cov(state: filter.State) -> filter.State:
    return replace(state, cov=np.zeros_like(state.cov))


def traces(rain: Numbers, day: int, far: int) -> Numbers:
    """Rains that may come (n, m, far): those of the last 90 days, each as it went on."""
    starts = range(max(day - 90, 0), day - far + 1, 2)
    return np.stack([rain[:, start : start + far] for start in starts], axis=1)


def relearned(here: Site, soil: Ground, state: filter.State, day: int) -> tuple[Ground, filter.State]:
    """Field capacity and wilting point from the days so far; the depletion goes on as the same moisture."""
    limits = [
        drydown.learn(moisture[:day], water[:day], *guessed(moisture[:day]))
        for moisture, water in zip(here.moisture, here.rain, strict=True)
    ]
    fresh = replace(soil, fc=np.array([fc.value for fc, _ in limits]), wp=np.array([wp.value for _, wp in limits]))
    said = filter.moisture_of(state.mean, soil)
    mean = state.mean.copy()
    mean[:, filter.OFFSET] = 0.0
    mean[:, DEPLETION] = np.clip((fresh.fc - said) * 1000 * ROOT, -1000 * soil.pores * ROOT, fresh.most)
    mean[:, filter.OFFSET] = said - (fresh.fc - mean[:, DEPLETION] / (1000 * ROOT))
    return fresh, replace(state, mean=mean)


def guessed(moisture: Numbers) -> tuple[drydown.Limit, drydown.Limit]:
    """Of a soil nobody has described, by what it held so far: nine days in ten it was below field capacity."""
    if np.isfinite(moisture).sum() < 10:
        return drydown.Limit(FC, 0.08, 0), drydown.Limit(WP, 0.05, 0)
    fc = float(np.nanquantile(moisture, 0.9))
    return drydown.Limit(fc, 0.03, 0), drydown.Limit(0.5 * fc, 0.04, 0)


def _carried(values: Numbers) -> Numbers:
    """Gaps filled with the day before."""
    return pl.DataFrame(values.T).fill_nan(None).fill_null(strategy="forward").to_numpy().T.astype(float)


def errors(here: Site, made: Numbers, lead: int) -> Numbers:
    """Absolute error [m³/m³] where the probe spoke on both days, else NaN."""
    truth = np.full_like(here.moisture, np.nan)
    truth[:, :-lead] = here.moisture[:, lead:]
    off = np.abs(made - truth)
    off[~np.isfinite(here.moisture)] = np.nan
    return off


def moisture_table(name: str, here: Site) -> list[dict[str, Any]]:
    joined, alone = forecasts(here, probe=True), forecasts(here, probe=False)
    rows = []
    for kind in ("known", "unknown"):
        for lead in LEADS:
            mask = np.isfinite(errors(here, joined[kind, lead], lead))
            still = np.where(mask, errors(here, here.moisture, lead), np.nan)
            rows.append(
                {
                    "set": name,
                    "rain": kind,
                    "days": lead,
                    "forecasts": int(mask.sum()),
                    "joined": 100 * float(np.nanmean(errors(here, joined[kind, lead], lead))),
                    "alone": 100 * float(np.nanmean(np.where(mask, errors(here, alone[kind, lead], lead), np.nan))),
                    "persistence": 100 * float(np.nanmean(still)),
                }
            )
    return rows


def neutron(name: str, *, probe: bool) -> tuple[Numbers, Numbers, Numbers]:
    """Measured depletion of the root zone, that foretold from the measurement before, and RAW [mm], measurement by
    measurement of one of pyfao56's seasons."""
    days, crop, profile, seen = peer.inputs(name)
    made = dual.season(days, crop, profile, measured=seen)
    read = peer.measured(name)
    first = days["day"][0]
    measured = {(row["day"] - first).days: row for row in read.iter_rows(named=True)}
    state = filter.begin(whole(profile, made, 0), made["depletion"][:1].to_numpy())
    rows: list[tuple[float, float, float]] = []
    last: dict[str, Any] = {}
    rooted = crop.root[0]
    for day, (row, given) in enumerate(zip(made.iter_rows(named=True), days.iter_rows(named=True), strict=True)):
        soil = whole(profile, made, day)
        if probe and last:
            # The probe has seen the soil that roots grow into.
            full = profile.held(row["root"], share=0.0) - profile.held(rooted, share=0.0)
            state.mean[:, DEPLETION] += full - held(last, row["root"]) + held(last, rooted)
        else:
            state.mean[:, DEPLETION] += row["grown"]
        rooted = row["root"]
        demand = np.array([row["kcb"] * given["et0"] + row["evaporated"]])
        filter.predict(state, soil, demand, np.array([given["rain"]]), np.array([given["irrigation"]]), NEUTRON)
        if day not in measured:
            continue
        content = held(measured[day], row["root"])
        lost = 1000 * soil.fc[0] * row["root"] - content
        # What is measured is the soil; by the filter it is the depletion less the offset of its field capacity.
        foretold = state.mean[0, DEPLETION] - state.mean[0, filter.OFFSET] * 1000 * row["root"]
        rows.append((lost, foretold if probe else row["depletion"], row["raw"]))
        last = measured[day]
        if probe:
            seen_now = np.array([[content / (1000 * row["root"])]])
            filter.hear(state, soil, seen_now, wetted=np.array([True]), unmetered=np.array([True]), doubt=NEUTRON)
    found = np.array(rows[1:])
    return found[:, 0], found[:, 1], found[:, 2]


def whole(profile: dual.Ground, made: pl.DataFrame, day: int) -> Ground:
    """The root zone of a day as one soil."""
    root = made["root"][day]
    fc = profile.held(root, share=0.0) / (1000 * root)
    taw = made["taw"][day]
    share = made["raw"][day] / taw
    fc_now, wp, deep, p = (np.array([x]) for x in (fc, fc - taw / (1000 * root), root, share))
    return Ground(fc_now, wp, deep, p, drain=1.0)


def held(row: dict[str, Any], root: float) -> float:
    """Water [mm] down to `root` [m] by the readings of a row, each of the soil between its depth and the one above."""
    out, above = 0.0, 0.0
    for place in range(1, int(row["n"]) + 1):
        below = row[f"D{place:02}"] / 100
        out += 1000 * row[f"SWC{place:02}"] * max(0.0, min(below, root) - above)
        above = below
    return out


def neutron_table() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    whole_joined: list[float] = []
    whole_right: list[bool] = []
    for name in peer.MEASURED:
        lost, joined, raw = neutron(name, probe=True)
        _, alone, _ = neutron(name, probe=False)
        whole_joined.extend((joined - lost) ** 2)
        whole_right.extend((joined > raw) == (lost > raw))
        rows.append(
            {
                "season": name,
                "measurements": lost.size,
                "joined": float(np.sqrt(np.mean((joined - lost) ** 2))),
                "alone": float(np.sqrt(np.mean((alone - lost) ** 2))),
                "stress right": float(np.mean((joined > raw) == (lost > raw))),
                "alone right": float(np.mean((alone > raw) == (lost > raw))),
            }
        )
    total = {"season": "all", "measurements": len(whole_right), "joined": float(np.sqrt(np.mean(whole_joined)))}
    return [*rows, {**total, "stress right": float(np.mean(whole_right))}]


def main() -> None:
    rows = [*moisture_table("uscrn", uscrn()), *moisture_table("kings-creek", kings_creek())]
    print("Mean absolute error of the soil moisture [vol-%]")
    with pl.Config(tbl_rows=50, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, float_precision=2):
        print(pl.DataFrame(rows))
        print("Root zone depletion at the next neutron probe measurement, RMSE [mm], and stress decisions right [1]")
        print(pl.DataFrame(neutron_table()))


if __name__ == "__main__":
    main()
