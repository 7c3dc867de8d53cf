"""What is forecast and how: tables/forecasts.toml as values."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from analytics import tables
from analytics.forecasting._calendar import known
from analytics.forecasting._scale import SCALES, Subject
from analytics.tables import NUMBER, Content, TableError

TABLE = "forecasts"
ORIGIN = {"source": str, "confidence": str}


@dataclass(frozen=True, slots=True)
class Settings:
    """The numbers that hold for every series; what each means stands beside it in the table."""

    leads: int
    history: int
    fresh: int
    least: int
    damping: float
    mean: int
    season: int
    seasons_back: int
    window: int
    refit: int
    harmonics: int
    order: int
    least_fit: int
    backtest: int
    step: int
    groups: tuple[int, ...]
    least_origins: int
    level: float
    rate: float
    budget: int
    wide: float = 0.95
    gates: tuple[int, ...] = ()
    learn: int = 17_520
    learn_every: int = 672
    learn_series: int = 100
    beside: tuple[str, ...] = ()
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole table. A parameter that is not among `subjects` is not forecast."""

    settings: Settings
    subjects: Mapping[str, Subject]


def load() -> Plan:
    """The plan of the package table."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> Plan:
    """The plan of `content`. Raises `TableError` naming block and key."""
    records = tables.records(content, TABLE)
    tables.check(records, TABLE, needs={"settings": dict, "parameters": dict})
    subjects = {name: _subject(name, record) for name, record in _blocks(records["parameters"], "parameters").items()}
    return Plan(_settings(_blocks(records["settings"], "settings")), subjects)


def _blocks(records: Mapping[str, Any], place: str) -> Mapping[str, Mapping[str, Any]]:
    for name, record in records.items():
        if not isinstance(record, dict):
            raise TableError(f"{TABLE}: [{place}] {name!r} must be a table")
    return records


def _settings(blocks: Mapping[str, Mapping[str, Any]]) -> Settings:
    """A number that came later than an edition has its default there."""
    types = {field.name: field.type for field in fields(Settings)}
    kinds: dict[str, Any] = {name: _KINDS[type_] for name, type_ in types.items()}
    needs = {field.name: dict for field in fields(Settings) if field.default is MISSING}
    tables.check(blocks, f"{TABLE}: [settings]", needs=needs, allows=dict.fromkeys(kinds.keys() - needs.keys(), dict))
    values: dict[str, Any] = {}
    for name, record in blocks.items():
        place = f"{TABLE}: [settings] {name!r}"
        tables.check(record, place, needs={"value": kinds[name], **ORIGIN}, allows={"unit": str})
        value = record["value"]
        held, words = _HELD.get(types[name], (object, ""))
        if isinstance(value, list) and not all(isinstance(item, held) for item in value):
            raise TableError(f"{place} 'value' must hold {words}")
        values[name] = tuple(value) if isinstance(value, list) else value
    found = Settings(**values)
    _sound(found)
    return found


#: type of a setting -> what its value may be in the table
_KINDS: Mapping[Any, Any] = {int: int, float: NUMBER, str: str, tuple[int, ...]: list, tuple[str, ...]: list}
#: type of a setting -> what a list of it holds, and in words
_HELD: Mapping[Any, tuple[type, str]] = {tuple[int, ...]: (int, "whole numbers"), tuple[str, ...]: (str, "names")}


def _sound(found: Settings) -> None:
    """Nothing. Raises `TableError` where numbers contradict one another."""
    place = f"{TABLE}: [settings]"
    lengths = {field.name: getattr(found, field.name) for field in fields(Settings) if field.type is int}
    if small := [name for name, value in lengths.items() if value < (0 if name == "budget" else 1)]:
        raise TableError(f"{place} {small[0]!r} is too small")
    for name, lasts in (("groups", found.groups), ("gates", found.gates or found.groups)):
        if list(lasts) != sorted(set(lasts)) or lasts[-1:] != (found.leads,):
            raise TableError(f"{place} {name!r} must rise and end with 'leads'")
    if not 0 < found.level < 1 or not 0 <= found.rate < 1:
        raise TableError(f"{place} 'level' and 'rate' must lie between 0 and 1")
    if not found.level <= found.wide < 1:
        raise TableError(f"{place} 'wide' must lie between 'level' and 1")
    if found.damping <= 0 or found.backtest + max(found.mean, found.window) > found.history:
        raise TableError(f"{place} 'damping' must be positive, 'backtest' with 'mean' or 'window' fit into 'history'")
    if found.calendar and not known(found.calendar):
        raise TableError(f"{place} 'calendar' cannot be {found.calendar!r}: a country by its two letters")
    if found.backtest % found.step:
        raise TableError(f"{place} 'backtest' must hold whole steps")


def _subject(name: str, record: Mapping[str, Any]) -> Subject:
    place = f"{TABLE}: [parameters.{name}]"
    allows: dict[str, Any] = {
        "scale": str,
        "models": list,
        "limits": list,
        **dict.fromkeys(("offset", "floor", "ceiling"), NUMBER),
    }
    tables.check(record, place, needs=ORIGIN, allows=allows)
    kept: dict[str, Any] = {key: value for key, value in record.items() if key not in ORIGIN}
    limits = kept.get("limits", [])
    if not all(isinstance(limit, (int, float)) and not isinstance(limit, bool) for limit in limits):
        raise TableError(f"{place} 'limits' must hold numbers")
    lists = {"models": tuple(kept.get("models", ())), "limits": tuple(map(float, limits))}
    found = Subject(name, **{**kept, **lists})
    if found.scale not in SCALES:
        raise TableError(f"{place} 'scale' cannot be {found.scale!r}: one of {', '.join(SCALES)}")
    if found.scale != "none" and not found.floor + found.offset >= 0:
        raise TableError(f"{place} 'scale' {found.scale!r} needs a 'floor' at or above -'offset'")
    if found.scale == "log" and found.offset <= 0:
        raise TableError(f"{place} 'scale' 'log' needs an 'offset' above 0, or zero has no place on it")
    return found
