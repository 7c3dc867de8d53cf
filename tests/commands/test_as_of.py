"""`export --as-of`: what was known at a past time, made again as people saw it then."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from analytics.store.connection import Connection
from jobs.export import pages
from tests.commands.terminal import DONE, KINDS, fetch, greenwatch, long

pytestmark = pytest.mark.long


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [30, pages.PAGE])
def test_as_of_now_is_as_it_is(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, size: int
) -> None:
    """What is made again for a past time is made by the same rules as what is stored; also page by page."""
    now = fetch(kind, stored, tmp_path, format="parquet")
    monkeypatch.setattr(pages, "PAGE", size)
    again = fetch(kind, stored, tmp_path, "--as-of", datetime.now(UTC).isoformat(), format="parquet")
    assert sorted(again.rows(), key=repr) == sorted(now.rows(), key=repr)


def test_a_coarse_series_as_of_now_is_as_it_is(dsn: str, tmp_path: Path) -> None:
    """A reading a day, every other one lost: its neighbours are two days away, and still its neighbours."""
    rows = [f"S1,pm25,2026-01-{day:02}T00:00Z,{20 + day},," for day in range(1, 29, 2)]
    path = long(tmp_path / "days.csv", *rows)
    assert greenwatch("ingest", "--register", "--cadence", "1d", path, "--dsn", dsn).code == DONE
    assert greenwatch("settle", "--dsn", dsn).code == DONE
    words = ["--from", "2026-01-11"]
    now = fetch("verdicts", dsn, tmp_path, *words)
    again = fetch("verdicts", dsn, tmp_path, *words, "--as-of", datetime.now(UTC).isoformat())
    assert again.equals(now, null_equal=True)


@pytest.mark.parametrize("kind", KINDS)
def test_as_of_a_time_before_everything_is_empty(stored: str, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "none.csv"
    done = greenwatch("export", kind, "--as-of", "2000-01-01T00:00Z", "-o", file, "--dsn", stored)
    assert done.code == DONE, done
    assert len(file.read_text().splitlines()) == 1


def test_three_moments_are_seen_again_later(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """Law 4: a day is sent, extended and corrected, corrected again by an older revision; each moment stays known."""
    first = [f"S1,pm25,2026-02-10T{h:02}:00Z,{40 + h},,1" for h in range(20)]
    first += [f"S1,o3,2026-02-10T{h:02}:00Z,{60 + h % 3},,1" for h in range(20)]
    second = [
        "S1,pm25,2026-02-10T05:00Z,3000,,2",
        *(f"S1,pm25,2026-02-1{d}T{h:02}:00Z,80,,1" for d in (0, 1) for h in range(20 - 20 * d, 24)),
    ]
    third = ["S1,pm25,2026-02-10T05:00Z,45.5,,3", "S1,o3,2026-02-10T07:00Z,0,D,3", "S1,pm25,2026-02-10T06:00Z,999,,0"]
    third.append("S1,pm25,2026-02-09T00:00Z,12,,")  # older than all that was known
    moments: list[tuple[str, dict[str, pl.DataFrame]]] = []
    for number, rows in enumerate((first, second, third)):
        path = long(tmp_path / f"{number}.csv", *rows)
        assert greenwatch("ingest", "--register", path, "--dsn", dsn).code == DONE
        assert greenwatch("settle", "--dsn", dsn).code == DONE
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        moments.append((row[0].isoformat(), {kind: fetch(kind, dsn, tmp_path, format="parquet") for kind in KINDS}))  # type: ignore[attr-defined]
    for kind in KINDS:
        kept = [seen[kind] for _, seen in moments]
        assert len({repr(sorted(rows.rows(), key=repr)) for rows in kept}) == 3, kind  # each moment was another
        for when, seen in moments:
            again = fetch(kind, dsn, tmp_path, "--as-of", when, format="parquet")
            assert sorted(again.rows(), key=repr) == sorted(seen[kind].rows(), key=repr), (kind, when)
