"""What may emit (`[[emitter]]`) of a register file, and in the database."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from analytics.store.connection import Connection
from analytics.store.register import named, values
from analytics.store.register.draft import Draft, Entry
from analytics.store.register.model import EMITTER, Change, Problem, Registry
from analytics.store.register.values import Bad, shown

_NEEDED = ("longitude", "latitude")


def note(draft: Draft, entry: Entry) -> None:
    """Notes an emitter: what is not said stays as it is, what it emits is one fact."""
    readers: dict[str, Callable[[object], Any]] = {
        "name": values.name,
        "title": values.text,
        "title_zh": values.text,
        "longitude": values.longitude,
        "latitude": values.latitude,
        "emits": partial(_emits, draft),
    }
    name, found = named.noted(draft, "emitter", "name", entry, readers)
    if name is not None:
        draft.rows.emitters[name] = found


def _emits(draft: Draft, raw: object) -> list[str]:
    if not isinstance(raw, list):
        raise Bad(f'must be parameters, as ["tvoc", "h2s"], or [] for anything, not {shown(raw)}')
    return sorted({draft.parameter(one) for one in raw})


def dangling(stored: Registry, draft: Draft) -> Iterator[Problem]:
    """New ones that lack a fact."""
    for name in draft.rows.emitters:
        if name not in stored.emitters:
            yield from named.lacking(draft, "emitter", name, _NEEDED)


def compare(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    """What is new or other."""
    return named.changes(
        "emitter", stored.emitters, said.emitters, write.emitters, lambda _, value: named.plainly(value)
    )


def load(conn: Connection) -> dict[str, dict[str, object]]:
    """The facts of each emitter by its name."""
    rows: list[Any] = conn.execute("SELECT name, title, title_zh, longitude, latitude, emits FROM emitter").fetchall()
    return {name: dict(zip(EMITTER, facts, strict=True)) for name, *facts in rows}


def write(conn: Connection, said: Registry) -> None:
    """Nothing; the emitters are as they are said to be. A fact that the file leaves out stays."""
    conn.execute(
        """
        INSERT INTO emitter AS e (name, title, title_zh, longitude, latitude, emits)
        SELECT w.name, coalesce(w.title, o.title, ''), coalesce(w.title_zh, o.title_zh, ''),
               coalesce(w.longitude, o.longitude), coalesce(w.latitude, o.latitude),
               coalesce(w.emits::jsonb, o.emits, '[]')
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::float8[], %s::float8[], %s::text[])
            AS w (name, title, title_zh, longitude, latitude, emits)
        LEFT JOIN emitter o ON o.name = w.name
        ON CONFLICT (name) DO UPDATE SET title = EXCLUDED.title, title_zh = EXCLUDED.title_zh,
            longitude = EXCLUDED.longitude, latitude = EXCLUDED.latitude, emits = EXCLUDED.emits
        """,
        [list(said.emitters), *named.columns(said.emitters.values(), EMITTER)],
    )
