"""Fits that forecasts are made by: learned by the clock from all stations, kept as data, read by the hour's run."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from analytics import forecasting
from analytics.forecasting import NAIVE, boosting
from analytics.store import forecasts, registry, terms
from analytics.store.connection import Connection
from jobs import forecast, foresee
from jobs.hours import Hours
from tests import world
from tests.test_boosting import made_up
from tests.world import HOUR, T0

DAYS = 90
ISSUED = T0 + DAYS * 24 * HOUR
NOW = ISSUED + timedelta(minutes=7)
PLACES = {"A": 116.0, "B": 116.06, "C": 116.12}
PLAN = forecasting.load()
FEW = replace(PLAN, settings=replace(PLAN.settings, learn=(DAYS + 1) * 24))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small trees of fewer leads; a past as long as there is."""
    monkeypatch.setattr(
        foresee, "SHAPE", boosting.Shape(rounds=15, rate=0.3, rows=6000, leads=(1, 6, 24, 72), networks=1, hidden=(16,))
    )
    for module in (forecast, foresee):
        monkeypatch.setattr(module, "load_plan", lambda *_: FEW)


@pytest.fixture
def voices(conn: Connection) -> dict[str, int]:
    """Three stations with ninety days of air that wind clears; A and B measure the wind, too."""
    channels = [(code, "pm25") for code in PLACES] + [("A", "wind_speed"), ("B", "wind_speed")]
    found = dict(zip((f"{code} {name}" for code, name in channels), world.settle_world(conn, channels), strict=True))
    for code, longitude in PLACES.items():
        conn.execute("UPDATE station SET longitude = %s, latitude = 40 WHERE code = %s", [longitude, code])
    panel = made_up(DAYS * 24, series=3)
    grids = {"pm25": np.round(panel.values**2, 3), "wind_speed": np.round(panel.beside["wind_speed"], 3)}
    times = [T0 + hour * HOUR for hour in range(DAYS * 24)]
    (hour,) = terms.intern(conn, "averaging", ["hour"]).values()
    for name, series in found.items():
        values = grids[name[2:]][:, list(PLACES).index(name[0])].tolist()
        # Averages are what is read: nobody need judge these first.
        conn.execute(
            "INSERT INTO average (time, value, series, count, expected, averaging)"
            " SELECT t, v, %s, 1, 1, %s FROM unnest(%s::timestamptz[], %s::float8[]) AS u (t, v)",
            [series, hour, times, values],
        )
        world.send(conn, [(series, float(DAYS * 24 - 1), values[-1], 0, None)])
    return found


def kept(conn: Connection) -> list[tuple[object, ...]]:
    return conn.execute("SELECT kind, subject, valid_from, sha256 FROM fit ORDER BY id").fetchall()


def served(conn: Connection, series: int) -> tuple[list[str], str]:
    rows = forecasts.load(conn, [series])
    return rows["model"].to_list(), rows["reason"][0]


def test_what_was_learned_is_served_where_it_beats_the_naive(conn: Connection, voices: dict[str, int]) -> None:
    """Nothing is known of it at first; then six hours ahead it knows of the wind, that of the nearest at C."""
    forecast.run(conn, NOW)
    models, reason = served(conn, voices["A pm25"])
    assert "boosting" not in models
    assert "boosting has learned nothing of it yet" in reason
    conn.execute("TRUNCATE forecast")
    done = foresee.run(conn, NOW)
    assert (done.parameters, done.fits, done.fresh, done.short) == (1, 1, 0, 0)
    assert forecast.run(conn, NOW).new == 3
    truth = made_up(DAYS * 24 + 72, series=3).values[DAYS * 24 :] ** 2
    for place, code in enumerate(PLACES):
        models, reason = served(conn, voices[f"{code} pm25"])
        assert "boosting" in models[:6], reason
        rows = forecasts.load(conn, [voices[f"{code} pm25"]])
        assert abs(rows["value"].to_numpy() - truth[:, place])[:6].mean() < 12
        for model, skill in zip(models, rows["skill"], strict=True):
            assert skill > 0 if model not in NAIVE else skill == 0


def test_a_fit_is_made_anew_when_it_is_old_and_the_same_of_the_same(conn: Connection, voices: dict[str, int]) -> None:
    """By a kind of its own, of the window before the last local midnight; learned again from that, the same bytes."""
    foresee.run(conn, NOW)
    [(kind, subject, since, sha)] = kept(conn)
    assert (kind, subject) == ("boosting pm25", 0)
    assert isinstance(since, datetime)
    assert since == NOW.replace(hour=16, minute=0) - timedelta(days=1)  # of the last day that is over at +08:00
    fit = foresee.newest(conn, "pm25", NOW)
    assert fit is not None
    assert (fit.until, fit.manifest["beside"]) == (since, ["wind_speed"])
    hours = Hours(conn, registry.load_voices(conn), fit.until, FEW.settings.learn)
    panel = hours.panel(FEW, "pm25", [voices[f"{code} pm25"] for code in PLACES], fit.manifest["beside"])
    assert {day for day in panel.free if day.weekday() < 5}, "holidays of the months that it was taught"
    again = boosting.learn(panel, FEW.settings.learn, FEW.settings, boosting.shape_of(fit.manifest))
    assert again is not None
    assert hashlib.sha256(boosting.pack(again)).hexdigest() == sha
    assert foresee.run(conn, NOW + 27 * 24 * HOUR).fresh == 1
    assert foresee.newest(conn, "pm25", since - HOUR) is None  # nobody knew of it then


def test_what_cannot_be_read_is_not_served_and_stops_nobody(conn: Connection, voices: dict[str, int]) -> None:
    foresee.run(conn, NOW)
    conn.execute("UPDATE fit SET blob = substr(blob, 1, 5000)")
    assert forecast.run(conn, NOW).new == 3
    assert "boosting has learned nothing of it yet" in served(conn, voices["B pm25"])[1]
    conn.execute("UPDATE fit SET sha256 = ''")  # as of a version that kept fits in another form
    assert foresee.run(conn, NOW + HOUR).fits == 1
    assert foresee.newest(conn, "pm25", NOW) is not None


def test_neither_batch_nor_what_is_issued_already_makes_a_difference(conn: Connection, voices: dict[str, int]) -> None:
    foresee.run(conn, NOW)

    def issues() -> list[tuple[object, ...]]:
        return forecasts.load(conn, voices.values()).rows()

    forecast.run(conn, NOW)
    together = issues()
    conn.execute("DELETE FROM forecast WHERE series = %s", [voices["B pm25"]])
    assert forecast.run(conn, NOW, batch=1).new == 1
    assert issues() == together


def test_new_silent_and_unplaced_stations_are_run_through(conn: Connection, voices: dict[str, int]) -> None:
    """C is new and nobody knows where it is; B's wind is silent; of a station that was never heard nothing is said."""
    a, b, c = (voices[f"{code} pm25"] for code in PLACES)
    conn.execute("UPDATE station SET longitude = NULL, latitude = NULL WHERE code = 'C'")
    conn.execute("DELETE FROM average WHERE series = %s AND time < %s", [c, ISSUED - 100 * HOUR])
    conn.execute("DELETE FROM average WHERE series = %s AND time >= %s", [voices["B wind_speed"], ISSUED - 50 * HOUR])
    world.settle_world(conn, [("D", "pm25")])
    foresee.run(conn, NOW)
    assert forecast.run(conn, NOW).new == 3
    assert forecasts.load(conn, (a, b, c))["value"].null_count() == 0
    assert served(conn, c)[1].startswith("too short a history to test")


def test_too_short_a_past_is_not_learned_from(conn: Connection, voices: dict[str, int]) -> None:
    conn.execute("DELETE FROM average WHERE time < %s", [ISSUED - 30 * 24 * HOUR])
    assert (foresee.run(conn, NOW).short, kept(conn)) == (1, [])
