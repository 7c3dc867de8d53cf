"""Devices of a register file, and in the database. A password comes by here once: only its keyed hash goes on."""

import json
from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

import polars as pl

from analytics import tables, units
from analytics.parameters import Parameter
from analytics.store.connection import Connection
from analytics.store.register import values
from analytics.store.register.draft import Draft, Entry, nearest
from analytics.store.register.model import DEVICE, Change, Problem, Registry, news, offset, step
from analytics.store.register.values import Bad, shown
from analytics.store.registry import Channel
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
        "sentinels": _numbers,
        "bends": _bends,
    }
    found, _ = draft.take(entry, readers, needs=("mn",))
    mn = found.pop("mn", None)
    if mn is None:
        return
    if ("device", mn) in draft.lines:
        draft.refuse(entry.line(""), f"device {mn!r} stands at line {draft.lines['device', mn]} already")
        return
    draft.lines["device", mn] = entry.line("")
    for key in entry.values:
        draft.lines[f"device {key.removesuffix('_env')}", mn] = entry.line(key)
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
            reader = values.word if name == "units" else partial(_channel, draft)
            found, sound = draft.take(entry, dict.fromkeys(entry.values, reader))
            found = {key.lower(): value for key, value in found.items()}
        if sound:
            said[name] = found
    channels = said.get("channels", {})
    for code, unit in said.get("units", {}).items():
        base = channels.get(code) or (_factors()[code].channel if code in _factors() else None)
        parameter = draft.parameters.get(Channel.parse(base).parameter) if base else None
        line = parts["units"].line(code)
        if parameter is not None and (reason := _unlike(unit, parameter)):
            draft.refuse(line, f"{code} [{unit}] cannot be {parameter.name}: {reason}")
    return said


@cache
def _factors() -> Mapping[str, Factor]:
    rows = tables.read("hj212_factors")
    assert isinstance(rows, list)
    return factors(rows)


def _unlike(unit: str, parameter: Parameter) -> str | None:
    """Why values in `unit` cannot be those of `parameter`; None where they can."""
    try:
        units.convert(pl.lit(0.0), unit, parameter.unit)
    except units.UnknownUnit as problem:
        return str(problem)
    return None


def _channel(draft: Draft, raw: object) -> str:
    word = values.word(raw)
    if not word:
        return ""
    parts = Channel.parse(word)
    return str(Channel(draft.parameter(parts.parameter), parts.position, parts.statistic))


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


def _numbers(raw: object) -> list[float]:
    if not isinstance(raw, list) or not all(isinstance(one, int | float) and abs(one) < 1e15 for one in raw):
        raise Bad(f"must be numbers, as [-1, 9999], not {shown(raw)}")
    return sorted({float(one) for one in raw})


def _bends(raw: object) -> list[str]:
    known = sorted(bend.name for bend in NAMED)
    if not isinstance(raw, list) or not all(one in known for one in raw):
        raise Bad(f"cannot be {shown(raw)}: it is a list of {', '.join(known)}")
    return sorted(set(raw))


def dangling(stored: Registry, draft: Draft) -> Iterator[Problem]:
    """Devices at stations that are neither registered nor in the file, and new ones that lack a fact."""
    stations = {*stored.stations, *draft.rows.stations}
    for mn, facts in draft.rows.devices.items():
        station = facts.get("station")
        if station is not None and station not in stations and station not in draft.shaky:
            near = nearest(str(station), stations)
            line = draft.lines["device station", mn]
            yield Problem(line, f"device names station {station!r}, neither registered nor in this file{near}")
        absent = [key for key in _NEEDED if (f"device {key}", mn) not in draft.lines]
        if absent and mn not in stored.devices:
            yield Problem(draft.lines["device", mn], f"device {mn!r} is new and lacks {', '.join(absent)}")


def compare(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    """What is new or other."""
    for mn, facts in sorted(said.devices.items()):
        old = stored.devices.get(mn)
        other = news(old, facts)
        if old is not None and not other:
            continue
        write.devices[mn] = other
        fields = [_field(key, None if old is None else old.get(key), value) for key, value in other.items()]
        yield Change("device", mn, old is None, tuple(fields))


def _field(key: str, old: object, new: object) -> tuple[str, str | None, str]:
    if key == "key":
        return "password", None if old is None else "as it was", "set" if old is None else "another"
    return key, None if old is None else _words(key, old), _words(key, new)


def _words(key: str, value: Any) -> str:
    if key == "utc_offset":
        return offset(int(value))
    if key == "cadences":
        value = {command: step(seconds) for command, seconds in value.items()}
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


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
        [list(said.devices), *([_stored(facts.get(key)) for facts in said.devices.values()] for key in DEVICE)],
    )


def _stored(value: object) -> object:
    """Tables and lists as JSON; the rest as it is."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
