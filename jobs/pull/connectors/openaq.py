"""Air of the world, as OpenAQ collects it: the measurements of sensors, version 3 of its API.

Origin: docs.openaq.org: `/v3/sensors/{id}/measurements`, pages by `limit` and `page`, `datetime_from` in UTC, key in
the header X-API-Key (of the variable OPENAQ_API_KEY). What is asked for are sensors, by their numbers, each with the
station of ours that it stands at. A period is named by its start. What OpenAQ flags is suspect (mark S). Its
publishers are hours late, some correct days later.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from analytics.frames import Batch
from analytics.ingest import Held, UnreadableSource, mapping, read_as
from jobs.pull.contract import Answer, Connector, Key, Request, State, called

_ROWS = 1_000
#: A day and a year [s]: no period is longer.
_LONGEST = 31_622_400

#: Gases in ppm and ppb into masses at 298.15 K, as in tables/mappings/openaq.toml.
_WORDS = "\n".join(
    [f'"pm{size} µg/m³" = {{ channel = "pm{size}", unit = "µg/m³" }}' for size in ("25", "10")]
    + [
        f'"{gas} {unit}" = {{ channel = "{gas}", unit = "{unit}" }}'
        for gas in ("so2", "no2", "o3", "co", "no", "nox")
        for unit in ("µg/m³", "ppm", "ppb")
    ]
    + [
        '"temperature c" = { channel = "air_temperature", unit = "°C" }',
        '"relativehumidity %" = { channel = "relative_humidity", unit = "%" }',
    ]
)
MAPPED = mapping(
    f"""
origin = "OpenAQ, docs.openaq.org"
station = "openaq"
records = "results"
temperature = 298.15
missing = [-999]
parameter = ["parameter.name", "parameter.units"]
mark = "flagInfo.hasFlags"
ignore = ['/.*/']
columns = {{ value = {{}} }}
time = {{ columns = ["period.datetimeFrom.utc"], form = "iso", zone = "UTC" }}
[marks]
"true" = "S"
"false" = ""
[words]
{_WORDS}
""",
    "openaq-v3",
)


def ask(state: State) -> list[Request]:
    """The first page of the measurements of a sensor since then."""
    since = state.since.strftime("%Y-%m-%dT%H:%M:%SZ")
    params = {"datetime_from": since, "limit": str(_ROWS), "page": "1"}
    return [Request(state, f"/v3/sensors/{quote(state.id, safe='')}/measurements", params)]


def more(answer: Answer, rows: int) -> Request | None:
    """The next page, where this one was full."""
    asked = answer.request
    if rows < _ROWS:
        return None
    return replace(asked, params={**asked.params, "page": str(asked.page + 1)}, page=asked.page + 1)


def _read(answer: Answer) -> Iterator[Batch]:
    try:
        found = json.loads(answer.body)
        records = found["results"]
        if not isinstance(records, list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnreadableSource("the answer is no JSON with a list of results") from None
    if not records:
        return
    step = _step(records[0])
    for batch in read_as(MAPPED, Held(Path("measurements.json"), raw=answer.body)):
        ours = called(batch, answer.request.state.station)
        facts = {station: {**said, **({"cadence": step} if step else {})} for station, said in ours.stations.items()}
        yield replace(ours, stations=facts)


def _step(record: object) -> int | None:
    """The period of a record [s], as `01:00:00`; None where it says none."""
    try:
        hours, minutes, seconds = map(int, record["period"]["interval"].split(":"))  # type: ignore[index]
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    found = hours * 3600 + minutes * 60 + seconds
    return found if 0 < found <= _LONGEST else None


CONNECTOR = Connector(
    name="openaq",
    title="OpenAQ, air of the world",
    url="https://api.openaq.org",
    source="openaq",
    every=timedelta(hours=1),
    horizon=timedelta(days=3),
    first=timedelta(minutes=1),
    longest=timedelta(hours=6),
    rate=1.1,  # 60 a minute and 2,000 an hour are free: what more stations need says 429, and waits
    rows=_ROWS,
    pages=100,
    ids="named",
    accept="application/json",
    ask=ask,
    more=more,
    read=_read,
    key=Key("OPENAQ_API_KEY", "X-API-Key"),
)
