"""The registry in the database: read whole, written by sets. One statement a table, whatever the file's size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from analytics.frames import TIME
from analytics.store import derivations, knowledge, priorities, registry
from analytics.store.connection import Connection
from analytics.store.ledger import WINDOWS
from analytics.store.register import devices, emitters, formulas, nodes, pulls, zones
from analytics.store.register.compare import Plan
from analytics.store.register.model import FACTS, Adopted, Membership, Registry, Series, Spoken, Term, Voice
from analytics.store.registry import DEFAULT_OFFSET

#: One file is registered at a time; the number is "GWrg".
_LOCK = 0x47577267
#: A reading reaches the running means of the next day, and a local day begins up to a day before it.
_BEFORE, _AFTER = timedelta(days=1), timedelta(days=2)


def lock(conn: Connection) -> None:
    """Nothing; nobody else registers until this transaction ends. Take it before any row, never while holding one."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def hold_off(conn: Connection) -> None:
    """Nothing; nobody registers until this transaction ends, others may hold off too."""
    conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])


def load(conn: Connection) -> Registry:
    """All that is registered."""
    found = Registry()
    found.sources.update(_rows(conn, "SELECT name, priority FROM source"))
    for code, *facts in _rows(conn, "SELECT code, title, title_zh, longitude, latitude, utc_offset FROM station"):
        found.stations[code] = dict(zip(FACTS, facts, strict=True))
    for code, kind, since, place in _rows(
        conn,
        """
        SELECT t.code, m.kind, nullif(m.since, '-infinity'), m.place
        FROM membership m JOIN station t ON t.id = m.station
        """,
    ):
        found.memberships[Membership(code, kind, since)] = place
    known: dict[int, Series] = {}
    for number, *identity in _rows(
        conn,
        """
        SELECT s.id, t.code, s.parameter, s.position, s.statistic, s.cadence
        FROM series s JOIN station t ON t.id = s.station
        """,
    ):
        known[number] = Series(*identity)
    found.series.update(dict.fromkeys(known.values()))
    for code, parameter, series, fallback in _rows(
        conn, "SELECT t.code, a.parameter, a.series, a.fallback FROM authority a JOIN station t ON t.id = a.station"
    ):
        found.authorities[Spoken(code, parameter)] = Voice(known[series], known.get(fallback))
    for standard, place, start, stop, source in _rows(
        conn,
        """
        SELECT standard, place, nullif(valid_from, '-infinity'), nullif(valid_to, 'infinity'), source FROM adoption
        """,
    ):
        found.adoptions[Adopted(standard, place, start)] = Term(stop, source)
    found.zones.update(zones.load(conn))
    found.derivations.update(formulas.load(conn, known))
    found.devices.update(devices.load(conn))
    found.nodes.update(nodes.load(conn))
    found.pulls.update(pulls.load(conn))
    found.emitters.update(emitters.load(conn))
    return found


def _rows(conn: Connection, query: str) -> list[Any]:
    return conn.execute(query).fetchall()


@dataclass(frozen=True, slots=True)
class Effect:
    """What was written: `series` that are new, and what must be computed again because of it (WINDOWS of subjects)."""

    series: int
    #: of stations: another voice, another place, other standards
    assess: pl.DataFrame
    #: of series: their local day begins at another time
    average: pl.DataFrame
    #: of series: another source may be believed
    decide: pl.DataFrame
    #: of derived series: another formula, or their day begins at another time
    derive: pl.DataFrame


def apply(conn: Connection, plan: Plan, author: str = "", reason: str = "") -> Effect:
    """What was written. Call it in the transaction that took `lock` and loaded what `plan` was made from.

    What changes figures that were made before is signed, with `author` and `reason`, in the last statements: nobody
    else adds to what is known from then on until the transaction ends.
    """
    write = plan.write
    if write.derivations:
        derivations.lock(conn)  # before any row: who holds the formulas may wait for rows
    preferred = _write_sources(conn, write)
    before, newest = _voices(conn), _ids(conn, "SELECT coalesce(max(id), 0) FROM series", None)[0]
    turned = _turned(conn, write)
    _write_stations(conn, write)
    _write_memberships(conn, write)
    made = _write_series(conn, write)
    _write_authorities(conn, write)
    _write_adoptions(conn, write)
    zones.write(conn, write)
    devices.write(conn, write)
    nodes.write(conn, write)
    pulls.write(conn, write)
    emitters.write(conn, write)
    stations = {
        *(row[0] for row in turned),
        *_revoiced(before, _voices(conn).filter(pl.col("series") <= newest)),
        *_moved(conn, write),
        *_ruled(conn, write),
    }
    contested = priorities.contested(conn) if preferred else pl.DataFrame(schema=dict(WINDOWS))
    assess = _stretches(conn, "station", stations)
    average = _stretches(conn, "id", {row[0] for row in turned})
    knowledge.sign(conn, "priority", preferred, author, reason)
    knowledge.sign(conn, "utc_offset", turned, author, reason)
    derived = {*formulas.write(conn, write, author), *formulas.of_stations(conn, [row[0] for row in turned])}
    return Effect(made, assess, average, contested, derivations.stretches(conn, sorted(derived)))


def learn(conn: Connection, said: Registry) -> Effect:
    """What was made of `said` that is new, in a transaction of its own; what is registered stays as it is."""
    with conn.transaction():
        lock(conn)
        stored = load(conn)
        new = Registry(
            stations={code: facts for code, facts in said.stations.items() if code not in stored.stations},
            memberships={key: place for key, place in said.memberships.items() if key.station not in stored.stations},
            series={series: None for series in said.series if series not in stored.series},
        )
        return apply(conn, Plan(new.counts(), write=new))


def _write_sources(conn: Connection, write: Registry) -> list[tuple[int, int, int]]:
    """Sources that were there and have another priority now: id, what it was, what it is. No reading is saved until
    this transaction ends, and what was being saved is in."""
    made = conn.execute(
        """
        INSERT INTO source (name) SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS w (name, nr) ORDER BY nr
        ON CONFLICT DO NOTHING RETURNING id
        """,
        [list(write.sources)],
    ).fetchall()
    said = {name: priority for name, priority in write.sources.items() if priority is not None}
    if not said:
        return []
    # Before any row of a reading is locked: savers hold theirs while they wait for this.
    knowledge.lock_priorities(conn)
    changed = conn.execute(
        """
        WITH other AS (
            SELECT s.id, s.priority AS before, w.priority AS after
            FROM source s JOIN unnest(%s::text[], %s::int4[]) AS w (name, priority) ON w.name = s.name
            WHERE w.priority <> s.priority
        )
        UPDATE source s SET priority = o.after FROM other o WHERE s.id = o.id RETURNING s.id, o.before, o.after
        """,
        [list(said), list(said.values())],
    ).fetchall()
    return [row for row in sorted(changed) if row[:1] not in made]  # type: ignore[misc]  # as the statement says


def _write_stations(conn: Connection, write: Registry) -> None:
    # Two statements, since a fact that the file leaves out must stay as an ingest may have made it meanwhile.
    conn.execute(
        """
        INSERT INTO station (code, utc_offset)
        SELECT code, coalesce(utc_offset, %s)
        FROM unnest(%s::text[], %s::int2[]) WITH ORDINALITY AS w (code, utc_offset, nr)
        ORDER BY nr
        ON CONFLICT (code) DO NOTHING
        """,
        [DEFAULT_OFFSET, list(write.stations), [facts.get("utc_offset") for facts in write.stations.values()]],
    )
    conn.execute(
        """
        UPDATE station s SET title = coalesce(w.title, s.title), title_zh = coalesce(w.title_zh, s.title_zh),
            longitude = coalesce(w.longitude, s.longitude), latitude = coalesce(w.latitude, s.latitude),
            utc_offset = coalesce(w.utc_offset, s.utc_offset)
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::float8[], %s::float8[], %s::int2[])
            AS w (code, title, title_zh, longitude, latitude, utc_offset)
        WHERE s.code = w.code
        """,
        [list(write.stations), *([facts.get(key) for facts in write.stations.values()] for key in FACTS)],
    )


def _write_memberships(conn: Connection, write: Registry) -> None:
    conn.execute(
        """
        INSERT INTO membership (station, kind, since, place)
        SELECT t.id, w.kind, coalesce(w.since, '-infinity'), w.place
        FROM unnest(%s::text[], %s::text[], %s::date[], %s::text[]) WITH ORDINALITY AS w (code, kind, since, place, nr)
        JOIN station t ON t.code = w.code
        ORDER BY nr
        ON CONFLICT (station, kind, since) DO UPDATE SET place = EXCLUDED.place
        """,
        [*_columns(write.memberships, 3), list(write.memberships.values())],
    )


def _write_series(conn: Connection, write: Registry) -> int:
    """Number of series made; each has its row in `latest`, at which savers queue."""
    ordered = sorted(write.series, key=lambda series: (series.station, series.channel))
    return conn.execute(
        """
        WITH made AS (
            INSERT INTO series (station, parameter, position, statistic, cadence)
            SELECT t.id, w.parameter, w.position, w.statistic, w.cadence
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::int4[])
                WITH ORDINALITY AS w (code, parameter, position, statistic, cadence, nr)
            JOIN station t ON t.code = w.code
            ORDER BY nr
            ON CONFLICT DO NOTHING
            RETURNING id
        )
        INSERT INTO latest (series) SELECT id FROM made
        """,
        _columns(ordered, 5),
    ).rowcount


def _write_authorities(conn: Connection, write: Registry) -> None:
    series = [voice.series for voice in write.authorities.values()]
    fallback = [voice.fallback for voice in write.authorities.values()]
    conn.execute(
        """
        INSERT INTO authority (station, parameter, series, fallback)
        SELECT t.id, w.parameter, s.id, f.id
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::int4[], %s::text[], %s::text[], %s::int4[])
            AS w (code, parameter, position, statistic, cadence, position2, statistic2, cadence2)
        JOIN station t ON t.code = w.code
        JOIN series s ON (s.station, s.parameter, s.position, s.statistic, s.cadence)
            = (t.id, w.parameter, w.position, w.statistic, w.cadence)
        LEFT JOIN series f ON (f.station, f.parameter, f.position, f.statistic, f.cadence)
            = (t.id, w.parameter, w.position2, w.statistic2, w.cadence2)
        ON CONFLICT (station, parameter) DO UPDATE SET series = EXCLUDED.series, fallback = EXCLUDED.fallback
        """,
        [*_columns(series, 5), *([voice and voice[column] for voice in fallback] for column in (2, 3, 4))],
    )


def _write_adoptions(conn: Connection, write: Registry) -> None:
    conn.execute(
        """
        INSERT INTO adoption (standard, place, valid_from, valid_to, source)
        SELECT standard, place, valid_from, coalesce(valid_to, 'infinity'), source
        FROM unnest(%s::text[], %s::text[], %s::date[], %s::date[], %s::text[])
            AS w (standard, place, valid_from, valid_to, source)
        ON CONFLICT (standard, place, valid_from) DO UPDATE SET valid_to = EXCLUDED.valid_to, source = EXCLUDED.source
        """,
        [*_columns(write.adoptions, 3), *_columns(write.adoptions.values(), 2)],
    )


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """`rows` as columns, as unnest takes them."""
    kept = list(rows)
    return [[row[column] for row in kept] for column in range(width)]


def _voices(conn: Connection) -> pl.DataFrame:
    """`series`, `station`, `parameter`, `rank` of the series that speak or stand in."""
    series = registry.load_series(conn).select("series", "station", "parameter")
    return registry.load_authorities(conn).join(series, on="series").sort("station", "parameter", "rank")


def _revoiced(before: pl.DataFrame, after: pl.DataFrame) -> list[int]:
    """Stations of which a series has gained or lost its voice, or changed places with its stand-in.

    Leave new series out of both: they change nothing by being there, their readings will mark what they touch.
    """
    subject = ["station", "parameter"]
    old = before.group_by(subject).agg(pl.col("series").alias("old"))
    new = after.group_by(subject).agg(pl.col("series").alias("new"))
    other = old.join(new, on=subject, how="full", coalesce=True).filter(pl.col("old").ne_missing(pl.col("new")))
    return other["station"].unique().to_list()


def _turned(conn: Connection, write: Registry) -> list[tuple[int, int, int]]:
    """Stations whose offset from UTC is about to change: id, what it is, what it will be [min]."""
    said = {code: facts["utc_offset"] for code, facts in write.stations.items() if "utc_offset" in facts}
    return conn.execute(  # type: ignore[return-value]  # as the select says
        """
        SELECT t.id, t.utc_offset::int4, w.utc_offset::int4
        FROM station t JOIN unnest(%s::text[], %s::int2[]) AS w (code, utc_offset)
        ON w.code = t.code AND w.utc_offset <> t.utc_offset ORDER BY 1
        """,
        [list(said), list(said.values())],
    ).fetchall()


def _moved(conn: Connection, write: Registry) -> list[int]:
    codes = sorted({key.station for key in write.memberships})
    return _ids(conn, "SELECT id FROM station WHERE code = ANY(%s::text[])", [codes])


def _ruled(conn: Connection, write: Registry) -> list[int]:
    """Stations in a place, or anywhere, for which a standard was adopted."""
    places = sorted({key.place for key in write.adoptions})
    return _ids(
        conn,
        """
        SELECT id FROM station t WHERE '' = ANY(%(places)s::text[]) OR EXISTS (
            SELECT FROM membership m WHERE m.station = t.id AND m.kind || ':' || m.place = ANY(%(places)s::text[])
        )
        """,
        {"places": places},
    )


def _ids(conn: Connection, query: str, params: Any) -> list[int]:
    return [row[0] for row in conn.execute(query, params).fetchall()]  # type: ignore[misc]


def _stretches(conn: Connection, subject: str, stations: Iterable[int]) -> pl.DataFrame:
    """WINDOWS over all readings of `stations` and what stands on them, by `subject`, a column of `series`."""
    wanted: Sequence[int] = sorted(stations)
    # Savers of these series wait for this registration, so that none is settled by the old facts outside the stretch.
    conn.execute(
        """
        SELECT FROM latest l JOIN series s ON s.id = l.series WHERE s.station = ANY(%s::int4[])
        ORDER BY l.series FOR UPDATE OF l
        """,
        [wanted],
    )
    rows = conn.execute(
        f"""
        SELECT s.{subject}, min(o.time), max(l.time)
        FROM series s JOIN latest l ON l.series = s.id AND l.time IS NOT NULL
        CROSS JOIN LATERAL (SELECT min(time) AS time FROM observation WHERE series = s.id) AS o
        WHERE s.station = ANY(%s::int4[]) GROUP BY 1 ORDER BY 1
        """,
        [wanted],
    ).fetchall()
    found = pl.DataFrame(rows, schema={"subject": pl.Int32, "start": TIME, "stop": TIME}, orient="row")
    both = pl.concat([found.select(*WINDOWS), formulas.stretches(conn, subject, list(wanted))])
    whole = both.group_by("subject").agg(pl.col("start").min(), pl.col("stop").max()).sort("subject")
    return whole.with_columns(pl.col("start") - _BEFORE, pl.col("stop") + _AFTER).select(*WINDOWS)
