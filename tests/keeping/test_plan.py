"""What holds readings back from the archive, and the command that says so."""

import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics import keeping, tables
from analytics.store import backfills, columnstore, horizon, ledger, retention
from analytics.store.connection import Connection
from analytics.tables import TableError
from jobs import chain, console, worker
from jobs.keep import daily, moves
from jobs.keep.plan import plan, reach
from tests import world
from tests.commands.terminal import DONE, greenwatch
from tests.conftest import NOW
from tests.keeping import story
from tests.keeping.story import FIRST, LAST, LINE
from tests.rows import spoil
from tests.world import HOUR, T0

DAY = timedelta(days=1)


def whys(conn: Connection, before: object = LINE) -> list[tuple[str, int]]:
    return [(hold.why, hold.count) for hold in plan(conn, before, NOW).holds]  # type: ignore[arg-type]  # a time


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_whole_pieces_that_are_old_enough(conn: Connection) -> None:
    story.tell(conn)
    made = plan(conn, LINE, NOW)
    assert (made.line, made.bound, made.was, made.holds, made.going) == (LINE, LINE, None, [], [])
    assert [(piece.start, piece.stop) for piece in made.pieces] == [
        (FIRST + n * 7 * DAY, FIRST + (n + 1) * 7 * DAY) for n in range(4)
    ]
    rows = story.number(conn, f"SELECT count(*) FROM observation WHERE time < '{LAST}'")
    assert sum(piece.rows for piece in made.pieces) == rows
    assert all(piece.bytes > 0 for piece in made.pieces)
    assert story.line(conn) is None  # it is a plan


def test_the_reach_is_what_the_stages_say(conn: Connection) -> None:
    """All that a change may be carried by, and read: of a slow series three of its steps, on both sides."""
    story.tell(conn)
    assert timedelta(days=2) < reach(conn) < timedelta(days=6)
    world.settle_world(conn, [("D", "pm25")], cadence=86400)
    stages = [stage for stage, _ in chain.STAGES.values() if stage.subject == "series" and stage.cadences]
    assert reach(conn) >= 6 * DAY * len(stages)
    made = plan(conn, LINE, NOW)
    assert all(piece.stop <= LINE - made.reach for piece in made.pieces)
    assert len(made.pieces) < 4


def test_marks_hold_what_they_are_about(conn: Connection) -> None:
    series = story.tell(conn)
    stale = story.windows(series[:1], T0 + 12 * DAY, T0 + 12 * DAY + HOUR)
    ledger.mark(conn, chain.STAGES["assess"][0], stale, NOW)
    made = plan(conn, LINE, NOW)
    assert [(hold.why, hold.start) for hold in made.holds] == [("due", T0 + 12 * DAY)]
    assert made.line == T0 + 12 * DAY
    assert len(made.pieces) == 1
    conn.execute("UPDATE stale SET due = %s", [NOW + DAY])
    assert whys(conn) == [("later", 1)]


def test_an_open_episode_holds_while_it_has_values(conn: Connection) -> None:
    story.tell(conn)
    conn.execute(
        "INSERT INTO episode SELECT %s, %s, %s, %s, 1, min(id), 1, false, 90, 9, 4, '[]' FROM term"
        " WHERE kind = 'episode'",
        [T0 + 9 * DAY, NOW, NOW - DAY, T0 + 9 * DAY],
    )
    assert whys(conn) == [("episode", 1)]
    conn.execute("UPDATE episode SET stop = %s WHERE NOT closed", [NOW - 200 * DAY])
    assert whys(conn) == []


def test_what_is_learned_from_stays(conn: Connection) -> None:
    story.tell(conn)
    made = plan(conn, NOW - 10 * DAY, NOW)
    assert [hold.why for hold in made.holds] == ["learning"]
    assert made.line == NOW - 60 * DAY - made.reach


def test_an_opened_period_stays_until_it_is_over(conn: Connection, tmp_path: Path) -> None:
    story.tell(conn)
    moves.run(conn, LINE, tmp_path, NOW)
    moves.restore(conn, FIRST + 8 * DAY, FIRST + 9 * DAY, NOW, days=5, reason="late files")
    world.settle(conn)
    assert ("opened", 1) in whys(conn)
    assert moves.run(conn, LINE, tmp_path, NOW + 4 * DAY).pieces == 0  # nor the first, which it reads
    assert horizon.load(conn).opened == ((FIRST + 8 * DAY, FIRST + 9 * DAY),)
    assert moves.run(conn, LINE, tmp_path, NOW + 5 * DAY).pieces == 2
    assert horizon.load(conn).opened == ()


def test_the_line_stays_while_a_backfill_is_read(conn: Connection, tmp_path: Path) -> None:
    """Nobody knows how old what is still to be read is: it must not be refused half way."""
    story.tell(conn)
    number = backfills.create(conn, {})
    [chunk] = backfills.add(conn, number, [("x.csv", {}, 1)])
    assert whys(conn) == [("backfill", 1)]
    with pytest.raises(console.NotAsAsked, match="a backfill is being read"):
        moves.run(conn, LINE, tmp_path, NOW)
    assert story.line(conn) is None
    backfills.start(conn, chunk, "me", "1")
    backfills.end(conn, chunk, "done")
    assert moves.run(conn, LINE, tmp_path, NOW).pieces == 4
    backfills.add(conn, number, [("y.csv", {}, 1)])
    assert plan(conn, LINE + 5 * DAY, NOW + 50 * DAY).line == LINE


def test_the_line_never_goes_back(conn: Connection, tmp_path: Path) -> None:
    story.tell(conn)
    moves.run(conn, LINE, tmp_path, NOW)
    assert moves.run(conn, LINE - 9 * DAY, tmp_path, NOW).pieces == 0
    assert story.line(conn) == LINE
    assert story.number(conn, "SELECT count(*) FROM horizon") == 1


def test_the_package_table() -> None:
    kept = keeping.load()
    assert {name for name, policy in kept.items() if policy.days} == {"work"}  # nothing that anybody saw
    assert {name for name, policy in kept.items() if policy.how == "delete"} == set(retention.TABLES)
    said = keeping.at_site(kept, {"observation": (400, "/archive"), "gone": (3, "")})
    assert (said["observation"].days, said["observation"].folder, said["forecast"].days) == (400, "/archive", 0)
    assert "gone" not in said


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("forecast", "how"), "burn", r"\[forecast\] 'how' cannot be 'burn'"),
        (("forecast", "days"), 3, r"\[forecast\] 'days' cannot be 3"),
        (("verdict", "days"), 3, r"\[verdict\] 'days' cannot be 3"),
        (("forecast", "least"), -1, "cannot be below 0"),
        (("forecast", "source"), None, "'source' is missing"),
        (("forecast", "dayz"), 3, "unknown key 'dayz'"),
    ],
)
def test_a_bad_table(path: tuple[str, ...], value: object, says: str) -> None:
    content = tables.read(keeping.TABLE)
    assert isinstance(content, dict)
    spoil(content, path, value)
    with pytest.raises(TableError, match=says):
        keeping.parse(content)


def command(*words: object) -> tuple[int, str]:
    """Exit code and stdout, or what is wrong."""
    done = greenwatch(*words)
    return done.code, done.out if done.code == DONE else done.err


def test_the_command_from_plan_to_restore(
    conn: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "now", lambda: NOW)
    story.tell(conn)
    to = ("--before", "2026-03-29", "--dsn", dsn)
    code, said = command("keep", "plan", *to, "--json")
    assert code == 0
    assert len(json.loads(said)["plan"]) == 4
    assert command("keep", "run", *to, "--to", tmp_path, "--dry-run")[0] == 0
    assert not list(tmp_path.iterdir())
    assert story.line(conn) is None
    code, said = command("keep", "run", *to, "--to", tmp_path, "--json")
    assert code == 0
    assert json.loads(said)["pieces"] == 4
    code, said = command("keep", "status", "--dsn", dsn, "--json")
    assert code == 0
    assert len(json.loads(said)["archived"]) == 4
    code, said = command("export", "observations", "--dsn", dsn, "-o", tmp_path / "all.csv")
    assert code == 1
    assert "that this needs are archived. Bring them back with" in said
    assert not (tmp_path / "all.csv").exists()
    later = ("--from", "2026-03-26", "--dsn", dsn)
    assert command("export", "observations", *later, "-o", tmp_path / "some.csv")[0] == 0
    code, said = command("export", "averages", "--as-of", "2099-01-01T00:00Z", "--from", "2026-03-20", "--dsn", dsn)
    assert code == 1
    assert "greenwatch keep restore --from" in said
    assert command("export", "averages", "--dsn", dsn, "-o", tmp_path / "means.csv")[0] == 0  # they are all here
    code, said = command("keep", "restore", "--from", "2026-03-03", "--to", "2026-03-05", "--dsn", dsn, "--json")
    assert code == 0
    assert json.loads(said)["pieces"] == 2
    code, said = command("keep", "close", "--dsn", dsn)
    assert code == 0
    assert "1 periods" in said
    for words in (("status",), ("plan", *to[:2])):
        assert command("keep", *words, "--dsn", dsn)[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("plan",), "say how old with --older-than"),
        (("run", "--before", "2026-03-01"), "name the folder of the archives"),
        (("set", "average", "--days", "9"), "'average' is not kept for so many days"),
        (("set", "forecast", "--days", "2"), "forecast is needed for 8 days at least"),
        (("set", "observation", "--days", "90"), "name the folder of the archives with --to"),
        (("restore", "--from", "2026-03-01", "--to", "2026-03-02"), "nothing is closed there"),
    ],
)
def test_what_cannot_be_done_says_what_can(dsn: str, words: tuple[str, ...], says: str) -> None:
    code, said = command("keep", *words, "--dsn", dsn)
    assert code == 1
    assert says in said


def test_the_days_work(conn: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a site has set is done without being asked again."""
    monkeypatch.setattr(console, "now", lambda: NOW)
    story.tell(conn)
    assert command("keep", "set", "observation", "--days", 65, "--to", tmp_path, "--dsn", dsn)[0] == 0
    code, said = command("keep", "run", "--json", "--dsn", dsn)
    assert code == 0
    assert json.loads(said)["gone"]["observation"] > 1000


def test_what_a_worker_may_not_do_is_left_and_said(conn: Connection, tmp_path: Path) -> None:
    story.tell(conn)
    retention.set(conn, "observation", 65, str(tmp_path), NOW)
    retention.set(conn, "forecast", 90, "", NOW)
    before = story.everything(conn)
    conn.execute("SET ROLE greenwatch_writer")
    left = daily.run(conn, NOW).left
    conn.execute("RESET ROLE")
    assert "does not own the tables" in left["observation"]
    assert "may not delete" in left["forecast"]
    assert story.everything(conn) == before


def test_the_clock_takes_nothing_away_that_nobody_asked_for(conn: Connection) -> None:
    story.tell(conn)
    before = story.everything(conn)
    job, *_ = worker.NIGHT
    later = NOW + 4000 * DAY
    assert job.run(conn, later) == daily.Kept({"work": 0})
    assert (story.everything(conn), story.line(conn)) == (before, None)


def test_nobody_but_the_owner_takes_readings_away(conn: Connection, tmp_path: Path) -> None:
    story.tell(conn)
    conn.execute("SET ROLE greenwatch_admin")
    with pytest.raises(console.NotAsAsked, match="only the owner of the tables"):
        moves.run(conn, LINE, tmp_path, NOW)
    conn.execute("SET ROLE greenwatch_writer")
    series = pl.DataFrame(conn.execute("SELECT id FROM series").fetchall(), orient="row").to_series().to_list()
    assert world.send(conn, [(series[0], 2.0, 5.5, 9, None)]).replaced == 1  # who saves may see where the line is
    conn.execute("RESET ROLE")


def test_a_file_that_comes_too_late_says_what_opens_its_time(conn: Connection, dsn: str, tmp_path: Path) -> None:
    story.tell(conn)
    moves.run(conn, LINE, tmp_path, NOW)
    (tmp_path / "late.csv").write_text(
        "station,parameter,time,value\nA,pm25,2026-03-01T00:30Z,7\nA,pm25,2026-04-01T00:30Z,7\n"
    )
    done = greenwatch("ingest", tmp_path / "late.csv", "--json", "--dsn", dsn)
    assert (json.loads(done.out)["new"], json.loads(done.out)["rejects"]) == (1, 1)
    assert "1 cells wait as rejects: their period is approved" in " ".join(done.said)
    assert "`greenwatch keep restore` opens it" in " ".join(done.said)
    done = greenwatch("keep", "restore", "--from", "2026-03-01", "--to", "2026-03-02", "--dsn", dsn)
    assert "1 readings that came too late then are in" in " ".join(done.said)


@pytest.mark.parametrize("dsn", ["plain"], indirect=True)
def test_no_chunk_is_packed_where_there_are_none(conn: Connection) -> None:
    assert not columnstore.can(conn)
    assert columnstore.split(conn, "observation", pl.DataFrame({"series": [1], "time": [T0]}))[1].is_empty()
    assert columnstore.problems(conn, T0).is_empty()
