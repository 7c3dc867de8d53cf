"""Sensors behind a network (`[[node]]`) of a register file, and in the database."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from analytics.store.connection import Connection
from analytics.store.register import named, values
from analytics.store.register.draft import Draft, Entry
from analytics.store.register.model import NODE, Change, Problem, Registry, step

#: The tables inside a node.
PARTS = ("channels", "units")
_NEEDED = ("station", "channels")


def note(draft: Draft, entry: Entry, parts: Mapping[str, Entry]) -> None:
    """Notes a sensor: what is not said stays as it is, a table of it is one fact."""
    readers = {"id": _id, "station": values.name, "cadence": values.cadence, "sentinels": named.sentinels}
    name, found = named.noted(draft, "node", "id", entry, readers)
    if name is None:
        return
    for key in parts:
        draft.lines[f"node {key}", name] = entry.line(key)
    said: dict[str, dict[str, str]] = {}
    for key, part in parts.items():
        reader = values.word if key == "units" else partial(named.channel, draft)
        items, sound = draft.take(part, dict.fromkeys(part.values, reader))
        if sound:
            said[key] = {field.strip().lower(): value for field, value in items.items()}
    if "units" in said:
        named.measured(draft, parts["units"], said.get("channels", {}), said["units"])
    draft.rows.nodes[name] = {**found, **said}


def _id(raw: object) -> str:
    return values.name(raw).lower()


def dangling(stored: Registry, draft: Draft) -> Iterator[Problem]:
    """Sensors at stations that are neither registered nor in the file, and new ones that lack a fact."""
    for name, facts in draft.rows.nodes.items():
        if "station" in facts:
            yield from named.homeless(stored, draft, draft.lines["node station", name], "node", str(facts["station"]))
        if name not in stored.nodes:
            yield from named.lacking(draft, "node", name, _NEEDED)


def compare(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    """What is new or other."""
    return named.changes("node", stored.nodes, said.nodes, write.nodes, _words)


def _words(key: str, value: Any) -> str:
    return step(int(value)) if key == "cadence" else named.plainly(value)


def load(conn: Connection) -> dict[str, dict[str, object]]:
    """The facts of each sensor by its id."""
    rows: list[Any] = conn.execute(
        "SELECT n.id, t.code, n.cadence, n.channels, n.units, n.sentinels"
        " FROM node n JOIN station t ON t.id = n.station"
    ).fetchall()
    return {name: dict(zip(NODE, facts, strict=True)) for name, *facts in rows}


def write(conn: Connection, said: Registry) -> None:
    """Nothing; the sensors are as they are said to be. Their stations are registered."""
    if not said.nodes:
        return
    # A fact that the file leaves out stays.
    conn.execute(
        """
        INSERT INTO node AS n (id, station, cadence, channels, units, sentinels)
        SELECT w.id, coalesce((SELECT id FROM station WHERE code = w.station), o.station),
               coalesce(w.cadence, o.cadence), coalesce(w.channels::jsonb, o.channels, '{}'),
               coalesce(w.units::jsonb, o.units, '{}'), coalesce(w.sentinels::jsonb, o.sentinels, '[]')
        FROM unnest(%s::text[], %s::text[], %s::int4[], %s::text[], %s::text[], %s::text[])
            AS w (id, station, cadence, channels, units, sentinels)
        LEFT JOIN node o ON o.id = w.id
        ON CONFLICT (id) DO UPDATE SET station = EXCLUDED.station, cadence = EXCLUDED.cadence,
            channels = EXCLUDED.channels, units = EXCLUDED.units, sentinels = EXCLUDED.sentinels
        """,
        [list(said.nodes), *named.columns(said.nodes.values(), NODE)],
    )
