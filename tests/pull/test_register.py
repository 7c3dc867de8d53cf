"""[[pull]] in a register file: what it says, what it may not say, and the command by hand."""

import json

import pytest

from analytics.store import pulls, register
from analytics.store.connection import Connection
from analytics.store.errors import Nonsense
from analytics.store.register import Registry
from tests.commands.terminal import DONE, NOT_AS_ASKED, greenwatch
from tests.pull.pulling import SERVICES, put
from tests.register.drafts import PARAMETERS, STANDARDS, station

HEAD = ["[[pull]]", 'name = "P"']


def refused(*lines: str) -> list[str]:
    text = "\n".join([station('title = "A"'), *HEAD, *lines, ""])
    draft = register.read(text.encode(), "site.toml", PARAMETERS, STANDARDS, connectors=SERVICES)
    with pytest.raises(Nonsense) as problem:
        register.compare(Registry(), draft)
    return str(problem.value).splitlines()[1:]


def test_a_pull_is_there_as_the_file_says_and_keeps_what_another_leaves_out(conn: Connection) -> None:
    put(conn, station() + "\n".join([*HEAD, 'connector = "openaq"', 'ids = { "7" = "A" }', 'every = "30m"', ""]))
    [pull] = pulls.load(conn)
    assert (pull.connector, pull.ids, pull.every, pull.horizon, pull.url, pull.on) == (
        *("openaq", {"7": "A"}, 1800, None, None, True),
    )
    put(conn, "\n".join([*HEAD, 'horizon = "2d"', "on = false", ""]))
    [pull] = pulls.load(conn)
    assert (pull.ids, pull.every, pull.horizon, pull.on) == ({"7": "A"}, 1800, 172_800, False)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((), "pull 'P' is new and lacks connector, ids"),
        (('connector = "opnaq"', 'ids = ["1"]'), "unknown connector 'opnaq': did you mean"),
        (('connector = "openaq"', 'ids = ["1"]'), "id '1' needs its station"),
        (('connector = "openaq"', 'ids = { "1" = "B" }'), "pull names station 'B', neither registered"),
        (('connector = "weather"', 'ids = ["B"]'), "pull names station 'B', neither registered"),
        (('connector = "weather"', "ids = []"), "ids must be"),
        (('connector = "weather"', "ids = [1]"), "ids must be"),
        (('connector = "weather"', 'ids = ["A"]', 'every = "often"'), "every cannot be"),
        (('connector = "weather"', 'ids = ["A"]', 'url = "https://u:p@host"'), "url cannot be"),
        (('connector = "weather"', 'ids = ["A"]', 'url = "file:///etc/passwd"'), "url cannot be"),
        (('connector = "weather"', 'ids = ["A"]', 'on = "no"'), "on must be true or false"),
        (('connector = "weather"', 'ids = ["A"]', *HEAD), "pull 'P' stands at line"),
    ],
)
def test_nonsense_is_refused_with_its_line(lines: tuple[str, ...], words: str) -> None:
    assert any(words in problem for problem in refused(*lines)), refused(*lines)


def test_by_hand_a_pull_says_what_it_did_and_what_failed(conn: Connection, dsn: str) -> None:
    none = greenwatch("pull", "P", "--dsn", dsn)
    assert none.code == NOT_AS_ASKED
    assert "no pull 'P'" in none.err
    url = 'url = "http://127.0.0.1:9"'
    put(conn, station() + "\n".join([*HEAD, 'connector = "openaq"', 'ids = { "7" = "A" }', url, ""]))
    ran = greenwatch("pull", "--json", "--dsn", dsn)
    assert ran.code == NOT_AS_ASKED
    [done] = json.loads(ran.out)
    assert done["requests"] == 0
    assert "OPENAQ_API_KEY" in ran.err
    due = greenwatch("pull", "--json", "--dsn", dsn)  # nothing is, a minute long
    assert (due.code, json.loads(due.out)) == (DONE, [])
    for words in (("--since", "2026-05-01T00:00Z"), ("P", "--since", "2999-05-01T00:00Z"), ("P", "--file", "x")):
        assert greenwatch("pull", *words, "--dsn", dsn).code == 2
