"""A file with named columns, whatever it is kept in: what the formats have in common before they differ."""

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np
import polars as pl

from analytics.ingest import _lines, _parquet
from analytics.ingest._cells import number, words
from analytics.ingest._source import Source, UnreadableSource

Table = _lines.Text | _parquet.Columns

#: What a column is asked for -> the types that can be it, beside text.
HOLDS: Mapping[str, Callable[[pl.DataType], bool]] = {
    "numbers": lambda kind: kind.is_numeric(),
    "names": lambda kind: kind.is_integer(),
    "times": lambda kind: isinstance(kind, pl.Datetime | pl.Date),
    "marks": lambda kind: False,
}

#: Cells of a batch, about.
MOST_CELLS = 1_000_000


def open_table(source: Source) -> Table:
    """`source` as a table; raises `UnreadableSource` where it cannot be read."""
    return _parquet.Columns(source) if source.is_parquet() else _lines.Text(source)


def columns(source: Source) -> tuple[str, ...]:
    """The column names of `source` as they stand there, stripped; none of an empty file.

    Raises `UnreadableSource` where nothing of it can be read.
    """
    if source.is_parquet():
        return _parquet.Columns(source).names
    head = source.head()
    return _lines.fields(_lines.first_line(head), _lines.encodings(head))


def lowered(names: Collection[str]) -> list[str]:
    """Names in lower case, as they are compared."""
    return [name.lower() for name in names]


def keys(source: Source, table: Table, needed: Collection[str]) -> dict[str, str]:
    """The number of each column of `needed` in the table, by its name in lower case.

    Raises `UnreadableSource` where one is absent or there twice.
    """
    names = lowered(table.names)
    wrong = [name for name in needed if names.count(name) != 1]
    if wrong:
        raise UnreadableSource(f"{source.name}: needs the column {wrong[0]} once, has it {names.count(wrong[0])} times")
    return {name: str(names.index(name)) for name in needed}


def hold(source: Source, table: Table, which: Collection[str], what: str) -> None:
    """Raises `UnreadableSource` where a column of `which` (their numbers) has a type that cannot hold `what`."""
    for column in which:
        kind = table.types[int(column)]
        if not (is_text(kind) or HOLDS[what](kind)):
            raise UnreadableSource(f"{source.name}: column {table.names[int(column)]} holds {kind}, no {what}")


def is_text(kind: pl.DataType) -> bool:
    """Can be cast to text cell by cell: text, categories, or nothing at all."""
    return kind in (pl.String, pl.Categorical, pl.Enum, pl.Null)


def parts(table: Table, cells_a_row: int) -> Iterator[_lines.Part]:
    """The table in parts of about a million cells at most."""
    return table.parts(max(1, MOST_CELLS // max(1, cells_a_row)))


def stretched(rows: pl.DataFrame, values: list[str], labels: list[str], *, label: str) -> pl.DataFrame:
    """A row a cell: `rows` once for each column of `values`, its cell as `text` and `value`, its label as `label`.

    Where all columns hold numbers `text` is the number; one column of text makes text of all.
    """
    numeric = all(rows.schema[column].is_numeric() for column in values)
    plain = [(number(column, rows.schema[column]) if numeric else words(column)).alias(column) for column in values]
    rest = [column for column in rows.columns if column not in set(values)]
    long = rows.with_columns(plain).unpivot(values, index=rest, variable_name="column", value_name="text")
    which = np.repeat(np.arange(len(values)), rows.height)
    names = pl.Series(label, labels, pl.String).gather(pl.Series(which))
    return long.drop("column").with_columns(names, value=number("text", long.schema["text"]))
