"""The JSON of an uplink of a LoRaWAN network server, as a `Form` says where what stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from analytics.telemetry.mqtt.strict import loaded

#: Fields of an uplink, and how deep they may lie: no radio carries more.
FIELDS, DEEPEST = 256, 8
#: Characters of a name: of a sensor, a session, a field.
LONGEST = 200
_COUNTERS = 2**32


class NoUplink(ValueError):
    """The bytes are no uplink: the message says why."""


class Number(str):
    """A number as it is written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Form:
    """Paths of what a network writes; of several ways the first that is there counts."""

    node: tuple[tuple[str, ...], ...]
    named: tuple[tuple[str, ...], ...]
    session: tuple[tuple[str, ...], ...]
    counter: tuple[tuple[str, ...], ...]
    time: tuple[tuple[str, ...], ...]
    fields: tuple[tuple[str, ...], ...]


class Uplink(NamedTuple):
    """What a sensor said: its fields by their path in small letters (`soil.1`), numbers and texts as written, an empty
    one None. `counter` is the frame counter in its `session`."""

    node: str
    session: str
    counter: int
    time: str
    fields: Mapping[str, str | None]


def forms(table: Mapping[str, Any]) -> dict[str, Form]:
    """The forms of a table, a block each."""
    names = Form.__dataclass_fields__
    return {
        name: Form(**{key: tuple(tuple(way.split(".")) for way in block[key]) for key in names})
        for name, block in table.items()
    }


def parse(payload: bytes, form: Form, topic: Mapping[str, str] | None = None) -> Uplink:
    """The uplink that `payload` is in the `form`. Raises `NoUplink`, also where the `topic` says another `node`.

    Who may publish under a topic is the broker's to say: what came under it speaks for no other sensor.
    """
    try:
        said = loaded(payload, Number)
    except UnicodeDecodeError:
        raise NoUplink("not UTF-8") from None
    except (ValueError, RecursionError):
        raise NoUplink("no JSON") from None
    node = _word(_at(said, form.node), "sensor")
    if not node:
        raise NoUplink("names no sensor")
    named = (topic or {}).get("node")
    if named is not None and named.lower() != _word(_at(said, form.named), "sensor").lower():
        raise NoUplink("its topic names another sensor")
    fields = _at(said, form.fields)
    if not isinstance(fields, dict):
        raise NoUplink(f"no decoded fields in {'.'.join(form.fields[0])}")
    session = _word(_at(said, form.session), "session")
    time = _word(_at(said, form.time), "time")
    return Uplink(node.lower(), session, _counter(_at(said, form.counter)), time, _flat(fields))


def _at(said: object, ways: Sequence[Sequence[str]]) -> object:
    """What stands at the first of `ways` at which something does."""
    for way in ways:
        found: object = said
        for key in way:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None and found != "":
            return found
    return None


def _word(found: object, what: str) -> str:
    """`found` as a text fit for a name; "" where it is not there. Raises `NoUplink`."""
    if found is None:
        return ""
    if not isinstance(found, str) or len(found) > LONGEST or not found.isprintable():
        raise NoUplink(f"unreadable {what}")
    return found.strip()


def _counter(found: object) -> int:
    if found is None:
        return 0
    if not isinstance(found, str) or not (found.isascii() and found.isdecimal() and len(found) <= 10):
        raise NoUplink("unreadable frame counter")
    if int(found) >= _COUNTERS:
        raise NoUplink("unreadable frame counter")
    return int(found)


def _flat(fields: Mapping[str, object]) -> dict[str, str | None]:
    """Fields of `fields` and of what lies in them, by path. Raises `NoUplink`."""
    found: dict[str, str | None] = {}
    for path, value in _leaves(fields, (), 1):
        if len(found) >= FIELDS:
            raise NoUplink(f"more than {FIELDS} fields")
        name = ".".join(path).lower()
        if not name or len(name) > LONGEST or not name.isprintable():
            raise NoUplink("a field without a readable name")
        if name in found:
            raise NoUplink(f"the field {name} is there twice"[:100])
        found[name] = value
    return found


def _leaves(value: object, path: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], str | None]]:
    if depth > DEEPEST + 1:
        raise NoUplink(f"fields lie deeper than {DEEPEST}")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key).strip()), depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(number)), depth + 1)
    elif isinstance(value, bool):
        yield path, str(value).lower()
    else:
        # Without halves of characters, which an escape can smuggle in and no file can hold.
        yield (
            path,
            value if value is None or isinstance(value, Number) else str(value).encode(errors="replace").decode(),
        )
