"""Pulls that are due: asked, saved as any reading is, and how it went written down. What came is safe, page by page.

A pull that fails is left alone, longer each time; what it had read until then stays. A restart goes on by what is
written down. A page asked again changes nothing: what is stored as it says is a duplicate, what the publisher changed
replaces its former value.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import httpx
import polars as pl
import structlog

from analytics.frames import CELLS, REJECTS, Batch, empty
from analytics.ingest import UnreadableSource
from analytics.parameters import Parameter
from analytics.store import pulls, registry, weather
from analytics.store.connection import Connection
from analytics.store.observations import Counts, Origin
from analytics.store.pulls import Pull
from jobs import console
from jobs.intake import Intake, Order
from jobs.pull import asking
from jobs.pull.asking import LIMITS, Limits, NoAnswer
from jobs.pull.connectors import CONNECTORS
from jobs.pull.contract import Answer, Connector, Request, State

log = structlog.get_logger()

#: After a long silence no more than this is asked for at once.
REACH = timedelta(days=92)
#: How far a forecast looks: a value for another time is none, and would lie where no row ever lies.
BEHIND, AHEAD = timedelta(days=14), timedelta(days=400)
#: Problems of one pull that are kept in words.
SHOWN = 3
#: A service that gave no answer for so many ids in a row is not asked for the others.
SILENT = 3


@dataclass(slots=True)
class Pulled:
    """What a pull did; without a `problem` it went well."""

    name: str
    counts: Counts = field(default_factory=Counts)
    requests: int = 0
    problem: str = ""
    #: how long the service asked to be left alone [s]
    wait: float = 0.0
    #: whether it is of no use to ask the service for anything else, until `due`
    closed: bool = False
    due: datetime | None = None


@dataclass(slots=True)
class Late(Intake):
    """An intake whose readings may be what their publisher said otherwise before they were `asked` for."""

    asked: datetime | None = None

    def _keep(self, readings: pl.DataFrame, refused: pl.DataFrame, origin: Origin, missing: int) -> Counts:
        if self.asked is not None:
            readings = pulls.revised(self.conn, readings, origin.source, self.asked)
        return Intake._keep(self, readings, refused, origin, missing)  # super() does not know a class with slots


@dataclass(slots=True)
class Puller:
    """Asks and saves on one connection."""

    conn: Connection
    limits: Limits = LIMITS
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], datetime] = console.now
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _last: float = -1e9

    def run(self, pull: Pull, now: datetime, *, since: datetime | None = None, dry_run: bool = False) -> Pulled:
        """What came of one pull. It is written down, unless it is a `dry_run`, which changes nothing.

        Who asks `since` a time by hand gets what is late, which pages nobody.
        """
        done = Pulled(pull.name)
        with pulls.alone(self.conn, pull.name) as mine:
            if not mine:
                done.problem = "it is being asked by another process"
                return done
            connector = CONNECTORS.get(pull.connector)
            if connector is None:
                done.problem = f"this version has no connector {pull.connector!r}"
            else:
                self._run(pull, connector, done, now, since, dry_run=dry_run)
            every, pause = _pace(pull, connector, done)
            # From its end: what took longer to fail than it is to be left alone would be asked again at once.
            done.due = max(now, self.clock()) + pause if done.problem else now + every
            if not dry_run:
                closed = done.due if done.closed else None
                pulls.note(self.conn, pull.name, now, done.due, done.counts, done.requests, done.problem, closed)
        said = {"pull": pull.name, "requests": done.requests, "read": done.counts.read, "new": done.counts.new}
        if done.problem:
            log.warning("not pulled", **said, problem=done.problem, again=f"{done.due:%Y-%m-%d %H:%M:%S}")
        else:
            log.info("pulled", **said, replaced=done.counts.replaced, rejects=done.counts.rejects)
        return done

    def _run(
        self, pull: Pull, connector: Connector, done: Pulled, now: datetime, since: datetime | None, *, dry_run: bool
    ) -> None:
        kind = "live" if since is None else "late"
        order = Order(register=True, source=connector.source, dry_run=dry_run, kind=kind)
        places = pulls.places(self.conn)
        start = since or _since(pull, connector, now)
        problems: list[str] = []
        silent = 0
        with (
            asking.client(self.limits) as http,
            self.conn.transaction(force_rollback=True) if dry_run else nullcontext(),
        ):
            intake = Late(self.conn, order)
            keeper = Keeper(intake, connector)
            for one, station in pull.ids.items():
                state = State(one, station, start, now, places.get(station or one))
                try:
                    asked = connector.ask(state)
                    if not asked:
                        raise NoAnswer(f"station {one!r} has no coordinates: register them")
                    for request in asked:
                        self._pages(http, pull, connector, request, keeper, done)
                    silent = 0
                except NoAnswer as problem:
                    problems.append(f"{one}: {problem}")
                    done.wait = max(done.wait, problem.wait or 0.0)
                    silent = silent + 1 if problem.again else 0
                    done.closed = problem.all or silent >= SILENT or done.wait > 0
                    if problem.all or silent >= SILENT:
                        break
                except UnreadableSource as problem:
                    problems.append(f"{one}: {problem}")
                    silent = 0
                except console.Stopped:
                    raise
                except Exception as problem:  # whatever is wrong with one answer, the others go on
                    if self.conn.closed or dry_run:
                        raise
                    log.error("not pulled", pull=pull.name, id=one, exc_info=True)
                    problems.append(f"{one}: {type(problem).__name__}: {problem}".splitlines()[0][:200])
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        done.problem = self._unsaid("; ".join(problems[:SHOWN]) + more, connector)

    def _unsaid(self, words: str, connector: Connector) -> str:
        """`words` without the key, which a service may say back."""
        key = self._key(connector)
        return words.replace(key, "***") if key else words

    def _key(self, connector: Connector) -> str:
        return self.environment.get(connector.key.variable, "").strip() if connector.key else ""

    def _pages(
        self,
        http: httpx.Client,
        pull: Pull,
        connector: Connector,
        request: Request,
        keeper: "Keeper",
        done: Pulled,
    ) -> None:
        page: Request | None = request
        while page is not None:
            if page.page > connector.pages:
                raise NoAnswer(f"more than {connector.pages} pages since {request.state.since:%Y-%m-%d %H:%M} UTC")
            answer = Answer(page, self._ask(http, pull, connector, page), self.clock())
            done.requests += 1
            counts = Counts()
            for batch in connector.read(answer):
                counts += keeper.keep(batch, answer)
            done.counts += counts
            page = connector.more(answer, counts.read)

    def _ask(self, http: httpx.Client, pull: Pull, connector: Connector, request: Request) -> bytes:
        url = (pull.url or connector.url) + request.path
        headers = {}
        if connector.key is not None:
            key = self._key(connector)
            if not key or not key.isascii() or not key.isprintable():
                raise NoAnswer(f"needs its key in {connector.key.variable} of the environment", all=True)
            if not asking.may_carry(url):
                raise NoAnswer("its key goes over https only", all=True)
            headers[connector.key.header] = key
        self._slowly(connector)

        def sleep(seconds: float) -> None:
            self.sleep(seconds)
            self._slowly(connector)

        return asking.fetch(http, url, request.params, headers, connector.accept, limits=self.limits, sleep=sleep)

    def _slowly(self, connector: Connector) -> None:
        """Nothing; the service may be asked again."""
        wait = self._last + connector.rate - time.monotonic()
        if wait > 0:
            self.sleep(wait)
        self._last = time.monotonic()


@dataclass(slots=True)
class Keeper:
    """Saves what a connector reads: readings as any, forecasts as they are issued."""

    intake: Late
    connector: Connector

    def keep(self, batch: Batch, answer: Answer) -> Counts:
        """Counts of one batch of an answer."""
        place = answer.request.path
        if self.connector.forecast:
            issued = answer.asked.replace(microsecond=0)
            return forecasts(self.intake, batch, issued, self.connector.name, place)
        self.intake.asked = answer.asked
        return self.intake.surely(batch, self.connector.name, place)


def forecasts(intake: Intake, batch: Batch, issued: datetime, decoder: str, place: str) -> Counts:
    """Counts of forecasts that were `issued` then: cells of registered stations and known parameters are kept.

    The others wait nowhere: they are rejects with their reason.
    """
    known = pulls.stations(intake.conn)
    cells = batch.cells.with_columns(
        number=pl.col("station").replace_strict(known, default=None, return_dtype=pl.Int32),
        parameter=_named(batch.cells["channel"], intake.parameters),
    )
    near = pl.col("time").is_between(issued - BEHIND, issued + AHEAD)
    reason = (
        pl.when(~near)
        .then(pl.lit("time out of what a forecast is about"))
        .when(pl.col("number").is_null())
        .then(pl.lit("unknown station"))
        .when(pl.col("parameter").is_null())
        .then(pl.lit("unknown parameter"))
    )
    cells = cells.with_columns(reason=reason)
    bad = cells.filter(pl.col("reason").is_not_null()).select(
        "station",
        "channel",
        stamp=pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        text=pl.col("value").cast(pl.String),
        place=pl.lit(f"issued {issued:%Y-%m-%dT%H:%M:%SZ}"),
        reason=pl.col("reason"),
    )
    rejects = pl.concat([batch.rejects, bad.select(*REJECTS)])
    good = cells.filter(pl.col("reason").is_null()).unique(["number", "parameter", "time"], keep="first")
    twice = cells.height - bad.height - good.height
    rows = good.select(pl.col("number").alias("station"), "parameter", "time", "value")
    with intake.conn.transaction():
        source = registry.source(intake.conn, intake.order.source or decoder)
        new = weather.save(intake.conn, rows, source, issued)
        if rejects.height:
            plain = replace(intake.order, register=False)
            Intake(intake.conn, plain, parameters=intake.parameters).block(Batch(empty(CELLS), rejects), decoder, place)
    return Counts(
        read=batch.read, new=new, duplicates=good.height - new + twice, missing=batch.missing, rejects=rejects.height
    ).check()


def _named(channels: pl.Series, known: Mapping[str, Parameter]) -> pl.Series:
    """The parameters that `channels` name, by their names or other words; null where it is none, or one in parts."""
    words = {word.lower(): name for name, item in known.items() for word in (*item.aliases, name)}
    return channels.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.String)


def _since(pull: Pull, connector: Connector, now: datetime) -> datetime:
    """From when on is asked: the horizon before the last that went well, or before now."""
    horizon = connector.horizon if pull.horizon is None else timedelta(seconds=pull.horizon)
    begun = min(pull.succeeded or now, now)
    return max(begun - horizon, now - max(REACH, horizon))


def _pace(pull: Pull, connector: Connector | None, done: Pulled) -> tuple[timedelta, timedelta]:
    """How long it is left alone after it went well, and after it failed."""
    if connector is None:
        return timedelta(hours=1), timedelta(hours=1)
    every = connector.every if pull.every is None else timedelta(seconds=pull.every)
    again = min(connector.longest, connector.first * 2 ** min(pull.failures, 20))
    return every, max(again, timedelta(seconds=done.wait))


def run(conn: Connection, now: datetime) -> list[Pulled]:
    """What came of the pulls that were due. One that fails says so in its row, and keeps no other from its turn."""
    return list(each(Puller(conn), now))


def each(puller: Puller, now: datetime, *, dry_run: bool = False) -> Iterator[Pulled]:
    """The pulls that are due, as they are done, one by one: what one learnt of its service holds for the next."""
    asked: set[str] = set()
    while due := [pull for pull in pulls.load(puller.conn) if pull.name not in asked and pull.is_due(now)]:
        asked.add(due[0].name)
        yield puller.run(due[0], now, dry_run=dry_run)
