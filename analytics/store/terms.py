"""Words as short numbers: `term` holds averagings, standards and primary pollutants."""

from collections.abc import Iterable

import polars as pl

from analytics.store.connection import Connection


def intern(conn: Connection, kind: str, names: Iterable[str]) -> dict[str, int]:
    """Number of every name of `kind`, new ones included."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    found = numbers(conn, kind)
    if missing := [name for name in wanted if name not in found]:
        conn.execute(
            "INSERT INTO term (kind, name) SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING", [kind, missing]
        )
        found = numbers(conn, kind)
    return found


def numbers(conn: Connection, kind: str) -> dict[str, int]:
    """Number of each known name of `kind`."""
    return dict(conn.execute("SELECT name, id FROM term WHERE kind = %s", [kind]).fetchall())  # type: ignore[arg-type]


def encode(conn: Connection, frame: pl.DataFrame, column: str, kind: str) -> pl.DataFrame:
    """`frame` with the words of `column` as numbers."""
    found = intern(conn, kind, frame[column].drop_nulls().unique().to_list())
    return frame.with_columns(pl.col(column).replace_strict(found, default=None, return_dtype=pl.Int16))


def decode(conn: Connection, frame: pl.DataFrame, column: str, kind: str) -> pl.DataFrame:
    """`frame` with the numbers of `column` as words."""
    found = {number: name for name, number in numbers(conn, kind).items()}
    return frame.with_columns(pl.col(column).replace_strict(found, default=None, return_dtype=pl.String))
