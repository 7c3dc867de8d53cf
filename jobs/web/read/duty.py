"""Incidents: what duty staff were told of, and how far each is."""

from analytics.store.connection import Connection
from analytics.store.incidents import listed
from jobs.rules import Rules
from jobs.web.problems import Refused
from jobs.web.read import cursor
from jobs.web.read.asked import Asked
from jobs.web.read.forms import Page


def incidents(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    """Columns of `listed.COLUMNS`, by id."""
    if asked.allowed is not None and (outside := sorted(set(asked.stations) - asked.allowed)):
        raise Refused("outside-scope", f"the key is not for the station {outside[0]!r}")
    if any("\0" in word for word in (*asked.stations, *asked.places)):
        raise Refused("bad-query", "station, place: no name has a NUL")
    if strange := [place for place in asked.places if not place.startswith(("district:", "street:"))]:
        raise Refused("bad-query", f"place: {strange[0]!r} is neither a district nor a street")
    search = listed.Search(
        asked.states,
        asked.severities,
        asked.places,
        asked.stations,
        asked.rules,
        asked.going,
        asked.start,
        asked.stop,
        asked.allowed,
    )
    found = listed.search(conn, search, after=cursor.number(asked.after), limit=asked.limit + 1)
    page = found.head(asked.limit)
    more = found.height > asked.limit
    return Page(page, cursor.write(asked.mark, page.select("id").row(-1)) if more else None)
