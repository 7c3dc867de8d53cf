"""Noise: hours and published days of Whidbey Island, seconds, minutes and bands of Montreal."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics.ingest import Source, UnreadableSource, noise_montreal, read, recognise
from tests.conftest import needs_shared
from tests.ingest.reading import ALL, DATA, Write, held, parquet, together, whole

MONTREAL, WHIDBEY = DATA / "noise-montreal", DATA / "noise-whidbey"
LEVELS = b"datetime,LEQ dB -A\n2025-03-22 00:00:30,50\n"


@pytest.mark.parametrize(
    ("name", "step", "before"),
    [
        ("test_data_laeq1s.csv.gz", 1, 0),
        ("laeq1m.csv", 60, 30),
        ("LAeq5m-north.csv", 300, 0),
        ("LAeq1m", 60, 30),
        ("levels.csv", None, 0),
        ("laeq1min.csv", None, 0),
        ("laeq0s.csv", None, 0),
    ],
)
def test_the_step_is_what_the_name_of_the_file_says(name: str, step: int | None, before: int) -> None:
    found = whole(held(LEVELS, path=Path(name)), "noise-montreal")
    facts: dict[str, Any] = {"title": "noise monitor, Montreal", "utc_offset": -240}
    assert found.stations == {"montreal-laeq": facts if step is None else {**facts, "cadence": step}}
    assert found.cells["time"].to_list() == [datetime(2025, 3, 22, 4, 0, 30 - before, tzinfo=UTC)]


def test_a_minute_has_two_halves_wherever_the_file_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"10/20/2021 0:{minute:02},{minute},{row}" for minute in range(3) for row in range(3)]
    content = ("datetime,50,100\n" + "\n".join(rows) + "\n").encode()
    once = whole(held(content), "noise-montreal")
    start = datetime(2021, 10, 20, 4, tzinfo=UTC)
    halves = [(start + timedelta(seconds=30 * number), float(number % 2)) for number in range(6)]
    assert once.cells.filter(channel="band_level@100").select("time", "value").rows() == halves
    assert once.rejects["reason"].to_list() == ["more than two readings in a minute"] * 6
    for most in (1, 2, 4):
        monkeypatch.setattr(noise_montreal, "parts", lambda table, cells, most=most: table.parts(most))
        cut = together(list(noise_montreal.read(held(content))))
        assert cut.cells.equals(once.cells)
        assert cut.rejects.equals(once.rejects)


def test_seconds_of_a_table_are_times_or_dates(on_disk: Write) -> None:
    naive = pl.DataFrame({"datetime": [datetime(2022, 8, 10)], "laeq_5s": pl.Series([45.33], dtype=pl.Float32)})  # noqa: DTZ001
    for frame in (naive, naive.cast({"datetime": pl.Date}), naive.cast({"datetime": pl.Datetime("ns")})):
        source = on_disk(parquet(frame))
        assert recognise(source) == "noise-montreal"
        found = whole(source, "noise-montreal")
        assert found.cells.select("time", "value").rows() == [(datetime(2022, 8, 10, 4, tzinfo=UTC), 45.33)]
        assert found.stations["montreal-laeq-5s"]["cadence"] == 5
    with pytest.raises(UnreadableSource, match="column datetime holds"):
        whole(on_disk(parquet(naive.with_columns(datetime=pl.lit(1)))), "noise-montreal")


@pytest.mark.parametrize("header", ["datetime,50", "datetime,50,50", "datetime,50,A", "time,50,100", "datetime,0,5"])
def test_other_columns_are_no_bands(header: str) -> None:
    with pytest.raises(UnreadableSource):
        whole(held(header.encode() + b"\n"), "noise-montreal")


def test_a_day_has_its_hours_at_the_clock_of_the_meter() -> None:
    cells = whole(Source(ALL["noise-whidbey"].path), "noise-whidbey").cells
    hours = cells.filter(channel="laeq").sort("time")
    assert hours["value"].to_list() == [40 + hour / 2 for hour in range(24)]
    assert hours["time"][0] == datetime(2021, 6, 6, 8, tzinfo=UTC)
    assert hours["time"].diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]
    assert cells.filter(pl.col("channel") != "laeq")["time"].unique().to_list() == [hours["time"][0]]


@needs_shared
def test_the_minutes_of_montreal_are_the_energy_means_of_its_seconds() -> None:
    seconds, minutes = (whole(Source(MONTREAL / f"test_data_laeq1{unit}.csv.gz"), "noise-montreal") for unit in "sm")
    assert (seconds.cells.height, minutes.cells.height) == (seconds.read, minutes.read) == (86_401, 16_470)
    energy = (10 ** (pl.col("value") / 10)).mean()
    means = seconds.cells.group_by(pl.col("time").dt.truncate("1m")).agg((energy.log10() * 10).alias("mean"), pl.len())
    both = means.filter(pl.col("len") == 60).join(minutes.cells, on="time")
    assert both.height == 1440
    assert both.select((pl.col("mean") - pl.col("value")).abs().max()).item() < 1e-9


@needs_shared
@pytest.mark.parametrize(
    ("name", "rows", "columns", "missing"),
    [("laeq_5s_2022-08-10_16.parquet", 120_960, 1, 1440), ("test_data_freq.csv.gz", 23_697, 9, 981)],
)
def test_the_other_files_of_montreal_add_up(name: str, rows: int, columns: int, missing: int) -> None:
    found = whole(Source(MONTREAL / name), "noise-montreal")
    assert (found.read, found.missing, found.rejects.height) == (rows * columns, missing, 0)
    assert not found.cells.select("channel", "time").is_duplicated().any()


@needs_shared
@pytest.mark.parametrize(("org", "days", "stations"), [("NAVY", 306, 11), ("JGL", 12, 7)])
def test_the_days_of_whidbey_add_up(org: str, days: int, stations: int) -> None:
    source = Source(WHIDBEY / f"cumulative_{org}.csv.gz")
    batches = list(read(source, recognise(source)))
    found = together(batches)
    assert (found.read, found.rejects.height) == (days * 39, 0)
    assert len(found.stations) == stations
    assert not found.cells.select("station", "channel", "time").is_duplicated().any()


@needs_shared
def test_lden_of_the_hours_is_what_was_published() -> None:
    cells = whole(Source(WHIDBEY / "cumulative_NAVY.csv.gz"), "noise-whidbey").cells
    local = cells.with_columns(at=pl.col("time") - pl.duration(hours=8))
    hour = pl.col("at").dt.hour()
    penalty = pl.when(hour.is_between(7, 18)).then(0).when(hour.is_between(19, 21)).then(5).otherwise(10)
    level = (10 ** ((pl.col("value") + penalty) / 10)).mean().log10() * 10
    hours = (
        local.filter(channel="laeq").group_by("station", pl.col("at").dt.date().alias("day")).agg(pl.len(), lden=level)
    )
    published = local.filter(channel="laeq:lden").select("station", "value", day=pl.col("at").dt.date())
    both = hours.filter(pl.col("len") == 24).join(published, on=["station", "day"])
    assert both.height == 305
    assert both.select((pl.col("lden") - pl.col("value")).abs().max()).item() < 0.01
