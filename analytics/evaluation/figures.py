"""What a detector reached on a labelled set: event by event, without a line, and as NAB scores, in one row.

`level` is how unusual a reading is, `alarm` the same where it is news (a detector that has but one gives it twice): the
volume under the surface reads the one, everything that has a line the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.evaluation import SCORED, events, nab, vus
from analytics.frames import TIME

#: What `measure` reads, in the order of the files.
SAID: Mapping[str, pl.DataType] = {
    "station": pl.String(),
    "series": pl.String(),
    "time": TIME,
    "value": pl.Float64(),
    "label": pl.Boolean(),
    "level": pl.Float64(),
    "alarm": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class Reached:
    """At the line 1.0, of the halves of each series, at the best line; `elsewhere`: each station at the line that is
    the best of all others; `vus` the volume under the surface; `nab` standard, low FP and low FN at 1.0, then each at
    its best line. NaN, None and nothing where it was not asked for or there is nothing to say."""

    own: events.Figures
    halves: tuple[events.Figures, events.Figures]
    line: float
    best: events.Figures
    elsewhere: events.Figures | None
    vus: float
    nab: Sequence[float]


def measure(rows: pl.DataFrame, *, whole: bool = False, windows: bool = False, sites: bool = False) -> Reached:
    """What `rows` (`SAID`) reach. `whole`: labels are of a station, and its series are judged as one by the highest;
    `windows`: labels are windows of NAB; `sites`: stations are left out one by one."""
    levels, alarms = (_scored(rows, name, whole=whole) for name in ("level", "alarm"))
    first, second = events.halves(alarms)
    line, best = events.best(alarms)
    seen = [volume for volume in volumes(levels, rows) if not np.isnan(volume)]
    return Reached(
        events.judge(alarms),
        (events.judge(first), events.judge(second)),
        line,
        best,
        _elsewhere(alarms) if sites and alarms["station"].n_unique() > 1 else None,
        float(np.mean(seen)) if seen else float("nan"),
        of_nab(alarms) if windows else (),
    )


def volumes(judged: pl.DataFrame, rows: pl.DataFrame) -> Iterator[float]:
    """VUS-PR of each series, NaN where it has no label; the buffer is the period of its values (a station's: of its
    first series). Rows that nobody judged are left out."""
    widths = {}
    for key in ("station", "series"):
        for (number,), part in rows.group_by(key, maintain_order=True):
            one = part.filter(pl.col("series") == part["series"][0])
            widths[number] = one["value"].to_numpy()
    for (number,), part in judged.drop_nulls("label").group_by("series", maintain_order=True):
        label, score = part["label"].to_numpy(), part["score"].fill_null(np.nan).to_numpy()
        yield vus.vus_pr(label, score, vus.period(widths[number])) if label.any() else float("nan")


def of_nab(judged: pl.DataFrame) -> list[float]:
    """NAB's three profiles at 1.0, then the three at the best line of each."""
    files = [
        (part["label"].to_numpy(), part["score"].fill_null(np.nan).to_numpy())
        for part in judged.partition_by("series", maintain_order=True)
    ]
    profiles = nab.PROFILES.values()
    return [nab.score(files, events.LINE, one) for one in profiles] + [nab.best(files, one)[1] for one in profiles]


def _scored(rows: pl.DataFrame, name: str, *, whole: bool) -> pl.DataFrame:
    scored = rows.with_columns(pl.col(name).cast(pl.Float64).fill_nan(None).alias("score"))
    return events.together(scored) if whole else scored.select(*SCORED)


def _elsewhere(alarms: pl.DataFrame) -> events.Figures:
    """The sum over stations of what each reaches at the line that is the best of all others."""
    parts = []
    for (station,), part in alarms.group_by("station", maintain_order=True):
        line, _ = events.best(alarms.filter(pl.col("station") != station))
        parts.append(events.judge(part, line))
    return events.Figures(
        sum(part.events for part in parts),
        sum(part.found for part in parts),
        sum(part.false for part in parts),
        sum(part.weeks for part in parts),
    )
