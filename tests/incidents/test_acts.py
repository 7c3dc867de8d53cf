"""What people do over HTTP and by command: in which state, in which role, on what evidence."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from analytics import incidents
from analytics.store import corrections
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from jobs.incidents.cli import app
from tests import world
from tests.incidents.telling import HOUR, MINUTE, RULE, T0, district, event, field, opened, tell, told
from tests.web.posting import problem

#: How an incident comes into each state.
WAYS: dict[str, tuple[str, ...]] = {
    "open": (),
    "acknowledged": ("acknowledge",),
    "dispatched": ("acknowledge", "dispatch"),
    "recovered": ("acknowledge", "dispatch", "ok"),
    "withdrawn": ("withdrawn",),
    "resolved": ("ok",),
    "reviewed": ("ok", "review"),
    "cancelled": ("withdrawn", "cancel"),
}
BODY = {"note": "seen", "assignee": "duty 王"}


def do(client: httpx.Client, number: int, action: str, auth: httpx.BasicAuth, **body: Any) -> httpx.Response:
    said = body or {name: BODY[name] for name in BODY if name == "note" or action == "assign"}
    return client.post(f"/v1/incidents/{number}/{action}", json=said, auth=auth)


def bring(conn: Connection, client: httpx.Client, subject: int, auth: httpx.BasicAuth, state: str) -> int:
    """An incident in `state`."""
    number = opened(conn, subject)
    for step in WAYS[state]:
        if step in incidents.ACTIONS:
            assert do(client, number, step, auth).is_success
        else:
            tell(conn, event(subject, "firing", step, T0 + HOUR, incident=number))
    assert field(conn, number, "state") == state
    return number


def test_every_action_in_every_state_by_every_role(
    conn: Connection, client: httpx.Client, staff: dict[str, httpx.BasicAuth]
) -> None:
    """The table of `analytics.incidents` is what happens."""
    subjects = iter(district(conn, tuple(f"S{number}" for number in range(70))).values())
    fresh: dict[str, int] = {}
    for state in incidents.STATES:
        for action, known in incidents.ACTIONS.items():
            for role in incidents.ROLES:
                if state not in fresh:
                    fresh[state] = bring(conn, client, next(subjects), staff["admin"], state)
                number = fresh[state]
                before = told(conn, number)
                answer = do(client, number, action, staff[role])
                if role not in known.roles:
                    assert (answer.status_code, problem(answer)) == (403, "outside-role")
                elif state not in known.moves:
                    assert (answer.status_code, problem(answer)) == (409, "not-now")
                elif action == "cancel" and state != "withdrawn":
                    assert (answer.status_code, problem(answer)) == (409, "no-evidence")
                else:
                    assert answer.status_code == 200, answer.text
                    assert answer.json()["state"] == field(conn, number, "state") == known.moves[state]
                    [(author, _)] = told(conn, number)[len(before) :]
                    assert author == f"{role} 王"
                    del fresh[state]
                    continue
                assert told(conn, number) == before
                assert field(conn, number, "state") == state


def test_what_an_action_needs_has_to_be_said(
    conn: Connection, client: httpx.Client, staff: dict[str, httpx.BasicAuth]
) -> None:
    number = opened(conn, district(conn)["A"])
    for action, body in (("note", {"note": " "}), ("assign", {"note": "x"}), ("assign", {"assignee": "stranger"})):
        assert problem(do(client, number, action, staff["duty"], **body)) == "unreadable-body"
    assert problem(do(client, number, "assign", staff["duty"], assignee="viewer 王")) == "unreadable-body"
    # What an action does not take is not passed over: who said it would think that it was done.
    for more in ({"assignee": "duty 王"}, {"corrections": [1]}):
        assert problem(do(client, number, "acknowledge", staff["duty"], **more)) == "unreadable-body"
    bodies: list[dict[str, object]] = [{"note": 5}, {"note": "x" * 4001}, {"more": 1}, {"corrections": ["1"]}]
    for bad in (*bodies, {"note": "\ud800"}):
        answer = client.post(
            f"/v1/incidents/{number}/note",
            content=json.dumps(bad).encode(),
            headers={"Content-Type": "application/json"},
            auth=staff["duty"],
        )
        assert problem(answer) == "unreadable-body"
    for content, kind in ((b"[1]", "unreadable-body"), (b"{", "unreadable-body"), (b"\xff", "unreadable-body")):
        answer = client.post(
            f"/v1/incidents/{number}/note",
            content=content,
            headers={"Content-Type": "application/json"},
            auth=staff["duty"],
        )
        assert problem(answer) == kind
    form = client.post(f"/v1/incidents/{number}/note", data={"note": "x"}, auth=staff["duty"])
    assert problem(form) == "wrong-type"
    big = client.post(f"/v1/incidents/{number}/note", json={"note": "x" * 70_000}, auth=staff["duty"])
    assert problem(big) == "too-large"
    assert told(conn, number) == [("watch", "opened")]


def test_who_acts_is_the_person_or_named_beside_the_token(conn: Connection, client: httpx.Client) -> None:
    number = opened(conn, district(conn)["A"])
    # Nobody was added yet, and there is no token: the machine's own people say who they are.
    assert problem(client.post(f"/v1/incidents/{number}/acknowledge", json={})) == "no-author"
    for name in ("", "x" * 101, "a\tb"):
        headers = {"Greenwatch-Author": name}
        assert problem(client.post(f"/v1/incidents/{number}/acknowledge", json={}, headers=headers)) == "no-author"
    raw = {b"Greenwatch-Author": "王".encode()}
    assert client.post(f"/v1/incidents/{number}/acknowledge", json={}, headers=raw).is_success
    assert told(conn, number)[-1] == ("王", "acknowledged")


def test_pages_of_other_sites_act_on_nothing(
    conn: Connection, client: httpx.Client, staff: dict[str, httpx.BasicAuth]
) -> None:
    number = opened(conn, district(conn)["A"])
    for origin in ("https://evil.example", "null"):
        answer = client.post(
            f"/v1/incidents/{number}/acknowledge", json={}, auth=staff["duty"], headers={"Origin": origin}
        )
        assert problem(answer) == "other-site"
    assert field(conn, number, "state") == "open"


def test_there_is_no_such_incident(client: httpx.Client, staff: dict[str, httpx.BasicAuth]) -> None:
    for number in (0, 7, 2**62, 2**80):
        assert problem(client.get(f"/v1/incidents/{number}")) == "not-found"
        assert problem(do(client, number, "acknowledge", staff["duty"])) == "not-found"
    assert problem(do(client, 7, "explode", staff["duty"])) == "not-found"
    for path in ("/v1/incidents/" + "9" * 5_000, "/v1/series/" + "9" * 5_000 + "/readings"):
        assert problem(client.get(path)) == "not-found"  # more digits than Python reads


def layer(conn: Connection, start: Any, stop: Any, kind: str = "verdict", parameter: str = "pm25") -> int:
    """A correction of the station's series of `parameter`, in force."""
    row = conn.execute("SELECT min(id) FROM series WHERE parameter = %s", [parameter]).fetchone()
    assert row is not None
    given = {"code": 4.0} if kind == "verdict" else {}
    entry = Entry(int(str(row[0])), kind, start, stop, given, "Wang", "span gas")
    return corrections.enter(conn, [entry], T0).ids[0]


def test_it_is_cancelled_by_corrections_that_cover_what_it_stood_on(
    conn: Connection, client: httpx.Client, staff: dict[str, httpx.BasicAuth]
) -> None:
    number = opened(conn, district(conn)["A"])  # from T0 - 3 h to T0
    first = layer(conn, T0 - 3 * HOUR, T0 - HOUR)
    assert problem(do(client, number, "cancel", staff["lead"])) == "no-evidence"  # an hour is left
    second = layer(conn, T0 - HOUR, T0 - timedelta(microseconds=1))
    assert problem(do(client, number, "cancel", staff["lead"])) == "no-evidence"
    third = layer(conn, T0 - 2 * HOUR, T0 + MINUTE, "withdrawal")
    named = do(client, number, "cancel", staff["lead"], note="span gas", corrections=[first, second])
    assert problem(named) == "no-evidence"
    answer = do(client, number, "cancel", staff["lead"], note="span gas", corrections=[first, third])
    assert answer.json()["state"] == "cancelled", answer.text
    row = client.get(f"/v1/incidents/{number}").json()["log"][-1]
    assert row["evidence"] == {"corrections": [first, third], "kinds": ["verdict", "withdrawal"]}
    assert (row["author"], row["note"]) == ("lead 王", "span gas")


def test_where_one_of_two_quantities_is_enough_both_must_be_covered(
    conn: Connection, client: httpx.Client, staff: dict[str, httpx.BasicAuth]
) -> None:
    stations = district(conn, ("A",))
    world.settle_world(conn, [("A", "no2")])
    conn.execute(
        "UPDATE edition SET rows = jsonb_set(rows #- ARRAY[%(rule)s, 'episode'] #- ARRAY[%(rule)s, 'level'],"
        ' ARRAY[%(rule)s, \'any\'], \'[{"episode": "pm25_24h", "level": 1}, {"episode": "no2_1h", "level": 1}]\')'
        " WHERE name = 'alarms'",
        {"rule": RULE},
    )
    number = opened(conn, stations["A"])
    layer(conn, T0 - 4 * HOUR, T0 + HOUR)
    assert problem(do(client, number, "cancel", staff["lead"])) == "no-evidence"  # the other one stands
    layer(conn, T0 - 4 * HOUR, T0 + HOUR, parameter="no2")
    assert do(client, number, "cancel", staff["lead"]).json()["state"] == "cancelled"


def test_a_correction_that_was_ended_is_no_evidence(
    conn: Connection, client: httpx.Client, staff: dict[str, httpx.BasicAuth]
) -> None:
    number = opened(conn, district(conn)["A"])
    number_of_layer = layer(conn, T0 - 4 * HOUR, T0 + HOUR)
    corrections.end(conn, [number_of_layer], "Wang", "mistake", T0)
    assert problem(do(client, number, "cancel", staff["lead"])) == "no-evidence"


def test_the_list_is_filtered_paged_and_of_then(
    conn: Connection, client: httpx.Client, staff: dict[str, httpx.BasicAuth]
) -> None:
    subjects = district(conn, ("A", "B", "C"))
    numbers = [opened(conn, subject, T0 + i * MINUTE) for i, subject in enumerate(subjects.values())]
    tell(conn, event(subjects["B"], "firing", "ok", T0 + HOUR, incident=numbers[1]))

    def asked(**query: Any) -> list[int]:
        answer = client.get("/v1/incidents", params=query)
        assert answer.is_success, answer.text
        return [row["id"] for row in answer.json()["rows"]]

    assert asked() == numbers
    assert asked(going="true") == [numbers[0], numbers[2]]
    assert asked(state=["resolved", "reviewed"]) == [numbers[1]]
    assert asked(place="street:Road C") == [numbers[2]]
    assert asked(place="district:East", station=["A", "B"]) == numbers[:2]
    assert asked(severity="ticket") == asked(rule="o3_heavy") == []
    assert asked(**{"from": (T0 + MINUTE).isoformat(), "to": (T0 + 2 * MINUTE).isoformat()}) == [numbers[1]]
    assert problem(client.get("/v1/incidents?place=grid:7")) == "bad-query"
    assert problem(client.get("/v1/incidents?state=gone")) == "bad-query"
    first = client.get("/v1/incidents?limit=2").json()
    assert [row["id"] for row in first["rows"]] == numbers[:2]
    assert [row["id"] for row in client.get(first["next"]).json()["rows"]] == numbers[2:]
    assert client.get("/v1/incidents?format=csv").text.count("\n") == 4


def run(dsn: str, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--dsn", dsn])


def test_the_command_does_the_same(dsn: str, conn: Connection) -> None:
    subject = district(conn)["A"]
    number = opened(conn, subject)
    dry = run(dsn, "acknowledge", str(number), "--author", "Wang", "--dry-run")
    assert (dry.exit_code, field(conn, number, "state")) == (0, "open")
    assert "nothing was changed" in dry.output
    done = run(dsn, "acknowledge", str(number), "--author", "Wang", "--json")
    assert '"state": "acknowledged"' in done.stdout
    assert told(conn, number)[-1] == ("Wang", "acknowledged")
    assert "does not go with that" in str(run(dsn, "acknowledge", str(number)).exception)
    assert "no data say" in str(run(dsn, "cancel", str(number), "--note", "x").exception)
    assert run(dsn, "cancel", str(number)).exit_code == 2
    assert run(dsn, "assign", str(number), "--to", "Li").exit_code == 0
    assert run(dsn, "note", str(number), "--note", "plume").exit_code == 0
    assert run(dsn, "dispatch", str(number)).exit_code == 0
    assert field(conn, number, "assignee") == "Li"
    assert "Road A" in run(dsn, "show", str(number)).stdout
    assert '"orders": [{' in run(dsn, "show", str(number), "--json").stdout
    tell(conn, event(subject, "firing", "ok", T0 + HOUR, incident=number))
    assert run(dsn, "resolve", str(number), "--note", "done").exit_code == 0
    assert run(dsn, "review", str(number), "--note", "well done").exit_code == 0
    assert str(number) not in run(dsn, "list", "--json").stdout.split(",")[0]
    assert f'"id": {number}' in run(dsn, "list", "--state", "reviewed", "--json").stdout
    assert "no incident 99" in str(run(dsn, "show", "99").exception)


def test_a_note_moves_no_terminal(dsn: str, conn: Connection) -> None:
    number = opened(conn, district(conn)["A"])
    note = "\x1b]0;title\x07\x1b[2Jgone [red]x[/nope]\x9b31m 风"
    assert run(dsn, "note", str(number), "--note", note).exit_code == 0
    shown = run(dsn, "show", str(number)).stdout
    assert "gone [red]x[/nope]" in shown
    assert "风" in shown
    assert {letter for letter in shown if not letter.isprintable()} == {"\n"}


def test_figures_are_the_obvious_ones(dsn: str, conn: Connection) -> None:
    """Four on one street in May by its clock: one in time, one late, one nobody took, one that was none."""
    start = T0.replace(month=5, day=31, hour=15)  # 23:00 there
    subjects = district(conn, ("A", "B", "C", "D"))
    conn.execute("UPDATE membership SET place = 'Road' WHERE kind = 'street'")
    numbers = [opened(conn, subject, start) for subject in subjects.values()]
    for number, minutes in zip(numbers[:2], (4, 30), strict=True):
        conn.execute(
            "UPDATE incident SET acknowledged = %s, acknowledged_by = 'x' WHERE id = %s",
            [start + minutes * MINUTE, number],
        )
        tell(conn, event(subjects["AB"[number - numbers[0]]], "firing", "ok", start + HOUR, incident=number))
    tell(conn, event(subjects["D"], "firing", "withdrawn", start + HOUR, incident=numbers[3]))
    done = run(dsn, "figures", "--json")
    [row] = json.loads(done.stdout)
    assert (row["month"], row["district"], row["street"], row["severity"]) == ("2026-05-01", "East", "Road", "page")
    assert (row["incidents"], row["open"], row["cancelled"]) == (4, 1, 0)
    assert (row["acknowledged_median"], row["acknowledged_worst"]) == (17 * 60, 30 * 60)
    assert row["in_time"] == pytest.approx(1 / 3)  # the one nobody took is late by now
    assert (row["resolved_median"], row["delivered_median"], row["dispatched_worst"]) == (3600, None, None)
    assert "in_time" in run(dsn, "figures").stdout
