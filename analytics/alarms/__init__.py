"""Alarms: what holds now and what was remembered -> the states that follow, and who is told of what.

machine.py has the frames (`STATE`, `EVIDENCE`, `EVENTS`) and the one machine for alarms of all kinds; rules.py the
rules; a module a kind makes the evidence; hush.py says whom nobody is told of for now. A new kind is its module with
`KEYS`, a line in `KINDS`, and a line in `jobs.watch.look.KINDS`.
"""

from collections.abc import Mapping

from analytics import tables
from analytics.alarms import episode, forecast, outage, reading, region, silence
from analytics.alarms.machine import (
    ACTIVE,
    BLIND,
    EVENTS,
    EVIDENCE,
    FIRING,
    HUSHED,
    LASTING,
    OK,
    PENDING,
    REASONS,
    RECOVERING,
    STATE,
    STATES,
    WITHDRAWN,
    Watched,
    after,
    asking,
    lasting,
    move,
    tell,
    watch,
)
from analytics.alarms.rules import SCOPES, SEVERITIES, SUBJECT, TABLE, Escalation, Keys, Rule, held_back, of_kind
from analytics.alarms.rules import parse as _parse
from analytics.tables import Content

#: Who makes the evidence of a rule.
KINDS: Mapping[str, Keys] = {
    "episode": episode.KEYS,
    "forecast": forecast.KEYS,
    "outage": outage.KEYS,
    "reading": reading.KEYS,
    "region": region.KEYS,
    "silence": silence.KEYS,
}

__all__ = [
    "ACTIVE",
    "BLIND",
    "EVENTS",
    "EVIDENCE",
    "FIRING",
    "HUSHED",
    "KINDS",
    "LASTING",
    "OK",
    "PENDING",
    "REASONS",
    "RECOVERING",
    "SCOPES",
    "SEVERITIES",
    "STATE",
    "STATES",
    "SUBJECT",
    "TABLE",
    "WITHDRAWN",
    "Escalation",
    "Keys",
    "Rule",
    "Watched",
    "after",
    "asking",
    "check",
    "held_back",
    "lasting",
    "load",
    "move",
    "of_kind",
    "parse",
    "tell",
    "watch",
]


def load() -> dict[str, Rule]:
    """The rules of the package table, by name."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Rule]:
    """The rules of `content`, by name. Raises `TableError` naming block and key."""
    return _parse(content, KINDS)


def check(
    rules: Mapping[str, Rule],
    depths: Mapping[str, int],
    bridges: Mapping[str, int],
    abouts: Mapping[str, str] | None = None,
) -> None:
    """Nothing, where rules fit each other, and the episode rules they lean on (`depths`: levels of each, `bridges`,
    `abouts`: what each is about). Or `TableError`."""
    episode.check(of_kind(rules, "episode"), depths, bridges, abouts or {})
    forecast.check(of_kind(rules, "forecast"), depths)
    region.check(rules)
