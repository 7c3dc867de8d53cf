"""Means, extremes and coverage over steps of any length.

A step that is an averaging has the figures that are kept of it; another one is made of the hours that are kept, and
below an hour of readings: as they count, by the means of `averaging`.
"""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from analytics.averaging import steps
from analytics.store import horizon, observations
from analytics.store.connection import Connection
from jobs.again import with_codes
from jobs.export import measured as kept
from jobs.export import pages
from jobs.export.ask import Ask
from jobs.readings import readings as load_readings
from jobs.rules import Rules, load_rules
from jobs.web.problems import Refused
from jobs.web.read import measured, past, selected, walk
from jobs.web.read.asked import Asked
from jobs.web.read.forms import Page
from jobs.web.read.selected import SERIES

#: The averaging that a step is, and as which it is kept.
KEPT: Mapping[str, str] = {"1h": "hour", "1d": "day"}
_EXTREMES = ("min", "max")
#: Readings of one answer may be so many times as many as their series were registered to have.
_SLACK = 3


class Steps:
    """What one request asks of its steps. `readings`: it asks for those, not for averages."""

    def __init__(self, conn: Connection, asked: Asked, rules: list[Rules], *, readings: bool) -> None:
        """Raises `Refused` where there are no such steps."""
        assert asked.step is not None
        self.conn, self.asked, self.step = conn, asked, asked.step
        self.known = past.moment(conn, asked)
        self.then = [] if self.known is None else load_rules(conn, self.known)
        self.names = _meant(selected.series(conn, asked, rules), rules)
        self.facts = selected.facts(conn, self.names, rules, self.known)
        self.statistics = asked.statistics or ("mean",)
        self.extremes = [name for name in _EXTREMES if name in self.statistics]
        short = self.step.seconds < steps.HOUR
        if short and not readings:
            raise Refused("bad-query", f"averages come by the hour: ask /v1/readings for steps of {self.step.name}")
        #: whether means are made of readings, and extremes of them
        self.means_of_readings = short or (self.step.seconds == steps.HOUR and asked.capture is not None)
        self.extremes_of_readings = bool(self.extremes) and readings
        self.capture = _capture(asked, rules) if asked.capture is None else asked.capture
        kept_as = KEPT.get(self.step.name, "") if asked.capture is None else ""
        has = {name for name, item in rules[-1].parameters.items() if kept_as in item.averagings}
        #: as which averaging it is kept, and of which series
        self.kept_as = kept_as
        self.has = self.names.filter(pl.col("parameter").is_in(has))["series"]

    def page(self) -> Page:
        """A page of them: station, parameter, time, value, min, max (those asked for), count, expected, coverage [1],
        position, statistic, cadence [s] and ABOUT."""
        of_readings = self.means_of_readings or self.extremes_of_readings
        most = walk.MOST if self.known is None else past.MOST
        facts, long = self.facts, timedelta(seconds=self.step.seconds)
        if not of_readings and self.known is None:
            facts = facts.with_columns(step=pl.lit(float(steps.HOUR)))
        source = float(facts["step"].min() or steps.HOUR)  # type: ignore[arg-type]  # a number
        if of_readings and self.step.seconds / source > most:
            raise Refused(
                "too-much",
                f"a step of {self.step.name} holds some {self.step.seconds / source:,.0f} readings of a series, at most"
                f" {most:,} are read for one: ask for shorter steps, or leave min and max out",
            )
        extent = observations.extent(self.conn, self.names["series"].to_list())
        # A step begins before the first reading in it.
        extent = extent.with_columns(pl.col("start") - long)
        spans = measured.ordered(self.conn, extent, self.names, facts, self.asked)
        room = min(most, int((self.asked.limit + 1) * max(1.0, self.step.seconds / source)))
        stretches = walk.walk(spans, SERIES, self.asked, most=most, least=long, room=room)
        rows, cursor = walk.page(stretches, self._load, (*SERIES, "time"), self.asked)
        return Page(rows, cursor, self.known, past.lasting(self.known))

    def _load(self, windows: pl.DataFrame) -> pl.DataFrame:
        """The steps that begin in `windows`."""
        facts = self.facts.select("series", "mean", "cadence", "offset")
        asked = windows.select(pl.col("subject").alias("series"), "start", "stop").join(facts, on="series")
        starts = {
            end: asked.select("offset", time=end).select(steps.next_start(self.step)).to_series()
            for end in ("start", "stop")
        }
        whole = asked.select("series").with_columns(**starts).filter(pl.col("start") < pl.col("stop"))
        read = self._readings(whole) if self.means_of_readings or self.extremes_of_readings else None
        hours = None
        if not self.means_of_readings:
            hours = kept.averages_in(self.conn, whole, Ask(averagings=self._averagings(), known=self.known), self.then)
        if self.means_of_readings:
            assert read is not None
            found = steps.of_readings(read, facts, self.step, self.capture)
        else:
            assert hours is not None
            found = self._of_hours(hours, facts)
        if self.extremes:
            rows = read if self.extremes_of_readings else _hourly(hours)
            assert rows is not None
            found = found.join(steps.extremes(rows, facts, self.step), on=["series", "time"], how="full", coalesce=True)
        found = found.with_columns(pl.col("count").fill_null(0))
        values = [name for name in ("value", *_EXTREMES) if ("mean" if name == "value" else name) in self.statistics]
        named = measured.covered(pages.named(found, self.names))
        return measured.described(named, self.facts).select(
            "station",
            "parameter",
            "time",
            *values,
            *measured.MEANS,
            *measured.OF_SERIES,
        )

    def _averagings(self) -> list[str]:
        """Those that are loaded."""
        only = self.kept_as and not self.extremes and self.has.len() == self.names.height
        return [self.kept_as] if only else sorted({"hour", self.kept_as or "hour"})

    def _of_hours(self, averages: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
        """`steps.MEAN`: as it is kept where it is, else of hours."""
        mine = pl.col("series").is_in(self.has.implode()) if self.kept_as else pl.lit(value=False)
        there = averages.filter(mine, pl.col("averaging") == self.kept_as)
        made = steps.of_hours(_hourly(averages).filter(~mine), facts, self.step, self.capture)
        return pl.concat([there.select(pl.col(name).cast(dtype) for name, dtype in steps.MEAN.items()), made])

    def _readings(self, windows: pl.DataFrame) -> pl.DataFrame:
        """Readings as they count, with their codes. Raises `Refused` where there are far more than there should be."""
        most = _SLACK * (walk.MOST if self.known is None else past.MOST)
        rows = observations.cut(self.conn, windows, most)["rows"].sum()
        if rows >= most:
            raise Refused(
                "too-much",
                f"these steps hold more than {most:,} readings, more than their series were registered to have: ask for"
                " a shorter time, or for shorter steps",
            )
        verdicts = kept.verdicts_in(self.conn, windows, self.known, self.then)
        found = with_codes(load_readings(self.conn, windows, self.known), verdicts)
        horizon.require(self.conn, windows)
        return found


def _capture(asked: Asked, rules: list[Rules]) -> float:
    """The share that must be there where none is named: that of the averaging which the step is, else an hour's."""
    assert asked.step is not None
    rule = rules[-1].averagings.get(KEPT.get(asked.step.name, ""))
    return steps.CAPTURE if rule is None else rule.capture or rule.minimum / rule.expected


def _hourly(averages: pl.DataFrame | None) -> pl.DataFrame:
    assert averages is not None
    return averages.filter(pl.col("averaging") == "hour").with_columns(code=pl.lit(None, pl.Int16))


def _meant(names: pl.DataFrame, rules: list[Rules]) -> pl.DataFrame:
    """Those of `names` that have means. Raises `Refused` where they cannot."""
    own = names.filter(pl.col("statistic") != "")
    if own.height:
        word = own["statistic"][0]
        raise Refused("bad-query", f"what is {word!r} already has no mean of ours: ask for it without step")
    means = [name for name, item in rules[-1].parameters.items() if "hour" in item.averagings]
    found = names.filter(pl.col("parameter").is_in(means))
    if names.height and found.is_empty():
        raise Refused("bad-query", f"{names['parameter'][0]} has no mean: ask for it without step")
    return found


def page(conn: Connection, asked: Asked, rules: list[Rules], *, readings: bool) -> Page:
    """A page of steps."""
    return Steps(conn, asked, rules, readings=readings).page()
