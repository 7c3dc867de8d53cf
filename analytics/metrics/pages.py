"""What /metrics of each of our processes answers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.registry import Collector

from analytics.metrics.snapshot import Body, Snapshot, bodies

# Else each counter has a second sample that nothing here asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # as the library has it

#: Of answers [s]: the slowest bucket is what a POST may wait for.
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
#: From the last byte of a frame to the commit of its figures [s].
WAITS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
#: Devices whose last word has a sample of its own: a district has some thousand, a mistake any number.
DEVICES = 5_000


class _Page:
    """What /metrics of any process answers: figures of the process itself, and what is added to it."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        #: as text, as OpenMetrics; and what was asked for so far
        self._bodies = Body(b""), Body(b"")
        self._asked: set[tuple[int, bool]] = set()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def answer(self, accept: str, encoding: str = "") -> tuple[bytes, Mapping[str, str]]:
        """The answer to a scrape that accepts `accept`, compressed where `encoding` has gzip, and its headers.

        What was made before is sent as it is; figures of the process itself are made now and stand behind it.
        """
        try:
            encode, kind = choose_encoder(accept)
        except TypeError:  # the library compares a version that is none with numbers
            encode, kind = choose_encoder("")
        form = int(kind.startswith("application/openmetrics-text"))
        wanted = gzip_accepted(encoding)
        self._asked.add((form, wanted))
        content, packed = self._bodies[form].with_end(encode(self._registry), packed=wanted)
        headers = {"Content-Type": kind, "Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding"}
        return content, headers | ({"Content-Encoding": "gzip"} if packed else {})


class Exporter(_Page, Collector):
    """What /metrics answers: the newest snapshot it was given, and figures of this process."""

    def __init__(self, version: str) -> None:
        """Serves no figure of the store until `show` is called."""
        super().__init__()
        self._version = version
        self._snapshot: Snapshot | None = None
        self._watchdog: datetime | None = None
        self._well = False
        registry = self._registry
        registry.register(self)
        self.answers = Counter("greenwatch_http_requests", "Requests answered.", ["handler", "code"], registry=registry)
        self.seconds = Histogram(
            "greenwatch_http_request_seconds", "Time to answer.", ["handler"], buckets=BUCKETS, registry=registry
        )

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest one."""
        return self._snapshot

    def show(self, snapshot: Snapshot) -> None:
        """Nothing; `snapshot` is what is served from now on.

        Whoever calls this takes the time it costs to write it down, and no scrape does.
        """
        made = bodies(snapshot)
        for form, packed in list(self._asked):
            if packed:
                made[form].pack()
        self._snapshot, self._bodies, self._well = snapshot, made, True

    def failed(self) -> None:
        """Nothing; the last snapshot could not be taken, the one before stays."""
        self._well = False

    @property
    def watchdog(self) -> datetime | None:
        """When Alertmanager last told us that paging works; None where it never did since the start."""
        return self._watchdog

    def heard(self, at: datetime) -> None:
        """Nothing; Alertmanager told us that paging works."""
        self._watchdog = at

    def collect(self) -> Iterable[Metric]:
        """What runs, whether there is a fresh snapshot, whether Alertmanager would tell us."""
        yield InfoMetricFamily("greenwatch_build", "What runs here.", {"version": self._version})
        yield GaugeMetricFamily(
            "greenwatch_database_up", "Whether the last snapshot of the store could be taken.", float(self._well)
        )
        if self._watchdog is not None:
            yield GaugeMetricFamily(
                "greenwatch_watchdog_timestamp_seconds",
                "When Alertmanager last told us of its alert Watchdog; absent where it did not since the start.",
                self._watchdog.timestamp(),
            )


class Door(_Page):
    """What /metrics of a process answers that has a door of its own, its spool behind it."""

    def __init__(self, name: str, version: str, what: str) -> None:
        """Nothing came through it yet; `name` is what its metrics begin with, `what` comes through it."""
        super().__init__()
        Gauge(f"{name}_build", "What runs here.", ["version"], registry=self._registry).labels(version).set(1)
        self.commit = Histogram(
            f"{name}_commit_seconds",
            f"From a {what}'s receipt to its commit.",
            buckets=WAITS,
            registry=self._registry,
        )
        self.drained = Gauge(
            f"{name}_drained_timestamp_seconds", "When the store last had what waited for it.", registry=self._registry
        )


class Line(Door):
    """What /metrics of a listener answers: its connections, what came through them, how soon it was in the store."""

    def __init__(self, version: str) -> None:
        """Nothing was heard yet."""
        name = "greenwatch_listen"
        super().__init__(name, version, "frame")
        registry = self._registry
        self.connections = Gauge(f"{name}_connections", "Connections that are open.", registry=registry)
        self.most = Gauge(f"{name}_connections_most", "Connections that are taken at once.", registry=registry)
        self.closed = Counter(f"{name}_closed", "Connections we ended, by why.", ["reason"], registry=registry)
        self.frames = Counter(f"{name}_frames", "Frames of known devices, by command.", ["command"], registry=registry)
        self.faults = Counter(
            f"{name}_faults", "What was no frame, or nobody's who may speak.", ["fault"], registry=registry
        )
        self.bends = Counter(f"{name}_bends", "Rules that taken frames did not keep.", ["rule"], registry=registry)
        self.unanswered = Counter(
            f"{name}_unanswered", "Frames not kept, and so not answered.", ["reason"], registry=registry
        )
        self.requests = Counter(f"{name}_requests", "Requests sent to devices.", ["command"], registry=registry)
        self.results = Counter(f"{name}_results", "How requests ended.", ["outcome"], registry=registry)
        self._seen = Gauge(
            f"{name}_seen_timestamp_seconds", "When a device was last heard.", ["device"], registry=registry
        )
        self._devices: set[str] = set()

    def heard(self, device: str, at: datetime) -> None:
        """Nothing; `device` spoke. Beyond DEVICES all others are one."""
        if device not in self._devices:
            if len(self._devices) >= DEVICES:
                device = "others"
            self._devices.add(device)
        self._seen.labels(device).set(at.timestamp())


class Broker(Door):
    """What /metrics of a subscriber answers: its broker, what came from it, how soon it was in the store."""

    def __init__(self, version: str) -> None:
        """Nothing was heard yet."""
        name = "greenwatch_mqtt"
        super().__init__(name, version, "message")
        registry = self._registry
        self.connected = Gauge(f"{name}_connected", "Whether the broker sends us what we asked for.", registry=registry)
        self.lost = Counter(f"{name}_lost", "Connections lost, or that could not be made.", registry=registry)
        self.messages = Counter(f"{name}_messages", "Messages, by format.", ["format"], registry=registry)
        self.refused = Counter(
            f"{name}_refused", "Messages not kept, and so not acknowledged.", ["reason"], registry=registry
        )
        self.waiting = Gauge(f"{name}_waiting", "Messages that wait for the disk.", registry=registry)


class Heard(Protocol):
    """What a dead man's switch last heard [s since 1970], after how long [s] it is silent, and whether it is."""

    @property
    def heard(self) -> float: ...
    @property
    def after(self) -> float: ...
    @property
    def silent(self) -> bool: ...


class Deadman(_Page):
    """What /metrics of a dead man's switch answers: what it last heard, and what it told."""

    def __init__(self, version: str, switch: Heard | None = None) -> None:
        """Nothing was told yet."""
        name = "greenwatch_deadman"
        super().__init__()
        registry = self._registry
        Gauge(f"{name}_build", "What runs here.", ["version"], registry=registry).labels(version).set(1)
        heard = Gauge(f"{name}_heard_timestamp_seconds", "When Watchdog was last heard.", registry=registry)
        after = Gauge(f"{name}_after_seconds", "Silence of so long is told of.", registry=registry)
        silent = Gauge(f"{name}_silent", "Whether it is silent for longer.", registry=registry)
        self.told = Counter(f"{name}_messages", "Messages, by what became of them.", ["outcome"], registry=registry)
        for outcome in ("told", "failed"):
            self.told.labels(outcome)
        if switch is not None:
            heard.set_function(lambda: switch.heard)
            after.set_function(lambda: switch.after)
            silent.set_function(lambda: float(switch.silent))
