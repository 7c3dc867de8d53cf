"""What a plan says is what a run then does; and planning leaves no trace and keeps nobody waiting."""

import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import polars as pl
import pytest
from psycopg import sql

from analytics.frames import CELLS, REJECTS, Batch, empty
from analytics.store import backfills, ledger, sandbox
from analytics.store.connection import Connection
from jobs import chain, console
from jobs.backfill import plan as planning
from jobs.backfill import sources
from jobs.backfill.sources import Ask
from jobs.intake import Order
from tests import world
from tests.backfill import archive
from tests.backfill.test_chunks import backfill, do_all
from tests.world import HOUR, T0

CHANNELS = [(f"S{number}", name) for number in range(2) for name in archive.PARAMETERS]


def state(conn: Connection) -> dict[str, object]:
    """A digest of every table and sequence of ours, but for the numbers of batches, which a trial uses up."""
    query = "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    kinds = {str(row[0]): str(row[1]) for row in conn.execute(query) if row[1] in ("r", "S")}
    digest = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM public.{} t"
    asked = {"r": digest, "S": "SELECT last_value FROM public.{}"}
    return {
        name: conn.execute(sql.SQL(asked[kind]).format(sql.Identifier(name))).fetchone()
        for name, kind in kinds.items()
        if name != "batch_id"
    }


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that overlap, the last of them corrects what the others say."""
    monkeypatch.setattr(sources, "BITE", 300)
    monkeypatch.setattr(sources, "PART", 2500)
    made = archive.write(tmp_path / "files", files=3, stations=2)
    last = made[-1].read_text().splitlines()
    changed = [line.replace(",", ",1", 2).replace(",1", ",", 1) if "T1" in line else line for line in last[1:]]
    (tmp_path / "files" / "99.csv").write_text("\n".join([last[0], *changed]) + "\n")
    return sorted((tmp_path / "files").iterdir())


def ask(files: list[Path], **more: object) -> Ask:
    return Ask(Order(source="archive", kind="backfill", **more), tuple(files))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dsn", "how"),
    [("apache", "registered"), ("plain", "registered"), ("apache", "registering"), ("apache", "unknown")],
    indirect=["dsn"],
)
def test_a_plan_counts_what_the_run_counts(conn: Connection, files: list[Path], how: str) -> None:
    if how == "registered":
        [series, *_] = world.settle_world(conn, CHANNELS)
        # Some of it is there already: some rows say the same, some say something else.
        world.send(conn, [(series, -24.0 * 788 + hour, 7.0, 0, None) for hour in range(80)], source="live")
        world.settle(conn)
    found = planning.plan(conn, ask(files, register=how == "registering"))
    number = backfill(conn, files, register=how == "registering")
    assert found.chunks == backfills.chunks(conn, number).height
    did = do_all(conn, number)
    assert found.counts == did
    if how == "unknown":
        assert (did.rejects, found.series) == (did.read - did.missing, 0)
        assert 0 < did.rejects - found.waiting < 5  # those that are no numbers wait for nothing
    else:
        assert did.replaced > 20
        assert did.duplicates > 100
        marked = conn.execute("SELECT DISTINCT subject FROM stale WHERE stage = 1").fetchall()
        assert found.series == len(marked) == 8


def test_what_is_made_again_is_no_more_than_was_said(conn: Connection, files: list[Path]) -> None:
    world.settle_world(conn, CHANNELS)
    found = planning.plan(conn, ask(files))
    do_all(conn, backfill(conn, files))
    did = {work.stage: work for work in chain.settle(conn, console.now)}
    said = {stage.stage: stage for stage in found.stages}
    assert set(said) == set(did) - {"decide"}
    for name in ("flag", "hour", "average", "assess", "detect"):
        assert 0 < did[name].reach <= said[name].hours
    # And not by far: these stages have rows for every hour they reach.
    assert said["flag"].hours < 1.1 * did["flag"].reach
    assert said["hour"].hours < 1.2 * did["hour"].reach
    assert did["flag"].read <= said["flag"].rows < 1.2 * did["flag"].read


def test_a_plan_leaves_no_trace(conn: Connection, files: list[Path], tmp_path: Path) -> None:
    world.settle_world(conn, CHANNELS[:3])
    before = state(conn)
    assert len(before) > 30
    found = planning.plan(conn, ask([*files, tmp_path / "files"], register=True))
    assert found.counts.new > 0
    assert found.counts.rejects > 0
    assert state(conn) == before
    assert conn.execute("SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()").fetchone() == (0,)


def test_a_plan_that_fails_leaves_no_trace(conn: Connection, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("nothing\n1\n")
    with pytest.raises(Exception, match=r"bad.csv: columns nothing"):
        planning.plan(conn, ask([bad]))
    with pytest.raises(ZeroDivisionError), sandbox.sandbox(conn):
        raise ZeroDivisionError
    assert world.settle_world(conn, CHANNELS[:1]) == [1]
    assert conn.execute("SELECT count(*) FROM public.series").fetchone() == (1,)


def test_nobody_waits_for_a_plan(conn: Connection, other: Connection) -> None:
    """A reading, a new station and a settler pass while a trial of the same series is open."""
    [series] = world.settle_world(conn, CHANNELS[:1])
    world.send(conn, [(series, 0.0, 1.0, 0, None)])
    with sandbox.sandbox(conn):
        rows = world.frame([(series, float(hour), 2.0, 1, None) for hour in range(5)])
        sandbox.meet(conn, rows)
        trial = planning._Trial(conn, replace(Order(), dry_run=True))
        cells = rows.with_columns(pl.lit("S0").alias("station"), pl.lit("pm25").alias("channel"))
        trial.surely(Batch(cells.select(*CELLS), empty(REJECTS)), "test")
        began = time.monotonic()

        def work() -> None:
            world.send(other, [(series, 1.0, 3.0, 0, None)])
            world.settle(other)

        worker = Thread(target=work)
        worker.start()
        worker.join(15)
        assert not worker.is_alive()
        assert time.monotonic() - began < 10
        marked = sandbox.marked(conn, ledger.READINGS).to_dicts()
        assert [(row["start"], row["stop"]) for row in marked] == [(T0, T0 + 4 * HOUR + world.HOUR / 3_600_000_000)]
    assert conn.execute("SELECT time, value FROM observation ORDER BY 1").fetchall() == [(T0, 1.0), (T0 + HOUR, 3.0)]


def test_how_long_it_takes_is_measured_or_said_to_be_assumed(conn: Connection, files: list[Path]) -> None:
    world.settle_world(conn, CHANNELS)
    found = planning.plan(conn, ask(files))
    assert not found.measured
    assert found.reading == found.counts.read / planning.ASSUMED["backfill"]
    conn.execute("INSERT INTO work (job, read, seconds) VALUES ('backfill', 4000, 2), ('flag', 9000, 3)")
    again = planning.plan(conn, ask(files))
    assert again.measured
    assert again.reading == again.counts.read / 2000
    rates = {stage.stage: (stage.rate, stage.measured) for stage in again.stages}
    assert rates["flag"] == (3000.0, True)
    assert rates["hour"][1] is False
    assert again.settling > found.settling


def test_a_folder_is_read_whole_and_what_no_format_knows_is_named(conn: Connection, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    archive.write(tmp_path / "deep" / "er", files=2)
    (tmp_path / "deep" / "readme.txt").write_text("words\n")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "00.csv").write_text("words\n")
    found = sources.find(conn, ask([tmp_path]))
    assert [piece.place for piece in found.pieces] == [str(tmp_path / "deep" / "er" / f"0{n}.csv") for n in range(2)]
    [left] = found.left_out
    assert left.startswith("deep/readme.txt: columns words")
    with pytest.raises(console.NotAsAsked, match="no such file"):
        sources.find(conn, ask([tmp_path / "absent"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(console.NotAsAsked, match="nothing to read"):
        sources.find(conn, ask([tmp_path / "empty"]))
