"""People: passwords that nothing keeps, logins that cannot be guessed by the thousand, and what a login costs."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import argon2
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from analytics.store.connection import Connection
from analytics.store.people import Person
from jobs import console, passwords
from jobs.person import app
from jobs.web import people
from jobs.web.app import build
from jobs.web.people import People, Refusal, Tries
from jobs.web.site import Settings
from tests.incidents.conftest import add
from tests.incidents.telling import T0
from tests.serving import until
from tests.web.posting import problem

WORD = "correct horse"


def run(dsn: str, *words: str, given: str = f"{WORD}\n") -> Result:
    return CliRunner().invoke(app, [*words, "--dsn", dsn], input=given)


def test_a_password_comes_from_stdin_and_is_kept_as_argon2id_alone(dsn: str, conn: Connection) -> None:
    assert run(dsn, "add", "wang", "--role", "duty").exit_code == 0
    [(kept,)] = conn.execute("SELECT row_to_json(person)::text FROM person").fetchall()
    assert WORD not in str(kept)
    found = json.loads(str(kept))
    assert argon2.PasswordHasher().verify(found["hash"], WORD)
    [row] = json.loads(run(dsn, "list", "--json").stdout)
    assert (row["name"], row["role"], row["disabled"]) == ("wang", "duty", None)
    assert "hash" not in row
    assert "wang" in run(dsn, "list").stdout


def test_a_name_is_given_once(dsn: str) -> None:
    run(dsn, "add", "wang", "--role", "duty")
    assert "was, a person" in str(run(dsn, "add", "wang", "--role", "admin").exception)
    assert "can log in no more" in run(dsn, "disable", "wang").output
    assert "was disabled before" in run(dsn, "disable", "wang").output
    assert "was, a person" in str(run(dsn, "add", "wang", "--role", "duty").exception)
    assert "can log in" in str(run(dsn, "password", "wang").exception)
    assert "nobody is called" in str(run(dsn, "disable", "li").exception)


@pytest.mark.parametrize("word", ["", "short", "x" * 201, "with\x07a bell in it"])
def test_what_is_no_password_is_refused_without_being_said(dsn: str, word: str) -> None:
    done = run(dsn, "add", "wang", "--role", "duty", given=f"{word}\n")
    assert isinstance(done.exception, console.NotAsAsked)
    assert not word or word not in str(done.exception) + done.output


@pytest.mark.parametrize("words", [["", "--role", "duty"], ["a:b", "--role", "duty"], ["a"], ["a", "--role", "boss"]])
def test_what_is_no_person_is_refused(dsn: str, words: list[str]) -> None:
    assert run(dsn, "add", *words).exit_code == 2


def test_the_profile_is_that_of_the_standard() -> None:
    hasher = argon2.PasswordHasher.from_parameters(argon2.profiles.RFC_9106_LOW_MEMORY)
    fresh = hasher.hash(WORD)
    parts = argon2.extract_parameters(fresh)
    assert (parts.type, parts.time_cost, parts.memory_cost, parts.parallelism) == (argon2.Type.ID, 3, 65536, 4)
    nobody = argon2.extract_parameters(passwords.NOBODY)
    assert replace_nothing(nobody) == replace_nothing(parts)  # a name that is not there costs as much
    assert not passwords.fits(passwords.NOBODY, WORD)
    assert not passwords.fits("no hash", WORD)
    assert passwords.fits(fresh, WORD)


def replace_nothing(parts: argon2.Parameters) -> tuple[Any, ...]:
    return parts.type, parts.time_cost, parts.memory_cost, parts.parallelism, parts.hash_len, parts.version


def person(name: str = "wang") -> Person:
    return Person(1, name, "duty", f"hash of {WORD}", T0, "tests")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fits(hash: str, password: str) -> bool:
    return hash == f"hash of {password}"


def logged(home: People, name: str, word: str, address: str = "a") -> Person | Refusal:
    return asyncio.run(home.log_in(name, word, address))


def test_who_was_let_in_is_remembered_but_not_by_the_password() -> None:
    checks: list[str] = []

    def counted(hash: str, password: str) -> bool:
        checks.append(password)
        return fits(hash, password)

    clock = Clock()
    home = People(counted, clock)
    home.show([person()])
    assert logged(home, "wang", WORD) == logged(home, "wang", WORD) == person()
    assert len(checks) == 1
    assert WORD not in repr(vars(home))
    assert isinstance(logged(home, "wang", WORD + "x"), Refusal)
    clock.now += people.REMEMBERED + 1
    logged(home, "wang", WORD)
    assert len(checks) == 3
    home.show([replace(person(), hash="hash of another")])
    assert logged(home, "wang", WORD) == Refusal("wrong")  # at once: it was remembered with its hash
    home.show([replace(person(), disabled=T0)])
    assert logged(home, "wang", "another") == Refusal("wrong")
    assert home.needed


def test_a_name_that_is_not_there_is_checked_as_any_other() -> None:
    seen: list[str] = []

    def never(hash: str, password: str) -> bool:
        seen.append(hash)
        return False

    home = People(never)
    home.show([person()])
    assert logged(home, "nobody", WORD) == Refusal("wrong")
    assert seen == [passwords.NOBODY]


def test_tries_that_fail_have_to_wait_twice_as_long_each_time() -> None:
    clock = Clock()
    tries = Tries(clock)
    waits = []
    for _ in range(20):
        tries.count("wang", "a")
        waits.append(tries.wait("wang", "a"))
        clock.now += waits[-1]
    assert waits[: people.FREE] == [0] * people.FREE
    assert waits[people.FREE : people.FREE + 4] == [2, 4, 8, 16]
    assert waits[-1] == people.LONGEST["both"]
    # Who guesses at a name locks out nobody who comes from elsewhere, for long.
    assert 0 <= tries.wait("wang", "b") <= people.LONGEST["name"]
    clock.now += people.FORGOTTEN + 1
    tries.count("wang", "a")
    assert tries.wait("wang", "a") == 0


def test_who_is_right_is_never_told_to_wait_for_it() -> None:
    """Good logins cost nothing, be they ten at once, be they all day long."""
    clock, checks = Clock(), [0]

    def counted(hash: str, password: str) -> bool:
        checks[0] += 1
        return fits(hash, password)

    home = People(counted, clock)
    home.show([person()])

    async def page() -> list[Person | Refusal]:
        return await asyncio.gather(*(home.log_in("wang", WORD, f"device {n % 3}") for n in range(30)))

    for day in range(20):
        assert asyncio.run(page()) == [person()] * 30
        assert checks[0] == day + 1
        home.show([replace(person(), hash=f"hash of {day}"), person("li")])  # another password, and this one again
        home.show([person()])
        home._let_in.clear()
        clock.now += 60


def test_who_guesses_at_a_name_locks_out_nobody_else() -> None:
    clock = Clock()
    home = People(fits, clock)
    home.show([person(), person("li")])
    assert logged(home, "wang", WORD, "10.0.0.1") == person()
    for number in range(400):
        logged(home, "wang", f"guess {number}", f"10.1.{number % 40}.1")
        clock.now += 0.3
    waits = logged(home, "wang", "guess", "10.1.7.1")
    assert isinstance(waits, Refusal)
    assert waits.why == "wait"
    # Whose name it is works on, also where the guesses come from (a proxy, an office); and comes in from elsewhere, be
    # it at the second try.
    assert logged(home, "wang", WORD, "10.1.7.1") == person()
    home._let_in.clear()
    assert logged(home, "wang", "mistyped", "10.0.0.2") == Refusal("wrong")
    assert logged(home, "wang", WORD, "10.0.0.2") == person()


def test_good_tries_count_for_nobody() -> None:
    tries = Tries(Clock())
    for _ in range(20):
        tries.count("wang", "a")
        tries.forgive("wang", "a")
    for _ in range(people.OWN + 1):
        tries.count("wang", "a")
    assert tries.wait("wang", "a") == 0


def test_a_network_of_ipv6_is_one_address() -> None:
    clock = Clock()
    tries = Tries(clock)
    for number in range(people.FREE + 1):
        tries.count(f"name {number}", f"2001:db8:0:7::{number:x}")
    assert tries.wait("other", "2001:db8:0:7:ffff::1") == 2
    assert tries.wait("other", "2001:db8:0:8::1") == 0
    for number in range(people.FREE + 1):
        tries.count(f"name {number}", "::ffff:10.0.0.1")
    assert tries.wait("other", "10.0.0.1") == 2
    assert tries.wait("other", "::ffff:10.0.0.2") == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 2000)), max_size=60))
def test_waits_are_bounded_and_memory_too(steps: list[tuple[int, int, float]]) -> None:
    clock = Clock()
    tries = Tries(clock)
    for name, address, pause in steps:
        clock.now += pause
        before = tries.wait(str(name), str(address))
        assert 0 <= before <= max(people.LONGEST.values())
        tries.count(str(name), str(address))
    assert len(tries._failed) <= 4 * 4 + 8


def test_many_guesses_are_few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[str] = []

    def never(hash: str, password: str) -> bool:
        checks.append(password)
        return False

    home = People(never, Clock())
    home.show([person()])

    async def storm() -> list[Person | Refusal]:
        return await asyncio.gather(*(home.log_in("wang", f"guess {number}", "a") for number in range(500)))

    found = asyncio.run(storm())
    assert len(checks) <= people.FREE + 1
    assert {item.why for item in found if isinstance(item, Refusal)} <= {"wrong", "wait", "busy"}
    monkeypatch.setattr(people, "KNOWN", 50)
    for number in range(200):
        home.tries.count(f"name {number}", f"address {number}")
    assert len(home.tries._failed) <= 50


def test_checks_are_few_at_once_and_leave_the_loop_alone() -> None:
    under_way = [0, 0]

    def slow(hash: str, password: str) -> bool:
        under_way[0] += 1
        under_way[1] = max(under_way)
        time.sleep(0.05)
        under_way[0] -= 1
        return False

    home = People(slow)
    home.show([person(f"p{number}") for number in range(40)])

    async def storm() -> tuple[list[Person | Refusal], int]:
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.005)
                turns += 1

        ticking = asyncio.create_task(tick())
        found = await asyncio.gather(*(home.log_in(f"p{n}", "x", f"from {n}") for n in range(40)))
        ticking.cancel()
        return found, turns

    found, turns = asyncio.run(storm())
    assert under_way[1] <= people.CHECKS
    assert turns > 10
    assert sum(item == Refusal("busy", 1) for item in found) == 40 - people.CHECKS - people.QUEUE


def test_over_http_a_person_is_known_until_disabled(dsn: str, conn: Connection, client: httpx.Client) -> None:
    wang = add(conn, "wang", "viewer")
    until(lambda: client.get("/v1/incidents", auth=("wang", "wrong one")).status_code == 401)
    assert client.get("/v1/incidents", auth=wang).is_success
    wrong = client.get("/v1/incidents", auth=("wang", "wrong two"))
    assert (problem(wrong), wrong.headers["WWW-Authenticate"][:5]) == ("wrong-person", "Basic")
    for _ in range(people.FREE):
        last = client.get("/v1/incidents", auth=("wang", "wrong again"))
    assert (problem(last), int(last.headers["Retry-After"]) >= 1) == ("too-many-tries", True)
    assert client.get("/v1/incidents", auth=wang).is_success  # who was let in stays in
    conn.execute("UPDATE person SET disabled = now(), disabled_by = 'tests'")
    until(lambda: client.get("/v1/incidents", auth=wang).status_code in (401, 429))


def test_a_password_may_begin_as_a_key_does(conn: Connection, client: httpx.Client) -> None:
    li = add(conn, "li", "duty", "gw_correct horse")
    until(lambda: client.post("/v1/incidents/0/note", json={"note": "x"}, auth=li).status_code == 404)
    assert client.get("/v1/incidents", auth=li).is_success
    assert problem(client.get("/v1/incidents", auth=("li", "gw_wrong"))) == "wrong-person"


def test_before_the_people_are_loaded_nobody_is_refused() -> None:
    """A browser that is told 401 asks for another password, and the one it had was right."""
    app = build(Settings("", token="t"))  # not started: nothing was loaded

    async def asked(**said: Any) -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return problem(await client.get("/v1/incidents/1", **said))

    assert asyncio.run(asked(auth=("li", WORD))) == "away"
    assert asyncio.run(asked()) == "no-key"


def test_headers_that_are_none_are_nobody(conn: Connection, client: httpx.Client) -> None:
    add(conn, "wang", "duty")
    read: Callable[..., httpx.Response] = client.post
    until(lambda: problem(read("/v1/incidents/1/note", json={})) == "no-key")
    for said in ("Basic", "Basic !", "Basic /w==", "Basic Og==", "Basic d2FuZw==", "Digest x"):
        answer = read("/v1/incidents/1/note", json={}, headers={"Authorization": said})
        assert (answer.status_code, problem(answer)) == (401, "no-key"), said
