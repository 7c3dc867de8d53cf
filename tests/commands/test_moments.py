"""Law 4, done-when 6: exports really taken at three moments, and those made of them later, byte for byte; manifests."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import frames
from analytics.store import connection, corrections, fits, forecasts, zones
from analytics.store.connection import Connection
from jobs import console
from jobs.export import ask, pages
from jobs.export.kinds import KINDS as EVERY
from tests.commands.terminal import DONE, NOT_AS_ASKED, REPOSITORY, fails, greenwatch, long, wrong
from tests.conftest import Make

pytestmark = pytest.mark.long

#: Kinds that know their past.
KINDS = [name for name, kind in EVERY.items() if kind.past]
HOUR = timedelta(hours=1)
SITE = """
[[source]]
name = "laboratory"
[[station]]
code = "S1"
utc_offset = "{offset}"
[[station.series]]
parameter = "pm25"
[[station.series]]
parameter = "o3"
[[zone]]
zone = "lawn"
weather = "S1"
area = 100
cover = "{cover}"
texture = "{texture}"
flow = 1
method = "drip"
"""


@dataclass(slots=True)
class World:
    """A store with a past: `moments`, and what was exported really then, by moment and kind."""

    dsn: str
    folder: Path
    moments: list[str] = field(default_factory=list)
    taken: list[dict[str, bytes]] = field(default_factory=list)

    def do(self, *words: object) -> None:
        done = greenwatch(*words, "--dsn", self.dsn)
        assert done.code == DONE, done

    def send(self, source: str, *rows: str) -> None:
        self.do("ingest", "--register", "--source", source, long(self.folder / "some.csv", *rows))

    def register(self, offset: str) -> None:
        file = self.folder / "site.toml"
        file.write_text(SITE.format(offset=offset, cover="turf, cool season", texture="loam"), encoding="utf-8")
        self.do("register", file)

    def export(self, kind: str, *words: object) -> bytes:
        file = self.folder / f"{kind}.csv"
        self.do("export", kind, "-o", file, *words)
        return file.read_bytes()

    def take(self, conn: Connection) -> None:
        """Everything settled and exported, the moment noted; of the second one a manifest of each kind."""
        self.do("settle")
        moment = _now(conn)
        self.taken.append({kind: self.export(kind) for kind in KINDS})
        if len(self.moments) == 1:
            told = {kind: self.export(kind, "--manifest", self.manifest(kind)) for kind in KINDS}
            assert told == self.taken[-1]  # settled, the present is what is known now
        self.moments.append(moment.isoformat())

    def manifest(self, kind: str) -> Path:
        return self.folder / f"{kind}.json"


def issue(conn: Connection, series: int, at: datetime, value: float) -> None:
    """A forecast and an advice of that hour."""
    lists = {name: [[value, value + 1]] for name in ("value", "low", "high")}
    rows = pl.DataFrame(
        {"series": [series], **lists, "models": [["persistence"] * 2], "skill": [[None, 0.5]], "reason": [""]}
    )
    assert forecasts.save(conn, rows, at, HOUR, 0.8) == 1
    said: dict[str, Any] = dict.fromkeys(frames.ADVICE)
    said |= {"zone": 1, "issued": at, "day": at.date(), "water": True, "depth": value, "depletion": 1.0, "raw": 2.0}
    said |= {"reason": "dry, very", "reason_zh": "干", "doubted": []}
    assert zones.save_advice(conn, pl.DataFrame([said], schema=dict(frames.ADVICE), orient="row")) == 1


@pytest.fixture(scope="module")
def world(make_database: Make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three moments: an episode comes; late readings, a correction, another order of sources; values withdrawn, the
    correction ended, another offset from UTC; and afterwards more of everything."""
    made = World(make_database("apache"), tmp_path_factory.mktemp("past"))
    with closing(connection.connect(made.dsn)) as conn:
        made.register("+08:00")
        pm25, o3 = _ids(conn)
        start = datetime.fromisoformat("2026-02-10T00:00Z")
        dirty = [f"S1,pm25,2026-02-1{h // 24}T{h % 24:02}:00Z,{180 + h},,1" for h in range(4, 34)]
        made.send("field", *dirty, *(f"S1,o3,2026-02-10T{h:02}:00Z,{60 + h % 3},,1" for h in range(20)))
        made.send("laboratory", *(f"S1,pm25,2026-02-10T{h:02}:00Z,{20 + h},,0" for h in (5, 6, 7)))
        issue(conn, pm25, start, 5.0)
        made.take(conn)

        made.send("field", *(f"S1,pm25,2026-02-11T{h:02}:00Z,90,,1" for h in range(10, 24)))
        made.send("field", "S1,pm25,2026-02-10T09:00Z,3000,,2", "S1,pm25,2026-02-09T22:00Z,12,,")
        made.do("source", "laboratory", "--priority", "5", "--reason", "its balance is calibrated")
        gain = corrections.Entry(
            o3, "recalibration", start, start + 10 * HOUR, {"gain": 1.5, "offset": -2.0}, "li", "span gas"
        )
        bad = corrections.Entry(pm25, "verdict", start + 12 * HOUR, start + 13 * HOUR, {"code": 4}, "li", "maintenance")
        ids = corrections.enter(conn, [gain, bad], _now(conn)).ids
        issue(conn, pm25, start + HOUR, 6.0)
        made.take(conn)

        corrections.end(conn, ids[:1], "wang", "the wrong cylinder", _now(conn))
        gone = corrections.Entry(pm25, "withdrawal", start + 10 * HOUR, start + 12 * HOUR, {}, "li", "a fire beside it")
        corrections.enter(conn, [gone], _now(conn))
        made.send("field", "S1,o3,2026-02-10T07:00Z,0,D,3", "S1,pm25,2026-02-10T06:00Z,999,,0")
        made.do("source", "laboratory", "--priority", "-1", "--reason", "it was not")
        made.register("+09:00")
        made.take(conn)

        made.send("field", *(f"S1,pm25,2026-02-0{d}T{h:02}:00Z,33,,9" for d in (8, 9) for h in range(24)), dirty[0])
        made.send("laboratory", *(f"S1,o3,2026-02-10T{h:02}:00Z,{h},,7" for h in range(24)))
        made.do("source", "laboratory", "--priority", "9", "--reason", "now it is")
        made.register("+07:00")
        corrections.end(conn, ids[1:], "li", "for good", _now(conn))
        issue(conn, pm25, start + 2 * HOUR, 7.0)
        made.do("settle")
        made.send("field", "S1,pm25,2026-02-12T00:00Z,500,,1")  # and what nobody has settled yet
        yield made


def _ids(conn: Connection) -> tuple[int, int]:
    rows = conn.execute("SELECT parameter, id FROM series").fetchall()
    found = {str(name): int(str(number)) for name, number in rows}
    return found["pm25"], found["o3"]


def _now(conn: Connection) -> datetime:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]  # type: ignore[return-value]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_exported_then_is_exported_as_of_then(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    then = [taken[kind] for taken in world.taken]
    assert len({*then, world.export(kind)}) == 4 - (kind in ("forecasts", "advice"))  # each moment was another
    for moment, expected in zip(world.moments, then, strict=True):
        assert world.export(kind, "--as-of", moment) == expected
        assert len(expected.splitlines()) > 1 or kind == "corrections"
    monkeypatch.setattr(pages, "PAGE", 60)
    assert world.export(kind, "--as-of", world.moments[1]) == then[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest_is_made_again_to_the_same_hash_whatever_came_later(world: World, kind: str) -> None:
    said, then = json.loads(world.manifest(kind).read_text()), world.taken[1][kind]
    assert (said["sha256"], said["rows"]) == (hashlib.sha256(then).hexdigest(), len(then.splitlines()) - 1)
    done = greenwatch("export", "--verify", world.manifest(kind), "--dsn", world.dsn)
    assert (done.code, len(done.said)) == (DONE, 1), done  # no difference in input or code is named
    assert said["sha256"] in done.said[0]


def test_a_manifest_says_the_same_in_another_process_and_of_another_format(world: World) -> None:
    """Of the same moment: every part of it is equal."""
    made = []
    for format in ("csv", "parquet", "json"):
        file = world.folder / f"{format}.manifest"
        words = ["export", "averages", "--averaging", "day", "--parameter", "pm25", "--as-of", world.moments[1]]
        words += ["--format", format, "--manifest", str(file), "-o", str(world.folder / "again"), "--dsn", world.dsn]
        if format != "parquet":
            assert greenwatch(*words).code == DONE
        else:
            subprocess.run([sys.executable, "-m", "jobs.cli", *words], cwd=REPOSITORY, capture_output=True, check=True)
        made.append(json.loads(file.read_text()))
    first, *others = made
    assert first["rows"] > 1
    assert first["ask"] == {"parameters": ["pm25"], "averagings": ["day"], "known": first["ask"]["known"]}
    assert datetime.fromisoformat(first["ask"]["known"]) == datetime.fromisoformat(world.moments[1])
    parts = {"ordinal", "batches", "editions", "fits", "corrections", "approvals", "registry"}
    assert parts <= first["input"].keys()
    assert {"greenwatch", "polars", "python"} <= first["code"].keys()
    for other in others:
        assert {**other, "code": None} == {**first, "code": None}
        assert other["code"] | {"commit": None} == first["code"] | {"commit": None}


def test_what_is_no_longer_the_same_is_said(world: World, tmp_path: Path) -> None:
    said = json.loads(world.manifest("averages").read_text())
    said["sha256"], said["rows"], said["code"]["polars"] = "0" * 64, said["rows"] + 1, "0.1"
    file = tmp_path / "other.json"
    file.write_text(json.dumps(said))
    done = greenwatch("export", "--verify", file, "--dsn", world.dsn)
    assert done.code == NOT_AS_ASKED
    text = "\n".join(done.said)
    assert "not what they were" in text
    assert f"rows: {said['rows']:,} then, {said['rows'] - 1:,} now" in text
    assert "code.polars: 0.1 then" in text


#: Of no export: what it asks for is no time and no words, its rows are none.
FORGED = '{{"manifest": 1, "kind": "averages", "ask": {}, "rows": {}, "sha256": "", "input": {{}}, "code": {{}}}}'
WORDS = ("{}", '"x"'), ('{"known": "2026-01-01T00:00"}', 1), ('{"stations": "S1"}', 1), ('{"stations": [1]}', 1)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"manifest": 1, "kind": "averages"}', "kind,rows", *(FORGED.format(*words) for words in WORDS)],
)
def test_a_file_that_is_no_manifest(world: World, tmp_path: Path, text: str) -> None:
    file = tmp_path / "some.json"
    file.write_text(text)
    assert "no manifest" in fails("export", "--verify", file, "--dsn", world.dsn)


def test_a_manifest_of_a_time_that_has_not_come(world: World, tmp_path: Path) -> None:
    said = json.loads(world.manifest("averages").read_text())
    said["ask"]["known"] = "2999-01-01T00:00:00+00:00"
    file = tmp_path / "later.json"
    file.write_text(json.dumps(said))
    assert "has not come" in fails("export", "--verify", file, "--dsn", world.dsn)


@pytest.mark.parametrize("kind", ["scores", "episodes", "forecasts", "advice", "corrections"])
def test_the_kinds_in_every_format(world: World, kind: str) -> None:
    """And asked for in part; times are UTC, nothing is nested."""
    parquet = world.folder / "some.parquet"
    world.do("export", kind, "--format", "parquet", "-o", parquet)
    rows = pl.read_parquet(parquet)
    assert not any(dtype.is_nested() for dtype in rows.schema.values())
    assert all(dtype == frames.TIME for dtype in rows.schema.values() if isinstance(dtype, pl.Datetime))
    assert rows.height or kind == "scores"
    assert world.export(kind).decode().splitlines()[0].split(",") == rows.columns
    records = json.loads(world.export(kind, "--format", "json"))
    assert [list(record) for record in records] == [rows.columns] * rows.height
    for record, row in zip(records, rows.rows(named=True), strict=True):
        times = [name for name, value in row.items() if isinstance(value, datetime)]
        assert all(datetime.fromisoformat(record[name]) == row[name] for name in times)
        assert all(record[name] == row[name] for name in row if not isinstance(row[name], date))
    when = {"forecasts": "issued", "advice": "issued", "corrections": "stop"}.get(kind, "time")
    start = datetime(2026, 2, 10, 1, tzinfo=UTC)
    later = rows.filter(pl.col(when) >= start if when != "stop" else pl.col(when) > start)
    assert len(json.loads(world.export(kind, "--format", "json", "--from", "2026-02-10T01:00Z"))) == later.height
    if "parameter" in rows.columns:
        some = json.loads(world.export(kind, "--format", "json", "--parameter", "PM2.5"))
        assert len(some) == rows.filter(pl.col("parameter") == "pm25").height


def test_what_has_no_past_says_so(world: World, tmp_path: Path) -> None:
    assert "not kept by version" in wrong("export", "scores", "--as-of", world.moments[0], "--dsn", world.dsn)
    assert "not kept by version" in wrong("export", "scores", "--manifest", tmp_path / "m", "--dsn", world.dsn)
    same = ["-o", tmp_path / "m", "--manifest", tmp_path / "." / "m"]
    assert "is the file of the rows" in wrong("export", "averages", *same, "--dsn", world.dsn)
    assert "leave the rest out" in wrong("export", "averages", "--verify", tmp_path / "m", "--dsn", world.dsn)


def test_as_of_is_settled_though_the_store_is_not(world: World) -> None:
    """What came after the last settling is in what is made again of it, and not in what people saw."""
    with closing(connection.connect(world.dsn)) as conn:
        moment = str(_now(conn))
    stored, known = world.export("averages"), world.export("averages", "--as-of", moment)
    assert b"2026-02-12T00:00:00" not in stored
    assert known.count(b"pm25,2026-02-12T00:00:00") >= 1
    seen = world.export("assessments")
    assert world.export("assessments", "--as-of", moment) == seen
    assert b"2026-02-12T00:00:00" not in seen


def test_a_time_that_is_being_written_is_waited_for(world: World) -> None:
    """Who writes may have signed before that time and not committed: nobody is told a past that may still change."""
    with closing(connection.connect(world.dsn)) as conn, closing(connection.connect(world.dsn)) as other:
        with other.transaction():
            other.execute("UPDATE latest SET live = live")
            with pytest.raises(console.NotAsAsked, match="being written"):
                ask.as_of(conn, ask.Ask(), patience=0.3)
            old = datetime.fromisoformat(world.moments[0]) - timedelta(hours=1)
            assert ask.as_of(conn, ask.Ask(known=old)).known == old
        assert ask.as_of(conn, ask.Ask()).known is not None


def called(dsn: str, query: str, given: dict[str, Any]) -> pl.DataFrame:
    """The rows of `query`, as a dashboard gets them: by a role that reads reports and nothing else."""
    with closing(connection.connect(dsn)) as conn:
        conn.execute("SET ROLE greenwatch_reader")
        cursor = conn.execute(query, given)
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        return pl.DataFrame(cursor.fetchall(), schema=names, orient="row", infer_schema_length=None)


FUNCTIONS = {
    "observations": "SELECT station, parameter, time, value, chr(mark) AS mark, revision, position, statistic,"
    " extract(epoch FROM cadence)::int AS cadence FROM report.observation_as_of(%(t)s, %(start)s, %(stop)s)"
    " ORDER BY station, parameter, time",
    "assessments": 'SELECT station, time, averaging, standard, index, class, "primary", count, exceedance'
    " FROM report.assessment_as_of(%(t)s, %(start)s, %(stop)s) ORDER BY station, time, averaging, standard",
    "episodes": "SELECT station, rule, time, until AS stop, level, closed, peak, peak_time, dose, count, levels::text"
    " FROM report.episode_as_of(%(t)s, %(start)s, %(stop)s) ORDER BY station, time, rule",
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_the_functions_of_report_say_what_the_export_says(world: World, kind: str) -> None:
    whole: dict[str, Any] = {"start": datetime(2026, 1, 1, tzinfo=UTC), "stop": datetime(2026, 3, 1, tzinfo=UTC)}
    part = {"start": datetime(2026, 2, 10, 5, tzinfo=UTC), "stop": datetime(2026, 2, 10, 21, tzinfo=UTC)}
    for moment in world.moments:
        for stretch in (whole, part):
            words = ["--as-of", moment, "--from", stretch["start"].isoformat(), "--to", stretch["stop"].isoformat()]
            file = world.folder / "report.parquet"
            world.do("export", kind, *words, "--format", "parquet", "-o", file)
            expected = pl.read_parquet(file)
            found = called(world.dsn, FUNCTIONS[kind], {"t": moment, **stretch})
            assert found.rows() == expected.select(found.columns).rows()
            assert found.height or kind == "episodes"


def test_at_infinity_the_functions_say_what_is_in_force(world: World) -> None:
    ends: dict[str, Any] = {"start": "2026-01-01T00:00Z", "stop": "2026-03-01T00:00Z"}
    for query in FUNCTIONS.values():
        now = called(world.dsn, query, {"t": "2100-01-01T00:00Z", **ends})
        assert called(world.dsn, query, {"t": "infinity", **ends}).rows() == now.rows()
        assert called(world.dsn, query, {"t": None, **ends}).is_empty()
        assert now.height or query == FUNCTIONS["episodes"]


def test_the_functions_take_stations_and_parameters(world: World) -> None:
    ends = {"t": world.moments[2], "start": "2026-02-10T00:00Z", "stop": "2026-02-10T03:00Z"}
    query = "SELECT DISTINCT station, parameter FROM report.observation_as_of(%(t)s, %(start)s, %(stop)s, {})"
    assert called(world.dsn, query.format("ARRAY['S1'], ARRAY['o3']"), ends).rows() == [("S1", "o3")]
    assert called(world.dsn, query.format("ARRAY['S2']"), ends).is_empty()


def test_only_the_chunks_of_the_stretch_are_looked_at(dsn: str, conn: Connection, tmp_path: Path) -> None:
    rows = [f"S1,pm25,2026-{month:02}-{day:02}T00:00Z,5,," for month in range(1, 7) for day in (1, 8, 15, 22)]
    assert greenwatch("ingest", "--register", long(tmp_path / "a.csv", *rows), "--dsn", dsn).code == DONE
    chunks = conn.execute("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'observation'")
    assert chunks.fetchone() >= (20,)  # type: ignore[operator]  # a row
    plan = "EXPLAIN SELECT * FROM report.observation_as_of(now(), '2026-03-02', '2026-03-09', ARRAY['S1'])"
    text = "\n".join(str(row[0]) for row in conn.execute(plan))
    assert 1 <= len(set(re.findall(r"_hyper_\d+_\d+_chunk", text))) <= 2, text


def test_a_fit_is_known_when_it_is_kept_not_when_its_run_began(conn: Connection) -> None:
    before = _now(conn)
    made = pl.DataFrame({"subject": [1], "since": [before], "valid_from": [before], "blob": [b"x"]})
    fits.save(conn, "some", made.cast({"subject": pl.Int32}), before - HOUR, {})
    assert fits.every(conn, "some", before).is_empty()
    assert fits.every(conn, "some", _now(conn)).height == 1
