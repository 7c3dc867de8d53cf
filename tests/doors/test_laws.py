"""Laws 1, 2 and 7 through all doors at once, on a real database.

What is the same whatever came first, by whichever door, in whatever parts, how often and beside whom: all of
`world.PICTURES`, that is readings with their marks and revisions, and what the stages make of them. Where two say
something else of one (series, time) the greatest (priority of the source, revision, value, mark) stands; who it was
that said it is a part of the message. So the one canonical order is that of `_canonical`: a batch a source, through no
door at all.

What is not the same, since it says when something was known: numbers, ordinals, times and counts of batches, history,
what is ahead of the clock. And two things that a sender means by its order: what a publisher says later replaces what
it said before (pulls, a revision by the time of asking); and a frame of a sensor that is heard twice with two times has
that of the copy that came first: it is one reading of the same value whichever that was.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.store import connection, registry
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from jobs import chain, console
from jobs.intake import readmit
from jobs.web.site import Settings
from tests import world
from tests.conftest import Make
from tests.doors.ways import DOORS, LATER, NAMED, SOURCES, STATIONS, WAYS, Cell, Ways, fitting, put, site, uplink
from tests.pull.service import Service
from tests.pull.service import serving as publishing
from tests.serving import serving
from tests.stories import FEW
from tests.world import HOUR, T0

pytestmark = pytest.mark.long

Parts = Sequence[tuple[str, Sequence[Cell]]]


@dataclass
class Place:
    """A store that is emptied before each example, a server of it, and a publisher."""

    conn: Connection
    dsn: str
    folder: Path
    client: httpx.Client
    service: Service
    examples: int = 0

    def begin(self) -> Ways:
        """The ways in, into a store of nothing but STATIONS and SOURCES."""
        world.empty(self.conn, registry_too=True)
        self.conn.execute("TRUNCATE uplink")  # else frames of another example were heard before
        for name, priority in SOURCES.items():
            self.conn.execute("INSERT INTO source (name, priority) VALUES (%s, %s)", [name, priority])
        put(self.conn, site(STATIONS, self.service))
        self.examples += 1
        folder = self.folder / str(self.examples)
        folder.mkdir()
        return Ways(self.dsn, folder, self.client, self.folder / "http", self.service, str(self.examples))

    def settle(self) -> None:
        """Nothing; the whole chain has run."""
        chain.settle(self.conn, console.now)

    def picture(self) -> dict[str, list[tuple[object, ...]]]:
        self.settle()
        return world.picture(self.conn)


@pytest.fixture(scope="module")
def place(make_database: Make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One store and one server for all examples."""
    dsn, folder = make_database("apache"), tmp_path_factory.mktemp("doors")
    settings_ = Settings(dsn, door="http", spool=folder / "http")
    with closing(connection.connect(dsn)) as conn, publishing() as service, serving(settings_) as client:
        yield Place(conn, dsn, folder, client, service)


def traffic(dice: random.Random) -> tuple[list[Cell], list[Parts]]:
    """Cells, and how they come: waves, each with parts of several doors; a part may come again in a later wave."""
    cells = [_cell(dice) for _ in range(dice.randint(20, 60))]
    # The same reading by another door, now and then.
    cells += [replace(one, way=dice.choice(WAYS)) for one in cells if one.source in NAMED and dice.random() < 0.2]
    cells = _of_one_mind([fitting(one) for one in cells])
    parts: list[tuple[str, list[Cell]]] = []
    for door, ways in DOORS.items():
        mine = [one for one in cells if one.way in ways]
        dice.shuffle(mine)
        cuts = sorted(dice.choices(range(len(mine) + 1), k=dice.randint(0, 2)))
        parts += [(door, mine[a:b]) for a, b in pairwise([0, *cuts, len(mine)]) if a < b]
    order = parts + dice.choices(parts, k=dice.randint(0, 2))
    dice.shuffle(order)
    cuts = sorted(dice.choices(range(len(order) + 1), k=dice.randint(0, 2)))
    return cells, [order[a:b] for a, b in pairwise([0, *cuts, len(order)]) if a < b]


def _cell(dice: random.Random) -> Cell:
    """Any cell; most of them are of a few hours, so that many say something of the same."""
    return Cell(
        way=dice.choice(WAYS),
        source=dice.choice(NAMED),
        station=dice.choice([*STATIONS, "A", LATER]),
        parameter=dice.choice(STATIONS["A"]),
        hour=dice.choice([*range(6)] * 3 + [*range(60), None, None]),
        value=dice.choice([0.0, 35.0, 60.5, 120.5] * 3 + [round(dice.uniform(0, 900), 1)] * 6 + [None, "x"]),
        revision=dice.choice([0, 0, 1, 2]),
        mark=dice.choice([None, None, "N", "D"]),
    )


def _of_one_mind(cells: list[Cell]) -> list[Cell]:
    """`cells` in which the publisher says one thing of each time only: else what it said later is what it means."""
    first: dict[tuple[str, str, int | None], Cell] = {}
    return [
        first.setdefault((one.station, one.parameter, one.hour), one) if one.way == "pull" else one for one in cells
    ]


def _check(part: Sequence[Cell], counts: Counts, *, known: bool) -> None:
    """Law 1: what became of each cell of `part` is counted, once."""
    counts.check()
    here = [one for one in part if known or one.station != LATER]
    gaps = sum(one.value is None for one in part)
    assert (counts.read, counts.missing) == (len(part), gaps)
    assert counts.new + counts.replaced + counts.duplicates == sum(one.good for one in here)
    assert counts.rejects == len(part) - gaps - sum(one.good for one in here)


def _sums(conn: Connection) -> tuple[Any, ...]:
    """Of all batches: cells that are in none of the counts, readings new beyond those there are, holes."""
    [row] = conn.execute(
        "SELECT sum(read - new - replaced - duplicates - missing - rejects),"
        " sum(new) - (SELECT count(*) FROM observation), count(*) - max(ordinal) FROM batch"
    ).fetchall()
    return row


def _canonical(conn: Connection, cells: Sequence[Cell]) -> None:
    """Nothing; the good ones of `cells` are in, in the order of time, without repeats."""
    ids = dict(conn.execute("SELECT t.code || s.parameter, s.id FROM series s JOIN station t ON t.id = s.station"))  # type: ignore[arg-type, var-annotated]
    for source in SOURCES:
        said = {
            (
                ids[one.station + one.parameter],
                float(one.hour or 0),
                one.value,
                one.revision,
                one.mark and ord(one.mark),
            )
            for one in cells
            if one.good and one.source == source
        }
        world.send(conn, sorted(said, key=str), source)  # type: ignore[arg-type]  # good: its value is a number


@FEW
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_comes_by_whichever_door_ends_in_the_same(place: Place, seed: int) -> None:
    dice = random.Random(seed)  # a story of the usual size even in the first of few examples, which is the least
    cells, waves = traffic(dice)
    ways = place.begin()
    for wave in waves:
        for part, counts in ways.at_once(wave) + ways.settled():
            _check(part, counts, known=False)
        if dice.random() < 0.3:  # what is settled too early must be repaired by what comes later
            place.settle()
        if dice.random() < 0.3:
            ways.again(place.conn)
    # What waited for its station comes in, by itself or by a replay.
    put(place.conn, site({LATER: ("pm25",)}))
    parameters = chain.load_rules(place.conn)[-1].parameters
    if dice.random() < 0.5:
        ways.again(place.conn)
    readmit(place.conn, parameters)
    found = place.picture()
    assert _sums(place.conn) == (0, 0, 0)

    # All of it once more, the last first, and again what is kept: nothing changes.
    for part, counts in ways.at_once([part for wave in reversed(waves) for part in wave]) + ways.settled():
        _check(part, counts, known=True)
        assert (counts.new, counts.replaced) == (0, 0)
    repeat = ways.again(place.conn)
    assert (repeat.new, repeat.replaced) == (0, 0)
    assert place.conn.execute("SELECT count(*) FROM stale").fetchone() == (0,)
    assert place.picture() == found
    assert _sums(place.conn) == (0, 0, 0)

    world.empty(place.conn)
    _canonical(place.conn, cells)
    assert place.picture() == found
    assert registry.load_authorities(place.conn).height == sum(map(len, STATIONS.values())) + 1


def test_an_answer_that_contradicts_itself_is_the_same_however_often_it_is_asked_for(place: Place) -> None:
    """Of a publisher's two words in one answer the greater stands; only what differs from that is a later word."""
    ways = place.begin()
    both = [Cell("pull", "openaq", "A", "pm25", 1, value) for value in (20.0, 10.0)]
    [(_, counts)] = ways.at_once([("pull", both)])
    assert (counts.new, counts.duplicates) == (1, 1)
    for answer in (both, both[::-1], both):
        [(_, counts)] = ways.at_once([("pull", answer)])
        assert (counts.new, counts.replaced, counts.duplicates) == (0, 0, 2)
    [(_, counts)] = ways.at_once([("pull", both[1:])])
    assert counts.replaced == 1


@pytest.mark.parametrize("seconds", [(0, 40), (40, 0)])
def test_of_one_frame_with_two_times_the_first_heard_stands(place: Place, seconds: tuple[int, int]) -> None:
    """What is not the same whatever came first: the time. It is one reading, of the same value, for good."""
    ways = place.begin()
    heard = [uplink(Cell("uplink", "test", "A", "pm25", 1, 20.0), seconds=late) for late in seconds]
    for message in (*heard, *heard[::-1]):
        ways.drained(place.conn, "mqtt", [message])
    ways.again(place.conn)
    found = place.conn.execute("SELECT time, value FROM observation").fetchall()
    assert found == [(T0 + HOUR + timedelta(seconds=seconds[0]), 20.0)]
    assert _sums(place.conn) == (0, 0, 0)
