"""What rules of episodes ask for: averages of a station, what is around it, what is expected, and what is planned."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from analytics import detection, episodes, regions
from analytics.frames import AVERAGES, TIME, empty
from analytics.store import derived, forecasts, ledger, observations, planned
from analytics.store.connection import Connection
from jobs import compare
from jobs.rules import Rules, by_rules, within

_HOUR = timedelta(hours=1)
_SUBJECT = ["station", "rule"]


@dataclass(slots=True)
class Facts:
    """Facts about `stations` (station, offset, places), known at `now`. `rules` of every period, or some of them;
    `voices` (frames.SERIES and `rank`): the series of all stations that speak or stand in."""

    conn: Connection
    now: datetime
    rules: list[Rules]
    stations: pl.DataFrame
    voices: pl.DataFrame
    #: of which rules; none: of all
    names: frozenset[str] = frozenset()
    #: all averages that were loaded: station, parameter, averaging, time, value
    said: list[pl.DataFrame] = field(default_factory=list)
    #: number of rows read
    read: int = 0
    #: the series that speak to a rule, or stand in, and how far `back` of a period it looks,
    #: how long it stays on through quiet
    heard: pl.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        asking = [rule for each in self.rules for rule in each.episodes.values()]
        asking = [rule for rule in asking if not self.names or rule.name in self.names]
        facts = sorted({(rule.name, *fact) for rule in asking for fact in rule.facts})
        backs = {rule.name: max(other.back for other in asking if other.name == rule.name) for rule in asking}
        bridges = {rule.name: max(other.bridge for other in asking if other.name == rule.name) for rule in asking}
        spans = dict.fromkeys(("back", "bridge"), pl.Duration("us"))
        asked = pl.DataFrame(
            [(*each, backs[each[0]], bridges[each[0]] * _HOUR) for each in facts],
            schema={**dict.fromkeys(("rule", "parameter", "averaging"), pl.String()), **spans},
            orient="row",
        )
        mine = self.voices.filter(pl.col("station").is_in(self.stations["station"].implode()))
        self.heard = mine.join(asked, on="parameter")

    def conditions(self, pieces: pl.DataFrame) -> pl.DataFrame:
        """`episodes.CONDITIONS` of the values in `pieces` (station, rule, start, stop), by the rules in force then."""
        heard = self.heard
        asked = pieces.join(heard, on=_SUBJECT).with_columns(pl.col("start") - pl.col("back"))
        spoken = []
        measured = ~pl.col("averaging").is_in(list(episodes.SAID))
        for (averaging,), part in asked.filter(measured).group_by("averaging", maintain_order=True):
            windows = ledger.merge(part.select(pl.col("series").alias("subject"), "start", "stop"))
            rows = derived.load(self.conn, derived.AVERAGE, windows, {"averaging": [str(averaging)]})
            self.read += rows.height
            spoken.append(rows)
        if asked.is_empty():
            return pl.DataFrame(schema=dict(episodes.CONDITIONS))
        around = asked.filter(averaging=episodes.BACKGROUND)
        ahead = pieces.join(heard.filter(averaging=episodes.EXPECTED), on=_SUBJECT)
        values = pl.concat(
            [
                speak(self._over(pl.concat([empty(AVERAGES), *spoken])), heard.unique("series")),
                _of(self._background(around), around),
                # Where the first of its hours are not loaded, no day is known.
                _of(self._expected(asked.filter(averaging=episodes.EXPECTED)), ahead),
                self._scored(asked.filter(averaging=episodes.SCORE)),
            ]
        )
        self.said.append(values)
        marked = by_rules(within(self.rules, pieces), lambda rule: self._conditions(rule, values, pieces))
        # Rules share values: what was loaded for another one to look back at says nothing sure of this.
        asked_for = joined(pieces.with_columns(low="start", high="stop", first="start", last="stop"))
        return inside(marked, asked_for).drop("window")

    def extent(self, own: pl.DataFrame) -> pl.DataFrame:
        """station, rule, first, last: within which times an edition of the rule is in force and all that it must know
        is there; none of those of which it is nowhere. `own` has the extents (series, start, stop) of the series that
        are `heard`."""
        asking = [
            (name, item.must, each.since, each.until) for each in self.rules for name, item in each.episodes.items()
        ]
        must = [
            (number, name, *fact, *period) for number, (name, facts, *period) in enumerate(asking) for fact in facts
        ]
        columns = ("rule", "parameter", "averaging")
        schema = {"edition": pl.Int64(), **dict.fromkeys(columns, pl.String()), "since": TIME, "until": TIME}
        wanted = pl.DataFrame(must, schema=schema, orient="row").with_columns(needs=pl.len().over("edition"))
        around = pl.col("averaging") == episodes.BACKGROUND
        mine = self.heard.select(*columns, "station", "series").join(own, on="series").filter(~around)
        asked = self.heard.filter(around).select("station", "parameter").unique()
        pairs = compare.beside(self.conn, asked["parameter"].unique().to_list())
        pairs = pairs.join(asked, on=["station", "parameter"], how="semi")
        voices = self.voices.select("series", "parameter", other="station")
        others = pairs.join(
            voices.join(pairs.select("other", "parameter").unique(), on=["other", "parameter"]),
            on=["other", "parameter"],
        )
        known = observations.extent(self.conn, others["series"].unique().to_list())
        theirs = others.join(known, on="series").select(
            "station",
            "parameter",
            pl.max_horizontal("start", "since").alias("start"),
            pl.min_horizontal("stop", "until").alias("stop"),
            pl.lit(episodes.BACKGROUND).alias("averaging"),
        )
        theirs = theirs.join(
            self.heard.select(*_SUBJECT, "parameter", "averaging").unique(), on=["station", "parameter", "averaging"]
        )
        every = pl.concat([part.select(*columns, "station", "start", "stop") for part in (mine, theirs)])
        facts = every.group_by("station", *columns).agg(pl.col("start").min(), pl.col("stop").max())
        return (
            facts.join(wanted, on=list(columns))
            .group_by(*_SUBJECT, "edition")
            .agg(
                pl.max_horizontal(pl.col("start").max(), pl.col("since").first()).alias("start"),
                pl.min_horizontal(pl.col("stop").min(), pl.col("until").first()).alias("stop"),
                pl.col("needs").first() == pl.len(),
            )
            .filter("needs", pl.col("start") < pl.col("stop"))
            .group_by(_SUBJECT)
            .agg(pl.col("start").min().alias("first"), pl.col("stop").max().alias("last"))
        )

    def shares(self, made: pl.DataFrame) -> pl.DataFrame:
        """`regions.SHARES` of the episodes `made`."""
        parameters = spread(self.rules)
        asked = made.filter(pl.col("rule").is_in(list(parameters))).select(
            "station", pl.col("rule").replace_strict(parameters).alias("parameter"), start="time", stop="stop"
        )
        if asked.is_empty():
            return empty(regions.SHARES)
        voices = asked.select("station", "parameter").unique().join(self.voices, on=["station", "parameter"])
        named = voices.select("station", "parameter", subject="series")
        windows = asked.join(named, on=["station", "parameter"]).select("subject", "start", "stop")
        own = self.hours(windows, voices).drop("averaging")
        others, pairs = self.beside(asked)
        hours = pl.concat([own, others]).unique(["station", "parameter", "time"])
        return regions.shares(made, hours, pairs, parameters)

    def _over(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows` without the hour that is not over: it says nothing yet, and when it closes it is marked."""
        return rows.filter(pl.col("time") != pl.lit(self.now).dt.truncate("1h"))

    def hours(self, windows: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
        """station, parameter, averaging, time, value of the hours of `voices` in `windows` (subject a series)."""
        rows = derived.load(self.conn, derived.AVERAGE, ledger.merge(windows), {"averaging": ["hour"]})
        self.read += rows.height
        return speak(self._over(rows), voices)

    def beside(self, asked: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Hours of the stations around those `asked` for (station, parameter, start, stop), as `speak` gives them; and
        who is around whom, as `regions.background` takes it."""
        asked = asked.select("station", "parameter", "start", "stop")
        pairs = compare.beside(self.conn, asked["parameter"].unique().to_list())
        pairs = pairs.join(asked.select("station", "parameter").unique(), on=["station", "parameter"], how="semi")
        others = pairs.select(station="other", parameter="parameter").unique()
        voices = self.voices.join(others, on=["station", "parameter"])
        named = voices.select("parameter", other="station", subject="series")
        windows = asked.join(pairs, on=["station", "parameter"]).join(named, on=["other", "parameter"])
        return self.hours(windows.select("subject", "start", "stop"), voices).drop("averaging"), pairs

    def _background(self, asked: pl.DataFrame) -> pl.DataFrame:
        """What the stations around those `asked` for have, as `speak` gives it."""
        found = regions.background(*self.beside(asked))
        return found.select("station", "parameter", "averaging", "time", "value")

    def _expected(self, asked: pl.DataFrame) -> pl.DataFrame:
        """What the days will be of the stations `asked` for, as `speak` gives it."""
        windows = asked.select(pl.col("series").alias("subject"), "start", "stop")
        hours = self.hours(windows, asked.unique("series"))
        early = pl.col("start") - timedelta(hours=episodes.FRESH)
        issued = ledger.merge(windows.with_columns(early, pl.col("stop") + _HOUR)).rename({"subject": "series"})
        said = forecasts.load_issues(self.conn, issued)
        self.read += said.height
        issues = said.join(asked.filter(rank=0).select("series", "station", "parameter").unique(), on="series")
        found = episodes.expected(hours.drop("averaging"), issues, self.stations)
        return found.select("station", "parameter", "averaging", "time", "value")

    def _scored(self, asked: pl.DataFrame) -> pl.DataFrame:
        """How unusual detectors find the hours of the stations `asked` for, as `speak` gives it: 0 below their line."""
        windows = ledger.merge(asked.select(pl.col("series").alias("subject"), "start", "stop"))
        voices = asked.unique("series")
        said = derived.load(self.conn, derived.SCORE, windows, {"detector": detection.LEVEL})
        self.read += said.height
        key = ["station", "parameter", "time"]
        loud = detection.levels(said).join(voices.select("series", "station", "parameter"), on="series")
        loud = loud.group_by(key).agg(pl.col("value").max())
        hours = self.hours(windows, voices).select(*key, averaging=pl.lit(episodes.SCORE))
        scored = hours.join(loud, on=key, how="left").with_columns(pl.col("value").fill_null(0.0))
        return scored.select("station", "parameter", "averaging", "time", "value")

    def _conditions(self, rule: Rules, values: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
        """`episodes.CONDITIONS` of `values` under the rules of a time."""
        events = None
        if any(item.planned for item in rule.episodes.values()) and not pieces.is_empty():
            start, stop = pieces.select(pl.col("start").min(), pl.col("stop").max()).row(0)
            events = pl.concat(
                [
                    planned.of_kinds(self.conn, start, stop),
                    *(
                        episodes.feasts(rule.feasts, int(str(offset)))
                        .filter(pl.col("start") < stop, pl.col("stop") > start)
                        .drop("station")
                        .join(some.select("station"), how="cross")
                        .select(list(episodes.PLANNED))
                        for (offset,), some in self.stations.group_by("offset", maintain_order=True)
                    ),
                ]
            )
        # Values are shared by rules; a look costs by the rules that are still looked for, not by all of them.
        wanted = set(pieces["rule"])
        asked = {name: each for name, each in rule.episodes.items() if name in wanted}
        return episodes.conditions(values, self.stations, asked, events)


def joined(windows: pl.DataFrame) -> pl.DataFrame:
    """`windows` numbered, those of a (station, rule) whose loaded stretches touch made one."""
    reach = pl.col("high").cum_max().shift().over(_SUBJECT)
    apart = (reach.is_null() | (pl.col("low") > reach)).cum_sum().cast(pl.Int64).alias("window")
    least, most = pl.col("start", "low", "first").min(), pl.col("stop", "high", "last").max()
    return (
        windows.sort(*_SUBJECT, "low")
        .with_columns(apart)
        .group_by("window", maintain_order=True)
        .agg(pl.col(_SUBJECT).first(), least, most)
    )


def inside(marked: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The `marked` that lie in the loaded stretch of one of `windows`, with its number."""
    borders = windows.select(*_SUBJECT, pl.col("low").alias("time"), "high", "window").sort(*_SUBJECT, "time")
    return (
        marked.join_asof(borders, on="time", by=_SUBJECT, strategy="backward", check_sortedness=False)
        .filter(pl.col("time") < pl.col("high"))
        .drop("high")
    )


def _of(values: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The `values` (station, parameter, time) in one of the `windows` (station, parameter, start, stop). Beside them
    lies what was loaded for others, of which not all is there."""
    names = windows.select("station", "parameter").unique().with_row_index("subject").cast({"subject": pl.Int32})
    spans = ledger.merge(windows.join(names, on=["station", "parameter"]).select(*ledger.WINDOWS))
    return ledger.inside(values.join(names, on=["station", "parameter"]), spans, "subject").select(values.columns)


def speak(averages: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
    """station, parameter, averaging, time, value: the mean of the series that speaks, else of its stand-in."""
    said = averages.filter(pl.col("value").is_not_null()).join(
        voices.select("series", "station", "parameter", "rank"), on="series"
    )
    if said["rank"].max():
        key = ["station", "parameter", "averaging", "time"]
        said = said.sort("rank").unique(key, keep="first", maintain_order=True)
    return said.select("station", "parameter", "averaging", "time", "value")


def spread(rules: list[Rules]) -> dict[str, str]:
    """Rule of episodes -> its parameter, of those where one asks whether it is ours or the neighbours': the air's."""
    return {
        item.name: item.parameter
        for rule in rules
        for item in rule.episodes.values()
        if item.about != episodes.DEVICE and item.term.sign > 0 and rule.parameters[item.parameter].domain == "air"
    }
