"""`greenwatch person`: who may log in and act on incidents, in which role."""

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from analytics.store import people
from analytics.store.people import Person
from jobs import console, passwords

app = typer.Typer(
    help="People who log in over HTTP: viewer looks, duty acts on incidents, lead also reviews and cancels, admin all.",
    no_args_is_help=True,
)
EXAMPLE = "Example: greenwatch person add wang --role duty"
#: Characters of a name.
LONGEST = 100


class Role(StrEnum):
    """What a person may do."""

    viewer = "viewer"
    duty = "duty"
    lead = "lead"
    admin = "admin"


Name = Annotated[str, typer.Argument(metavar="NAME", help="By which the person logs in, and the log names them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command("add", epilog=EXAMPLE)
def add(
    name: Name,
    role: Annotated[Role, typer.Option("--role", help="viewer, duty, lead or admin.")],
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """Add a person. The password is asked for, or read from stdin where that is no terminal; never an argument.

    As soon as there is anybody, acting on incidents over HTTP is for people who log in, and for the server's token.
    """
    if not (0 < len(name) <= LONGEST and name.isprintable() and name == name.strip() and ":" not in name):
        raise typer.BadParameter(f"a name has at most {LONGEST} characters, and no colon", param_hint="NAME")
    hash = passwords.hashed(_password())
    with console.store(dsn) as conn:
        if not people.add(conn, name, role.value, hash, by=console.author(), now=console.now()):
            raise console.NotAsAsked(
                f"there is, or was, a person {name!r}: `greenwatch person list`. A name is never given again, as the "
                "log of incidents names who acted"
            )
    if as_json:
        print(json.dumps({"name": name, "role": role.value}, ensure_ascii=False))
    console.people.print(f"{name} may log in within seconds, as {role.value}")


@app.command("password", epilog="Example: greenwatch person password wang")
def password(name: Name, dsn: console.Dsn = None) -> None:
    """Give a person another password, asked for or read from stdin. The old one is refused within seconds."""
    hash = passwords.hashed(_password())
    with console.store(dsn) as conn:
        if not people.change(conn, name, hash=hash):
            raise console.NotAsAsked(f"nobody called {name!r} can log in: `greenwatch person list`")
    console.people.print(f"{name} has another password")


@app.command("disable", epilog="Example: greenwatch person disable wang")
def disable(name: Name, dsn: console.Dsn = None) -> None:
    """Let a person log in no more, from some seconds from now. It cannot be undone; what they did stays theirs."""
    with console.store(dsn) as conn:
        if people.disable(conn, name, by=console.author(), now=console.now()):
            console.people.print(f"{name} can log in no more")
            return
        there = {person.name: person for person in people.load(conn)}
    if name not in there:
        raise console.NotAsAsked(f"nobody is called {name!r}: `greenwatch person list` shows who there is")
    console.people.print(f"{name} was disabled before, {console.stamp(there[name].disabled)}")


@app.command("list", epilog="Example: greenwatch person list --json")
def show(as_json: AsJson = False, dsn: console.Dsn = None) -> None:
    """Show everybody who ever could log in."""
    with console.store(dsn) as conn:
        found = [_row(person) for person in people.load(conn)]
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    console.rows(("name", "role", "made", "made_by", "disabled", "disabled_by"), (row.values() for row in found))
    if not found:
        console.people.print("nobody was added yet: `greenwatch person add NAME --role duty`")


def _password() -> str:
    """The password, asked for twice at a terminal, else the first line of stdin. Raises `NotAsAsked`."""
    if sys.stdin.isatty():
        given: str = typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline(2 * passwords.LONGEST).rstrip("\r\n")
    passwords.check(given)
    return given


def _row(person: Person) -> dict[str, str | None]:
    return {
        "name": person.name,
        "role": person.role,
        "made": console.stamp(person.made),
        "made_by": person.made_by,
        "disabled": console.stamp(person.disabled),
        "disabled_by": person.disabled_by,
    }
