"""What is injected: by eye, only where it says, as large as it says, and the same whatever stands beside it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.evaluation import injection
from analytics.evaluation.injection import FAULT, KINDS, QUIET, SLOT

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 300


def rows(*stations: str, parameter: str = "pm25", days: int = DAYS, labelled: slice = slice(0)) -> pl.DataFrame:
    """Hours of a daily wave with noise, 2 decimals."""
    parts = []
    for number, station in enumerate(stations):
        draw = np.random.Generator(np.random.PCG64([7, number, *parameter.encode()]))
        hour = np.arange(24 * days)
        value = 50 + 5 * np.sin(2 * np.pi * hour / 24) + draw.normal(size=len(hour))
        label = np.zeros(len(hour), dtype=np.bool_)
        label[labelled] = True
        parts.append(
            pl.DataFrame(
                {
                    "station": station,
                    "series": f"{station}/{parameter}",
                    "parameter": parameter,
                    "time": pl.Series([START + int(h) * HOUR for h in hour]).cast(pl.Datetime("us", "UTC")),
                    "value": np.round(value, 2),
                    "label": label,
                }
            )
        )
    return pl.concat(parts)


TOWN = rows("a", "b", "c", "d")


def sigma(series: str) -> float:
    part = TOWN.filter(series=series)
    return injection.of_day(part["value"].to_numpy(), part["time"].to_physical().to_numpy())


def inside(made: pl.DataFrame, one: dict[str, object]) -> pl.DataFrame:
    """Rows of a row of the truth, with what they were before."""
    was = TOWN.select("series", "time", was="value")
    span = pl.col("time").is_between(pl.lit(one["start"]), pl.lit(one["stop"]), closed="left")
    return made.join(was, on=["series", "time"]).filter(span, series=one["series"])


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_only_what_the_truth_names_is_changed_and_labelled(seed: int) -> None:
    made, truth = injection.inject(TOWN, seed)
    assert made.select("series", "time").equals(TOWN.select("series", "time"))
    named = np.zeros(len(made), dtype=np.bool_)
    for one in truth.iter_rows(named=True):
        span = pl.col("time").is_between(pl.lit(one["start"]), pl.lit(one["stop"]), closed="left")
        mine = made.select(span & (pl.col("series") == one["series"])).to_series().to_numpy()
        assert not (named & mine).any()
        assert KINDS[one["kind"]].group == one["group"]
        assert one["start"] >= START + QUIET
        named |= mine
    assert (made["label"].to_numpy() == named).all()
    assert (made["value"] == TOWN["value"]).to_numpy()[~named].all()
    assert made["value"].min() >= TOWN["value"].min()  # type: ignore[operator]
    assert (made["value"].round(2) - made["value"]).abs().max() == 0


def test_each_kind_is_what_its_name_says() -> None:
    made, truth = injection.inject(TOWN, 5)
    for seed in range(6, 12):
        if truth["kind"].n_unique() == len(KINDS):
            break
        made, truth = injection.inject(TOWN, seed)
    assert set(truth["kind"]) == set(KINDS)
    for one in truth.iter_rows(named=True):
        part, size = inside(made, one), one["size"]
        off = ((part["value"] - part["was"]) / sigma(one["series"])).to_numpy()
        hours = part.height
        if one["kind"] == "stuck":
            assert size is None
            assert part["value"].n_unique() == 1
            continue
        part_of = off / size
        close = 0.02  # of rounding
        if one["kind"] == "spike":
            assert hours == 1
        if one["kind"] in ("spike", "offset"):
            assert off == pytest.approx(np.full(hours, size), abs=close)
        if one["kind"] == "drift":
            assert np.diff(part_of).min() > -close
            assert part_of[[0, -1]] == pytest.approx([0, 1], abs=0.02)
        if one["kind"] == "noisy":
            assert 0.3 < part_of.std() < 2
        if one["kind"] in ("pulse", "regional"):
            assert part_of == pytest.approx(part_of[::-1], abs=0.1)
            assert part_of.max() == pytest.approx(1, abs=0.3)
        if one["kind"] == "decay":
            assert part_of.argmax() <= hours * 0.1
            assert part_of[-1] < 0.1
        low, high = KINDS[one["kind"]].hours
        assert low - 1 <= hours <= high + 1


def test_regional_events_come_to_most_stations_and_about_together() -> None:
    truth = pl.concat([injection.inject(TOWN, seed)[1].with_columns(pl.lit(seed).alias("seed")) for seed in range(8)])
    slot = (pl.col("start").to_physical() // (SLOT // timedelta(microseconds=1))).alias("slot")
    haze = (
        truth.filter(kind="regional")
        .group_by("seed", slot)
        .agg(pl.len(), pl.col("start").max() - pl.col("start").min())
    )
    assert 3 <= haze["len"].mean() <= 3.8  # type: ignore[operator]
    assert haze["start"].max() <= timedelta(hours=injection.LAG + 1)  # type: ignore[operator]
    assert truth.filter(kind="regional")["size"].min() > 0  # type: ignore[operator]
    alone = pl.concat([injection.inject(TOWN.filter(pl.col("station") <= "b"), seed)[1] for seed in range(8)])
    assert "regional" not in alone["kind"]


def test_the_draw_of_a_series_is_its_own() -> None:
    made, truth = injection.inject(TOWN, 3)
    other, second = injection.inject(pl.concat([TOWN, rows("x", parameter="no2")]).reverse(), 3)
    assert second.filter(pl.col("series") != "x/no2").equals(truth)
    assert other.filter(pl.col("series") != "x/no2").equals(made)
    assert not injection.inject(TOWN, 4)[1].equals(truth)


def test_labelled_stretches_gaps_and_still_series_are_left_alone() -> None:
    busy = rows("a", labelled=slice(60 * 24, 200 * 24))
    made, truth = injection.inject(busy, 1)
    real = busy["label"]
    assert made.filter(real)["label"].null_count() == real.sum()
    assert made.filter(real)["value"].equals(busy.filter(real)["value"])
    assert truth.height > 0
    still = TOWN.with_columns(value=pl.lit(1.0))
    assert injection.inject(still, 1)[1].is_empty()
    holes = TOWN.filter(pl.col("time").dt.hour() % 6 == 0, pl.col("time").dt.day() % 2 == 0)
    assert injection.inject(holes, 1)[1].filter(pl.col("kind") == "drift").is_empty()
    assert injection.inject(TOWN.clear(), 1)[1].is_empty()


def test_found_late_and_named() -> None:
    truth = injection.inject(TOWN, 3)[1].filter(kind="offset").head(3)
    first, second, third = truth.iter_rows(named=True)
    said = pl.DataFrame(
        {
            "series": [first["series"], first["series"], second["series"], third["series"]],
            "time": [
                first["start"] + 5 * HOUR,
                first["start"] + 2 * HOUR,
                second["start"] - HOUR,
                third["stop"] + HOUR,
            ],
            "score": [9.0, 1.0, 9.0, 9.0],
            "group": ["event", FAULT, FAULT, FAULT],
        }
    )
    found = injection.found(truth, said)
    assert found["found"].to_list() == [True, False, False]
    assert found["delay"].to_list() == [2.0, None, None]
    assert found["said"].to_list() == [FAULT, None, None]
    assert injection.found(truth, said, grace=2 * HOUR)["found"].to_list() == [True, False, True]
    assert injection.found(truth, said.drop("group"), line=5)["delay"].to_list() == [5.0, None, None]
