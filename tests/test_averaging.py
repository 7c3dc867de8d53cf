"""Means and their data capture: by eye, against exact fractions, and law 3."""

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import averaging, tables
from analytics.frames import AVERAGES, OBSERVATIONS, SERIES, conform
from analytics.parameters import Parameter
from analytics.tables import TableError
from tests.stories import EXAMPLES

T0 = datetime(2024, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
AVERAGINGS = averaging.load()
ALL = tuple(AVERAGINGS)
WORDS: dict[str, Any] = {**dict.fromkeys(("title", "title_zh", "unit", "source", "confidence"), ""), "aliases": ()}
PARAMETERS = {
    mean: Parameter(name=mean, mean=mean, averagings=ALL, **WORDS)
    for mean in ("arithmetic", "energy", "circular", "sum")
} | {"published": Parameter(name="published", mean="arithmetic", averagings=(), **WORDS)}


def series(
    number: int = 1, name: str = "arithmetic", cadence: int = 3600, offset: int = 480, statistic: str = ""
) -> pl.DataFrame:
    row = {"series": number, "station": 1, "parameter": name, "position": "", "statistic": statistic}
    return conform(pl.DataFrame([{**row, "cadence": cadence, "offset": offset}]), SERIES)


def readings(values: list[float], minutes: int = 60, code: dict[int, int] | None = None) -> pl.DataFrame:
    codes = [(code or {}).get(k) for k in range(len(values))]
    times = [T0 + timedelta(minutes=minutes * k) for k in range(len(values))]
    rows = pl.DataFrame({"time": times, "value": [float(v) for v in values], "code": codes}).with_columns(
        series=1, mark=None
    )
    return conform(rows, {**OBSERVATIONS, "code": pl.Int16()})


def hours(rows: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    return averaging.hours(rows, facts, PARAMETERS, AVERAGINGS)


def hourly(values: dict[int, float | None]) -> pl.DataFrame:
    """Hours of series 1, so many after T0."""
    rows = pl.DataFrame({"time": [T0 + k * HOUR for k in values], "value": list(values.values())})
    return conform(rows.with_columns(series=1, averaging=pl.lit("hour"), count=1, expected=1), AVERAGES)


def windows(
    values: dict[int, float | None], name: str, facts: pl.DataFrame | None = None
) -> dict[float, tuple[float | None, int]]:
    """(value, count) of each window by its hours after T0."""
    made = averaging.windows(hourly(values), series() if facts is None else facts, PARAMETERS, AVERAGINGS)
    rows = made.filter(pl.col("averaging") == name)
    return {round((t - T0) / HOUR, 2): (v, n) for t, v, n in rows.select("time", "value", "count").iter_rows()}


def test_an_hour_has_the_mean_of_what_entered_and_says_how_much() -> None:
    made = hours(readings([10, 20, 30, 60, 5], minutes=15), series(cadence=900))
    assert made.select("time", "value", "count", "expected").rows() == [(T0, 30.0, 4, 4), (T0 + HOUR, None, 1, 4)]
    assert (made["averaging"].unique().to_list(), made.schema) == (["hour"], pl.Schema(AVERAGES))


def test_failed_and_missing_do_not_enter_but_suspect_does() -> None:
    made = hours(readings([10, 20, 30, 99], minutes=15, code={3: 4, 0: 3, 1: 2}), series(cadence=900))
    assert made.select("value", "count").rows() == [(20.0, 3)]
    made = hours(readings([10, 20, 30, 99], minutes=15, code={3: 9, 2: 4}), series(cadence=900))
    assert made.select("value", "count", "expected").rows() == [(None, 2, 4)]


def test_an_hour_of_void_readings_is_a_row_without_a_value() -> None:
    assert hours(readings([5], code={0: 4}), series()).select("value", "count").rows() == [(None, 0)]


@pytest.mark.parametrize(("cadence", "expected"), [(60, 60), (1800, 2), (3600, 1), (14400, 1), (7, 514)])
def test_an_hour_expects_what_the_cadence_gives_and_one_at_least(cadence: int, expected: int) -> None:
    assert hours(readings([5]), series(cadence=cadence))["expected"].to_list() == [expected]


def test_forty_five_minutes_are_an_hour_forty_four_are_none() -> None:
    for minutes, value in [(45, 1.0), (44, None)]:
        assert hours(readings([1.0] * minutes, minutes=1), series(cadence=60))["value"].to_list() == [value]


def test_devices_own_means_and_published_indices_are_not_averaged() -> None:
    assert hours(readings([5]), series(statistic="mean-24h")).height == 0
    assert hours(readings([5]), series(name="published")).height == 0
    assert averaging.windows(hourly({0: 5.0}), series(name="published"), PARAMETERS, AVERAGINGS).height == 0


@pytest.mark.parametrize(
    ("mean", "values", "value"),
    [
        ("arithmetic", [-1, 0, 1, 4], 1.0),
        ("sum", [0.2, 0, 0.1, 0], 0.3),
        ("energy", [60, 60, 60, 60], 60.0),
        ("energy", [70, 0, 0, 0], 63.9794),
        ("energy", [140, 140, 0, 0], 136.9897),
        ("circular", [350, 10, 350, 10], 0.0),
        ("circular", [90, 90, 92, 92], 91.0),
        ("circular", [0, 180, 0, 180], None),
    ],
)
def test_each_kind_of_mean(mean: str, values: list[float], value: float | None) -> None:
    assert hours(readings(values, minutes=15), series(name=mean, cadence=900))["value"].to_list() == [value]


def test_a_value_that_cannot_be_added_exactly_does_not_enter() -> None:
    made = hours(readings([1, 1, 1, 1e300], minutes=15), series(cadence=900))
    assert made.select("value", "count").rows() == [(1.0, 3)]
    made = hours(readings([60, 60, 60, 1e5], minutes=15), series(name="energy", cadence=900))
    assert made.select("value", "count").rows() == [(60.0, 3)]


def test_a_moving_mean_is_named_by_its_last_hour_and_needs_twenty() -> None:
    found = windows({k: float(k) for k in range(30)}, "moving24")
    assert found[18] == (None, 19)
    assert found[19] == (9.5, 20)
    assert found[23] == (11.5, 24)
    assert found[29] == (17.5, 24)


def test_a_moving_mean_exists_where_its_hour_has_a_row() -> None:
    found = windows({**dict.fromkeys(range(6), 1.0), 8: None, 40: 1.0}, "running8")
    assert list(found) == [0, 1, 2, 3, 4, 5, 8, 40]
    assert (found[4], found[5], found[8], found[40]) == ((None, 5), (1.0, 6), (None, 5), (None, 1))


def test_a_day_is_the_stations_own() -> None:
    values: dict[int, float | None] = {k: float(k) for k in range(48)}
    assert windows(values, "day") == {-8: (None, 16), 16: (27.5, 24), 40: (None, 8)}
    assert windows(values, "day", series(offset=0)) == {0: (11.5, 24), 24: (35.5, 24)}
    # India: the local day starts at 18:30 UTC, its first full hour at 19:00.
    assert list(windows(values, "day", series(offset=330))) == [-5.5, 18.5, 42.5]
    assert windows(values, "day", series(offset=330))[18.5] == (30.5, 24)


def test_the_highest_eight_hours_end_between_eight_and_midnight_of_the_day() -> None:
    night: dict[int, float | None] = {k: 300.0 if k < 7 else 40.0 for k in range(24)}
    assert windows(night, "mda8", series(offset=0)) == {0: (round((7 * 300 + 40) / 8, 6), 17)}
    assert windows({**night, 7: None}, "running8", series(offset=0))[6] == (300.0, 7)
    short = {k: v for k, v in night.items() if k >= 7}
    assert windows(short, "mda8", series(offset=0)) == {0: (None, 12)}


def test_fourteen_windows_or_a_maximum_above_the_limit_make_a_highest() -> None:
    for last, high, value in [(20, 100.0, 100.0), (19, 100.0, None), (19, 160.0, None), (19, 161.0, 161.0)]:
        assert windows(dict.fromkeys(range(last + 1), high), "mda8", series(offset=0))[0] == (value, last - 6)


def test_the_highest_hour_needs_twenty() -> None:
    assert windows({k: float(k) for k in range(20)}, "mda1", series(offset=0)) == {0: (19.0, 20)}
    assert windows({k: float(k) for k in range(19)}, "mda1", series(offset=0)) == {0: (None, 19)}


def test_the_lowest_hour_needs_twenty() -> None:
    assert windows({k: 30.0 - k for k in range(20)}, "day_low", series(offset=0)) == {0: (11.0, 20)}
    assert windows({k: 30.0 - k for k in range(19)}, "day_low", series(offset=0)) == {0: (None, 19)}


@pytest.mark.parametrize(
    ("cadence", "expected", "least"),
    [
        (60, 24, 20),
        (3600, 24, 20),
        (5400, 16, 14),
        (7200, 12, 10),
        (14400, 6, 5),
        (21600, 4, 4),
        (32400, 2, 2),
        (86400, 1, 1),
        (172800, 1, 1),
    ],
)
def test_a_day_has_as_many_parts_as_the_cadence_gives(cadence: int, expected: int, least: int) -> None:
    facts = series(cadence=cadence, offset=0)
    for parts, value in [(expected, 7.0), (least, 7.0), (least - 1, None)]:
        held: dict[int, float | None] = {k * max(cadence, 3600) // 3600: 7.0 for k in range(parts)}
        made = averaging.windows(hourly(held), facts, PARAMETERS, AVERAGINGS).filter(averaging="day")
        assert made.select("value", "count", "expected").rows() == ([(value, parts, expected)] if parts else [])


def test_a_moving_mean_of_every_four_hours_has_six_parts() -> None:
    found = windows({4 * k: float(k) for k in range(8)}, "moving24", series(cadence=14400))
    assert [found[4 * k] for k in range(3, 8)] == [(None, 4), (2.0, 5), (2.5, 6), (3.5, 6), (4.5, 6)]


KINDS = st.sampled_from(["arithmetic", "sum", "energy", "circular"])


@st.composite
def records(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Readings of two series with holes and codes over some days, in any order."""
    kinds, cadences, offsets = KINDS, st.sampled_from([1200, 3600, 14400]), st.sampled_from([480, 345, -300])
    facts = [series(n, draw(kinds), draw(cadences), draw(offsets)) for n in (1, 2)]
    # One drawn seed for the many values: drawing each would take minutes.
    dice = Random(draw(st.integers(0, 10**6)))
    rows = []
    for number, fact in enumerate(facts, start=1):
        cadence = fact["cadence"].item()
        holes = {dice.randrange(80) for _ in range(draw(st.integers(0, 30)))}
        for step in range(80 * 3600 // cadence):
            if step * cadence // 3600 not in holes:
                time, value = T0 + timedelta(seconds=step * cadence), dice.randrange(1200) / 10
                rows.append((number, time, value, None, dice.choice([None, None, None, None, 3, 4])))
    dice.shuffle(rows)
    schema = {**OBSERVATIONS, "code": pl.Int16()}
    return pl.DataFrame(rows, schema=schema, orient="row"), pl.concat(facts)


@settings(max_examples=EXAMPLES or 12, deadline=None)
@given(records(), st.integers(-10, 80), st.integers(1, 40))
def test_a_window_with_its_reach_has_the_averages_of_all_at_once(
    given_: tuple[pl.DataFrame, pl.DataFrame], start: int, length: int
) -> None:
    rows, facts = given_
    since, until = T0 + start * HOUR, T0 + (start + length) * HOUR
    time = pl.col("time")
    inside = (time >= since) & (time < until)
    whole = hours(rows, facts)
    load = (time >= since - averaging.HOURS_BACK) & (time < until + averaging.HOURS_FORWARD)
    assert_frame_equal(hours(rows.filter(load), facts).filter(inside), whole.filter(inside), check_exact=True)
    load = (time >= since - averaging.BACK) & (time < until + averaging.FORWARD)
    part = averaging.windows(whole.filter(load), facts, PARAMETERS, AVERAGINGS).filter(inside)
    everything = averaging.windows(whole, facts, PARAMETERS, AVERAGINGS).filter(inside)
    assert_frame_equal(part, everything, check_exact=True)


def mean_of(kind: str, values: list[float]) -> float | None:
    """The obvious way, in fractions where there are any."""
    if not values:
        return None
    exact = [Fraction(round(v * 10**6), 10**6) for v in values]
    if kind == "arithmetic":
        return float(sum(exact) / len(exact))
    if kind == "sum":
        return float(sum(exact))
    if kind == "energy":
        return 10 * math.log10(math.fsum(10 ** (v / 10) for v in values) / len(values))
    sine, cosine = (math.fsum(f(math.radians(v)) for v in values) for f in (math.sin, math.cos))
    return math.degrees(math.atan2(sine, cosine)) % 360 if math.hypot(sine, cosine) > 1e-3 * len(values) else None


def scaled(number: int, cadence: int) -> int:
    """So many of the parts that a series with a cadence over an hour has, rounded up."""
    return -(-number * 3600 // max(cadence, 3600))


def close(kind: str, ours: float | None, theirs: float | None) -> bool:
    if kind == "circular" and (ours is None or theirs is None):
        return True  # directions that nearly cancel out: none, or one of no weight
    if ours is None or theirs is None:
        return ours is theirs
    slack = {"arithmetic": 0.51e-6, "sum": 0.51e-6, "energy": 3e-4, "circular": 1e-3}[kind]
    off = abs(ours - theirs)
    return min(off, 360 - off if kind == "circular" else off) <= slack


@settings(max_examples=EXAMPLES or 12, deadline=None)
@given(records())
def test_the_obvious_loop_agrees(given_: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    rows, facts = given_
    made = hours(rows, facts)
    built = averaging.windows(made, facts, PARAMETERS, AVERAGINGS)
    for number, kind, cadence, offset in facts.select("series", "parameter", "cadence", "offset").iter_rows():
        mine = rows.filter(pl.col("series") == number).sort("time")
        by_hour: dict[datetime, list[float]] = {}
        for time, value, code in mine.select("time", "value", "code").iter_rows():
            by_hour.setdefault(time.replace(minute=0), []).extend([value] if code != 4 else [])
        ours = made.filter(pl.col("series") == number).select("time", "value", "count").rows()
        assert [(t, n) for t, _, n in ours] == [(t, len(v)) for t, v in by_hour.items()]
        for (_, value, count), values in zip(ours, by_hour.values(), strict=True):
            assert close(kind, value, mean_of(kind, values) if count * 4 >= 3 * 3600 // cadence else None)
        held = {t: v for t, v, _ in ours}
        for name, length, least in [("moving24", 24, 20), ("running8", 8, 6)]:
            found = built.filter(pl.col("series") == number, pl.col("averaging") == name)
            assert found["time"].to_list() == list(held)
            for time, value, count in found.select("time", "value", "count").iter_rows():
                parts = [p for k in range(length) if (p := held.get(time - k * HOUR)) is not None]
                assert count == len(parts)
                assert close(kind, value, mean_of(kind, parts) if count >= scaled(least, cadence) else None)
        days: dict[datetime, list[float]] = {}
        for time, part in held.items():
            local = (time + timedelta(minutes=offset)).replace(hour=0, minute=0)
            days.setdefault(local - timedelta(minutes=offset), []).extend([] if part is None else [part])
        found = built.filter(pl.col("series") == number, pl.col("averaging") == "day").select("time", "value", "count")
        assert found["time"].to_list() == list(days)
        for time, value, count in found.iter_rows():
            assert count == len(days[time])
            assert close(kind, value, mean_of(kind, days[time]) if count >= scaled(20, cadence) else None)
        low = built.filter(pl.col("series") == number, pl.col("averaging") == "day_low").select("time", "value")
        assert low["time"].to_list() == list(days)
        for time, value in low.iter_rows():
            assert value == (min(days[time]) if len(days[time]) >= scaled(20, cadence) else None)


def test_running_integers_may_wrap_and_differ_rightly_all_the_same() -> None:
    values: dict[int, float | None] = {k: 1e8 if k % 2 else -1e8 + k for k in range(60)}
    assert windows(values, "moving24")[59] == (round(sum(v or 0 for k, v in values.items() if k > 35) / 24, 6), 24)
    big: dict[int, float | None] = dict.fromkeys(range(40), 90000000.0)
    assert set(list(windows(big, "moving24").values())[23:]) == {(9e7, 24)}


def bad(name: str, **changes: Any) -> dict[str, Any]:
    content = tables.read("averagings")
    assert isinstance(content, dict)
    return {**content, name: {k: v for k, v in {**content[name], **changes}.items() if v is not None}}


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("day", {"colour": "red"}, r"averagings: \[day\]: unknown key 'colour'"),
        ("day", {"title": None}, r"averagings: \[day\]: 'title' is missing"),
        ("day", {"kind": "median"}, r"\[day\] 'kind' cannot be 'median'"),
        ("day", {"built_from": "mda8"}, r"\[day\] 'built_from' cannot be 'mda8'"),
        ("day", {"built_from": "observations"}, r"\[day\] 'built_from' cannot be 'observations'"),
        ("day", {"code": 3}, r"'code' 3 is that of"),
        ("day", {"minimum": 0}, r"\[day\] 'period', 'minimum', 'expected' must be 1 or more"),
        ("moving24", {"period": 25}, r"'period' within 1 day"),
        ("ln", {"last": 21}, r"\[ln\] 'first', 'last' cannot be 22, 21"),
        ("mda8", {"last": 24}, r"\[mda8\] 'first', 'last' cannot be 7, 24"),
    ],
)
def test_a_bad_table_names_its_block_and_key(name: str, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(TableError, match=says):
        averaging.parse(bad(name, **changes))


def test_a_parameter_lists_averagings_that_exist_with_their_parts() -> None:
    for names, says in [(("decade",), "unknown 'decade'"), (("hour", "mda8"), "'mda8' needs its parts")]:
        with pytest.raises(TableError, match=says):
            averaging.check({"x": Parameter(name="x", mean="sum", averagings=names, **WORDS)}, AVERAGINGS)


def test_an_edition_from_before_ratings_is_read() -> None:
    content = tables.read("averagings")
    assert isinstance(content, dict)
    old = {name: record for name, record in content.items() if AVERAGINGS[name].code <= 6}
    assert averaging.parse(old) == {name: rule for name, rule in AVERAGINGS.items() if name in old}


def test_codes_are_stable() -> None:
    codes = {"hour": 1, "moving24": 2, "running8": 3, "day": 4, "mda8": 5, "mda1": 6}
    codes |= {"ld": 7, "ln": 8, "ldn": 9, "lden": 10, "cnel": 11, "day_low": 12}
    assert {name: rule.code for name, rule in AVERAGINGS.items()} == codes
