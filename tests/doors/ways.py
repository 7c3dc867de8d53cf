"""Every way in, for cells of one small world: a part of a door goes in, counts come out."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx

from analytics.spool import Spool
from analytics.store import connection, pulls, register
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from analytics.store.register import Secrets
from analytics.telemetry.hj212.encoding import frame
from jobs import console, replay
from jobs import register as job
from jobs.drain import Guarded, Saver, drain
from jobs.intake import Intake, Order
from jobs.pull.connectors import CONNECTORS
from jobs.pull.run import Puller
from jobs.web import clerk
from tests.listen.line import PASSWORD, PEPPER, head
from tests.pull.pulling import KEY, LIMITS
from tests.pull.service import Asked, Reply, Service
from tests.world import HOUR, T0

#: Stations with what they measure; that of LATER is registered only when its readings have come.
STATIONS: Mapping[str, Sequence[str]] = {"A": ("pm25", "o3"), "B": ("pm25",)}
LATER = "Z"
#: Codes of HJ 212, fields of an uplink.
CODES = {"pm25": "a34004", "o3": "a05024"}
#: Sources that a file, a post or a message may name, with their priority; devices and publishers are who they are.
SOURCES = {"test": 0, "better": 1, "hj212": 0, "openaq": 0}
NAMED = ("test", "better")
#: Numbers of a request (QN) that a device can say, as revisions: 2026-06-01 08:00:00 of its clock and some ms.
QNS = tuple(1_780_272_000_000_000 + 1000 * number for number in range(3))
#: Each door is a method of `Ways`; the ways to say a cell there.
DOORS = {name: (name,) for name in ("file", "http", "hj212", "pull")} | {"mqtt": ("plain", "uplink")}
WAYS = [way for ways in DOORS.values() for way in ways]
AHEAD = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as its sender says it. `value` None is a gap, a text no number; `hour` None is far ahead of the clock."""

    way: str
    source: str
    station: str
    parameter: str
    hour: int | None
    value: float | str | None
    revision: int = 0
    mark: str | None = None

    @property
    def time(self) -> datetime:
        return AHEAD if self.hour is None else T0 + self.hour * HOUR

    @property
    def good(self) -> bool:
        """Whether it is a reading, once its series is registered."""
        return self.hour is not None and isinstance(self.value, float)


def fitting(cell: Cell) -> Cell:
    """`cell` as it can be said that way."""
    said = {one.name: getattr(cell, one.name) for one in fields(cell)}
    if cell.way == "hj212":
        said |= {"source": "hj212", "revision": QNS[cell.revision % len(QNS)]}
    elif cell.way == "pull":
        said |= {"source": "openaq", "revision": 0, "mark": "S" if cell.mark else None}
    elif cell.way == "uplink":
        said |= {"revision": 0, "mark": None}
    if cell.station == LATER:
        said["parameter"] = "pm25"
        if cell.way not in ("file", "http", "plain"):  # devices and sensors stand at stations that are registered
            said["station"] = "B"
    if said["station"] == "B":
        said["parameter"] = "pm25"
    return Cell(**said)


def site(stations: Mapping[str, Sequence[str]], service: Service | None = None) -> str:
    """A register file of `stations`, with a device and a sensor each, and a pull where there is a `service`."""
    lines = []
    for code, parameters in stations.items():
        lines += ["[[station]]", f'code = "{code}"']
        for one in parameters:
            lines += ["[[station.series]]", f'parameter = "{one}"', 'cadence = "1h"']
        lines += ["[[device]]", f'mn = "M{code}"', f'station = "{code}"', f'password = "{PASSWORD}"']
        lines += ["[[node]]", f'id = "{code.lower()}"', f'station = "{code}"', 'cadence = "1h"']
        lines += [f"channels = {{ {', '.join(f'{one} = {json.dumps(one)}' for one in parameters)} }}"]
    if service is not None:
        ids = ", ".join(f'"{number}" = "{code}"' for number, code in enumerate(stations))
        lines += ["[[pull]]", 'name = "P"', 'connector = "openaq"', f"ids = {{ {ids} }}", f'url = "{service.url}"']
    return "\n".join([*lines, ""])


def put(conn: Connection, text: str) -> None:
    """Nothing; `text` is registered."""
    services = {name: connector.ids for name, connector in CONNECTORS.items()}
    said = register.read(text.encode(), "s.toml", *job.rules(conn), secrets=Secrets(PEPPER, {}), connectors=services)
    job.write(conn, said)


#: Cells that went in, and what became of them.
Became = tuple[Sequence[Cell], Counts]


@dataclass
class Ways:
    """The ways into the store of `dsn`. `folder` is empty; `client` speaks to a server of it, whose spool is `http`."""

    dsn: str
    folder: Path
    client: httpx.Client
    http: Path
    service: Service
    #: names of the spools: those of another example have others
    name: str
    began: datetime = field(default_factory=console.now)
    #: posts that were answered 202, and how many cells each had
    later: list[tuple[str, Sequence[Cell]]] = field(default_factory=list)
    _files: int = 0
    _posts: int = 0

    def at_once(self, parts: Sequence[tuple[str, Sequence[Cell]]]) -> list[Became]:
        """What became of `parts`, each of a door: all doors at once, the parts of one after another."""
        queues = {door: [part for name, part in parts if name == door] for door, _ in parts}

        def work(door: str) -> list[Became]:
            send: Callable[[Connection, Sequence[Cell]], list[Became]] = getattr(self, f"_{door}")
            with closing(connection.connect(self.dsn)) as conn:
                return [done for part in queues[door] for done in send(conn, part)]

        with ThreadPoolExecutor(len(queues)) as pool:
            return [done for found in pool.map(work, queues) for done in found]

    def settled(self) -> list[Became]:
        """What became of the posts that were answered 202."""
        done: list[Became] = []
        give_up = time.monotonic() + 30
        while self.later:
            assert time.monotonic() < give_up, "a post is not saved"
            where, part = self.later[0]
            answer = self.client.get(where)
            if answer.status_code == 200 and (told := answer.json())["state"] != "waiting":
                assert told["state"] == "saved", told
                done.append((part, _counts(told)))
                self.later.pop(0)
            else:
                time.sleep(0.02)
        return done

    def again(self, conn: Connection) -> Counts:
        """Counts of a replay of all that this example has left in the spools."""
        total = Counts()
        for door in (f"hj212@{self.name}", f"mqtt@{self.name}", "http"):
            folder = self.http if door == "http" else self.folder / door
            if folder.is_dir():
                total += replay.replay(conn, folder, door, replay.Ask(since=self.began)).counts
        return total

    def _file(self, conn: Connection, part: Sequence[Cell]) -> list[Became]:
        """A file of each source, the first as lines of JSON, the others as CSV."""
        done: list[Became] = []
        for number, (source, some) in enumerate(_by_source(part).items()):
            self._files += 1
            path = self.folder / f"{self._files}.{'csv' if number else 'ndjson'}"
            path.write_bytes(_csv(some) if number else _ndjson(some))
            done.append((some, Intake(conn, Order(source=source)).file(path)))
        return done

    def _http(self, conn: Connection, part: Sequence[Cell]) -> list[Became]:
        """A post a source, by turns saved before it is answered and after that: then it is among `later`."""
        done: list[Became] = []
        for source, some in _by_source(part).items():
            self._posts += 1
            form, content = FORMS[self._posts % len(FORMS)]
            patience, clerk.PROMPT = clerk.PROMPT, 0.0 if self._posts % 2 else clerk.PROMPT
            try:
                answer = self.client.post(
                    "/observations", params={"source": source}, content=content(some), headers={"Content-Type": form}
                )
            finally:
                clerk.PROMPT = patience
            if answer.status_code == 202:
                self.later.append((answer.headers["Location"], some))
            else:
                assert answer.status_code == 200, answer.text
                done.append((some, _counts(answer.json())))
        return done

    def _hj212(self, conn: Connection, part: Sequence[Cell]) -> list[Became]:
        return [(part, self.drained(conn, "hj212", [({"mn": f"M{one.station}"}, _frame(one)) for one in part]))]

    def _mqtt(self, conn: Connection, part: Sequence[Cell]) -> list[Became]:
        messages = [uplink(one) if one.way == "uplink" else _message(one) for one in part]
        return [(part, self.drained(conn, "mqtt", messages))]

    def drained(self, conn: Connection, door: str, records: Sequence[tuple[Mapping[str, str], bytes]]) -> Counts:
        """Counts of `records`, which the spool of `door` took and the store has."""
        name = f"{door}@{self.name}"
        folder = self.folder / name
        with closing(Spool(folder)) as spool:
            safe = [spool.append(payload, head, console.now()) for head, payload in records]
            safe[-1].result(10)
        saver = Saver(name)
        guard = Guarded(name, saver)
        while drain(conn, folder, name, guard):
            pass
        return saver.counts + guard.refused

    def _pull(self, conn: Connection, part: Sequence[Cell]) -> list[Became]:
        """The publisher has just this to say."""

        def reply(asked: Asked) -> Reply:
            station = list(STATIONS)[int(asked.path.split("/")[3])]
            return Reply(_measured([cell for cell in part if cell.station == station]))

        self.service.answers = [reply]
        [pull] = pulls.load(conn)
        done = Puller(conn, LIMITS, sleep=lambda _: None, environment=KEY).run(pull, console.now())
        assert done.problem == ""
        return [(part, done.counts)]


def _by_source(part: Sequence[Cell]) -> dict[str, list[Cell]]:
    return {source: [one for one in part if one.source == source] for source in dict.fromkeys(c.source for c in part)}


def _counts(told: Mapping[str, Any]) -> Counts:
    return Counts(**{name: told[name] for name in asdict(Counts())})


def _object(cell: Cell) -> dict[str, Any]:
    said = {"station": cell.station, "channel": cell.parameter, "time": cell.time.isoformat(), "value": cell.value}
    more = {"revision": cell.revision or None, "mark": cell.mark}
    return said | {name: word for name, word in more.items() if word is not None}


def _ndjson(part: Sequence[Cell]) -> bytes:
    return b"".join(json.dumps(_object(cell)).encode() + b"\n" for cell in part)


def _columnar(part: Sequence[Cell]) -> bytes:
    rows = [_object(cell) for cell in part]
    names = ("station", "channel", "time", "value", "revision", "mark")
    return json.dumps({name: [row.get(name) for row in rows] for name in names}).encode()


def _csv(part: Sequence[Cell]) -> bytes:
    rows = [
        (cell.station, cell.parameter, cell.time.isoformat(), cell.value, cell.mark, cell.revision or None)
        for cell in part
    ]
    lines = [",".join("" if word is None else str(word) for word in row) for row in rows]
    return "\n".join(["station,parameter,time,value,mark,revision", *lines, ""]).encode()


FORMS = (("application/x-ndjson", _ndjson), ("application/json", _columnar), ("text/csv", _csv))


def _frame(cell: Cell) -> bytes:
    """Hours of a device, in its own clock."""
    local = f"{cell.time + timedelta(hours=8):%Y%m%d%H%M%S}"
    code = CODES[cell.parameter]
    said = [(f"{code}-Avg", "" if cell.value is None else str(cell.value))]
    said += [(f"{code}-Flag", cell.mark)] if cell.mark else []
    about = head(f"M{cell.station}", QNS.index(cell.revision), "2061")
    return frame(about, [[("DataTime", local)], said]).rstrip()


def _message(cell: Cell) -> tuple[Mapping[str, str], bytes]:
    """Plain JSON, whose topic says station and channel."""
    topic = f"s/{cell.station}/{cell.parameter}"
    about = {"format": "plain", "pattern": "s/<station>/<channel>", "topic": topic, "source": cell.source}
    said = {name: word for name, word in _object(cell).items() if name not in ("station", "channel")}
    return about, json.dumps(said).encode()


def uplink(cell: Cell, *, seconds: int = 0) -> tuple[Mapping[str, str], bytes]:
    """A frame of a sensor: another one where anything is another, the same where all is the same, be it heard so many
    `seconds` later."""
    counter = crc32(repr(cell).encode())
    said = {
        "deviceInfo": {"devEui": cell.station},
        "devAddr": "s1",
        "fCnt": counter,
        "time": (cell.time + timedelta(seconds=seconds)).isoformat(),
        "object": {cell.parameter: cell.value},
    }
    return {"format": "chirpstack", "pattern": "u/#", "topic": "u/1", "source": cell.source}, json.dumps(said).encode()


def _measured(part: Sequence[Cell]) -> bytes:
    """An answer of OpenAQ."""
    results = [
        {
            "value": cell.value,
            "flagInfo": {"hasFlags": cell.mark is not None},
            "parameter": {"id": 2, "name": cell.parameter, "units": "µg/m³"},
            "period": {"interval": "01:00:00", "datetimeFrom": {"utc": cell.time.isoformat()}},
        }
        for cell in part
    ]
    return json.dumps({"results": results}).encode()
