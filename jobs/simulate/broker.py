"""The made-up district's stations at a broker: plain JSON over MQTT, a message a station and minute.

greenwatch mqtt --url mqtt://127.0.0.1:1883 --topic 'plain:simulate/<station>' --source synthetic
"""

import ssl
from typing import Self

import polars as pl
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from jobs import console
from jobs.mqtt.asked import SCHEMES, address
from jobs.simulate.sender import LONGEST, PAUSE, Counting, body

__all__ = ["MQTT_PASSWORD", "SCHEMES", "TOPIC", "Published"]

#: The variable of the environment with the password for the broker.
MQTT_PASSWORD = "GREENWATCH_MQTT_PASSWORD"
#: Before the code of a station.
TOPIC = "simulate"
#: Lines of a message at most.
LINES = 200


class Published(Counting):
    """Publishes at the broker of `url` with QoS 1. Rows are never dropped: `take` returns when the broker has them,
    however long that takes."""

    def __init__(self, url: str, password: str | None = None) -> None:
        """Raises `NotAsAsked` where the broker cannot be reached at first."""
        super().__init__()
        where, self.messages = address(url), 0
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        if where.user or password is not None:
            self._client.username_pw_set(where.user, password)
        if where.tls:
            self._client.tls_set_context(ssl.create_default_context())
        self._client.reconnect_delay_set(max(1, round(PAUSE)), round(LONGEST))
        try:
            self._client.connect(where.host, where.port)
        except OSError as problem:
            raise console.NotAsAsked(f"--url {where}: {problem}") from None

    def __enter__(self) -> Self:
        """Itself; connected again whenever the connection is lost."""
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing; the connection is closed."""
        self._client.disconnect()
        self._client.loop_stop()

    def take(self, rows: pl.DataFrame, cadence: int) -> None:
        """Nothing, when the broker has `rows` (station, parameter, time, value)."""
        sent = []
        for (station,), some in rows.group_by("station", maintain_order=True):
            for part in some.iter_slices(LINES):
                sent.append(self._client.publish(f"{TOPIC}/{station}", body(part), qos=1))
        for one in sent:
            one.wait_for_publish()
        self.messages += len(sent)
        self.count(rows.height)

    def sums(self) -> str:
        """What was sent, in words."""
        return f"{self.rows:,} rows in {self.messages:,} messages"
