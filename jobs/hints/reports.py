"""Reports of odour from a file: a CSV with a column `time`, an offset in each; other columns are let be."""

from datetime import UTC
from pathlib import Path

import polars as pl

from analytics.frames import conform
from analytics.hints.odours import REPORTS
from jobs import console
from jobs.export.ask import instant

#: A file may be so large [B].
MOST = 32_000_000


def read(path: Path) -> pl.DataFrame:
    """`odours.REPORTS` of a file. Raises `NotAsAsked` where it cannot be read, and `BadParameter` naming the time that
    is none, or has no offset."""
    try:
        if path.stat().st_size > MOST:
            raise console.NotAsAsked(f"{path} is larger than {MOST} bytes")
        rows = pl.read_csv(path, infer_schema=False)
    except OSError as problem:
        raise console.NotAsAsked(f"{path} cannot be read: {problem.strerror}") from problem
    except pl.exceptions.PolarsError as problem:
        raise console.NotAsAsked(f"{path} is no CSV with a line of names: {problem}") from problem
    if "time" not in rows.columns:
        raise console.NotAsAsked(f"{path} has no column 'time', it has {', '.join(rows.columns[:9])}")
    said = [instant(text, f"{path}, 'time'", date=False) for text in rows["time"].drop_nulls().to_list()]
    return conform(pl.DataFrame({"time": [time.astimezone(UTC) for time in said if time is not None]}), REPORTS)
