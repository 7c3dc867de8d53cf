"""`source`: priorities shown, tried and changed; `register` does the same from a file."""

from pathlib import Path

import pytest

from analytics.store.connection import Connection
from tests.commands.terminal import DONE, everything, fails, greenwatch, long, values, wrong


@pytest.fixture
def sent(dsn: str, tmp_path: Path) -> str:
    """A store in which `field` and `spare` disagree on two of three hours, and are of one priority."""
    for source, value in (("field", 40), ("spare", 30)):
        rows = [f"S1,pm25,2026-01-10T{hour:02}:00Z,{value},," for hour in range(3 if source == "field" else 2)]
        path = long(tmp_path / f"{source}.csv", *rows)
        assert greenwatch("ingest", "--register", "--source", source, path, "--dsn", dsn).code == DONE
    assert greenwatch("settle", "--dsn", dsn).code == DONE
    return dsn


def test_a_priority_is_tried_changed_and_told(conn: Connection, sent: str) -> None:
    before = everything(conn)
    tried = greenwatch("source", "spare", "--priority", "4", "--dry-run", "--json", "--dsn", sent)
    assert tried.json == {"contested": 2, "readings": 2, "series": 1}
    assert "2 of 2 readings on which senders disagreed would change of 1 series" in " ".join(tried.said)
    assert everything(conn) == before
    done = greenwatch("source", "spare", "--priority", "4", "--reason", "the pump was changed", "--dsn", sent)
    assert "run `greenwatch settle`" in done.said[-1]
    assert greenwatch("settle", "--dsn", sent).code == DONE
    assert [row[3] for row in values(conn)] == [30.0, 30.0, 40.0]
    listed = {row["source"]: row for row in greenwatch("source", "--json", "--dsn", sent).json}
    assert {name: (row["priority"], row["batches"]) for name, row in listed.items()} == {
        "field": (0, 1),
        "spare": (4, 1),
    }
    (told,) = greenwatch("source", "spare", "--json", "--dsn", sent).json
    assert (told["before"], told["after"], told["reason"]) == (0, 4, "the pump was changed")
    assert told["author"]
    assert "the pump was changed" in greenwatch("source", "spare", "--dsn", sent).out
    again = greenwatch("source", "spare", "--priority", "4", "--reason", "sure", "--dsn", sent)
    assert again.said == ["nothing to decide again"]


def test_a_file_changes_a_priority_too(conn: Connection, sent: str, tmp_path: Path) -> None:
    file = tmp_path / "order.toml"
    file.write_text('[[source]]\nname = "spare"\npriority = 4\n[[source]]\nname = "later"\npriority = 9\n')
    plan = greenwatch("register", file, "--plan", "--dsn", sent)
    assert "2 of 2 readings on which senders disagreed would change" in " ".join(plan.said)
    done = greenwatch("register", file, "--dsn", sent)
    assert "run `greenwatch settle`" in " ".join(done.said)
    assert greenwatch("settle", "--dsn", sent).code == DONE
    assert [row[3] for row in values(conn)] == [30.0, 30.0, 40.0]
    changes = conn.execute("SELECT fact, before, after, reason FROM registry_change").fetchall()
    assert changes == [("priority", 0, 4, "registered from order.toml")]  # a new source has disagreed with nobody


def test_what_is_wrong_is_said(sent: str) -> None:
    assert "there are field, spare" in fails("source", "nobody", "--priority", "1", "--reason", "x", "--dsn", sent)
    assert "say why" in wrong("source", "field", "--priority", "1", "--dsn", sent)
    assert "whose?" in wrong("source", "--priority", "1", "--dsn", sent)
    assert "--priority" in wrong("source", "field", "--priority", "3000000000", "--reason", "x", "--dsn", sent)
