"""Who is around whom: a map drawn from the registry, against the obvious loop."""

import json
from math import asin, cos, log, radians, sin, sqrt
from random import Random
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import quality
from analytics.frames import PAIRS, TIME
from analytics.parameters import Parameter
from tests.conftest import NOW

Voice = tuple[int, int, str, str, int, int]
Place = tuple[int, float | None, float | None]


def rules(**near: float) -> dict[str, Parameter]:
    limits = {"radius": 10, "most": 8, "least": 3, "floor": 1, "factor": 5, "share": 0, "tolerance": 0.5, **near}
    words: dict[str, Any] = dict.fromkeys(("title", "title_zh", "unit", "source", "confidence"), "")
    return {
        name: Parameter(name=name, mean="arithmetic", aliases=(), averagings=(), quality=given_, **words)
        for name, given_ in {"x": {"neighbours": limits}, "y": {"neighbours": limits}, "z": {}}.items()
    }


def drawn(voices: list[Voice], places: list[Place], **near: float) -> dict[int, list[int]]:
    """The neighbours of each series that has a map."""
    names = {"series": pl.Int32, "station": pl.Int32, "parameter": pl.String, "position": pl.String}
    heard = pl.DataFrame(voices, schema={**names, "cadence": pl.Int32, "rank": pl.Int16}, orient="row")
    known = pl.DataFrame(
        places, schema={"station": pl.Int32, "longitude": pl.Float64, "latitude": pl.Float64}, orient="row"
    )
    made = quality.survey(heard, known, rules(**near))
    return {n: json.loads(blob)["neighbours"] for n, blob in made.iter_rows()}


#: About 1.1 km apart, on a line to the north.
LINE: list[Place] = [(n, 116.0, 40.0 + n / 100) for n in range(6)]


def test_the_nearest_within_the_radius_and_no_more_than_so_many() -> None:
    voices: list[Voice] = [(10 + n, n, "x", "", 3600, 0) for n in range(6)]
    assert drawn(voices, LINE, radius=2.3)[12] == [10, 11, 13, 14]
    assert drawn(voices, LINE, radius=2.3)[10] == [11, 12]
    assert drawn(voices, LINE, most=2)[12] == [11, 13]
    assert drawn(voices, LINE, most=3)[12] == [10, 11, 13]  # of two as far as each other the first
    assert drawn(voices, LINE, radius=1)[12] == []


def test_only_the_same_quantity_of_other_stations_that_lie_somewhere() -> None:
    voices: list[Voice] = [
        *[(1, 0, "x", "", 3600, 0), (2, 1, "y", "", 3600, 0), (3, 2, "x", "-0.1", 3600, 0), (4, 3, "x", "", 3600, 0)],
        *[(5, 9, "x", "", 3600, 0), (6, 4, "z", "", 3600, 0), (7, 0, "x", "", 3600, 0)],
    ]
    assert drawn(voices, [*LINE, (9, None, 40.0)]) == {1: [4], 2: [], 3: [], 4: [1], 5: [], 7: [4]}


def test_a_station_has_one_voice_the_one_whose_cadence_is_nearest() -> None:
    """An hour is held against an hour, a minute against a minute where there is one."""
    voices: list[Voice] = [
        (10 * n + k, n, "x", "", cadence, k) for n in range(3) for k, cadence in ((0, 60), (1, 3600))
    ]
    voices.append((30, 3, "x", "", 600, 0))
    found = drawn(voices, LINE)
    assert found[0] == [10, 20, 30]
    assert found[1] == [11, 21, 30]
    assert found[30] == [1, 11, 21]  # six times as long is nearer than a tenth


def test_nothing_registered_is_no_map() -> None:
    assert drawn([], []) == {}


@st.composite
def towns(draw: st.DrawFn) -> tuple[list[Voice], list[Place], dict[str, float]]:
    dice = Random(draw(st.integers(0, 10**6)))
    count = draw(st.integers(0, 25))
    places: list[Place] = [
        (n, None, None) if dice.random() < 0.1 else (n, 116 + dice.randint(0, 9) / 50, 40 + dice.randint(0, 9) / 50)
        for n in range(count)
    ]
    voices: list[Voice] = []
    for station in range(count):
        for name in dice.sample(["x", "y", "z"], dice.randint(0, 3)):
            for rank, cadence in enumerate(sorted(dice.sample([60, 300, 600, 3600], dice.randint(1, 2)))):
                voices.append((len(voices) + 1, station, name, "", cadence, rank))
    return voices, places, {"radius": dice.choice([2, 6, 15]), "most": dice.randint(1, 6), "least": 1}


@settings(max_examples=60, deadline=None)
@given(towns())
def test_the_obvious_loop_agrees(town: tuple[list[Voice], list[Place], dict[str, float]]) -> None:
    voices, places, near = town
    where = {station: (x, y) for station, x, y in places if x is not None and y is not None}

    def away(one: int, other: int) -> float:
        (x, y), (u, v) = ([radians(angle) for angle in where[station]] for station in (one, other))
        chord = sin((y - v) / 2) ** 2 + cos(y) * cos(v) * sin((x - u) / 2) ** 2
        return round(2 * 6371.0088 * asin(sqrt(chord)), 6)

    found = drawn(voices, places, **near)
    assert set(found) == {number for number, _, name, *_ in voices if name != "z"}
    for number, station, name, _, cadence, _ in voices:
        if name == "z":
            continue
        nearest: list[tuple[float, int]] = []
        if station in where:
            others = {s for _, s, other, *_ in voices if other == name and s != station and s in where}
            nearest = sorted((away(station, other), other) for other in others)
        chosen = []
        for distance, other in nearest[: int(near["most"])]:
            if distance <= near["radius"]:
                voice = min(
                    (round(abs(log(c / cadence)), 9), rank, n)
                    for n, s, which, _, c, rank in voices
                    if s == other and which == name
                )
                chosen.append(voice[2])
        assert found[number] == sorted(chosen)


def test_a_degree_of_longitude_is_shorter_in_the_north() -> None:
    """At 60° N it is half as long as at the equator: 55.6 km."""
    voices: list[Voice] = [(n, n, "x", "", 3600, 0) for n in (1, 2)]
    for latitude, kilometres in ((0.0, 111.195), (60.0, 55.59)):
        places: list[Place] = [(1, 10.0, latitude), (2, 11.0, latitude)]
        assert drawn(voices, places, radius=kilometres + 0.02)[1] == [2]
        assert drawn(voices, places, radius=kilometres - 0.02)[1] == []


def test_pairs_of_dated_maps() -> None:
    blobs = [json.dumps({"neighbours": members}).encode() for members in ([2, 3], [], [4])]
    found = pl.DataFrame(
        [(1, NOW, None, blobs[0]), (5, NOW, None, blobs[1]), (6, NOW, NOW, blobs[2])],
        schema={"subject": pl.Int32, "start": TIME, "stop": TIME, "blob": pl.Binary},
        orient="row",
    )
    made = quality.pairs(found)
    assert made.schema == pl.Schema(PAIRS)
    assert made.rows() == [(1, 2, NOW, None), (1, 3, NOW, None), (6, 4, NOW, NOW)]
    assert quality.pairs(found.clear()).schema == pl.Schema(PAIRS)


def test_more_stations_than_are_measured_at_once() -> None:
    """In blocks as at once: every station of a street has the two beside it."""
    count = 600
    voices: list[Voice] = [(n, n, "x", "", 3600, 0) for n in range(count)]
    places: list[Place] = [(n, 116.0, 30 + n / 100) for n in range(count)]
    found = drawn(voices, places, radius=1.2)
    assert all(found[n] == [m for m in (n - 1, n + 1) if 0 <= m < count] for n in range(count))
