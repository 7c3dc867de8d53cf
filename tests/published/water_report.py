"""Our class of the national water sections against the published one, and the reason of each difference.

`python -m tests.published.water_report` prints the tables. The sets are not part of the repository: `../shared/data`.
Every row is judged by itself, as a station of its own: many sections have a time twice, with different values.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from analytics import assessment, standards
from analytics.frames import TIME

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "china-water-sections"
NAMES = {"ph": "ph", "do_mgl": "dissolved_oxygen", "codmn_mgl": "codmn", "nh3n_mgl": "nh3n", "tp_mgl": "tp"}
GRADES = {"Ⅰ": 1, "Ⅱ": 2, "Ⅲ": 3, "Ⅳ": 4, "Ⅴ": 5, "劣Ⅴ": 6}
SECTION = ["province", "section"]
#: Last digit of the values of 2021; those of 2020 are as the analyser gave them.
DIGIT = {"ph": 0.01, "do_mgl": 0.01, "codmn_mgl": 0.01, "nh3n_mgl": 0.001, "tp_mgl": 0.001}
#: The table of lakes is fitted on the days before; the rest of 2020 was not looked at.
FITTED_UNTIL = date(2020, 9, 1)
STANDARDS = standards.load()


def daily() -> pl.DataFrame:
    """Rows of 2020 that have a class: SECTION, the values, row, published, complete, day, moment."""
    return _prepared(pl.read_parquet(FOLDER / "sections_daily_2020-05_2020-12.parquet"), pl.col("file_date"))


def four_hourly() -> pl.DataFrame:
    """Rows of April 2021 that have a class, exact duplicates among them."""
    day = pl.coalesce(pl.col("ts_local").dt.date(), date(2021, 4, 1))
    return _prepared(pl.read_parquet(FOLDER / "sections_4hourly_2021-04-01_05.parquet"), day)


def _prepared(frame: pl.DataFrame, day: pl.Expr) -> pl.DataFrame:
    published = pl.col("water_class").replace_strict(GRADES, default=None, return_dtype=pl.Int16)
    return (
        frame.with_columns(
            published=published,
            complete=pl.all_horizontal(pl.col(list(NAMES)).is_not_null()),
            day=day,
            moment="ts_local",
        )
        .filter(pl.col("published").is_not_null())
        .with_row_index("row")
        .select("row", *SECTION, *NAMES, "published", "complete", "day", "moment")
    )


def classes(
    rows: pl.DataFrame, bodies: pl.Series, shift: float = 0.0, rules: standards.Standards = STANDARDS
) -> pl.Series:
    """Our class of each row, each of the water body that `bodies` has; null where no indicator is there.

    `shift` moves every value by that many of its last digits, up in concentration and down in oxygen.
    """
    moved = [pl.col(name) + (-shift if name == "do_mgl" else shift) * DIGIT[name] for name in NAMES]
    long = (
        rows.select("row", "day", *moved)
        .unpivot(on=list(NAMES), index=["row", "day"], variable_name="parameter")
        .select(
            pl.col("row").cast(pl.Int32).alias("station"),
            pl.col("parameter").replace_strict(NAMES),
            pl.lit("hour").alias("averaging"),
            pl.col("day").cast(TIME).alias("time"),
            "value",
        )
    )
    place = pl.struct(place=pl.lit("water_body:") + bodies, since=pl.lit(None, pl.Date), until=pl.lit(None, pl.Date))
    stations = rows.select(
        pl.col("row").cast(pl.Int32).alias("station"),
        pl.lit(480).alias("offset"),
        pl.concat_list(place).alias("places"),
    )
    made = assessment.assess(long, stations, rules).select("station", "class")
    found = rows.select(station=pl.col("row").cast(pl.Int32)).join(
        made, on="station", how="left", maintain_order="left"
    )
    return found["class"]


def bodies_of(rows: pl.DataFrame) -> pl.Series:
    """The water body of each row by the package table."""
    return pl.Series([standards.water_body(*section) for section in rows.select(SECTION).iter_rows()], dtype=pl.String)


def all_of(rows: pl.DataFrame, body: str) -> pl.Series:
    """One water body for every row."""
    return pl.Series([body] * rows.height, dtype=pl.String)


def reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """`complete`, `reason` of each row: equal, or why our class is not the published one."""
    bodies = bodies_of(rows)
    judged = rows.with_columns(
        ours=classes(rows, bodies),
        river=classes(rows, all_of(rows, "river")),
        lake=classes(rows, all_of(rows, "lake")),
        better=classes(rows, bodies, -0.5),
        worse=classes(rows, bodies, 0.5),
    )
    times = judged.sort("moment").group_by(*SECTION, "moment", maintain_order=True).agg(ours=pl.col("ours").unique())
    step = timedelta(hours=4)
    before, after = (
        times.with_columns(pl.col("moment") + shift).rename({"ours": name})
        for shift, name in ((step, "before"), (-step, "after"))
    )
    judged = judged.join(before, on=[*SECTION, "moment"], how="left").join(after, on=[*SECTION, "moment"], how="left")
    published = pl.col("published")
    printed = pl.lit(rows["day"].min() >= date(2021, 1, 1))  # type: ignore[operator]  # a date
    reason = (
        pl.when(pl.col("ours") == published)
        .then(pl.lit("equal"))
        .when(pl.col("lake") == published)
        .then(pl.lit("a lake that the table does not name"))
        .when(pl.col("river") == published)
        .then(pl.lit("named a lake, judged as a river"))
        .when(printed & published.is_between("better", "worse"))
        .then(pl.lit("a value printed on or beside a limit, judged unrounded"))
        .when(published.is_in(pl.col("before").fill_null([])))
        .then(pl.lit("the class of the reading four hours before"))
        .when(published.is_in(pl.col("after").fill_null([])))
        .then(pl.lit("the class of the reading four hours after"))
        .otherwise(pl.lit("not explained"))
    )
    return judged.select("complete", reason=reason)


def sets() -> dict[str, pl.DataFrame]:
    """The rows that were fitted, and those that were not."""
    year, april = daily(), four_hourly()
    fitted = pl.col("day") < FITTED_UNTIL
    return {
        "2020-05..08 daily (fitted)": year.filter(fitted),
        "2020-09..12 daily": year.filter(~fitted),
        "2021-04 4-hourly": april,
        "2021-04 4-hourly, each row once": april.unique([*SECTION, *NAMES, "moment"], maintain_order=True),
    }


def agreement() -> pl.DataFrame:
    """set, complete, reason, rows, share."""
    parts = []
    for name, rows in sets().items():
        found = reasons(rows).group_by("complete", "reason").len("rows")
        share = (pl.col("rows") / pl.col("rows").sum().over("complete")).round(5)
        parts.append(found.select(pl.lit(name).alias("set"), "complete", "reason", "rows", share=share))
    return pl.concat(parts).sort("set", "complete", "rows", descending=[False, True, True])


def bodies() -> pl.DataFrame:
    """How far the complete rows of each set agree with river limits alone, the named sections, and the whole table."""
    out = []
    for name, rows in sets().items():
        rows = rows.filter("complete")
        table = bodies_of(rows)
        named = pl.Series(
            [standards.water_body(p, s, parts=False) for p, s in rows.select(SECTION).iter_rows()], dtype=pl.String
        )
        ways = {"river limits everywhere": all_of(rows, "river"), "sections of the table": named, "whole table": table}
        equal = {way: (classes(rows, body) == rows["published"]).mean() for way, body in ways.items()}
        out.append({"set": name, "rows": rows.height, **equal})
    return pl.DataFrame(out).with_columns(pl.selectors.float().round(5))


#: Ways to round before judging: not at all; to what the platform prints; to the last digit of the limits.
DECIMALS: Mapping[str, Mapping[str, int]] = {
    "unrounded": {},
    "as printed": {"ph": 2, "dissolved_oxygen": 2, "codmn": 2, "nh3n": 3, "tp": 3},
    "as the limits": {"ph": 0, "dissolved_oxygen": 1, "codmn": 1, "nh3n": 2, "tp": 2},
}


def rounding() -> pl.DataFrame:
    """How far the complete rows of 2020, which are as the analyser gave them, agree by the way of rounding."""
    rows = daily().filter("complete")
    out = []
    for way, digits in DECIMALS.items():
        decimals = pl.col("parameter").replace_strict(digits, default=None, return_dtype=pl.Int64)
        rules = replace(STANDARDS, indicators=STANDARDS.indicators.with_columns(decimals=decimals))
        equal = classes(rows, bodies_of(rows), rules=rules) == rows["published"]
        out.append({"rounding": way, "rows": rows.height, "equal": equal.mean()})
    return pl.DataFrame(out).with_columns(pl.col("equal").round(5))


if __name__ == "__main__":
    with pl.Config(tbl_rows=100, fmt_str_lengths=80, tbl_hide_dataframe_shape=True, tbl_width_chars=160):
        print(bodies(), rounding(), agreement(), sep="\n")
