"""A real broker, and who publishes there."""

import base64
import hashlib
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.serving import until
from tests.tools import free_ports, mosquitto


@dataclass
class Mosquitto:
    """A broker of this machine that can be stopped and started again: what it has promised it keeps in `folder`."""

    folder: Path
    lines: Sequence[str] = ()
    port: int = field(default_factory=lambda: free_ports(1)[0])
    #: whether it writes down all it has at each change, which costs more the more that is
    lasting: bool = True
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Nothing; it answers."""
        config = self.folder / "mosquitto.conf"
        words = ["persistence true", f"persistence_location {self.folder}/", "autosave_interval 1"]
        words = [*words, "autosave_on_changes true"] if self.lasting else []
        words += ["max_queued_messages 0", f"listener {self.port} 127.0.0.1", "user root"]
        config.write_text("\n".join([*words, *(self.lines or ["allow_anonymous true"])]) + "\n")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([mosquitto(), "-c", config], stdout=log, stderr=log)
        until(self._answers, 20)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "mosquitto.log").read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        """Nothing; it has ended in good order."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


@contextmanager
def broker(folder: Path, *lines: str, lasting: bool = True) -> Iterator[Mosquitto]:
    """A broker with some `lines` of configuration; without any everybody may do everything."""
    folder.mkdir(exist_ok=True)
    made = Mosquitto(folder, lines, lasting=lasting)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def password_line(user: str, password: str) -> str:
    """A line of a password file of Mosquitto 2: PBKDF2 with SHA-512."""
    salt = b"twelve bytes"
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"{user}:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n"


class Publisher:
    """Publishes with QoS 1, and waits until the broker has it."""

    def __init__(self, port: int, **login: Any) -> None:
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if login.get("user"):
            self.client.username_pw_set(login["user"], login["password"])
        if login.get("ca"):
            self.client.tls_set_context(ssl.create_default_context(cafile=login["ca"]))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def send(self, topic: str, *payloads: bytes, retain: bool = False) -> None:
        """Nothing; the broker has `payloads`."""
        for info in [self.client.publish(topic, payload, qos=1, retain=retain) for payload in payloads]:
            info.wait_for_publish(20)
            assert info.is_published()
