"""A season with two coefficients: what plants transpire (Kcb) and what wet soil between them evaporates (Ke).

FAO-56 chapter 7, with the layered root zone that grows into soil of its own moisture (Thorp et al., pyfao56) and the
runoff of ASCE manual 70 (2016, p. 451). All depths in mm, soil in m and m³/m³.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

#: What `season` makes of a day, beside `day`. The state (`de`, `depletion`, ...) is that of its end.
COLUMNS = (
    "kcb",
    "height",
    "kc_max",
    "cover",
    "wetted",
    "exposed",
    "ke",
    "kr",
    "de",
    "etc",
    "taw",
    "raw",
    "root",
    "ks",
    "et",
    "transpired",
    "evaporated",
    "percolation",
    "rise",
    "runoff",
    "grown",
    "depletion",
    "below",
)


@dataclass(frozen=True, slots=True)
class Crop:
    """Basal coefficients [1], the days of the four stages, height and roots from first to full [m], p [1].

    `constant`: p stays that of the table, whatever is used. `tall`: the reference is alfalfa.
    """

    kcb: tuple[float, float, float]
    stages: tuple[int, int, int, int]
    height: tuple[float, float]
    root: tuple[float, float]
    p: float
    constant: bool = False
    tall: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """Soil down to `depth` [m]: field capacity, wilting point and first moisture [m³/m³]."""

    depth: float
    fc: float
    wp: float
    first: float


@dataclass(frozen=True, slots=True)
class Ground:
    """The soil a crop stands in.

    `layers` from above, the last one as deep as the roots will be; `surface` [m] is what evaporates, `rew` [mm] what of
    it at full speed. `layered`: water stays in the soil that roots have not reached yet; else what the root zone cannot
    hold is gone, and soil that roots grow into is at field capacity (the paper). `curve`: curve number of the runoff,
    None: no runoff. `mulch` [1]: share of the evaporation, and of the transpiration, that is left under it.
    """

    layers: tuple[Layer, ...]
    surface: float
    rew: float
    layered: bool = True
    curve: float | None = None
    mulch: tuple[float, float] = (1.0, 1.0)

    def held(self, depth: float, wet: str = "fc", dry: str = "wp", share: float = 1.0) -> float:
        """Water [mm] between two moistures down to `depth` [m]; of the lower one, only `share`.

        Soil of several layers counts in whole millimetres, as its peers do.
        """
        if len(self.layers) > 1:
            depth = math.floor(1000 * depth) / 1000
        edges = [0.0, *(layer.depth for layer in self.layers[:-1]), max(self.layers[-1].depth, depth)]
        held = 0.0
        for layer, above, below in zip(self.layers, edges, edges[1:], strict=False):
            held += (getattr(layer, wet) - share * getattr(layer, dry)) * max(0.0, min(depth, below) - above)
        return 1000 * held


def basal(crop: Crop, day: int, before: float) -> float:
    """Kcb [1] on `day` of the season, from 0, where it was `before` the day before. FAO-56 figure 37, equation 66."""
    ini, mid, end = crop.kcb
    first, second, third = crop.stages[0], sum(crop.stages[:2]), sum(crop.stages[:3])
    if first < day <= second:
        return before + (mid - ini) / crop.stages[1]
    if third < day <= third + crop.stages[3]:
        return before + (end - mid) / crop.stages[3]
    return ini if day <= first else mid if day <= third else end


def adjusted(crop: Crop, weather: pl.DataFrame) -> Crop:
    """`crop` in the climate of `weather` (`u2` [m/s], `rh_min` [%], a row a day of the season). FAO-56 equation 70.

    Kcb of mid season and, where it is 0.45 or more, of the end, by the means of their stages, both ends counted.
    """
    second, third = sum(crop.stages[:2]), sum(crop.stages[:3])
    parts = (weather[second : third + 1], weather[third : third + crop.stages[3] + 1])
    values = [
        value
        + _drier(float(part["u2"].to_numpy().mean()), float(part["rh_min"].to_numpy().mean()))
        * (crop.height[1] / 3) ** 0.3
        if value >= 0.45 and part.height
        else value
        for value, part in zip(crop.kcb[1:], parts, strict=True)
    ]
    return replace(crop, kcb=(crop.kcb[0], values[0], values[1]))


def season(
    weather: pl.DataFrame, crop: Crop, ground: Ground, *, measured: dict[int, tuple[float, ...]] | None = None
) -> pl.DataFrame:
    """`day` and COLUMNS of each row of `weather`, a row a day from the first of the season on.

    `weather`: `day`, `et0` [mm], `u2` [m/s], `rh_min` [%], `rain`, `irrigation` [mm], `wetted` [1] (share of the
    surface that an irrigation wets; null where there was none) and `rise` [mm] (what may come up from below; null:
    none). Rain of 3 mm and more wets all of the surface. `measured`: Kcb, height [m] and cover [1] seen on days of the
    season (NaN: not seen), which stand for those of the table.
    """
    day = _Day(crop, ground)
    rows = []
    for number, row in enumerate(weather.iter_rows(named=True)):
        rows.append(day.after(number, row, (measured or {}).get(number, (np.nan,) * 3)))
    made = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.Float64()), orient="row")
    return pl.concat([weather.select("day"), made], how="horizontal")


class _Day:
    """The state of a season from day to day."""

    def __init__(self, crop: Crop, ground: Ground) -> None:
        self.crop, self.ground = crop, ground
        self.tew = ground.held(ground.surface, share=0.5)
        self.de = self.tew
        self.height, self.root = crop.height[0], crop.root[0]
        self.wetted, self.taw = 1.0, ground.held(self.root)
        self.lost = ground.held(self.root, "fc", "first")
        self.whole = ground.held(crop.root[1], "fc", "first")
        self.below = self.whole - self.lost
        self.kcb = self.table = crop.kcb[0]
        self.deep = ground.held(crop.root[1])

    def after(self, number: int, row: dict[str, float], seen: Sequence[float]) -> tuple[float, ...]:
        crop, ground = self.crop, self.ground
        table = self.table = basal(crop, number, self.table)
        # What was seen goes on as the table does.
        kcb = self.kcb = seen[0] if seen[0] > 0 else basal(crop, number, self.kcb)
        grown = (kcb - crop.kcb[0]) / (crop.kcb[1] - crop.kcb[0])
        tall = crop.height[0] + (crop.height[1] - crop.height[0]) * grown
        self.height = seen[1] if seen[1] > 0 else max(tall, 0.001, self.height)
        rooted = crop.root[0] + (crop.root[1] - crop.root[0]) * (table - crop.kcb[0]) / (crop.kcb[1] - crop.kcb[0])
        self.root = max(rooted, 0.001, self.root)
        kc_max = _kc_max(kcb, row["u2"], row["rh_min"], self.height, tall=crop.tall)
        share = max(kcb - crop.kcb[0], 0.0) / (kc_max - crop.kcb[0])
        cover = seen[2] if seen[2] > 0 else min(share ** (1 + 0.5 * self.height), 0.99)  # equation 76

        ran = 0.0 if ground.curve is None else runoff(row["rain"], ground.curve, self.de, ground.rew, self.tew)
        rain, water = row["rain"] - ran, row["irrigation"]
        if water > 0 and row["wetted"] is not None:
            self.wetted = row["wetted"]
        elif water <= 0 and row["rain"] >= 3:
            self.wetted = 1.0
        exposed = min(max(min(1 - cover, self.wetted), 0.01), 1.0)  # equation 75
        kr = min(max((self.tew - self.de) / (self.tew - ground.rew), 0.0), 1.0)  # equation 74
        bare, green = ground.mulch
        ke = bare * min(kr * (kc_max - kcb), exposed * kc_max)  # equation 71
        kcb *= green
        et0 = row["et0"]
        evaporated = ke * et0
        drop = rain + water / self.wetted - self.de
        self.de = min(max(-drop + evaporated / exposed + max(drop, 0.0), 0.0), self.tew)  # equations 77 to 79

        before, self.taw = self.taw, ground.held(self.root)
        etc = (ke + kcb) * et0
        p = crop.p if crop.constant else min(max(crop.p + 0.04 * (5 - etc), 0.1), 0.8)
        raw = p * self.taw
        ks = min(max((self.taw - self.lost) / (self.taw - raw), 0.0), 1.0)  # equation 84
        used = (ks * kcb + ke) * et0  # equation 80
        rise = min(row["rise"] or 0.0, max(self.lost - rain - water + used, 0.0))
        gained = rain + water + rise - used
        if ground.layered:
            left = self.deep - before
            new = self.below * (1 - (self.deep - self.taw) / left) if left > 0 else 0.0
            through = max(gained - self.whole, 0.0)
            self.whole = min(max(self.whole - gained + through, 0.0), self.deep)
            self.lost = min(max(self.lost - gained + new, 0.0), self.taw)
            self.below = min(max(self.whole - self.lost, 0.0), self.deep - self.taw)
        else:
            new = 0.0
            through = max(gained - self.lost, 0.0)
            self.lost = min(max(self.lost - gained + through, 0.0), self.taw)  # equation 85
        return (
            kcb,
            self.height,
            kc_max,
            cover,
            self.wetted,
            exposed,
            ke,
            kr,
            self.de,
            etc,
            self.taw,
            raw,
            self.root,
            ks,
            used,
            ks * kcb * et0,
            evaporated,
            through,
            rise,
            ran,
            new,
            self.lost,
            self.below if ground.layered else float("nan"),
        )


def _kc_max(kcb: float, u2: float, rh_min: float, height: float, *, tall: bool) -> float:
    """Equation 72; over alfalfa its part of the climate is 1."""
    if tall:
        return max(1.0, kcb + 0.05)
    return max(1.2 + _drier(u2, rh_min) * float((height / 3) ** 0.3), kcb + 0.05)


def _drier(u2: float, rh_min: float) -> float:
    """What wind and dry air add to a coefficient of a plant of 3 m [1], within the paper's ranges."""
    return 0.04 * (min(max(u2, 1.0), 6.0) - 2) - 0.004 * (min(max(rh_min, 20.0), 80.0) - 45)


def runoff(rain: float, curve: float, de: float, rew: float, tew: float) -> float:
    """What of `rain` [mm] runs off: `curve` number for average soil, the wetness by `de` of the surface [mm].

    ASCE manual 70 (2016) equations 14-12 to 14-20.
    """
    dry, wet = curve / (2.281 - 0.01281 * curve), curve / (0.427 + 0.00573 * curve)
    now = float(np.interp(de, [0.5 * rew, 0.7 * rew + 0.3 * tew], [wet, dry]))
    storage = 250 * (100 / now - 1)
    return min(max(rain - 0.2 * storage, 0.0) ** 2 / (rain + 0.8 * storage), rain)
