"""What retention would take, and what holds it back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from analytics import forecasting, keeping
from analytics.keeping import Policy
from analytics.store import archive, horizon, migrations, registry, retention
from analytics.store.archive import Piece
from analytics.store.connection import Connection
from jobs import chain

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hold:
    """Why readings from `start` on stay. `why`: due, later, episode, backfill, learning, opened; `count` of such."""

    why: str
    count: int
    start: datetime


@dataclass(slots=True)
class Plan:
    """What a run would do.

    `line`: readings before it will be refused; `was`: those that are now. `bound`: up to where nothing holds on;
    what lies `reach` behind it goes, `pieces` that are whole. `going`: pieces that an earlier run began with.
    """

    wanted: datetime
    bound: datetime
    line: datetime
    was: datetime | None
    reach: timedelta
    pieces: list[Piece] = field(default_factory=list)
    going: list[Piece] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)


def policies(conn: Connection) -> Mapping[str, Policy]:
    """How each table is kept here: the package table, and what the site says."""
    content = migrations.editions(conn, keeping.TABLE)[-1][2]
    return keeping.at_site(keeping.parse(content), retention.settings(conn))


def reach(conn: Connection) -> timedelta:
    """How far behind the line readings stay: a change at the line is carried so far by all stages of a series, and
    what they make again reads as far. Whole days."""
    slowest = timedelta(seconds=int(registry.load_series(conn)["cadence"].max() or 0))  # type: ignore[arg-type]  # of an int column
    total = timedelta(0)
    for stage, _ in chain.STAGES.values():
        if stage.subject == "series":
            steps = stage.cadences * slowest
            total += max(stage.back, steps) + max(stage.forward, steps) + max(stage.grid, _HOUR)
    return -(-total // _DAY) * _DAY


def learning(conn: Connection, now: datetime) -> timedelta:
    """How far back what is learned by the clock looks at most."""
    rule = chain.load_rules(conn)[-1]
    windows = [timedelta(days=setting["window"]) for setting in rule.detectors.values() if "window" in setting]
    content = migrations.editions(conn, forecasting.TABLE)[-1][2]
    return max([forecasting.parse(content).settings.history * _HOUR, *windows])


def plan(conn: Connection, wanted: datetime, now: datetime) -> Plan:
    """What a run that archives before `wanted` would do."""
    made = bounds(conn, wanted, now)
    made.going = [piece for piece in archive.begun(conn) if piece.cleared is None]
    made.pieces = free(conn, made, archive.pieces(conn, made.bound - made.reach), now)
    return made


def bounds(conn: Connection, wanted: datetime, now: datetime) -> Plan:
    """Line and bound for `wanted`, and what holds them back; without the pieces."""
    was, silent = horizon.load(conn).time, now - _DAY * policies(conn)["observation"].least
    apart = reach(conn)
    held = [Hold(*row) for row in archive.holding(conn, wanted, now, silent).iter_rows()]
    if (line := now - learning(conn, now) - apart) < wanted:
        held.append(Hold("learning", 1, line))
    bound = midnight(min([wanted, *(hold.start for hold in held)]))
    return Plan(wanted, bound, bound if was is None else max(bound, was), was, apart, holds=held)


def free(conn: Connection, made: Plan, pieces: list[Piece], now: datetime) -> list[Piece]:
    """Those of `pieces` that end far enough before the bound, and far enough from every period opened again."""
    out = []
    opened = archive.opened(conn).filter(pl.col("until") > now).select("start", "stop").rows()
    open_ = [(start - made.reach, stop + made.reach) for start, stop in opened]
    for piece in pieces:
        if piece.stop > made.bound - made.reach:
            continue
        if near := [start for start, stop in open_ if piece.start < stop and piece.stop > start]:
            made.holds.append(Hold("opened", len(near), piece.start))
        else:
            out.append(piece)
    return out


def midnight(time: datetime, *, up: bool = False) -> datetime:
    """The start of the UTC day of `time`; with `up`, of the next one unless it is that already."""
    down = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return down + _DAY if up and down < time else down
