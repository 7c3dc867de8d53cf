"""One look at everything that alarms are about: evidence of each kind, the machine, who is told, and all of it kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl

from analytics import alarms, episodes
from analytics.alarms import episode as of_episodes
from analytics.alarms import hush
from analytics.frames import TIME, conform, empty
from analytics.store import alarms as store
from analytics.store import health, incidents, planned, registry
from analytics.store.connection import Connection
from jobs.incidents.escalation import escalate
from jobs.rules import RuleBook, Rules
from jobs.watch import episode, forecast, outage, reading, region, silence
from jobs.watch.around import Around

#: Kind of a rule -> its evidence (`alarms.EVIDENCE`) of every alarm that is on or may go on. A function sees only what
#: is of its kind: `around.rules`, `around.states`; those of a later round (`alarms.Keys`) find the states that follow
#: of the earlier ones in `around.others`.
KINDS: Mapping[str, Callable[[Around], pl.DataFrame]] = {
    "episode": episode.evidence,
    "forecast": forecast.evidence,
    "outage": outage.evidence,
    "reading": reading.evidence,
    "silence": silence.evidence,
    "region": region.evidence,
}


@dataclass(slots=True)
class Watch:
    """Decides on alarms, again and again; keeps rules and registry between, as long as they are the same."""

    book: RuleBook = field(default_factory=RuleBook)
    state: object = None
    voices: pl.DataFrame = field(default_factory=pl.DataFrame)
    stations: pl.DataFrame = field(default_factory=pl.DataFrame)

    def run(self, conn: Connection, now: datetime) -> list[dict[str, Any]]:
        """The events (`alarms.EVENTS`) of this moment, kept with the states; none where another process decides."""
        with conn.transaction():
            if not store.lock(conn):
                return []
            book = self._open(conn)
            states = store.load(conn)
            moved = self._moved(conn, book, states, now)
            found = alarms.tell(moved, book[-1].alarms, _hushed(conn, book[-1], moved, states, now))
            found = _adopted(found, alarms.after(moved, states), now)
            if found.states.height or found.events.height:
                numbers = incidents.follow(conn, found.events, now)
                found = alarms.Watched(*(_numbered(frame, numbers) for frame in found))
                store.save(conn, found.states, found.events)
            escalate(conn, now)
        return found.events.to_dicts()

    def _open(self, conn: Connection) -> list[Rules]:
        """The rules now; registry and voices read again only where something in them changed."""
        if (state := health.registry_state(conn)) != self.state:
            self.voices = registry.load_series(conn).join(registry.load_authorities(conn), on="series")
            self.stations = registry.load_stations(conn).join(registry.load_places(conn), on="station", how="left")
            self.state = state
        return self.book.open(conn)

    def _moved(self, conn: Connection, book: list[Rules], states: pl.DataFrame, now: datetime) -> pl.DataFrame:
        """`alarms.move` of every kind, those of a later round after the others."""
        rules = book[-1].alarms
        latched = [rule.name for rule in rules.values() if rule.latched]
        known = incidents.acknowledged(conn) if latched else pl.DataFrame(schema=store.KEY)
        moved = [alarms.move(states, empty(alarms.EVIDENCE), rules, now)]
        for turn in sorted({alarms.KINDS[kind].round for kind in KINDS}):
            others = alarms.after(pl.concat(moved), states)
            found = [
                make(self._around(conn, book, states, others, kind, now))
                for kind, make in KINDS.items()
                if alarms.KINDS[kind].round == turn and alarms.of_kind(rules, kind)
            ]
            if not found:
                continue
            evidence = _latched(pl.concat(found), latched, known)
            # What is over is looked up only where something may begin again: the table grows with every alarm ever.
            over = evidence.select(alarms.SUBJECT).join(states, on=alarms.SUBJECT, how="anti")
            moved.append(alarms.move(pl.concat([states, store.recall(conn, over)]), evidence, rules, now))
        return pl.concat(moved)

    def _around(
        self, conn: Connection, book: list[Rules], states: pl.DataFrame, others: pl.DataFrame, kind: str, now: datetime
    ) -> Around:
        rules = alarms.of_kind(book[-1].alarms, kind)
        ours = states.filter(pl.col("rule").is_in(list(rules)))
        return Around(conn, book, rules, ours, others, self.voices, self.stations, now)


def _adopted(found: alarms.Watched, states: pl.DataFrame, now: datetime) -> alarms.Watched:
    """`found`, and of what is on and was told of before there were incidents that it is told: so each gets its own."""
    orphans = states.filter(
        pl.col("state").is_in(alarms.ACTIVE), pl.col("told") != "", pl.col("incident").is_null()
    ).join(found.events, on=alarms.SUBJECT, how="anti")
    if orphans.is_empty():
        return found
    told = orphans.with_columns(
        pl.lit(now, TIME).alias("at"),
        pl.col("state").alias("before"),
        pl.col("state").alias("after"),
        pl.lit("told").alias("reason"),
        *(pl.lit(None, dtype).alias(name) for name, dtype in alarms.EVENTS.items() if name in ("value", "live")),
        *(pl.lit(None, pl.String).alias(name) for name in ("expected", "by")),
    )
    more = orphans.join(found.states, on=alarms.SUBJECT, how="anti")
    return alarms.Watched(
        pl.concat([found.states, conform(more, alarms.STATE)]),
        pl.concat([found.events, conform(told, alarms.EVENTS)]),
    )


def _latched(evidence: pl.DataFrame, latched: list[str], known: pl.DataFrame) -> pl.DataFrame:
    """`evidence` with `held`: of `latched` rules those whose incident nobody knows of (`known`: acknowledged)."""
    taken = known.select(alarms.SUBJECT).unique().with_columns(pl.lit(value=True).alias("taken"))
    free = pl.col("rule").is_in(latched) & pl.col("taken").is_null()
    return (
        evidence.join(taken, on=alarms.SUBJECT, how="left", maintain_order="left")
        .with_columns(free.alias("held"))
        .drop("taken")
    )


def _hushed(
    conn: Connection, rules: Rules, moved: pl.DataFrame, states: pl.DataFrame, now: datetime
) -> pl.DataFrame | None:
    """`alarms.HUSHED`; looked up only where somebody would be told."""
    asking = alarms.asking(moved, rules.alarms)
    if asking.is_empty():
        return None
    following = alarms.after(moved, states)
    lies = store.lies(conn, asking["subject"].unique(), now)
    return hush.hushed(
        asking, following, lies, planned.current(conn, now), rules.alarms, about(rules.alarms, rules.episodes)
    )


def about(rules: Mapping[str, alarms.Rule], runs: Mapping[str, episodes.Rule]) -> dict[str, set[str]]:
    """The parameters that each of `rules` is about; those of a region are those of its member."""
    found: dict[str, set[str]] = {}
    for name, rule in rules.items():
        meant = rules.get(rule.keys.get("member", ""), rule)
        if meant.kind in ("episode", "forecast"):
            names = (each for each, _ in of_episodes.conditions(meant))
            found[name] = {runs[each].parameter for each in names if each in runs}
        else:
            found[name] = {meant.keys["parameter"]} if "parameter" in meant.keys else set()
    return found


def _numbered(frame: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the incident of each alarm that somebody was told of: that of `numbers`, or the one it had."""
    told = pl.when(pl.col("told") != "").then(pl.coalesce("number", "incident"))
    names = pl.col("subject", "rule", "incident")
    given = numbers.select(names).rename({"incident": "number"}).unique(alarms.SUBJECT, keep="last")
    return (
        frame.join(given, on=alarms.SUBJECT, how="left", maintain_order="left")
        .with_columns(told.alias("incident"))
        .drop("number")
    )


_WATCHES: WeakKeyDictionary[Connection, Watch] = WeakKeyDictionary()


def run(conn: Connection, now: datetime) -> list[dict[str, Any]]:
    """`Watch.run`, with what this connection parsed before."""
    return _WATCHES.setdefault(conn, Watch()).run(conn, now)
