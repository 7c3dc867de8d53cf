"""Evidence of early warnings: what the newest forecasts say of the levels that somebody wants to be warned of.

Forecasts come once an hour: whether there are new ones is asked every `PAUSE`, and what one says is worked out once; of
a warning that is on each time, since what was measured before its issues may be other now.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

import polars as pl

from analytics import alarms
from analytics.alarms import forecast
from analytics.frames import TIME, empty
from analytics.store import alarms as store
from analytics.store import backfills, derived, forecasts, weather
from analytics.store.connection import Connection
from jobs.facts import speak
from jobs.rules import Rules
from jobs.watch.around import Around

#: Between two looks for new forecasts.
PAUSE = timedelta(minutes=1)
#: Quantities whose forecasts are read in one look: those of a large district take some looks, not one long one.
MOST = 500
#: Issues of a warning that is on that are looked at, the newest: older ones say nothing of hours to come.
DEEPEST = 72
_DAY = timedelta(days=1)
_KEY = ["station", "rule"]


@dataclass(slots=True)
class Book:
    """What the newest forecasts say, as long as registry and rules are the same."""

    voices: pl.DataFrame
    rules: list[Rules]
    #: station, rule, parameter, series, rank, cadence: who speaks to whom, and who stands in
    rows: pl.DataFrame
    #: how long after its time a forecast may be known, and still be one
    patience: timedelta
    #: the newest forecast of each series that was looked at
    heads: dict[int, datetime] = field(default_factory=dict)
    #: station, rule of what was on at the last look
    lasting: set[tuple[int, str]] = field(default_factory=set)
    said: pl.DataFrame = field(default_factory=lambda: empty(forecast.SAID))
    looked: datetime | None = None


_BOOKS: WeakKeyDictionary[Connection, Book] = WeakKeyDictionary()


def evidence(around: Around) -> pl.DataFrame:
    """`alarms.EVIDENCE` of every early warning that is on or may go on."""
    book = _book(around)
    lasting = around.named("station", alarms.lasting(around.states)).drop_nulls("station")
    fresh = book.looked is not None and timedelta(0) <= around.now - book.looked < PAUSE
    if not fresh or not set(lasting.select(_KEY).iter_rows()) <= book.lasting:
        _look(around, book, lasting)
    newest = book.said.sort("issued").group_by(_KEY).last()
    new = around.subjects("station", newest.filter("says").select(_KEY))
    asked = pl.concat([lasting.select(new.columns), new]).unique()
    if asked.is_empty():
        return empty(alarms.EVIDENCE)
    told = alarms.of_kind(around.book[-1].alarms, "episode")
    return forecast.evidence(
        around.states,
        book.said.join(asked, on=_KEY),
        _edges(around, book, asked),
        forecast.overtaken(around.others, around.rules, told),
        around.rules,
        around.book[-1].episodes,
        around.now,
    )


def _book(around: Around) -> Book:
    """What this connection knows; nothing where registry or rules are others by now."""
    known = _BOOKS.get(around.conn)
    if known is None or known.voices is not around.voices or known.rules is not around.book:
        terms = forecast.terms(around.rules, around.book[-1].episodes)
        rows = around.voices.join(terms, on="parameter").with_columns(forecast.lateness().alias("lateness"))
        names = (*_KEY, "parameter", "series", "rank", "cadence")
        longest = rows["lateness"].max()
        patience = longest if isinstance(longest, timedelta) else timedelta(0)
        known = _BOOKS[around.conn] = Book(around.voices, around.book, rows.select(names), patience)
    return known


def _look(around: Around, book: Book, lasting: pl.DataFrame) -> None:
    """Nothing; `book` has what forecasts say that it did not know, and what those of `lasting` say by now."""
    conn, now, rules = around.conn, around.now, around.book[-1]
    confirm = max((rule.keys["confirm"] for rule in around.rules.values()), default=1)
    speaks = book.rows.filter(pl.col("rank") == 0)
    heads = forecasts.heads(conn, speaks["series"], now - book.patience)
    new = [(series, issued) for series, issued in heads.iter_rows() if book.heads.get(series) != issued]
    some = dict(new[:MOST])
    start = pl.lit(now - confirm * book.patience, TIME)
    begin = pl.DataFrame({"series": list(some)}, schema={"series": pl.Int32}).with_columns(start=start, depth=confirm)
    on = lasting.join(speaks, on=_KEY).group_by("series").agg(pl.col("onset").min().alias("start"))
    deep = on.with_columns(pl.lit(DEEPEST, pl.Int32).alias("depth"))
    asked = pl.concat([begin.join(deep, on="series", how="anti"), deep], how="vertical_relaxed")
    leads = max((rule.keys["leads"] for rule in around.rules.values()), default=0)
    issues = forecasts.recent(conn, asked, leads, book.patience)
    voices = speaks.select("series", "station", "parameter", "cadence").unique("series")
    fed = weather.fed(conn, now) if leads > forecast.FARTHEST else []
    said = forecast.said(
        issues.join(voices, on="series"),
        _measured(around, book, issues),
        around.stations.with_columns(pl.col("station").is_in(fed).alias("fed")),
        around.rules,
        rules.episodes,
        rules.parameters,
        rules.averagings,
    )
    # Those asked for again say what they say now, also where that is nothing.
    again = asked.join(speaks, on="series").select(_KEY)
    late = pl.col("issued") < now - confirm * book.patience
    kept = book.said.join(again, on=_KEY, how="anti").filter(~late)
    book.said = pl.concat([kept, said])
    book.heads |= some
    book.lasting = set(lasting.select(_KEY).iter_rows())
    book.looked = now if len(new) <= MOST else None


def _measured(around: Around, book: Book, issues: pl.DataFrame) -> pl.DataFrame:
    """station, parameter, time, value: the hourly means of the day before each of `issues`."""
    voices = book.rows.select("station", "parameter", "series", "rank", "cadence").unique()
    about = (
        issues.select("series", "issued").unique().join(voices.select("series", "station", "parameter"), on="series")
    )
    spans = about.group_by("station", "parameter").agg(
        (pl.col("issued").min() - _DAY).alias("start"), pl.col("issued").max().alias("stop")
    )
    windows = spans.join(voices, on=["station", "parameter"]).select("series", "start", "stop")
    rows = derived.load(around.conn, derived.AVERAGE, windows, {"averaging": ["hour"]})
    return speak(rows, voices).drop("averaging")


def _edges(around: Around, book: Book, asked: pl.DataFrame) -> pl.DataFrame:
    """subject, rule, heard, cadence, filled of the alarms in `asked` (subject, station, rule)."""
    voices = asked.join(book.rows, on=_KEY, how="left")
    series = voices["series"].drop_nulls().unique().to_list()
    live = store.live(around.conn, series).rename({"live": "heard"})
    filled = backfills.filled(around.conn, series, around.now)
    return (
        voices.join(live, on="series", how="left")
        .join(filled, on="series", how="left")
        .sort("heard", nulls_last=False)
        .group_by(alarms.SUBJECT, maintain_order=True)
        .agg(pl.col("heard", "cadence").last(), pl.col("filled").max())
    )
