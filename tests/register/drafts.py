"""What the tests of registration share: files in parts, what is read of them, and what they leave in the store."""

from pathlib import Path
from typing import Any

import pytest

from analytics import parameters, standards
from analytics.store import register
from analytics.store.connection import Connection
from analytics.store.errors import Nonsense
from analytics.store.register import Draft, Registry
from jobs import register as job

SAMPLES = Path(__file__).parents[1] / "samples" / "register"
PARAMETERS = parameters.load()
STANDARDS = register.standards_in(standards.tables())
HEADER = "station,title,longitude,latitude,utc_offset,parameter,position,statistic,cadence,member:district"
WRITTEN = ("station", "membership", "source", "series", "authority", "adoption", "latest", "stale")


def read(text: str | bytes, name: str = "site.toml") -> Draft:
    raw = text.encode() if isinstance(text, str) else text
    return register.read(raw, name, PARAMETERS, STANDARDS)


def problems(text: str | bytes, name: str = "site.toml", stored: Registry | None = None) -> list[str]:
    """The lines of the refusal, without the first, which counts them."""
    with pytest.raises(Nonsense) as refused:
        register.compare(stored or Registry(), read(text, name))
    return str(refused.value).splitlines()[1:]


def station(*lines: str, code: str = "A") -> str:
    """A station of TOML, its code on the second line, `lines` from the third."""
    return "\n".join(["[[station]]", f'code = "{code}"', *lines, ""])


def series(*lines: str) -> str:
    """A series of a station, its keys from the fourth line."""
    return station("[[station.series]]", *lines)


def adoption(*lines: str) -> str:
    return "\n".join(["[[adoption]]", *lines, ""])


def put(conn: Connection, text: str, name: str = "site.toml") -> register.Plan:
    return job.write(conn, read(text, name))[0]


def facts(conn: Connection, query: str) -> list[Any]:
    return conn.execute(query).fetchall()


def snapshot(conn: Connection, *tables: str) -> list[Any]:
    """Every row of `tables`, by default of all that a registration writes, with its physical place.

    A row that was written again has another one.
    """
    query = "SELECT '{0}', ctid, xmin, t::text FROM {0} t"
    return [row for table in tables or WRITTEN for row in facts(conn, query.format(table))]
