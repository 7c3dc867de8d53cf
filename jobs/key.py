"""`greenwatch key`: who may send readings over HTTP, and read them there, without knowing the server's token."""

import json
import secrets
from enum import StrEnum
from typing import Annotated

import typer

from analytics.store import keys, registry
from analytics.store.keys import Key
from jobs import console
from jobs.web.keys import PREFIX, digest

app = typer.Typer(
    help="Keys of programs that send readings over HTTP, or read them: each for one source, shown once, revocable.",
    no_args_is_help=True,
)
EXAMPLE = "Example: greenwatch key make --source north-loggers --station N-01 --station N-02"
#: Of a key [bytes]: 256 bits, which nobody guesses.
SIZE = 32
#: Characters of the name of a source.
LONGEST = 200


class Scope(StrEnum):
    """What a key opens."""

    write = "write"
    read = "read"
    hook = "hook"


@app.command("make", epilog=EXAMPLE)
def make(
    source: Annotated[
        str, typer.Option("--source", help="Who it speaks for: what is sent by it is said by this source.")
    ],
    scope: Annotated[
        list[Scope] | None,
        typer.Option("--scope", help="write (as without), read, hook (Alertmanager's webhook); may be given again."),
    ] = None,
    station: Annotated[
        list[str] | None,
        typer.Option("--station", help="Code of a station it is for; may be given again. Default: any."),
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What it is for, for those who ask later.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Make a key and show it, once. As soon as there is a key for something, that is for nobody without one."""
    if not (0 < len(source) <= LONGEST and source.isprintable()):
        raise typer.BadParameter(f"a source is a name of at most {LONGEST} characters", param_hint="--source")
    secret = PREFIX + secrets.token_hex(SIZE)
    with console.store(dsn) as conn:
        known = set(registry.load_stations(conn)["code"])
        if strange := [code for code in station or [] if code not in known]:
            console.people.print(f"not registered yet, but the key is for it: {', '.join(strange)}")
        number = keys.make(
            conn,
            digest(secret),
            source=source,
            scopes=[each.value for each in scope or [Scope.write]],
            stations=station or None,
            by=console.author(),
            note=note,
            now=console.now(),
        )
    print(json.dumps({"id": number, "key": secret}) if as_json else secret)
    console.people.print(
        f"this is key {number}; it is shown this once and kept nowhere. Servers take it within seconds: "
        "Authorization: Bearer KEY"
    )


@app.command("list", epilog="Example: greenwatch key list --json")
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Show every key that was ever made, but for the keys themselves."""
    with console.store(dsn) as conn:
        found = [_row(key) for key in keys.load(conn)]
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    names = ("id", "source", "scopes", "stations", "made", "made_by", "revoked", "revoked_by", "note")
    console.rows(names, (row.values() for row in found))
    if not found:
        console.people.print("no key was made yet: `greenwatch key make --source NAME`")


@app.command("revoke", epilog="Example: greenwatch key revoke 3")
def revoke(
    number: Annotated[int, typer.Argument(metavar="ID", help="Its id, as `greenwatch key list` shows it.")],
    dsn: console.Dsn = None,
) -> None:
    """Revoke a key: servers refuse it within seconds. It cannot be undone; make another one."""
    with console.store(dsn) as conn:
        if keys.revoke(conn, number, by=console.author(), now=console.now()):
            console.people.print(f"key {number} is revoked")
            return
        there = {key.id: key for key in keys.load(conn)}
    if number not in there:
        raise console.NotAsAsked(f"no key {number}: `greenwatch key list` shows those there are")
    console.people.print(f"key {number} was revoked before, {console.stamp(there[number].revoked)}")


def _row(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "source": key.source,
        "scopes": sorted(key.scopes),
        "stations": None if key.stations is None else sorted(key.stations),
        "made": console.stamp(key.made),
        "made_by": key.made_by,
        "revoked": console.stamp(key.revoked),
        "revoked_by": key.revoked_by,
        "note": key.note,
    }
