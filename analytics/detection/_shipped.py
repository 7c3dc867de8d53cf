"""The one configuration that is shipped: which detectors speak, how loud, and when it is news.

Two answers a reading. `level`: how unusual it is, the greatest score of those that know; 1 is the line. `alarm`: the
same where it is news, else 0: a jump must beat all jumps of the hour before, an hour of the day that is off all of the
day before, or twenty alarms would tell of one event. A jump is a fault until somebody looks; what departs slowly from
its usual hours, or from its companions, is an event.

Each member draws its line from the series' own unlabelled past, by a quantile and a margin that keep within half an
alarm a station-week beside what was injected into Beijing (tests/published/injected_report.py; of the same years as
they are it has 1.1, real haze among them). To lift the line of a series that
said more than that of late was tried and left out: real events of the past silence those to come (F1 of Logan River
0.51 to 0.44, of Apalachicola 0.77 to 0.12).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from analytics.detection import (
    meals,
    network,
    night,
    one_step,
    related,
    robust_seasonal,
    shift,
    slope,
    stuck,
    sustained,
    swing,
)
from analytics.detection._replay import Fit, fits_of
from analytics.detection._rows import back_of, floats, greatest, in_order, places, since
from analytics.frames import SCORES, TIME, conform
from analytics.parameters import Parameter

#: What is learned, by the name of its fit and of its block in the table.
LEARN: Mapping[str, Fit] = {
    one_step.NAME: one_step.fit,
    swing.NAME: swing.fit,
    related.NAME: related.fit,
    stuck.NAME: stuck.fit,
    network.NAME: network.fit,
    robust_seasonal.NAME: robust_seasonal.fit,
    night.NAME: night.fit,
    meals.NAME: meals.fit,
}
#: Of these, those of a station as a whole: the fit stands at its first series.
TOGETHER = [related.NAME]
FAULT, EVENT = "fault", "event"
LINE = 1.0
#: What is stored of the news of all members together.
ALARM = "alarm"


class Member(NamedTuple):
    """Who judges, by which fit, how far back; whether it counts for the level; how long before its alarm nothing may
    have been as high (None: its alarms are none), how many times as high is news then; what its alarm says; and whose
    scores it reads, where not the steps."""

    score: Any
    fit: str
    reach: int | timedelta
    level: bool
    quiet: timedelta | None
    more: float
    group: str
    reads: str = ""


#: A jump back is about as far as the jump: no news.
MEMBERS: Mapping[str, Member] = {
    one_step.NAME: Member(one_step.score, one_step.NAME, one_step.REACH, True, timedelta(hours=1), 1.1, FAULT),
    swing.NAME: Member(swing.score, swing.NAME, swing.REACH, True, timedelta(days=1), 1.0, FAULT),
    stuck.NAME: Member(stuck.score, stuck.NAME, stuck.REACH, True, timedelta(hours=1), 1.0, FAULT),
    related.NAME: Member(related.score, related.NAME, related.REACH, True, timedelta(0), 1.0, EVENT),
    shift.NAME: Member(shift.over, network.NAME, shift.REACH, False, timedelta(days=1), 1.0, FAULT, network.NAME),
    slope.NAME: Member(slope.over, network.NAME, slope.REACH, False, timedelta(days=1), 1.0, FAULT, network.NAME),
    network.NAME: Member(network.score, network.NAME, network.REACH, True, timedelta(days=1), 1.0, EVENT),
    robust_seasonal.NAME: Member(
        robust_seasonal.score, robust_seasonal.NAME, robust_seasonal.REACH, False, timedelta(days=1), 1.0, EVENT
    ),
    sustained.NAME: Member(
        sustained.over, robust_seasonal.NAME, sustained.REACH, True, None, 1.0, EVENT, robust_seasonal.NAME
    ),
    # They judge once a day: what is as high as the day before is no news.
    night.NAME: Member(night.score, night.NAME, night.REACH, True, timedelta(days=2), 1.0, EVENT),
    meals.NAME: Member(meals.score, meals.NAME, meals.REACH, True, timedelta(days=2), 1.0, EVENT),
}
#: What is judged: `by` is the first member whose alarm is at the line, null where there is none.
JUDGED: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "time": TIME,
    "level": pl.Float64(),
    "alarm": pl.Float64(),
    "by": pl.String(),
}
_KEY = ["series", "time"]
#: Whose scores say how unusual a reading is.
LEVEL = [name for name, member in MEMBERS.items() if member.level]
#: Who has news.
_NEWS = [name for name, member in MEMBERS.items() if member.quiet is not None]


def learn(
    steps: pl.DataFrame,
    voices: pl.DataFrame,
    parameters: Mapping[str, Parameter],
    settings: Mapping[str, Mapping[str, Any]],
) -> pl.DataFrame:
    """`detector`, `subject`, `blob`: all that there is to learn of `steps` (series, time, value, offset [min]).

    `voices` (series, parameter, offset, and `station` where some stand together), `settings` of `detection.parse`.
    """
    made = [
        fit(steps, voices, parameters, settings[name]).select(pl.lit(name).alias("detector"), "subject", "blob")
        for name, fit in LEARN.items()
    ]
    return pl.concat(made)


def judge(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`JUDGED`, a row a step, by series and time: by what holds at its time of `fits` (detector, subject, valid_from,
    blob).

    Steps are looked at `reach` back. Null where nobody can judge. A series has one step a time.
    """
    level = pl.max_horizontal(LEVEL).alias("level")
    said = _said(steps, fits)
    made = said.select(*_KEY, level).with_columns(_news(said, name) for name in _NEWS)
    by = pl.coalesce(pl.when(pl.col(name) >= LINE).then(pl.lit(name)) for name in _NEWS)
    return made.select(*_KEY, "level", pl.max_horizontal(_NEWS).alias("alarm"), by.alias("by"))


def scores(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES` at the line or above it: what each member says, by its name, and as `ALARM` what is news."""
    said = _said(steps, fits)
    # Few are near the line, and only these can leave no news in those beyond it.
    near = {name: said.select(*_KEY, name).filter(pl.col(name) * MEMBERS[name].more >= LINE) for name in MEMBERS}
    loud = pl.concat(near[name].select(*_KEY, _news(near[name], name).alias("value")) for name in _NEWS)
    every = {name: rows.rename({name: "value"}) for name, rows in near.items()}
    every[ALARM] = loud.group_by(_KEY).agg(pl.col("value").max())
    made = pl.concat(rows.select(*_KEY, pl.lit(name).alias("detector"), "value") for name, rows in every.items())
    return conform(made.filter(pl.col("value") >= LINE), SCORES)


def levels(scores: pl.DataFrame) -> pl.DataFrame:
    """series, time, value: how unusual each reading is of which `scores` (`frames.SCORES`) has something: the greatest
    of those that count for it."""
    said = scores.filter(pl.col("detector").is_in(LEVEL))
    return said.group_by(_KEY).agg(pl.col("value").max()).sort(_KEY)


def replay(
    rows: pl.DataFrame, parameters: Mapping[str, Parameter], settings: Mapping[str, Mapping[str, Any]]
) -> pl.DataFrame:
    """`rows` (station, series, parameter, time, value) in their order, with `level`, `alarm` and `by` of `JUDGED`: as
    if they had come one by one and been learned from by the clock, in UTC. Of rows with one time the last one counts.

    `near`, where they have it, lists the series around each, the nearest first. A parameter that `parameters` does not
    know has a plain mean, no limits and no domain.
    """
    known = dict(parameters) | {
        name: Parameter(name, name, name, "", "arithmetic", (), (), "", "")
        for name in rows["parameter"].unique().sort()
        if name not in parameters
    }
    number = rows.select(pl.col("series").rank("dense").cast(pl.Int32), pl.col("station").rank("dense").cast(pl.Int32))
    numbered = rows.select("parameter", "time", "value", pl.lit(0, pl.Int16).alias("offset")).hstack(number)
    voices = numbered.select("series", "parameter", "offset", "station").unique("series", maintain_order=True)
    if "near" in rows.columns:
        named = rows.select("series", "near").hstack([number["series"].alias("number")]).unique("series")
        numbers = dict(named.select("series", "number").iter_rows())
        near = pl.col("near").list.eval(pl.element().replace_strict(numbers, default=None, return_dtype=pl.Int32))
        around = named.select(pl.col("number").alias("series"), near.list.drop_nulls())
        voices = voices.join(around, on="series", how="left", maintain_order="left")
    steps = numbered.select(*_KEY, "value", "offset").unique(_KEY, keep="last", maintain_order=True)
    made = [
        fits_of(fit, steps, voices, known, settings[name]).with_columns(pl.lit(name).alias("detector"))
        for name, fit in LEARN.items()
    ]
    judged = judge(steps, pl.concat(made))
    said = numbered.select(_KEY).join(judged, on=_KEY, how="left", maintain_order="left")
    return rows.with_columns(said["level"], said["alarm"], said["by"])


def reach(cadence: timedelta) -> timedelta:
    """How long before a step the readings begin that its alarm may read, and the fits that judge them."""
    return max(back_of(member.reach, cadence) + (member.quiet or timedelta()) for member in MEMBERS.values())


def cadences(fits: pl.DataFrame) -> pl.DataFrame:
    """`subject`, `cadence`: the longest that any of `fits` knows: what they judge is looked at `reach` of it back."""
    known = pl.col("blob").cast(pl.String).str.json_path_match("$.cadence").cast(pl.Float64).cast(pl.Int64)
    return fits.select("subject", known.cast(pl.Duration("us")).alias("cadence")).drop_nulls().group_by("subject").max()


def _said(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """The score of each member, a column each, a row a step, by series and time."""
    rows = in_order(steps)
    made: dict[str, pl.DataFrame] = {}
    for name, member in sorted(MEMBERS.items(), key=lambda item: bool(item[1].reads)):
        known = fits.filter(detector=member.fit)
        made[name] = member.score(made[member.reads]) if member.reads else member.score(rows, known)
    return rows.select(_KEY).with_columns(_beside(rows, made[name]).alias(name) for name in MEMBERS)


def _beside(rows: pl.DataFrame, scores: pl.DataFrame) -> pl.Series:
    """The value of `scores` at each of `rows`, the greatest where there are several, null where there is none."""
    if scores.height == rows.height and scores.select(_KEY).equals(rows.select(_KEY)):
        return scores["value"]
    theirs = in_order(scores)
    value = np.full(rows.height, np.nan)
    np.fmax.at(value, places(rows, theirs), floats(theirs, "value"))
    return pl.Series("value", value).fill_nan(None)


def _news(said: pl.DataFrame, name: str) -> pl.Series:
    """The score of a member, 0 where what was said before leaves no news in it; `said` has all that is near it."""
    member, value = MEMBERS[name], floats(said, name)
    if member.quiet:
        before = greatest(value, since(said, member.quiet, open_=False))
        value = np.where(before * member.more >= value, 0.0, value)
    return pl.Series(name, value).fill_nan(None)
