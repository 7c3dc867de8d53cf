"""Stories told at random over the whole table of rules: told at once or in pieces, they end in the same tables (law 2).

Eight stations have air, water and soil: a haze of all and sources of their own, levels that last, gaps long and short;
beside them forecasts, planned events, maps of neighbours that begin and end, and what detectors learned. Then the same
comes in pieces: by time, late, series by series, shuffled or with holes that are filled, corrected, under layers some
of which are ended again, maps and fits among it that were not there before, settled now and then in takes of any size.

Each story is printed with its seed; `GREENWATCH_SOAK_STORIES=3` tells so many, `GREENWATCH_SOAK_SEED=7` begins there.
"""

import json
import os
import random
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import polars as pl

from analytics.frames import TIME
from analytics.store import connection, corrections, fits, forecasts, ledger, observations, planned, registry
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from jobs import chain
from tests import world
from tests.conftest import NOW
from tests.soak.figures import Outcome
from tests.soak.house import House, pace, people
from tests.world import HOUR, T0, Reading

STORIES = 20
#: Stations that are around one another; F is by itself.
AIR = ("A", "B", "C", "D", "E")
CHANNELS = [(station, parameter) for station in AIR for parameter in ("pm25", "pm10")]
CHANNELS += [("A", "o3"), ("B", "no2"), ("A", "laeq"), ("C", "tvoc"), ("F", "pm25"), ("S", "soil_moisture")]
CHANNELS += [
    ("W", parameter)
    for parameter in (
        *("dissolved_oxygen", "nh3n", "turbidity", "rain", "conductivity", "water_level", "ph", "fe", "orp"),
    )
]
#: What each is about, near the lines of its rules; and how many times that it is for a while.
USUAL = {"pm25": 60, "pm10": 100, "o3": 180, "no2": 150, "laeq": 52, "tvoc": 0.5, "soil_moisture": 0.3}
USUAL |= {"dissolved_oxygen": 4.5, "nh3n": 3, "turbidity": 30, "rain": 3, "conductivity": 800, "water_level": 1.2}
USUAL |= {"ph": 6.2, "fe": 0.25, "orp": 60}
TIMES = (0.1, 0.4, 0.6, 0.8, 0.95, 1.0, 1.05, 1.2, 1.6, 2.5, 4)
NARROW: Mapping[str, Sequence[float]] = {
    "laeq": (0.75, 0.9, 1, 1.1, 1.3),
    "soil_moisture": (0.8, 0.9, 1, 1.1, 1.3, 1.45),
    "ph": (0.7, 0.9, 1, 1.1),
    "dissolved_oxygen": (0.3, 0.5, 0.8, 1.1, 1.5),
}
ORDERS = ("by time", "late", "by series", "shuffled", "with holes")
#: Hours that a map or a fit holds from, where it holds from the first reading on.
ALWAYS = -1000

#: Kind, place in CHANNELS, hour from which it holds, what it says.
Fit = tuple[str, int, float, Mapping[str, Any]]


class Story(NamedTuple):
    """What is told of so many `hours`: readings and what corrects them, layers, and what was learned before anything
    came or only afterwards."""

    hours: int
    readings: list[Reading]
    layers: list[Entry]
    early: list[Fit]
    late: list[Fit]


def run(house: House, _: int) -> Outcome:
    """Figures of stories, each told at once and in pieces."""
    count = int(os.environ.get("GREENWATCH_SOAK_STORIES", STORIES))
    first = int(os.environ.get("GREENWATCH_SOAK_SEED", secrets.randbits(32)))
    out, episodes, scores, different = Outcome(), dict[str, int](), 0, dict[str, Any]()
    with (
        house.database() as dsn,
        closing(connection.connect(dsn, application="soak")) as conn,
        pace("stories", count, "stories") as step,
    ):
        series = begin(conn)
        for seed in range(first, first + count):
            at_once, in_pieces, words = both(conn, series, seed)
            if apart := differing(at_once, in_pieces):
                different[str(seed)] = apart
            for row in at_once["episode"]:
                episodes[str(row[1])] = episodes.get(str(row[1]), 0) + 1
            scores += len(at_once["score"])
            people.print(f"stories: seed {seed}: {words}: {'DIFFERENT' if apart else 'the same'}", soft_wrap=True)
            step(1)
    out.add("stories told at once and in pieces", count, "")
    out.add("stories that ended in other tables", len(different), "", most=0)
    out.add("rules with an episode", len(episodes), "")
    out.add("episodes", sum(episodes.values()), "", least=count)
    out.add("scores at the line", scores, "", least=count)
    out.details |= {"seeds": [first, first + count - 1], "episodes": episodes, "different": different}
    return out


def begin(conn: Connection) -> list[int]:
    """The series of `CHANNELS`, in their order; their stations stand 4 km from one another in a noise zone."""
    registry.source(conn, "test")
    series = world.settle_world(conn, CHANNELS)
    conn.execute("INSERT INTO membership (station, kind, place) SELECT id, 'noise_zone', '1' FROM station")
    conn.execute("UPDATE station SET longitude = 116, latitude = 40 + id / 30.0, utc_offset = 480")
    return series


def both(
    conn: Connection, series: list[int], seed: int
) -> tuple[dict[str, list[tuple[object, ...]]], dict[str, list[tuple[object, ...]]], str]:
    """What a story ends in, told at once and in pieces; and which one it was, in words."""
    dice = random.Random(seed)
    story = tell(dice, series)

    def before() -> None:
        world.empty(conn)
        conn.execute("TRUNCATE forecast")
        _beside(conn, series, random.Random(seed + 1), story.hours)
        _learn(conn, series, story.early)

    before()
    _learn(conn, series, story.late)
    world.send(conn, story.readings)
    corrections.enter(conn, story.layers, NOW)
    world.settle(conn)
    at_once = world.picture(conn)
    before()
    words = _pieces(conn, series, story, dice)
    return at_once, world.picture(conn), f"{story.hours} h, {len(story.readings)} readings {words}"


def differing(
    one: Mapping[str, list[tuple[object, ...]]], other: Mapping[str, list[tuple[object, ...]]]
) -> dict[str, list[list[str]]]:
    """Of each table some rows that only one of two pictures has."""
    apart = {}
    for table, rows in one.items():
        mine, theirs = set(rows) - set(other[table]), set(other[table]) - set(rows)
        if mine or theirs:
            apart[table] = [sorted(map(str, some))[:4] for some in (mine, theirs)]
    return apart


def tell(dice: random.Random, series: list[int]) -> Story:
    """A story of the `series`."""
    hours = dice.choice([120, 300, 500, 800])
    told = _readings(dice, series, hours)
    again = [(n, h, round(v * dice.choice([0.05, 0.3, 0.5, 2, 3, 5]), 3), 1, None) for n, h, v, *_ in _some(dice, told)]
    for _ in range(dice.choice([0, 3, 8])):  # runs of corrections
        number, hour, value, *_rest = dice.choice(told)
        other = round(value * dice.choice([0.1, 3]), 3)
        again += [(number, hour + ahead, other, 2, None) for ahead in range(dice.choice([2, 10, 40]))]
    layers = [_layer(dice, series, hours) for _ in range(dice.choice([0, 2, 5]))]
    learned = [*_maps(dice), *_fits(dice, series)]
    # What is newer than another of its kind may come afterwards; the oldest may, too.
    late = [each for each in learned if dice.random() < 0.25]
    return Story(hours, [*told, *again], layers, [each for each in learned if each not in late], late)


def _some(dice: random.Random, told: list[Reading]) -> list[Reading]:
    return dice.sample(told, len(told) // 30)


def _stretch(dice: random.Random, usual: float, length: int, times: Sequence[float], jitter: float) -> list[float]:
    level = usual * dice.choice(times)
    return [round(level + usual * jitter * dice.random(), 4) for _ in range(length)]


def _readings(dice: random.Random, series: list[int], hours: int) -> list[Reading]:
    out: list[Reading] = []
    haze = list[float]()
    while len(haze) < hours + 200:
        haze += _stretch(dice, 70, dice.choice([2, 6, 12, 24, 48]), (0.2, 0.4, 0.8, 1.3, 2, 3.5), 0.05)
    for number, (_, parameter) in zip(series, CHANNELS, strict=True):
        particles = parameter in ("pm25", "pm10")
        follows = particles and dice.random() < 0.7
        hour = dice.choice([0, 0, 0, 5, 100, 250]) if dice.random() < 0.5 else 0
        last = hours if dice.random() < 0.7 else dice.choice([hours // 3, hours // 2, hours - 30])
        every = 3 if dice.random() < 0.1 else 1
        above = dice.choice([0, 0, 0, 30, -20])
        while hour < last:
            length = dice.choice([1, 1, 2, 3, 5, 9, 14, 30, 30, 60, 120])
            jitter = dice.choice([0, 0.02, 0.1])
            values = _stretch(dice, USUAL[parameter], length, NARROW.get(parameter, TIMES), jitter)
            if follows and dice.random() < 0.8:
                share = 1 if parameter == "pm25" else dice.choice([1.4, 1.4, 4])
                here = haze[hour : hour + length]
                values = [round(max(0.1, value * share + above + dice.gauss(0, 2)), 2) for value in here]
            chance = dice.random()
            if chance < 0.85:
                there = [(hour + ahead, value) for ahead, value in enumerate(values) if hour + ahead < last]
                out += [(number, float(at), value, 0, None) for at, value in there if at % every == 0]
            elif chance < 0.87:
                hour += dice.choice([30, 80, 200])
            hour += length
    return out


def _layer(dice: random.Random, series: list[int], hours: int) -> Entry:
    kind = dice.choice(["withdrawal", "verdict", "recalibration"])
    said: Mapping[str, dict[str, float]] = {
        "withdrawal": {},
        "verdict": {"code": 4.0},
        "recalibration": {"gain": dice.choice([0.3, 3.0]), "offset": 0.0},
    }
    first = dice.randint(0, hours)
    stop = first + dice.choice([1, 3, 10, 40, 200])
    return Entry(
        dice.choice(series), kind, T0 + first * HOUR, T0 + stop * HOUR, said[kind], "somebody", f"why {dice.random()}"
    )


def _maps(dice: random.Random) -> Iterator[Fit]:
    """Who is around whom: from the first reading on or later, some of them losing some later still."""
    for parameter in ("pm25", "pm10"):
        mine = [place for place, channel in enumerate(CHANNELS) if channel[0] in AIR and channel[1] == parameter]
        for place in mine:
            others = [other for other in mine if other != place]
            if dice.random() < 0.95:
                since = dice.choice([ALWAYS, ALWAYS, 40, 120, 300])
                yield "neighbours", place, since, {"neighbours": others}
                if dice.random() < 0.5:
                    left = dice.sample(others, dice.choice([0, 2, 3]))
                    yield "neighbours", place, since + dice.choice([60, 150, 400, 1200]), {"neighbours": left}


def _fits(dice: random.Random, series: list[int]) -> Iterator[Fit]:
    """What detectors learned, of some series twice."""
    hour = float(HOUR / timedelta(microseconds=1))
    for place, (station, parameter) in enumerate(CHANNELS):
        usual = USUAL[parameter]
        for since in (ALWAYS, 60, 250):
            if dice.random() < 0.4:
                line = usual * dice.choice([0.2, 0.5, 1])
                jump = {"foot": None, "floor": 0.0, "rough": 0.0, "count": 400, "line": line, "cadence": hour}
                yield "one-step", place, since, jump
            if dice.random() < 0.3:
                line = usual * dice.choice([0.3, 0.6, 1.2])
                yield "robust-seasonal", place, since, {"profile": [float(usual)] * 48, "line": line, "count": 200}
            if dice.random() < 0.3:
                yield "stuck", place, since, {"line": dice.choice([8.0, 20.0]), "cadence": hour, "count": 400}
            if station in AIR and parameter in ("pm25", "pm10") and dice.random() < 0.5:
                members = [other for other, channel in enumerate(CHANNELS) if channel[1] == parameter][:5]
                members = [other for other in members if other != place]
                line, shifts = dice.choice([15.0, 40.0]), [dice.choice([-20.0, 0.0, 10.0]) for _ in members]
                blob = {"members": [series[one] for one in members], "shifts": shifts, "line": line, "foot": None}
                yield "network", place, since, {**blob, "count": 400}


def _beside(conn: Connection, series: list[int], dice: random.Random, hours: int) -> None:
    """Nothing; forecasts are issued, and evenings of fireworks planned: these are outside of the law."""
    for number, (_, parameter) in zip(series, CHANNELS, strict=True):
        if parameter == "pm25" and dice.random() < 0.6:
            for hour in sorted(dice.sample(range(hours), 25)):
                ahead = [dice.choice([20.0, 100.0, 170.0, 300.0])] * 24
                issue = {"series": number, "value": ahead, "low": ahead, "high": ahead, "reason": ""}
                rows = [issue | {"models": ["x"] * 24, "skill": [None] * 24}]
                made = pl.DataFrame(rows, schema_overrides={"series": pl.Int32})
                forecasts.save(conn, made, T0 + hour * HOUR, HOUR, 0.9)
    for _ in range(dice.choice([0, 2, 5])):
        start = T0 + dice.randint(0, hours) * HOUR
        stop = start + dice.choice([3, 12, 50]) * HOUR
        planned.add(conn, "all", "", start, stop, "somebody", "why", NOW, "fireworks")


def _learn(conn: Connection, series: list[int], some: list[Fit], *, late: bool = False) -> None:
    """Nothing; these fits are kept. What comes `late` marks what it holds for, as `relearn` does."""
    for kind in sorted({each[0] for each in some}):
        rows = []
        for _, place, hour, said in (each for each in some if each[0] == kind):
            blob = said if kind != "neighbours" else {"neighbours": [series[one] for one in said["neighbours"]]}
            rows.append((series[place], T0 + hour * HOUR, json.dumps(blob).encode()))
        schema = {"subject": pl.Int32(), "valid_from": TIME, "blob": pl.Binary()}
        drawn = pl.DataFrame(rows, schema=schema, orient="row").with_columns(since="valid_from")
        new = fits.save(conn, kind, drawn, NOW, {})
        if late:
            _mark(conn, kind, series, new)


def _mark(conn: Connection, kind: str, series: list[int], new: pl.DataFrame) -> None:
    extent = observations.extent(conn, series).rename({"series": "subject", "stop": "end"}).select("subject", "end")
    last = pl.min_horizontal("stop", "end").alias("stop")
    own = new.join(extent, on="subject").select("subject", "start", last)
    stations = registry.load_series(conn).select(subject="series", station="station")
    theirs = new.join(stations, on="subject").select("start", "stop", subject="station")
    theirs = theirs.with_columns(end=pl.lit(extent["end"].max(), TIME) + HOUR).select("subject", "start", last)
    for stage, windows in (("compare", own), ("detect", theirs)):
        if stage == "detect" or kind == "neighbours":
            held = windows.filter(pl.col("start") < pl.col("stop"))
            ledger.mark(conn, chain.STAGES[stage][0], ledger.merge(held), NOW)


def _pieces(conn: Connection, series: list[int], story: Story, dice: random.Random) -> str:
    """In which order the story came, in how many pieces; it is settled."""
    order = dice.choice(ORDERS)
    messages = _ordered(dice, order, story)
    cuts = {0, len(messages), *(dice.randint(0, len(messages)) for _ in range(dice.choice([3, 6, 12])))}
    cuts |= {max(0, len(messages) - last) for last in range(dice.choice([0, 4, 10]))}  # the last ones one by one
    layers, late = list(story.layers), list(story.late)
    for start, stop in pairwise(sorted(cuts)):
        world.send(conn, messages[start:stop])
        if layers and dice.random() < 0.4:
            corrections.enter(conn, [layers.pop()], NOW)
        if dice.random() < 0.2:  # one that is ended again
            entered = corrections.enter(conn, [_layer(dice, series, story.hours)], NOW)
            if dice.random() < 0.7:
                world.settle(conn)
            corrections.end(conn, entered.ids, "somebody", "why", NOW)
        if late and dice.random() < 0.3:
            _learn(conn, series, [late.pop()], late=True)
        if dice.random() < 0.8:
            world.settle(conn, dice.choice([600, 20_000, 1_000_000, 1_000_000]))
    corrections.enter(conn, layers, NOW)
    _learn(conn, series, late, late=True)
    world.settle(conn)
    return f"{order} in {len(cuts) - 1} pieces"


def _ordered(dice: random.Random, order: str, story: Story) -> list[Reading]:
    """The readings as they come: those that correct others anywhere among them."""
    messages = list(story.readings)
    if order == "shuffled":
        dice.shuffle(messages)
        return messages
    numbers = sorted({number for number, *_ in messages})
    turn = {number: dice.random() for number in numbers}
    holes = [(dice.choice(numbers), dice.randint(0, story.hours), dice.choice([1, 4, 20, 60, 200])) for _ in range(40)]

    def filled(number: int, hour: float) -> int:
        inside = (place for place, (n, at, length) in enumerate(holes, 1) if n == number and at <= hour < at + length)
        return next(inside, 0)

    place: Mapping[str, Callable[[Reading], tuple[float, float]]] = {
        "by time": lambda each: (each[1] + dice.choice([0, 0, 0, 0, 40]), 0),
        "late": lambda each: (each[1] + (300 if dice.random() < 0.02 else 0), 0),
        "by series": lambda each: (turn[each[0]], each[1]),
        "with holes": lambda each: (filled(each[0], each[1]), each[1]),
    }
    return sorted(messages, key=place[order])
