"""Evidence of silence: channels that are not heard any more, and stations none of whose channels is.

A station of which all channels are silent is one alarm, and so is a source with too many: as long as either is out, no
alarm begins of the channels, or stations, it carries. So that those never tell before it, each waits: for `wait` [min],
and where by now its station or source may be out, which slower channels will tell, for `patience` [min] at most.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from analytics import tables
from analytics.alarms.channels import CHANNELS, MEMORY, judge, remember, shares
from analytics.alarms.machine import EVIDENCE
from analytics.alarms.rules import SCOPES, SUBJECT, Keys, Rule, at_least, rank
from analytics.frames import TIME, conform, empty
from analytics.tables import TableError

#: What an alarm of silence may be about.
OF = ("channel", "station")
#: What an alarm about a column may lie under.
_WIDER: Mapping[str, tuple[str, ...]] = {"series": ("station", "source"), "station": ("source",), "source": ()}
#: How long a channel may be silent, as every rule on channels says it.
LIMITS = ("cadences", "at_least", "clear")


def check_limits(place: str, keys: Mapping[str, Any]) -> None:
    """Nothing, where the numbers of a rule on channels can be. Raises `TableError`."""
    at_least(place, keys, 1, [*LIMITS, "factor", "least", "recent"])
    at_least(place, keys, 0, ["wait", "patience"])
    if not 0 < keys.get("share", 1) <= 1:
        raise TableError(f"{place}: 'share' must be more than 0 and 1 at most")


def _check(place: str, keys: Mapping[str, Any]) -> None:
    if keys["scope"] not in OF:
        raise TableError(f"{place} 'scope' cannot be {keys['scope']!r}: one of {', '.join(OF)}")
    if ("share" in keys, "least" in keys) != (keys["scope"] == "station",) * 2:
        raise TableError(f"{place}: 'share' and 'least' are of the scope 'station', and it needs them")
    check_limits(place, keys)


KEYS = Keys(
    scopes=OF,
    needs={"scope": str, "factor": tables.NUMBER, **dict.fromkeys((*LIMITS, "wait", "patience"), int)},
    allows={"share": tables.NUMBER, "least": int},
    check=_check,
    round=1,
)


@dataclass(frozen=True, slots=True)
class Heard:
    """A rule, its channels (`channels.judge`) and, of a rule on stations or sources, how many of each are silent
    (`channels.shares`). `by` is the column of CHANNELS that its alarms are about, `lasting` (`by`, onset) those that
    are on or pending, `memory` what is to be known at the next look."""

    rule: Rule
    by: str
    judged: pl.DataFrame
    shares: pl.DataFrame
    lasting: pl.DataFrame
    memory: pl.DataFrame


def scope(rule: Rule) -> str:
    """What kind of subject `rule`, of the kind `silence` or `outage`, is about."""
    return str(rule.keys.get("scope", "source"))


def hear_of(rule: Rule, seen: pl.DataFrame, memory: pl.DataFrame | None, lasting: pl.DataFrame, now: datetime) -> Heard:
    """What `rule`, of the kind `silence` or `outage`, hears of the channels `seen` (CHANNELS). `memory` is that of its
    last look; `lasting` (the column its alarms are about, onset) are those that are on or pending."""
    by, known = SCOPES[scope(rule)], empty(MEMORY) if memory is None else memory
    lasting = lasting.select(by, "onset")
    if by == "series":
        # What is on, and was heard before we looked, has to be heard again as often as any.
        new = lasting.join(seen.select("series", "live"), on="series").join(known, on="series", how="anti")
        known = pl.concat([known, conform(new.with_columns(again=0), MEMORY)])
        judged = judge(seen, known, rule.keys, now)
        some = pl.DataFrame()
    else:
        judged = judge(seen, known, rule.keys, now)
        some = shares(judged, by, rule.keys, lasting, now)
    return Heard(rule, by, judged, some, lasting, remember(judged))


def evidence(heard: Heard, others: Iterable[Heard], now: datetime) -> pl.DataFrame:
    """`EVIDENCE` but for `subject`, by the column that `heard` is about: of what is silent, or out, and of what lasts.

    Of `others` those count that are of a wider scope; a ticket never keeps a page from anybody.
    """
    if heard.lasting.is_empty() and not heard.judged["down"].any():
        return empty(_evidence(heard.by))
    wider = _WIDER[heard.by]
    over = [
        (each.by, each.shares)
        for each in others
        if each.by in wider and rank(each.rule.severity) >= rank(heard.rule.severity)
    ]
    told = above(heard.judged, heard.by, over)
    make = channels if heard.by == "series" else groups
    return make(heard, told, now)


def channels(heard: Heard, over: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Evidence of the channels that are silent, unless something `over` them (series, out, maybe: `above`) is out, and
    of those whose alarm is on or pending."""
    rows = (
        heard.judged.lazy()
        .join(heard.lasting.lazy().select("series", lasts=True), on="series", how="full", coalesce=True)
        .join(over.lazy(), on="series", how="left")
        .with_columns(pl.col("out", "maybe", "lasts").fill_null(value=False))
        .filter("lasts" | (pl.col("silent") & pl.col("judged") & ~pl.col("out")))
    )
    # A series that is no more, or of which nothing is known: nothing ends, and nobody is told.
    on = pl.col("silent").fill_null(value=True)
    return _conformed(
        heard,
        rows.with_columns(
            pl.when(on).then("live").alias("onset"),
            on.alias("on"),
            _confirmed(heard.rule.keys, now).alias("confirmed"),
            pl.when(on).then(0).otherwise(pl.max_horizontal("again", 1)).alias("quiet"),
            (~on & ~pl.col("down").fill_null(value=True)).alias("over"),
            pl.col("live").alias("edge"),
            _seconds(pl.lit(now, TIME) - pl.col("live")).alias("value"),
            (~pl.col("retired").fill_null(value=False)).alias("stands"),
            pl.col("limit").dt.to_string("polars").alias("expected"),
        ),
        now,
    )


def groups(heard: Heard, over: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Evidence of the stations, or sources, that are out, unless something `over` them (`above`) is, and of those whose
    alarm is on or pending."""
    by = heard.by
    wider = over.select(by, pl.col("out").alias("over_out"), pl.col("maybe").alias("over_maybe"))
    rows = (
        heard.shares.lazy()
        .drop("onset")
        .join(heard.lasting.lazy().with_columns(lasts=True), on=by, how="full", coalesce=True)
        .join(wider.lazy(), on=by, how="left")
        .with_columns(pl.col("out", "over_out", "over_maybe", "lasts", "judged").fill_null(value=False))
        .filter("lasts" | (pl.col("out") & pl.col("judged") & ~pl.col("over_out")))
    )
    out = pl.col("out")
    return _conformed(
        heard,
        rows.with_columns(
            pl.coalesce("onset", "edge").alias("onset"),
            out.alias("on"),
            pl.when(out).then(0).otherwise(1).alias("quiet"),
            (~out).alias("over"),
            pl.coalesce("edge", "live").alias("edge"),
            pl.col("share").alias("value"),
            (pl.col("judged") | ~out).alias("judged"),
            pl.col("channels").is_not_null().alias("stands"),
            pl.format("{} / {}", "silent", "channels").alias("expected"),
        ).with_columns(
            _confirmed(heard.rule.keys, now, "over_out", "over_maybe").alias("confirmed"),
        ),
        now,
    )


def above(judged: pl.DataFrame, by: str, over: Sequence[tuple[str, pl.DataFrame]]) -> pl.DataFrame:
    """`by`, `out`, `maybe`: whether any of `over` (column, frame by `channels.shares`) is, or may be."""
    names = [column for column, _ in over]
    found = judged.select(by, *dict.fromkeys(names)).unique().sort(by)
    for number, (column, frame) in enumerate(over):
        flags = frame.select(column, *(pl.col(flag).alias(f"{flag}{number}") for flag in ("out", "maybe")))
        found = found.join(flags, on=column, how="left", maintain_order="left")
    return (
        found.with_columns(
            pl.any_horizontal(
                pl.lit(value=False), *(pl.col(f"{flag}{n}").fill_null(value=False) for n in range(len(over)))
            ).alias(flag)
            for flag in ("out", "maybe")
        )
        .group_by(by, maintain_order=True)
        .agg(pl.col("out", "maybe").any())
    )


def _confirmed(keys: Mapping[str, Any], now: datetime, out: str = "out", maybe: str = "maybe") -> pl.Expr:
    """Whether it has been so for long enough, and nothing over it will tell of it."""
    long = pl.lit(now, TIME) - pl.col("due")
    waited = long >= pl.duration(minutes=keys["wait"])
    patient = long >= pl.duration(minutes=keys.get("patience", 0))
    return (pl.col("judged") & waited & ~pl.col(out) & (~pl.col(maybe) | patient)).fill_null(value=False)


def _conformed(heard: Heard, rows: pl.LazyFrame, now: datetime) -> pl.DataFrame:
    """`EVIDENCE`, what `heard` is about in the place of `subject`. It holds now: no later reading says otherwise."""
    by = heard.by
    filled = rows.sort(by).with_columns(
        pl.lit(heard.rule.name).alias("rule"),
        pl.col("onset").alias("episode"),
        pl.lit(1).alias("level"),
        pl.lit(value=True).alias("settled"),
        (pl.lit(now, TIME) - pl.col("live")).abs().alias("lateness"),
        pl.col("judged").fill_null(value=False).alias("covered"),
        pl.lit(None).alias("filled"),
        pl.lit(value=False).alias("held"),
    )
    return conform(filled.collect(), _evidence(by))


def _evidence(by: str) -> dict[str, pl.DataType]:
    return {by: CHANNELS[by], **{name: dtype for name, dtype in EVIDENCE.items() if name != SUBJECT[0]}}


def _seconds(duration: pl.Expr) -> pl.Expr:
    return duration.dt.total_microseconds() / 1e6
