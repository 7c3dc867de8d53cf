"""The stage `derive`: hours of the inputs -> hours of the derived series; and the same of a past time.

How far a value looks back differs by its kind, an hour or a season: a take is done in parts of one reach each, and
every part loads what the ledger says that reach needs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from analytics import derivation
from analytics.store import derivations, derived, fits, ledger
from analytics.store.connection import Connection
from analytics.store.ledger import WINDOWS, Stage, Take
from jobs.rules import Rules, by_rules, within

_HOUR = timedelta(hours=1)
#: Hours of inputs that a part of a take loads, about: some fifty bytes each while they are worked on.
ROWS = 1_000_000
#: Inputs of a derived series, for that estimate.
_INPUTS = 3
_NO_CADENCES = pl.DataFrame(schema={"subject": pl.Int32, "cadence": pl.Int32})


def derive(take: Take, rules: list[Rules]) -> pl.DataFrame:
    """Key columns of the hours that changed: those of the affected windows are derived again."""
    # Nobody registers a formula before this commit: whoever does marks after it, and finds these hours.
    derivations.hold(take.conn)
    formulas = derivations.load(take.conn, take.claimed["subject"].unique().to_list())
    changed, affected, load = [], [], []
    for stage, claimed in _by_reach(take, formulas, rules):
        for part in _parts(claimed, stage.back):
            touched = ledger.merge(ledger.widen(part, stage, _NO_CADENCES, stage.forward, stage.back))
            needed = ledger.merge(ledger.widen(touched, stage, _NO_CADENCES, stage.back, stage.forward))
            mine = formulas.filter(pl.col("series").is_in(part["subject"].implode()))
            hours = _hours(take.conn, mine, needed)
            take.read += hours.height
            made = make(hours, mine, within(rules, touched), _learned(take.conn, touched))
            changed.append(derived.write(take, derived.AVERAGE, made, {"averaging": ["hour"]}, windows=touched))
            affected.append(touched)
            load.append(needed)
    if not changed:
        nothing = take.affected.clear()
        take.affected, take.load = nothing, nothing
        return pl.DataFrame(schema={name: derived.AVERAGE.stored[name] for name in derived.AVERAGE.key})
    take.affected, take.load = ledger.merge(pl.concat(affected)), ledger.merge(pl.concat(load))
    return pl.concat(changed)


def make(
    hours: pl.DataFrame, formulas: pl.DataFrame, rules: list[Rules], learned: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """Hours (`frames.AVERAGES`) of the derived series of `formulas` from the `hours` of their inputs."""
    return by_rules(rules, lambda rule: derivation.derive(hours, formulas, rule.derivations, learned))


def reaches(formulas: pl.DataFrame, rules: list[Rules]) -> dict[int, timedelta]:
    """How far each derived series looks back at most, whichever of its formulas and tables is in force."""
    found: dict[int, timedelta] = {}
    for series, kind in formulas.select("series", "kind").iter_rows():
        known = [rule.derivations[kind].reach for rule in rules if kind in rule.derivations]
        found[series] = max([found.get(series, timedelta(0)), *known])
    return found


def _by_reach(take: Take, formulas: pl.DataFrame, rules: list[Rules]) -> Iterator[tuple[Stage, pl.DataFrame]]:
    """The claimed windows of the subjects that look back equally far, with the stage as it is for them."""
    by: dict[timedelta, list[int]] = {}
    for series, reach in reaches(formulas, rules).items():
        by.setdefault(reach, []).append(series)
    for reach, subjects in sorted(by.items()):
        yield replace(take.stage, back=reach), take.claimed.filter(pl.col("subject").is_in(subjects))


def _parts(claimed: pl.DataFrame, back: timedelta) -> Iterator[pl.DataFrame]:
    """`claimed` in parts of about as many hours to load as memory allows."""
    rows = _INPUTS * ((pl.col("stop") - pl.col("start")) + 2 * back + _HOUR).dt.total_hours()
    part = (rows.cum_sum() - rows) // ROWS
    for _, some in claimed.with_columns(part.alias("part")).group_by("part", maintain_order=True):
        yield some.select(*WINDOWS)


def _hours(conn: Connection, formulas: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """Hours of what `formulas` are made of, in the `windows` of the derived series."""
    asked = derivation.sources(formulas).join(windows, left_on="series", right_on="subject")
    needed = ledger.merge(asked.select(pl.col("input").alias("subject"), "start", "stop"))
    return derived.load(conn, derived.AVERAGE, needed, {"averaging": ["hour"]})


def _learned(conn: Connection, windows: pl.DataFrame, known: datetime | None = None) -> dict[str, pl.DataFrame]:
    """What methods have learned of the derived series in `windows`, by method; what was `known` at a time."""
    return {name: fits.load(conn, name, windows, known=known) for name in derivation.LEARNERS}


@dataclass(frozen=True, slots=True)
class Past:
    """What derived series were made of at a time: `windows` (WINDOWS) of what is asked for and of all that this is made
    of, the `formulas` and what was `learned`."""

    windows: pl.DataFrame
    formulas: pl.DataFrame
    learned: Mapping[str, pl.DataFrame]

    def hours(self, measured: pl.DataFrame, rules: list[Rules]) -> pl.DataFrame:
        """The hours `measured` of what is not derived, and those that are made of them."""
        found, left = measured.join(self.formulas, on="series", how="anti"), self.formulas
        while left.height:
            waits = derivation.sources(left).join(left.select(input="series"), on="input", how="semi")
            ready = left.join(waits, on="series", how="anti")
            found = pl.concat([found, make(found, ready, rules, self.learned)])
            left = left.join(ready, on="series", how="anti")
        return found


def load_past(conn: Connection, windows: pl.DataFrame, rules: list[Rules], known: datetime) -> Past:
    """What it takes to derive again the hours in `windows` (series, start, stop) as they were `known`."""
    formulas = derivations.load(conn, known=known)
    looks = reaches(formulas, rules)
    made = derivation.sources(formulas).with_columns(
        back=pl.col("series").replace_strict(looks, return_dtype=pl.Duration("us"), default=None)
    )
    needed, more = pl.DataFrame(), ledger.merge(windows.rename({"series": "subject"}))
    while not more.equals(needed):
        needed = more
        deeper = needed.join(made, left_on="subject", right_on="series").select(
            pl.col("input").alias("subject"), pl.col("start") - pl.col("back"), "stop"
        )
        more = ledger.merge(pl.concat([needed, deeper]))
    asked = formulas.filter(pl.col("series").is_in(needed["subject"].implode()))
    return Past(needed, asked, _learned(conn, needed, known))


def of_dependents(conn: Connection, windows: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS of the derived series that are made of the series in `windows` (WINDOWS)."""
    made = derivations.dependents(conn, windows["subject"].unique().to_list())
    joined = windows.join(made, left_on="subject", right_on="input")
    return ledger.merge(joined.select(pl.col("series").alias("subject"), "start", "stop"))


def measured(conn: Connection, windows: pl.DataFrame) -> pl.DataFrame:
    """The `windows` (WINDOWS) of series that are not derived: only theirs are hours of readings.

    No formula changes until this transaction ends.
    """
    derivations.hold(conn)
    others = derivations.derived(conn, windows["subject"].unique().to_list())
    return windows.filter(~pl.col("subject").is_in(others))
