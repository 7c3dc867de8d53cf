"""`greenwatch evaluate detection`: labelled files in, figures out; what is not as asked is one clear line."""

import gzip
import json
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics.evaluation import events, labelled
from analytics.evaluation.figures import measure
from tests.commands.terminal import DONE, NOT_AS_ASKED, WRONG_USAGE, greenwatch

START = datetime(2026, 3, 2, tzinfo=UTC)
HEAD = "series,time,value,label"


def lines(seed: int, at: int, days: int = 8) -> list[str]:
    """A made-up level by the quarter of an hour with a spike at the row `at`, which is labelled."""
    dice = random.Random(seed)
    made = []
    for n in range(days * 96):
        value = 60 + 5 * math.sin(n / 96 * 2 * math.pi) + dice.gauss(0, 0.3) + (40 if n == at else 0)
        made.append(f"s{seed},{(START + n * timedelta(minutes=15)).isoformat()},{value:.2f},{int(n == at)}")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    (made / "a.csv").write_text("\n".join([HEAD, *lines(1, 700)]) + "\n")
    (made / "b.csv.gz").write_bytes(gzip.compress(("\n".join([HEAD, *lines(2, 600)]) + "\n").encode()))
    return made


def test_a_folder_of_labelled_files_is_scored(folder: Path) -> None:
    done = greenwatch("evaluate", "detection", folder, "--sites", "--json")
    assert done.code == DONE
    (one,) = json.loads(done.out)
    assert (one["set"], one["rows"], one["nab"]) == ("mine", 2 * 768, [])
    assert (one["own"]["events"], one["own"]["found"], one["own"]["false"]) == (2, 2, 0)
    assert one["own"]["f1"] == one["best"]["f1"] == 1.0
    assert one["elsewhere"]["found"] == 1  # at the line of the higher spike the lower one is none
    assert one["halves"][0]["f1"] is None  # nothing to find there, and nothing was called out
    assert one["vus_pr"] > 0.9


def test_people_read_a_table_in_both_languages(folder: Path) -> None:
    done = greenwatch("evaluate", "detection", folder / "a.csv", folder, "--sites")
    assert done.code == DONE
    assert "F1 of events 事件F1" in done.out
    assert "a.csv" in done.out
    assert "各站采用其他站最佳线时 F1 0.667" in done.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("series,time,value\ns,2026-03-02T00:00Z,1", "has no column label"),
        (f"{HEAD}\ns,2026-03-02 00:00,1,1", "row 1 of 1 cannot be read"),
        (f"{HEAD}\ns,2026-03-02T00:00:00Z,1,1\ns,2026-03-02T01:00:00Z,1,perhaps", "row 2 of 2 cannot be read"),
        (f"{HEAD}\ns,2026-03-02T00:00:00Z,many,1", "row 1 of 1 cannot be read"),
        (f"{HEAD}\n,2026-03-02T00:00:00Z,1,1", "row 1 of 1 cannot be read"),
        (f"{HEAD}\ns,2026-03-02T00:00:00Z,1,0", "no row is labelled true"),
        ("", "cannot be read"),
    ],
)
def test_what_is_not_as_asked_is_said(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    file.write_text(content)
    done = greenwatch("evaluate", "detection", file)
    assert done.code == NOT_AS_ASKED
    assert "some.csv" in done.err
    assert said in " ".join(done.err.split())


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        assert greenwatch("evaluate", "detection", path).code == NOT_AS_ASKED
    assert greenwatch("evaluate", "detection").code == WRONG_USAGE
    done = greenwatch("evaluate", "detection", "--set", "unheard-of")
    assert done.code == WRONG_USAGE
    assert "logan-river" in done.err


def test_what_nobody_said_and_what_has_no_value(tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    file.write_text(f"station,{HEAD}\nA,s,2026-03-02T08:00:00+08:00,1.5,\nA,s,2026-03-02T01:00:00Z,,1\n")
    rows = labelled.read(file)
    assert rows.schema == pl.Schema(labelled.COLUMNS)
    assert rows.rows() == [("A", "s", "s", START, 1.5, None)]
    rows.write_parquet(tmp_path / "same.parquet")
    assert labelled.read(tmp_path / "same.parquet").equals(rows)
    rows.with_columns(pl.col("time").dt.replace_time_zone(None)).write_parquet(tmp_path / "naive.parquet")
    with pytest.raises(labelled.NotLabelled, match="no offset"):
        labelled.read(tmp_path / "naive.parquet")


def test_too_many_rows_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled, "MOST", 1000)
    with pytest.raises(labelled.NotLabelled, match="more than 1,000 rows"):
        labelled.read(folder)


def test_a_station_left_out_has_the_line_of_the_others() -> None:
    """A's event stands at 2 above a quiet series; of B's rows 1.5 is no event, and 3 is one."""
    rows = pl.DataFrame(
        [
            (station, station, START + n * timedelta(hours=1), 0.0, label, score, score)
            for station, scored in {
                "A": [(0.1, False)] * 30 + [(2.0, True)],
                "B": [(0.1, False)] * 10 + [(1.5, False)] + [(0.1, False)] * 19 + [(3.0, True)],
            }.items()
            for n, (score, label) in enumerate(scored)
        ],
        schema={
            **dict.fromkeys(("station", "series"), pl.String),
            "time": pl.Datetime("us", "UTC"),
            "value": pl.Float64,
            "label": pl.Boolean,
            **dict.fromkeys(("level", "alarm"), pl.Float64),
        },
        orient="row",
    )
    reached = measure(rows, sites=True)
    assert (reached.own.found, reached.own.false) == (2, 1)
    assert (reached.line, reached.best.found, reached.best.false) == (2.0, 2, 0)
    # A at B's best line, 3, finds nothing; B at A's, 2, finds its own.
    assert reached.elsewhere is not None
    assert (reached.elsewhere.events, reached.elsewhere.found, reached.elsewhere.false) == (2, 1, 0)
    assert reached.nab == ()
    assert measure(rows).elsewhere is None
    assert measure(rows, whole=True).own == events.judge(
        rows.rename({"alarm": "score"}).select("station", "series", "time", "label", "score")
    )
