"""Layers over readings: entered, ended, loaded as they are or as they were known. No row is ever edited otherwise.

Entering and ending are signed as batches are (`knowledge`), so that "as of T" is one cut through readings and layers.
Both lock the series as a saver does: a reading that is being saved is either in before, and then marked here, or it
comes after and finds the layer. What they touch is marked in their transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from analytics import corrections
from analytics.frames import CORRECTIONS, TIME
from analytics.store import horizon, knowledge, ledger, registry, reviews
from analytics.store.connection import Connection
from analytics.store.errors import NoSuchCorrection
from analytics.store.ledger import CODES, WINDOWS, Stage
from analytics.store.packing import fetch

#: The stage that a layer of a kind changes first, where it is not the one that judges the readings.
_FIRST = {"verdict": "compare"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A layer to enter: of a series in [start, stop), with numbers by name, by whom and why."""

    series: int
    kind: str
    start: datetime
    stop: datetime
    given: Mapping[str, float]
    author: str
    reason: str


class Entered(NamedTuple):
    """Ids of layers, and how many of them are new."""

    ids: list[int]
    new: int


def load(conn: Connection, windows: pl.DataFrame, known: datetime | None = None) -> pl.DataFrame:
    """`frames.CORRECTIONS`: at least those in `windows` (subject first, start, stop); as `known` at a time, if given.

    Those that were ended are among them, `ended`: where a layer was, what it made may still be stored.
    """
    if windows.is_empty():
        return pl.DataFrame(schema=dict(CORRECTIONS))
    rows = conn.execute(
        """
        SELECT id, series, kind, start, stop, given::text,
               CASE WHEN %(known)s::timestamptz IS NULL OR ended <= %(known)s THEN ended END
        FROM correction WHERE series = ANY(%(series)s) AND start < %(stop)s AND stop > %(start)s
            AND (%(known)s::timestamptz IS NULL OR known <= %(known)s)
        ORDER BY id
        """,
        {
            "series": windows[windows.columns[0]].unique().to_list(),
            "start": windows["start"].min(),
            "stop": windows["stop"].max(),
            "known": known,
        },
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(CORRECTIONS), orient="row")


def enter(conn: Connection, entries: Sequence[Entry], now: datetime) -> Entered:
    """Ids of the layers of `entries`, in their order; what the new ones touch is marked, due `now`. All or none.

    What is in force already, by the same author for the same reason, is not entered once more: whoever got no answer
    asks again. Raises `corrections.CorrectionError`, `Locked` where one reaches into an approved period, `Archived`.
    """
    asked = [replace(entry, given=corrections.check(entry.kind, entry.given)) for entry in entries]
    if not asked:
        return Entered([], 0)
    with conn.transaction():
        _open(conn, _touched(asked))
        there = _there(conn, asked)
        new = list({_key(entry): entry for entry in asked if _key(entry) not in there}.values())
        if new:
            knowledge.lock(conn)
            ids = _insert(conn, new)
            there |= {_key(entry): number for entry, number in zip(new, ids, strict=True)}
            _mark(conn, _touched(new), now)
    return Entered([there[_key(entry)] for entry in asked], len(new))


def _insert(conn: Connection, entries: Sequence[Entry]) -> list[int]:
    rows = conn.execute(
        f"""
        INSERT INTO correction (series, kind, start, stop, given, author, reason, known)
        SELECT e.series, e.kind, e.start, e.stop, e.given, e.author, e.reason, m.now
        FROM unnest(%s::int4[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::jsonb[], %s::text[],
                    %s::text[]) WITH ORDINALITY AS e (series, kind, start, stop, given, author, reason, place)
        CROSS JOIN (SELECT {knowledge.TIME} AS now) AS m ORDER BY e.place
        RETURNING id
        """,
        [
            [entry.series for entry in entries],
            [entry.kind for entry in entries],
            [entry.start for entry in entries],
            [entry.stop for entry in entries],
            [Jsonb(dict(entry.given)) for entry in entries],
            [entry.author for entry in entries],
            [entry.reason for entry in entries],
        ],
    ).fetchall()
    return [int(str(row[0])) for row in rows]


def _there(conn: Connection, entries: Sequence[Entry]) -> dict[tuple[object, ...], int]:
    """What is in force of the series of `entries`, by key."""
    rows = conn.execute(
        """
        SELECT series, kind, start, stop, given, author, reason, id FROM correction
        WHERE ended IS NULL AND series = ANY(%s) ORDER BY id DESC
        """,
        [sorted({entry.series for entry in entries})],
    ).fetchall()
    return {_key(Entry(*row[:7])): int(str(row[7])) for row in rows}  # type: ignore[arg-type]  # as the select says


def _key(entry: Entry) -> tuple[object, ...]:
    given = tuple(sorted((name, float(number)) for name, number in entry.given.items()))
    return (entry.series, entry.kind, entry.start, entry.stop, given, entry.author, entry.reason)


def _touched(entries: Sequence[Entry]) -> pl.DataFrame:
    rows = [(entry.series, entry.start, entry.stop, entry.kind) for entry in entries]
    return pl.DataFrame(rows, schema=_TOUCHED, orient="row")


def end(conn: Connection, ids: Sequence[int], author: str, reason: str, now: datetime) -> int:
    """Number of layers that are in force no longer; what they touched is marked, due `now`. All of `ids` or none.

    Raises `NoSuchCorrection`, `Locked` where one reaches into an approved period.
    """
    with conn.transaction():
        touched = _in_force(conn, ids)
        _open(conn, touched)
        if _in_force(conn, ids).height != touched.height:
            raise NoSuchCorrection("somebody else has just ended one of them: look again (`greenwatch correct list`)")
        knowledge.lock(conn)
        conn.execute(
            f"""
            UPDATE correction SET ended = m.now, ended_by = %s, ended_reason = %s
            FROM (SELECT {knowledge.TIME} AS now) AS m WHERE id = ANY(%s)
            """,
            [author, reason, list(ids)],
        )
        _mark(conn, touched, now)
    return touched.height


_TOUCHED = {"series": pl.Int32(), "start": TIME, "stop": TIME, "kind": pl.String()}


def _in_force(conn: Connection, ids: Sequence[int]) -> pl.DataFrame:
    """_TOUCHED of the layers `ids`. Raises `NoSuchCorrection` where one is not in force."""
    rows = conn.execute(
        "SELECT id, series, start, stop, kind FROM correction WHERE id = ANY(%s) AND ended IS NULL", [list(ids)]
    ).fetchall()
    if missing := sorted(set(ids) - {int(str(row[0])) for row in rows}):
        raise NoSuchCorrection(
            f"no correction {missing[0]} is in force: `greenwatch correct list` names those that are"
        )
    return pl.DataFrame([row[1:] for row in rows], schema=_TOUCHED, orient="row")


def _open(conn: Connection, touched: pl.DataFrame) -> None:
    """Nothing; the series are this transaction's, none of the periods is approved or archived.

    Raises `Locked`, `Archived`.
    """
    horizon.hold(conn)  # before any row, as savers do
    registry.hold(conn, touched["series"].unique().to_list())
    reviews.refuse_approved(conn, touched)
    horizon.require_open(conn, touched)


def _mark(conn: Connection, touched: pl.DataFrame, now: datetime) -> None:
    """Nothing; the readings there are in `touched` are marked for the stage that each kind changes first."""
    for (kind,), windows in touched.group_by("kind", maintain_order=True):
        ledger.mark(conn, first_stage(str(kind)), ledger.merge(with_readings(conn, windows)), now)


def first_stage(kind: str) -> Stage:
    """The stage that layers of `kind` mark."""
    name = _FIRST.get(kind, "flag")
    return Stage(name, CODES[name], "series")


def with_readings(conn: Connection, windows: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS of `windows` (series, start, stop) as far as their series have readings."""
    rows = conn.execute(
        "SELECT series, first, time + interval '1 us' FROM latest WHERE series = ANY(%s) AND time IS NOT NULL",
        [windows["series"].unique().to_list()],
    ).fetchall()
    extent = pl.DataFrame(rows, schema={"series": pl.Int32(), "_first": TIME, "_last": TIME}, orient="row")
    return (
        windows.join(extent, on="series")
        .select(
            pl.col("series").alias("subject"),
            pl.max_horizontal("start", "_first").alias("start"),
            pl.min_horizontal("stop", "_last").alias("stop"),
        )
        .filter(pl.col("start") < pl.col("stop"))
        .select(*WINDOWS)
    )


def as_counted(conn: Connection, newest: pl.DataFrame) -> pl.DataFrame:
    """The `newest` readings of series (series, time, value, ...), their value as it counts; null where it does not."""
    query = """
        SELECT l.series, l.time, c.value AS _counted
        FROM (SELECT DISTINCT series FROM correction) AS k JOIN latest l USING (series)
        CROSS JOIN LATERAL (SELECT value FROM corrected WHERE series = l.series AND time = l.time OFFSET 0) AS c
    """
    other = fetch(conn, query, {"series": pl.Int32(), "time": TIME, "_counted": pl.Float64()})
    if other.is_empty():
        return newest
    joined = newest.join(other.with_columns(_other=pl.lit(True)), on=["series", "time"], how="left")
    value = pl.when("_other").then("_counted").otherwise("value")
    return joined.with_columns(value.alias("value")).select(newest.columns)


def touches(conn: Connection, windows: pl.DataFrame) -> list[tuple[int, int]]:
    """Readings, and local days with any, in each of `windows` (series, start, stop). Costs a look at each reading."""
    rows = conn.execute(
        """
        SELECT found.* FROM unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[])
            WITH ORDINALITY AS w (series, start, stop, place)
        JOIN series s ON s.id = w.series JOIN station t ON t.id = s.station
        CROSS JOIN LATERAL (
            SELECT count(*), count(DISTINCT (o.time AT TIME ZONE 'UTC' + make_interval(mins => t.utc_offset))::date)
            FROM observation o WHERE o.series = w.series AND o.time >= w.start AND o.time < w.stop
        ) AS found ORDER BY w.place
        """,
        [windows[name].to_list() for name in ("series", "start", "stop")],
    ).fetchall()
    return [(int(str(count)), int(str(days))) for count, days in rows]


def listed(conn: Connection, series: Sequence[int] | None = None, *, ended: bool = False) -> list[dict[str, Any]]:
    """Layers in force, and with `ended` the others too, in the order they apply: id, series, station, parameter,
    position, statistic, cadence [s], kind, start, stop, given, author, reason, known, ended, ended_by, ended_reason."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT c.id, c.series, t.code AS station, s.parameter, s.position, s.statistic, s.cadence, c.kind,
                   c.start, c.stop, c.given, c.author, c.reason, c.known, c.ended, c.ended_by, c.ended_reason
            FROM correction c JOIN series s ON s.id = c.series JOIN station t ON t.id = s.station
            WHERE (%(series)s::int4[] IS NULL OR c.series = ANY(%(series)s)) AND (%(ended)s OR c.ended IS NULL)
            ORDER BY c.id
            """,
            {"series": None if series is None else list(series), "ended": ended},
        ).fetchall()
