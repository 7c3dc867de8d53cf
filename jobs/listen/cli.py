"""The command `greenwatch listen`."""

import asyncio
import re
import resource
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from typing import Annotated

import typer

from analytics.metrics import Line
from analytics.spool import InUse
from analytics.store import connection, devices, migrations
from jobs import console, pepper, scraped, serve, tls
from jobs.database.dsn import find_dsn
from jobs.doors import folder
from jobs.listen.door import NAME
from jobs.listen.limits import Limits
from jobs.listen.server import Settings, context, listen

EXAMPLE = "Example: GREENWATCH_PEPPER=... greenwatch listen --port 9212 --metrics-port 9213"

HOST, PORT = "127.0.0.1", 9212
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
#: Open files beside the connections: the database's, the spool's, the program's own.
FILES = 256


def main(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")] = PORT,
    tls_cert: tls.Cert = None,
    tls_key: tls.Key = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask devices for figures that are missing (history).")] = False,
    register: Annotated[bool, typer.Option("--register", help="Let registered devices make series.")] = False,
    idle: Annotated[
        float, typer.Option(min=10, max=100_000, help="Who says nothing for so long is let go [s].")
    ] = Limits().idle,
    most: Annotated[
        int, typer.Option("--connections", min=1, max=100_000, help="Connections at once.")
    ] = Limits().connections,
    name: Annotated[
        str | None, typer.Option(help="Of this listener, where more machines have one: its spool is hj212@NAME.")
    ] = None,
    room: Annotated[
        int | None, typer.Option(min=64, help="The spool may hold so much [MiB]; full, it answers nobody.")
    ] = None,
    metrics_port: scraped.Port = None,
    metrics_host: scraped.Host = scraped.HOST,
    metrics_cert: scraped.Cert = None,
    metrics_key: scraped.Key = None,
    dsn: console.Dsn = None,
) -> None:
    """Take in what HJ 212 devices send until stopped. Needs GREENWATCH_PEPPER, under which passwords are kept."""
    secret = pepper.read()
    if secret is None:
        raise console.NotAsAsked(f"{pepper.NAME} is not set: devices' passwords are kept under it, see `register`")
    if name is not None and not _NAME.fullmatch(name):
        raise console.NotAsAsked(f"--name {name!r}: a few letters, digits, - and _")
    door = NAME if name is None else f"{NAME}@{name}"
    room_for = _files(most)
    if room_for < most:
        console.people.print(
            f"this system lets a program have {room_for + FILES:,} open files, too few for {most:,} connections:"
            f" {room_for:,} are taken. For more raise its hard limit (ulimit -Hn, LimitNOFILE=)",
            style="red",
        )
    limits = replace(Limits(), idle=idle, connections=room_for)
    settings = Settings(
        find_dsn(dsn),
        secret,
        folder(door),
        context(tls_cert, tls_key),
        register,
        ask,
        None if room is None else room * 2**20,
        door=door,
        limits=limits,
    )
    with closing(connection.connect(settings.dsn)) as conn:
        migrations.require(conn)
        known = devices.load(conn)
    line = Line(version("greenwatch"))
    page = scraped.served(line, metrics_port, metrics_host, metrics_cert, metrics_key)
    with closing(serve.listen(host, port)) as listener, page:
        address = listener.getsockname()
        if not settings.tls and not serve.loopback(host):
            console.people.print("without --tls-cert passwords travel in the clear: use a private network", style="red")
        console.people.print(
            f"listening on {serve.shown(address[0])}:{address[1]} for {len(known):,} devices,"
            f" {limits.connections:,} connections at most",
            markup=False,
        )
        try:
            asyncio.run(listen(settings, listener, line, known))
        except InUse as problem:
            raise console.NotAsAsked(f"another process owns the spool {problem}: one listener a machine") from None


def _files(connections: int) -> int:
    """As many connections as the system lets this program have; it is asked for more where that is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - FILES))
