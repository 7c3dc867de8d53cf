"""Devices of a register file, and in the database. A password comes by here once: only its keyed hash goes on."""

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

from analytics import tables
from analytics.store.connection import Connection
from analytics.store.register import named, values
from analytics.store.register.draft import Draft, Entry
from analytics.store.register.model import DEVICE, Change, Problem, Registry, offset, step
from analytics.store.register.values import Bad, shown
from analytics.telemetry.hj212.codes import CADENCES, Factor, factors
from analytics.telemetry.hj212.devices import keyed
from analytics.telemetry.hj212.frames import NAMED

#: The tables inside a device.
PARTS = ("cadences", "units", "channels")
#: What a new device must have.
_NEEDED = ("station", "password")
_EDITIONS = (2005, 2017, 2025)
#: Signs that end a field of a message: a password with them would never be read.
_SIGNS = frozenset(";,&=")
_LONGEST = 64


def note(draft: Draft, entry: Entry, parts: Mapping[str, Entry]) -> None:
    """Notes a device: what is not said stays as it is, a table of it is one fact."""
    readers = {
        "mn": values.name,
        "station": values.name,
        "password": _password,
        "password_env": values.name,
        "edition": _edition,
        "utc_offset": values.utc_offset,
        "sentinels": named.sentinels,
        "bends": _bends,
    }
    mn, found = named.noted(draft, "device", "mn", entry, readers)
    if mn is None:
        return
    if "password_env" in entry.values:
        draft.lines["device password", mn] = entry.line("password_env")
    said = _parts(draft, parts)
    password = _said(draft, entry, found)
    facts = {**found, **said}
    if password is not None:
        if draft.secrets.pepper is None:
            draft.refuse(
                draft.lines["device password", mn],
                "a password needs GREENWATCH_PEPPER, the secret under which it is kept: set it to 16 characters or "
                "more, the same for `register` and `listen`",
            )
        else:
            facts["key"] = keyed(draft.secrets.pepper, mn, password)
    draft.rows.devices[mn] = facts


def _said(draft: Draft, entry: Entry, found: dict[str, Any]) -> str | None:
    """The password that the file says or names; None where it says none, or none that can be."""
    password, named = found.pop("password", None), found.pop("password_env", None)
    if named is None:
        return None if password is None else str(password)
    line = entry.line("password_env")
    if "password" in entry.values:
        draft.refuse(line, "password and password_env: one of them is enough")
        return None
    if named not in draft.secrets.words:
        draft.refuse(line, f"password_env names {named!r}, which is not set in the environment")
        return None
    try:
        return _password(draft.secrets.words[named])
    except Bad as bad:
        draft.refuse(line, f"the password in {named!r} {bad}")
        return None


def _parts(draft: Draft, parts: Mapping[str, Entry]) -> dict[str, Any]:
    """The tables of a device, codes in lower case."""
    said: dict[str, Any] = {}
    for name, entry in parts.items():
        if name == "cadences":
            found, sound = draft.take(entry, dict.fromkeys(CADENCES, values.cadence))
        else:
            reader = values.word if name == "units" else partial(named.channel, draft)
            found, sound = draft.take(entry, dict.fromkeys(entry.values, reader))
            found = {key.lower(): value for key, value in found.items()}
        if sound:
            said[name] = found
    if "units" in said:
        channels = {code: factor.channel for code, factor in _factors().items() if factor.channel}
        channels.update({code: base for code, base in said.get("channels", {}).items() if base})
        named.measured(draft, parts["units"], channels, said["units"])
    return said


@cache
def _factors() -> Mapping[str, Factor]:
    rows = tables.read("hj212_factors")
    assert isinstance(rows, list)
    return factors(rows)


def _password(raw: object) -> str:
    # The value is in none of these words: they are printed and logged.
    if not isinstance(raw, str) or not raw.isprintable() or not 0 < len(raw) <= _LONGEST or raw != raw.strip():
        raise Bad(f"must be text of 1 to {_LONGEST} characters, none of them a blank at an end")
    if not _SIGNS.isdisjoint(raw):
        raise Bad("holds one of ; , & = and could not be sent in a message")
    return raw


def _edition(raw: object) -> int:
    if raw not in _EDITIONS or isinstance(raw, bool):
        raise Bad(f"cannot be {shown(raw)}: write {', '.join(map(str, _EDITIONS))}")
    return int(str(raw))


def _bends(raw: object) -> list[str]:
    known = sorted(bend.name for bend in NAMED)
    if not isinstance(raw, list) or not all(one in known for one in raw):
        raise Bad(f"cannot be {shown(raw)}: it is a list of {', '.join(known)}")
    return sorted(set(raw))


def dangling(stored: Registry, draft: Draft) -> Iterator[Problem]:
    """Devices at stations that are neither registered nor in the file, and new ones that lack a fact."""
    for mn, facts in draft.rows.devices.items():
        if "station" in facts:
            yield from named.homeless(stored, draft, draft.lines["device station", mn], "device", str(facts["station"]))
        if mn not in stored.devices:
            yield from named.lacking(draft, "device", mn, _NEEDED)


def compare(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    """What is new or other; of a password, that it is."""
    for change in named.changes("device", stored.devices, said.devices, write.devices, _words):
        fields = [_hidden(*field) if field[0] == "key" else field for field in change.fields]
        yield change._replace(fields=tuple(fields))


def _hidden(key: str, old: str | None, new: str) -> tuple[str, str | None, str]:
    return ("password", None, "set") if old is None else ("password", "as it was", "another")


def _words(key: str, value: Any) -> str:
    if key == "utc_offset":
        return offset(int(value))
    if key == "cadences":
        value = {command: step(seconds) for command, seconds in value.items()}
    return "" if key == "key" else named.plainly(value)


def load(conn: Connection) -> dict[str, dict[str, object]]:
    """The facts of each device by its number."""
    rows: list[Any] = conn.execute(
        f"SELECT d.mn, t.code, {', '.join(f'd.{key}' for key in DEVICE[1:])}"
        " FROM device d JOIN station t ON t.id = d.station"
    ).fetchall()
    return {mn: dict(zip(DEVICE, facts, strict=True)) for mn, *facts in rows}


def write(conn: Connection, said: Registry) -> None:
    """Nothing; the devices are as they are said to be. Their stations are registered."""
    if not said.devices:
        return
    # A fact that the file leaves out stays.
    conn.execute(
        """
        INSERT INTO device AS d (mn, station, key, edition, utc_offset, cadences, units, channels, sentinels, bends)
        SELECT w.mn, coalesce((SELECT id FROM station WHERE code = w.station), o.station), coalesce(w.key, o.key),
               coalesce(w.edition, o.edition, 2017), coalesce(w.utc_offset, o.utc_offset, 480),
               coalesce(w.cadences::jsonb, o.cadences, '{}'), coalesce(w.units::jsonb, o.units, '{}'),
               coalesce(w.channels::jsonb, o.channels, '{}'), coalesce(w.sentinels::jsonb, o.sentinels, '[]'),
               coalesce(w.bends::jsonb, o.bends, '[]')
        FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::int2[], %s::int2[], %s::text[], %s::text[], %s::text[],
                    %s::text[], %s::text[])
            AS w (mn, station, key, edition, utc_offset, cadences, units, channels, sentinels, bends)
        LEFT JOIN device o ON o.mn = w.mn
        ON CONFLICT (mn) DO UPDATE SET station = EXCLUDED.station, key = EXCLUDED.key, edition = EXCLUDED.edition,
            utc_offset = EXCLUDED.utc_offset, cadences = EXCLUDED.cadences, units = EXCLUDED.units,
            channels = EXCLUDED.channels, sentinels = EXCLUDED.sentinels, bends = EXCLUDED.bends
        """,
        [list(said.devices), *named.columns(said.devices.values(), DEVICE)],
    )
