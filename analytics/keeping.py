"""How long rows are kept: the package table `keeping`, and what a site says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from analytics import tables
from analytics.tables import Content, TableError

TABLE = "keeping"

HOW = ("archive", "follow", "delete", "keep")


@dataclass(frozen=True, slots=True)
class Policy:
    """How one table is kept; as tables/keeping.toml says. `days`, `least`, `compress` [d], 0: never."""

    name: str
    title: str
    title_zh: str
    how: str
    days: int
    source: str
    confidence: str
    least: int = 0
    compress: int = 0
    #: where archives go; only a site knows
    folder: str = ""


def load() -> dict[str, Policy]:
    """The policies of the package table, by name."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Policy]:
    """The policies of `content`, by name. Raises `TableError` naming block and key."""
    needs: dict[str, Any] = dict.fromkeys(("title", "title_zh", "how", "source", "confidence"), str)
    found = {}
    for name, record in tables.records(content, TABLE).items():
        place = f"{TABLE}: [{name}]"
        tables.check(record, place, needs={**needs, "days": int}, allows={"least": int, "compress": int})
        policy = Policy(name=name, **record)
        if policy.how not in HOW:
            raise TableError(f"{place} 'how' cannot be {policy.how!r}: one of {', '.join(HOW)}")
        if min(policy.days, policy.least, policy.compress) < 0:
            raise TableError(f"{place} 'days', 'least', 'compress' cannot be below 0")
        if policy.days and (policy.days < policy.least or policy.how not in ("archive", "delete")):
            raise TableError(f"{place} 'days' cannot be {policy.days}")
        found[name] = policy
    return found


def at_site(policies: Mapping[str, Policy], said: Mapping[str, tuple[int, str]]) -> dict[str, Policy]:
    """`policies` with the days and folders that the site `said`; what no table knows any more is left out."""
    return {
        name: replace(policy, days=said[name][0], folder=said[name][1]) if name in said else policy
        for name, policy in policies.items()
    }
