"""A small site for the tests of /v1: every kind of series and row there is, told in three moments; and its reader."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import httpx
import polars as pl

from analytics.frames import CELLS, REJECTS, Batch, empty
from analytics.store import connection, corrections, forecasts, knowledge, register
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from jobs import chain
from jobs import register as register_job
from jobs.export.ask import Ask
from jobs.export.kinds import KINDS
from jobs.intake import Intake, Order
from tests import world
from tests.conftest import NOW
from tests.incidents import telling

#: A Friday in UTC; two days later the clocks of Europe are changed.
T0 = datetime.fromisoformat("2026-03-27T00:00:00+00:00")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)

SITE = """
[[source]]
name = "field"

[[station]]
code = "A1"
title = "Gate"
title_zh = "门"
longitude = 116.4
latitude = 39.9
utc_offset = "+08:00"
series = [
    { parameter = "pm25", cadence = "10m" }, { parameter = "wind_direction", cadence = "10m" },
    { parameter = "rain", cadence = "10m" }, { parameter = "pm25", statistic = "mean-24h", cadence = "1h" },
]
[[station.memberships]]
kind = "district"
place = "North"
since = 2020-01-01
[[station.memberships]]
kind = "district"
place = "South"
since = 2026-03-29
[[station.memberships]]
kind = "grid"
place = "G;1"
since = 2020-01-01

[[station]]
code = "B,2"
utc_offset = "+05:45"
series = [{ parameter = "pm25", cadence = "1h" }, { parameter = "o3", cadence = "1h" }]
[station.membership]
district = "South"

[[station]]
code = "C'3"
utc_offset = "+08:00"
series = [{ parameter = "laeq", cadence = "1m" }, { parameter = "la10", cadence = "1h" }]
"""

#: Operation of /v1 -> kind of export that has the same rows, and by what these are sorted.
SAME = {
    "readings": "observations",
    "averages": "averages",
    "assessments": "assessments",
    "episodes": "episodes",
    "forecasts": "forecasts",
}


def wave(step: float) -> float:
    return round(40 + 15 * math.sin(step / 9) + 7 * math.sin(step / 2.3), 1)


def _refuse(conn: Connection) -> None:
    """Nothing; three cells could not be kept."""
    said = [("A1", "pm25", "soon", "12", "row 1", "unreadable time"), (None, None, None, "{", "line 2", "broken line")]
    rejects = [*said, ("C'3", "laeq", "2026-03-27T00:00Z", '"; 分\n贝', "row 3", "not a number")]
    frame = pl.DataFrame(rejects, schema=dict(REJECTS), orient="row")
    Intake(conn, Order(source="field")).block(Batch(empty(CELLS), frame), "long", "here")


def _alarm(conn: Connection) -> None:
    """Nothing; duty staff were told of two stations."""
    conn.execute("INSERT INTO subject (kind, station) SELECT 'station', id FROM station WHERE code IN ('A1', 'B,2')")
    subjects = [int(str(row[0])) for row in conn.execute("SELECT id FROM subject ORDER BY id").fetchall()]
    telling.tell(conn, *(telling.event(subject, "pending", "firing") for subject in subjects))


def tell(conn: Connection) -> list[datetime]:
    """The moments at which the site was looked at, the last one now; each time more was known, and other."""
    rules = chain.load_rules(conn)[-1]
    draft = register.read(SITE.encode(), "site.toml", rules.parameters, set(rules.standards.grades["standard"]))
    register_job.write(conn, draft)
    of = numbers(conn)
    dust, wind, rain, own = (of["A1", name] for name in ("pm25", "wind_direction", "rain", "pm25:mean-24h"))
    hourly, ozone, level, exceeded = of["B,2", "pm25"], of["B,2", "o3"], of["C'3", "laeq"], of["C'3", "la10"]
    ten = [n for n in range(5 * 144) if n % 144 not in range(32, 44) and n % 50 != 7]
    first: list[world.Reading] = [(dust, n / 6, 3000.0 if n % 97 == 5 else wave(n), 1, None) for n in ten]
    first += [(wind, n / 6, (350 + 3 * n) % 360, 1, None) for n in ten]
    first += [(rain, n / 6, round(0.2 * (n % 5), 1), 1, ord("D") if n % 61 == 0 else None) for n in ten]
    first += [(own, float(n), wave(6 * n), 1, None) for n in range(0, 48, 2)]
    first += [
        (hourly, float(n), 190.0 + n % 7 if 20 < n < 45 or 85 < n < 110 else wave(n), 1, None)
        for n in range(120)
        if n % 11
    ]
    first += [(ozone, float(n), abs(wave(n)), 1, None) for n in range(100)]
    first += [(level, n / 60, 50 + wave(n) / 10, 1, None) for n in range(1800) if n % 17]
    first += [(exceeded, float(n), 60 + n % 3, 1, None) for n in range(30)]
    _refuse(conn)
    _alarm(conn)
    moments = [_moment(conn, first)]
    issues = pl.DataFrame(
        {
            "series": [hourly, ozone],
            **{name: [[40.0 + k for k in range(24)], [1.0] * 24] for name in ("value", "low", "high")},
            "models": [["persistence"] * 24] * 2,
            "skill": [[0.5, *([None] * 23)]] * 2,
            "reason": ["", "short"],
        }
    )
    forecasts.save(conn, issues, T0 + 90 * HOUR, HOUR, 0.9)
    again = [(dust, n / 6, wave(n) + 1, 2, None) for n in range(60, 100)]
    again += [(hourly, n, 30.0, 2, None) for n in (33.0, 34.0, 200.0)]
    corrections.enter(
        conn,
        [
            Entry(dust, "recalibration", T0 + 50 * HOUR, T0 + 55 * HOUR, {"gain": 2, "offset": 1}, "Li", "zero"),
            Entry(dust, "withdrawal", T0 + 60 * HOUR, T0 + 61 * HOUR, {}, "Li", "cleaning"),
        ],
        NOW,
    )
    moments.append(_moment(conn, again))
    forecasts.save(conn, issues.head(1), T0 + 91 * HOUR, HOUR, 0.9)
    moments.append(_moment(conn, [(dust, 10.0, 77.0, 3, None), (ozone, -30.0, 55.0, 1, None)]))
    return moments


def _moment(conn: Connection, readings: Sequence[world.Reading]) -> datetime:
    """The time at which `readings` were sent and settled."""
    moved = [
        (series, hour + (T0 - world.T0) / HOUR, value, revision, mark)
        for series, hour, value, revision, mark in readings
    ]
    world.send(conn, moved, "field")
    world.settle(conn)
    return knowledge.moment(conn)


def numbers(conn: Connection) -> dict[tuple[str, str], int]:
    """Number of each series, by station and channel."""
    rows = conn.execute(
        "SELECT t.code, s.parameter || CASE WHEN s.statistic = '' THEN '' ELSE ':' || s.statistic END, s.id"
        " FROM series s JOIN station t ON t.id = s.station"
    ).fetchall()
    return {(str(code), str(channel)): int(str(number)) for code, channel, number in rows}


def exported(dsn: str, kind: str, **asked: Any) -> pl.DataFrame:
    """What `greenwatch export KIND` writes."""
    with closing(connection.connect(dsn)) as conn:
        return pl.concat(KINDS[kind].pages(conn, Ask(**asked)))


def get(client: httpx.Client, operation: str, form: str = "parquet", **asked: Any) -> pl.DataFrame:
    """The rows of one page."""
    answer = client.get(f"/v1/{operation}", params={**asked, "format": form})
    assert answer.status_code == 200, answer.text
    return rows(answer, form)


def rows(answer: httpx.Response, form: str) -> pl.DataFrame:
    """The rows in `answer`; of JSON and CSV as text."""
    if form == "parquet":
        return pl.read_parquet(answer.content)
    if form == "csv":
        return pl.read_csv(answer.content, infer_schema=False)
    found = answer.json()["rows"]
    return pl.DataFrame(
        [{name: _text(cell) for name, cell in row.items()} for row in found],
        schema=dict.fromkeys(found[0] if found else (), pl.String()),
    )


def _text(cell: object) -> str | None:
    if isinstance(cell, list):
        return ";".join(cell)
    return None if cell is None else json.dumps(cell) if isinstance(cell, bool) else str(cell)


def typed(found: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    """The texts `found` in the types of `like`."""
    casts = []
    for name, dtype in like.schema.items():
        column = pl.col(name)
        if dtype == pl.Datetime:
            column = column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC")
        elif dtype == pl.Boolean:
            column = column == "true"
        casts.append(column.cast(dtype) if not isinstance(dtype, pl.List) else column)
    return found.select(casts)


def pages(client: httpx.Client, operation: str, form: str = "parquet", **asked: Any) -> Iterator[pl.DataFrame]:
    """Page by page, as the links lead."""
    answer = client.get(f"/v1/{operation}", params={**asked, "format": form})
    while True:
        assert answer.status_code == 200, answer.text
        yield rows(answer, form)
        if "next" not in answer.links:
            return
        answer = client.get(answer.links["next"]["url"])
