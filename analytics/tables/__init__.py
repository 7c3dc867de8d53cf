"""Package tables: files beside this module, read as content that JSON can carry.

Content is what the database keeps of a table (`edition`): a TOML file gives a dict of records, a CSV file a list of
rows of strings. Readers (`parameters.parse`, `standards.parse`, …) take content and never care where it came from.
"""

import csv
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import polars as pl

Content = dict[str, Any] | list[dict[str, str]]

FOLDERS = ("", "standards/")
NUMBER = (int, float)


class TableError(ValueError):
    """A table holds what its reader cannot take; the message names the table and the row or key."""


def names() -> list[str]:
    """Names of the package tables, `standards/adoptions` for the file `standards/adoptions.csv`, sorted."""
    return sorted(_files())


def read(name: str) -> Content:
    """Content of one package table. Raises `KeyError` where there is none of that name."""
    file = _files()[name]
    text = files(__name__).joinpath(file).read_text(encoding="utf-8")
    if file.endswith(".toml"):
        return tomllib.loads(text)
    return list(csv.DictReader(text.splitlines()))


def _files() -> dict[str, str]:
    paths = [f"{folder}{entry.name}" for folder in FOLDERS for entry in files(__name__).joinpath(folder).iterdir()]
    return {path.rpartition(".")[0]: path for path in paths if path.endswith((".toml", ".csv"))}


def records(content: Content, table: str) -> dict[str, dict[str, Any]]:
    """`content` as named records. Raises `TableError` where it is none."""
    if not isinstance(content, dict) or not all(isinstance(record, dict) for record in content.values()):
        raise TableError(f"{table}: is not a table of records")
    return content


def check(
    record: Mapping[str, Any],
    place: str,
    *,
    needs: Mapping[str, type | tuple[type, ...]],
    allows: Mapping[str, type | tuple[type, ...]] | None = None,
) -> None:
    """Nothing, where `record` has every key of `needs`, of `allows` what it likes, and no other, each of its type.

    Raises `TableError` naming `place` and the key.
    """
    known = {**needs, **(allows or {})}
    for key in sorted(record.keys() - known.keys()):
        raise TableError(f"{place}: unknown key {key!r}")
    for key in sorted(needs.keys() - record.keys()):
        raise TableError(f"{place}: {key!r} is missing")
    for key, value in record.items():
        if not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] is not bool):
            raise TableError(f"{place}: {key!r} cannot be {value!r}")


def frame(
    content: Content, table: str, columns: Mapping[str, pl.DataType], *, optional: Sequence[str] = ()
) -> pl.DataFrame:
    """Rows of a CSV table with just `columns`; an empty cell is null.

    Raises `TableError` where a row has other keys, a cell cannot be read, or is empty but not `optional`.
    """
    if not isinstance(content, list) or not content:
        raise TableError(f"{table}: is not a list of rows")
    for number, row in enumerate(content, start=1):
        if row.keys() != columns.keys() or not all(isinstance(cell, str) for cell in row.values()):
            raise TableError(f"{table}, row {number}: keys must be {', '.join(columns)}, cells text")
    text = pl.DataFrame(content, schema=dict.fromkeys(columns, pl.String()))
    read = {name: _read(pl.when(pl.col(name) != "").then(pl.col(name)), dtype) for name, dtype in columns.items()}
    # All columns in one go: tables are read at the start of every command.
    bad = [
        (cell.is_null() if name not in optional else cell.is_null() & (pl.col(name) != "")).alias(f"bad {name}")
        for name, cell in read.items()
    ]
    found = text.select(*(cell.alias(name) for name, cell in read.items()), *bad)
    for name in columns:
        if (wrong := found[f"bad {name}"]).any():
            row = wrong.arg_true()[0]
            raise TableError(f"{table}, row {row + 1}: {name!r} cannot be {text[name][row]!r}")
    return found.select(*columns)


def _read(text: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return text.str.to_date("%Y-%m-%d", strict=False) if dtype == pl.Date() else text.cast(dtype, strict=False)
