"""Which national sections are lakes: `python -m tests.published.fit_lakes` writes analytics/tables/water_bodies.csv.

Fitted on the published classes of May to August 2020. A row can tell where river and lake limits of phosphorus give
different classes and the published one is one of them; a section is what more of its rows tell. A part of a name stands
for the sections that could not tell where at least TEN sections bear it and all of them are lakes.
"""

import csv
from pathlib import Path

import polars as pl

from tests.published.water_report import FITTED_UNTIL, SECTION, all_of, classes, daily

TABLE = Path(__file__).parents[2] / "analytics" / "tables" / "water_bodies.csv"
SOURCE = "fitted on published classes of 2020-05 to 2020-08"
TEN = 10


def votes() -> pl.DataFrame:
    """province, section, river, lake: how many rows tell each, of the sections where they do not tell the same."""
    rows = daily().filter(pl.col("day") < FITTED_UNTIL)
    found = rows.select(*SECTION, "published", river=classes(rows, all_of(rows, "river"))).with_columns(
        lake=classes(rows, all_of(rows, "lake"))
    )
    told = found.filter(pl.col("river") != pl.col("lake"))
    return (
        told.group_by(SECTION)
        .agg((pl.col("river", "lake") == pl.col("published")).sum())
        .filter(pl.col("river") != pl.col("lake"))
        .sort(SECTION)
    )


def parts(found: pl.DataFrame) -> list[tuple[str, int]]:
    """Two characters that at least TEN of the sections bear, all of them lakes; and how many they are."""
    names = found.select("section", lake=pl.col("lake") > pl.col("river"))
    pairs = pl.concat(
        names.select(pl.col("section").str.slice(k, 2).alias("part"), "section", "lake")
        for k in range(int(names["section"].str.len_chars().max()))  # type: ignore[arg-type]  # a number
    ).filter(pl.col("part").str.len_chars() == 2)
    counted = pairs.unique().group_by("part").agg(pl.len(), pl.col("lake").all())
    return counted.filter("lake", pl.col("len") >= TEN).select("part", "len").sort("part").rows()


def table() -> list[list[str]]:
    """The rows of the table, its header first."""
    found = votes()
    lakes = found.filter(pl.col("lake") > pl.col("river"))
    out = [["province", "section", "part", "water_body", "source", "confidence", "note"]]
    out += [
        [province, section, "", "lake", SOURCE, "found", f"{lake} of {river + lake} rows that can tell"]
        for province, section, river, lake in lakes.iter_rows()
    ]
    note = "{0} of {0} sections with it in their name; for sections that the table does not name"
    out += [["", "", part, "lake", SOURCE, "found", note.format(count)] for part, count in parts(found)]
    return out


if __name__ == "__main__":
    with open(TABLE, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table())
