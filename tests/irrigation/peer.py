"""Seasons of pyfao56: its fixed-width files as our frames."""

import math
import re
from pathlib import Path
from typing import Any

import polars as pl

from analytics.irrigation import dual
from tests.conftest import SHARED

FOLDER = SHARED / "data" / "pyfao56"
#: Folder, output, parameters, soil layers (None: one soil), weather, what was measured of the crop.
SEASONS: dict[str, tuple[Any, ...]] = {
    "cotton 2013 wet": ("test01", "cottonwet2013.out", "cotton2013.par", None, "cotton2013.wth", None),
    "cotton 2013 dry": ("test01", "cottondry2013.out", "cotton2013.par", None, "cotton2013.wth", None),
    "maize 2022": ("test05", "E12FF2022_default.out", "E12FF2022.par", None, "LIRF.wth", None),
    "maize 2022, seen": ("test05", "E12FF2022_CCKcb.out", "E12FF2022.par", None, "LIRF.wth", "E12FF2022.upd"),
    "maize 2022, layers": ("test05", "E12FF2022_Soil.out", "E12FF2022.par", "E12FF2022.sol", "LIRF.wth", None),
    "maize 2022, layers, seen": (
        *("test05", "E12FF2022.out", "E12FF2022.par", "E12FF2022.sol", "LIRF.wth"),
        "E12FF2022.upd",
    ),
    "cotton 2022": (
        *("test06", "cotton2022p10-2.out", "cotton2022p10-2.par", "cotton2022p10-2.sol", "cotton2022.wth"),
        None,
    ),
    **{
        f"cotton 2018 {plot}": (
            *("test09", f"cotton2018{plot}case00.out", f"cotton2018{plot}.par", f"cotton2018{plot}.sol"),
            *("cotton2018.wth", None),
        )
        for plot in ("p01-1", "p02-1", "p03-1")
    },
}


#: Seasons whose soil was measured with a neutron probe.
MEASURED = ("cotton 2022", "cotton 2018 p01-1", "cotton 2018 p02-1", "cotton 2018 p03-1")


def measured(name: str) -> pl.DataFrame:
    """Soil water by depth: n, D01, ... [cm], SWC01, ... [m³/m³], a row a day of measurement."""
    folder, _, par = SEASONS[name][:3]
    return table(FOLDER / folder / par.replace(".par", ".sws"))


def table(path: Path) -> pl.DataFrame:
    """The rows of a file under their heads, text where no number stands; `day` from Year-DOY."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    head = next(line for line in lines if line and line[0] == "Year-DOY")
    rows = [dict(zip(head, line, strict=False)) for line in lines if line and line[0][:2] == "20" and "-" in line[0]]
    found = pl.DataFrame(rows)
    return found.with_columns(
        pl.when(pl.col(name) != "NaN").then(pl.col(name)).cast(pl.Float64, strict=False).alias(name)
        for name in found.columns
        if name not in ("Year-DOY", "Date", "DOW", "MorP")
    ).with_columns(day=pl.col("Year-DOY").str.to_date("%Y-%j"))


def parameters(path: Path) -> dict[str, float]:
    """The numbers of a .par file by name; those of the head of a .wth file by their first word."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.replace(",", " ").split()
        if len(words) > 1 and re.fullmatch(r"-?[0-9.]+", words[0]):
            found[words[1]] = float(words[0])
    return found


def layers(par: dict[str, float], path: Path | None) -> tuple[dual.Layer, ...]:
    if path is None:
        return (dual.Layer(par["Zrmax"], par["thetaFC"], par["thetaWP"], par["theta0"]),)
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    return tuple(
        dual.Layer(int(row[0]) / 100, *map(float, row[1:])) for row in rows if len(row) == 4 and row[0].isdigit()
    )


def run(name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Our season, and what the peer printed of it."""
    return made(name), table(FOLDER / SEASONS[name][0] / SEASONS[name][1])


def inputs(name: str) -> tuple[pl.DataFrame, dual.Crop, dual.Ground, dict[int, tuple[float, ...]]]:
    folder, out, par, sol, wth, upd = SEASONS[name]
    here = FOLDER / folder
    printed, values = table(here / out), parameters(here / par)
    weather, height = table(here / wth), parameters(here / wth)["Wind"]
    tdew = pl.coalesce("Tdew", "Tmin")
    vapour = (17.27 * tdew / (tdew + 237.3)).exp() / (17.27 * pl.col("Tmax") / (pl.col("Tmax") + 237.3)).exp() * 100
    given = printed.select("day", et0="ETref", rain="Rain", irrigation="Irrig", _loss="IrrLoss", _fw="fw").join(
        weather.select(
            "day",
            u2=pl.col("Wndsp").fill_null(2.0) * 4.87 / math.log(67.8 * height - 5.42),
            rh_min=pl.coalesce("RHmin", vapour),
        ),
        on="day",
        how="left",
    )
    # The peer prints three decimals of what it was given with more; what it was given is in its own files.
    full = weather.select("day", _et0="ETref", _rain="Rain")
    given = given.join(full, on="day", how="left").with_columns(
        et0=pl.coalesce("_et0", "et0"), rain=pl.coalesce("_rain", "rain")
    )
    crop = dual.Crop(
        kcb=(values["Kcbini"], values["Kcbmid"], values["Kcbend"]),
        stages=(int(values["Lini"]), int(values["Ldev"]), int(values["Lmid"]), int(values["Lend"])),
        height=(values["hini"], values["hmax"]),
        root=(values["Zrini"], values["Zrmax"]),
        p=values["pbase"],
        constant=folder == "test05",
        tall="          T " in (here / wth).read_text(encoding="utf-8"),
    )
    if folder == "test09":
        crop = dual.adjusted(crop, given)
    ran = printed["Runoff"].max() or 0.0
    ground = dual.Ground(
        layers=layers(values, here / sol if sol else None),
        surface=values["Ze"],
        rew=values["REW"],
        layered=sol is not None,
        curve=values.get("CN2") if ran else None,
    )
    days = given.select(
        "day",
        "et0",
        "u2",
        "rh_min",
        "rain",
        irrigation=pl.col("irrigation") - pl.col("_loss"),
        wetted=pl.when(pl.col("irrigation") > 0).then("_fw"),
        rise=pl.lit(None, pl.Float64),
    )
    seen: dict[int, tuple[float, ...]] = {}
    if upd:
        found = {row["day"]: row for row in table(here / upd).iter_rows(named=True)}
        first = days["day"][0]
        nan = float("nan")
        seen = {
            (day - first).days: tuple(nan if row[key] is None else row[key] for key in ("Kcb", "h", "fc"))
            for day, row in found.items()
        }
    return days, crop, ground, seen


def made(name: str) -> pl.DataFrame:
    days, crop, ground, seen = inputs(name)
    return dual.season(days, crop, ground, measured=seen)
