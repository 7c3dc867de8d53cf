"""Pulls (`[[pull]]`) of a register file, and in the database."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analytics.store.connection import Connection
from analytics.store.register import named, values
from analytics.store.register.draft import Draft, Entry
from analytics.store.register.model import PULL, Change, Problem, Registry, step
from analytics.store.register.values import Bad, shown

_NEEDED = ("connector", "ids")
#: Ids of one pull: each is asked for by itself.
_MOST = 1_000
_URL = re.compile(r"https?://[A-Za-z0-9.\-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/\-]*)?|http://\[::1\](?::[0-9]{1,5})?")


def note(draft: Draft, entry: Entry) -> None:
    """Notes a pull: what is not said stays as it is, its ids are one fact."""
    readers = {
        "name": values.name,
        "connector": values.name,
        "ids": _ids,
        "every": values.cadence,
        "horizon": values.cadence,
        "url": _url,
        "on": _switch,
    }
    name, found = named.noted(draft, "pull", "name", entry, readers)
    if name is None:
        return
    if "connector" in found and found["connector"] not in draft.connectors:
        draft.unknown(entry.line("connector"), found.pop("connector"), draft.connectors, "connector")
    draft.rows.pulls[name] = found


def _ids(raw: object) -> dict[str, str]:
    if isinstance(raw, list):
        raw = {one: "" for one in raw if isinstance(one, str)} if all(isinstance(one, str) for one in raw) else None
    if not isinstance(raw, dict) or not raw or not all(isinstance(one, str) for one in raw.values()):
        raise Bad('must be ["id", ...], or { id = "station", ... }')
    if len(raw) > _MOST:
        raise Bad(f"are more than {_MOST:,}: make several pulls of them")
    return {values.name(one): values.word(station) for one, station in raw.items()}


def _url(raw: object) -> str:
    word = values.text(raw).rstrip("/")
    if not _URL.fullmatch(word) or len(word) > 500:
        raise Bad(f"cannot be {shown(raw)}: write an address as https://host/path, without a name, a key or a question")
    return word


def _switch(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise Bad(f"must be true or false, not {shown(raw)}")
    return raw


def dangling(stored: Registry, draft: Draft) -> Iterator[Problem]:
    """Pulls for stations that are neither registered nor in the file, ids that need one, new ones that lack a fact."""
    for name, facts in draft.rows.pulls.items():
        said: Mapping[str, Any] = {**stored.pulls.get(name, {}), **facts}
        line = draft.lines["pull", name]
        at = draft.lines.get(("pull ids", name), line)
        if name not in stored.pulls:
            yield from named.lacking(draft, "pull", name, _NEEDED)
        kind = draft.connectors.get(str(said.get("connector")))
        for one, station in (said.get("ids") or {}).items():
            if kind == "named" and not station:
                yield Problem(at, f'id {one!r} needs its station: write ids = {{ {json.dumps(one)} = "code" }}')
                break
            wanted = one if kind == "stations" else station
            if wanted and (kind == "stations" or at != line):
                yield from named.homeless(stored, draft, at, "pull", wanted)


def compare(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    """What is new or other."""
    return named.changes("pull", stored.pulls, said.pulls, write.pulls, _words)


def _words(key: str, value: Any) -> str:
    return step(int(value)) if key in ("every", "horizon") else named.plainly(value)


def load(conn: Connection) -> dict[str, dict[str, object]]:
    """The facts of each pull by its name."""
    rows: list[Any] = conn.execute('SELECT name, connector, ids, every, horizon, url, "on" FROM pull').fetchall()
    return {name: dict(zip(PULL, facts, strict=True)) for name, *facts in rows}


def write(conn: Connection, said: Registry) -> None:
    """Nothing; the pulls are as they are said to be. A fact that the file leaves out stays."""
    conn.execute(
        """
        INSERT INTO pull AS p (name, connector, ids, every, horizon, url, "on")
        SELECT w.name, coalesce(w.connector, o.connector), coalesce(w.ids::jsonb, o.ids), coalesce(w.every, o.every),
               coalesce(w.horizon, o.horizon), coalesce(w.url, o.url), coalesce(w."on", o."on", true)
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::int4[], %s::int4[], %s::text[], %s::boolean[])
            AS w (name, connector, ids, every, horizon, url, "on")
        LEFT JOIN pull o ON o.name = w.name
        ON CONFLICT (name) DO UPDATE SET connector = EXCLUDED.connector, ids = EXCLUDED.ids,
            every = EXCLUDED.every, horizon = EXCLUDED.horizon, url = EXCLUDED.url, "on" = EXCLUDED."on"
        """,
        [list(said.pulls), *named.columns(said.pulls.values(), PULL)],
    )
