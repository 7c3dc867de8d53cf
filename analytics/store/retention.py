"""Rows that are deleted for good when they are old: what a site says of that, and the deleting, in bounded parts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from analytics.store.connection import Connection
from analytics.store.errors import Forgotten

#: Rows a statement deletes, about; and series it looks through where rows are found by theirs.
PART, SERIES = 50_000, 200


@dataclass(frozen=True, slots=True)
class Rows:
    """How the old rows of a table are told: `old` in SQL, of `%(before)s` and `%(now)s`. `by_series`: its key begins
    with the series, and each is looked up; `by_station`: with the station. `told`: what was known before cannot be
    told any more."""

    old: str
    by_series: bool = False
    by_station: bool = False
    told: bool = False


#: What may be deleted, by table. A forecast stays while a period it speaks of is ahead, the events of an alarm that is
#: on since it came on; a score where readings may still change.
TABLES: Mapping[str, Rows] = {
    "forecast": Rows(
        "t.issued < %(before)s AND t.start + make_interval(secs => t.step) * cardinality(t.value) <= %(now)s",
        by_series=True,
        told=True,
    ),
    "score": Rows("t.time < least(%(before)s, coalesce((SELECT max(time) FROM horizon), '-infinity'))", by_series=True),
    "assessment_history": Rows("t.ended < %(before)s", told=True),
    "episode_history": Rows("t.ended < %(before)s", told=True),
    "alarm_event": Rows(
        "t.at < %(before)s AND NOT EXISTS (SELECT FROM alarm a WHERE a.subject = t.subject AND a.rule = t.rule"
        " AND a.state <> 'ok' AND a.since <= t.at)"
    ),
    "weather_forecast": Rows("t.issued < %(before)s AND t.valid <= %(now)s", by_station=True),
    "work": Rows("greatest(t.succeeded, t.failed) < %(before)s"),
}


def settings(conn: Connection) -> dict[str, tuple[int, str]]:
    """What this site says: table -> days, folder of archives."""
    return {str(name): (int(str(days)), str(folder)) for name, days, folder in conn.execute(_SETTINGS)}


_SETTINGS = "SELECT name, days, folder FROM retention"


def set(conn: Connection, name: str, days: int, folder: str, now: datetime) -> None:
    """Nothing; this site keeps the rows of the table for so long."""
    conn.execute(
        """
        INSERT INTO retention (name, days, folder, known) VALUES (%s, %s, %s, %s)
        ON CONFLICT (name) DO UPDATE SET days = EXCLUDED.days, folder = EXCLUDED.folder, known = EXCLUDED.known
        """,
        [name, days, folder, now],
    )


def may_delete(conn: Connection, name: str) -> bool:
    """Whether this user may delete rows of the table."""
    row = conn.execute("SELECT has_table_privilege(%s, 'DELETE')", [name]).fetchone()
    return bool(row and row[0])


def old(conn: Connection, name: str, before: datetime, now: datetime) -> int:
    """How many rows of the table are as old; looks at all of them."""
    row = conn.execute(
        f"SELECT count(*) FROM {name} t WHERE {TABLES[name].old}", {"before": before, "now": now}
    ).fetchone()
    return 0 if row is None else int(str(row[0]))


def forget(
    conn: Connection, name: str, before: datetime, now: datetime, notice: Callable[[int], None] = lambda rows: None
) -> int:
    """Number of rows deleted; what cannot be told any more is written down first. Killed, the next run goes on."""
    rule, total = TABLES[name], 0
    if rule.told:
        conn.execute(
            """
            INSERT INTO forgotten AS f (name, before, known) VALUES (%s, %s, %s) ON CONFLICT (name)
            DO UPDATE SET before = greatest(f.before, EXCLUDED.before), known = EXCLUDED.known
            """,
            [name, before, now],
        )
    for gone in (
        _by_subject(conn, name, rule, before, now)
        if rule.by_series or rule.by_station
        else _in_parts(conn, name, rule, before, now)
    ):
        total += gone
        notice(gone)
    return total


def _by_subject(conn: Connection, name: str, rule: Rows, before: datetime, now: datetime) -> Iterator[int]:
    subject = "series" if rule.by_series else "station"
    subjects = [int(str(row[0])) for row in conn.execute(f"SELECT id FROM {subject} ORDER BY id")]
    for first in range(0, len(subjects), SERIES):
        yield conn.execute(
            f"DELETE FROM {name} t WHERE t.{subject} = ANY(%(subjects)s) AND {rule.old}",
            {"subjects": subjects[first : first + SERIES], "before": before, "now": now},
        ).rowcount


def _in_parts(conn: Connection, name: str, rule: Rows, before: datetime, now: datetime) -> Iterator[int]:
    while True:
        gone = conn.execute(
            f"DELETE FROM {name} WHERE ctid = ANY(ARRAY(SELECT t.ctid FROM {name} t WHERE {rule.old} LIMIT %(part)s))",
            {"before": before, "now": now, "part": PART},
        ).rowcount
        if not gone:
            return
        yield gone


def forgotten(conn: Connection, name: str) -> tuple[datetime, datetime] | None:
    """Up to when rows of the table were deleted, and when that was last done; None: never."""
    row = conn.execute("SELECT before, known FROM forgotten WHERE name = %s", [name]).fetchone()
    return row  # type: ignore[return-value]  # two times


def require_versions(conn: Connection, name: str, known: datetime) -> None:
    """Nothing, where the versions that the history `name` keeps can still be told as `known`. Raises `Forgotten`."""
    found = forgotten(conn, name)
    if found is not None and known < found[0]:
        raise Forgotten(f"rows of {name} that ended before {_day(found[0])} were deleted: ask as of a later time")


def require_issued(conn: Connection, name: str, known: datetime | None, start: datetime | None) -> None:
    """Nothing, where rows of `name` from `start` on can still be told as `known` (None: now). Raises `Forgotten`."""
    found = forgotten(conn, name)
    if found is None or known is None or known >= found[1] or (start is not None and start >= found[0]):
        return
    raise Forgotten(f"rows of {name} from before {_day(found[0])} were deleted since: ask --from {_day(found[0])} on")


def _day(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
