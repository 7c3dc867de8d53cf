"""Rejects: what could not be kept, as it was said."""

import polars as pl

from analytics.store import rejects as store
from analytics.store.connection import Connection
from jobs.rules import Rules
from jobs.web.problems import Refused
from jobs.web.read import cursor
from jobs.web.read.asked import Asked
from jobs.web.read.forms import Page


def rejects(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    """Columns of `store.rejects.FOUND`, by id; of what names no station only to a key that is for any."""
    if asked.allowed is not None and (outside := sorted(set(asked.stations) - asked.allowed)):
        raise Refused("outside-scope", f"the key is not for the station {outside[0]!r}")
    search = store.Search(
        asked.sources,
        asked.stations,
        asked.channels,
        asked.reason,
        asked.text,
        asked.start,
        asked.stop,
        asked.allowed,
    )
    if any("\0" in word for word in (*asked.stations, *asked.channels)):
        raise Refused("bad-query", "station, channel: no name has a NUL")
    found = store.search(conn, search, after=cursor.number(asked.after), limit=asked.limit + 1)
    page = found.head(asked.limit).with_columns(pl.col("station", "channel").fill_null(""))
    more = found.height > asked.limit
    return Page(page, cursor.write(asked.mark, page.select("id").row(-1)) if more else None)
