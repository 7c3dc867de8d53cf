"""The stage `detect`: episodes and scores of the affected windows.

What an episode reaches is not a duration: it lives from one quiet stretch to the next. So the values around a changed
window are loaded, farther and farther, until there is quiet on both sides or the data end, and exactly the episodes
that begin between the two are made again. Whatever else changes meanwhile has a mark of its own, and a take that comes
later sees it.
"""

from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from analytics import detection, episodes, regions
from analytics.frames import AVERAGES, empty
from analytics.store import derived, fits, forecasts, ledger, names, observations, planned, registry, terms
from analytics.store.ledger import Take
from jobs import compare, region
from jobs.rules import Rules, by_rules

_HOUR, _INSTANT = timedelta(hours=1), timedelta(microseconds=1)
#: How far beyond a changed window quiet is looked for at first; where there is none, each time twice as far.
MARGIN = timedelta(hours=12)
_SUBJECT = ["station", "rule"]


def detect(take: Take, rules: list[Rules]) -> None:
    """Episodes of the affected windows, as far as these reach into quiet on both sides, and scores."""
    wanted = take.affected["subject"].unique().implode()
    stations = registry.load_stations(take.conn).filter(pl.col("station").is_in(wanted))
    stations = stations.join(registry.load_places(take.conn), on="station", how="left")
    series = registry.load_series(take.conn)
    _detect_episodes(take, rules, stations, series.join(registry.load_authorities(take.conn), on="series"))
    _detect_scores(take, series.filter(pl.col("station").is_in(wanted)))


def speak(averages: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
    """station, parameter, averaging, time, value: the mean of the series that speaks, else of its stand-in."""
    said = averages.filter(pl.col("value").is_not_null()).join(
        voices.select("series", "station", "parameter", "rank"), on="series"
    )
    if said["rank"].max():
        key = ["station", "parameter", "averaging", "time"]
        said = said.sort("rank").unique(key, keep="first", maintain_order=True)
    return said.select("station", "parameter", "averaging", "time", "value")


def _detect_episodes(take: Take, rules: list[Rules], stations: pl.DataFrame, voices: pl.DataFrame) -> None:
    own = [item for rule in rules for item in rule.episodes.values()]
    facts = {(item.name, *fact) for item in own for fact in item.facts}
    backs = {item.name: max(other.back for other in own if other.name == item.name) for item in own}
    heard = pl.DataFrame(
        [(*each, backs[each[0]]) for each in sorted(facts)],
        schema={**dict.fromkeys(("rule", "parameter", "averaging"), pl.String()), "back": pl.Duration("us")},
        orient="row",
    )
    mine = voices.filter(pl.col("station").is_in(stations["station"].implode()))
    around = _Around(take, rules, stations, mine.join(heard, on="parameter"), voices)
    found, windows = around.quiet()
    made, inside = episodes.runs(found), windows.rename({"station": "subject"})
    changed = derived.write(take, derived.EPISODE, made, windows=inside)
    derived.write(take, derived.EVIDENCE, around.evidence(made), windows=inside)
    derived.write(take, derived.SHARE, around.shares(made), windows=inside)
    changed = terms.decode(take.conn, changed, "rule", "episode")
    _name(take, made, windows, changed)
    region.gather(take, rules[-1].regions, made, changed)


def spread(rules: list[Rules]) -> dict[str, str]:
    """Rule of episodes -> its parameter, of those where one asks whether it is ours or the neighbours': the air's."""
    return {
        item.name: item.parameter
        for rule in rules
        for item in rule.episodes.values()
        if item.about != episodes.DEVICE and item.term.sign > 0 and rule.parameters[item.parameter].domain == "air"
    }


def _name(take: Take, made: pl.DataFrame, windows: pl.DataFrame, changed: pl.DataFrame) -> None:
    """Nothing; episodes have names where some were `changed` in one of the `windows`, in which all were `made`."""
    borders = windows.sort(*_SUBJECT, "start").with_row_index("window")
    others = _in_windows(changed, borders).select("window").unique()
    touched = borders.join(others, on="window", how="semi")
    names.keep(take.conn, episodes.listed(_in_windows(made, touched)), touched.drop("window"))


def _in_windows(rows: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The `rows` (station, rule, time) that begin in one of `windows` (window, station, rule, start, stop)."""
    borders = windows.select("window", *_SUBJECT, "stop", time="start").sort(*_SUBJECT, "time")
    return (
        rows.sort(*_SUBJECT, "time")
        .join_asof(borders.rename({"stop": "border"}), on="time", by=_SUBJECT, check_sortedness=False)
        .filter(pl.col("time") < pl.col("border"))
        .drop("border")
    )


@dataclass(slots=True)
class _Around:
    """The values around the changed windows of a take. `heard`: the series that speak to a rule, or stand in, and how
    far `back` of a period it looks; `voices`: those of all stations that speak or stand in."""

    take: Take
    rules: list[Rules]
    stations: pl.DataFrame
    heard: pl.DataFrame
    voices: pl.DataFrame
    #: all that was loaded: station, parameter, averaging, time, value
    said: list[pl.DataFrame] = field(default_factory=list)

    def quiet(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What the values say (`episodes.CONDITIONS`) between the quiet before and after each change; and the windows
        (station, rule, start, stop) in which episodes may begin that are other now."""
        windows, margin = self._begin(), MARGIN
        pieces = windows.select(*_SUBJECT, pl.col("low").alias("start"), pl.col("high").alias("stop"))
        known = pl.DataFrame(schema=dict(episodes.CONDITIONS))
        settled = []
        while True:
            rows = _inside(_with(known, self._load(pieces)), windows)
            found = episodes.borders(rows, windows).with_columns(
                (pl.col("after").is_null() & (pl.col("low") > pl.col("first"))).alias("before"),
                (pl.col("until").is_null() & (pl.col("high") < pl.col("last"))).alias("beyond"),
            )
            open_ = pl.col("before") | pl.col("beyond")
            settled.append(_between(rows, found.filter(~open_)))
            found = found.filter(open_)
            if found.is_empty():
                return pl.concat(some for some, _ in settled), pl.concat(some for _, some in settled)
            # A window that reaches on meets the quiet around those that are settled before it meets their changes.
            known = rows.join(found.select("window"), on="window", how="semi").drop("window")
            margin *= 2
            early, late = found.filter("before"), found.filter("beyond")
            pieces = pl.concat(
                [
                    early.select(*_SUBJECT, (pl.col("low") - margin).alias("start"), pl.col("low").alias("stop")),
                    late.select(*_SUBJECT, pl.col("high").alias("start"), (pl.col("high") + margin).alias("stop")),
                ]
            )
            wider = found.with_columns(
                pl.when("before").then(pl.col("low") - margin).otherwise("low").alias("low"),
                pl.when("beyond").then(pl.col("high") + margin).otherwise("high").alias("high"),
            )
            windows = _joined(wider)

    def _over(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows` without the hour that is not over: it says nothing yet, and when it closes it is marked."""
        return rows.filter(pl.col("time") != pl.lit(self.take.now).dt.truncate("1h"))

    def _hours(self, windows: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
        """station, parameter, averaging, time, value of the hours of `voices` in `windows` (subject a series)."""
        rows = derived.load(self.take.conn, derived.AVERAGE, ledger.merge(windows), {"averaging": ["hour"]})
        self.take.read += rows.height
        return speak(self._over(rows), voices)

    def _beside(self, asked: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Hours of the stations around those `asked` for (station, parameter, start, stop), as `speak` gives them; and
        who is around whom, as `regions.background` takes it."""
        asked = asked.select("station", "parameter", "start", "stop")
        pairs = compare.beside(self.take.conn, asked["parameter"].unique().to_list())
        pairs = pairs.join(asked.select("station", "parameter").unique(), on=["station", "parameter"], how="semi")
        others = pairs.select(station="other", parameter="parameter").unique()
        voices = self.voices.join(others, on=["station", "parameter"])
        named = voices.select("parameter", other="station", subject="series")
        windows = asked.join(pairs, on=["station", "parameter"]).join(named, on=["other", "parameter"])
        return self._hours(windows.select("subject", "start", "stop"), voices).drop("averaging"), pairs

    def _background(self, asked: pl.DataFrame) -> pl.DataFrame:
        """What the stations around those `asked` for have, as `speak` gives it."""
        found = regions.background(*self._beside(asked))
        return found.select("station", "parameter", "averaging", "time", "value")

    def _expected(self, asked: pl.DataFrame) -> pl.DataFrame:
        """What the days will be of the stations `asked` for, as `speak` gives it."""
        windows = asked.select(pl.col("series").alias("subject"), "start", "stop")
        hours = self._hours(windows, asked.unique("series"))
        early = pl.col("start") - timedelta(hours=episodes.FRESH)
        issued = ledger.merge(windows.with_columns(early, pl.col("stop") + _HOUR)).rename({"subject": "series"})
        said = forecasts.load_issues(self.take.conn, issued)
        self.take.read += said.height
        issues = said.join(asked.filter(rank=0).select("series", "station", "parameter").unique(), on="series")
        found = episodes.expected(hours.drop("averaging"), issues, self.stations)
        return found.select("station", "parameter", "averaging", "time", "value")

    def _conditions(self, rule: Rules, values: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
        """`episodes.CONDITIONS` of `values` under the rules of a time."""
        events = None
        if any(item.planned for item in rule.episodes.values()) and not pieces.is_empty():
            start, stop = pieces.select(pl.col("start").min(), pl.col("stop").max()).row(0)
            events = pl.concat(
                [
                    planned.of_kinds(self.take.conn, start, stop),
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
        return episodes.conditions(values, self.stations, rule.episodes, events)

    def evidence(self, made: pl.DataFrame) -> pl.DataFrame:
        """`episodes.EVIDENCE` of the episodes `made` of what was found, by the rules in force when each began."""
        if made.is_empty():
            return pl.DataFrame(schema=dict(episodes.EVIDENCE))
        values = pl.concat(self.said).unique(["station", "parameter", "averaging", "time"])
        return by_rules(
            self.rules,
            lambda rule: episodes.evidence(made.filter(rule.covers(pl.col("time"))), values, rule.episodes),
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
        own = self._hours(windows, voices).drop("averaging")
        others, pairs = self._beside(asked)
        hours = pl.concat([own, others]).unique(["station", "parameter", "time"])
        return regions.shares(made, hours, pairs, parameters)

    def _begin(self) -> pl.DataFrame:
        """window, station, rule, start, stop: what changed; low, high: what is loaded; first, last: where data are."""
        extent = observations.extent(self.take.conn, self.heard["series"].unique().to_list())
        bounds = (
            self.heard.join(extent, on="series")
            .group_by(_SUBJECT)
            .agg(pl.col("start").min().alias("first"), pl.col("stop").max().alias("last"), pl.col("back").first())
        )
        changed = self.take.affected.rename({"subject": "station"})
        there = (
            bounds.join(changed, on="station")
            .filter(pl.col("start") < pl.col("last"), pl.col("stop") > pl.col("first"))
            .with_columns(pl.col("stop") + pl.col("back"))
        )
        return _joined(
            there.with_columns((pl.col("start") - MARGIN).alias("low"), (pl.col("stop") + MARGIN).alias("high"))
        )

    def _load(self, pieces: pl.DataFrame) -> pl.DataFrame:
        """`episodes.CONDITIONS` of the values in `pieces` (station, rule, start, stop)."""
        asked = pieces.join(self.heard, on=_SUBJECT).with_columns(pl.col("start") - pl.col("back"))
        spoken = []
        measured = ~pl.col("averaging").is_in(list(episodes.SAID))
        for (averaging,), part in asked.filter(measured).group_by("averaging", maintain_order=True):
            windows = ledger.merge(part.select(pl.col("series").alias("subject"), "start", "stop"))
            rows = derived.load(self.take.conn, derived.AVERAGE, windows, {"averaging": [str(averaging)]})
            self.take.read += rows.height
            spoken.append(rows)
        if asked.is_empty():
            return pl.DataFrame(schema=dict(episodes.CONDITIONS))
        values = pl.concat(
            [
                speak(self._over(pl.concat([empty(AVERAGES), *spoken])), self.heard.unique("series")),
                self._background(asked.filter(averaging=episodes.BACKGROUND)),
                self._expected(asked.filter(averaging=episodes.EXPECTED)),
            ]
        )
        self.said.append(values)
        marked = by_rules(self.rules, lambda rule: self._conditions(rule, values, pieces))
        # Rules share values: what was loaded for another one to look back at says nothing sure of this.
        asked_for = _joined(pieces.with_columns(low="start", high="stop", first="start", last="stop"))
        return _inside(marked, asked_for).drop("window")


def _with(known: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """`known` and `more`, by station, rule and time, each once."""
    if known.is_empty():
        return more
    return pl.concat([known, more]).unique([*_SUBJECT, "time"], keep="last").sort(*_SUBJECT, "time")


def _between(rows: pl.DataFrame, found: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The `rows` inside the borders that were `found`, and these as windows."""
    kept = rows.join(found.select("window", "after", "until"), on="window").filter(
        (pl.col("time") > pl.col("after")).fill_null(value=True),
        (pl.col("time") <= pl.col("until")).fill_null(value=True),
    )
    windows = found.select(
        *_SUBJECT,
        pl.coalesce(pl.col("after") + _INSTANT, "low").alias("start"),
        pl.coalesce(pl.col("until") + _INSTANT, "high").alias("stop"),
    )
    return kept.select(list(episodes.CONDITIONS)), windows


def _joined(windows: pl.DataFrame) -> pl.DataFrame:
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


def _inside(marked: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The `marked` that lie in the loaded stretch of one of `windows`, with its number."""
    borders = windows.select(*_SUBJECT, pl.col("low").alias("time"), "high", "window").sort(*_SUBJECT, "time")
    return (
        marked.join_asof(borders, on="time", by=_SUBJECT, strategy="backward", check_sortedness=False)
        .filter(pl.col("time") < pl.col("high"))
        .drop("high")
    )


def _detect_scores(take: Take, series: pl.DataFrame) -> None:
    """Scores of the affected hours, of both series of a quantity as one, kept under the one that speaks."""
    affected = take.affected.rename({"subject": "station"}).join(series.select("station", "series"), on="station")
    windows = affected.select(pl.col("series").alias("subject"), "start", "stop")
    learned = {name: fits.load(take.conn, name, windows) for name in detection.DETECTORS}
    if all(found.is_empty() for found in learned.values()):
        return
    voices = registry.load_voices(take.conn).filter(pl.col("series").is_in(series["series"].implode()))
    hours = derived.load(
        take.conn,
        derived.AVERAGE,
        affected.join(voices.select("series"), on="series").select("series", "start", "stop"),
        {"averaging": ["hour"]},
    )
    take.read += hours.height
    said = coalesce(hours, voices)
    for name, score in detection.DETECTORS.items():
        made = score(said, learned[name])
        derived.write(take, derived.SCORE, made.filter(pl.col("value") >= 1), {"detector": [name]}, windows=windows)


def coalesce(hours: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
    """series (the voice), time, value, offset [min]: hours of the series that speaks, else of its stand-in."""
    return (
        hours.filter(pl.col("value").is_not_null())
        .join(voices.select("series", "voice", "rank", "offset"), on="series")
        .sort("voice", "time", "rank")
        .unique(["voice", "time"], keep="first", maintain_order=True)
        .select(pl.col("voice").alias("series"), "time", "value", "offset")
    )
