"""The outage corpus: thousands of alarm histories with gaps of every length, staggered, late, corrected, filled up and
looked at by a watch that is down now and then, against plain loops (naive.py), and what must never be.
"""

import json
import os
import random
from collections import defaultdict
from datetime import datetime, timedelta

import polars as pl
import pytest

from analytics import alarms, episodes, standards
from analytics.alarms import STATE, episode, region
from analytics.frames import TIME, conform
from analytics.store import alarms as store
from tests.alarms import naive, outages
from tests.alarms.outages import CHANNELS, Delivery, Maker
from tests.rows import EPISODE

T0 = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
HOUR = timedelta(hours=1)
HOURS, STATIONS = 36, 6
SEED = int(os.environ.get("GREENWATCH_CORPUS_SEED", "6"))

RULES = episodes.parse(
    {name: {**EPISODE, "parameter": name, "silence": naive.SILENCE, "bridge": naive.BRIDGE} for name in CHANNELS}
)
TEXTS = dict.fromkeys(("title", "title_zh"), "") | {"source": "OWN", "confidence": "memory_low", "severity": "page"}
TERMS = {"confirm": 1, "clear": naive.CLEAR, "cadences": 3, "at_least": 10}
ANY = [{"episode": "pm25", "level": 2}, {"episode": "o3", "level": 1}]
ALARMS = alarms.parse(
    {
        "mild": {**TEXTS, **TERMS, "episode": "pm25", "level": 1},
        "heavy": {**TEXTS, **TERMS, "episode": "pm25", "level": 2, "confirm": 2},
        "either": {**TEXTS, **TERMS, "any": ANY, "confirm": 2},
        "region": {**TEXTS, "kind": "region", "member": "heavy", "least": 3, "share": 0.5, "confirm": 0, "clear": 1},
    }
)
CONDITIONS = {"mild": [("pm25", 1)], "heavy": [("pm25", 2)], "either": [("pm25", 2), ("o3", 1)]}
CONFIRM = {"mild": 1, "heavy": 2, "either": 2}


class World:
    """All stations at once, as the watch of jobs/ sees them."""

    def __init__(self, stations: int) -> None:
        self.stations = pl.DataFrame({"station": range(1, stations + 1)}, schema={"station": pl.Int32}).with_columns(
            pl.lit(0, pl.Int16).alias("offset"), pl.lit([], standards.PLACES).alias("places")
        )
        self.channels: dict[tuple[int, str], naive.Channel] = defaultdict(naive.Channel)
        self.states = pl.DataFrame(schema=dict(STATE))

    def deliver(self, one: Delivery) -> None:
        channel = self.channels[one.station, one.channel]
        if one.value is None:
            channel.values.pop(one.hour, None)
        elif one.kind in ("correction", "live") or one.hour not in channel.values:
            channel.values[one.hour] = one.value
        if one.kind == "live":
            channel.live = max(channel.live or 0.0, one.hour + 59 / 60)
        elif one.kind == "backfill":
            channel.filled = max(channel.filled or 0.0, one.hour + 1)

    def look(self, hour: float) -> pl.DataFrame:
        """The events of now."""
        now = T0 + hour * HOUR
        marked = self._marked()
        rules = alarms.of_kind(ALARMS, "episode")
        held = episode.stretches(self._turns(marked), rules)
        edges = episode.edges(self._live(), rules)
        ours = self.states.filter(pl.col("rule") != "region")
        asked = episode.asked(ours, held, edges, now)
        values = marked.rename({"rule": "episode_rule", "station": "subject"})
        known = episode.evidence(ours, asked, held, values, edges, rules, now)
        first = alarms.move(self.states, known, ALARMS, now)
        second = alarms.move(self.states, self._regions(alarms.after(first, self.states), now), ALARMS, now)
        found = alarms.tell(pl.concat([first, second]), ALARMS)
        self.states = pl.concat([found.states, self.states.join(found.states, on=alarms.SUBJECT, how="anti")])
        return found.events

    def _marked(self) -> pl.DataFrame:
        rows = [
            (station, name, "hour", T0 + hour * HOUR, value)
            for (station, name), channel in self.channels.items()
            for hour, value in channel.values.items()
        ]
        schema = {"station": pl.Int32(), "parameter": pl.String(), "averaging": pl.String(), "time": TIME}
        spoken = pl.DataFrame(rows, schema=schema | {"value": pl.Float64()}, orient="row")
        return episodes.conditions(spoken, self.stations, RULES)

    def _turns(self, marked: pl.DataFrame) -> pl.DataFrame:
        rows = [
            (row["station"], row["rule"], row["time"], row["stop"], row["closed"], datetime.fromisoformat(start), level)
            for row in episodes.runs(marked).iter_rows(named=True)
            for start, level in json.loads(row["levels"])
        ]
        return pl.DataFrame(rows, schema=store.TURNS, orient="row").rename({"station": "subject"})

    def _live(self) -> pl.DataFrame:
        rows = [
            (
                station,
                name,
                None if channel.live is None else T0 + channel.live * HOUR,
                None if channel.filled is None else T0 + channel.filled * HOUR,
                60,
            )
            for (station, name), channel in self.channels.items()
        ]
        schema: dict[str, pl.DataType] = {
            "subject": pl.Int32(),
            "episode_rule": pl.String(),
            "live": TIME,
            "filled": TIME,
        }
        return pl.DataFrame(rows, schema={**schema, "cadence": pl.Int32()}, orient="row")

    def _regions(self, states: pl.DataFrame, now: datetime) -> pl.DataFrame:
        regions = alarms.of_kind(ALARMS, "region")
        members = states.filter(pl.col("rule") == "heavy").with_columns(place())
        ours = states.filter(pl.col("rule") == "region").with_columns(
            (-pl.col("subject")).cast(pl.String).alias("place")
        )
        asked = region.candidates(ours, members, regions).with_columns(
            (-pl.col("place").cast(pl.Int32)).alias("subject")
        )
        reporting = self._live().filter(pl.col("episode_rule") == "pm25").drop_nulls("live").with_columns(place())
        counts = reporting.group_by("place").agg(pl.len().cast(pl.Int64).alias("stations"))
        heard = counts.with_columns(pl.lit("heavy").alias("member"))
        return region.evidence(conform(ours, STATE), asked, members, heard, regions, now)


def place() -> pl.Expr:
    """The district of a station: 1, 2, ..., of six stations each."""
    return ((pl.col("subject") - 1) // STATIONS + 1).cast(pl.String).alias("place")


def history(seed: int, districts: int) -> tuple[list[Delivery], list[float]]:
    """What comes in, by time, and when somebody looks."""
    dice = random.Random(seed)
    maker = Maker(dice, HOURS)
    for district in range(districts):
        haze = maker.haze()
        for number in range(STATIONS):
            maker.station(district * STATIONS + number + 1, haze)
    return sorted(maker.made, key=lambda one: (one.at, one.station, one.hour)), outages.looks(dice, HOURS)


@pytest.mark.long
@pytest.mark.parametrize("districts", [45, 130])
def test_thousands_of_histories_are_told_as_plain_loops_tell_them(districts: int) -> None:
    print(f"GREENWATCH_CORPUS_SEED={SEED}")
    coming, times = history(SEED, districts)
    world = World(districts * STATIONS)
    plain = {
        (station, rule): naive.Alarm(conditions, CONFIRM[rule])
        for station in range(1, districts * STATIONS + 1)
        for rule, conditions in CONDITIONS.items()
    }
    told: dict[str, int] = defaultdict(int)
    seen: dict[tuple[int, str], str] = {}
    number = 0
    for hour in times:
        while number < len(coming) and coming[number].at <= hour:
            world.deliver(coming[number])
            number += 1
        events = world.look(hour)
        for row in events.filter(pl.col("before") != pl.col("after")).iter_rows(named=True):
            key = (row["subject"], row["rule"])
            assert row["before"] == seen.get(key, "ok"), (key, hour)
            seen[key] = row["after"]
            told[row["after"]] += 1
            never(world, row, hour)
        for (station, rule), alarm in plain.items():
            channels = {name: world.channels[station, name] for name in CHANNELS}
            _, after = alarm.look(channels, hour)
            assert seen.get((station, rule), "ok") == after, (SEED, station, rule, hour, alarm)
        regions(world, districts, plain, seen, hour)
    # Each of the ends there are was come to, often.
    often = {name for name in alarms.STATES if told[name] > districts // 2}
    assert often == set(alarms.STATES), dict(told)


def regions(
    world: World,
    districts: int,
    plain: dict[tuple[int, str], naive.Alarm],
    seen: dict[tuple[int, str], str],
    hour: float,
) -> None:
    """Nothing, where every district is on when enough of its stations are, and ends only when too few can be."""
    for district in range(1, districts + 1):
        stations = range((district - 1) * STATIONS + 1, district * STATIONS + 1)
        states = [plain[station, "heavy"].state for station in stations]
        live = [world.channels[station, "pm25"].live for station in stations]
        heard = sum(one is not None for one in live)
        firing, blind = states.count("firing"), states.count("blind")
        kept = firing + states.count("recovering")
        state = seen.get((-district, "region"), "ok")
        if firing >= 3 and firing >= heard / 2:
            assert state == "firing", (district, hour, states)
        elif kept + blind >= 3 and kept + blind >= heard / 2:
            assert state in ("ok", "withdrawn") or state in ("firing", "blind"), (district, hour, states)
            if state in alarms.ACTIVE:
                assert (state == "firing") == (kept >= 3 and kept >= heard / 2), (district, hour, states)
        else:
            assert state in ("ok", "withdrawn", "recovering"), (district, hour, states)


def never(world: World, event: dict[str, object], hour: float) -> None:
    """Nothing, where `event` is none of those that wake somebody for nothing, or let somebody sleep."""
    if event["rule"] == "region":
        return
    station, rule = int(str(event["subject"])), str(event["rule"])
    channels = {name: world.channels[station, name] for name, _ in CONDITIONS[rule]}
    if event["before"] not in alarms.ACTIVE and event["after"] in ("pending", "firing"):
        # no page for the past: by what is live now, the newest hour of one condition is bad
        assert any(
            channel.live is not None
            and hour - channel.live <= naive.FRESH
            and channel.values[max(channel.values)] > naive.OFF[least - 1]
            for (name, least), channel in zip(CONDITIONS[rule], channels.values(), strict=True)
        ), event
    if event["before"] in alarms.ACTIVE and event["after"] == "ok":
        # no false end: of one condition at least the last hours that are known are measured, and good
        assert any(
            all(channel.values[known] <= naive.OFF[least - 1] for known in sorted(channel.values)[-naive.CLEAR :])
            for (name, least), channel in zip(CONDITIONS[rule], channels.values(), strict=True)
        ), event
