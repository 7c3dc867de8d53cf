"""A small world for tests of the store: stations, series, readings, and pictures of what the store ends in."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import LiteralString

import polars as pl
import psycopg

from analytics.frames import TIME
from analytics.store import observations, register, registry, rejects
from analytics.store.connection import Connection
from analytics.store.observations import READINGS, Counts, Origin
from jobs import chain
from tests.conftest import NOW

T0 = datetime.fromisoformat("2026-02-27T00:00:00+00:00")
HOUR = timedelta(hours=1)

#: (series, hours after T0, value, revision, mark)
Reading = tuple[int, float, float, int, int | None]

NOTHING = pl.DataFrame(schema=dict(rejects.ROWS))


def settle_world(conn: Connection, channels: Sequence[tuple[str, str]], cadence: int = 3600) -> list[int]:
    """Ids of the series made for `channels` (station, channel), in their order."""
    said = register.Registry(stations={code: {} for code, _ in channels})
    for code, channel in channels:
        parts = registry.Channel.parse(channel)
        said.series[register.Series(code, parts.parameter, parts.position, parts.statistic, cadence)] = None
    register.learn(conn, said)
    pairs = pl.DataFrame(channels, schema=["station", "channel"], orient="row")
    parameters = chain.load_rules(conn)[-1].parameters
    found = registry.resolve(conn, pairs, parameters, None)
    return [int(number) for number in found["series"]]


def frame(readings: Iterable[Reading]) -> pl.DataFrame:
    """READINGS of `readings`."""
    rows = [(s, T0 + h * HOUR, v, m, r) for s, h, v, r, m in readings]
    schema = {"series": pl.Int32(), "time": TIME, "value": pl.Float64(), "mark": pl.Int16(), "revision": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row").select(*READINGS)


def send(conn: Connection, readings: Iterable[Reading], source: str = "test", now: datetime = NOW) -> Counts:
    """Counts of one batch."""
    number = registry.source(conn, source)
    return observations.save(conn, frame(readings), NOTHING, Origin(number, "test"), now)


def settle(conn: Connection, budget: int = chain.BUDGET) -> None:
    """The whole chain, until nothing is due."""
    chain.settle(conn, lambda: NOW, budget=budget)


#: What law 2 promises to be the same whatever the order: all tables but for who sent it, when, and history.
PICTURES = {
    "observation": "SELECT series, time, value, mark, revision FROM observation ORDER BY 1, 2",
    "latest": "SELECT series, time, value, mark, first, rows FROM latest WHERE time IS NOT NULL ORDER BY 1",
    "corrected": "SELECT series, time, value FROM corrected ORDER BY 1, 2",
    "first_verdict": "SELECT series, time, code, tests FROM first_verdict ORDER BY 1, 2",
    "verdict": "SELECT series, time, code, tests FROM verdict ORDER BY 1, 2",
    "average": "SELECT a.series, t.name, a.time, a.value, a.count, a.expected FROM average a"
    " JOIN term t ON t.id = a.averaging ORDER BY 1, 2, 3",
    "assessment": "SELECT a.station, g.name, d.name, a.time, a.index, a.class, p.name, a.count, a.exceedance"
    " FROM assessment a JOIN term g ON g.id = a.averaging JOIN term d ON d.id = a.standard"
    " LEFT JOIN term p ON p.id = a.primary"
    " ORDER BY 1, 2, 3, 4",
    "score": "SELECT s.series, t.name, s.time, s.value FROM score s JOIN term t ON t.id = s.detector ORDER BY 1, 2, 3",
    "episode": "SELECT e.station, r.name, e.time, e.stop, e.level, e.closed, e.peak, e.peak_time, e.dose, e.count,"
    " e.levels::text FROM episode e JOIN term r ON r.id = e.rule ORDER BY 1, 2, 3",
    "episode_evidence": "SELECT e.station, r.name, e.time, e.term, e.words, e.first, e.worst, e.worst_time, e.last,"
    " e.count FROM episode_evidence e JOIN term r ON r.id = e.rule ORDER BY 1, 2, 3, 4",
    "episode_share": "SELECT s.station, r.name, s.time, s.hours, s.value, s.background, s.share, s.around"
    " FROM episode_share s JOIN term r ON r.id = s.rule ORDER BY 1, 2, 3",
    "region": "SELECT e.station, r.name, e.time, e.stop, e.level, e.closed, e.stations, e.core, e.arrived, e.broadest,"
    " e.most, w.code, e.peak, e.peak_time, e.dose FROM region e JOIN term r ON r.id = e.rule"
    " JOIN station w ON w.id = e.worst ORDER BY 2, 3, 1",
    "region_member": "SELECT m.station, r.name, m.time, t.code, m.since, m.stop, m.level, m.core, m.arrival,"
    ' m."order", m.hours, m.presence, m.dose FROM region_member m JOIN term r ON r.id = m.rule'
    " JOIN station t ON t.id = m.member ORDER BY 2, 3, 1, 4",
}


def picture(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of PICTURES, to be compared bit for bit."""
    return {name: conn.execute(query).fetchall() for name, query in PICTURES.items()}


def subjects(conn: Connection) -> None:
    """Nothing; every station is one that alarms may be about."""
    conn.execute("INSERT INTO subject (kind, station) SELECT 'station', id FROM station ON CONFLICT DO NOTHING")


def empty(conn: Connection, *, registry_too: bool = False) -> None:
    """Nothing; rows are gone, stations and series stay unless asked otherwise."""
    _truncate(
        conn,
        "TRUNCATE batch, observation, observation_history, reject, stale, judged, first_verdict, verdict,"
        " average, assessment, assessment_history, score, episode, episode_history, episode_name,"
        " episode_event, episode_evidence, episode_share, region, region_history, region_member, region_name,"
        " fit, alarm, alarm_event,"
        " planned, planned_end, correction, corrected, review",
    )
    conn.execute("UPDATE latest SET time = NULL, value = NULL, mark = NULL, first = NULL, live = NULL, rows = 0")
    if registry_too:
        _truncate(conn, "TRUNCATE station, series, latest, membership, authority, source CASCADE")


def _truncate(conn: Connection, statement: LiteralString) -> None:
    """Nothing; done, though a server beside may read the same tables in an order of its own: tried five times."""
    for left in reversed(range(5)):
        try:
            conn.execute(statement)
            return
        except psycopg.errors.DeadlockDetected:
            if not left:
                raise
