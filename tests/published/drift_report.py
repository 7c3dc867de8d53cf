"""Drift between two calibrations as we take it out, against what two published sets made of it.

`python -m tests.published.drift_report` prints the tables. The sets are not part of the repository: `../shared/data`.

driftR: all five corrected columns. Those of two points are of the package before 2022-07-22 (commit 36f4668), which let
the low point drift the other way: reading and standard of the low point are mirrored to meet them, and the difference
to the formula as it is since then, which is ours, stands beside.

Logan River: of the 103 corrections of Main Street 9 lie where a file has both the raw value and the technician's, all
of them in 2019; of 2014 to 2018 there is no such file, and of dissolved oxygen none in 2019. The times of the lists are
those of visits. The corrections were drawn from a row to a row: the first one after a visit, and the last one before
the next, or the one at it. `DRAWN` has them; with them every row that was not edited by hand agrees to the last digit
we keep.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from analytics import corrections
from analytics.frames import CORRECTIONS, OBSERVATIONS, TIME
from tests.conftest import SHARED

DRIFTR, LOGAN = SHARED / "data" / "driftr-sonde", SHARED / "data" / "logan-river"
#: Largest difference of two values that are equal: half of what a corrected value is rounded to, and a last bit.
EQUAL = 5.1e-7
INSTANT = timedelta(microseconds=1)
#: Column -> (column of the correction, what it was corrected by).
POINTS: Mapping[str, tuple[str, dict[str, float]]] = {
    "SpCond": ("SpCond_Corr", {"standard": 1.0, "reading": 1.07}),
    "Turbidity.": ("Turbidity_Corr", {"standard": 0.0, "reading": 1.3}),
    "DO": ("DO_Corr", {"standard": 99.0, "reading": 97.6}),
    "pH": ("pH_Corr", {"low_standard": 7.0, "low_reading": 7.01, "high_standard": 10.0, "high_reading": 11.8}),
    "Chloride": (
        "Chloride_Corr",
        {"low_standard": 10.0, "low_reading": 11.6, "high_standard": 1000.0, "high_reading": 1411.0},
    ),
}


class Drawn(NamedTuple):
    """A correction of Logan River: as listed, and from which row to which it was drawn, by the station's clock."""

    channel: str
    listed: tuple[str, str]
    drawn: tuple[str, str]
    gap: float
    why: str = ""


_ROWS = "on rows"
DRAWN = (
    Drawn(
        "conductivity", ("2018-12-12 16:15", "2019-04-25 15:15"), ("2018-12-12 16:30", "2019-04-25 15:15"), 3.6, _ROWS
    ),
    Drawn(
        "conductivity", ("2019-04-25 15:15", "2019-05-30 14:15"), ("2019-04-25 15:30", "2019-05-30 14:15"), 5.0, _ROWS
    ),
    Drawn(
        "conductivity",
        ("2019-05-30 14:15", "2019-06-28 17:00"),
        ("2019-05-30 14:30", "2019-06-28 13:15"),
        1.8,
        "ends with the visit that the list of pH has",
    ),
    Drawn(
        "conductivity", ("2019-09-23 13:45", "2019-10-24 12:45"), ("2019-09-23 14:00", "2019-10-24 12:30"), -5.0, _ROWS
    ),
    Drawn(
        "ph",
        ("2018-12-12 00:00", "2019-01-08 15:30"),
        ("2018-12-12 14:00", "2019-01-08 15:30"),
        0.07,
        "begins with the visit that ends the line before; 00:00 stands for a day",
    ),
    Drawn("ph", ("2019-04-25 17:15", "2019-06-28 13:15"), ("2019-04-25 17:30", "2019-06-28 13:15"), -0.2, _ROWS),
    Drawn("ph", ("2019-06-28 13:15", "2019-07-31 13:00"), ("2019-06-28 13:30", "2019-07-31 13:00"), -0.19, _ROWS),
    Drawn("ph", ("2019-07-31 13:15", "2019-08-15 14:45"), ("2019-07-31 13:15", "2019-08-15 14:45"), 0.19),
    Drawn("ph", ("2019-08-20 14:15", "2019-09-23 12:45"), ("2019-08-20 14:15", "2019-09-23 12:30"), -0.2, _ROWS),
)
#: Channel -> its columns in the files of Logan River.
COLUMNS = {"conductivity": "cond", "ph": "ph", "dissolved_oxygen": "do"}
#: Their clock is seven hours behind UTC.
OFFSET = "-07:00"


def sonde() -> pl.DataFrame:
    """driftR's file: its columns, and `time`."""
    stamp = pl.col("dateTime").str.to_datetime("%m/%d/%Y %H:%M:%S", time_zone="UTC", time_unit="us")
    return pl.read_csv(DRIFTR / "sondeClean.csv").with_columns(time=stamp)


def corrected(rows: pl.DataFrame, column: str, given: Mapping[str, float]) -> pl.Series:
    """`column` of `rows` (by time) without the drift between the first row and the last."""
    values = rows.select(pl.lit(1, pl.Int32).alias("series"), "time", pl.col(column).alias("value").cast(pl.Float64))
    readings = values.with_columns(mark=pl.lit(None, pl.Int16)).select(*OBSERVATIONS)
    start, stop = rows["time"][0], rows["time"][-1] + INSTANT
    text = str(corrections.check("drift", given)).replace("'", '"')
    layer = pl.DataFrame([(1, 1, "drift", start, stop, text, None)], schema=dict(CORRECTIONS), orient="row")
    return corrections.apply(readings, layer).sort("time")["value"]


def mirrored(given: Mapping[str, float]) -> dict[str, float]:
    """`given`, the low point drifting the other way: as driftR had it before 2022-07-22."""
    if "low_standard" not in given:
        return dict(given)
    return {**given, "low_reading": 2 * given["low_standard"] - given["low_reading"]}


def driftr() -> pl.DataFrame:
    """column, formula, rows, equal: how many are; largest: the largest difference. One point has one formula."""
    rows, out = sonde(), []
    for column, (published, given) in POINTS.items():
        formulas = {"of 2017": mirrored(given), "since 2022, ours": given}
        for formula, numbers in formulas.items() if formulas["of 2017"] != given else [("ours", given)]:
            difference = (corrected(rows, column, numbers) - rows[published]).abs()
            out.append((column, formula, rows.height, int((difference <= EQUAL).sum()), difference.max()))
    return pl.DataFrame(out, schema=["column", "formula", "rows", "equal", "largest"], orient="row")


def listed() -> pl.DataFrame:
    """channel, start, stop (text), gap: every correction of the three lists."""
    parts = []
    for channel, column in COLUMNS.items():
        part = pl.read_csv(LOGAN / f"MainStreet_{column}_calib_dates.csv", skip_rows=1, infer_schema=False)
        parts.append(
            part.select(pl.lit(channel).alias("channel"), start="start", stop="end", gap=pl.col("gap").cast(pl.Float64))
        )
    return pl.concat(parts)


def main_street() -> pl.DataFrame:
    """The file of 2019: time (UTC), and of each channel raw, `<channel>_cor`, `<channel>_qual`."""
    rows = pl.read_csv(LOGAN / "MainStreet2019.csv.gz", infer_schema=False, null_values=["NULL", "", "-9999"])
    stamp = pl.col("datetime").str.to_datetime("%Y-%m-%d %H:%M", time_unit="us") + timedelta(hours=7)
    names = {
        f"{column}{end}": f"{channel}{end}" for channel, column in COLUMNS.items() for end in ("", "_cor", "_qual")
    }
    return rows.select(
        stamp.dt.replace_time_zone("UTC").cast(TIME).alias("time"),
        *(pl.col(name).cast(pl.Float64).alias(new) for name, new in names.items()),
    )


def utc(text: str) -> datetime:
    """The time that a clock of Logan River shows as `text`."""
    return datetime.fromisoformat(f"{text}{OFFSET}")


def layers(times: str) -> pl.DataFrame:
    """`frames.CORRECTIONS` of DRAWN, by their `listed` or `drawn` times; `series` is the place of the channel."""
    rows = []
    for number, item in enumerate(DRAWN, start=1):
        start, stop = getattr(item, times)
        series = list(COLUMNS).index(item.channel)
        rows.append((number, series, "drift", utc(start), utc(stop) + INSTANT, f'{{"gap": {item.gap}}}', None))
    return pl.DataFrame(rows, schema=dict(CORRECTIONS), orient="row")


def compared(times: str) -> pl.DataFrame:
    """channel, number (of the correction), time, made, published, edited: a row a value within a correction, both ends
    of it left to the visits."""
    street, over = main_street(), layers(times)
    parts = []
    for series, channel in enumerate(COLUMNS):
        mine = street.select(
            "time", value=channel, published=f"{channel}_cor", edited=pl.col(f"{channel}_qual").is_not_null()
        ).drop_nulls(["value", "published"])
        readings = mine.select(pl.lit(series, pl.Int32).alias("series"), "time", "value", mark=pl.lit(None, pl.Int16))
        made = corrections.apply(readings, over.filter(series=series)).select("time", made="value")
        parts.append(mine.join(made, on="time").with_columns(channel=pl.lit(channel)))
    rows = pl.concat(parts)
    spans = pl.DataFrame(
        [(number, item.channel, *map(utc, item.drawn)) for number, item in enumerate(DRAWN, start=1)],
        schema={"number": pl.Int64, "channel": pl.String, "start": TIME, "stop": TIME},
        orient="row",
    )
    inside = rows.join(spans, on="channel").filter(pl.col("time") > pl.col("start"), pl.col("time") < pl.col("stop"))
    return inside.select("channel", "number", "time", "made", "published", "edited")


def logan() -> pl.DataFrame:
    """A row a correction: rows, equal on rows, edited by hand, other; largest difference by the listed times."""
    on_rows, as_listed = compared("drawn"), compared("listed")
    difference = (pl.col("made") - pl.col("published")).abs()
    equal = difference <= EQUAL
    table = on_rows.group_by("number").agg(
        pl.len().alias("rows"),
        equal.sum().alias("equal"),
        (~equal & pl.col("edited")).sum().alias("edited"),
        (~equal & ~pl.col("edited")).sum().alias("other"),
    )
    plain = as_listed.filter(~pl.col("edited")).group_by("number").agg(difference.max().alias("largest_as_listed"))
    facts = pl.DataFrame(
        [(n, i.channel, *i.listed, i.gap, i.why) for n, i in enumerate(DRAWN, start=1)],
        schema=["number", "channel", "start", "stop", "gap", "drawn"],
        orient="row",
    )
    return facts.join(table, on="number").join(plain, on="number").sort("number").drop("number")


def covered() -> pl.DataFrame:
    """channel, listed, compared: how many corrections the lists have, and how many of them a file covers."""
    counts = listed().group_by("channel", maintain_order=True).len("listed")
    mine = pl.DataFrame({"channel": [item.channel for item in DRAWN]}).group_by("channel").len("compared")
    return counts.join(mine, on="channel", how="left").with_columns(pl.col("compared").fill_null(0))


if __name__ == "__main__":
    with pl.Config(tbl_rows=50, fmt_str_lengths=80, tbl_hide_dataframe_shape=True, tbl_width_chars=200, tbl_cols=20):
        print(driftr(), covered(), logan(), sep="\n")
