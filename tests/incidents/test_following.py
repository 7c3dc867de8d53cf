"""What `watch` tells of incidents: opened once, told of everything, ended by evidence alone."""

from contextlib import closing
from datetime import timedelta

import polars as pl
import psycopg
import pytest

from analytics import alarms, incidents
from analytics.store import connection
from analytics.store import incidents as store
from analytics.store.connection import Connection
from analytics.store.incidents import listed
from jobs.incidents import escalation
from jobs.incidents.acts import Act, act
from tests.incidents.telling import HOUR, MINUTE, RULE, T0, district, event, field, opened, tell, told


def test_an_activation_has_one_incident_with_the_facts_of_then(conn: Connection) -> None:
    [a, b] = district(conn).values()
    first = opened(conn, a)
    assert opened(conn, a, T0 + MINUTE) == first  # who lost the number, as a restored state, finds it again
    assert opened(conn, b) != first
    conn.execute("UPDATE membership SET place = 'elsewhere'")
    row = listed.one(conn, first)
    assert row is not None
    facts = ("state", "severity", "scope", "station", "district", "street", "team", "onset", "tier", "title")
    assert [row[name] for name in facts[:-2]] == [
        *("open", "page", "station", "A", "East", "Road A", "duty"),
        T0 - 3 * HOUR,
    ]
    assert "150" in row["title"]
    [first_row, second] = listed.log(conn, first, 10)
    assert (first_row["author"], first_row["action"], first_row["evidence"]["value"]) == ("watch", "opened", 180.0)
    assert second["action"] == "fired"


def test_who_is_not_told_opens_nothing(conn: Connection) -> None:
    subject = district(conn)["A"]
    assert tell(conn, event(subject, "pending", "firing", told="")) == []
    assert tell(conn, event(subject, "firing", "ok", told="page")) == []  # over before anybody was told
    assert listed.search(conn, listed.Search(), limit=9).is_empty()


def test_silence_is_told_and_ends_nothing(conn: Connection) -> None:
    subject = district(conn)["A"]
    number = opened(conn, subject)
    [again] = tell(conn, event(subject, "firing", "blind", T0 + HOUR, incident=number))
    assert again == number
    assert field(conn, number, "state") == "open"
    assert told(conn, number)[-1] == ("watch", "silent")


def test_recovery_closes_it_with_the_event_as_evidence(conn: Connection) -> None:
    subject = district(conn)["A"]
    number = opened(conn, subject)
    tell(conn, event(subject, "recovering", "ok", T0 + 9 * HOUR, incident=number, level=0, value=40.0))
    assert [field(conn, number, name) for name in ("state", "recovered", "resolved", "ended", "level")] == [
        *("resolved", T0 + 9 * HOUR, T0 + 9 * HOUR, T0 + 9 * HOUR),
        2,
    ]
    rows = listed.log(conn, number, 10)
    assert [row["action"] for row in rows] == ["opened", "recovered", "resolved"]
    assert all(row["evidence"]["reason"] == "cleared" and row["evidence"]["value"] == 40.0 for row in rows[1:])
    assert opened(conn, subject, T0 + 20 * HOUR) != number  # the next activation is another one


def test_withdrawn_evidence_never_resolves(conn: Connection) -> None:
    subject = district(conn)["A"]
    number = opened(conn, subject)
    tell(conn, event(subject, "firing", "withdrawn", T0 + HOUR, incident=number))
    assert [field(conn, number, name) for name in ("state", "resolved", "withdrawn")] == [
        *("withdrawn", None),
        T0 + HOUR,
    ]


def test_recovery_waits_for_the_work_order_that_is_out(conn: Connection) -> None:
    subject = district(conn)["A"]
    number = opened(conn, subject)
    for action in ("acknowledge", "dispatch"):
        act(conn, number, Act(action, "Wang", incidents.DUTY), T0 + MINUTE)
    tell(conn, event(subject, "recovering", "ok", T0 + 9 * HOUR, incident=number))
    assert field(conn, number, "state") == "recovered"
    act(conn, number, Act("resolve", "Wang", incidents.DUTY, note="filter changed"), T0 + 10 * HOUR)
    assert field(conn, number, "state") == "resolved"


def test_a_severity_only_rises_and_counts_from_then(conn: Connection) -> None:
    subject = district(conn)["A"]
    number = opened(conn, subject, told="ticket")
    tell(conn, event(subject, "firing", "firing", T0 + HOUR, told="page", reason="escalated", incident=number))
    tell(conn, event(subject, "firing", "firing", T0 + 2 * HOUR, told="ticket", reason="lowered", incident=number))
    assert [field(conn, number, name) for name in ("severity", "told", "since")] == [
        *("page", ["ticket", "page"]),
        T0 + HOUR,
    ]
    assert told(conn, number) == [("watch", "opened"), ("watch", "escalated"), ("watch", "lowered")]
    rows = store.gauge(conn, T0 + 3 * HOUR).select("severity", "tier").rows()
    assert rows == [("page", 0), ("ticket", 0)]  # no row of what was told goes while it goes on


@pytest.mark.parametrize("dispatched", [False, True])
def test_who_knows_of_the_ticket_is_asked_again_when_it_is_a_page(conn: Connection, dispatched: bool) -> None:
    subject = district(conn)["A"]
    number = opened(conn, subject, told="ticket")
    later = T0 + 30 * HOUR
    escalation.escalate(conn, later)
    assert field(conn, number, "tier") > 0
    for action in ("acknowledge", "dispatch")[: 1 + dispatched]:
        act(conn, number, Act(action, "Wang", incidents.DUTY), later)
    tell(conn, event(subject, "firing", "firing", later, told="page", reason="escalated", incident=number))
    assert [field(conn, number, name) for name in ("state", "acknowledged_by", "tier")] == ["open", None, 0]
    assert store.acknowledged(conn).is_empty()
    assert told(conn, number).count(("Wang", "acknowledged")) == 1  # what was done is not undone
    step = incidents.load()["page"].after[0]
    escalation.escalate(conn, later + (step - 1) * MINUTE)
    assert field(conn, number, "tier") == 0
    escalation.escalate(conn, later + step * MINUTE)
    # Whom the page should wake is told, by the page alone.
    assert store.gauge(conn, later + HOUR).select("severity", "tier").rows() == [("page", 1), ("ticket", 0)]
    row = act(conn, number, Act("acknowledge", "Li", incidents.DUTY), later + 40 * MINUTE)
    assert (row["state"], row["acknowledged_by"]) == ("dispatched" if dispatched else "acknowledged", "Li")
    assert store.gauge(conn, later + HOUR)["tier"].to_list() == [0, 0]
    figures = conn.execute("SELECT acknowledged_worst FROM report.duty_figures").fetchone()
    assert figures == (40 * 60,)


def test_nobody_acknowledges_and_the_next_are_told(conn: Connection) -> None:
    a, b = district(conn).values()
    first, second = opened(conn, a), opened(conn, b)
    steps = incidents.load()["page"].after
    tiers = []
    for minutes in range(0, steps[-1] + 5, 5):
        now = T0 + minutes * MINUTE
        escalation.escalate(conn, now)
        tiers.append(field(conn, first, "tier"))
        if minutes == steps[0]:
            act(conn, second, Act("acknowledge", "Wang", incidents.DUTY), now)
    assert tiers == [sum(minutes >= step for step in steps) for minutes in range(0, steps[-1] + 5, 5)]
    gauge = dict(store.gauge(conn, T0 + HOUR).select("incident", "tier").iter_rows())
    assert gauge == {str(first): len(steps), str(second): 0}
    assert field(conn, second, "tier") == 1  # it was told; it is told no more
    assert told(conn, first).count(("watch", "unanswered")) == len(steps)
    tell(conn, event(a, "recovering", "ok", T0 + 9 * HOUR, incident=first))
    assert store.gauge(conn, T0 + 10 * HOUR).filter(incident=str(first))["tier"].to_list() == [0]
    assert store.gauge(conn, T0 + 34 * HOUR).filter(incident=str(first)).is_empty()


def test_who_has_the_regions_incident_has_those_of_its_members(conn: Connection) -> None:
    subjects = district(conn)
    conn.execute("INSERT INTO subject (kind, place) VALUES ('district', 'East')")
    [(region,)] = conn.execute("SELECT id FROM subject WHERE kind = 'district'").fetchall()
    member = opened(conn, subjects["A"])
    parent = opened(conn, int(str(region)), rule="region")
    assert field(conn, parent, "district") == "East"
    assert store.adopt(conn, parent, [member, parent], T0) == 1
    assert store.adopt(conn, parent, [member], T0) == 0
    assert store.waiting(conn)["incident"].to_list() == [parent]
    act(conn, parent, Act("acknowledge", "Wang", incidents.DUTY), T0)
    assert store.waiting(conn).is_empty()
    tell(conn, event(int(str(region)), "firing", "ok", T0 + HOUR, rule="region", incident=parent))
    # The region is over, the member is not: its time begins now.
    assert store.waiting(conn).select("incident", "since").rows() == [(member, T0 + HOUR)]


def test_what_is_acknowledged_is_told_to_the_machine(conn: Connection) -> None:
    subject = district(conn)["A"]
    number = opened(conn, subject)
    assert store.acknowledged(conn).is_empty()
    act(conn, number, Act("acknowledge", "Wang", incidents.DUTY), T0)
    assert store.acknowledged(conn).rows() == [(subject, RULE)]
    tell(conn, event(subject, "firing", "ok", T0 + HOUR, incident=number))
    assert store.acknowledged(conn).is_empty()


def test_a_mute_that_is_over_opens_it_while_it_goes_on(conn: Connection) -> None:
    [number] = tell(conn, event(district(conn)["A"], "firing", "firing", reason="told"))
    assert field(conn, number, "state") == "open"


@pytest.mark.parametrize("role", ["", "greenwatch_writer", "greenwatch_admin"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE incident_log SET note = 'x'", "DELETE FROM incident_log", "TRUNCATE incident_log"],
)
def test_the_log_is_only_added_to(dsn: str, conn: Connection, role: str, statement: str) -> None:
    number = opened(conn, district(conn)["A"])
    with closing(connection.connect(dsn)) as other:
        if role:
            other.execute(f"SET ROLE {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute(statement)
        store.write(other, number, T0, "somebody", "note", note="added")
    assert told(conn, number)[-1] == ("somebody", "note")


def test_an_event_of_an_incident_that_is_not_here_is_passed_over(conn: Connection) -> None:
    subject = district(conn)["A"]
    assert tell(conn, event(subject, "firing", "blind", incident=12345)) == [12345]


def test_many_at_once_are_opened_in_one_statement(conn: Connection) -> None:
    codes = tuple(f"S{number:03}" for number in range(200))
    subjects = district(conn, codes)
    frame = [event(subject, "pending", "firing") for subject in subjects.values()]
    assert len(set(tell(conn, *frame))) == 200
    assert sorted(frame[0]) == sorted(set(alarms.EVENTS) - {"expected", "by", "incident"})


def test_tiers_are_those_of_the_obvious_loop() -> None:
    policies = incidents.parse(
        {
            "all": {**_POLICY, "severity": "page", "after": [10, 30]},
            "east": {**_POLICY, "severity": "page", "district": "East", "after": [5], "team": "east"},
            "ticket": {**_POLICY, "severity": "ticket", "after": []},
        }
    )
    rows = [
        (number, severity, place, T0 - timedelta(minutes=minutes), tier)
        for number, (severity, place, minutes, tier) in enumerate(
            (severity, place, minutes, tier)
            for severity in ("page", "ticket")
            for place in ("East", "West", "")
            for minutes in (-5, 0, 4, 5, 9, 10, 29, 30, 1000)
            for tier in (0, 1, 2)
        )
    ]
    waiting = pl.DataFrame(rows, schema=store.WAITING, orient="row")
    expected = {}
    for number, severity, place, since, tier in rows:
        own = [item for item in policies.values() if (item.severity, item.district) == (severity, place)]
        policy = own[0] if own else next(p for p in policies.values() if (p.severity, p.district) == (severity, ""))
        now = sum(T0 - since >= timedelta(minutes=step) for step in policy.after)
        if now > tier:
            expected[number] = now
    assert dict(incidents.tiers(waiting, policies, T0).iter_rows()) == expected
    assert len(expected) > 10


_POLICY = {"team": "duty", "in_time": 10, "source": "OWN", "confidence": "memory_low"}
