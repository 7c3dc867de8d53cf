"""Readings into files and back: nothing is lost, nothing that stands on them changes, nobody is told wrong figures."""

from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.store import archive, connection, corrections, horizon, ledger, observations
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from analytics.store.errors import Archived
from jobs import chain, console
from jobs.keep import files, moves
from jobs.keep.plan import plan, reach
from tests import world
from tests.conftest import NOW, Make
from tests.keeping import story
from tests.keeping.story import FIRST, LAST, LINE
from tests.mortal import Killed, mortal
from tests.world import HOUR, T0

pytestmark = pytest.mark.long

AWAY = "SELECT coalesce(sum(rows), 0) FROM archive WHERE dropped IS NOT NULL AND restored IS NULL"
BOTH = pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
DAY = timedelta(days=1)


@BOTH
def test_there_and_back_is_the_same_bit_for_bit(conn: Connection, tmp_path: Path) -> None:
    story.tell(conn)
    before = story.everything(conn)
    done = moves.run(conn, LINE, tmp_path, NOW)
    gone = [row for row in before["observation"] if row[1] < LAST]  # type: ignore[operator]  # times
    assert (done.pieces, done.rows) == (4, len(gone))
    assert story.line(conn) == LINE
    after = story.everything(conn)
    assert after["observation"] == [row for row in before["observation"] if row[1] >= LAST]  # type: ignore[operator]
    assert after["history"] == [row for row in before["history"] if row[1] >= LAST]  # type: ignore[operator]
    assert {name: after[name] for name in story.made(conn)} == {name: before[name] for name in story.made(conn)}
    assert after["latest"] == before["latest"]  # what there ever was is counted on
    back = moves.restore(conn, FIRST, LINE, NOW)
    assert (back.pieces, back.rows) == (4, len(gone) + len(before["history"]) - len(after["history"]))
    world.settle(conn)
    assert story.everything(conn) == before
    assert story.number(conn, "SELECT count(*) FROM stale WHERE due <= now()") == 0


def test_the_files_speak_for_themselves(conn: Connection, tmp_path: Path) -> None:
    """Each can be read by anybody, and sent to another store as it is."""
    story.tell(conn)
    before = story.everything(conn)["observation"]
    moves.run(conn, LINE, tmp_path, NOW)
    rows = pl.concat(pl.read_parquet(path) for path in sorted(tmp_path.glob("observation_2*.parquet")))
    assert rows.columns == list(files.COLUMNS)
    assert rows["series"].to_list() == sorted(rows["series"].to_list()) or rows.height
    said = rows.sort("series", "time").select("series", "time", "value", "mark", "revision").rows()
    assert said == [row for row in before if row[1] < LAST]  # type: ignore[operator]
    assert set(rows.select("station", "parameter").unique().rows()) == set(story.CHANNELS)


@BOTH
def test_what_comes_too_late_waits_and_is_let_in_when_its_time_is_open(
    conn: Connection, make_database: Make, tmp_path: Path
) -> None:
    """As if it had come in time: the store that got it then is the same."""
    late = [(2, 100.0, 444.0, 3, None), (0, 200.5, 12.5, 0, ord("N")), (1, 100.0, 7.0, -1, None)]
    with closing(connection.connect(make_database("plain"))) as other:
        numbers = story.tell(other)
        story.learn(other, numbers)
        world.send(other, [(numbers[n], h, v, r, m) for n, h, v, r, m in late])
        world.settle(other)
        expected = world.picture(other)
    series = story.tell(conn)
    moves.run(conn, LINE, tmp_path, NOW)
    before, said = world.picture(conn), [(series[n], h, v, r, m) for n, h, v, r, m in late]
    counts = world.send(conn, said)
    assert (counts.read, counts.rejects, counts.new, counts.replaced) == (3, 3, 0, 0)
    assert world.send(conn, said).rejects == 3
    waiting = conn.execute("SELECT station, channel, time, value, mark, revision FROM reject WHERE reason = 'archived'")
    assert sorted(waiting.fetchall()) == [
        ("A", "o3", T0 + 200.5 * HOUR, 12.5, ord("N"), None),
        ("A", "pm25", T0 + 100 * HOUR, 7.0, None, -1),
        ("B", "pm25", T0 + 100 * HOUR, 444.0, None, 3),
    ]
    assert world.picture(conn) == before
    back = moves.restore(conn, FIRST, LAST, NOW)
    assert back.readmitted.read == 3
    assert story.number(conn, "SELECT count(*) FROM reject") == 0
    world.settle(conn)
    assert world.picture(conn) == expected
    assert world.send(conn, said).duplicates == 3


def test_a_reading_at_the_line_comes_in_and_finds_all_that_it_needs(conn: Connection, tmp_path: Path) -> None:
    """The rows it touches read what lies before the line: as in a store that kept everything."""
    series = story.tell(conn)
    changes = [(number, (LINE - T0) / HOUR + at, 77.0, 9, None) for number in series for at in (0.0, 1.0, 2.0)]
    with conn.transaction(force_rollback=True):
        world.send(conn, changes)
        world.settle(conn)
        expected = story.made(conn)
    moves.run(conn, LINE, tmp_path, NOW)
    assert world.send(conn, changes).rejects == 0
    world.settle(conn)
    assert story.made(conn) == expected


@BOTH
def test_what_stands_on_the_archived_is_sealed(conn: Connection, tmp_path: Path) -> None:
    """Everything is marked, as a change of the registry does: no verdict and no mean is made of what is not there."""
    series = story.tell(conn)
    moves.run(conn, LINE, tmp_path, NOW)
    before = story.made(conn)
    stations = [int(str(row[0])) for row in conn.execute("SELECT id FROM station")]
    for stage, _ in chain.STAGES.values():
        subjects = series if stage.subject == "series" else stations
        ledger.mark(conn, stage, story.windows(subjects, T0 - DAY, T0 + 41 * DAY), NOW)
    world.settle(conn, 2_000)
    assert story.made(conn) == before
    assert story.number(conn, f"SELECT count(*) FROM stale WHERE due <= '{NOW}'") == 0


def test_windows_less_what_is_sealed() -> None:
    def frame(*rows: tuple[int, int, int]) -> pl.DataFrame:
        cells = [(subject, T0 + start * HOUR, T0 + stop * HOUR) for subject, start, stop in rows]
        return pl.DataFrame(cells, schema=dict(ledger.WINDOWS), orient="row")

    found = horizon.without(
        frame((1, 0, 10), (1, 20, 30), (2, 0, 5), (3, 1, 2)), frame((1, 3, 4), (1, 8, 25), (3, 0, 9))
    )
    assert found.equals(frame((1, 0, 3), (1, 4, 8), (1, 25, 30), (2, 0, 5)))
    nothing = frame()
    assert horizon.without(nothing, frame((1, 0, 1))).is_empty()
    assert horizon.without(frame((1, 0, 1)), nothing).equals(frame((1, 0, 1)))


def test_the_archived_is_never_told_wrong(conn: Connection, tmp_path: Path) -> None:
    series = story.tell(conn)
    known = conn.execute("SELECT max(known) FROM batch").fetchone()
    assert known is not None
    moves.run(conn, LINE, tmp_path, NOW)
    some = story.windows(series[:1], FIRST, LAST).rename({"subject": "series"})
    with pytest.raises(Archived, match=r"archived\. Bring them back with `greenwatch keep restore --from 2026-02-26T"):
        observations.load(conn, some, known=known[0])  # type: ignore[arg-type]  # a time
    later = story.windows(series, LAST, LINE + 9 * DAY).rename({"subject": "series"})
    assert observations.load(conn, later, known=known[0]).height  # type: ignore[arg-type]
    horizon.require(conn, later)
    moves.restore(conn, FIRST, LINE, NOW)
    assert observations.load(conn, some, known=known[0]).height  # type: ignore[arg-type]


def test_a_series_of_which_nothing_was_archived_is_told(conn: Connection, tmp_path: Path) -> None:
    story.tell(conn)
    moves.run(conn, LINE, tmp_path, NOW)
    (other,) = world.settle_world(conn, [("C", "pm25")])
    horizon.require(conn, story.windows([other], FIRST, LAST).rename({"subject": "series"}))


@dataclass(repr=False)
class Kept:
    """A store with the story in it, and how it was."""

    dsn: str
    before: dict[str, list[tuple[object, ...]]]


@pytest.fixture
def kept(dsn: str) -> Kept:
    with closing(connection.connect(dsn)) as conn:
        return Kept(dsn, story.everything(conn))


@BOTH
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(deaths=st.lists(st.tuples(st.integers(3, 140), st.booleans()), min_size=2, max_size=5))
def test_law_7_killed_anywhere_it_goes_on(
    kept: Kept, tmp_path_factory: pytest.TempPathFactory, deaths: list[tuple[int, bool]]
) -> None:
    """Whatever dies wherever: after a whole archive and a whole restore all is as it was, and no row is there twice."""
    folder = tmp_path_factory.mktemp("archive")
    late = sum(row[1] >= LAST for row in kept.before["observation"])  # type: ignore[operator]  # times
    with closing(connection.connect(kept.dsn)) as conn:
        for statements, there in deaths:
            with (
                closing(mortal(conn, statements)) as own,
                suppress(Killed, psycopg.OperationalError, console.NotAsAsked),
            ):
                moves.run(own, LINE, folder, NOW) if there else moves.restore(own, FIRST, LINE, NOW)
            _alone(conn)
            rows = story.number(conn, "SELECT count(*) FROM observation")
            away = story.number(conn, AWAY)
            assert rows + away >= len(kept.before["observation"])  # half put back, in both; never less
        _whole(conn, folder)
        assert story.number(conn, "SELECT count(*) FROM observation") == late
        moves.restore(conn, FIRST, LINE, NOW)
        world.settle(conn)
        assert story.everything(conn) == kept.before


def _whole(conn: Connection, folder: Path) -> None:
    """Nothing; all that may be is in the archive."""
    world.settle(conn)
    moves.close(conn, NOW)
    moves.run(conn, LINE, folder, NOW)


def _alone(conn: Connection) -> None:
    """Nothing; the server has noticed who died."""
    while not archive.only_one(conn):
        pass
    archive.done(conn)


def test_a_file_that_says_something_else_drops_nothing(
    conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.tell(conn)
    before = story.everything(conn)
    real = files._slice
    monkeypatch.setattr(files, "_slice", lambda *given: real(*given).with_columns(pl.col("value") + 1e-9))
    with pytest.raises(console.NotAsAsked, match="does not say what was written"):
        moves.run(conn, LINE, tmp_path, NOW)
    assert story.everything(conn) == before
    monkeypatch.undo()
    assert moves.run(conn, LINE, tmp_path, NOW).pieces == 4


def test_files_that_were_lost_before_their_rows_went_are_written_again(
    conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between writing and dropping; then somebody tidies up."""
    story.tell(conn)
    before = story.everything(conn)

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(archive, "drop", killed)
    with pytest.raises(Killed):
        moves.run(conn, LINE, tmp_path, NOW)
    monkeypatch.undo()
    archive.done(conn)
    for path in tmp_path.glob("observation_2*.parquet"):
        path.unlink()
    assert moves.run(conn, LINE, tmp_path, NOW).pieces == 4
    moves.restore(conn, FIRST, LINE, NOW)
    world.settle(conn)
    assert story.everything(conn) == before


def test_a_full_disk_is_said_and_takes_nothing(
    conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.tell(conn)
    before = story.everything(conn)

    def full(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError("No space left on device (os error 28)")

    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", full)
    with pytest.raises(console.NotAsAsked, match="cannot be written: No space left on device"):
        moves.run(conn, LINE, tmp_path, NOW)
    assert story.everything(conn) == before
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_or_lost_file_is_not_restored(conn: Connection, tmp_path: Path) -> None:
    story.tell(conn)
    moves.run(conn, LINE, tmp_path, NOW)
    before = story.everything(conn)
    path = sorted(tmp_path.glob("observation_2*.parquet"))[0]
    raw = path.read_bytes()
    path.write_bytes(raw[:-9] + b"x" + raw[-8:])
    with pytest.raises(console.NotAsAsked, match="is not what was written"):
        moves.restore(conn, FIRST, FIRST + DAY, NOW)
    path.unlink()
    with pytest.raises(console.NotAsAsked, match=r"cannot be read.*--at"):
        moves.restore(conn, FIRST, FIRST + DAY, NOW)
    last = sorted(tmp_path.glob("observation_2*.parquet"))[-1]
    last.rename(tmp_path / "away")
    with pytest.raises(console.NotAsAsked, match="cannot be read"):
        moves.restore(conn, FIRST + 14 * DAY, LAST, NOW)
    (tmp_path / "away").rename(last)
    assert story.everything(conn) == before  # nor do those before it come back half way
    other = tmp_path / "other"
    other.mkdir()
    for file in tmp_path.glob("*.parquet"):
        file.replace(other / file.name)
    (other / path.name).write_bytes(raw)
    assert moves.restore(conn, FIRST, FIRST + DAY, NOW, at=other).rows > 0


def test_only_a_part_comes_back_with_what_it_needs(conn: Connection, tmp_path: Path) -> None:
    """A day of the second week: that week, and the first since the day begins with it."""
    story.tell(conn)
    moves.run(conn, LINE, tmp_path, NOW)
    day = FIRST + 7 * DAY
    back = moves.restore(conn, day, day + DAY, NOW)
    assert back.pieces == 2
    assert reach(conn) < 6 * DAY
    line = horizon.load(conn)
    times = pl.DataFrame({"time": [day - HOUR, day, day + 23 * HOUR, day + DAY, LINE]})
    assert times.select(line.closed(pl.col("time")))["time"].to_list() == [True, False, False, True, False]


def test_nothing_to_restore_before_anything_is_closed(conn: Connection, tmp_path: Path) -> None:
    story.tell(conn)
    with pytest.raises(console.NotAsAsked, match="nothing is closed there"):
        moves.restore(conn, FIRST, LAST, NOW)
    with pytest.raises(console.NotAsAsked, match="is no folder"):
        moves.run(conn, LINE, tmp_path / "nowhere", NOW)


def test_one_at_a_time(conn: Connection, other: Connection, tmp_path: Path) -> None:
    story.tell(conn)
    assert archive.only_one(other)
    with pytest.raises(console.NotAsAsked, match="another `greenwatch keep` is at work"):
        moves.run(conn, LINE, tmp_path, NOW)
    archive.done(other)


def test_who_saves_is_waited_for(
    conn: Connection, other: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A saver that found the line where it was commits before the line moves; else nothing moves."""
    series = story.tell(conn)
    real = horizon.alone
    monkeypatch.setattr(horizon, "alone", lambda conn: real(conn, "200ms"))
    with other.transaction():
        world.send(other, [(series[0], 3.25, 8.0, 0, None)])
        with pytest.raises(console.NotAsAsked, match="takes long just now"):
            moves.run(conn, LINE, tmp_path, NOW)
        assert story.line(conn) is None
    made = plan(conn, LINE, NOW)
    assert [hold.why for hold in made.holds] == ["due"]
    assert not made.pieces
    world.settle(conn)
    assert len(plan(conn, LINE, NOW).pieces) == 4


def test_corrections_of_what_is_closed_are_refused(conn: Connection, tmp_path: Path) -> None:
    """Until their period is open again; also where the readings are still here, close behind the line."""
    series = story.tell(conn)

    def withdraw(start: datetime, stop: datetime) -> int:
        return corrections.enter(conn, [Entry(series[0], "withdrawal", start, stop, {}, "Li", "x")], NOW).new

    moves.run(conn, LINE, tmp_path, NOW)
    for start in (FIRST + DAY, LAST + HOUR, LINE - HOUR):
        with pytest.raises(Archived, match=r"closed: nothing was changed\. Open them with `greenwatch keep restore"):
            withdraw(start, start + 2 * HOUR)
    assert withdraw(LINE, LINE + HOUR) == 1
    moves.restore(conn, FIRST, FIRST + 2 * DAY, NOW)
    assert withdraw(FIRST + DAY, FIRST + DAY + HOUR) == 1
    with pytest.raises(Archived):
        withdraw(FIRST + DAY, FIRST + 3 * DAY)
    world.settle(conn)
    assert story.number(conn, "SELECT count(*) FROM stale WHERE due <= now()") == 0
