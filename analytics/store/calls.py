"""How far who opens valves was told: the newest advice of all zones goes out whole, until they say they have it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from psycopg.rows import dict_row

from analytics.store.connection import Connection

#: What their ids are made of: sent again, the same call has the same.
_CALLS = UUID("6f0d0c5a-6a5b-5d0e-9a43-0b1f6a5c7e21")


@dataclass(frozen=True, slots=True)
class Call:
    """The advice of the hour `issued`, when so many `zones` had one of it, to be sent for the `tries`-th time."""

    issued: datetime
    zones: int
    tries: int

    @property
    def id(self) -> UUID:
        """The same for the same advice."""
        return uuid5(_CALLS, f"{self.issued.isoformat()} {self.zones}")


def claim(conn: Connection, now: datetime, lease: timedelta) -> Call | None:
    """The call that is due, nobody else's for `lease`; None where they have all, or it is not time yet."""
    row = conn.execute(
        """
        UPDATE advice_call AS c SET tries = c.tries + 1, due = %(until)s
        FROM (SELECT issued, count(*) AS zones FROM advice WHERE issued = (SELECT max(issued) FROM advice)
              GROUP BY issued) AS newest
        WHERE c.due <= %(now)s AND (newest.issued, newest.zones) IS DISTINCT FROM (c.issued, c.zones)
        RETURNING newest.issued, newest.zones, c.tries
        """,
        {"now": now, "until": now + lease},
    ).fetchone()
    return None if row is None else Call(*row)  # type: ignore[arg-type]  # as the select says


def advice(conn: Connection) -> list[dict[str, Any]]:
    """The newest advice of each zone, by its code: zone, title, title_zh, issued, day, water, depth [mm], volume [m³],
    minutes, begin, latest, risk [1], trusted, doubted, reason, reason_zh, `plan` of the day and those after it [m³]."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT z.code AS zone, z.title, z.title_zh, a.issued, a.day, a.water, a.depth, a.volume, a.minutes, a.begin,
                   a.latest, a.risk, a.trusted, a.doubted, a.reason, a.reason_zh, a.plan
            FROM zone z CROSS JOIN LATERAL (SELECT * FROM advice WHERE zone = z.id ORDER BY issued DESC LIMIT 1) AS a
            ORDER BY 1
            """
        ).fetchall()


def sent(conn: Connection, call: Call, now: datetime) -> None:
    """Nothing; they have it: what is newer goes at once."""
    conn.execute(
        "UPDATE advice_call SET issued = %s, zones = %s, sent = %s, due = %s, tries = 0, problem = ''",
        [call.issued, call.zones, now, now],
    )


def failed(conn: Connection, again: datetime, problem: str) -> None:
    """Nothing; what is newest then is tried `again`."""
    conn.execute("UPDATE advice_call SET due = %s, problem = %s", [again, problem])
