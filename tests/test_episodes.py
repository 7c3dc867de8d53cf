"""Episodes: runs of a condition with hysteresis, against the obvious loop, and whatever changes far from them."""

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import averaging, episodes, parameters, standards, tables
from analytics.frames import EPISODES, TIME
from analytics.tables import TableError
from tests.conftest import needs_shared
from tests.published import prsa_episodes
from tests.rows import EPISODE
from tests.stories import EXAMPLES

T0 = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
HOUR = timedelta(hours=1)
Values = list[float | None]


def rules(**changes: Any) -> dict[str, episodes.Rule]:
    return episodes.parse({"rule": {key: value for key, value in {**EPISODE, **changes}.items() if value is not None}})


def stations(places: list[tuple[str, str | None, str | None]] | None = None) -> pl.DataFrame:
    """Station 1, eight hours ahead of UTC, in `places` (place, since, until)."""
    rows = pl.DataFrame({"station": [1], "offset": [480]}, schema={"station": pl.Int32, "offset": pl.Int16})
    listed = [{"place": p, "since": _date(a), "until": _date(b)} for p, a, b in places or []]
    return rows.with_columns(pl.Series("places", [listed], dtype=standards.PLACES))


def _date(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text).date()


def spoken(values: Values, station: int = 1, parameter: str = "pm25") -> pl.DataFrame:
    """Values of successive hours; None is missing."""
    rows = [(station, parameter, "hour", T0 + h * HOUR, float(v)) for h, v in enumerate(values) if v is not None]
    schema = {"station": pl.Int32(), "parameter": pl.String(), "averaging": pl.String(), "time": TIME}
    return pl.DataFrame(rows, schema=schema | {"value": pl.Float64()}, orient="row")


def conditions(values: Values, **changes: Any) -> pl.DataFrame:
    return episodes.conditions(spoken(values), stations(), rules(**changes))


def found(values: Values, **changes: Any) -> list[dict[str, Any]]:
    return told(episodes.runs(conditions(values, **changes)))


def told(made: pl.DataFrame) -> list[dict[str, Any]]:
    """Episodes with hours for times."""
    assert made.schema == pl.Schema(EPISODES)
    rows = made.drop("station", "rule").to_dicts()
    for row in rows:
        row.update({name: (row[name] - T0) // HOUR for name in ("time", "stop", "peak_time")})
        row["levels"] = [((datetime.fromisoformat(t) - T0) // HOUR, level) for t, level in json.loads(row["levels"])]
    return rows


def by_loop(values: Values, bridge: int = 2, minimum: int = 1, silence: int = 8) -> list[dict[str, Any]]:
    """The state machine, an hour after the other: levels 10 and 20, off at 5 and 18."""
    out: list[dict[str, Any]] = []
    now: dict[str, Any] | None = None
    held: list[tuple[int, int]] = []
    quiet, second, last = 0, False, None

    def end(*, closed: bool) -> None:
        if now is not None and now["count"] >= minimum:
            out.append(now | {"closed": closed})

    for hour, value in enumerate(values):
        if value is None:
            continue
        if last is not None and hour - last > silence:
            end(closed=True)
            now, second = None, False
        last = hour
        second = value > 20 or (second and value > 18)
        if now is None and value > 10:
            now = {"time": hour, "level": 0, "peak": -1.0, "count": 0, "dose": 0.0, "levels": []}
            quiet, held = 0, []
        if now is None:
            continue
        held.append((hour, 1 + second))
        if value > 5:
            quiet = 0
            for at, level in held:  # what was quiet in between belongs to it after all
                if not now["levels"] or now["levels"][-1][1] != level:
                    now["levels"].append((at, level))
                now["level"] = max(now["level"], level)
            held = []
            now["stop"], now["count"] = hour + 1, now["count"] + 1
            now["dose"] = round(now["dose"] + max(0.0, value - 10), 6)
            if value > now["peak"]:
                now["peak"], now["peak_time"] = value, hour
        else:
            quiet += 1
            if quiet > bridge:
                end(closed=True)
                now = None
    end(closed=False)
    return out


hours = st.lists(
    st.sampled_from([None, None, 0.0, 5.0, 5.1, 9.0, 10.0, 10.1, 15.0, 18.0, 18.1, 20.0, 20.1, 99.0]), max_size=60
)
values_of = st.lists(st.one_of(hours, st.lists(st.none(), min_size=6, max_size=12)), max_size=4).map(
    lambda parts: [value for part in parts for value in part]
)


@settings(max_examples=EXAMPLES or 60, deadline=None)
@given(values_of, st.integers(0, 4), st.integers(1, 4))
def test_runs_are_those_of_the_obvious_loop(values: Values, bridge: int, minimum: int) -> None:
    assert found(values, bridge=bridge, minimum=minimum) == by_loop(values, bridge, minimum)


def test_an_episode_holds_between_its_lines_and_through_short_quiet() -> None:
    (one,) = found([0, 11, 7, 5, 5, 6, 25, 19, 17, 4, 4, 4])
    assert (one["time"], one["stop"], one["closed"], one["level"], one["count"]) == (1, 9, True, 2, 6)
    assert one["levels"] == [(1, 1), (6, 2), (8, 1)]
    assert (one["peak"], one["peak_time"], one["dose"]) == (25, 6, 1 + 15 + 9 + 7)


def test_the_level_itself_and_the_off_line_itself_are_not_beyond() -> None:
    assert found([10, 10, 10]) == []
    (one,) = found([11, 5, 5, 5])
    assert (one["stop"], one["closed"]) == (1, True)


def test_silence_neither_ends_nor_extends() -> None:
    (one,) = found([12, None, None, None])
    assert (one["stop"], one["closed"]) == (1, False)
    (one,) = found([12, None, 4, None, 4, None, 12])
    assert (one["stop"], one["count"], one["closed"]) == (7, 2, False)


def test_beyond_the_silence_nothing_is_joined() -> None:
    first, second = found([12, *[None] * 8, 12])
    assert (first["stop"], first["closed"], second["time"], second["closed"]) == (1, True, 9, False)
    assert len(found([12, *[None] * 7, 12])) == 1


def test_what_is_too_short_is_none() -> None:
    assert found([12, 4, 4, 4], minimum=2) == []
    assert len(found([12, 6, 4, 4], minimum=2)) == 1


def test_below_is_the_mirror_of_above() -> None:
    low = {"direction": "below", "levels": [-10, -20], "off": [-5, -18]}
    values: Values = [0, 11, 7, 5, 25, 19, 17, 4, 4, 4, None, 30]
    mirror = found([None if v is None else -v for v in values], **low)
    assert [row | {"peak": -row["peak"]} for row in mirror] == found(values)


def test_outside_its_hours_all_is_quiet() -> None:
    """Local 22 to 6 is 14 to 22 UTC."""
    (one,) = found([99.0] * 30, hours=[22, 6], bridge=1)
    assert (one["time"], one["stop"], one["closed"]) == (14, 22, True)


def test_lines_go_by_the_place_of_the_day() -> None:
    places = {
        "noise_zone:1": {"levels": [45.0], "off": [45.0]},
        "noise_zone:2": {"levels": [50.0], "off": [50.0]},
    }
    rule = rules(levels=None, off=None, places=places, silence=100)
    moved = stations(
        [("noise_zone:2", None, "2026-01-06"), ("noise_zone:1", "2026-01-06", None), ("street:x", None, None)]
    )
    made = told(episodes.runs(episodes.conditions(spoken([47.0] * 40), moved, rule)))
    assert [(row["time"], row["stop"]) for row in made] == [(16, 40)]  # midnight of the 6th at UTC+8
    assert episodes.conditions(spoken([47.0] * 40), stations(), rule).is_empty()


def test_stations_and_rules_are_strangers() -> None:
    both = pl.concat([spoken([12, 0, 0, 0]), spoken([0, 0, 12], station=2), spoken([99], parameter="o3")])
    rule = rules() | {"other": rules(levels=[50], off=[40])["rule"]}
    assert rule["other"].depth == 1
    where = pl.concat([stations(), stations().with_columns(pl.lit(2, pl.Int32).alias("station"))])
    made = episodes.runs(episodes.conditions(both, where, rule))
    assert made.select("station", "closed").rows() == [(1, True), (2, False)]


@settings(max_examples=EXAMPLES or 60, deadline=None)
@given(values_of, st.data())
def test_what_changes_between_quiet_changes_nothing_else(values: Values, data: Any) -> None:
    """Law 3, the heart of it: beyond the borders of a change the episodes are the same, whatever it is."""
    first = data.draw(st.integers(0, max(0, len(values) - 1)))
    last = data.draw(st.integers(first, len(values)))
    other = data.draw(
        st.lists(st.sampled_from([None, 0.0, 6.0, 12.0, 30.0]), min_size=last - first, max_size=last - first)
    )
    changed = [*values[:first], *other, *values[last:]]
    marked = conditions(values).with_columns(pl.lit(0).alias("window"))
    window = pl.DataFrame(
        [(0, 1, "rule", T0 + first * HOUR, T0 + last * HOUR)],
        schema={"window": pl.Int32(), "station": pl.Int32(), "rule": pl.String(), "start": TIME, "stop": TIME},
        orient="row",
    )
    (border,) = episodes.borders(marked, window).to_dicts()
    assert border == episodes.borders(conditions(changed).with_columns(pl.lit(0).alias("window")), window).to_dicts()[0]
    before, after = (
        [row for row in told(episodes.runs(conditions(some))) if _outside(row["time"], border)]
        for some in (values, changed)
    )
    assert before == after


def _outside(hour: int, border: dict[str, Any]) -> bool:
    time = T0 + hour * HOUR
    early = border["after"] is not None and time <= border["after"]
    return early or (border["until"] is not None and time > border["until"])


def test_borders_are_the_nearest_quiet() -> None:
    values: Values = [0, 0, 0, 12, 0, 0, 0, 12, 12, 0, 0, 12, 0, 0, 0, 12]
    window = pl.DataFrame(
        [(0, T0 + 8 * HOUR, T0 + 9 * HOUR), (1, T0 + 15 * HOUR, T0 + 16 * HOUR)],
        schema={"window": pl.Int32(), "start": TIME, "stop": TIME},
        orient="row",
    ).with_columns(pl.lit(1, pl.Int32).alias("station"), pl.lit("rule").alias("rule"))
    marked = pl.concat(conditions(values).with_columns(pl.lit(n, pl.Int32).alias("window")) for n in (0, 1))
    made = episodes.borders(marked, window).select("after", "until").rows()
    assert [[None if t is None else (t - T0) // HOUR for t in row] for row in made] == [[6, 14], [14, None]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"direction": "up"}, "'direction' cannot be 'up'"),
        ({"levels": [10]}, "as many numbers"),
        ({"levels": [20, 10]}, "must grow worse"),
        ({"off": [12, 18]}, "no off line lie beyond"),
        ({"off": [5, 4]}, "'off' not better"),
        ({"bridge": -1}, "'bridge' must be"),
        ({"places": {"a:b": {"levels": [1], "off": [1]}}}, "either 'levels' and 'off' or 'places'"),
        ({"levels": None, "off": None, "places": {"a:b": 3}}, "must be a table"),
        ({"hours": [22, 22]}, "'hours' cannot be"),
        ({"parameter": None}, "'parameter' is missing"),
        ({"about": "weather"}, "'about' cannot be 'weather'"),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_a_table_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TableError, match=words):
        rules(**changes)


def test_the_package_rules_speak_of_averages_that_there_are() -> None:
    known, how = parameters.load(), averaging.load()
    episodes.check(episodes.load(), known, how)
    with pytest.raises(TableError, match="has no averaging 'moving24'"):
        episodes.check(rules(parameter="laeq", averaging="moving24"), known, how)
    with pytest.raises(TableError, match="has no value an hour"):
        episodes.check(rules(averaging="day"), known, how)


def test_levels_of_air_are_those_of_the_index() -> None:
    """The figures stand in two tables: breakpoints of HJ 633, and the levels here."""
    curves = standards.load().breakpoints.filter(pl.col("index").is_in([100, 150, 200]))
    columns = {"moving24": "24h", "running8": "8h", "hour": "1h"}
    for name in ("pm25_24h", "pm10_24h", "o3_8h", "o3_1h", "no2_1h", "so2_1h", "co_1h"):
        rule = episodes.load()[name]
        for edition in ("HJ 633-2012", "HJ 633-2026"):
            points = curves.filter(standard=edition, parameter=rule.parameter, column=columns[rule.averaging])
            assert set(rule.lines[""].levels) <= set(points["concentration"]), (name, edition)


def test_levels_of_noise_are_the_night_limits_of_the_zones() -> None:
    limits = pl.DataFrame(tables.read("standards/noise_limits")).filter(
        pl.col("standard") == "GB 3096-2008", pl.col("period") == "night", pl.col("metric") == "Leq"
    )
    levels = {
        place.removeprefix("noise_zone:"): line.levels[0]
        for place, line in episodes.load()["noise_night"].lines.items()
    }
    assert levels == {zone: float(limit) for zone, limit in limits.select("zone", "limit").iter_rows()}


def test_levels_of_water_are_the_limits_of_class_4_and_5() -> None:
    limits = standards.load().water.filter(pl.col("water_body") == "river")
    for name in ("oxygen_low", "ammonia_high"):
        rule = episodes.load()[name]
        rows = limits.filter(parameter=rule.parameter).sort("class")
        bounds = rows.select(pl.coalesce("low", "high")).to_series().to_list()
        assert list(rule.lines[""].levels) == bounds[3:5]


@needs_shared
def test_heavy_days_of_beijing_are_in_episodes() -> None:
    """Done when 3 of issue 3. (b), any hour of a day, cannot reach 0.88 with a mean of 24 hours: it lasts into the next
    morning; its figure is printed by `python -m tests.published.prsa_episodes`."""
    rows, series = prsa_episodes.readings()
    on, known = prsa_episodes.stretches(prsa_episodes.found(rows, series)), prsa_episodes.days(rows, series)
    alerts = prsa_episodes.red_alerts(known, on)
    assert alerts["inside"].all()
    assert alerts.height >= 50
    assert prsa_episodes.by_day(known, on, 23, 23).f1 >= 0.98
    figures, delay = prsa_episodes.by_event(known, on)
    assert figures.f1 >= 0.88
    assert figures.missed == 0
    assert figures.false / figures.weeks <= 0.12
    assert delay <= 13
