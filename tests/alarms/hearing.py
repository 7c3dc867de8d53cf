"""A small town of channels that talk or are silent, listened to by the rules, minute by minute, without a database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics import alarms
from analytics.alarms import channels, silence
from analytics.alarms.channels import CHANNELS, EARS
from analytics.frames import TIME, empty

T0 = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
MINUTE = timedelta(minutes=1)
DOORS: dict[str, Any] = {"door": pl.String, "told": TIME, "oldest": TIME, "full": pl.Boolean}

WORDS: dict[str, object] = {"title": "", "title_zh": "", "source": "OWN", "confidence": "certain"}
LIMIT: dict[str, object] = {"factor": 1.5, "cadences": 3, "at_least": 10, "clear": 3}
RULES: dict[str, dict[str, object]] = {
    "source_out": {
        "kind": "outage",
        "severity": "page",
        "share": 0.3,
        "least": 5,
        "recent": 72,
        "wait": 2,
        **LIMIT,
        **WORDS,
    },
    "station_silent": {
        "kind": "silence",
        "scope": "station",
        "severity": "ticket",
        "share": 1.0,
        "least": 1,
        "wait": 10,
        "patience": 240,
        **LIMIT,
        **WORDS,
    },
    "channel_silent": {
        "kind": "silence",
        "scope": "channel",
        "severity": "ticket",
        "wait": 20,
        "patience": 240,
        **LIMIT,
        **WORDS,
    },
}


@dataclass(slots=True)
class Channel:
    """One that says something each `cadence` [min]; `talks` tells whether it does so in a minute."""

    station: int = 1
    source: int | None = 1
    door: str = ""
    cadence: int = 1
    long: float | None = None
    late: float | None = None
    retired: bool = False
    talks: Callable[[int], bool] = lambda minute: True
    live: int | None = None


@dataclass(slots=True)
class Town:
    """Channels by number, and what `watch` makes of them. `told`: (minute, rule, subject, severity) whenever somebody
    was told something higher; `events`: (minute, rule, subject, before, after)."""

    channels: dict[int, Channel]
    rules: Mapping[str, alarms.Rule] = field(default_factory=lambda: alarms.parse(RULES))
    #: doors that are away in a minute
    away: Callable[[int], set[str]] = lambda minute: set()
    ears: pl.DataFrame = field(default_factory=lambda: empty(EARS))
    memory: dict[str, pl.DataFrame] = field(default_factory=dict)
    states: pl.DataFrame = field(default_factory=lambda: empty(alarms.STATE))
    told: list[tuple[int, str, int, str]] = field(default_factory=list)
    events: list[tuple[int, str, int, str, str]] = field(default_factory=list)

    def run(
        self, start: int, stop: int, *, looking: Callable[[int], bool] = lambda minute: True, every: int = 5
    ) -> None:
        """Nothing; every minute of [start, stop) channels talk and, while it is `looking`, watch looks.

        What it finds is worked out `every` so many minutes only, and where we or a door come or go.
        """
        for minute in range(start, stop):
            for channel in self.channels.values():
                if minute % channel.cadence == 0 and channel.talks(minute):
                    channel.live = minute
            if not looking(minute):
                continue
            turn = looking(minute - 1) and self.away(minute) == self.away(minute - 1)
            if turn and minute % every:
                continue
            if turn:
                # As if it had been looked a minute ago, too.
                ago = pl.lit(T0 + (minute - 1) * MINUTE, TIME)
                away = pl.col("door").is_in(list(self.away(minute)))
                self.ears = self.ears.with_columns(pl.when(away).then("seen").otherwise(ago).alias("seen"))
            self.look(minute)

    def listen(self, minute: int) -> None:
        """Nothing; we are there, and so are the doors that are not away."""
        now = T0 + minute * MINUTE
        doors = sorted({channel.door for channel in self.channels.values()} - {""})
        told = [(door, None if door in self.away(minute) else now, None, False) for door in doors]
        self.ears = channels.listen(self.ears, pl.DataFrame(told, schema=DOORS, orient="row"), now)

    def look(self, minute: int) -> None:
        """Nothing; one look."""
        now = T0 + minute * MINUTE
        self.listen(minute)
        since = dict(channels.heard_since(self.ears, now).iter_rows())
        rows = [
            (
                number,
                c.station,
                c.source,
                c.door,
                c.cadence * 60,
                T0 + c.live * MINUTE,
                since[c.door],
                c.retired,
                c.long,
                c.late,
            )
            for number, c in self.channels.items()
            if c.live is not None
        ]
        seen = pl.DataFrame(rows, schema=dict(CHANNELS), orient="row")
        # As jobs.watch does, with numbers of channels, stations and sources as subjects: outages first.
        for kind, asked in (("outage", ["outage"]), ("silence", ["outage", "silence"])):
            heard = {
                name: silence.hear_of(rule, seen, self.memory.get(name), self._lasting(rule), now)
                for name, rule in self.rules.items()
                if rule.kind in asked
            }
            made = [
                silence.evidence(each, heard.values(), now).rename({each.by: "subject"})
                for each in heard.values()
                if each.rule.kind == kind
            ]
            self.memory |= {name: each.memory for name, each in heard.items()}
            self._take(minute, pl.concat([empty(alarms.EVIDENCE), *made]), now)

    def _lasting(self, rule: alarms.Rule) -> pl.DataFrame:
        lasting = alarms.lasting(self.states).filter(pl.col("rule") == rule.name)
        return lasting.select(pl.col("subject").alias(alarms.SCOPES[silence.scope(rule)]), "onset")

    def _take(self, minute: int, evidence: pl.DataFrame, now: datetime) -> None:
        if evidence.is_empty():
            return
        found = alarms.watch(self.states, evidence, self.rules, now)
        before = {(row["subject"], row["rule"]): row["told"] for row in self.states.iter_rows(named=True)}
        rest = self.states.join(found.states, on=alarms.SUBJECT, how="anti")
        self.states = pl.concat([rest, found.states])
        for row in found.events.iter_rows(named=True):
            self.events.append((minute, row["rule"], row["subject"], row["before"], row["after"]))
            again = row["before"] not in alarms.ACTIVE
            if row["told"] and (again or row["told"] != before.get((row["subject"], row["rule"]), "")):
                self.told.append((minute, row["rule"], row["subject"], row["told"]))

    def state(self, rule: str, subject: int) -> str:
        """What is remembered of an alarm; `ok` where nothing is."""
        rows = self.states.filter(pl.col("rule") == rule, pl.col("subject") == subject)
        return rows["state"].item() if rows.height else "ok"
