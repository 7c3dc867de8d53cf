"""What /metrics of each of our processes answers."""

from collections.abc import Iterable
from datetime import datetime
from threading import Lock

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
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from analytics.metrics.snapshot import Snapshot, families

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
        self._registry, self._lock = CollectorRegistry(auto_describe=False), Lock()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def page(self, accept: str) -> tuple[bytes, str]:
        """The answer to a scrape that accepts `accept`, and its content type."""
        with self._lock:  # two scrapes at once cost no more memory than one
            try:
                encode, kind = choose_encoder(accept)
            except TypeError:  # the library compares a version that is none with numbers
                encode, kind = choose_encoder("")
            return encode(self._registry), kind


class Exporter(_Page, Collector):
    """What /metrics answers: the newest snapshot it was given, and figures of this process."""

    def __init__(self, version: str) -> None:
        """Serves no figure of the store until `show` is called."""
        super().__init__()
        self._version = version
        self._snapshot: Snapshot | None = None
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
        """Nothing; `snapshot` is what is served from now on."""
        self._snapshot, self._well = snapshot, True

    def failed(self) -> None:
        """Nothing; the last snapshot could not be taken, the one before stays."""
        self._well = False

    def collect(self) -> Iterable[Metric]:
        """The metrics of the newest snapshot, and whether there is a fresh one."""
        yield InfoMetricFamily("greenwatch_build", "What runs here.", {"version": self._version})
        yield GaugeMetricFamily(
            "greenwatch_database_up", "Whether the last snapshot of the store could be taken.", float(self._well)
        )
        if self._snapshot is not None:
            yield from families(self._snapshot)


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
