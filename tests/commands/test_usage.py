"""Every command explains itself with an example, and a wrong use of it is said in one line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from psycopg import conninfo

from jobs import cli
from tests.commands.terminal import DONE, greenwatch, wrong


def commands() -> list[list[str]]:
    """The words of every command, `database start` and its like among them."""

    def walk(command: Any, words: list[str]) -> Iterator[list[str]]:
        if not hasattr(command, "commands"):
            yield words
            return
        for name in command.list_commands(None):
            yield from walk(command.get_command(None, name), [*words, name])

    return list(walk(typer.main.get_command(cli.app), []))


def test_the_surface_that_stays() -> None:
    known = {
        "migrate",
        "register",
        "ingest",
        "settle",
        "relearn",
        "watch",
        "forecast",
        "irrigate",
        "export",
        "simulate",
    }
    assert known | {"serve", "worker", "up", "demo", "database"} <= {words[0] for words in commands()}


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_help_has_an_example(words: list[str]) -> None:
    done = greenwatch(*words, "--help")
    assert done.code == DONE
    assert "Example" in done.out
    assert f"greenwatch {words[0]}" in done.out.split("Example", 1)[1]


def test_options_that_scripts_rely_on() -> None:
    text = greenwatch("ingest", "--help").out
    for option in ("--format", "--register", "--source", "--revision", "--dry-run", "--json"):
        assert option in text
    text = greenwatch("export", "--help").out
    for option in (
        "--station",
        "--parameter",
        "--standard",
        "--averaging",
        "--from",
        "--to",
        "--as-of",
        "--format",
        "-o",
    ):
        assert option in text


def test_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    done = greenwatch("--version")
    assert (done.code, done.out.strip()) == (DONE, "0.1.0")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ingest", "FILE", "--format", "xml"], "no format 'xml'"),
        (["ingest"], "Missing argument"),
        (["ingest", "FILE", "--cadence", "often"], "'often' is no step"),
        (["ingest", "FILE", "--cadence", "0m"], "is no step"),
        (["ingest", "FILE", "--cadence", "-5m"], "is no step"),
        (["ingest", "FILE", "--cadence", ""], "is no step"),
        (["ingest", "FILE", "--cadence", "²m"], "is no step"),
        (["ingest", "FILE", "--revision", "yesterday"], "--revision"),
        (["ingest", "FILE", "--revision", "2026-01-01T00:00:00"], "--revision"),
        (["export", "everything"], "everything"),
        (["export"], "Missing argument"),
        (["export", "observations", "--from", "2026-01-01T00:00"], "has no offset"),
        (["export", "observations", "--to", "2026-01-01T00:00:00"], "has no offset"),
        (["export", "observations", "--from", "soon"], "is no time"),
        (["export", "observations", "--as-of", "2026-01-01"], "has no offset"),
        (["export", "observations", "--format", "xls"], "xls"),
        (["settle", "--budget", "1"], "--budget"),
        (["settle", "--no-such-option"], "No such option"),
        (["no-such-command"], "No such command"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_usage(words: list[str], said: str, stored: str, day: Path) -> None:
    given = [str(day) if word == "FILE" else word for word in words]
    assert said in wrong(*given, *(["--dsn", stored] if words != ["no-such-command"] else []))


def test_the_environment_names_the_database(stored: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = conninfo.conninfo_to_dict(stored)
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "dbname": "PGDATABASE",
        "passfile": "PGPASSFILE",
        "password": "PGPASSWORD",
    }
    for key, name in names.items():
        monkeypatch.delenv(name, raising=False)
        if given.get(key):
            monkeypatch.setenv(name, str(given[key]))
    assert greenwatch("export", "verdicts", "-o", tmp_path / "v.csv").code == DONE
    assert (tmp_path / "v.csv").stat().st_size > 0
