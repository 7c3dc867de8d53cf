"""The command `greenwatch listen`."""

import asyncio
import logging
import resource
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analytics.metrics import Line
from analytics.spool import InUse
from analytics.store import connection, devices, migrations
from jobs import console, pepper, serve
from jobs.database.dsn import find_dsn
from jobs.doors import folder
from jobs.listen.door import NAME
from jobs.listen.limits import Limits
from jobs.listen.server import Settings, context, listen

EXAMPLE = "Example: GREENWATCH_PEPPER=... greenwatch listen --port 9212 --metrics-port 9213"

HOST, PORT = "127.0.0.1", 9212
#: Open files beside the connections: the database's, the spool's, the program's own.
FILES = 256


def main(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")] = PORT,
    tls_cert: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Certificate (chain, PEM): TLS instead of TCP.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Its key, where that is another file.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask devices for figures that are missing (history).")] = False,
    register: Annotated[bool, typer.Option("--register", help="Let registered devices make series.")] = False,
    idle: Annotated[
        float, typer.Option(min=10, max=100_000, help="Who says nothing for so long is let go [s].")
    ] = Limits().idle,
    most: Annotated[
        int, typer.Option("--connections", min=1, max=100_000, help="Connections at once.")
    ] = Limits().connections,
    room: Annotated[
        int | None, typer.Option(min=64, help="The spool may hold so much [MiB]; full, it answers nobody.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of /metrics and /healthz on this machine.")
    ] = None,
    dsn: console.Dsn = None,
) -> None:
    """Take in what HJ 212 devices send until stopped. Needs GREENWATCH_PEPPER, under which passwords are kept."""
    secret = pepper.read()
    if secret is None:
        raise console.NotAsAsked(f"{pepper.NAME} is not set: devices' passwords are kept under it, see `register`")
    if tls_key is not None and tls_cert is None:
        raise console.NotAsAsked("--tls-key without --tls-cert")
    limits = replace(Limits(), idle=idle, connections=_files(most))
    settings = Settings(
        find_dsn(dsn),
        secret,
        folder(NAME),
        context(tls_cert, tls_key) if tls_cert else None,
        register,
        ask,
        None if room is None else room * 2**20,
        limits=limits,
    )
    with closing(connection.connect(settings.dsn)) as conn:
        migrations.require(conn)
        known = devices.load(conn)
    line = Line(version("greenwatch"))
    with closing(serve.listen(host, port)) as listener, _metrics(line, metrics_port):
        address = listener.getsockname()
        if not settings.tls and not serve.loopback(host):
            console.people.print("without --tls-cert passwords travel in the clear: use a private network", style="red")
        console.people.print(
            f"listening on {serve.shown(address[0])}:{address[1]} for {len(known):,} devices", markup=False
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


@contextmanager
def _metrics(line: Line, port: int | None) -> Iterator[None]:
    """Serves `line` on this machine, in a thread of its own, where a port was asked for."""
    if port is None:
        yield
        return

    def metrics(request: Request) -> Response:
        content, kind = line.page(request.headers.get("accept", ""))
        return Response(content, media_type=kind)

    def healthz(request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    routes = [Route("/metrics", metrics), Route("/healthz", healthz)]
    config = uvicorn.Config(Starlette(routes=routes), log_config=None, access_log=False, server_header=False, ws="none")
    with closing(serve.listen("127.0.0.1", port)) as listener:
        console.people.print(f"metrics on http://127.0.0.1:{listener.getsockname()[1]}/metrics", markup=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(5)
