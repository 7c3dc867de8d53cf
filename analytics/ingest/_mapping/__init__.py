"""Tables of any make, read as a mapping says: a file in TOML and no code. `tables/mappings/README.md` has its words.

`table` reads a mapping, `fit` holds its forms against a header, `reading` makes the cells, `clocks` their times.
"""

from analytics.ingest._mapping.fit import knowing
from analytics.ingest._mapping.reading import is_blank, read
from analytics.ingest._mapping.table import Mapped, load, names, parse

__all__ = ["Mapped", "is_blank", "knowing", "load", "names", "parse", "read"]
