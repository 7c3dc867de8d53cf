"""The stage `detect`: episodes and scores of the affected windows.

What an episode reaches is not a duration: it lives from one quiet stretch to the next. So the values around a changed
window are loaded, farther and farther, until there is quiet on both sides or the data end, and exactly the episodes
that begin between the two are made again. Whatever else changes meanwhile has a mark of its own, and a take that comes
later sees it.
"""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from analytics import episodes
from analytics.store import derived, names, observations, registry, terms
from analytics.store.ledger import Take
from jobs import region, scores
from jobs.facts import Facts, inside, joined
from jobs.rules import Rules, by_rules, within

_HOUR, _INSTANT = timedelta(hours=1), timedelta(microseconds=1)
#: How far beyond a changed window, and beyond what is bridged there, quiet is looked for at first; and how many times
#: as far each time where there is none: a look costs more than the rows that it reads.
MARGIN, FARTHER = timedelta(hours=12), 6
_SUBJECT = ["station", "rule"]


def detect(take: Take, rules: list[Rules]) -> None:
    """Scores of the affected windows, and episodes, as far as these reach into quiet on both sides."""
    wanted = take.affected["subject"].unique().implode()
    stations = registry.load_stations(take.conn).filter(pl.col("station").is_in(wanted))
    stations = stations.join(registry.load_places(take.conn), on="station", how="left")
    series = registry.load_series(take.conn)
    # First: there are episodes of what scores say, and a late hour changes those of days after it.
    moved = scores.detect(take, series.filter(pl.col("station").is_in(wanted)))
    voices = series.join(registry.load_authorities(take.conn), on="series")
    _detect_episodes(take, moved, Facts(take.conn, take.now, rules, stations, voices))


def _detect_episodes(take: Take, moved: pl.DataFrame, facts: Facts) -> None:
    """Nothing; episodes are made again around what changed, and around the scores that `moved` (WINDOWS)."""
    around = _Around(take, moved, facts)
    found, windows = around.quiet()
    made, mine = episodes.runs(found), windows.rename({"station": "subject"})
    changed = derived.write(take, derived.EPISODE, made, windows=mine)
    derived.write(take, derived.EVIDENCE, around.evidence(made), windows=mine)
    derived.write(take, derived.SHARE, facts.shares(made), windows=mine)
    take.read += facts.read
    changed = terms.decode(take.conn, changed, "rule", "episode")
    _name(take, made, windows, changed)
    region.gather(take, facts.rules[-1].regions, made, changed)


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
    """The `facts` around the changed windows of a take, and around those in which scores `moved`."""

    take: Take
    moved: pl.DataFrame
    facts: Facts

    def quiet(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What the values say (`episodes.CONDITIONS`) between the quiet before and after each change; and the windows
        (station, rule, start, stop) in which episodes may begin that are other now."""
        windows, margin = self._begin(), MARGIN
        pieces = windows.select(*_SUBJECT, pl.col("low").alias("start"), pl.col("high").alias("stop"))
        known = pl.DataFrame(schema=dict(episodes.CONDITIONS))
        settled = []
        while True:
            rows = inside(_with(known, self.facts.conditions(pieces)), windows)
            # Where all that a rule must know is nowhere on that side, nothing is in force there: it is quiet.
            early, late = (
                pl.col(end).is_between("first", "last", closed="none").fill_null(value=False) for end in ("low", "high")
            )
            found = episodes.borders(rows, windows).with_columns(
                (pl.col("after").is_null() & early).alias("before"), (pl.col("until").is_null() & late).alias("beyond")
            )
            open_ = pl.col("before") | pl.col("beyond")
            settled.append(_between(rows, found.filter(~open_)))
            found = found.filter(open_)
            if found.is_empty():
                return pl.concat(some for some, _ in settled), pl.concat(some for _, some in settled)
            # A window that reaches on meets the quiet around those that are settled before it meets their changes.
            known = rows.join(found.select("window"), on="window", how="semi").drop("window")
            margin *= FARTHER
            more = (
                found.filter("before").select(*_SUBJECT, start=pl.col("low") - margin, stop="low"),
                found.filter("beyond").select(*_SUBJECT, start="high", stop=pl.col("high") + margin),
            )
            pieces = pl.concat(more)
            wider = found.with_columns(
                pl.when("before").then(pl.col("low") - margin).otherwise("low").alias("low"),
                pl.when("beyond").then(pl.col("high") + margin).otherwise("high").alias("high"),
            )
            windows = joined(wider)

    def evidence(self, made: pl.DataFrame) -> pl.DataFrame:
        """`episodes.EVIDENCE` of the episodes `made` of what was found, by the rules in force when each began."""
        if made.is_empty():
            return pl.DataFrame(schema=dict(episodes.EVIDENCE))
        values = pl.concat(self.facts.said).unique(["station", "parameter", "averaging", "time"])
        return by_rules(
            within(self.facts.rules, made.select(start="time", stop="time")),
            lambda rule: episodes.evidence(made.filter(rule.covers(pl.col("time"))), values, rule.episodes),
        )

    def _begin(self) -> pl.DataFrame:
        """window, station, rule, start, stop: what changed; low, high: what is loaded; first, last: where all is that
        the rule must know, null where there is no such time."""
        extent = observations.extent(self.take.conn, self.facts.heard["series"].unique().to_list())
        asking = self.facts.heard.select(*_SUBJECT, "back", "bridge").unique()
        scored = {rule.name for each in self.facts.rules for rule in each.episodes.values() if rule.scored}
        both = [(asking, self.take.affected), (asking.filter(pl.col("rule").is_in(list(scored))), self.moved)]
        there = (
            pl.concat([some.join(spans.rename({"subject": "station"}), on="station") for some, spans in both])
            .with_columns(pl.col("stop") + pl.col("back"))
            .join(self.facts.extent(extent), on=_SUBJECT, how="left")
        )
        return joined(
            there.with_columns(
                (pl.col("start") - pl.col("bridge") - MARGIN).alias("low"),
                (pl.col("stop") + pl.col("bridge") + MARGIN).alias("high"),
            )
        )


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
