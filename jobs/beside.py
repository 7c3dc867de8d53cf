"""What `up` and `demo` run beside the server and the worker: the listener of devices, the subscriber of a broker.

Each is a command of its own (`greenwatch listen`, `greenwatch mqtt`) with its spool. Here is decided whether it is
started: what is missing for it is said, and keeps nothing else from its work.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated

import typer

from analytics.store import connection, devices, nodes
from jobs import console, pepper, serve
from jobs.listen import cli as listen
from jobs.mqtt import asked

HOST, PORT = listen.HOST, listen.PORT
#: Where Prometheus finds the two, as dashboards/prometheus.yml has it.
LISTEN_METRICS, MQTT_METRICS = 9213, 9214
#: `scraped` answers there.
_HERE = "127.0.0.1"
#: Variables of the environment that say what the options do: the broker, and FORMAT:TOPIC with blanks between them.
URL, TOPICS = "GREENWATCH_MQTT_URL", "GREENWATCH_MQTT_TOPICS"

_DEVICES, _BROKER = "HJ 212 devices", "MQTT"
Register = Annotated[
    bool,
    typer.Option(
        "--register", help="Let POST make stations and series (register=1), devices and messages series of stations."
    ),
]
Listen = Annotated[
    bool,
    typer.Option(
        "--listen/--no-listen",
        help=f"Listen to HJ 212 devices where any are registered; needs {pepper.NAME}.",
        rich_help_panel=_DEVICES,
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen at for devices.", rich_help_panel=_DEVICES)]
Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port for devices; 0 for any that is free.", rich_help_panel=_DEVICES)
]
ListenMetrics = Annotated[
    int,
    typer.Option(min=0, max=65535, help="Port of the listener's /metrics, on this machine.", rich_help_panel=_DEVICES),
]
Ask = Annotated[
    bool, typer.Option("--ask", help="Ask devices for figures that are missing (history).", rich_help_panel=_DEVICES)
]
Mqtt = Annotated[
    bool,
    typer.Option("--mqtt/--no-mqtt", help="Subscribe to the broker where one is named.", rich_help_panel=_BROKER),
]
Url = Annotated[
    str | None,
    typer.Option(envvar=URL, help="The broker: mqtt://HOST:PORT, mqtts://USER@HOST (TLS).", rich_help_panel=_BROKER),
]
Topics = Annotated[
    list[str] | None,
    typer.Option(
        envvar=TOPICS,
        help="FORMAT:TOPIC, any number of them, as `greenwatch mqtt --help` has it.",
        rich_help_panel=_BROKER,
        show_default=False,
    ),
]
MqttMetrics = Annotated[
    int,
    typer.Option(min=0, max=65535, help="Port of the subscriber's /metrics, on this machine.", rich_help_panel=_BROKER),
]


@dataclass(frozen=True, slots=True)
class Door:
    """A command that is to run: `greenwatch NAME WORDS`; `said` of it once it answers at `health`."""

    name: str
    words: Sequence[str]
    said: str
    health: str


@dataclass(frozen=True, slots=True)
class Devices:
    """How devices are to be listened to."""

    host: str = HOST
    port: int = PORT
    metrics: int = LISTEN_METRICS
    ask: bool = False
    register: bool = False

    def door(self, known: int) -> Door | None:
        """The listener for `known` devices; None where there are none, or no pepper, which is said.

        Raises `NotAsAsked` where a port is taken.
        """
        if not known:
            return None
        try:
            lacking = "" if pepper.read() else f"{pepper.NAME} is not set"
        except console.NotAsAsked as problem:
            lacking = str(problem)
        if lacking:
            _lacks(
                f"{known:,} devices are registered and nobody listens to them: {lacking}. The rest goes on",
                f"已登记 {known:,} 台设备，但未监听：请设置 {pepper.NAME}（{pepper.SHORTEST} 个字符以上）；其余照常",
            )
            return None
        port = _free(self.host, self.port, "--listen-port")
        metrics = _free(_HERE, self.metrics, "--listen-metrics-port")
        words = [f"--host={self.host}", f"--port={port}", f"--metrics-port={metrics}"]
        words += [*(["--ask"] * self.ask), *(["--register"] * self.register)]
        said = f"listening to {known:,} HJ 212 devices 正在监听设备: {serve.shown(self.host)}:{port}"
        return _door("listen", words, said, metrics)


@dataclass(frozen=True, slots=True)
class Broker:
    """Which broker is to be subscribed to."""

    url: str | None = None
    topics: Sequence[str] = ()
    metrics: int = MQTT_METRICS
    register: bool = False

    def check(self) -> "Broker":
        """This one. Raises `NotAsAsked` where its address or a topic is none."""
        if self.url:
            asked.address(self.url)
        for topic in self.topics:
            asked.topic(topic)
        return self

    def door(self, known: int) -> Door | None:
        """The subscriber; None where no broker is named, which is said where `known` sensors are waited for, or half
        of it is there.

        Raises `NotAsAsked` where a port is taken.
        """
        missing = [
            *([] if self.url else [f"--mqtt-url ({URL})"]),
            *([] if self.topics else [f"--mqtt-topic ({TOPICS})"]),
        ]
        if missing:
            if known or self.url or self.topics:
                lacking = " and ".join(missing)
                _lacks(
                    f"{known:,} nodes are registered and no broker is subscribed to: {lacking} is missing. "
                    "The rest goes on",
                    f"已登记 {known:,} 个节点，但未订阅 MQTT：缺少 {'、'.join(missing)}。其余照常运行",
                )
            return None
        metrics = _free(_HERE, self.metrics, "--mqtt-metrics-port")
        words = [f"--url={self.url}", *(f"--topic={topic}" for topic in self.topics), f"--metrics-port={metrics}"]
        words += ["--register"] * self.register
        said = f"subscribing for {known:,} nodes 正在订阅: {asked.address(self.url or '')}"
        return _door("mqtt", words, said, metrics)


def doors(address: str, listened: Devices | None, broker: Broker | None) -> list[Door]:
    """What is to be started for the store at `address`, as it is registered now. Raises `NotAsAsked`, `Lost`."""
    with closing(connection.connect(address)) as conn:
        found = [
            listened.door(len(devices.load(conn))) if listened else None,
            broker.door(nodes.count(conn)) if broker else None,
        ]
    return [door for door in found if door is not None]


def _door(name: str, words: list[str], said: str, metrics: int) -> Door:
    health = f"http://{_HERE}:{metrics}"
    return Door(name, words, f"{said} ({health}/metrics)", health)


def _lacks(english: str, chinese: str) -> None:
    console.people.print(f"{english}.", style="yellow", soft_wrap=True)
    console.people.print(f"{chinese}。", style="yellow", soft_wrap=True)


def _free(host: str, port: int, option: str) -> int:
    """`port`, which is free at `host`, or one that is. Raises `NotAsAsked` that names `option`."""
    try:
        with closing(serve.listen(host, port)) as listener:
            return int(listener.getsockname()[1])
    except console.NotAsAsked as problem:
        raise console.NotAsAsked(str(problem).replace("by --port", f"by {option}")) from None
