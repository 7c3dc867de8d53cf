"""Windows of subjects, cut so that a page of rows fits in memory whatever is asked for."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import polars as pl

from analytics.parameters import canonical
from analytics.store import registry
from analytics.store.connection import Connection
from jobs import chain
from jobs.export.ask import Ask

#: Rows of one page: bounds the memory of an export of any length.
PAGE = 1_000_000


def stations(conn: Connection, ask: Ask) -> pl.DataFrame:
    """`station` and its `code`, by code: those asked for."""
    found = registry.load_stations(conn).select("station", "code").sort("code")
    return found if ask.stations is None else found.filter(pl.col("code").is_in(ask.stations))


def series(conn: Connection, ask: Ask) -> pl.DataFrame:
    """`series` and its names, `code` that of its station, in the order in which they are written: those asked for."""
    names = registry.load_series(conn).join(stations(conn, ask), on="station")
    if ask.parameters is not None:
        names = names.filter(pl.col("parameter").is_in(parameters(conn, ask.parameters)))
    if ask.statistic != "all":
        names = names.filter(pl.col("statistic") == ask.statistic)
    return names.sort("code", "parameter", "position", "statistic", "cadence").select(
        "series", "code", "parameter", "position", "statistic", "cadence"
    )


def parameters(conn: Connection, words: list[str]) -> list[str]:
    """The names of the parameters that `words` mean."""
    known = chain.load_rules(conn)[-1].parameters
    return [canonical(word, known) or word for word in words]


def named(rows: pl.DataFrame, names: pl.DataFrame, *more: str) -> pl.DataFrame:
    """`rows` with the names of their series, in the order of these, of their time and of `more`."""
    found = names.rename({"code": "station"})
    return rows.join(found, on="series").sort("station", "parameter", "position", "statistic", "cadence", "time", *more)


def room(step: object, rows: int = 1) -> timedelta:
    """How much time a page spans in all, where `rows` come every `step` [s; an hour if None] of a subject."""
    seconds = step if isinstance(step, int) else 3600
    return timedelta(seconds=seconds * max(PAGE // rows, 1))


def slices(spans: pl.DataFrame, order: pl.DataFrame, ask: Ask, room: timedelta) -> Iterator[pl.DataFrame]:
    """`spans` (subject, start, stop) as far as they are asked for, in the order of `order`, as frames of windows that
    hold at most `room` of time together."""
    subject = spans.columns[0]
    ranked = order.join(_clip(spans, ask), on=subject, maintain_order="left").select(spans.columns)
    page: list[tuple[int, datetime, datetime]] = []
    left = room
    for number, start, stop in ranked.iter_rows():
        at = start
        while at < stop:
            end = min(stop, at + left)
            page.append((number, at, end))
            left -= end - at
            at = end
            if left <= timedelta(0):
                yield pl.DataFrame(page, schema=spans.schema, orient="row")
                page, left = [], room
    if page or ranked.is_empty():  # nothing to export is a page too: the file still has its columns
        yield pl.DataFrame(page, schema=spans.schema, orient="row")


def _clip(spans: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """`spans` as far as they lie in what is asked for."""
    if ask.start is not None:
        spans = spans.with_columns(pl.max_horizontal("start", pl.lit(ask.start).cast(spans["start"].dtype)))
    if ask.stop is not None:
        spans = spans.with_columns(pl.min_horizontal("stop", pl.lit(ask.stop).cast(spans["stop"].dtype)))
    return spans.filter(pl.col("start") < pl.col("stop"))
