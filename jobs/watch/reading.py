"""Evidence of hard limits: of each channel that has one its newest reading, of those beyond it the last few.

A look at readings that are all well costs a statement that finds their newest ones by their keys; only what is beyond
a limit, void, corrected or on already is looked at closer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from weakref import WeakKeyDictionary

import polars as pl

from analytics import alarms, corrections, quality
from analytics.alarms import reading
from analytics.alarms.rules import lateness
from analytics.frames import OBSERVATIONS, TIME, empty
from analytics.quality.own import setting
from analytics.store import breaches, horizon, registry
from analytics.store import corrections as layers
from analytics.store.connection import Connection
from jobs.rules import Rules
from jobs.watch.around import Around

#: Verdicts of readings that say nothing of what is measured.
VOID = (quality.FAIL, quality.MISSING)

#: No reading is kept that is stamped so far ahead of its receipt; none is looked at either.
AHEAD = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Heard:
    """Who is heard for which rule, as long as registry and rules are the same."""

    voices: pl.DataFrame
    book: list[Rules]
    #: `reading.heard`, and as `breaches.suspects` asks for it
    rows: pl.DataFrame
    limits: dict[str, str]
    #: frames.SERIES, and `low`, `high`; the statistic is one, so that only the tests of single values are run
    series: pl.DataFrame
    #: code points of the device's marks that make a reading void
    marks: list[int]


_HEARD: WeakKeyDictionary[Connection, Heard] = WeakKeyDictionary()


def evidence(around: Around) -> pl.DataFrame:
    """`alarms.EVIDENCE` of every alarm on hard limits that is on or may go on."""
    heard = _heard(around)
    asked = _asked(around, heard)
    if asked.is_empty():
        return empty(alarms.EVIDENCE)
    ahead = around.now + AHEAD
    windows = asked.group_by("series").agg(pl.col("most").max(), pl.col("start").min())
    every = {"sign": pl.lit(None, pl.Int8), "limit": pl.lit(None, pl.Float64), "stop": pl.lit(ahead, TIME)}
    found = counted(around.conn, around.book[-1], heard, windows.with_columns(**every))
    readings = asked.select("subject", "series", "rank", "cadence").unique().join(found, on="series")
    stands = _standing(around, heard, asked, readings)
    return reading.evidence(asked.select(alarms.SUBJECT).unique(), readings, stands, around.rules)


def _heard(around: Around) -> Heard:
    """Who is heard; read again where registry or rules are others."""
    known = _HEARD.get(around.conn)
    if known is None or known.voices is not around.voices or known.book is not around.book:
        known = hear(around.conn, around.voices, around.book, around.rules)
        _HEARD[around.conn] = known
    return known


def hear(conn: Connection, voices: pl.DataFrame, book: list[Rules], limits: Mapping[str, alarms.Rule]) -> Heard:
    """Who is heard for which of `limits`, by the newest rules of `book`; `voices` as `Around` has them."""
    rules, nowhere = book[-1], (float("-inf"), float("inf"))
    bounds = pl.DataFrame(
        [(name, *item.quality.get("gross_range", {}).get("fail", nowhere)) for name, item in rules.parameters.items()],
        schema={"parameter": pl.String, "low": pl.Float64, "high": pl.Float64},
        orient="row",
    )
    series = registry.load_series(conn).join(bounds, on="parameter")
    late = lateness().dt.total_seconds().cast(pl.Int32).alias("late")
    ranked = series.join(voices.select("series", "rank"), on="series", how="left")
    marks = [mark for mark, code in setting(0, rules.marks).marks.items() if code in VOID]
    single = series.with_columns(pl.lit("as read").alias("statistic"))
    rows = reading.heard(ranked, limits)
    lines = rows.join(bounds, on="parameter", maintain_order="left").with_columns(late)
    return Heard(voices, book, rows, breaches.asking(lines), single, marks)


def _asked(around: Around, heard: Heard) -> pl.DataFrame:
    """subject, rule, onset, seen, series, rank, cadence, most, start: the alarms that last and those that may begin, a
    row each for who speaks there and who stands in, and which of its readings are looked at."""
    now, rows = pl.lit(around.now, TIME), heard.rows
    near = breaches.suspects(around.conn, heard.limits, heard.marks, around.now)
    begun = rows.filter(pl.col("series").is_in(near)).select(pl.col("voice").alias("series"), "rule").unique()
    lasting = around.named("channel", alarms.lasting(around.states)).drop_nulls("series")
    new = around.subjects("channel", begun).join(lasting, on=alarms.SUBJECT, how="anti")
    every = pl.concat([lasting.select(*new.columns, "onset", "seen"), new], how="diagonal").rename({"series": "voice"})
    spoken = every.join(rows.select("voice", "rule", "series", "rank", "cadence"), on=["voice", "rule"])
    # A channel that another one speaks for by now is heard itself for what is on.
    own = heard.series.select("series", "cadence", rank=pl.lit(0, pl.Int16), voice="series")
    alone = every.join(spoken, on=alarms.SUBJECT, how="anti").join(own, on="voice")
    asks = reading.terms(around.rules).drop("parameter")
    back = lateness() + 2 * reading.reach() * pl.duration(seconds=pl.col("cadence"))
    return (
        pl.concat([spoken, alone], how="diagonal")
        .join(asks, on="rule")
        .select(
            *("subject", "rule", "onset", "seen", "series", "rank", "cadence"),
            reading.reach().alias("most"),
            pl.min_horizontal("onset", now - back).alias("start"),
        )
    )


def counted(conn: Connection, rules: Rules, heard: Heard, asked: pl.DataFrame) -> pl.DataFrame:
    """series, time, value, live: the readings of `asked` (as `breaches.received` takes it, but for what is known of the
    series) as they count, without those that are void."""
    over = breaches.layered(conn, asked)
    spans = heard.series.select("series", "low", "high")
    windows = asked.join(spans, on="series").with_columns(pl.col("series").is_in(over).alias("whole"))
    received = breaches.received(conn, windows, heard.marks)
    held = layers.load(conn, windows.filter("whole").select("series", "start", pl.col("stop") + INSTANT))
    counted = corrections.apply(received, held)
    said = quality.flag(counted.select(*OBSERVATIONS), heard.series, rules.parameters, rules.marks)
    void = corrections.verdicts(said, held, counted).filter(pl.col("code").is_in(VOID))
    sound = counted.join(void, on=["series", "time"], how="anti")
    return sound.select("series", "time", "value", (pl.col("live") == 1).alias("live"))


def _standing(around: Around, heard: Heard, asked: pl.DataFrame, readings: pl.DataFrame) -> pl.DataFrame:
    """subject, rule of the alarms that last and still have something to stand on: among `readings`, or among all since
    they are on; where nothing can change any more they have."""
    found = reading.standing(around.states, readings, around.rules)
    left = asked.drop_nulls("onset").join(found, on=alarms.SUBJECT, how="anti")
    if left.is_empty():
        return found
    closed = pl.col("onset").pipe(horizon.load(around.conn).closed)
    still = left.filter(closed).select(alarms.SUBJECT)
    limits = reading.terms(around.rules).select("rule", "sign", "limit")
    windows = left.filter(~closed).join(limits, on="rule").with_columns(most=1)
    asks = windows.select("series", "most", "sign", "limit", start="onset", stop="seen")
    rows = counted(around.conn, around.book[-1], heard, asks)
    old = left.select("subject", "series").unique().join(rows, on="series")
    return pl.concat([found, still, reading.standing(around.states, old, around.rules)]).unique()
