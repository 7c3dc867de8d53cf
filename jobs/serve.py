"""`greenwatch serve`: HTTP. Readings in, pages and /metrics out."""

import errno
import ipaddress
import logging
import os
import re
import resource
import signal
import socket
import ssl
from contextlib import closing
from typing import Annotated

import typer
import uvicorn

from analytics.store import connection, migrations
from analytics.store.connection import Connection
from jobs import console, tls
from jobs.database.dsn import find_dsn
from jobs.database.home import home
from jobs.incidents import signing
from jobs.web.app import build
from jobs.web.prompt import Prompt
from jobs.web.site import LOOPBACK, RATE, Settings

EXAMPLE = "Example: greenwatch serve --port 8080"

HOST, PORT = "127.0.0.1", 8080
#: Connections at once; beyond it 503. Each of 1,500 stations may keep one open from minute to minute.
CONNECTIONS = 2048
#: A connection stays open while nothing is asked [s], from one scrape or POST to the next of each minute.
KEEP = 75
#: Open files beside the connections: the database's, the program's own.
FILES = 256
#: Requests that are being answered when the server is told to end have so long [s].
GRACE = 20

Host = Annotated[str, typer.Option(help="Address to listen at. Any other than loopback needs GREENWATCH_TOKEN.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", help="A name it is reached by, beside its address; may be given again.", show_default=False),
]
Register = Annotated[bool, typer.Option("--register", help="Let POST make stations and series (register=1).")]

Keys = Annotated[
    bool, typer.Option("--keys", help="Ask everybody who sends or reads for a key, before the first one is made, too.")
]
Rate = Annotated[float, typer.Option(min=1, help="Rows a second that a key may send in the long run.")]
Spooling = Annotated[
    bool,
    typer.Option("--spool/--no-spool", help="Keep on the disk what the database is too slow for (202), or refuse."),
]


def main(
    host: Host = HOST,
    port: Port = PORT,
    name: Names = None,
    register: Register = False,
    keys: Keys = False,
    rate: Rate = RATE,
    spool: Spooling = True,
    tls_cert: tls.Cert = None,
    tls_key: tls.Key = None,
    dsn: console.Dsn = None,
) -> None:
    """Serve pages, /metrics and the API (/openapi.json) until stopped. GREENWATCH_TOKEN is asked for where set;
    GREENWATCH_METRICS_TOKEN opens /metrics and nothing else.
    """
    token = os.environ.get("GREENWATCH_TOKEN") or None
    context = tls.context(tls_cert, tls_key)
    where, reached = find_dsn(dsn), names(host, name or [], token)
    with closing(connection.connect(where)) as conn:
        migrations.require(conn)
        door = named(conn) if spool else None
    scraper = os.environ.get("GREENWATCH_METRICS_TOKEN") or None
    orders = signing.secret(os.environ.get(signing.SECRET, ""))
    settings = Settings(where, token, reached, register, keys, rate, door, metrics=scraper, orders=orders)
    with closing(listen(host, port)) as listener:
        address = listener.getsockname()
        console.people.print(
            f"serving on http{'s' if context else ''}://{shown(address[0])}:{address[1]}", markup=False
        )
        serve(settings, listener, context)


def serve(settings: Settings, listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
    """Nothing; serves `settings` on `listener` until SIGINT or SIGTERM, and answers what was asked before it."""
    made = server(settings, context)
    # Most systems allow a program 1,024 open files until it asks for more.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = CONNECTIONS + FILES if hard == resource.RLIM_INFINITY else min(CONNECTIONS + FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    # uvicorn ends well at a signal and then sends it again, to whoever listened before: nobody, as this is the end.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        made.run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if not made.started:
        raise console.NotAsAsked("the server did not start; its words are above")


def server(settings: Settings, context: ssl.SSLContext | None = None) -> uvicorn.Server:
    """A server of `settings`, to be run on a socket; over TLS where there is a `context`."""
    # A database that is away is said once, by the watcher, and not at each try of the pools to come back.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        build(settings),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=Prompt,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP,
        timeout_graceful_shutdown=GRACE,
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at `host` and `port`. Raises `NotAsAsked` where it cannot."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, number)
    except OSError as problem:
        raise console.NotAsAsked(f"no address {host!r}: {problem.strerror or problem}") from None
    # Else a server that is started again would wait for a minute until old connections are forgotten.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(CONNECTIONS)
    except OSError as problem:
        listener.close()
        words = (
            "is used by another program" if problem.errno == errno.EADDRINUSE else f"cannot be used: {problem.strerror}"
        )
        raise console.NotAsAsked(f"port {port} of {host} {words}; choose another by --port") from None
    return listener


def loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address).is_loopback for address in found)


def names(host: str, more: list[str], token: str | None) -> tuple[str, ...]:
    """What a request may have in Host. Raises `NotAsAsked` where others could reach the server and need no token.

    On loopback only its own names: a page of another site whose name resolves to this machine is refused. Elsewhere
    any, unless names are given: what such a page lacks there is the token.
    """
    if loopback(host):
        return tuple(dict.fromkeys([*LOOPBACK, shown(host), *more]))
    if token is None:
        raise console.NotAsAsked(
            f"{host} can be reached from other machines: set GREENWATCH_TOKEN to a secret that senders and readers know"
        )
    return tuple(dict.fromkeys([*LOOPBACK, shown(host), *more])) if more else ("*",)


def named(conn: Connection) -> str:
    """The name of the spool of posts for the database of `conn`: what waits for one must not come into another."""
    place = conn.info.host
    if place.startswith(str(home())):
        return "http"
    return "http@" + re.sub(r"[^A-Za-z0-9_-]+", "_", f"{place}_{conn.info.port}_{conn.info.dbname}").strip("_")


def shown(host: str) -> str:
    """`host` as it stands in an address."""
    return f"[{host}]" if ":" in host else host
