"""What stands where in the made-up district: stations, their series, irrigated zones. The same for every seed."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import polars as pl

from analytics.synthetic.almanac import LATITUDE, LONGITUDE, OFFSET
from analytics.synthetic.chance import Draw

PREFIX = "SYN-"
DISTRICT = "Synthetic District 合成区"

#: Steps between readings [s].
TEN_MINUTES, MINUTE, FOUR_HOURS = 600, 60, 14_400


class Site(NamedTuple):
    """A station: `letter` is its domain's, `kind` its surroundings (a zone, a reach), `x`, `y` [km] from the middle."""

    code: str
    letter: str
    title: str
    title_zh: str
    kind: str
    x: float
    y: float
    places: Mapping[str, str]


class Zone(NamedTuple):
    """An irrigated area: `area` [m²], `flow` [m³/h], `root_depth` [m], `altitude` [m]; the rest as `register` says."""

    zone: str
    title: str
    title_zh: str
    weather: str
    probe: str
    area: float
    cover: str
    texture: str
    root_depth: float
    flow: float
    method: str
    altitude: float


#: What is measured, by letter, and the words of a title.
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "A": ("pm25", "pm10", "so2", "no2", "co", "o3", "air_temperature", "relative_humidity"),
    "V": ("tvoc", "nmhc"),
    "W": ("water_temperature", "ph", "dissolved_oxygen", "conductivity", "turbidity", "water_level"),
    "N": ("laeq", "lafmax"),
    "S": ("soil_moisture@-0.1", "soil_moisture@-0.2", "soil_moisture@-0.4", "soil_temperature@-0.1"),
    "M": (
        "air_temperature",
        "relative_humidity",
        "wind_speed",
        "wind_direction",
        "air_pressure",
        "solar_radiation",
        "rain",
    ),
}
#: What comes every four hours only.
ANALYSERS: Mapping[str, tuple[str, ...]] = {"W": ("codmn", "nh3n", "tp", "tn")}
TITLES: Mapping[str, tuple[str, str]] = {
    "A": ("air station", "空气站"),
    "V": ("VOC grid point", "VOC网格点"),
    "W": ("water section", "水质断面"),
    "N": ("noise point", "噪声点"),
    "S": ("soil probe", "土壤墒情点"),
    "M": ("weather station", "气象站"),
}

#: letter, name, Chinese name, kind, x, y [km]
_SITES = (
    ("A", "riverside", "河滨", "urban", -2.1, -1.2),
    ("A", "market", "集市", "urban", 0.6, 1.1),
    ("A", "crossroads", "路口", "road", 1.4, -0.7),
    ("A", "school", "学校", "urban", -1.0, 2.6),
    ("A", "park", "公园", "background", 2.9, 3.2),
    ("A", "hillside", "山坡", "background", -5.2, 5.6),
    ("A", "workshops", "工坊", "works", 4.4, -3.9),
    ("A", "hospital", "医院", "urban", -3.3, -3.6),
    ("A", "bus depot", "车场", "road", 3.6, 0.9),
    ("A", "library", "图书馆", "urban", -0.3, -2.9),
    ("A", "stadium", "体育场", "urban", 1.9, 5.1),
    ("A", "orchard", "果园", "background", -4.7, 0.4),
    ("A", "ring road", "环路", "road", -2.6, 4.3),
    ("A", "factory gate", "厂门", "works", 5.1, -2.2),
    ("A", "lakeside", "湖畔", "urban", 0.9, -5.4),
    ("A", "courtyards", "大院", "urban", -1.5, 0.5),
    ("V", "paint shop fence", "涂装车间", "works", 4.9, -3.4),
    ("V", "depot fence", "油库", "works", 5.6, -4.3),
    ("V", "works housing", "厂区住宅", "urban", 3.7, -2.6),
    ("V", "south gate", "南门", "urban", 2.2, -4.8),
    ("W", "Clear River upper", "清河上游", "upper", -5.5, 1.6),
    ("W", "Clear River middle", "清河中游", "middle", -2.4, -0.9),
    ("W", "Clear River lower", "清河下游", "lower", 2.7, -4.1),
    ("W", "Moat upper", "护城河上游", "moat", 0.2, 2.0),
    ("W", "Moat outfall", "护城河排口", "outfall", 1.7, -1.5),
    ("W", "South Lake", "南湖", "lake", 0.7, -5.7),
    ("N", "sanatorium", "疗养院", "0", -5.6, 4.9),
    ("N", "housing", "居住区", "1", -1.2, 1.9),
    ("N", "market", "商业街", "2", 0.5, 0.8),
    ("N", "workshops", "工业区", "3", 4.7, -3.7),
    ("N", "ring road", "主干路", "4a", -2.5, 4.2),
    ("N", "railway", "铁路", "4b", 3.9, 2.2),
    ("S", "north lawn", "北草坪", "Z01", 2.8, 3.3),
    ("S", "south lawn", "南草坪", "Z02", 0.8, -5.1),
    ("S", "pine wood", "松林", "Z03", 2.6, 3.7),
    ("S", "shrub belt", "灌木带", "Z04", -2.4, 4.0),
    ("S", "rose garden", "月季园", "Z05", -1.4, 0.9),
    ("S", "roadside turf", "路侧草地", "Z06", 1.5, -0.9),
    ("M", "park", "公园", "park", 2.7, 3.0),
    ("M", "south", "南部", "plain", 0.4, -4.7),
)
#: zone, weather station and area [m²], cover, texture, root depth [m], flow [m³/h], method; the probe has its number
_ZONES = (
    ("north lawn", "北草坪", "M01", 12_000, "turf, cool season", "sandy loam", 0.6, 42, "sprinkler"),
    ("south lawn", "南草坪", "M02", 8_500, "turf, cool season", "loam", 0.6, 30, "sprinkler"),
    ("pine wood", "松林", "M01", 15_000, "conifer trees", "loam", 1.2, 24, "hose"),
    ("shrub belt", "灌木带", "M01", 5_200, "berries, bushes", "silt loam", 0.8, 13, "drip"),
    ("rose garden", "月季园", "M02", 3_000, "berries, bushes", "loam", 0.7, 9, "micro_spray"),
    ("roadside turf", "路侧草地", "M02", 4_100, "turf, cool season", "sandy loam", 0.5, 16, "sprinkler"),
)
#: A noise zone, and the type of a water body and its river.
_WATER = {
    "upper": ("river", "Synthetic Clear River 合成清河"),
    "middle": ("river", "Synthetic Clear River 合成清河"),
    "lower": ("river", "Synthetic Clear River 合成清河"),
    "moat": ("river", "Synthetic Moat 合成护城河"),
    "outfall": ("river", "Synthetic Moat 合成护城河"),
    "lake": ("lake", "Synthetic South Lake 合成南湖"),
}
#: What of each letter a district has once: a district of scale 2 has all of it twice, a little apart.
COUNTS: Mapping[str, int] = {letter: sum(row[0] == letter for row in _SITES) for letter in CHANNELS}


@lru_cache(maxsize=4)
def sites(scale: int = 1) -> tuple[Site, ...]:
    """The stations of `scale` districts, one beside the other; the first is the same in all of them."""
    return tuple(_site(copy, number, row) for copy in range(scale) for number, row in enumerate(_SITES))


@lru_cache(maxsize=4)
def zones(scale: int = 1) -> tuple[Zone, ...]:
    """The irrigated zones of `scale` districts."""
    found = []
    for copy in range(scale):
        for number, (title, title_zh, weather, area, cover, texture, depth, flow, method) in enumerate(_ZONES):
            found.append(
                Zone(
                    zone=_code("Z", copy, number),
                    title=f"Synthetic zone {title}",
                    title_zh=f"合成区块·{title_zh}",
                    weather=_code("M", copy, int(weather[1:]) - 1),
                    probe=_code("S", copy, number),
                    area=area,
                    cover=cover,
                    texture=texture,
                    root_depth=depth,
                    flow=flow,
                    method=method,
                    altitude=45,
                )
            )
    return tuple(found)


def _site(copy: int, row: int, site: tuple[str, str, str, str, float, float]) -> Site:
    letter, name, name_zh, kind, x, y = site
    number = sum(other[0] == letter for other in _SITES[:row])
    code = _code(letter, copy, number)
    if copy:
        near = Draw(0, "place", code)
        x, y = x + near.uniform(-1, 1), y + near.uniform(-1, 1)
    words, words_zh = TITLES[letter]
    count = copy * COUNTS[letter] + number + 1
    side = ("South", "南") if y < 0 else ("North", "北")
    west = ("west", "西") if x < 0 else ("east", "东")
    places = {
        "district": DISTRICT,
        "street": f"Synthetic {side[0]}{west[0]} Street 合成{west[1]}{side[1]}街道",
    }
    if letter == "N":
        places["noise_zone"] = kind
    if letter == "V":
        places["grid"] = f"Synthetic grid {count} 合成网格{count}"
    if letter == "W":
        places["water_body"], places["river"] = _WATER[kind]
    title, title_zh = f"Synthetic {words} {count}, {name}", f"合成{words_zh}{count}·{name_zh}"
    return Site(code, letter, title, title_zh, kind, x, y, places)


def _code(letter: str, copy: int, number: int) -> str:
    return f"{PREFIX}{letter}{copy * COUNTS.get(letter, len(_ZONES)) + number + 1:02}"


def registry(found: Sequence[Site]) -> pl.DataFrame:
    """What `greenwatch register` reads of `found`: facts, memberships and a row a series with its cadence."""
    kinds = sorted({kind for site in found for kind in site.places})
    facts = pl.DataFrame(
        {
            "station": [site.code for site in found],
            "letter": [site.letter for site in found],
            "title": [site.title for site in found],
            "title_zh": [site.title_zh for site in found],
            "longitude": [round(LONGITUDE + site.x / 85.4, 5) for site in found],
            "latitude": [round(LATITUDE + site.y / 111.0, 5) for site in found],
            "utc_offset": [OFFSET] * len(found),
            **{f"member:{kind}": [site.places.get(kind, "") for site in found] for kind in kinds},
        }
    )
    rows = [
        (letter, *_parts(channel), cadence)
        for letter in CHANNELS
        for channels, cadences in ((CHANNELS, ("10m", "1m")), (ANALYSERS, ("4h",)))
        for channel in channels.get(letter, ())
        for cadence in cadences
    ]
    series = pl.DataFrame(rows, schema=["letter", "parameter", "position", "cadence"], orient="row")
    return facts.join(series, on="letter", how="left", maintain_order="left_right").drop("letter")


def _parts(channel: str) -> tuple[str, str]:
    parameter, _, position = channel.partition("@")
    return parameter, position
