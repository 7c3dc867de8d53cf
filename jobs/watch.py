"""`greenwatch watch`: the state of every alarm as of now, and what changed."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import polars as pl
import typer
from rich.table import Table

from analytics import alarms, episodes
from analytics.frames import TIME
from analytics.store import alarms as store
from analytics.store import backfills, derived, health, registry
from analytics.store.connection import Connection
from analytics.texts import text
from jobs import console
from jobs.detect import speak
from jobs.rules import RuleBook, Rules, by_rules

EXAMPLE = "Example: greenwatch watch --json"
_HOUR = timedelta(hours=1)


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
            rules = self._open(conn)
            states = store.load(conn)
            found = alarms.watch(states, self._evidence(conn, rules, states, now), rules[-1].alarms, now)
            if found.states.height or found.events.height:
                store.save(conn, found.states, found.events)
        return found.events.to_dicts()

    def _open(self, conn: Connection) -> list[Rules]:
        """The rules now; registry and voices read again only where something in them changed."""
        if (state := health.registry_state(conn)) != self.state:
            self.voices = registry.load_series(conn).join(registry.load_authorities(conn), on="series")
            self.stations = registry.load_stations(conn).join(registry.load_places(conn), on="station", how="left")
            self.state = state
        return self.book.open(conn)

    def _evidence(self, conn: Connection, rules: list[Rules], states: pl.DataFrame, now: datetime) -> pl.DataFrame:
        """`alarms.EVIDENCE` of every alarm that is on or may go on."""
        current = rules[-1].alarms
        of = {name: rule.episode for name, rule in current.items()}
        named = pl.col("rule").replace_strict(of, default=None, return_dtype=pl.String).alias("episode_rule")
        turns = store.turns(conn, alarms.lasting(states).with_columns(named).drop_nulls("episode_rule"))
        held = alarms.stretches(turns, current)
        known = pl.concat([held.select("station", "rule"), alarms.lasting(states).select("station", "rule")])
        heard = self._heard(rules, known.with_columns(named).select("station", "episode_rule").unique())
        series = heard["series"].unique().to_list()
        filled = backfills.filled(conn, series, now)
        live = store.live(conn, series).join(heard, on="series").join(filled, on="series", how="left")
        edges = alarms.edges(live, current)
        asked = alarms.asked(states, held, edges, now)
        since = (
            asked.with_columns(named)
            .drop_nulls("stop")
            .group_by("station", "episode_rule")
            .agg((pl.col("stop").min() - _HOUR).alias("start"))
        )
        values = self._values(conn, rules, since.join(heard, on=["station", "episode_rule"]), now)
        return alarms.evidence(states, asked, held, values, edges, current)

    def _heard(self, rules: list[Rules], asked: pl.DataFrame) -> pl.DataFrame:
        """station, episode_rule, averaging, parameter, series, rank, cadence: who speaks to `asked`, or stands in."""
        facts = {(item.name, item.parameter, item.averaging) for rule in rules for item in rule.episodes.values()}
        names = pl.DataFrame(sorted(facts), schema=["episode_rule", "parameter", "averaging"], orient="row")
        return asked.join(names, on="episode_rule").join(
            self.voices.select("station", "parameter", "series", "rank", "cadence"), on=["station", "parameter"]
        )

    def _values(self, conn: Connection, rules: list[Rules], asked: pl.DataFrame, now: datetime) -> pl.DataFrame:
        """station, episode_rule, time, value, hold of the periods in `asked` (`_heard`, and `start`) that are over."""
        over = now.replace(minute=0, second=0, microsecond=0)
        parts = [pl.DataFrame(schema=dict(derived.AVERAGE.columns))]
        for (name,), part in asked.group_by("averaging", maintain_order=True):
            windows = part.group_by("series").agg(pl.col("start").min()).with_columns(pl.lit(over, TIME).alias("stop"))
            parts.append(derived.load(conn, derived.AVERAGE, windows, {"averaging": [str(name)]}))
        spoken = speak(pl.concat(parts), asked.unique("series"))
        marked = by_rules(rules, lambda rule: episodes.conditions(spoken, self.stations, rule.episodes))
        return marked.select("station", pl.col("rule").alias("episode_rule"), "time", "value", "hold")


_WATCHES: WeakKeyDictionary[Connection, Watch] = WeakKeyDictionary()


def run(conn: Connection, now: datetime) -> list[dict[str, Any]]:
    """`Watch.run`, with what this connection parsed before."""
    return _WATCHES.setdefault(conn, Watch()).run(conn, now)


def main(
    as_json: Annotated[bool, typer.Option("--json", help="Print events and alarms as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Decide on every alarm once, and show those that are on. The worker does this every few seconds."""
    with console.store(dsn) as conn:
        events = run(conn, console.now())
        states, gauge = store.load(conn), store.gauge(conn, console.now())
        codes = dict(registry.load_stations(conn).select("station", "code").iter_rows())
    if as_json:
        print(json.dumps({"events": events, "alarms": states.to_dicts(), "gauge": gauge.to_dicts()}, default=str))
        return
    for event in events:
        words = text(f"alarm_{event['reason']}", between=" · ")
        console.people.print(
            f"{codes[event['station']]} {event['rule']}: {event['before']} -> {event['after']}, {words}", markup=False
        )
    table = Table(box=None, pad_edge=False)
    for name in gauge.columns:
        table.add_column(name, justify="right" if name == "level" else "left")
    for row in gauge.iter_rows():
        table.add_row(*map(str, row))
    console.show(table)
