"""A Parquet file as the same parts of a table as a text: row slices, their columns in their own types."""

from collections.abc import Iterator

import polars as pl

from analytics.frames import REJECTS, empty
from analytics.ingest._lines import Part
from analytics.ingest._source import Source, UnreadableSource

#: A damaged file makes Polars raise, or its Rust part panic.
DAMAGES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
#: Characters of a text that are looked at: more than any name, time or number has, and than a reject keeps. A file of
#: some kilobytes can hold one of gigabytes.
LONGEST = 2000


class Columns:
    """A Parquet file: its column names, their types, and its rows in parts."""

    place = "row"

    def __init__(self, source: Source) -> None:
        """Reads the footer. Raises `UnreadableSource` where it is damaged."""
        self._source = source
        self._scan = pl.scan_parquet(source.path, glob=False)
        try:
            schema = self._scan.collect_schema()
            height: int = self._scan.select(pl.len()).collect().item()
        except DAMAGES as error:
            raise damaged(source, error) from error
        self._rows = source.rows or (0, height)
        self._columns = list(schema)
        self.names = tuple(name.strip() for name in self._columns)
        self.types = list(schema.values())

    def parts(self, most: int) -> Iterator[Part]:
        """The rows in parts of at most `most`; raises `UnreadableSource` where one cannot be read."""
        numbers = {name: str(number) for number, name in enumerate(self._columns)}
        first, last = self._rows
        for start in range(first, last, most):
            some = min(most, last - start)
            try:
                rows = self._scan.slice(start, some).with_columns(pl.col(pl.String).str.head(LONGEST)).collect()
            except DAMAGES as error:
                raise damaged(self._source, error) from error
            self._source.position = self._source.size * (start + some - first) // (last - first)
            place = pl.int_range(start + 1, start + 1 + pl.len(), dtype=pl.Int64).alias("place")
            yield Part(rows.rename(numbers).with_columns(place), empty(REJECTS))


def damaged(source: Source, error: BaseException) -> UnreadableSource:
    """What Polars says of `source`, in a line."""
    return UnreadableSource(f"{source.name}: damaged Parquet: {str(error).splitlines()[0] if str(error) else error!r}")
