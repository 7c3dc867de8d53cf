"""What a site has set, once a day: readings into the archive, old rows away."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from analytics.store import archive, retention
from analytics.store.connection import Connection
from jobs import console
from jobs.keep import moves, plan

log = structlog.get_logger()


@dataclass(slots=True)
class Kept:
    """What a day's retention did: rows away by table, and what it had to leave, with the reason."""

    gone: dict[str, int] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def run(conn: Connection, now: datetime) -> Kept:
    """What was done of the policies that have days. What this user may not do is left and said, not failed at: whoever
    may, does it by `greenwatch keep run`."""
    done = Kept()
    for name, policy in plan.policies(conn).items():
        if not policy.days:
            continue
        before = now - timedelta(days=policy.days)
        if policy.how == "archive":
            _archive(conn, name, Path(policy.folder), before, now, done)
        elif retention.may_delete(conn, name):
            done.gone[name] = retention.forget(conn, name, before, now)
        else:
            done.left[name] = "this user may not delete there: run the worker as a member of greenwatch_admin"
    if done.left:
        log.warning("retention", left=done.left)
    return done


def _archive(conn: Connection, name: str, folder: Path, before: datetime, now: datetime, done: Kept) -> None:
    if not archive.may_drop(conn):
        done.left[name] = "this user does not own the tables: run `greenwatch keep run` as who does"
        return
    try:
        done.gone[name] = moves.run(conn, before, folder, now).rows
    except console.NotAsAsked as problem:
        done.left[name] = str(problem)
