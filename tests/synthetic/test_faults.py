"""Faults: all of them are in the truth, and nothing else is."""

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics import parameters
from analytics.synthetic import District
from analytics.synthetic.quantities import QUANTITIES
from tests.synthetic.period import HOUR, KEY, TEN, each, some


def test_outside_of_the_truth_sound_instruments_speak(
    tens: pl.DataFrame, sound: pl.DataFrame, truth: pl.DataFrame
) -> None:
    joined = sound.join(tens, on=KEY, how="left", suffix="_read")
    other = joined.filter(pl.col("value").ne_missing(pl.col("value_read")))
    faults = truth.filter(pl.col("class") == "fault", ~pl.col("kind").is_in(["late", "duplicate"]))
    everywhere = faults.filter(pl.col("parameter").is_null()).drop("parameter")
    single = faults.filter(pl.col("parameter").is_not_null())
    left = other
    for spans, keys in ((everywhere, ["station"]), (single, ["station", "parameter"])):
        hit = left.join(spans.select(*keys, "start", "stop"), on=keys)
        hit = hit.filter(pl.col("time") >= pl.col("start"), pl.col("time") < pl.col("stop"))
        left = left.join(hit, on=KEY, how="anti")
    assert other.height > 5000
    assert left.is_empty()


def test_silence(tens: pl.DataFrame, truth: pl.DataFrame) -> None:
    for kind in ("outage", "gap"):
        for row in each(truth, kind):
            if row["parameter"] not in ("codmn", "nh3n", "tp", "tn"):
                assert some(tens, row).is_empty()
                assert some(tens, row, wide=HOUR).height > 0


def test_stuck_is_really_equal(tens: pl.DataFrame, fours: pl.DataFrame, truth: pl.DataFrame) -> None:
    for row in each(truth, "stuck"):
        frame = fours if row["parameter"] in ("codmn", "nh3n", "tp", "tn") else tens
        values = some(frame, row)["value"]
        assert values.len() > 4
        assert values.n_unique() == 1
        before = frame.filter(pl.col("time") < row["start"], station=row["station"], parameter=row["parameter"])
        assert before["value"][-1] == values[0]


def test_broken_instruments_say_the_impossible_and_nothing_else_does(
    tens: pl.DataFrame, fours: pl.DataFrame, truth: pl.DataFrame
) -> None:
    known = parameters.load()
    spans = {name: known[name.partition("@")[0]].quality["gross_range"]["fail"] for name in tens["parameter"].unique()}
    spans |= {name: known[name].quality["gross_range"]["fail"] for name in fours["parameter"].unique()}
    both = pl.concat([tens, fours])
    low, high = (pl.col("parameter").replace_strict({n: float(s[i]) for n, s in spans.items()}) for i in (0, 1))
    impossible = both.filter((pl.col("value") < low) | (pl.col("value") > high))
    told = [some(both, row) for row in each(truth, "range")]
    assert_frame_equal(impossible.sort(KEY), pl.concat(told).sort(KEY))


@pytest.mark.parametrize("kind", ["offset", "drift", "spike"])
def test_what_is_added_is_what_the_truth_says(
    kind: str, tens: pl.DataFrame, sound: pl.DataFrame, truth: pl.DataFrame
) -> None:
    for row in each(truth, kind):
        joined = some(tens, row).join(some(sound, row), on=KEY, suffix="_sound").sort("time")
        added = joined["value"] - joined["value_sound"]
        quantity = QUANTITIES[row["parameter"].partition("@")[0]]
        free = joined["value"].is_between(quantity.low, quantity.high, closed="none")
        slack = 2 * 10.0**-quantity.decimals
        if kind == "drift":
            assert abs(added[0]) <= slack + abs(row["magnitude"]) / 100
            assert added[-1] == pytest.approx(row["magnitude"], rel=0.02, abs=slack) or not free[-1]
        else:
            assert ((added.filter(free) - row["magnitude"]).abs() <= slack).all()
        assert (added != 0).any()


def test_a_pair_is_inverted_and_a_wet_inlet_reads_high(
    tens: pl.DataFrame, sound: pl.DataFrame, truth: pl.DataFrame
) -> None:
    for row in each(truth, "inverted_pair", parameter="pm25"):
        fine, coarse = (some(tens, row, name).sort("time")["value"] for name in ("pm25", "pm10"))
        assert (fine > coarse).sum() > 0.95 * fine.len()
    ratios = []
    for row in each(truth, "humidity_artefact", parameter="pm25"):
        humid = some(sound, row, "relative_humidity").rename({"value": "humidity"}).drop("parameter")
        joined = some(tens, row).join(some(sound, row), on=KEY, suffix="_sound").join(humid, on=["station", "time"])
        dry, wet = joined.filter(pl.col("humidity") < 75), joined.filter(pl.col("humidity") > 92)
        assert (dry["value"] == dry["value_sound"]).all()
        ratios += (wet["value"] / wet["value_sound"]).to_list()
    assert min(ratios) > 1.15


def test_a_slow_clock_tells_what_comes_later(tens: pl.DataFrame, sound: pl.DataFrame, truth: pl.DataFrame) -> None:
    for row in each(truth, "clock"):
        behind = timedelta(minutes=row["magnitude"])
        told = some(tens, row).with_columns(pl.col("time") + behind)
        assert_frame_equal(told, sound.join(told.select(KEY), on=KEY, how="semi"), check_exact=True)
        assert row["magnitude"] in (20, 30, 40, 50, 60)


def test_late_rows_come_at_the_end_and_repeated_rows_again(made: District, truth: pl.DataFrame) -> None:
    row = each(truth, "late")[0]
    came = made.deliveries(row["start"] - HOUR, row["stop"] + HOUR, TEN)
    kept = some(came, row)
    assert kept.height > 10
    assert (kept["due"] == row["stop"]).all()
    assert came.filter(pl.col("due") > pl.col("time"), pl.col("station") == row["station"]).height == kept.height
    row = each(truth, "duplicate")[0]
    came = some(made.deliveries(row["start"] - HOUR, row["stop"] + HOUR, TEN), row)
    twice = came.group_by(*KEY, "value").agg(pl.len(), (pl.col("due") - pl.col("time")).sort().alias("after"))
    assert (twice["len"] == 2).all()
    assert twice["after"].to_list() == [[timedelta(), timedelta(minutes=10)]] * twice.height
