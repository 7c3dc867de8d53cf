"""`ingest` and `settle`: counts that add up, rows that wait, revisions and sources that win."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from analytics.store.connection import Connection
from jobs import chain
from tests.commands.terminal import DONE, KEYS, count, everything, greenwatch, long, values


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_the_counts_of_an_ingest_add_up_and_a_second_one_only_finds_duplicates(
    conn: Connection, dsn: str, day: Path
) -> None:
    first = greenwatch("ingest", "--register", "--json", day, "--dsn", dsn)
    assert first.code == DONE
    assert list(first.json)[: len(KEYS)] == KEYS
    assert {key: first.json[key] for key in KEYS} == dict(zip(KEYS, (10, 5, 0, 0, 2, 3), strict=True))
    start = datetime(2026, 2, 9, 16, tzinfo=UTC)
    assert values(conn) == [
        ("S1", "o3", start, 0.0),  # zero is a value
        ("S1", "o3", start.replace(hour=18), 60.0),
        ("S1", "pm25", start, 35.0),
        ("S1", "pm25", start.replace(hour=17), 36.0),
        ("S2", "pm25", start, 40.0),
    ]
    before = everything(conn)
    second = greenwatch("ingest", "--register", "--json", day, "--dsn", dsn)
    assert {key: second.json[key] for key in KEYS} == dict(zip(KEYS, (10, 0, 0, 5, 2, 3), strict=True))
    after = everything(conn)
    assert len(after.pop("batch")) == len(before.pop("batch")) + 1
    assert after == before


def test_a_table_for_people_says_the_same(dsn: str, day: Path) -> None:
    done = greenwatch("ingest", "--register", day, "--dsn", dsn)
    assert done.code == DONE
    assert re.search(r"\b10\s+5\s+0\s+0\s+2\s+3\b", done.out), done.out


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
@pytest.mark.parametrize("register", [[], ["--register"]], ids=["", "register"])
def test_a_dry_run_counts_right_and_changes_nothing(
    conn: Connection, dsn: str, day: Path, register: list[str], tmp_path: Path
) -> None:
    words = ["ingest", *register, "--json", "--source", "somebody"]
    for path in (
        day,
        long(tmp_path / "more.csv", "S1,pm25,2026-02-10T00:00+08:00,99,,5", "S3,so2,2026-02-10T00:00Z,5,D,"),
    ):
        before = everything(conn)
        tried = greenwatch(*words, "--dry-run", path, "--dsn", dsn)
        assert everything(conn) == before
        kept = greenwatch(*words, path, "--dsn", dsn)
        assert tried.code == kept.code == DONE
        assert tried.json == kept.json
    assert everything(conn) != before


def test_a_dry_run_of_several_files_counts_as_if_they_came_one_after_the_other(
    conn: Connection, dsn: str, tmp_path: Path
) -> None:
    """The second file repeats the first: what would become of its cells is to be a duplicate."""
    one = long(tmp_path / "one.csv", "S1,pm25,2026-02-10T00:00Z,5,,")
    two = long(tmp_path / "two.csv", "S1,pm25,2026-02-10T00:00Z,5,,")
    words = ["ingest", "--register", "--json", one, two, "--dsn", dsn]
    tried, kept = greenwatch(*words, "--dry-run"), greenwatch(*words)
    assert kept.json["duplicates"] == 1
    assert tried.json == kept.json


def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(
        "".join(
            f'[[station]]\ncode = "{code}"\n'
            + "".join(f'[[station.series]]\nparameter = "{p}"\n' for p in ("pm25", "o3"))
            for code in ("S1", "S2")
        )
    )
    return path


@pytest.mark.parametrize("way", ["register", "ingest --register"])
def test_rows_of_unknown_series_wait_and_come_in(
    conn: Connection, dsn: str, day: Path, way: str, tmp_path: Path
) -> None:
    more = long(tmp_path / "more.csv", "S1,PM2.5,2026-02-10T05:00+08:00,50,D,7", "S1,unheard_of,2026-02-10T05:00Z,1,,")
    waits = greenwatch("ingest", "--json", day, more, "--dsn", dsn)
    assert waits.code == DONE
    assert {key: waits.json[key] for key in KEYS} == dict(zip(KEYS, (12, 0, 0, 0, 2, 10), strict=True))
    assert "6 cells wait as rejects" in " ".join(waits.said)
    assert count(conn, "station") == count(conn, "observation") == 0
    assert count(conn, "reject") == 10
    if way == "register":
        done = greenwatch("register", site(tmp_path), "--dsn", dsn)
        assert "6 readings that waited for their series are in" in " ".join(done.said)
    else:
        done = greenwatch("ingest", "--register", "--json", day, more, "--dsn", dsn)
        # All that waits came in before what the files say again.
        assert done.json["new"] + done.json["duplicates"] == 6
    assert done.code == DONE
    assert len(values(conn)) == 6
    assert conn.execute("SELECT reason, count(*) FROM reject GROUP BY 1 ORDER BY 1").fetchall() == [
        ("not a number", 1),
        ("time without offset", 2),
        ("unknown parameter", 1),
    ]
    kept = conn.execute("SELECT mark, revision FROM observation WHERE mark IS NOT NULL").fetchall()
    assert kept == [(ord("D"), 7)]
    before = everything(conn)
    again = greenwatch("ingest", "--json", day, more, "--dsn", dsn)
    assert {key: again.json[key] for key in KEYS} == dict(zip(KEYS, (12, 0, 0, 6, 2, 4), strict=True))
    after = everything(conn)
    assert len(after.pop("batch")) == len(before.pop("batch")) + 2
    assert after == before


@pytest.mark.parametrize("first", ["unregistered", "registered"])
def test_the_revision_of_an_ingest_decides(conn: Connection, dsn: str, tmp_path: Path, first: str) -> None:
    """The later revision wins whatever came first, also where the older one had to wait for its series."""
    register = ["--register"] if first == "registered" else []
    for value, revision, words in (
        (10, "2026-02-01T00:00:00+08:00", register),
        (11, "2026-02-03T00:00+08:00", ["--register"]),
        (12, "2026-02-02T00:00:00+08:00", ["--register"]),
        (13, None, ["--register"]),
    ):
        path = long(tmp_path / f"{value}.csv", f"S1,pm25,2026-01-10T00:00Z,{value},,")
        done = greenwatch(
            "ingest", "--json", *words, path, *([] if revision is None else ["--revision", revision]), "--dsn", dsn
        )
        assert done.code == DONE
    assert [row[3] for row in values(conn)] == [11.0]
    history = conn.execute("SELECT value FROM observation_history ORDER BY 1").fetchall()
    assert history == [(10.0,), (12.0,), (13.0,)]


@pytest.mark.parametrize("order", [("laboratory", "field"), ("field", "laboratory")])
def test_the_source_of_greater_priority_wins_whatever_came_first(
    conn: Connection, dsn: str, tmp_path: Path, order: tuple[str, str]
) -> None:
    toml = tmp_path / "sources.toml"
    toml.write_text('[[source]]\nname = "laboratory"\npriority = 9\n[[source]]\nname = "field"\npriority = 1\n')
    assert greenwatch("register", toml, "--dsn", dsn).code == DONE
    said = {"laboratory": 5, "field": 500}
    counted = []
    for source in order:
        path = long(tmp_path / f"{source}.csv", f"S1,pm25,2026-01-10T00:00Z,{said[source]},,")
        done = greenwatch("ingest", "--register", "--json", "--source", source, path, "--dsn", dsn)
        counted.append([done.json[key] for key in ("new", "replaced", "duplicates")])
    assert [row[3] for row in values(conn)] == [5.0]
    assert counted == [[1, 0, 0], [0, 0, 1] if order[0] == "laboratory" else [0, 1, 0]]


def test_the_offset_of_a_file_becomes_that_of_its_stations(conn: Connection, dsn: str, tmp_path: Path) -> None:
    rows = [
        "S1,pm25,2026-01-10T00:00+08:00,5,,",
        "S2,pm25,2026-01-10T00:00+09:00,5,,",
        "S3,pm25,2026-01-10T00:00-03:30,5,,",
    ]
    assert greenwatch("ingest", "--register", long(tmp_path / "a.csv", *rows), "--dsn", dsn).code == DONE
    assert conn.execute("SELECT code, utc_offset FROM station ORDER BY 1").fetchall() == [
        ("S1", 480),
        ("S2", 540),
        ("S3", -210),
    ]


def test_the_cadence_of_new_series(conn: Connection, dsn: str, tmp_path: Path) -> None:
    for text, minute in (("1m", 0), ("10m", 1), ("1d", 2)):
        path = long(tmp_path / f"{text}.csv", f"S{minute},pm25,2026-01-10T00:00+08:00,5,,")
        assert greenwatch("ingest", "--register", "--cadence", text, path, "--dsn", dsn).code == DONE
    assert [row[0] for row in conn.execute("SELECT cadence FROM series ORDER BY id")] == [60, 600, 86400]


def test_settle_says_what_it_did(dsn: str, day: Path) -> None:
    greenwatch("ingest", "--register", day, "--dsn", dsn)
    first = greenwatch("settle", "--json", "--dsn", dsn)
    assert first.code == DONE
    stages = {stage["stage"]: stage for stage in first.json["stages"]}
    assert list(stages) == list(chain.STAGES)
    assert first.json["later"] == 0
    idle = {"decide", "derive"}  # nobody disagreed, nothing is derived
    assert {name for name, stage in stages.items() if not stage["takes"]} == idle
    assert all(stages[name]["written"] > 0 for name in ("flag", "compare", "hour", "average", "assess"))
    assert stages["flag"]["read"] == 5
    second = greenwatch("settle", "--json", "--dsn", dsn).json
    assert all(stage["takes"] == stage["read"] == stage["written"] == 0 for stage in second["stages"])
    assert re.search(r"flag\s+0\s+0\s+0\s+0", greenwatch("settle", "--dsn", dsn).out)
