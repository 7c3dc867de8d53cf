"""The package tables in force, parsed, by the period they hold for."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import polars as pl

from analytics import (
    alarms,
    averaging,
    derivation,
    detection,
    episodes,
    parameters,
    quality,
    regions,
    standards,
    tables,
)
from analytics.store import migrations, registry
from analytics.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Tables:
    """The package tables, parsed."""

    parameters: Mapping[str, parameters.Parameter]
    averagings: Mapping[str, averaging.Averaging]
    marks: Mapping[str, int | None]
    standards: standards.Standards
    episodes: Mapping[str, episodes.Rule]
    alarms: Mapping[str, alarms.Rule]
    detectors: Mapping[str, Mapping[str, Any]]
    derivations: Mapping[str, derivation.Kind]
    regions: Mapping[str, regions.Reach]
    #: as `episodes.feasts` reads it
    feasts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rules(Tables):
    """Those in force for observations of [since, until). None is without end."""

    since: datetime | None
    until: datetime | None
    edition: int

    def meets(self, start: datetime, stop: datetime) -> bool:
        """Whether some of [start, stop) lies in the period."""
        return (self.since is None or self.since < stop) and (self.until is None or self.until > start)

    def covers(self, time: pl.Expr) -> pl.Expr:
        """Whether `time` lies in the period."""
        early = pl.lit(True) if self.since is None else time >= self.since
        return early if self.until is None else early & (time < self.until)


def load_rules(conn: Connection, known: datetime | None = None) -> list[Rules]:
    """The rules of every period, oldest first: a package table that changed holds for what is observed from then on.

    What an edition never named it did not rule out: a parameter, an averaging, a kind of derivation or a standard that
    came later holds for the time before, too. With `known`, as they were at that time.
    """
    dated = migrations.texts(conn, known)
    if missing := sorted(set(tables.names()) - dated.keys()):
        raise migrations.unknown(missing[0])
    dated = {name: dated[name] for name in tables.names()}
    starts = sorted({since for found in dated.values() for _, since, _ in found if since is not None})
    newest = tuple((name, found[-1][2]) for name, found in dated.items())
    site = json.dumps(registry.load_adoptions(conn))
    out = []
    for since, until in zip([None, *starts], [*starts, None], strict=True):
        valid = {
            name: [item for item in found if item[1] is None or (since is not None and item[1] <= since)][-1]
            for name, found in dated.items()
        }
        read = _parsed(tuple((name, item[2]) for name, item in valid.items()), newest, site)
        parts = {name: getattr(read, name) for name in Tables.__slots__}
        out.append(Rules(since=since, until=until, edition=valid["parameters"][0], **parts))
    return out


#: Some hundred kilobytes of text are read in a tenth of a second, and are the same nearly always.
@lru_cache(maxsize=16)
def _parsed(valid: tuple[tuple[str, str], ...], newest: tuple[tuple[str, str], ...], site: str) -> Tables:
    """The tables `valid` at a time, grown by what the `newest` add, and by the adoptions of the `site`; all as JSON."""
    content = _grown(*({name: json.loads(text) for name, text in some} for some in (valid, newest)))
    content["standards/adoptions"] = [*content["standards/adoptions"], *json.loads(site)]
    return Tables(
        parameters.parse(content["parameters"]),
        averaging.parse(content["averagings"]),
        quality.marks(content["marks"]),
        standards.parse(content),
        episodes.parse(content["episodes"]),
        alarms.parse(content["alarms"]),
        detection.parse(content["detectors"]),
        derivation.parse(content["derivations"]),
        regions.parse(content["regions"]),
        content["feasts"],
    )


def _grown(content: dict[str, Any], newest: dict[str, Any]) -> dict[str, Any]:
    """`content` with the parameters, averagings, derivations and standards of `newest` that it does not name."""
    grown = dict(content)
    for name in ("parameters", "averagings", "derivations"):
        grown[name] = {**{key: row for key, row in newest[name].items() if key not in content[name]}, **content[name]}
    new = set(newest["averagings"]) - set(content["averagings"])
    for name, row in content["parameters"].items():
        later = newest["parameters"].get(name, row)["averagings"]
        more = [averaging for averaging in later if averaging in new]
        grown["parameters"][name] = {**row, "averagings": [*row["averagings"], *more]}
    adopted = {row["standard"] for row in content["standards/adoptions"]}
    later = [row for row in newest["standards/adoptions"] if row["standard"] not in adopted]
    grown["standards/adoptions"] = [*content["standards/adoptions"], *later]
    return grown


@dataclass(slots=True)
class RuleBook:
    """The rules as they are in the database now, read again only when they changed."""

    _state: object = None
    _rules: list[Rules] = field(default_factory=list)

    def open(self, conn: Connection) -> list[Rules]:
        """`load_rules`. Ask inside a take: marks made under new rules are never settled by old ones."""
        state = conn.execute(
            "SELECT (SELECT max(id) FROM edition), (SELECT string_agg(a::text, '|' ORDER BY a::text) FROM adoption a)"
        ).fetchone()
        if state != self._state:
            self._rules, self._state = load_rules(conn), state
        return self._rules


def within(rules: list[Rules], windows: pl.DataFrame) -> list[Rules]:
    """Those of `rules` that are in force somewhere from the first `start` of `windows` to the last `stop`.

    Tables change for years, and each edition costs as much as the one in force: what is made of few hours asks few.
    """
    start, stop = windows.select(pl.col("start").min(), pl.col("stop").max()).row(0)
    return [rule for rule in rules if start is not None and rule.meets(start, stop)] or rules[-1:]


def by_rules(rules: list[Rules], make: Callable[[Rules], pl.DataFrame]) -> pl.DataFrame:
    """What `make` makes under the rules of each period, of rows in that period."""
    return pl.concat([make(rule).filter(rule.covers(pl.col("time"))) for rule in rules])
