"""What the tests of the spool share: records that are appended and must come back."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from analytics import spool
from analytics.spool import Place, Record, Spool

T = datetime(2026, 6, 1, 8, tzinfo=UTC)
#: payload, head, time received
Said = tuple[bytes, dict[str, str], datetime]


def said(count: int, size: int = 40, first: int = 0) -> list[Said]:
    """So many different records, a second apart."""
    return [
        (f"{number:06}".encode() + b"x" * size, {"mn": str(number)}, T + timedelta(seconds=number))
        for number in range(first, first + count)
    ]


def put(owner: Spool, records: Iterable[Said]) -> list[Place]:
    """The places of `records`, all safe."""
    waiting = [owner.append(*each) for each in records]
    return [future.result(timeout=20) for future in waiting]


def everything(folder: Path) -> list[Record]:
    """All records of `folder`, some at a time."""
    found: list[Record] = []
    while more := spool.records(folder, found[-1].place if found else None, 7):
        found += more
    return found


def plain(records: Iterable[Record]) -> list[Said]:
    """What was said, without where it lies."""
    return [(record.payload, dict(record.head), record.received) for record in records]


def files(folder: Path) -> list[Path]:
    """The segments, oldest first."""
    return sorted(folder.glob("*.spool*"))
