"""Forecasts of the weather at stations of ours, hour by hour: Open-Meteo, or what else answers in its form.

Origin: open-meteo.com/en/docs: `/v1/forecast?latitude&longitude&hourly`. What is asked for are stations that are
registered with their coordinates. The answer does not say by which run of the model it was made: its issue time is when
it was asked. The form itself is read by `analytics/ingest/_outlook.py`.
"""

from collections.abc import Iterator
from datetime import timedelta

from analytics.frames import Batch
from analytics.ingest import outlook
from jobs.pull.contract import Answer, Connector, Request, State


def ask(state: State) -> list[Request]:
    """The days ahead at a station; nothing of one without coordinates."""
    if state.place is None:
        return []
    longitude, latitude = state.place
    params = {
        "latitude": f"{latitude:.5f}",
        "longitude": f"{longitude:.5f}",
        "hourly": ",".join(outlook.VARIABLES),
        "wind_speed_unit": "ms",
        "timezone": "GMT",
        "forecast_days": "7",
    }
    return [Request(state, "/v1/forecast", params)]


def _read(answer: Answer) -> Iterator[Batch]:
    yield outlook.arrays(answer.body, answer.request.state.id)


CONNECTOR = Connector(
    name="weather",
    title="Open-Meteo, forecasts of the weather",
    url="https://api.open-meteo.com",
    source="open-meteo",
    every=timedelta(hours=3),
    horizon=timedelta(0),  # a forecast of the past is none
    first=timedelta(minutes=1),
    longest=timedelta(hours=3),
    rate=0.5,
    rows=1_000,
    pages=1,
    ids="stations",
    accept="application/json",
    ask=ask,
    read=_read,
    forecast=True,
)
