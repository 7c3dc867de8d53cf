"""One action on an incident: load, decide purely, keep, in one transaction; said by the command and over HTTP alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from analytics import incidents
from analytics.store import people
from analytics.store.connection import Connection
from analytics.store.incidents import acts, listed

#: Characters of a note, and of a name.
NOTE, NAME = 4_000, 100


class NoSuchIncident(LookupError):
    """There is no incident of this id."""


class NoEvidence(ValueError):
    """No data say that the incident was none."""


@dataclass(frozen=True, slots=True)
class Act:
    """What is done, by whom in which role. `corrections`: the layers that are evidence; None: any that are."""

    action: str
    author: str
    role: str
    note: str = ""
    assignee: str | None = None
    corrections: Sequence[int] | None = None


def act(conn: Connection, incident: int, said: Act, now: datetime) -> dict[str, Any]:
    """The incident (`listed.COLUMNS`) as it is after `said`.

    Raises `NoSuchIncident`, `NoEvidence`, or what `incidents.after` raises.
    """
    with conn.transaction():
        held = acts.hold(conn, incident)
        if held is None:
            raise NoSuchIncident(f"there is no incident {incident}")
        given = [name for name in ("note", "assignee") if getattr(said, name)]
        given += ["evidence"] * (said.corrections is not None)
        incidents.after(said.action, held.state, said.role, given)
        evidence: dict[str, Any] = {}
        if "evidence" in incidents.ACTIONS[said.action].needs:
            evidence = acts.against(conn, held, said.corrections)
            if not evidence:
                raise NoEvidence(
                    "no data say that it was none: its alarm was not withdrawn, and no correction in force covers what "
                    "it stood on. Enter one (`greenwatch correct verdict`), or let it recover"
                )
        if said.assignee is not None:
            _known(conn, said.assignee)
        if said.action == "dispatch":
            evidence = _dispatch(conn, incident, said, now)
        acts.do(
            conn, incident, said.action, now, said.author, note=said.note, assignee=said.assignee, evidence=evidence
        )
        found = listed.one(conn, incident)
    assert found is not None
    return found


def _known(conn: Connection, name: str) -> None:
    """Nothing, where somebody of that name may act, or nobody was ever added. Raises `incidents.NotSaid`."""
    there = people.load(conn)
    able = [person.name for person in there if person.disabled is None and person.role != incidents.VIEWER]
    if there and name not in able:
        raise incidents.NotSaid(f"assign: nobody on duty is called {name!r}")


def _dispatch(conn: Connection, incident: int, said: Act, now: datetime) -> dict[str, Any]:
    """The evidence of a work order that waits to be sent from now on."""
    row = listed.one(conn, incident)
    assert row is not None
    number = uuid4()
    facts = (
        *("severity", "rule", "title", "title_zh", "scope", "station", "channel", "source", "district", "street"),
        *("level", "onset", "assignee"),
    )
    data = {name: row[name].isoformat() if isinstance(row[name], datetime) else row[name] for name in facts}
    body = {
        "type": "work_order.created",
        "timestamp": now.isoformat(),
        "data": {"order": str(number), "incident": incident, **data, "note": said.note, "author": said.author},
    }
    acts.order(conn, number, incident, now, said.author, body)
    return {"order": str(number)}
