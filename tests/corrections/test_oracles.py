"""Drift corrections that others published, made again: by the pure functions, and through commands and a store."""

from datetime import timedelta
from pathlib import Path

import polars as pl

from tests.commands.terminal import DONE, greenwatch
from tests.conftest import needs_shared
from tests.published import drift_report

FILE = drift_report.LOGAN / "MainStreet2019.csv.gz"


@needs_shared
def test_driftr_all_five_columns_to_the_last_digit_we_keep() -> None:
    found = {(column, formula): row for column, formula, *row in drift_report.driftr().iter_rows()}
    one_point = {key: row for key, row in found.items() if key[1] == "ours"}
    assert set(one_point) == {("SpCond", "ours"), ("Turbidity.", "ours"), ("DO", "ours")}
    then = {key: row for key, row in found.items() if key[1] == "of 2017"}
    assert set(then) == {("pH", "of 2017"), ("Chloride", "of 2017")}
    assert all(rows == equal == 1527 for rows, equal, _ in (one_point | then).values())
    # The formula as the package has it today, which is ours, differs by twice the low point's drift at most.
    assert found["pH", "since 2022, ours"][2] < 2 * 0.01
    assert found["Chloride", "since 2022, ours"][2] < 2 * 1.6


@needs_shared
def test_logan_river_every_row_within_a_correction_but_those_edited_by_hand() -> None:
    covered = {row[0]: row[1:] for row in drift_report.covered().iter_rows()}
    assert covered == {"conductivity": (45, 4), "ph": (45, 5), "dissolved_oxygen": (13, 0)}
    lists = set(drift_report.listed().rows())
    assert all((item.channel, *item.listed, item.gap) in lists for item in drift_report.DRAWN)
    found = drift_report.logan()
    assert (found["rows"].sum(), found["equal"].sum(), found["edited"].sum(), found["other"].sum()) == (
        32245,
        32237,
        8,
        0,
    )


@needs_shared
def test_logan_river_by_the_listed_times_within_a_row_at_either_end() -> None:
    """Where the list names the visit and no more, one step of a quarter of an hour at each end is all that differs."""
    step = timedelta(minutes=15)
    for channel, start, stop, gap, drawn, *_, largest in drift_report.logan().iter_rows():
        length = drift_report.utc(stop) - drift_report.utc(start)
        if drawn in ("", "on rows"):
            assert largest <= 2 * abs(gap) * step / length + drift_report.EQUAL, (channel, start)


@needs_shared
def test_logan_river_through_the_store(dsn: str, tmp_path: Path) -> None:
    """The file in, the corrections from a file, and out again beside what the technicians made of it."""
    lines = ["station,channel,kind,from,to,gap"]
    for item in drift_report.DRAWN:
        start, stop = (drift_report.utc(text).isoformat() for text in item.drawn)
        lines.append(f"MainStreet,{item.channel},drift,{start},{stop},{item.gap}")
    calibrations, out = tmp_path / "calibrations.csv", tmp_path / "out.parquet"
    calibrations.write_text("\n".join(lines) + "\n")
    told = ["--author", "LRO", "--reason", "calibrations of 2019"]
    assert greenwatch("ingest", "--register", FILE, "--dsn", dsn).code == DONE
    done = greenwatch("correct", "file", calibrations, *told, "--json", "--dsn", dsn)
    assert (done.code, done.json["new"]) == (DONE, len(drift_report.DRAWN))
    which = ["--parameter", "ph", "--parameter", "conductivity", "--statistic", "all"]
    assert greenwatch("export", "observations", *which, "--format", "parquet", "-o", out, "--dsn", dsn).code == DONE
    rows = pl.read_parquet(out)
    ours = rows.filter(statistic="").select("parameter", "time", "value", "corrected")
    theirs = rows.filter(statistic="corrected").select("parameter", "time", published="value")
    made = drift_report.compared("drawn").select(pl.col("channel").alias("parameter"), "time", "made", "edited")
    met = ours.join(theirs, on=["parameter", "time"]).join(made, on=["parameter", "time"])
    assert met.height == made.height == 32245
    assert (met["corrected"] == met["made"]).all()  # as the pure function makes it, bit for bit
    apart = (met["corrected"] - met["published"]).abs() > drift_report.EQUAL
    assert (int(apart.sum()), met.filter(apart)["edited"].all()) == (8, True)
    assert (met["value"] != met["corrected"]).sum() > 32000  # and what was received is as it was
