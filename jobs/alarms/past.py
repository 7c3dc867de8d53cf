"""What was known of stations in a past period, loaded for `alarms plan` some stations at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from analytics import alarms, episodes
from analytics.alarms import hush, plan
from analytics.alarms import reading as hard
from analytics.frames import TIME, conform, empty
from analytics.store import arrivals, breaches, derived, planned, registry
from analytics.store.connection import Connection
from jobs import chain
from jobs.facts import speak
from jobs.rules import Rules
from jobs.watch import reading

#: Stations whose past is loaded together, about: a district is never parted.
STATIONS = 200
_HOUR = timedelta(hours=1)
#: Readings of a channel, at most.
MOST = 1_000_000_000
#: Channels have numbers no station has.
CHANNELS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Side:
    """One set of rules: those now, or those planned."""

    alarms: Mapping[str, alarms.Rule]
    episodes: Mapping[str, episodes.Rule]
    parameters: Mapping[str, set[str]]


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads pasts; `start` and `stop` bound what is loaded."""

    conn: Connection
    start: datetime
    stop: datetime
    stations: pl.DataFrame
    voices: pl.DataFrame
    places: pl.DataFrame
    book: list[Rules]
    #: scope, name, start, stop of what was planned
    calendar: pl.DataFrame

    @classmethod
    def open(cls, conn: Connection, start: datetime, stop: datetime, codes: list[str]) -> "Loader":
        """One of the stations `codes`, none: of all."""
        stations = registry.load_stations(conn).join(registry.load_places(conn), on="station", how="left")
        stations = stations.filter(pl.col("code").is_in(codes)) if codes else stations
        voices = registry.load_series(conn).join(registry.load_authorities(conn), on="series")
        places = registry.load_districts(conn, stop).join(stations, on="station", how="semi")
        # Districts have numbers no station has.
        number = -places["place"].rank("dense").cast(pl.Int32)
        events = planned.during(conn, start, stop).with_columns(pl.min_horizontal("stop", "ended").alias("stop"))
        calendar = events.select("scope", "name", "start", "stop")
        book = chain.load_rules(conn)
        return cls(conn, start, stop, stations, voices, places.with_columns(number.alias("district")), book, calendar)

    def names(self) -> dict[int, str]:
        """What each subject is called."""
        districts = self.places.select("district", "place").unique().iter_rows()
        words = pl.concat_str("code", "parameter", separator=" ")
        channels = self.voices.join(self.stations, on="station").select(_channel("series"), words).iter_rows()
        return {**dict(self.stations.select("station", "code").iter_rows()), **dict(districts), **dict(channels)}

    def groups(self) -> Iterator[list[int]]:
        """Stations that are looked at together."""
        placed = self.stations.select("station").join(self.places, on="station", how="left").sort("place", "station")
        group: list[int] = []
        for _, part in placed.group_by("place", maintain_order=True):
            ids = part["station"].to_list()
            # Those in no district have nothing to do with one another.
            step = STATIONS if part["place"].null_count() else len(ids)
            for first in range(0, len(ids), step):
                if group and len(group) + len(ids[first : first + step]) > STATIONS:
                    yield group
                    group = []
                group += ids[first : first + step]
        if group:
            yield group

    def pasts(self, group: list[int], sides: list[Side]) -> list[plan.Past]:
        """The past of the stations `group` for each of `sides`."""
        rules = [rule for side in sides for rule in side.episodes.values()]
        about = pl.DataFrame(
            sorted({fact for rule in rules for fact in rule.facts if fact[1] not in episodes.SAID}),
            schema={"parameter": pl.String, "averaging": pl.String},
            orient="row",
        )
        voices = self.voices.filter(pl.col("station").is_in(group)).join(
            about.select("parameter").unique(), on="parameter"
        )
        spoken = self._spoken(voices, about)
        stations = self.stations.filter(pl.col("station").is_in(group))
        marked = [episodes.conditions(spoken, stations, side.episodes) for side in sides]
        # Only what was ever beyond a level can tell anybody; what else there is, is the most.
        begun = [rows.filter(pl.col("over") > 0).select("station", "rule").unique() for rows in marked]
        facts = pl.DataFrame(
            sorted({(rule.name, rule.parameter) for rule in rules}), schema=["rule", "parameter"], orient="row"
        )
        heard = self._heard(pl.concat(begun).unique().join(facts, on="rule"), voices)
        came = heard.group_by("station", "rule", "time").agg(
            pl.coalesce(pl.col("known").min(), pl.col("came").min()).alias("known")
        )
        parts = []
        for rows, some in zip(marked, begun, strict=True):
            # What has no readings any more was live: they were archived, their means stay.
            known = pl.max_horizontal(pl.coalesce("known", pl.col("time") + _HOUR), pl.col("time") + _HOUR)
            ours = rows.join(some, on=["station", "rule"], how="semi").join(
                came, on=["station", "rule", "time"], how="left"
            )
            archived = ours.filter(pl.col("known").is_null()).join(
                facts.join(voices.filter(pl.col("rank") == 0), on="parameter"), on=["station", "rule"]
            )
            lived = pl.concat(
                [
                    heard.drop_nulls("live").select("station", "rule", "cadence", "live", "known"),
                    archived.select(
                        "station",
                        "rule",
                        "cadence",
                        (pl.col("time") + _HOUR).alias("live"),
                        (pl.col("time") + _HOUR).alias("known"),
                    ),
                ]
            ).rename({"rule": "episode_rule"})
            places = self.places.filter(pl.col("station").is_in(group))
            parts.append(
                plan.Past(
                    ours.with_columns(known.alias("known")),
                    lived,
                    spoken.join(places, on="station")
                    .group_by("place", "parameter", "time")
                    .agg(pl.col("station").n_unique().cast(pl.Int64).alias("stations")),
                    places,
                    self._lies(stations, places),
                    self.calendar,
                )
            )
        return parts

    def breaches(self, group: list[int], side: Side) -> plan.Breaches:
        """What came of the channels of the stations `group` that were beyond a hard limit of `side`."""
        voices = self.voices.filter(pl.col("station").is_in(group))
        heard = reading.hear(self.conn, voices, self.book, alarms.of_kind(side.alarms, "reading"))
        found = self._beyond(heard)
        # Where it was, so long before that nothing is forgotten, and a day to end in.
        back = 2 * hard.reach() * pl.duration(seconds=pl.col("cadence"))
        spans = found.group_by("voice").agg(pl.col("time").min().alias("first"), pl.col("time").max().alias("last"))
        windows = (
            heard.rows.join(spans, on="voice")
            .group_by("voice", "series", "rank", "cadence", "first", "last")
            .agg(back.max().alias("back"))
            .select(
                *("voice", "series", "rank", "cadence"),
                pl.max_horizontal(pl.col("first") - pl.col("back"), pl.lit(self.start, TIME)).alias("start"),
                pl.min_horizontal(pl.col("last") + timedelta(days=1), pl.lit(self.stop, TIME)).alias("stop"),
            )
        )
        asks = windows.select(
            "series", "start", "stop", most=MOST, sign=pl.lit(None, pl.Int8), limit=pl.lit(None, pl.Float64)
        )
        rows = reading.counted(self.conn, self.book[-1], heard, asks)
        known = rows.join(breaches.came(self.conn, asks), on=["series", "time"])
        readings = windows.select(_channel("voice").alias("subject"), "series", "rank", "cadence").join(
            known, on="series"
        )
        asked = heard.rows.join(spans, on="voice").select(_channel("voice").alias("subject"), "rule").unique()
        lies = voices.select(_channel("series").alias("subject"), "station").join(
            self._lies(self.stations, self.places).rename({"subject": "station"}), on="station"
        )
        return plan.Breaches(asked, conform(readings, plan.CAME), conform(lies, hush.LIES), self.calendar)

    def _beyond(self, heard: reading.Heard) -> pl.DataFrame:
        """voice, time: of the readings that were beyond a limit."""
        bounds = heard.series.select("series", "low", "high")
        lines = (
            heard.rows.select("voice", "series", "sign", "limit")
            .join(bounds, on="series")
            .with_columns(
                pl.lit(self.start, TIME).alias("start"), pl.lit(self.stop, TIME).alias("stop"), most=MOST, whole=False
            )
        )
        rows = breaches.received(self.conn, lines, heard.marks)
        return rows.join(heard.rows.select("voice", "series").unique(), on="series").select("voice", "time")

    def _spoken(self, voices: pl.DataFrame, about: pl.DataFrame) -> pl.DataFrame:
        parts = [empty(derived.AVERAGE.columns)]
        for (name,), part in about.group_by("averaging", maintain_order=True):
            series = voices.filter(pl.col("parameter").is_in(part["parameter"].to_list())).select("series").unique()
            windows = series.with_columns(
                pl.lit(self.start, TIME).alias("start"), pl.lit(self.stop, TIME).alias("stop")
            )
            parts.append(derived.load(self.conn, derived.AVERAGE, windows, {"averaging": [str(name)]}))
        return speak(pl.concat(parts), voices)

    def _heard(self, begun: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
        """station, rule, cadence, time, live, known, came: the hours of the readings that `begun` rests on."""
        ours = begun.join(voices.select("station", "parameter", "series", "cadence"), on=["station", "parameter"])
        found = arrivals.hours(self.conn, ours["series"].unique().to_list(), self.start, self.stop)
        return ours.join(found, on="series").select("station", "rule", "cadence", "time", "live", "known", "came")

    def _lies(self, stations: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
        own = stations.select(
            pl.col("station").alias("subject"),
            pl.lit("station").alias("scope"),
            pl.col("code").alias("name"),
            pl.col("station").alias("above"),
        )
        there = places.select(
            pl.col("station").alias("subject"),
            pl.lit("district").alias("scope"),
            pl.col("place").alias("name"),
            pl.col("district").alias("above"),
        )
        themselves = there.with_columns(pl.col("above").alias("subject")).unique()
        return pl.concat([conform(part, hush.LIES) for part in (own, there, themselves)])


def _channel(column: str) -> pl.Expr:
    """The subject that the channel of that series is."""
    return pl.col(column) + CHANNELS
