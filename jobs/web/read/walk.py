"""Pages: rows in the order of their keys, loaded window by window until a page is full, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from analytics.frames import TIME
from analytics.store import observations
from analytics.store.connection import Connection
from jobs.web.read import cursor
from jobs.web.read.asked import Asked

#: Rows that one window, or several short ones together, may hold; and that a page may cost in all, kept or not.
MOST, SPEND = 200_000, 1_000_000
#: Windows grow so while they are found to hold little.
_GROWTH = 4
INSTANT = timedelta(microseconds=1)

#: What is loaded at once: of whom, from when until when.
WINDOWS = ("subject", "start", "stop")


class Stretch(NamedTuple):
    """Windows to load, with the keys of their subjects behind WINDOWS; and how many rows they hold, about."""

    windows: pl.DataFrame
    rows: int

    @property
    def end(self) -> cursor.Key:
        """Behind which cursor the next stretch begins."""
        _, _, stop, *key = self.windows.row(-1)
        return (*key, stop - INSTANT)


def walk(
    spans: pl.DataFrame,
    names: Sequence[str],
    asked: Asked,
    *,
    most: int | None = None,
    least: timedelta = INSTANT,
    room: int | None = None,
) -> Iterator[Stretch]:
    """The `spans` behind `asked.after`, in stretches of `most` rows (MOST) at most, the first one small; at least one,
    which may be empty.

    `spans`: subject, start, stop, `step` [s] between its rows, and `names`, its key, by which (and by start) they are
    sorted. No piece of a span is shorter than `least` but its last.
    """
    width = len(names)
    begin = asked.after[width] if len(asked.after) > width else None
    if asked.after:
        first = asked.after[:width]
        same = pl.all_horizontal(pl.col(name) == part for name, part in zip(names, first, strict=False))
        there = same if begin is not None else pl.lit(value=False)
        spans = spans.filter(cursor.behind(first, names) | there)
        if isinstance(begin, datetime):
            late = pl.max_horizontal("start", pl.lit(begin).cast(spans["start"].dtype))
            spans = spans.with_columns(pl.when(same).then(late).otherwise("start").alias("start"))
    spans = spans.filter(pl.col("start") < pl.col("stop"))
    most = MOST if most is None else most
    room = min(asked.limit + 1 if room is None else room, most)
    schema = {name: spans.schema[name] for name in (*WINDOWS, *names)}
    some: list[tuple[object, ...]] = []
    left = float(room)
    for subject, start, stop, step, *key in spans.select(*WINDOWS, "step", *names).iter_rows():
        at = start
        while at < stop:
            whole = (stop - at).total_seconds() / step <= left
            end = stop if whole else min(stop, at + max(least, timedelta(seconds=left * step), INSTANT))
            some.append((subject, at, end, *key))
            left -= max((end - at).total_seconds() / step, 1)
            at = end
            if left <= 0:
                yield Stretch(pl.DataFrame(some, schema=schema, orient="row"), round(room - left))
                some, room = [], min(room * _GROWTH, most)
                left = float(room)
    if some or spans.is_empty():
        yield Stretch(pl.DataFrame(some, schema=schema, orient="row"), round(room - left))


def counted(conn: Connection, stretches: Iterator[Stretch], most: int) -> Iterator[Stretch]:
    """The same in stretches that hold `most` readings at most, whatever their series were registered as."""
    for stretch in stretches:
        left = stretch.windows
        if left.is_empty():
            yield stretch
        while left.height:
            found = observations.cut(conn, left.select(WINDOWS), most + 1)
            fit = found.filter(pl.col("rows").cum_sum() <= most).height
            if fit:
                yield Stretch(left.head(fit), int(found["rows"].head(fit).sum()))
                left = left.slice(fit)
                continue
            end = found["last"][0]  # of the first reading that is too much
            here = pl.int_range(pl.len()) == 0
            yield Stretch(left.head(1).with_columns(stop=pl.lit(end, TIME)), most)
            left = left.with_columns(start=pl.when(here).then(pl.lit(end, TIME)).otherwise("start"))


def page(
    stretches: Iterator[Stretch],
    load: Callable[[pl.DataFrame], pl.DataFrame],
    names: Sequence[str],
    asked: Asked,
) -> tuple[pl.DataFrame, str | None]:
    """At most `asked.limit` rows of what `load` gives of each stretch, sorted by `names`; and the cursor behind them,
    None where they are the last.

    A page that costs too much to fill is sent as it is; what is made again costs more.
    """
    most = SPEND if asked.known is None else SPEND // 10
    parts: list[pl.DataFrame] = []
    rows = spent = 0
    for stretch in stretches:
        parts.append(load(stretch.windows).filter(cursor.behind(asked.after, names)))
        rows += parts[-1].height
        spent += stretch.rows
        if rows > asked.limit:
            found = pl.concat(parts).head(asked.limit)
            return found, cursor.write(asked.mark, found.select(names).row(-1))
        if spent >= most:
            return pl.concat(parts), cursor.write(asked.mark, stretch.end)
    return pl.concat(parts), None
