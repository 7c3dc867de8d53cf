"""What is asked for: an address of a broker, and topics with a format each."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from analytics.ingest import uplinks
from analytics.telemetry.mqtt.topics import NoPattern, Pattern, pattern
from jobs import console

#: The format of JSON that says everything itself, and all formats.
PLAIN = "plain"
FORMATS = (*uplinks.known(), PLAIN)
#: Scheme -> its usual port, and whether it is TLS.
SCHEMES = {"mqtt": (1883, False), "mqtts": (8883, True)}


@dataclass(frozen=True, slots=True)
class Topic:
    """Topics of a pattern, whose messages are in a format."""

    format: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Address:
    """A broker, and as whom it is spoken to."""

    host: str
    port: int
    tls: bool
    user: str = ""

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def topic(text: str) -> Topic:
    """What `text`, FORMAT:TOPIC, asks for. Raises `NotAsAsked`."""
    format, found, rest = text.partition(":")
    if not found or format not in FORMATS:
        raise console.NotAsAsked(f"--topic {text!r}: write FORMAT:TOPIC; formats are {', '.join(FORMATS)}")
    try:
        made = pattern(rest)
    except NoPattern as problem:
        raise console.NotAsAsked(f"--topic {text!r}: {problem}") from None
    may = {"<station>", "<channel>"} if format == PLAIN else {"<node>"}
    if strange := [level for level in made.levels if level.startswith("<") and level not in may]:
        raise console.NotAsAsked(
            f"--topic {text!r}: of {format}, topics say {' and '.join(sorted(may))}, no {strange[0]}"
        )
    return Topic(format, made)


def address(url: str) -> Address:
    """The broker at `url`. Raises `NotAsAsked`, with no password in its words."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.password is not None:
        raise console.NotAsAsked("--url holds a password, which others could see: set GREENWATCH_MQTT_PASSWORD")
    if parts.scheme not in SCHEMES or not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise console.NotAsAsked("--url is mqtt://HOST:PORT or mqtts://USER@HOST:PORT (TLS)")
    usual, tls = SCHEMES[parts.scheme]
    return Address(host, usual if port is None else port, tls, unquote(parts.username or ""))
