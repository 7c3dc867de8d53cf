"""The district on one screen, as plain data for its template: tiles by domain, episodes, alarms, advice."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics import alarms, episodes, parameters, standards
from analytics.parameters import Parameter
from analytics.store import registry, state
from analytics.store.connection import Connection
from analytics.synthetic import PREFIX
from analytics.texts import Language, choose, text
from jobs import traces

#: Domains in the order of the page, and what their tiles draw: the first of these that a station measures.
DOMAINS: Mapping[str, tuple[str, ...]] = {
    "air": ("pm25", "tvoc", "nmhc", "pm10", "o3", "no2"),
    "water": ("dissolved_oxygen", "nh3n", "codmn", "ph", "water_level", "discharge"),
    "noise": ("laeq", "lafmax"),
    "soil": ("soil_moisture", "soil_temperature"),
    "weather": ("air_temperature", "wind_speed", "rain"),
}
#: Averagings whose class a tile shows, the first that is there.
SHOWN = ("hour", "ln", "ld", "day")
PAST, AHEAD = timedelta(hours=48), timedelta(hours=24)
#: Tiles of a domain that are drawn; a page shows no more of them, the rest is counted.
MOST = 40
#: A station that sent nothing for this many cadences, and at least this long, is silent.
SILENT_CADENCES, SILENT = 3, timedelta(minutes=15)
#: A store whose newest reading is older than this is looked at as of then.
OLD = timedelta(days=2)
WIDTH, HEIGHT = 220.0, 44.0


@dataclass(frozen=True, slots=True)
class Book:
    """Names, units and colours from the package tables of this version."""

    parameters: Mapping[str, Parameter]
    grades: Mapping[tuple[str, int], dict[str, Any]]
    rules: Mapping[str, tuple[str, str]]

    @classmethod
    def load(cls) -> "Book":
        """The book, read."""
        rows = standards.load().grades.to_dicts()
        runs = {name: (rule.title, rule.title_zh) for name, rule in episodes.load().items()}
        raised = {name: (rule.title, rule.title_zh) for name, rule in alarms.load().items()}
        return cls(
            parameters.load(),
            {(row["standard"], row["class"]): row for row in rows},
            runs | raised,
        )

    def rule(self, name: str, language: Language) -> str:
        """An episode or alarm rule in words; its name where this version has no such rule."""
        return choose(*self.rules[name], language) if name in self.rules else name

    def grade(self, row: Mapping[str, Any], language: Language) -> tuple[str, str]:
        """Words and colour of the class of an assessment: index and category, or name and category."""
        found = self.grades.get((row["standard"], row["class"]))
        if found is None:
            return str(row["class"]), ""
        category = choose(found["category"], found["category_zh"], language)
        name = choose(found["name"], found["name_zh"], language) if row["index"] is None else str(row["index"])
        return category if name == category else f"{name} · {category}", found["colour"]

    def name(self, parameter: str, language: Language) -> str:
        """The parameter in words, as it is called where there is no table row for it."""
        found = self.parameters.get(parameter)
        return parameter if found is None else choose(found.title, found.title_zh, language)

    def unit(self, parameter: str) -> str:
        """Its unit, empty where it has none."""
        found = self.parameters.get(parameter)
        return "" if found is None or found.unit == "1" else found.unit


@dataclass(slots=True)
class Tile:
    """A station on the board."""

    code: str
    title: str
    domain: str
    parameter: str = ""
    quantity: str = ""
    value: float | None = None
    unit: str = ""
    label: str = ""
    colour: str = ""
    note: str = ""
    age: timedelta | None = None
    silent: bool = True
    verdict: int | None = None
    longitude: float | None = None
    latitude: float | None = None
    past: str = ""
    ahead: str = ""
    band: str = ""
    outlook: str = ""
    next_day: str = ""


@dataclass(slots=True)
class Board:
    """Everything on the first page."""

    now: datetime
    places: str
    synthetic: bool
    tiles: dict[str, list[Tile]]
    alarms: list[dict[str, Any]]
    episodes: list[dict[str, Any]]
    advice: list[dict[str, Any]]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def points(self) -> list[tuple[Tile, float, float]]:
        """Tiles on the map with x and y between 0 and 1, north up; those without coordinates are left out."""
        placed = [t for some in self.tiles.values() for t in some if t.longitude is not None and t.latitude is not None]
        if not placed:
            return []
        xs, ys = [t.longitude or 0.0 for t in placed], [t.latitude or 0.0 for t in placed]
        # A degree of longitude is shorter than one of latitude; 0.77 of it at 40 degrees.
        width = max((max(xs) - min(xs)) * 0.77, max(ys) - min(ys), 1e-6)
        middle = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
        return [
            (t, 0.5 + (x - middle[0]) * 0.77 / width, 0.5 - (y - middle[1]) / width)
            for t, x, y in zip(placed, xs, ys, strict=True)
        ]


def moment(conn: Connection, now: datetime) -> datetime:
    """The time the board is of: `now`; of a store into which nothing comes any more, the end of its newest hour."""
    row = conn.execute("SELECT max(time) FROM latest WHERE time <= %s", [now]).fetchone()
    newest: Any = row[0] if row else None
    if newest is None or now - newest < OLD:
        return now
    return datetime.fromtimestamp((newest.timestamp() // 3600 + 1) * 3600, newest.tzinfo)


def board(conn: Connection, book: Book, now: datetime, language: Language) -> Board:
    """The board as of `now`."""
    stations = registry.load_stations(conn)
    voices = registry.load_voices(conn)
    tiles = {
        row["station"]: Tile(
            row["code"],
            choose(row["title"] or row["code"], row["title_zh"], language),
            "",
            longitude=row["longitude"],
            latitude=row["latitude"],
        )
        for row in stations.iter_rows(named=True)
    }
    quantities = _quantities(state.newest(conn, voices, now), book, tiles)
    _say(quantities, book, now, language, tiles)
    _assess(state.assessed(conn, now), book, language, tiles)
    shown = {d: sorted((t for t in tiles.values() if t.domain == d), key=lambda t: t.code) for d in DOMAINS}
    seen = {tile.code for some in shown.values() for tile in some[:MOST]}
    drawn = {row["voice"]: tiles[number] for number, row in quantities.items() if tiles[number].code in seen}
    _draw(conn, voices.filter(pl.col("voice").is_in(list(drawn))), drawn, now, language, book)
    raised, runs, advice = state.alarms(conn, now), state.episodes(conn, now - timedelta(days=3)), state.advice(conn)
    known = [t for t in tiles.values() if t.domain]
    ages = [t.age for t in known if t.age is not None]
    return Board(
        now,
        _places(conn),
        any(code.startswith(PREFIX) for code in stations["code"]),
        shown,
        raised,
        runs,
        advice,
        {
            "alarms": sum(row["state"] in ("firing", "blind", "recovering") for row in raised),
            "episodes": sum(not row["closed"] and row["about"] == episodes.EVENT for row in runs),
            "devices": len({row["code"] for row in runs if not row["closed"] and row["about"] == episodes.DEVICE}),
            "reporting": sum(not t.silent for t in known),
            "stations": len(known),
            "newest": min(ages, default=None),
            "zones": sum(bool(row["water"]) for row in advice),
        },
    )


def _places(conn: Connection) -> str:
    rows = conn.execute(
        "SELECT DISTINCT place FROM membership WHERE kind = 'district' AND place IS NOT NULL ORDER BY 1 LIMIT 3"
    ).fetchall()
    return ", ".join(str(row[0]) for row in rows)


def rank(parameter: str) -> int:
    """Its place in DOMAINS, those that tiles draw first; what is not named there comes last."""
    named = [name for names in DOMAINS.values() for name in names]
    return named.index(parameter) if parameter in named else len(named)


def domain_of(measured: set[str], book: Book) -> str:
    """The domain of a station that measures these parameters: weather only where there is nothing else."""
    found = {book.parameters[name].domain for name in measured if name in book.parameters}
    return next((domain for domain in ("water", "noise", "soil", "air", "weather") if domain in found), "")


def _quantities(newest: pl.DataFrame, book: Book, tiles: dict[int, Tile]) -> dict[int, dict[str, Any]]:
    """The quantity each station's tile draws, by station; sets the tiles' domain."""
    by_station: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in newest.iter_rows(named=True):
        by_station[row["station"]].append(row)
    out = {}
    for station, rows in by_station.items():
        first = {row["parameter"]: row for row in reversed(rows)}
        tiles[station].domain = domain = domain_of(set(first), book)
        name = next((name for name in DOMAINS.get(domain, ()) if name in first), rows[0]["parameter"])
        last, step = max(row["time"] for row in rows), min(row["cadence"] for row in rows)
        out[station] = {**first[name], "last": last, "step": step}
    return out


def _say(
    quantities: dict[int, dict[str, Any]], book: Book, now: datetime, language: Language, tiles: dict[int, Tile]
) -> None:
    for station, row in quantities.items():
        tile = tiles[station]
        tile.parameter, tile.quantity = row["parameter"], book.name(row["parameter"], language)
        tile.value, tile.unit, tile.verdict = row["value"], book.unit(row["parameter"]), row["code"]
        tile.age = max(now - row["last"], timedelta(0))
        tile.silent = tile.age > max(SILENT, SILENT_CADENCES * timedelta(seconds=row["step"]))


def _assess(assessed: pl.DataFrame, book: Book, language: Language, tiles: dict[int, Tile]) -> None:
    rank = {name: number for number, name in enumerate(SHOWN)}
    rows = assessed.filter(pl.col("averaging").is_in(list(SHOWN))).to_dicts()
    for row in sorted(rows, key=lambda row: (row["time"], -rank[row["averaging"]])):
        tile = tiles[row["station"]]
        tile.label, tile.colour = book.grade(row, language)
        if tile.domain == "noise" and row["exceedance"] is not None:
            tile.note = text("over_limit", language, value=row["exceedance"])
        elif row["primary"] and row["primary"] != tile.parameter:
            tile.note = ", ".join(book.name(name, language) for name in row["primary"].split(","))


def _draw(
    conn: Connection, series: pl.DataFrame, drawn: dict[int, Tile], now: datetime, language: Language, book: Book
) -> None:
    """The small curve of each tile in `drawn`, by voice: hourly means before now, forecast and its band after.

    `series` are the voices' series, as `registry.load_voices` has them.
    """
    means = traces.hours(conn, series, now - PAST, now)
    forecasts = state.forecasts(conn, list(drawn))
    for (voice,), rows in means.group_by("voice", maintain_order=True):
        tile = drawn[int(str(voice))]
        points = [(t, v) for t, v in rows.select("time", "value").iter_rows()]
        forecast = forecasts.get(int(str(voice)))
        ahead: list[tuple[datetime, float, float, float]] = []
        if forecast is not None and forecast["issued"] > now - AHEAD:
            step = timedelta(seconds=forecast["step"])
            ahead = [
                (forecast["start"] + step * lead, value, low, high)
                for lead, (value, low, high) in enumerate(
                    zip(forecast["value"], forecast["low"], forecast["high"], strict=True)
                )
                if now - step < forecast["start"] + step * lead < forecast["issued"] + AHEAD
            ]
        _curve(tile, points, ahead, now)
        if ahead:
            mean, high = sum(a[1] for a in ahead) / len(ahead), max(a[3] for a in ahead)
            tile.next_day = f"{number(mean)} ({number(min(a[2] for a in ahead))} – {number(high)})"
            tile.outlook = text(
                "next_day_mean", language, value=number(mean), high=number(high), unit=book.unit(tile.parameter)
            )


def _curve(
    tile: Tile, points: list[tuple[datetime, float]], ahead: list[tuple[datetime, float, float, float]], now: datetime
) -> None:
    values = [v for _, v in points] + [v for a in ahead for v in a[1:]]
    if not values:
        return
    low, high = min(values), max(values)
    room = (high - low) or 1.0

    def at(time: datetime, value: float) -> str:
        x = (time - (now - PAST)) / (PAST + AHEAD) * WIDTH
        return f"{x:.1f},{HEIGHT - 3 - (value - low) / room * (HEIGHT - 6):.1f}"

    tile.past = " ".join(at(t, v) for t, v in points)
    tile.ahead = " ".join(at(a[0], a[1]) for a in ahead)
    tile.band = " ".join([at(a[0], a[3]) for a in ahead] + [at(a[0], a[2]) for a in reversed(ahead)])


def number(value: float | None) -> str:
    """`value` with the digits a reader needs; a dash where there is none."""
    if value is None:
        return "–"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def ago(age: timedelta | None, language: Language) -> str:
    """`age` in words."""
    if age is None:
        return "–"
    seconds = int(age.total_seconds())
    steps = (("ago_seconds", 1, 120), ("ago_minutes", 60, 120 * 60), ("ago_hours", 3600, 48 * 3600))
    for key, unit, below in steps:
        if seconds < below:
            return text(key, language, " · ", count=seconds // unit)
    return text("ago_days", language, " · ", count=seconds // 86400)
