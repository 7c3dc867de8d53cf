"""What the tests of commands share: the command in this process, small files, and what is in the store then."""

import io
import json
import re
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import structlog
from psycopg import sql

from analytics.store.connection import Connection
from jobs import cli

REPOSITORY = Path(__file__).parents[2]
DONE, NOT_AS_ASKED, WRONG_USAGE = 0, 1, 2
KEYS = ["read", "new", "replaced", "duplicates", "missing", "rejects"]
KINDS = ("observations", "verdicts", "averages", "assessments")
FORMATS = ("csv", "parquet", "json")


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> list[str]:
        """The lines on stderr that are for people: what is logged is JSON."""
        return [line for line in self.err.splitlines() if line.strip() and not line.startswith("{")]

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def greenwatch(*words: object) -> Done:
    """The command, in this process: `main`, as the installed script calls it."""
    raw, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(raw, encoding="utf-8")
    before, code = sys.argv, DONE
    sys.argv = ["greenwatch", *map(str, words)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as left:
                code = left.code if isinstance(left.code, int) else int(left.code is not None)
            except Exception:  # as the interpreter would end: shown whole, and every test refuses a traceback
                traceback.print_exc()
                code = NOT_AS_ASKED
    finally:
        sys.argv = before
        structlog.reset_defaults()
    out.flush()
    return Done(code, raw.getvalue().decode(), err.getvalue())


def fails(*words: object) -> str:
    """The one line with which the command refuses, exit code 1."""
    done = greenwatch(*words)
    assert "Traceback" not in done.err, done.err
    assert done.code == NOT_AS_ASKED, done
    assert done.said[-1].startswith("greenwatch: ")
    return done.said[-1]


def wrong(*words: object) -> str:
    """What is said of a wrong use, exit code 2, on one line."""
    done = greenwatch(*words)
    assert "Traceback" not in done.err, done.err
    assert done.code == WRONG_USAGE, done
    return re.sub(r"[\s│╭╮╰╯─]+", " ", done.err)


def long(path: Path, *rows: str) -> Path:
    """A file of the long form: `station,parameter,time,value,mark,revision`."""
    path.write_text("\n".join(["station,parameter,time,value,mark,revision", *rows, ""]))
    return path


def everything(conn: Connection) -> dict[str, list[str]]:
    """Every row of every table of ours, as text."""
    names = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
    return {
        str(name): sorted(
            str(row[0]) for row in conn.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name)))
        )
        for (name,) in ((str(row[0]),) for row in names)
    }


def values(conn: Connection) -> list[tuple[object, ...]]:
    return conn.execute(
        "SELECT t.code, s.parameter, o.time, o.value FROM observation o JOIN series s ON s.id = o.series"
        " JOIN station t ON t.id = s.station ORDER BY 1, 2, 3"
    ).fetchall()


def count(conn: Connection, table: str) -> int:
    row = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(str(row[0]))


def read(path: Path, format: str, like: pl.DataFrame | None = None) -> pl.DataFrame:
    """The rows of an export; of CSV and JSON in the types of `like`, times from their text."""
    if format == "parquet":
        return pl.read_parquet(path)
    if format == "csv":
        rows = pl.read_csv(path, infer_schema=False)
    else:
        records = json.loads(path.read_text(encoding="utf-8"))
        rows = pl.DataFrame(
            [{key: None if cell is None else str(cell) for key, cell in record.items()} for record in records],
            schema=dict.fromkeys(records[0] if records else like.columns if like is not None else (), pl.String()),
        )
    stamps = rows.with_columns(pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC"))
    return stamps if like is None else stamps.select(pl.col(n).cast(t) for n, t in like.schema.items())


def fetch(kind: str, dsn: str, path: Path, *words: object, format: str = "csv") -> pl.DataFrame:
    file = path / f"{kind}.{format}"
    done = greenwatch("export", kind, "--format", format, "-o", file, "--dsn", dsn, *words)
    assert done.code == DONE, done
    return read(file, format)
