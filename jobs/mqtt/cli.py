"""The command `greenwatch mqtt`."""

import os
import signal
import socket
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from analytics.metrics import Broker
from analytics.spool import InUse
from analytics.store import connection, migrations
from jobs import console, scraped, serve
from jobs.database.dsn import find_dsn
from jobs.doors import folder
from jobs.mqtt.asked import FORMATS, address, topic
from jobs.mqtt.door import NAME
from jobs.mqtt.server import subscribe
from jobs.mqtt.subscriber import Asked, Subscriber
from jobs.steps import seconds

EXAMPLE = (
    "Example: GREENWATCH_MQTT_PASSWORD=... greenwatch mqtt --url mqtts://greenwatch@broker.example "
    "--topic 'chirpstack:application/+/device/<node>/event/up' --topic 'plain:sensors/<station>/<channel>'"
)

#: The variable of the environment with the password for the broker.
PASSWORD = "GREENWATCH_MQTT_PASSWORD"


def main(
    topics: Annotated[
        list[str],
        typer.Option(
            "--topic",
            help=f"FORMAT:TOPIC, any number of them; formats are {', '.join(FORMATS)}. + is any level, # all that "
            "follow; <node> is the sensor, and what names another is refused; of plain, <station> and <channel> are "
            "levels that say so.",
        ),
    ],
    url: Annotated[
        str, typer.Option(envvar="GREENWATCH_MQTT_URL", help="The broker: mqtt://HOST:PORT, mqtts://USER@HOST (TLS).")
    ] = "mqtt://127.0.0.1:1883",
    ca: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Who vouches for the broker (PEM); else the system."),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option("--client-id", help="Ours at the broker, which keeps for it what comes while we are away."),
    ] = None,
    mqtt: Annotated[str, typer.Option(help="5, or 3.1.1 for a broker that knows no other.")] = "5",
    inflight: Annotated[
        int, typer.Option(min=1, max=65_535, help="Messages sent to us before the first is acknowledged (MQTT 5).")
    ] = 1000,
    source: Annotated[
        str | None, typer.Option(help="Who says so; its priority settles disagreements. Default: the format.")
    ] = None,
    cadence: Annotated[
        str | None, typer.Option(help="Step between readings of plain series, as 1m. Default: those that speak.")
    ] = None,
    register: Annotated[bool, typer.Option("--register", help="Let messages make series of stations.")] = False,
    room: Annotated[
        int | None, typer.Option(min=64, help="The spool may hold so much [MiB]; full, it acknowledges nothing.")
    ] = None,
    metrics_port: scraped.Port = None,
    metrics_host: scraped.Host = scraped.HOST,
    metrics_cert: scraped.Cert = None,
    metrics_key: scraped.Key = None,
    dsn: console.Dsn = None,
) -> None:
    """Take in what a broker carries until stopped. Its password is in GREENWATCH_MQTT_PASSWORD."""
    if mqtt not in ("5", "3.1.1"):
        raise console.NotAsAsked(f"--mqtt {mqtt!r}: write 5 or 3.1.1")
    where = address(url)
    if ca is not None and not where.tls:
        raise console.NotAsAsked("--ca without TLS: the URL begins with mqtts://")
    asked = Asked(
        where,
        [topic(text) for text in topics],
        client or f"greenwatch-{socket.gethostname()}"[:64],
        os.environ.get(PASSWORD),
        ca,
        inflight,
        old=mqtt == "3.1.1",
        source=source,
        register=register,
        cadence=None if cadence is None else seconds(cadence),
    )
    database = find_dsn(dsn)
    with closing(connection.connect(database)) as conn:
        migrations.require(conn)
    if asked.password is not None and not where.tls and not serve.loopback(where.host):
        console.people.print("without mqtts:// the password travels in the clear: use a private network", style="red")
    line, stopping = Broker(version("greenwatch")), Event()

    def ready(subscriber: Subscriber) -> None:
        def stop(*_: object) -> None:
            stopping.set()
            subscriber.wake()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        console.people.print(f"subscribing at {where} as {asked.client}", markup=False)

    with scraped.served(line, metrics_port, metrics_host, metrics_cert, metrics_key):
        try:
            size = None if room is None else room * 2**20
            subscribe(database, folder(NAME), asked, line, room=size, stopping=stopping, ready=ready)
        except InUse as problem:
            raise console.NotAsAsked(f"another process owns the spool {problem}: one subscriber a machine") from None
