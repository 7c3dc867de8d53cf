"""Steps: means, extremes and coverage against an obvious loop, alone and through the server."""

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import parameters
from analytics.averaging import steps
from analytics.averaging.steps import STEPS
from analytics.frames import TIME
from tests.web.reading import HOUR, MINUTE, T0, get

#: (time, value, code)
Value = tuple[datetime, float, int | None]
PARAMETERS = parameters.load()


def start(time: datetime, step: str, offset: int) -> datetime:
    """Start of the step that `time` lies in."""
    local = time + timedelta(minutes=offset if STEPS[step].seconds > 3600 else 0)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    begin = {
        "1w": day - timedelta(days=day.weekday()),
        "1mo": day.replace(day=1),
        "1y": day.replace(day=1, month=1),
        "1d": day,
    }.get(step)
    if begin is None:
        begin = day + (local - day) // timedelta(seconds=STEPS[step].seconds) * timedelta(seconds=STEPS[step].seconds)
    return begin - (local - time)


def mean(values: list[float], kind: str) -> float | None:
    if kind == "energy":
        return 10 * math.log10(sum(10 ** (value / 10) for value in values) / len(values))
    if kind == "circular":
        x, y = (sum(turn(math.radians(value)) for value in values) for turn in (math.cos, math.sin))
        return None if math.hypot(x, y) < 1e-7 * len(values) else math.degrees(math.atan2(y, x)) % 360
    return sum(values) if kind == "sum" else sum(values) / len(values)


def loop(
    rows: Iterable[Value], step: str, kind: str, offset: int, part: int, capture: float
) -> dict[datetime, tuple[float | None, int, int]]:
    """The obvious one: {start: (mean, count, expected)}, where one value comes every `part` [s]."""
    found: dict[datetime, list[float]] = defaultdict(list)
    for time, value, code in rows:
        inside = found[start(time, step, offset)]
        if code not in (4, 9):
            inside.append(value)
    made = {}
    for begin, values in found.items():
        end = start(begin + timedelta(seconds=STEPS[step].seconds), step, offset)
        expected = max((end - begin) // timedelta(seconds=part), 1)
        enough = values and len(values) >= capture * expected
        made[begin] = (mean(values, kind) if enough else None, len(values), expected)
    return made


def close(one: float | None, other: float | None, kind: str) -> bool:
    """Whether two means are the same: as far as they are kept, and directions round the circle."""
    if one is None or other is None:
        return one is other or kind == "circular"  # what all but cancels out has a direction for one of them
    apart = abs(one - other)
    if kind == "circular":
        return min(apart, 360 - apart) < 0.01
    return apart < (3e-4 if kind == "energy" else 2e-4)  # energies are kept to 1e-4, which at 0 dB is 2.2e-4 dB


@given(
    kind=st.sampled_from(parameters.MEANS),
    step=st.sampled_from(list(STEPS)),
    offset=st.sampled_from([480, 345, -210, 0]),
    capture=st.sampled_from([0.0, 0.5, 0.75]),
    values=st.dictionaries(
        st.integers(-50_000, 50_000),
        st.tuples(st.floats(0, 120).map(lambda x: round(x, 2)), st.sampled_from([None, None, 3, 4, 9])),
        max_size=40,
    ),
)
@settings(max_examples=60, deadline=None)
def test_steps_are_what_a_loop_makes_of_them(
    kind: str, step: str, offset: int, capture: float, values: dict[int, tuple[float, int | None]]
) -> None:
    long = STEPS[step].seconds > 3600
    unit, cadence = (HOUR, 3600) if long else (MINUTE, 60)
    rows: list[Value] = [(T0 + at * unit, value, None if long else code) for at, (value, code) in values.items()]
    frame = pl.DataFrame(rows, schema={"time": TIME, "value": pl.Float64, "code": pl.Int16}, orient="row")
    frame = frame.select(pl.lit(7, pl.Int32).alias("series"), "time", "value", "code")
    facts = pl.DataFrame({"series": [7], "mean": [kind], "cadence": [cadence], "offset": [offset]}).cast(
        {"series": pl.Int32, "cadence": pl.Int32, "offset": pl.Int16}
    )
    made = (steps.of_hours if long else steps.of_readings)(frame, facts, STEPS[step], capture)
    expected = loop(rows, step, kind, offset, cadence, capture)
    assert made["time"].to_list() == sorted(expected)
    for row in made.iter_rows(named=True):
        value, count, full = expected[row["time"]]
        assert (row["count"], row["expected"]) == (count, full)
        assert close(row["value"], value, kind), (row, value)


def through(client: httpx.Client, channel: str, step: str, **asked: Any) -> pl.DataFrame:
    return get(client, "readings", channel=channel, step=step, statistics=["mean", "min", "max"], **asked)


@pytest.mark.parametrize("step", ["10m", "30m", "1h", "3h", "1d", "1w", "1mo"])
@pytest.mark.parametrize("channel", ["pm25", "wind_direction", "rain", "laeq"])
def test_the_server_makes_what_a_loop_makes_of_its_readings(client: httpx.Client, channel: str, step: str) -> None:
    """Two ways: readings in steps up to an hour, the hours that it tells in longer ones."""
    found = through(client, channel, step)
    assert found.height > 0
    kind = PARAMETERS[channel].mean
    offsets, cadences = {"A1": 480, "B,2": 345, "C'3": 480}, {"A1": 600, "B,2": 3600, "C'3": 60}
    readings = get(client, "readings", channel=channel)
    short = STEPS[step].seconds < 3600
    parts = readings if short else get(client, "averages", channel=channel, averaging="hour").drop_nulls("value")
    for (station,), rows in found.group_by("station"):
        offset, part = offsets[str(station)], cadences[str(station)] if short else 3600
        there = parts.filter(station=station).select("time", "value", pl.lit(None).alias("code")).rows()
        made = loop(there, step, kind, offset, part, 0.83 if step == "1d" else 0.75)
        extremes: dict[datetime, list[float]] = defaultdict(list)
        for time, value in readings.filter(station=station).select("time", "value").iter_rows():
            extremes[start(time, step, offset)].append(value)
        for row in rows.iter_rows(named=True):
            average, count, expected = made.get(row["time"], (None, 0, row["expected"]))
            if step != "1h":  # of an hour that is kept: readings, not hours
                assert (row["count"], row["expected"]) == (count, expected)
                assert row["coverage"] == round(count / expected, 6)
            assert close(row["value"], average, "arithmetic"), (row, average)
            inside = extremes[row["time"]] if kind != "circular" else []
            assert (row["min"], row["max"]) == (min(inside, default=None), max(inside, default=None))
        assert set(made) <= set(rows["time"])


def test_a_step_that_is_an_averaging_has_its_figures(client: httpx.Client) -> None:
    for step, name in (("1h", "hour"), ("1d", "day")):
        kept = get(client, "averages", averaging=name)
        columns = ["station", "parameter", "time", "value", "count", "expected", "coverage"]
        for operation in ("averages", "readings"):
            has = get(client, operation, step=step).join(kept, on=["station", "parameter"], how="semi")
            assert has.select(columns).equals(kept.select(columns), null_equal=True)


def test_an_hour_made_of_readings_is_the_one_that_is_kept(client: httpx.Client) -> None:
    """With the capture of an hour, but asked for: the same figures by the other way."""
    made = get(client, "readings", step="1h", capture=0.75)
    kept = get(client, "readings", step="1h")
    assert made.equals(kept.filter(pl.col("time").is_in(made["time"].implode())), null_equal=True)
    assert made.height == kept.height


def test_capture_is_a_named_argument(client: httpx.Client) -> None:
    asked = {"channel": "pm25", "station": "B,2", "step": "1d"}
    strict, loose = get(client, "averages", **asked, capture=1), get(client, "averages", **asked, capture=0)
    assert strict["value"].null_count() == strict.height
    assert loose["value"].null_count() == 0
    assert strict["coverage"].equals(loose["coverage"])


def test_a_day_is_the_stations_own(client: httpx.Client) -> None:
    """05:45 ahead of UTC: a day begins at 18:15."""
    found = get(client, "averages", station="B,2", step="1d")
    assert {(time.hour, time.minute) for time in found["time"]} == {(18, 15)}
    assert {(time.hour, time.minute) for time in get(client, "averages", station="A1", step="1d")["time"]} == {(16, 0)}


def test_a_day_on_which_clocks_are_changed_is_as_long_as_it_is(client: httpx.Client) -> None:
    """Asked for from midnight to midnight of a clock that is moved, there are 23 hours, each once."""
    asked = {"station": "B,2", "parameter": "o3", "step": "1h"}
    day = get(client, "readings", **asked, **{"from": "2026-03-29T00:00+01:00", "to": "2026-03-30T00:00+02:00"})
    assert [(time - T0) // HOUR for time in day["time"]] == list(range(47, 70))
    before = get(client, "readings", **asked, **{"to": "2026-03-29T00:00+01:00"})
    after = get(client, "readings", **asked, **{"from": "2026-03-30T00:00+02:00"})
    assert pl.concat([before, day, after]).equals(get(client, "readings", **asked))


def test_steps_begin_in_the_time_that_is_asked_for_and_are_whole(client: httpx.Client) -> None:
    whole = get(client, "averages", parameter="pm25", step="3h")
    start, stop = T0 + 10 * HOUR, T0 + 40 * HOUR
    some = get(client, "averages", parameter="pm25", step="3h", **{"from": start.isoformat(), "to": stop.isoformat()})
    assert some.equals(whole.filter(pl.col("time") >= start, pl.col("time") < stop), null_equal=True)


def test_what_has_no_mean_is_said(client: httpx.Client) -> None:
    def words(**asked: str) -> str:
        answer = client.get("/v1/readings", params={"step": "1h", **asked})
        assert answer.status_code == 400
        return str(answer.json()["detail"])

    assert "la10 has no mean" in words(parameter="la10")
    assert "mean-24h" in words(channel="pm25:mean-24h")
    assert set(get(client, "readings", station="C'3", step="1h")["parameter"]) == {"laeq"}
    assert client.get("/v1/averages?step=10m").status_code == 400
