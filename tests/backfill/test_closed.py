"""A backfill of what is closed, gone or broken: said before, kept while it lasts, in when its time is open."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from psycopg import conninfo

from analytics.store import backfills, connection
from analytics.store.connection import Connection
from jobs import console
from jobs.backfill import cli, elsewhere, sources, status
from jobs.backfill import plan as planning
from jobs.backfill.sources import Ask
from jobs.intake import Order
from jobs.keep import moves
from tests import world
from tests.backfill.test_chunks import backfill, do_all, hands, waiting
from tests.backfill.test_elsewhere import with_password
from tests.commands.terminal import WRONG_USAGE, greenwatch
from tests.conftest import Make
from tests.world import HOUR, T0

DAY = timedelta(days=1)
NOW = T0 + 100 * DAY


@pytest.fixture
def other_store(make_database: Make) -> Iterator[Connection]:
    with closing(connection.connect(make_database("plain"))) as opened:
        yield opened


def past(folder: Path, days: int) -> Path:
    """A reading a day at noon, from T0 on."""
    path = folder / "past.csv"
    lines = [f"A,pm25,{(T0 + day * DAY + 12 * HOUR).isoformat()},{20 + day}" for day in range(days)]
    path.write_text("\n".join(["station,parameter,time,value", *lines]) + "\n")
    return path


def close(conn: Connection, days: int) -> None:
    conn.execute("INSERT INTO horizon (time, known, author) VALUES (%s, %s, 'x')", [T0 + days * DAY, NOW])


def test_what_is_older_than_the_line_is_said_and_comes_in_when_it_is_open(
    conn: Connection, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.settle_world(conn, [("A", "pm25")])
    path = past(tmp_path, 10)
    close(conn, 6)
    said = " ".join(greenwatch("backfill", "plan", path, "--dsn", dsn).out.split())
    assert "6 would wait as rejects: they are older than what is open" in said
    first, last = (f"{T0 + days * DAY:%Y-%m-%d}" for days in (0, 6))
    assert f"`greenwatch keep restore --from {first} --to {last} --days 30`" in said
    found = planning.plan(conn, Ask(Order(kind="backfill"), (path,)))
    assert (found.closed, found.approved, found.counts.rejects) == (6, 0, 6)
    begun = greenwatch("backfill", "run", path, "--dsn", dsn)
    assert "wait as rejects, but where `greenwatch keep restore` opened" in " ".join(begun.err.split())
    assert (do_all(conn, 1).new, do_all(conn, 1).rejects) == (4, 6)
    assert status.standing(conn, 1, console.now()).held == 6
    cli.show(1, dsn=dsn)
    assert f"6 {status.HELD}" in " ".join(capsys.readouterr().out.split())
    assert moves.restore(conn, T0, T0 + 6 * DAY, NOW).readmitted.new == 6
    assert do_all(conn, backfill(conn, [path])).duplicates == 10


def test_a_file_that_breaks_is_named_by_the_plan_and_the_others_are_counted(
    conn: Connection, dsn: str, tmp_path: Path
) -> None:
    world.settle_world(conn, [("A", "pm25")])
    bad = tmp_path / "past.parquet"
    pl.read_csv(past(tmp_path, 3000)).write_parquet(bad, compression="uncompressed", row_group_size=1000)
    raw = bad.read_bytes()
    bad.write_bytes(raw[: len(raw) // 3] + b"\xff" * 2000 + raw[len(raw) // 3 + 2000 :])
    past(tmp_path, 10)
    said = " ".join(greenwatch("backfill", "plan", tmp_path, "--dsn", dsn).out.split())
    assert "past.parquet" in said
    assert "a run would fail there" in said
    found = planning.plan(conn, Ask(Order(kind="backfill"), (tmp_path,)))
    assert (found.chunks, len(found.broken)) == (2, 1)
    assert found.counts.new >= 10


def test_one_that_goes_on_is_asked_nothing_else(
    conn: Connection, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.settle_world(conn, [("A", "pm25")])
    number = backfill(conn, [past(tmp_path, 3)])
    refused = greenwatch("backfill", "run", tmp_path, "--resume", number, "--dsn", dsn)
    assert refused.code == WRONG_USAGE
    assert "goes on with what was asked for then" in " ".join(refused.err.split())
    for chunk in waiting(conn, number):
        hands().do(conn, chunk)
    cli.cancel(number, dsn=dsn)
    assert "nothing was cancelled" in capsys.readouterr().err
    assert status.standing(conn, number, console.now()).state == "done"  # there was nothing to cancel


def test_another_database_that_cannot_be_read_whole_is_no_source(
    conn: Connection, other_store: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = with_password(other_store)
    with pytest.raises(console.NotAsAsked, match=r"other database cannot be used: .*password.*GREENWATCH_SOURCE"):
        sources.find(conn, Ask(Order(), database=conninfo.make_conninfo(dsn, password="wrong")))
    with pytest.raises(console.NotAsAsked, match="--database is no connection string"):
        sources.find(conn, Ask(Order(), database="nonsense"))
    with pytest.raises(console.NotAsAsked, match="other database cannot be used"):
        sources.find(conn, Ask(Order(), database=conninfo.make_conninfo(dsn, port="1")))
    [series] = world.settle_world(other_store, [("A", "pm25")])
    world.send(other_store, [(series, float(hour), 1.0, 0, None) for hour in range(9)])
    ask = Ask(Order(register=True, kind="backfill"), database=dsn)
    monkeypatch.setenv(elsewhere.PASSWORD, other_store.info.password)
    number = cli.begin(conn, ask, sources.find(conn, ask))
    gone = (
        "INSERT INTO archive (start, stop, begun, rows, history, bytes, folder, files, written, dropped)"
        " VALUES (%s, %s, now(), 1, 0, 0, '', '[]', now(), now()) RETURNING id"
    )
    [piece] = other_store.execute(gone, [T0 - DAY, T0]).fetchone() or [None]
    other_store.execute("INSERT INTO archive_series VALUES (%s, %s, 1, 0)", [piece, series])
    hands().do(conn, waiting(conn, number)[0])
    assert backfills.chunks(conn, number)["new"].sum() == 9  # what is gone lies before what is asked for
    other_store.execute("UPDATE archive SET stop = %s", [T0 + DAY])
    with pytest.raises(console.NotAsAsked, match=r"in the other database, readings of 1 series from .* are archived"):
        planning.plan(conn, ask)
    other_store.execute("DELETE FROM migration WHERE number = 14")
    with pytest.raises(console.NotAsAsked, match=r"of another version: .*0014_backfill.*greenwatch migrate"):
        sources.find(conn, ask)
