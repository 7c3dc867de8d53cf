"""Files made to do harm, from their names to what is in them, into a real store."""

import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from analytics.store.connection import Connection
from jobs.intake import Intake, Order, named
from tests.ingest.reading import LONG, ROW, Write, parquet, whole


@pytest.mark.parametrize("name", [b"\xb3\xc9\xb6\xbc\xff.csv", b"a'; DROP TABLE batch; --.csv", b"a\nb\x1b[2J.csv"])
def test_a_file_may_be_called_anything(conn: Connection, tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    path.write_bytes(LONG + ROW + ROW.replace(b"A1", b"A'; DROP TABLE batch; --").replace(b",1", b",$1"))
    assert Intake(conn, Order(register=True)).file(path).new == 1
    assert conn.execute("SELECT read, new, rejects FROM batch").fetchall() == [(2, 1, 1)]
    named(path).encode()  # it can be printed
    again = Intake(conn, Order(register=True)).file(path)
    assert (again.read, again.duplicates, again.rejects) == (2, 1, 1)


def test_a_text_of_very_many_characters_in_a_few_bytes_is_one_reject(on_disk: Write) -> None:
    """Parquet packs a text of any length into nothing, as it does any number of rows."""
    said = {"parameter": "pm25", "time": datetime(2026, 1, 1, tzinfo=UTC), "value": "1"}
    content = parquet(pl.DataFrame([{"station": "A" * 20_000_000, **said}, {"station": "A", **said}]))
    assert len(content) < 20_000
    found = whole(on_disk(content), "long")
    assert (found.cells.height, [*found.rejects["reason"]]) == (1, ["station too long"])
