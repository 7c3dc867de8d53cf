"""Forecasts of the weather: as they were issued, as of a time, by pull and from files."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.frames import TIME
from analytics.ingest import UnreadableSource, outlook
from analytics.store import registry, retention, weather
from analytics.store.connection import Connection
from jobs import console
from tests.commands.terminal import DONE, NOT_AS_ASKED, greenwatch
from tests.conftest import NOW
from tests.pull.pulling import pull, registered
from tests.pull.service import Reply, Service, recorded

HOUR = timedelta(hours=1)
FORECAST = json.loads(recorded("forecast.json"))


def rows(*values: tuple[int, str, int, float]) -> pl.DataFrame:
    """station, parameter, hours after NOW, value."""
    made = [(station, parameter, NOW + hours * HOUR, value) for station, parameter, hours, value in values]
    schema = {"station": pl.Int32(), "parameter": pl.String(), "time": TIME, "value": pl.Float64()}
    return pl.DataFrame(made, schema=schema, orient="row")


def changed(**other: Any) -> bytes:
    return json.dumps({**FORECAST, **other}).encode()


def test_amounts_are_named_by_the_start_of_their_hour_and_null_is_missing() -> None:
    batch = outlook.arrays(recorded("forecast.json"), "A")
    assert (batch.read, batch.missing, batch.rejects.height) == (12, 1, 0)
    found = {(row["channel"], row["time"].hour): row["value"] for row in batch.cells.to_dicts()}
    assert found["air_temperature", 0] == 20.1
    assert ("air_temperature", 2) not in found
    assert [found["rain", hour] for hour in (23, 0, 1, 2)] == [0, 0.4, 1.2, 0]
    assert set(batch.cells["station"]) == {"A"}


def test_units_are_changed_or_refused_and_what_is_unknown_is_a_reject() -> None:
    units = {**FORECAST["hourly_units"], "wind_speed_10m": "km/h", "precipitation": "inch", "snow": "cm"}
    hourly = {
        **FORECAST["hourly"],
        "snow": [1, 2, None, 4],
        "time": ["2026-06-01T00:00", "soon", *["2026-06-01T02:00"] * 2],
    }
    batch = outlook.arrays(changed(hourly_units=units, hourly=hourly), "A")
    assert batch.read == 16 == batch.cells.height + batch.missing + batch.rejects.height
    wind = batch.cells.filter(channel="wind_speed", time=datetime(2026, 6, 1, tzinfo=UTC))["value"].to_list()
    assert wind == [pytest.approx(2.0 / 3.6, abs=1e-6)]
    reasons = set(batch.rejects["reason"])
    assert reasons == {"unknown variable", "unreadable time", "no conversion from inch to mm"}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "without hourly"),
        (b"[" * 100_000, "no JSON"),
        (changed(utc_offset_seconds=28800), "in local time"),
        (changed(hourly={"time": []}), "of nothing"),
        (changed(hourly={**FORECAST["hourly"], "precipitation": [1]}), "has not one value a time"),
        (b'{"error": true, "reason": "too many"}', "the service says: too many"),
    ],
)
def test_what_is_no_forecast_is_refused(raw: bytes, words: str) -> None:
    with pytest.raises(UnreadableSource, match=words):
        outlook.arrays(raw, "A")


def test_a_forecast_is_pulled_as_of_when_it_was_asked_for(conn: Connection, service: Service) -> None:
    registered(conn, service, "weather", '["A"]')
    service.answers = [Reply(recorded("forecast.json"), kind="application/json; charset=utf-8")]
    done = pull(conn)
    assert (done.problem, done.counts.read, done.counts.new, done.counts.missing) == ("", 12, 11, 1)
    asked = service.asked[0]
    assert (asked.path, asked.params["latitude"], asked.params["longitude"]) == (
        "/v1/forecast",
        "39.90000",
        "116.40000",
    )
    assert asked.params["timezone"] == "GMT"
    assert pull(conn).counts.new == 0  # issued at the same second
    later = pull(conn, NOW + 3 * HOUR)
    assert later.counts.new == 11
    [(station,)] = conn.execute("SELECT id FROM station").fetchall()
    number = int(str(station))
    window = (NOW - HOUR, NOW + 9 * HOUR)
    assert set(weather.load(conn, [number], *window)["issued"]) == {NOW + 3 * HOUR}
    assert set(weather.load(conn, [number], *window, at=NOW + 2 * HOUR)["issued"]) == {NOW}
    assert weather.load(conn, [number], *window, at=NOW - HOUR).is_empty()
    assert conn.execute("SELECT count(*) FROM observation").fetchone() == (0,)


def test_a_forecast_for_no_time_of_its_own_is_a_reject(conn: Connection, service: Service) -> None:
    """One of the year nought, or of every month of a century, broke a pull for good and made a chunk each."""
    registered(conn, service, "weather", '["A"]')
    stamps = ["0000-01-01T00:00", "9999-12-31T23:00", "2037-01-01T00:00", "2026-06-02T00:00"]
    service.answers = [Reply(changed(hourly={"time": stamps, "temperature_2m": [1, 2, 3, 4]}))]
    done = pull(conn)
    assert (done.problem, done.counts.read, done.counts.new, done.counts.rejects) == ("", 4, 1, 3)
    reasons = [reason for (reason,) in conn.execute("SELECT reason FROM reject ORDER BY 1").fetchall()]
    assert reasons == ["time out of range", "time out of range", "time out of what a forecast is about"]


def test_a_station_without_coordinates_is_told(conn: Connection, service: Service) -> None:
    registered(conn, service, "weather", '["A"]')
    conn.execute("UPDATE station SET longitude = NULL, latitude = NULL")
    assert pull(conn).problem == "A: station 'A' has no coordinates: register them"
    assert service.asked == []


ISSUES = st.lists(
    st.tuples(
        st.integers(0, 5),  # issued
        st.lists(st.tuples(st.integers(1, 2), st.sampled_from(["rain", "wind_speed"]), st.integers(0, 4)), max_size=6),
    ),
    max_size=6,
)


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(issues=ISSUES, at=st.none() | st.integers(-1, 6), start=st.integers(0, 3), length=st.integers(0, 5))
def test_as_of_an_issue_time_each_hour_has_its_newest_forecast(
    conn: Connection, issues: list[tuple[int, list[tuple[int, str, int]]]], at: int | None, start: int, length: int
) -> None:
    conn.execute("TRUNCATE weather_forecast")
    source = registry.source(conn, "s")
    stored: dict[tuple[int, str, int, int], float] = {}
    for number, (issued, keys) in enumerate(issues):
        some = rows(*((station, parameter, hour, number) for station, parameter, hour in dict.fromkeys(keys)))
        fresh = 0
        for station, parameter, hour in dict.fromkeys(keys):
            fresh += (station, parameter, hour, issued) not in stored
            stored.setdefault((station, parameter, hour, issued), number)
        assert weather.save(conn, some, source, NOW + issued * HOUR) == fresh
        assert weather.save(conn, some, source, NOW + issued * HOUR) == 0
    expected = []
    for station in (1, 2):
        for parameter in ("rain", "wind_speed"):
            for hour in range(start, start + length):
                known = [
                    (issued, value)
                    for (s, p, h, issued), value in stored.items()
                    if (s, p, h) == (station, parameter, hour) and (at is None or issued <= at)
                ]
                if known:
                    issued, value = max(known)
                    expected.append((station, parameter, source, NOW + hour * HOUR, NOW + issued * HOUR, value))
    limit = None if at is None else NOW + at * HOUR
    found = weather.load(conn, [1, 2], NOW + start * HOUR, NOW + (start + length) * HOUR, limit)
    assert found.rows() == expected


@pytest.fixture
def place(conn: Connection) -> int:
    """Station A."""
    conn.execute("INSERT INTO station (code, utc_offset) VALUES ('A', 480)")
    [(number,)] = conn.execute("SELECT id FROM station").fetchall()
    return int(str(number))


def test_files_of_rows_and_of_arrays_come_in_and_again_change_nothing(
    conn: Connection, dsn: str, place: int, tmp_path: Path
) -> None:
    rows_file = tmp_path / "rows.csv"
    rows_file.write_text(
        "station,parameter,issued,time,value\n"
        "A,rain,2026-05-31T00:00Z,2026-06-01T00:00Z,1.5\n"
        "A,rain,2026-05-31T06:00Z,2026-06-01T00:00Z,0\n"
        "A,rain,2026-05-31T06:00Z,2026-06-01T01:00Z,\n"
        "A,rain,2026-05-31T06:00Z,2026-06-01T02:00Z,wet\n"
        "B,rain,2026-05-31T06:00Z,2026-06-01T00:00Z,7\n"
        "A,unicorns,2026-05-31T06:00Z,2026-06-01T00:00Z,7\n"
    )
    words = ("pull", "weather", "--file", rows_file, "--source", "met", "--json", "--dsn", dsn)
    assert greenwatch(*words, "--dry-run").code == DONE
    assert conn.execute("SELECT count(*) FROM weather_forecast").fetchone() == (0,)
    for new, duplicates in ((2, 0), (0, 2)):
        ran = greenwatch(*words)
        assert ran.code == DONE, ran
        [done] = json.loads(ran.out)
        counts = done["counts"]
        assert (counts["read"], counts["new"], counts["duplicates"]) == (6, new, duplicates)
        assert (counts["missing"], counts["rejects"]) == (1, 3)
    found = conn.execute("SELECT reason FROM reject ORDER BY 1").fetchall()
    assert found == [("not a number",), ("unknown parameter",), ("unknown station",)]
    arrays = tmp_path / "answer.json"
    arrays.write_bytes(recorded("forecast.json"))
    ran = greenwatch(
        *("pull", "weather", "--file", arrays, "--station", "A", "--issued", "2026-05-31T12:00Z", "--dsn", dsn)
    )
    assert ran.code == DONE, ran
    at = datetime(2026, 5, 31, 9, tzinfo=UTC)
    rain = weather.load(conn, [place], NOW, NOW + HOUR, at).filter(parameter="rain")
    assert rain["value"].to_list() == [0]
    newest = weather.load(conn, [place], NOW, NOW + HOUR).filter(parameter="rain")
    assert set(newest["value"]) == {0, 0.4}  # of two sources, side by side


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("station,parameter,time,value\nA,rain,2026-06-01T00:00Z,1\n", "needs the column issued once"),
        ("station,parameter,issued,time,value\nA,rain,2026-06-01,2026-06-01T00:00Z,1\n", "issued is no time"),
        ("station,parameter,issued,time,value\nA,rain,2026-05-01T00:00Z\n", "row 2 has not as many cells"),
        ("station,parameter,issued,time,value\nA,rain,2099-05-01T00:00Z,2099-06-01T00:00Z,1\n", "in the future"),
    ],
)
def test_a_file_that_is_none_leaves_nothing(
    conn: Connection, dsn: str, place: int, tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(text)
    ran = greenwatch("pull", "weather", "--file", file, "--dsn", dsn)
    assert ran.code == NOT_AS_ASKED
    assert words in " ".join(ran.err.split())
    assert conn.execute("SELECT count(*) FROM weather_forecast").fetchone() == (0,)


def test_old_forecasts_go_where_they_are_asked_to(conn: Connection, place: int) -> None:
    source = registry.source(conn, "s")
    for days in (100, 50, 1):
        weather.save(
            conn, rows((place, "rain", -days * 24 + 1, 1.0), (place, "rain", 30, 1.0)), source, NOW - days * 24 * HOUR
        )
    before = NOW - timedelta(days=40)
    assert retention.old(conn, "weather_forecast", before, NOW) == 2  # what lies ahead stays
    assert retention.forget(conn, "weather_forecast", before, NOW) == 2
    assert conn.execute("SELECT count(*) FROM weather_forecast").fetchone() == (4,)


def test_dashboards_see_the_newest_issue_and_nobody_changes_one(conn: Connection, place: int) -> None:
    source = registry.source(conn, "met")
    now = console.now().replace(minute=0, second=0, microsecond=0)
    for hours, value in ((-6, 1.0), (-3, 2.0)):
        frame = rows((place, "rain", 0, value)).with_columns(time=pl.lit(now))
        weather.save(conn, frame, source, now + hours * HOUR)
    conn.execute("SET ROLE greenwatch_reader")
    found = conn.execute("SELECT station, parameter, source, value, lead FROM report.weather_forecast").fetchall()
    assert conn.execute("SELECT count(*) FROM report.pull").fetchone() == (0,)
    conn.execute("RESET ROLE")
    assert found == [("A", "rain", "met", 2.0, 3 * HOUR)]
    rights = conn.execute(
        "SELECT has_table_privilege('greenwatch_writer', 'weather_forecast', p) FROM unnest(%s::text[]) AS p",
        [["SELECT", "INSERT", "UPDATE", "DELETE"]],
    ).fetchall()
    assert rights == [(True,), (True,), (False,), (False,)]
