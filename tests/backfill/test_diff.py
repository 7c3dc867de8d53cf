"""What a backfill changed, told from versions: the same that two exports tell, one made before it and one after."""

import csv
import io
import json
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics.frames import ASSESSMENTS, EPISODES
from analytics.store import backfills, connection
from analytics.store.connection import Connection
from jobs import console, migrate
from jobs.backfill import cli, sources
from jobs.backfill import diff as differences
from jobs.backfill.cli import begin
from jobs.backfill.diff import Diff
from jobs.backfill.sources import Ask
from jobs.intake import Intake, Order
from tests.backfill import archive
from tests.backfill.test_chunks import do_all
from tests.conftest import Make

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
#: Local midnight of the first day.
FIRST = datetime.fromisoformat("2024-03-01T00:00:00+08:00")
DAYS = 12
#: Station -> the level of PM2.5 of each day before, and what the backfill says of some of them.
BEFORE = {
    "A": [30.0] * DAYS,
    "B": [60.0] * 3 + [220.0] * 3 + [60.0] * 6,
    "C": [90.0] * 5,
    "D": [40.0] * 3 + [200.0] * 3 + [40.0] * 6,
    "E": [50.0] * DAYS,
}
FILLED = {
    "A": {2: 230.0, 3: 240.0, 4: 230.0},
    "B": {6: 210.0, 7: 215.0},
    "C": {0: 10.0, 1: 12.0, **dict.fromkeys(range(5, DAYS), 20.0)},
    "D": {3: 40.0, 4: 42.0, 5: 41.0},
}


def readings(path: Path, days: dict[str, dict[int, float]]) -> Path:
    rows = [
        f"{code},pm25,{(FIRST + day * DAY + hour * HOUR).isoformat()},{value + hour % 3}"
        for code, values in days.items()
        for day, value in values.items()
        for hour in range(24)
    ]
    path.write_text("\n".join(["station,parameter,time,value", *rows]) + "\n")
    return path


def assessed(conn: Connection, path: Path) -> list[dict[str, str]]:
    """The rows of `greenwatch export assessments`."""
    words = archive.greenwatch("export", "assessments", "-o", path, dsn=conn.info.dsn)
    subprocess.run(words, cwd=archive.ROOT, capture_output=True, timeout=120, check=True)
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def episodes(conn: Connection) -> dict[tuple[str, str], list[tuple[Any, ...]]]:
    found = defaultdict(list)
    for code, rule, *rest in conn.execute(
        "SELECT t.code, r.name, e.time, e.stop, e.level FROM episode e JOIN station t ON t.id = e.station"
        " JOIN term r ON r.id = e.rule ORDER BY 1, 2, 3"
    ).fetchall():
        found[str(code), str(rule)].append(tuple(rest))
    return dict(found)


@dataclass(slots=True)
class Filled:
    """A store before and after a backfill: what both exports and the table of episodes said."""

    conn: Connection
    folder: Path
    number: int = 0
    days: list[list[dict[str, str]]] = field(default_factory=list)
    episodes: list[dict[tuple[str, str], list[tuple[Any, ...]]]] = field(default_factory=list)

    def see(self) -> None:
        """Nothing; what people see now is kept."""
        archive.settle(self.conn)
        self.days.append(assessed(self.conn, self.folder / "export.csv"))
        self.episodes.append(episodes(self.conn))

    def backfill(self) -> int:
        """The number of the backfill of what is said anew."""
        asked = Ask(Order(source="test", revision=1, kind="backfill"), (self.folder / "after.csv",))
        number = begin(self.conn, asked, sources.find(self.conn, asked))
        do_all(self.conn, number)
        return number

    def diff(self, number: int) -> Diff:
        return differences.diff(self.conn, number, backfills.load(self.conn, number)["begun"].item())


@pytest.fixture(scope="module")
def filled(make_database: Make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with closing(connection.connect(make_database("apache"))) as conn:
        list(migrate.migrate(conn))
        out = Filled(conn, tmp_path_factory.mktemp("diff"))
        readings(out.folder / "after.csv", FILLED)
        before = {code: dict(enumerate(values)) for code, values in BEFORE.items()}
        Intake(conn, Order(register=True, source="test")).file(readings(out.folder / "before.csv", before))
        out.see()
        out.number = out.backfill()
        out.see()
        yield out


def number_of(text: str) -> int | None:
    return int(text) if text else None


def worst(rows: list[dict[str, str]]) -> dict[tuple[str, ...], dict[str, tuple[int | None, int | None]]]:
    """(station, standard, averaging, local day) -> time -> index and class."""
    found: dict[tuple[str, ...], dict[str, tuple[int | None, int | None]]] = defaultdict(dict)
    for row in rows:
        day = (datetime.fromisoformat(row["time"]) + timedelta(hours=8)).date().isoformat()
        key = (row["station"], row["standard"], row["averaging"], day)
        found[key][row["time"]] = number_of(row["index"]), number_of(row["class"])
    return found


def most(values: list[int | None]) -> int | None:
    there = [value for value in values if value is not None]
    return max(there) if there else None


def test_days_are_those_that_two_exports_differ_in(filled: Filled) -> None:
    before, after = map(worst, filled.days)
    expected = []
    for key in sorted({*before, *after}):
        old, new = before.get(key, {}), after.get(key, {})
        others = sum(old.get(time) != new.get(time) for time in {*old, *new})
        if others:
            sides = [[most([pair[place] for pair in side.values()]) for side in (old, new)] for place in (0, 1)]
            expected.append((*key, *sides[0], *sides[1], others))
    found = filled.diff(filled.number).days
    assert [(*row[:3], row[3].isoformat(), *row[4:]) for row in found.rows()] == expected
    assert len(expected) > 20
    assert {row[0] for row in expected} == {"A", "B", "C", "D"}  # of E nobody said anything


def test_ranks_are_those_of_two_exports(filled: Filled) -> None:
    def ranked(rows: list[dict[str, str]]) -> dict[tuple[str, str, str], tuple[float, int]]:
        sums: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            if row["index"]:
                sums[row["standard"], row["averaging"]][row["station"]].append(int(row["index"]))
        out = {}
        for key, stations in sums.items():
            means = {code: sum(values) / len(values) for code, values in stations.items()}
            for code, mean in means.items():
                out[(*key, code)] = mean, 1 + sum(other < mean for other in means.values())
        return out

    before, after = map(ranked, filled.days)
    expected = {
        key: (before.get(key), after.get(key)) for key in {*before, *after} if before.get(key) != after.get(key)
    }
    found = {
        (row["standard"], row["averaging"], row["station"]): (
            (row["mean_before"], row["rank_before"]) if row["rank_before"] else None,
            (row["mean_after"], row["rank_after"]) if row["rank_after"] else None,
        )
        for row in filled.diff(filled.number).ranks.to_dicts()
    }
    assert found == expected
    assert len({key[2] for key in expected}) == 5  # E's mean is what it was, its rank is not


def test_episodes_are_new_longer_or_gone(filled: Filled) -> None:
    before, after = filled.episodes
    [rule] = {rule for _, rule in {*before, *after}}
    found = {row["station"]: row for row in filled.diff(filled.number).episodes.to_dicts()}
    assert {code: row["change"] for code, row in found.items()} == {"A": "new", "B": "lengthened", "D": "withdrawn"}
    for code, row in found.items():
        old, new = before.get((code, rule), []), after.get((code, rule), [])
        assert [(row["start_before"], row["stop_before"], row["level_before"])] == (old or [(None, None, None)])
        assert [(row["start"], row["stop"], row["level"])] == (new or [(None, None, None)])


def test_a_backfill_is_held_against_its_own_beginning(filled: Filled) -> None:
    found = filled.diff(filled.backfill())
    assert (found.days.height, found.episodes.height, found.ranks.height) == (0, 0, 0)
    assert found.start is None  # it changed nothing


def test_the_command_tells_it_in_three_ways(filled: Filled, capsys: pytest.CaptureFixture[str]) -> None:
    expected = filled.diff(filled.number)

    def said(**how: Any) -> str:
        cli.diff(filled.number, dsn=filled.conn.info.dsn, **how)
        return capsys.readouterr().out

    facts = json.loads(said(as_json=True))
    assert [row["station"] for row in facts["episodes"]] == ["A", "B", "D"]
    assert len(facts["days"]) == expected.days.height
    rows = list(csv.DictReader(io.StringIO(said(csv=cli.Part.days))))
    assert len(rows) == expected.days.height
    assert rows[0]["class_after"] == str(expected.days["class_after"][0])
    words = said()
    assert f"{expected.days.height:,} days assessed otherwise, the first 20" in words
    assert "lengthened" in words
    with pytest.raises(console.NotAsAsked, match="no backfill 9"):
        cli.diff(9, dsn=filled.conn.info.dsn)


# on frames


def episode(start: int, stop: int, level: int = 1, peak: float = 100.0) -> dict[str, Any]:
    row = dict.fromkeys(EPISODES)
    return row | {
        "station": 1,
        "rule": "haze",
        "time": FIRST + start * HOUR,
        "stop": FIRST + stop * HOUR,
        "level": level,
        "closed": True,
        "peak": peak,
    }


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([], [episode(0, 5)], ["new"]),
        ([episode(0, 5)], [], ["withdrawn"]),
        ([episode(0, 5)], [episode(0, 5)], []),
        ([episode(0, 5)], [episode(5, 9)], ["withdrawn", "new"]),  # they touch, no hour is in both
        ([episode(0, 5)], [episode(0, 7)], ["lengthened"]),
        ([episode(2, 5)], [episode(0, 5)], ["lengthened"]),
        ([episode(2, 5)], [episode(0, 7)], ["lengthened"]),
        ([episode(0, 7)], [episode(1, 5)], ["shortened"]),
        ([episode(0, 7)], [episode(3, 9)], ["moved"]),
        ([episode(0, 5), episode(6, 9)], [episode(0, 9)], ["merged"]),
        ([episode(0, 9)], [episode(0, 4), episode(6, 9)], ["split", "split"]),
        ([episode(0, 5, level=1)], [episode(0, 5, level=2)], ["raised"]),
        ([episode(0, 5, level=2)], [episode(0, 5, level=1)], ["lowered"]),
        ([episode(0, 5, peak=100)], [episode(0, 5, peak=120)], ["revised"]),
        ([episode(0, 5, level=1)], [episode(0, 7, level=2)], ["lengthened"]),
    ],
)
def test_what_becomes_of_episodes(before: list[Any], after: list[Any], words: list[str]) -> None:
    old, new = (pl.DataFrame(rows, schema=dict(EPISODES)) for rows in (before, after))
    found = differences.changed_episodes(old, new, {1: "A"})
    order = pl.coalesce("start", "start_before")
    assert found.sort(order)["change"].to_list() == words
    assert set(found["station"]) <= {"A"}


def test_a_day_that_had_nothing_and_one_that_has_nothing_any_more() -> None:
    row = dict.fromkeys(ASSESSMENTS) | {"station": 1, "averaging": "day", "standard": "S", "time": FIRST}
    some = pl.DataFrame([row | {"index": 80, "class": 2}], schema=dict(ASSESSMENTS))
    none, empty = some.clear(), pl.DataFrame([row], schema=dict(ASSESSMENTS))
    days = {
        name: differences.changed_days(a, b, "A", 480).rows()
        for name, a, b in (("come", none, some), ("gone", some, none), ("empty", none, empty), ("same", some, some))
    }
    day = FIRST.date()
    assert days["come"] == [("A", "S", "day", day, None, 80, None, 2, 1)]
    assert days["gone"] == [("A", "S", "day", day, 80, None, 2, None, 1)]
    assert days["empty"] == [("A", "S", "day", day, None, None, None, None, 1)]
    assert days["same"] == []
