"""`greenwatch simulate live`: the made-up district sends what falls due in each minute, over HTTP, HJ 212 or
MQTT."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Annotated, Any, Protocol

import polars as pl
import structlog
import typer
from rich.status import Status

from analytics.synthetic import District
from analytics.texts import TEXTS
from jobs import console
from jobs.simulate.broker import MQTT_PASSWORD, SCHEMES, Published
from jobs.simulate.devices import PASSWORD, SCHEME, Devices
from jobs.simulate.options import Episode, Like, Scale, Seed, continued, district, moment
from jobs.simulate.sender import Sender

EXAMPLE = "Example: greenwatch simulate live --url http://127.0.0.1:8080 --like /tmp/district/district.toml"

log = structlog.get_logger()

MINUTE = timedelta(minutes=1)
#: What is made at once, the next while the last is sent; and what is sent at most before the clock is asked again.
AHEAD, STRIDE = 20 * MINUTE, 10 * MINUTE
#: Cadences [s] that a live district sends.
CADENCES = (60, 14_400)
#: A line of the log is written so often where no terminal shows how far it is.
LOGGED = MINUTE


def main(
    url: Annotated[
        str,
        typer.Option(
            help="The server, as http://127.0.0.1:8080; or a listener, as hj212://127.0.0.1:9212; "
            "or a broker, as mqtt://127.0.0.1:1883."
        ),
    ] = "http://127.0.0.1:8080",
    seed: Seed = 1,
    speed: Annotated[
        float, typer.Option(min=0.01, max=100_000, help="Times the clock; above 1 it begins in the past (--from).")
    ] = 1.0,
    begin: Annotated[
        str, typer.Option("--from", help="A time with an offset, or now. At speed 1 the past is sent at once.")
    ] = "now",
    until: Annotated[
        str | None, typer.Option("--until", help="Ends before this time. Default: goes on until it is stopped.")
    ] = None,
    stations: Annotated[int | None, typer.Option(min=1, help="So many stations. Default: all.")] = None,
    scale: Scale = 1,
    episode: Episode = None,
    like: Like = None,
) -> None:
    """Send the made-up district's readings as they fall due. A row is sent again until the server has it."""
    now = console.now()
    if like is not None:
        made, start = continued(like)
    else:
        start = moment(begin, "--from")
        made = district(seed, scale, episode, start)
    if start > now:
        raise typer.BadParameter(f"{start.isoformat()} is still to come", param_hint="--from")
    if speed > 1 and now - start < MINUTE:
        raise typer.BadParameter(
            "above 1 needs --from in the past: it never runs ahead of the clock", param_hint="--speed"
        )
    stop = None if until is None else moment(until, "--until")
    console.people.print(*TEXTS["synthetic"], sep="\n", style="bold")
    feed = Feed(made, start, stations)
    sender: Taker
    if url.startswith(f"{SCHEME}://"):
        sender = Devices(made, url, os.environ.get("GREENWATCH_DEVICE_PASSWORD", PASSWORD))
    elif url.partition("://")[0] in SCHEMES:
        sender = Published(url, os.environ.get(MQTT_PASSWORD))
    else:
        sender = Sender(url, os.environ.get("GREENWATCH_TOKEN"))
    with suppress(console.Stopped, KeyboardInterrupt), feed, sender, display() as show:
        run(feed, sender, Pace(start, speed, console.now), stop, show=show)
    console.people.print(f"{sender.sums()}; all before {feed.sent:%Y-%m-%dT%H:%MZ} is there, go on with --from")


class Feed:
    """What falls due, in the order in which it does; made ahead in a thread of its own. `sent`: all before it was."""

    def __init__(self, made: District, start: datetime, stations: int | None = None) -> None:
        """The rows of `made` from `start`."""
        self.made, self.sent = made, start
        self._sites = made.stations(stations)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="district")
        self._end = start
        self._next: Future[dict[int, pl.DataFrame]] = self._order(start)
        self._rows: dict[int, pl.DataFrame] = {}

    def __enter__(self) -> "Feed":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing; what is being made is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _order(self, start: datetime) -> "Future[dict[int, pl.DataFrame]]":
        return self._pool.submit(self._make, start)

    def _make(self, start: datetime) -> dict[int, pl.DataFrame]:
        return {step: self.made.deliveries(start, start + AHEAD, step, self._sites) for step in CADENCES}

    def due(self, stop: datetime) -> Iterator[tuple[int, pl.DataFrame]]:
        """Cadence [s] and rows of all that falls due from `sent` to `stop`, which is then `sent`, once it is taken."""
        while self.sent < stop:
            if self.sent >= self._end:
                self._rows = self._next.result()
                self._end += AHEAD
                self._next = self._order(self._end)
            edge = min(stop, self._end)
            for step, rows in self._rows.items():
                some = rows.filter(pl.col("due").is_between(self.sent, edge, closed="left"))
                if some.height:
                    yield step, some
            self.sent = edge


class Pace:
    """Which time it is for the district: `speed` times the clock from `start`, and never ahead of the clock."""

    def __init__(self, start: datetime, speed: float, clock: Callable[[], datetime]) -> None:
        """At speed 1 and below 1 from now on, the past is due at once at speed 1."""
        self.start, self.speed, self.clock = start, speed, clock
        self.began = clock()

    def now(self) -> datetime:
        """The district's time."""
        now = self.clock()
        return now if self.speed == 1 else min(now, self.start + (now - self.began) * self.speed)

    def wait(self, moment: datetime) -> float:
        """Seconds until it is `moment` for the district, a second at most: somebody is looking."""
        return min(max((moment - self.now()).total_seconds() / max(self.speed, 1e-9), 0.001), 1.0)


class Taker(Protocol):
    """Whoever brings rows to a server, and counts them."""

    rows: int

    def __enter__(self) -> "Taker": ...

    def __exit__(self, *_: object) -> None: ...

    def take(self, rows: pl.DataFrame, cadence: int) -> None: ...

    def rate(self) -> float: ...

    def sums(self) -> str: ...


class Show(Protocol):
    """Tells people how far it is."""

    def __call__(self, feed: Feed, sender: Taker, now: datetime) -> None: ...


def run(
    feed: Feed,
    sender: Taker,
    pace: Pace,
    stop: datetime | None = None,
    *,
    show: Show | None = None,
    rest: Callable[[float], None] = sleep,
) -> None:
    """Nothing, at `stop`: all that fell due before it is at the server. Raises what `Sender.send` does."""
    while stop is None or feed.sent < stop:
        now = pace.now()
        whole = now.replace(second=0, microsecond=0)
        edge = min(whole + MINUTE, feed.sent + STRIDE, stop or datetime.max.replace(tzinfo=UTC))
        if edge <= feed.sent:
            rest(pace.wait(feed.sent))
        for cadence, rows in feed.due(edge):
            sender.take(rows, cadence)
        if show is not None:
            show(feed, sender, now)


def display() -> AbstractContextManager[Show]:
    """Who tells people how far it is: a line that changes on a terminal, a line of the log a minute elsewhere."""
    return _Line() if console.people.is_terminal else nullcontext(_Log())


class _Line:
    """One line on a terminal."""

    def __init__(self) -> None:
        self._status = Status("", console=console.people)

    def __enter__(self) -> "_Line":
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def __call__(self, feed: Feed, sender: Taker, now: datetime) -> None:
        lag = max((now - feed.sent).total_seconds(), 0)
        self._status.update(
            f"{feed.sent:%Y-%m-%d %H:%M}Z  {sender.rate():,.0f} rows/s  lag {lag:.0f} s  {sender.sums()}"
        )


class _Log:
    """A line of the log a minute."""

    def __init__(self) -> None:
        self._last: datetime | None = None

    def __call__(self, feed: Feed, sender: Taker, now: datetime) -> None:
        if self._last is None or console.now() - self._last >= LOGGED:
            self._last = console.now()
            said: dict[str, Any] = {"sent": feed.sent.isoformat(), "rows": sender.rows, "rate": round(sender.rate(), 1)}
            log.info("simulating", lag=round(max((now - feed.sent).total_seconds(), 0), 1), **said)
