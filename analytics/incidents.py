"""What may become of an incident, as data; and who is told next where nobody acknowledges it.

    open ── acknowledge ──> acknowledged ── dispatch ──> dispatched
      └───────────┴──── the data recover ────┴──> recovered ── no order is out, or a person ──> resolved ── review
      └───────────┴──── a correction takes away what it stood on ──> withdrawn ── cancel, or review

A person resolves only what the data have done with, and cancels only what the data say was none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from analytics import tables
from analytics.frames import TIME
from analytics.tables import Content, TableError

TABLE = "duty"

OPEN, ACKNOWLEDGED, DISPATCHED, RECOVERED, WITHDRAWN, RESOLVED, REVIEWED, CANCELLED = STATES = (
    "open",
    "acknowledged",
    "dispatched",
    "recovered",
    "withdrawn",
    "resolved",
    "reviewed",
    "cancelled",
)
#: States in which its alarm goes on, as far as anybody knows.
ACTIVE = (OPEN, ACKNOWLEDGED, DISPATCHED)
ROLES = VIEWER, DUTY, LEAD, ADMIN = ("viewer", "duty", "lead", "admin")
SEVERITIES = ("ticket", "page")


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody may do: from which state to which, and in which roles. `needs`: a `note`, an `assignee`,
    `evidence` from data."""

    moves: Mapping[str, str]
    roles: tuple[str, ...]
    needs: tuple[str, ...] = ()
    title: str = ""
    title_zh: str = ""


_STAFF, _LEADS = (DUTY, LEAD, ADMIN), (LEAD, ADMIN)
_SAME = {state: state for state in (*ACTIVE, RECOVERED)}

ACTIONS: Mapping[str, Action] = {
    "acknowledge": Action({OPEN: ACKNOWLEDGED}, _STAFF, title="acknowledge", title_zh="确认"),
    "assign": Action(_SAME, _STAFF, ("assignee",), "assign", "指派"),
    "note": Action({state: state for state in STATES}, _STAFF, ("note",), "note", "备注"),
    "dispatch": Action(dict.fromkeys((ACKNOWLEDGED, DISPATCHED), DISPATCHED), _STAFF, (), "dispatch", "派单"),
    "resolve": Action({RECOVERED: RESOLVED}, _STAFF, ("note",), "resolve", "办结"),
    "review": Action(dict.fromkeys((RESOLVED, WITHDRAWN), REVIEWED), _LEADS, ("note",), "review", "复核"),
    "cancel": Action(
        dict.fromkeys((*ACTIVE, RECOVERED, WITHDRAWN), CANCELLED), _LEADS, ("note", "evidence"), "cancel", "撤销"
    ),
}

#: state -> what has to be before it may be left that way, said to who asks too early.
REMEDIES: Mapping[tuple[str, str], str] = {
    ("dispatch", OPEN): "acknowledge it first",
    **{("resolve", state): "its alarm is still on: it is resolved once the data have recovered" for state in ACTIVE},
    ("resolve", WITHDRAWN): "what it stood on was taken away: review or cancel it",
    **{("review", state): "it is not resolved yet" for state in (*ACTIVE, RECOVERED)},
}


class NotNow(ValueError):
    """The action does not go with the state of the incident."""


class NotYours(ValueError):
    """The role does not allow the action."""


class NotSaid(ValueError):
    """What the action needs was not said."""


def after(action: str, state: str, role: str, given: Sequence[str] = ()) -> str:
    """The state after `action` on an incident in `state` by who has `role`, who gave what is in `given` (of
    `Action.needs`, and a note; evidence is looked for elsewhere). Raises `NotYours`, `NotNow`, `NotSaid`."""
    known = ACTIONS[action]
    if role not in known.roles:
        raise NotYours(f"{action} is for {', '.join(known.roles)}; {role} may not")
    if state not in known.moves:
        why = REMEDIES.get((action, state), f"that goes with {', '.join(known.moves)}")
        raise NotNow(f"the incident is {state}, {action} does not go with that: {why}")
    if missing := [name for name in known.needs if name not in given and name != "evidence"]:
        raise NotSaid(f"{action} needs {' and '.join(missing)}")
    # Else who acknowledges and names an assignee would take it for assigned.
    if idle := [name for name in given if name not in (*known.needs, "note")]:
        raise NotSaid(f"{action} takes no {idle[0]}: nothing was kept")
    return known.moves[state]


@dataclass(frozen=True, slots=True)
class Policy:
    """Who answers for incidents of a severity, in a district or (empty) anywhere; see the head of tables/duty.toml."""

    name: str
    severity: str
    team: str
    after: tuple[int, ...]
    in_time: int
    district: str = ""


def load() -> dict[str, Policy]:
    """The policies of the package table, by name."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Policy]:
    """The policies of `content`, by name. Raises `TableError` naming block and key."""
    found: dict[str, Policy] = {}
    needs: dict[str, type | tuple[type, ...]] = {
        **dict.fromkeys(("severity", "team", "source", "confidence"), str),
        "after": list,
        "in_time": int,
    }
    for name, record in tables.records(content, TABLE).items():
        place = f"{TABLE}: [{name}]"
        tables.check(record, place, needs=needs, allows={"district": str})
        if record["severity"] not in SEVERITIES:
            raise TableError(f"{place} 'severity' cannot be {record['severity']!r}: one of {', '.join(SEVERITIES)}")
        steps = record["after"]
        whole = all(isinstance(step, int) and not isinstance(step, bool) for step in steps)
        if not whole or any(step < 1 for step in steps) or sorted(set(steps)) != steps:
            raise TableError(f"{place} 'after' cannot be {steps!r}: minutes, each more than the one before")
        if record["in_time"] < 1:
            raise TableError(f"{place} 'in_time' must be 1 or more")
        district = record.get("district", "")
        if any((item.severity, item.district) == (record["severity"], district) for item in found.values()):
            raise TableError(f"{place}: another policy is for the same severity and district")
        found[name] = Policy(name, record["severity"], record["team"], tuple(steps), record["in_time"], district)
    if missing := [
        name for name in SEVERITIES if not any(p.severity == name and not p.district for p in found.values())
    ]:
        raise TableError(f"{TABLE}: no policy without a district is for {missing[0]!r}")
    return found


def _policies(policies: Mapping[str, Policy]) -> pl.DataFrame:
    return pl.DataFrame(
        [(item.severity, item.district, item.team, list(item.after)) for item in policies.values()],
        schema={"severity": pl.String, "place": pl.String, "team": pl.String, "after": pl.List(pl.Int64)},
        orient="row",
    )


def by_policy(rows: pl.DataFrame, policies: Mapping[str, Policy]) -> pl.DataFrame:
    """`rows` (with severity and district) and `team`, `after` [min] of the policy of each: its district's, else that
    without one."""
    known = _policies(policies)
    own = rows.join(known, left_on=["severity", "district"], right_on=["severity", "place"], how="left")
    everywhere = known.filter(pl.col("place") == "").drop("place")
    return own.join(everywhere, on="severity", how="left", suffix="_all").select(
        *rows.columns, pl.coalesce("team", "team_all"), pl.coalesce("after", "after_all")
    )


def tiers(waiting: pl.DataFrame, policies: Mapping[str, Policy], now: datetime) -> pl.DataFrame:
    """incident, tier: of the incidents in `waiting` (incident, severity, district, since, tier: nobody has acknowledged
    them, `since` they were first told in that severity) those whose tier is higher now, by the clock `now`."""
    waited = (pl.lit(now, TIME) - pl.col("since")).dt.total_seconds()
    steps = by_policy(waiting, policies).explode("after", empty_as_null=True)
    return (
        steps.group_by("incident", maintain_order=True)
        .agg(
            pl.col("tier").first().alias("before"), (waited >= pl.col("after") * 60).sum().cast(pl.Int16).alias("tier")
        )
        .filter(pl.col("tier") > pl.col("before"))
        .select("incident", "tier")
    )
