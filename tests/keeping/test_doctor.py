"""The doctor: a sound store is sound; whatever is broken by hand is named, and what to do."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from analytics.store import archive, connection, doctor, ledger
from analytics.store.connection import Connection
from analytics.store.doctor import Found, rows
from jobs import chain
from jobs.doctor import SETTLED, around, examine
from jobs.doctor.checks import CHECKS, Patient
from jobs.keep import moves
from tests.commands.terminal import greenwatch
from tests.conftest import NOW
from tests.keeping import story
from tests.keeping.story import FIRST, LINE
from tests.servers import spare_server
from tests.world import HOUR, T0

#: Some days after the story ended: everything is settled, and nothing of it is open.
LATER = NOW


def wrong(conn: Connection) -> dict[str, list[str]]:
    """Check -> what it says is wrong."""
    return {item.check.name: item.found.wrong for item in examine(conn, LATER, sample=40) if not item.sound}


def one(conn: Connection, name: str, sample: int = 40) -> Found:
    """What one check found."""
    (check,) = (check for check in CHECKS if check.name == name)
    return check.look(Patient(conn, LATER, doctor.draw(conn, sample, 1, LATER - SETTLED), sample))


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_a_sound_store_is_sound(conn: Connection) -> None:
    results = {item.check.name: item.found for item in examine(conn, LATER, sample=40)}
    assert {name: found.wrong for name, found in results.items() if found.wrong} == {}
    assert list(results) == [check.name for check in CHECKS]
    looked = {name: found.looked for name, found in results.items() if name not in ("archives", "workers", "marks")}
    assert all(looked.values()), looked
    assert results["made"].looked > 3 * 7  # three series, all but no stage
    assert story.number(conn, "SELECT count(*) FROM score") > 0
    before = story.everything(conn)
    examine(conn, LATER, sample=3)
    assert story.everything(conn) == before  # it changes nothing


def test_the_same_seed_draws_the_same_days(conn: Connection) -> None:
    first, second = (doctor.draw(conn, 2, 7, LATER) for _ in range(2))
    assert first == second
    assert len(first) == 2
    assert any(doctor.draw(conn, 2, seed, LATER) != first for seed in range(8, 20))
    assert doctor.draw(conn, 5, 1, T0 - HOUR) == []
    days = {(window.start - T0) // (24 * HOUR) for window in doctor.draw(conn, 2000, 1, LATER)}
    assert days == set(range(story.DAYS))


Break = Callable[[Connection], object]


def sql(text: str) -> Break:
    return lambda conn: conn.execute(text)


#: What is done to the store, the check that says so, and what it says.
BREAKS: dict[str, tuple[Break, str, str]] = {
    "hole": (sql("UPDATE batch SET ordinal = 9 WHERE ordinal = 2"), "ordinals", "2 batches have ordinals 1 to 9"),
    "clock": (
        sql("UPDATE batch SET known = known - interval '1 year' WHERE ordinal = 2"),
        "ordinals",
        "batch 2 was known before the one it follows",
    ),
    "cells": (
        sql("ALTER TABLE batch DROP CONSTRAINT batch_check; UPDATE batch SET missing = 4 WHERE ordinal = 1"),
        "counts",
        "the cells of batch 1 do not add up",
    ),
    "lost": (sql("UPDATE latest SET rows = rows - 2 WHERE series = 1"), "counts", "are counted in `latest`"),
    "rows": (sql("UPDATE latest SET rows = rows - 2 WHERE series = 1"), "latest", "series 1: rows (-2) of `latest`"),
    "time": (sql("UPDATE latest SET time = time - interval '1 hour' WHERE series = 2"), "latest", "series 2: time of"),
    "first": (sql("UPDATE latest SET first = time WHERE series = 2"), "latest", "series 2: first of `latest`"),
    "value": (sql("UPDATE latest SET value = 0 WHERE series = 3"), "latest", "series 3: value or mark of `latest`"),
    "orphan": (sql("UPDATE observation SET batch = 77"), "history", "came in no batch (77)"),
    "versions": (
        sql(
            "INSERT INTO assessment_history (time, known, ended, station, averaging, standard)"
            " SELECT time, known, known + interval '1 h', station, averaging, standard FROM assessment"
        ),
        "history",
        "assessment: versions of station",
    ),
    "judged": (sql("DELETE FROM judged"), "judged", "were never judged"),
    "edition": (
        sql("UPDATE edition SET rows = rows - 'forecast' WHERE name = 'keeping'"),
        "editions",
        "of keeping is not what its hash says",
    ),
    "old table": (
        sql("DELETE FROM edition WHERE name = 'keeping'"),
        "editions",
        "the table keeping of this version is not",
    ),
    "fit": (sql("UPDATE fit SET blob = 'x' WHERE id = 1"), "fits", "fit 1 (robust-seasonal of"),
    "grant": (sql("GRANT UPDATE ON batch TO greenwatch_writer"), "roles", "greenwatch_writer may UPDATE batch"),
    "revoke": (
        sql("REVOKE INSERT ON stale FROM greenwatch_writer"),
        "roles",
        "greenwatch_writer may not INSERT stale",
    ),
    "reader": (sql("GRANT SELECT ON latest TO greenwatch_reader"), "roles", "greenwatch_reader sees latest"),
    "view": (sql("DELETE FROM view_file WHERE name = '10_air'"), "migrations", "view 10_air is not here"),
    "migration": (
        sql("UPDATE migration SET sha256 = 'x' WHERE number = 7"),
        "migrations",
        "migration 0007_episode ran here in another form",
    ),
    "waiting": (sql("DELETE FROM migration WHERE number = 7"), "migrations", "migration 0007_episode has not run"),
    "newer": (
        sql("INSERT INTO migration VALUES (9999, 'x', 'x', now())"),
        "migrations",
        "migration 9999 ran here and is unknown",
    ),
    "job": (
        sql("INSERT INTO work (job, failed, problem) VALUES ('forecast', '2026-05-31', 'KeyError: x')"),
        "workers",
        "forecast failed at 2026-05-31 00:00:00+00:00: KeyError: x",
    ),
    "sequence": (sql("SELECT setval('batch_id', 1)"), "sequences", "batch: 2 is there, the next number would be 2"),
    "identity": (
        sql(
            "INSERT INTO horizon (id, time, known, author) OVERRIDING SYSTEM VALUE VALUES (5, '2020-01-01', now(), 'x')"
        ),
        "sequences",
        "horizon: 5 is there, the next number would be 1",
    ),
    "half": (
        sql("INSERT INTO archive (start, stop, begun) VALUES ('2020-01-01', '2020-01-08', '2026-05-01')"),
        "archives",
        "was begun at 2026-05-01 00:00:00+00:00 and is not finished",
    ),
    "verdict": (
        sql("INSERT INTO verdict SELECT time, series, 1, 4 FROM observation ON CONFLICT DO NOTHING"),
        "made",
        "verdict",
    ),
    "average": (sql("UPDATE average SET value = value + 0.000001"), "made", "average"),
    "average gone": (sql("DELETE FROM average WHERE extract(hour FROM time) = 5"), "made", "average"),
    "assessment": (sql("UPDATE assessment SET index = index + 1"), "made", "assess: assessment"),
    "score": (sql("DELETE FROM score"), "made", "detect: score"),
    "episode": (sql("UPDATE episode SET peak = peak + 1"), "made", "detect: episode"),
}


@pytest.mark.parametrize(("spoil", "check", "says"), BREAKS.values(), ids=BREAKS)
def test_what_is_broken_is_named(conn: Connection, spoil: Break, check: str, says: str) -> None:
    spoil(conn)
    found = one(conn, check)
    assert any(says in words for words in found.wrong), found


def test_what_it_says_is_to_be_done_mends_it(conn: Connection, dsn: str) -> None:
    """All of it at once, the marks of a register of judgements too."""
    before = story.made(conn)
    for name in ("verdict", "average", "average gone", "assessment", "score", "episode"):
        BREAKS[name][0](conn)
    conn.execute("DELETE FROM judged")
    assert set(wrong(conn)) == {"judged", "made"}
    [do] = {check.cure[0] for check in CHECKS if check.name in ("judged", "made")}
    assert "`greenwatch settle --from DAY --to DAY`" in do
    assert greenwatch("settle", "--from", "2026-02-25", "--dsn", dsn).code == 2
    unknown = greenwatch("settle", "--from", "2026-02-25", "--to", "2026-04-12", "--station", "X", "--dsn", dsn)
    assert unknown.said[-1] == "greenwatch: no station 'X' is registered"
    assert greenwatch("settle", "--from", "2026-02-25", "--to", "2026-04-12", "--dsn", dsn).code == 0
    assert story.made(conn) == before
    assert wrong(conn) == {}


def test_a_reading_that_lost_what_replaced_it(conn: Connection) -> None:
    conn.execute("DELETE FROM observation o USING observation_history h WHERE o.series = h.series AND o.time = h.time")
    days = [doctor.Window(s, 1, T0 + n * 24 * HOUR, T0 + (n + 1) * 24 * HOUR) for s in (1, 2, 3) for n in range(3)]
    assert any("has a history and no reading" in words for words in rows.history(conn, days).wrong)


def test_a_row_that_is_there_twice(conn: Connection) -> None:
    """As a broken index would let it in."""
    conn.execute("ALTER TABLE verdict DROP CONSTRAINT verdict_pkey")
    conn.execute("INSERT INTO verdict SELECT * FROM verdict")
    days = [doctor.Window(s, 1, T0, T0 + 960 * HOUR) for s in (1, 2, 3)]
    assert any("is there twice" in words for words in rows.twice(conn, days).wrong)


def test_marks_that_nobody_takes(conn: Connection) -> None:
    """With a worker they are wrong; without one they are said."""
    stale = story.windows([1], T0, T0 + HOUR)
    ledger.mark(conn, chain.STAGES["hour"][0], stale, LATER - timedelta(hours=3))
    found = rows.marks(conn, LATER)
    assert not found.wrong
    assert found.left == [f"1 windows of hour have been due since {LATER - timedelta(hours=3)}; no worker runs"]
    with closing(connection.connect(conn.info.dsn, application=rows.WORKER)):
        assert rows.marks(conn, LATER).wrong


def test_days_that_are_stale_are_left_out_and_said(conn: Connection) -> None:
    """However wrong they look."""
    conn.execute("UPDATE average SET value = value + 1")
    for stage, _ in chain.STAGES.values():
        subjects = [1, 2, 3] if stage.subject == "series" else [1, 2]
        ledger.mark(conn, stage, story.windows(subjects, T0, T0 + 41 * 24 * HOUR), LATER)
    found = one(conn, "made", 9)
    assert (found.wrong, found.looked) == ([], 0)
    assert any(words.startswith("hour: ") and "are stale or sealed" in words for words in found.left)


def test_an_archived_store_is_sound_until_a_file_is_lost(conn: Connection, tmp_path: Path) -> None:
    moves.run(conn, LINE, tmp_path, NOW)
    assert wrong(conn) == {}
    path = sorted(tmp_path.glob("*.parquet"))[0]
    path.write_bytes(path.read_bytes() + b" ")
    assert "is not what was written" in one(conn, "archives").wrong[0]
    path.unlink()
    assert any("cannot be read" in words for words in one(conn, "archives").wrong)
    conn.execute("UPDATE horizon SET time = '2026-03-01'")
    assert any("past the line" in words for words in one(conn, "archives").wrong)
    conn.execute("INSERT INTO observation (time, value, series, batch) VALUES ('2026-03-03', 1, 1, 1)")
    assert any("and here" in words for words in one(conn, "archives").wrong)


def test_a_restore_that_was_killed_is_no_broken_store(
    conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the rows are here and in the archive; the next run takes them away again."""
    moves.run(conn, LINE, tmp_path, NOW)
    monkeypatch.setattr(archive, "reopen", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        moves.restore(conn, FIRST, LINE, NOW)
    assert wrong(conn) == {}
    assert moves.run(conn, LINE, tmp_path, NOW).pieces == 4
    assert wrong(conn) == {}


def test_tables_that_are_not_in_chunks(conn: Connection) -> None:
    conn.execute("ALTER TABLE score RENAME TO away")
    conn.execute("CREATE TABLE score (LIKE away INCLUDING ALL)")
    assert "score is not in chunks" in one(conn, "server").wrong


def test_the_disk(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a private server; another one's cannot be seen."""
    assert "cannot be seen from here" in around.disk(conn).left[0]
    with spare_server() as (server, dsn), closing(connection.connect(dsn)) as own:
        assert "GB are free in" in around.disk(own, server).left[0]
        monkeypatch.setattr(around, "LEAST", 1.0)
        monkeypatch.setattr(around, "ROOM", 10**18)
        assert "GB are free in" in around.disk(own, server).wrong[0]


def test_the_command(conn: Connection, dsn: str) -> None:
    conn.execute("UPDATE latest SET value = 0")
    done = greenwatch("doctor", "--dsn", dsn, "--json", "--sample", 4, "--seed", 3)
    assert done.code == 1
    said = {item["check"]: item for item in json.loads(done.out)}
    assert [name for name, item in said.items() if not item["sound"]] == ["latest"]
    assert "greenwatch database restore" in said["latest"]["do"][0]
    assert done.said[-1] == f"greenwatch: 1 of {len(CHECKS)} checks found something wrong: latest"
    assert "latest: series" in greenwatch("doctor", "--dsn", dsn, "--sample", 4).err
    conn.execute("UPDATE latest l SET value = o.value FROM observation o WHERE o.series = l.series AND o.time = l.time")
    assert greenwatch("doctor", "--dsn", dsn, "--sample", 1).code == 0


def test_every_check_says_what_it_is_and_what_to_do() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        for words in (*check.title, *check.cure):
            assert words
        assert all(any("\u4e00" <= letter <= "\u9fff" for letter in pair[1]) for pair in (check.title, check.cure))
