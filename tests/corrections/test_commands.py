"""`greenwatch correct` and `greenwatch review` as people meet them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from analytics.store import connection, derivations
from analytics.store.connection import Connection
from jobs import targets
from tests.commands.terminal import DONE, fails, greenwatch, long, wrong

SAID = ["--author", "Wang", "--reason", "span check"]
FROM, TO = "2026-03-02T08:00+08:00", "2026-03-02T10:00+08:00"
PERIOD = ["--from", FROM, "--to", TO]
WITHDRAWN = f"station,channel,kind,from,to,reason\nS1,ph,withdrawal,{FROM},{TO},"
RECALIBRATED = (
    '[{"station": "S1", "channel": "ph", "kind": "recalibration", "from": "2026-03-02T00:00Z", "to": null,'
    ' "gain": 2, "offset": 0, "reason": "why"}]'
)


@pytest.fixture
def there(dsn: str, tmp_path: Path) -> Iterator[Connection]:
    """A day of hours of three quantities of a station, one of them a direction, settled."""
    rows = [
        f"S1,{name},2026-03-02T{hour:02}:00:00+08:00,{value},,"
        for name, value in (("pm25", 30), ("ph", 7.5), ("wind_direction", 5))
        for hour in range(24)
    ]
    assert greenwatch("ingest", "--register", long(tmp_path / "day.csv", *rows), "--dsn", dsn).code == DONE
    assert greenwatch("settle", "--dsn", dsn).code == DONE
    with closing(connection.connect(dsn)) as conn:
        yield conn


def correct(dsn: str, *words: object) -> str:
    done = greenwatch("correct", *words, "--dsn", dsn)
    assert done.code == DONE, done
    return done.out + done.err


def counted(dsn: str, parameter: str, tmp_path: Path) -> dict[str, tuple[str, str]]:
    """{hour of the day (local): (value, corrected)} as exported."""
    out = tmp_path / "out.csv"
    assert greenwatch("export", "observations", "--parameter", parameter, "-o", out, "--dsn", dsn).code == DONE
    head, *rows = [line.split(",") for line in out.read_text().splitlines()]
    place = {name: head.index(name) for name in ("time", "value", "corrected")}
    return {
        f"{(int(row[place['time']][11:13]) + 8) % 24:02}": (row[place["value"]], row[place["corrected"]])
        for row in rows
    }


def test_each_kind_from_the_command_line(there: Connection, dsn: str, tmp_path: Path) -> None:
    correct(dsn, "recalibrate", "S1", "pm25", "--gain", 1.5, "--offset", -5, *PERIOD, *SAID)
    correct(dsn, "drift", "S1", "ph", "--gap", -0.5, *PERIOD, *SAID)
    correct(dsn, "recalibrate", "S1", "wind_direction", "--offset", -10, "--from", "2026-03-02T23:00+08:00", *SAID)
    correct(dsn, "withdraw", "S1", "pm25", "--from", TO, "--to", "2026-03-02T11:00+08:00", *SAID)
    correct(
        dsn,
        "verdict",
        "S1",
        "pm25",
        "--as",
        "fail",
        "--from",
        "2026-03-02T12:00+08:00",
        "--to",
        "2026-03-02T13:00+08:00",
        *SAID,
    )
    pm25, ph = counted(dsn, "pm25", tmp_path), counted(dsn, "ph", tmp_path)
    assert [pm25[hour] for hour in ("07", "08", "09", "10", "12")] == [
        ("30.0", "30.0"),
        ("30.0", "40.0"),
        ("30.0", "40.0"),
        ("30.0", ""),
        ("30.0", "30.0"),
    ]
    assert [ph[hour][1] for hour in ("08", "09", "10", "11")] == ["7.5", "7.25", "7.0", "7.5"]  # its end is in
    assert counted(dsn, "wind_direction", tmp_path)["23"] == ("5.0", "355.0")
    assert greenwatch("settle", "--dsn", dsn).code == DONE
    out = tmp_path / "verdicts.csv"
    assert greenwatch("export", "verdicts", "--parameter", "pm25", "-o", out, "--dsn", dsn).code == DONE
    rows = [line.split(",") for line in out.read_text().splitlines()[1:]]
    assert [row[3:5] for row in rows if row[2].startswith("2026-03-02T04:00")] == [["4", "manual"]]
    seen = there.execute(
        "SELECT value, received, verdict FROM report.reading WHERE parameter = 'pm25'"
        " AND time BETWEEN %s AND %s ORDER BY time",
        [TO, "2026-03-02T12:00+08:00"],
    ).fetchall()
    assert seen == [(None, 30.0, None), (30.0, 30.0, None), (30.0, 30.0, 4)]
    (row,) = there.execute(
        "SELECT value, corrected FROM report.observation WHERE parameter = 'pm25' AND time = %s", [FROM]
    ).fetchall()
    assert row == (30.0, 40.0)


def test_drift_by_standards(there: Connection, dsn: str, tmp_path: Path) -> None:
    correct(dsn, "drift", "S1", "ph", "--point", "7=7.4", *PERIOD, *SAID)
    assert counted(dsn, "ph", tmp_path)["10"][1] == "7.1"
    correct(dsn, "drift", "S1", "pm25", "--low", "0=10", "--high", "100=210", *PERIOD, *SAID)
    assert counted(dsn, "pm25", tmp_path)["10"][1] == "10.0"


def test_what_would_be_touched_is_said_and_nothing_is_done(there: Connection, dsn: str) -> None:
    done = greenwatch(
        "correct", "recalibrate", "S1", "pm25", "--gain", 2, *PERIOD, *SAID, "--dry-run", "--json", "--dsn", dsn
    )
    said = done.json
    assert [(row["series"], row["readings"], row["days"]) for row in said["corrections"]] == [("S1 pm25", 2, 1)]
    assert {"flag", "hour", "average", "assess"} <= {row["stage"] for row in said["stages"]}
    assert "dry run, nothing was changed" in done.err
    assert there.execute("SELECT (SELECT count(*) FROM correction), (SELECT count(*) FROM stale)").fetchone() == (0, 0)
    text = correct(dsn, "verdict", "S1", "pm25", "--as", "good", *PERIOD, *SAID, "--dry-run")
    assert "S1 pm25" in text
    assert "flag" not in text  # a verdict changes no first judgement


def test_the_undo(there: Connection, dsn: str, tmp_path: Path) -> None:
    before = counted(dsn, "pm25", tmp_path)
    done = greenwatch("correct", "recalibrate", "S1", "pm25", "--gain", 2, *PERIOD, *SAID, "--json", "--dsn", dsn)
    (number,) = done.json["ids"]
    said = correct(dsn, "end", number, *SAID, "--dry-run")
    assert "nothing was changed" in said
    assert counted(dsn, "pm25", tmp_path) != before
    correct(dsn, "end", number, "--author", "Li", "--reason", "wrong sensor")
    assert counted(dsn, "pm25", tmp_path) == before
    assert "recalibration" not in correct(dsn, "list", "S1")
    (row,) = json.loads(greenwatch("correct", "list", "--all", "--json", "--dsn", dsn).out)
    assert (row["author"], row["ended_by"], row["ended_reason"], row["given"]["gain"]) == (
        "Wang",
        "Li",
        "wrong sensor",
        2,
    )
    assert "by Li: wrong sensor" in " ".join(correct(dsn, "list", "--all").split())
    assert f"no correction {number} is in force" in fails("correct", "end", number, *SAID, "--dsn", dsn)


CSV = """station,channel,kind,from,to,gain,offset,gap,as,reason
S1,pm25,recalibration,2026-03-02T08:00+08:00,2026-03-02T09:00+08:00,2,0,,,
S1,ph,drift,2026-03-02T08:00+08:00,2026-03-02T10:00+08:00,,,-0.5,,drifted
S1,pm25,verdict,2026-03-02T08:00+08:00,2026-03-02T09:00+08:00,,,,suspect,
"""


def test_many_from_a_file_once(there: Connection, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text("\ufeff" + CSV, encoding="utf-8")
    correct(dsn, "file", path, *SAID)
    rows = there.execute("SELECT kind, given, author, reason FROM correction ORDER BY id").fetchall()
    assert rows == [
        ("recalibration", {"gain": 2.0, "offset": 0.0}, "Wang", "span check"),
        ("drift", {"gap": -0.5}, "Wang", "drifted"),
        ("verdict", {"code": 3.0}, "Wang", "span check"),
    ]
    assert "3 of them in force already" in correct(dsn, "file", path, *SAID)
    listed = json.loads(greenwatch("correct", "list", "--json", "--dsn", dsn).out)
    again = [
        {
            "station": row["station"],
            "channel": row["channel"],
            "kind": row["kind"],
            "from": row["start"],
            "to": row["stop"],
            "reason": "another",
            **row["given"],
        }
        for row in listed
        if row["kind"] != "drift"
    ]
    path = tmp_path / "corrections.json"
    path.write_text(json.dumps(again).replace(" 00:00:00+00:00", "T00:00:00Z").replace(" 01:00:00+00:00", "T01:00:00Z"))
    correct(dsn, "file", path, "--author", "Li")
    assert there.execute("SELECT count(*) FROM correction").fetchone() == (5,)


#: A line of a file -> what is said of it.
BAD = (
    (
        "S1,no2,recalibration,{f},{t},2,0,,,",
        "line 5: station S1 measures no no2; it measures ph, pm25, wind_direction",
    ),
    ("S9,pm25,recalibration,{f},{t},2,0,,,", "line 5: no station 'S9' is registered"),
    ("S1,pm25,recalibration,{f},{t},two,0,,,", "line 5: 'gain' must be a number, it cannot be 'two'"),
    ("S1,pm25,recalibration,{f},{t},2,,,,", "line 5: recalibration: takes 'gain' and 'offset'; not 'gain'"),
    ("S1,pm25,drift,{f},,,,1,,", "line 5: drift: lies between two calibrations, it needs an end"),
    (
        "S1,pm25,repair,{f},{t},,,,,",
        "line 5: no kind 'repair'; there are recalibration, drift, verdict, withdrawal",
    ),
    ("S1,pm25,verdict,{f},{t},,,,bad,", "line 5: 'as' cannot be 'bad', it is one of good, suspect, fail"),
    ("S1,pm25,withdrawal,2026-03-02T08:00,{t},,,,,", "line 5: '2026-03-02T08:00' has no offset"),
    ("S1,pm25,withdrawal,{t},{f},,,,,", "line 5: 2026-03-02T08:00+08:00 is not after 2026-03-02T10:00+08:00"),
    ("S1,pm25,withdrawal,{f},{t},,", "line 5: has not as many cells as the header"),
    ("S1,,withdrawal,{f},{t},,,,,", "line 5: 'channel' is missing"),
)


def test_a_file_with_one_bad_line_enters_nothing(there: Connection, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    for line, said in BAD:
        path.write_text(CSV + line.format(f=FROM, t=TO) + "\n")
        assert said in fails("correct", "file", path, *SAID, "--dsn", dsn)
    assert there.execute("SELECT count(*) FROM correction").fetchone() == (0,)


def test_brackets_that_people_wrote_are_shown(there: Connection, dsn: str) -> None:
    """One reason that looks like markup must not keep everybody from the list."""
    said = ["--author", "W[red]ang", "--reason", "see [/data/x]"]
    correct(dsn, "withdraw", "S1", "ph", *PERIOD, *said)
    assert "W[red]ang: see [/data/x]" in correct(dsn, "list")
    assert greenwatch("review", "set", "S1", "ph", "--as", "reviewed", *PERIOD, *said, "--dsn", dsn).code == DONE
    assert "see [/data/x]" in greenwatch("review", "list", "S1", "--dsn", dsn).out
    help = " ".join(greenwatch("correct", "recalibrate", "--help").out.split())
    assert "parameter[@position][:statistic]" in help
    assert "What is added then [unit]." in help


def test_a_file_of_many_lines_asks_what_is_registered_once(
    there: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for each line, ten thousand of them would take ten minutes."""
    path, asked = tmp_path / "many.csv", list[Connection]()
    load = targets.Site.load

    def count(conn: Connection) -> targets.Site:
        asked.append(conn)
        return load(conn)

    monkeypatch.setattr(targets.Site, "load", count)
    path.write_text(CSV + "".join(CSV.splitlines()[1].replace(",2,", f",{gain},") + "\n" for gain in range(3, 203)))
    correct(dsn, "file", path, *SAID)
    assert len(asked) == 1
    assert there.execute("SELECT count(*) FROM correction").fetchone() == (203,)


#: What a file may be -> what is said of it, None where it is entered.
ODD: Mapping[str, tuple[bytes, str | None]] = {
    "empty.csv": (b"", "has no corrections"),
    "head.csv": (b"station,channel,kind,from,to\n", "has no corrections"),
    "empty.json": (b"[]", "has no corrections"),
    "nul.csv": (WITHDRAWN.encode() + b"a\0b", "is no text in UTF-8 or GB18030"),
    "long.csv": (WITHDRAWN.encode() + b"x" * 200_000, "line 1: field larger than field limit"),
    "deep.json": (b"[" * 100_000, "is no JSON"),
    "digits.json": (b"[" + b"1" * 5_000 + b"]", "is no JSON"),
    "huge.json": (
        RECALIBRATED.replace("2,", f"1{400 * '0'},").encode(),
        "'gain' must be a number, it cannot be so great",
    ),
    "surrogate.json": (RECALIBRATED.replace('"why"', r'"\ud800"').encode(), "is no text: it cannot be kept"),
    "early.csv": (WITHDRAWN.replace("2026", "0001").encode() + b"why", "is not between 1900 and 2199"),
    "null.json": (RECALIBRATED.replace('"why"', "null").encode(), None),
    "gb18030.csv": (f"{WITHDRAWN}校准后撤销\n".encode("gb18030"), None),
    "lines.csv": (f'{WITHDRAWN}"two\nlines"\n'.encode(), None),
}


def test_files_of_every_kind(there: Connection, dsn: str, tmp_path: Path) -> None:
    """None of them ends in a traceback, and none says that it was done where nothing was."""
    for name, (content, said) in ODD.items():
        path = tmp_path / name
        path.write_bytes(content)
        if said is not None:
            assert said in fails("correct", "file", path, *SAID, "--dsn", dsn)
        else:
            correct(dsn, "file", path, *SAID)
    rows = there.execute("SELECT author, reason, stop FROM correction ORDER BY id").fetchall()
    assert [row[:2] for row in rows] == [("Wang", "span check"), ("Wang", "校准后撤销"), ("Wang", "two\nlines")]
    assert f"{rows[0][2]:%Y}" == "2100"  # a null is not said: it has no end


def test_a_time_is_told_with_its_offset(there: Connection, dsn: str) -> None:
    """A day begins at another time in another place, and a layer says to whom it belongs."""
    words = ["S1", "pm25", *SAID, "--dsn", dsn]
    for command in (["correct", "withdraw"], ["review", "set", "--as", "approved"]):
        said = wrong(*command, *words, "--from", "2026-03-02", "--to", TO)
        assert "'2026-03-02' has no offset: write 2026-03-02T00:00+08:00 or 2026-03-02T00:00Z" in said
        assert "is no time" in wrong(*command, *words, "--from", "2026-03-02+08:00", "--to", TO)
        assert "is not between 1900 and 2199" in wrong(*command, *words, "--from", "0001-01-01T00:00+08:00", "--to", TO)
        assert "is not between" in wrong(*command, *words, "--from", FROM, "--to", "9999-12-31T23:00-08:00")
    assert there.execute("SELECT (SELECT count(*) FROM correction), (SELECT count(*) FROM review)").fetchone() == (0, 0)


def test_what_is_wrong_with_a_command(there: Connection, dsn: str, tmp_path: Path) -> None:
    words = ["correct", "drift", "S1", "ph", *PERIOD, "--dsn", dsn]
    assert "drift: takes 'gap'; or" in fails(*words, *SAID)
    assert "'low_reading', 'low_standard'" in fails(*words, *SAID, "--low", "7=7.1")
    assert "'seven=7.1' is no pair: write STANDARD=READING" in wrong(*words, *SAID, "--low", "seven=7.1")
    assert "change nothing" in wrong("correct", "recalibrate", "S1", "ph", *PERIOD, *SAID, "--dsn", dsn)
    assert "Missing option '--author'" in wrong(*words, "--gap", 1, "--reason", "x")
    assert "it cannot be empty" in wrong(*words, "--gap", 1, "--author", "Wang", "--reason", "  ")
    assert "is no list of corrections" in fails("correct", "file", _file(tmp_path, "{}"), *SAID, "--dsn", dsn)
    assert "is no JSON" in fails("correct", "file", _file(tmp_path, "["), *SAID, "--dsn", dsn)
    assert "cannot be read" in fails("correct", "file", tmp_path / "none.csv", *SAID, "--dsn", dsn)
    assert there.execute("SELECT count(*) FROM correction").fetchone() == (0,)


def _file(folder: Path, text: str) -> Path:
    path = folder / "corrections.json"
    path.write_text(text)
    return path


def test_a_derived_series_has_no_readings_to_correct(
    there: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derivations, "derived", lambda conn, series: series)
    words = ["correct", "withdraw", "S1", "pm25", *PERIOD, *SAID, "--dsn", dsn]
    assert "S1 pm25 is derived: correct what it is made of" in fails(*words)


def test_one_of_several_series_must_be_named(there: Connection, dsn: str, tmp_path: Path) -> None:
    minutes = long(tmp_path / "minutes.csv", "S1,pm25,2026-03-02T00:00:00+08:00,30,,")
    assert greenwatch("ingest", "--register", "--cadence", "10m", minutes, "--dsn", dsn).code == DONE
    words = ["correct", "withdraw", "S1", "pm25", *PERIOD, *SAID, "--dsn", dsn]
    assert "S1 pm25 has several series, with steps of 600s, 3600s: say which one (--cadence)" in fails(*words)
    assert greenwatch(*words, "--cadence", "1h").code == DONE
    assert "S1 pm25 3600s" in greenwatch("correct", "list", "S1", "--dsn", dsn).out
    whole = ["review", "set", "S1", "--as", "approved", *PERIOD, *SAID, "--dsn", dsn]
    assert "1 series are approved" in greenwatch(*whole, "--cadence", "10m").err
    (row,) = greenwatch("review", "list", "S1", "--json", "--dsn", dsn).json
    assert row["series"] == "S1 pm25 600s"
    steps = "c.cadence = interval '1 hour', r.cadence = interval '10 minutes'"
    query = f"SELECT {steps} FROM report.correction c, report.review r"
    assert there.execute(query).fetchall() == [(True, True)]
    assert "S1 has no series with a step of 5m" in fails(*whole, "--cadence", "5m")
    assert "S1 pm25 has no series with a step of 5m" in fails(*words, "--cadence", "5m")


def test_a_review_locks_and_unlocks(there: Connection, dsn: str, tmp_path: Path) -> None:
    words = ["review", "set", "S1", "pm25", *PERIOD, *SAID, "--dsn", dsn]
    ahead = ["--from", FROM, "--to", "2126-03-02T10:00+08:00"]
    said = wrong("review", "set", "S1", *ahead, *SAID, "--as", "approved", "--dsn", dsn)
    assert "is ahead: approve what was measured" in said  # or what comes from now on would wait, unseen
    assert greenwatch(*words, "--as", "approved").code == DONE
    late = long(
        tmp_path / "late.csv", "S1,pm25,2026-03-02T08:00:00+08:00,99,,1", "S1,pm25,2026-03-02T11:00:00+08:00,99,,1"
    )
    counts = greenwatch("ingest", late, "--json", "--dsn", dsn).json
    assert (counts["replaced"], counts["rejects"]) == (1, 1)
    refused = fails("correct", "withdraw", "S1", "pm25", *PERIOD, *SAID, "--dsn", dsn)
    assert "S1 pm25 is approved from 2026-03-02T00:00Z to 2026-03-02T02:00Z: nothing was changed" in refused
    assert "is approved" in fails("correct", "withdraw", "S1", "pm25", *PERIOD, *SAID, "--dry-run", "--dsn", dsn)
    assert "approved" in greenwatch("review", "list", "S1", "--dsn", dsn).out
    (row,) = greenwatch("review", "list", "S1", "--json", "--dsn", dsn).json
    assert (row["series"], row["state"], row["author"]) == ("S1 pm25", "approved", "Wang")
    tried = greenwatch(*words, "--as", "reviewed", "--dry-run")
    assert "1 readings that were held back would come in" in tried.err
    assert greenwatch(*words, "--as", "reviewed", "--dry-run", "--json").json["replaced"] == 1
    (row,) = greenwatch("review", "list", "S1", "--json", "--dsn", dsn).json
    assert row["state"] == "approved"
    done = greenwatch(*words, "--as", "reviewed")
    assert "1 readings that were held back are in" in done.err
    assert counted(dsn, "pm25", tmp_path)["08"] == ("99.0", "99.0")
    assert greenwatch("review", "set", "S1", *PERIOD, *SAID, "--as", "approved", "--dsn", dsn).code == DONE
    assert there.execute("SELECT count(*) FROM report.review WHERE state = 'approved'").fetchone() == (3,)
