"""What was known at a time, made again by the functions of the stages: of the readings, layers, maps, formulas then."""

from datetime import datetime

import polars as pl

from analytics import averaging, corrections, quality
from analytics.store import ledger, registry
from analytics.store.connection import Connection
from jobs.compare import load_pairs
from jobs.derive import Past, load_past
from jobs.readings import Readings, load_readings
from jobs.rules import Rules, by_rules, load_rules, within


def load_again(
    conn: Connection, windows: pl.DataFrame, known: datetime, rules: list[Rules] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Verdicts and averages of `windows` (series, start, stop) made again from what was known at `known`.

    Who asks for many windows gives the `rules` of that time.
    """
    rules = load_rules(conn, known) if rules is None else rules
    hours = windows.select("series", pl.col("start") - averaging.BACK, pl.col("stop") + averaging.FORWARD)
    past = load_past(conn, hours, rules, known)
    rules = within(rules, past.windows)
    asked = registry.load_series(conn, past.windows["subject"].unique().to_list(), known=known)
    pairs = load_pairs(conn, known).filter(pl.col("series").is_in(asked["series"].implode()))
    series = registry.load_series(conn, {*asked["series"], *pairs["neighbour"]}, known=known)
    found = load_readings(conn, _reach(past.windows.rename({"subject": "series"}), pairs, series), known)
    verdicts, averages = make_again(found, series, rules, pairs, asked["series"], past)
    borders = windows.select("series", "start", "stop")
    return tuple(  # type: ignore[return-value]  # two frames
        rows.join(borders, on="series")
        .filter(pl.col("time") >= pl.col("start"), pl.col("time") < pl.col("stop"))
        .drop("start", "stop")
        for rows in (verdicts, averages)
    )


def make_again(
    found: Readings, series: pl.DataFrame, rules: list[Rules], pairs: pl.DataFrame, asked: pl.Series, past: Past
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Verdicts and all averages of the series `asked` for, without the store.

    `found` has their readings and those of their neighbours by `pairs` (`frames.PAIRS`), `series` the facts of all,
    `past` says which of them are derived, and how.
    """
    mine = pl.col("series").is_in(asked.implode())
    every, counted, facts = found.counted, found.counted.filter(mine), series.filter(mine)
    first = by_rules(rules, lambda rule: quality.flag(every, series, rule.parameters, rule.marks))
    verdicts = by_rules(
        rules, lambda rule: quality.compare(counted, every, first, pairs, facts, rule.parameters, rule.marks)
    )
    verdicts = corrections.verdicts(verdicts, found.layers, counted)
    judged = with_codes(counted, verdicts)
    measured = by_rules(rules, lambda rule: averaging.hours(judged, facts, rule.parameters, rule.averagings))
    hours = past.hours(measured, rules)
    rest = by_rules(rules, lambda rule: averaging.windows(hours, facts, rule.parameters, rule.averagings))
    return verdicts, pl.concat([hours, rest])


def with_codes(readings: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """`readings` with the `code` of their verdicts, null: good."""
    return readings.join(verdicts.select("series", "time", "code"), on=["series", "time"], how="left")


def _reach(windows: pl.DataFrame, pairs: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """What must be loaded for hours in `windows` (series, start, stop): as far as neighbours and tests look, one after
    the other. Those of a series that is asked for and is a neighbour too are one."""
    facts = series.select("series", "cadence")
    beside = pl.concat([windows.select("series", neighbour="series"), pairs.select("series", "neighbour")]).unique()
    cadence, near = pl.duration(seconds="cadence"), pl.duration(seconds="cadence_near")
    reach = quality.REACH * cadence
    reach = reach + pl.max_horizontal(pl.lit(quality.BACK), quality.CADENCES * near)
    return (
        windows.join(facts, on="series")
        .join(beside, on="series")
        .join(facts, left_on="neighbour", right_on="series", suffix="_near")
        .select(pl.col("neighbour").alias("subject"), pl.col("start") - reach, pl.col("stop") + reach)
        .pipe(ledger.merge)
        .rename({"subject": "series"})
    )
