"""What neighbours say of twelve stations of Beijing, 2013 to 2016, and of 502 cheap sensors of Taiwan, March 2017.

`python -m tests.published.neighbours_report` prints the figures. The sets are not part of the repository:
`../shared/data`. Nobody has judged them: the figures say how much the pass speaks, and the fireworks of New Year's Eve
that it hears events. The stations are CNEMC's 1001A to 1012A, whose list has their places.
"""

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from analytics import ingest, parameters, quality
from analytics.frames import OBSERVATIONS, SERIES, TIME, conform
from analytics.quality import BITS
from analytics.store.registry import Channel

DATA = Path(__file__).parents[3] / "shared" / "data"
PARAMETERS = parameters.load()
HELD = [name for name, parameter in PARAMETERS.items() if "neighbours" in parameter.quality]
STATIONS = {
    **{"Wanshouxigong": "1001A", "Dingling": "1002A", "Dongsi": "1003A", "Tiantan": "1004A", "Nongzhanguan": "1005A"},
    **{"Guanyuan": "1006A", "Wanliu": "1007A", "Shunyi": "1008A", "Huairou": "1009A", "Changping": "1010A"},
    **{"Aotizhongxin": "1011A", "Gucheng": "1012A"},
}
#: Evening and night of the fireworks, local time.
EVES = [
    (datetime.fromisoformat(f"{day}T18:00+08:00"), datetime.fromisoformat(f"{day}T18:00+08:00") + timedelta(hours=12))
    for day in ("2014-01-30", "2015-02-18", "2016-02-07")
]
STEPS = BITS["spike"] | BITS["rate"]

Set = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def beijing(names: list[str]) -> Set:
    """Readings, series and places of the twelve stations, of the parameters `names`, by our own reader."""
    cells = pl.concat(
        batch.cells
        for path in sorted((DATA / "beijing-prsa").glob("*.csv.gz"))
        for batch in ingest.read(ingest.Source(path), "beijing-prsa")
    ).filter(pl.col("channel").is_in([str(Channel(name)) for name in names]))
    known = pl.read_csv(DATA / "cnemc-2019" / "station_list.csv", null_values="-")
    known.columns = ["code", "name", "city", "longitude", "latitude"]
    codes = pl.DataFrame(list(STATIONS.items()), schema=["title", "code"], orient="row").with_row_index("station")
    return _numbered(cells, codes.join(known.select("code", "longitude", "latitude"), on="code"))


def taiwan() -> Set:
    """The same of the AirBox sensors: hourly PM2.5."""
    wide = pl.read_parquet(DATA / "taiwan-pm25" / "airbox_516_march2017.parquet")
    cells = (
        wide.unpivot(index="ts", variable_name="title")
        .drop_nulls()
        .select(station="title", channel=pl.lit("pm25"), time=pl.col("ts").dt.replace_time_zone("UTC"), value="value")
    )
    where = pl.read_csv(DATA / "taiwan-pm25" / "airbox_locations.csv").rename({"box": "title"})
    return _numbered(cells, where.with_row_index("station"))


def _numbered(cells: pl.DataFrame, places: pl.DataFrame) -> Set:
    named = cells.join(places.select("station", "title"), left_on="station", right_on="title", suffix="_number")
    facts = named.select(pl.col("station_number").alias("station"), pl.col("channel").alias("parameter")).unique()
    series = facts.sort("parameter", "station").with_row_index("series", offset=1)
    rows = named.join(series, left_on=["station_number", "channel"], right_on=["station", "parameter"])
    shape = {"position": "", "statistic": "", "cadence": 3600, "offset": 480}
    return (
        conform(rows.with_columns(mark=pl.lit(None), time=pl.col("time").cast(TIME)), OBSERVATIONS),
        conform(series.with_columns(pl.lit(value).alias(name) for name, value in shape.items()), SERIES),
        places,
    )


def judged(found: Set) -> pl.DataFrame:
    """series, time, value, station, parameter, held (whether there are neighbours); code and tests of both passes."""
    readings, series, places = found
    first = quality.flag(readings, series, PARAMETERS)
    voices = series.with_columns(rank=pl.lit(0))
    maps = quality.survey(voices, places.with_columns(pl.col("station").cast(pl.Int32)), PARAMETERS)
    always = maps.with_columns(start=pl.lit(readings["time"].min(), TIME), stop=pl.lit(None, TIME))
    pairs = quality.pairs(always)
    final = quality.compare(readings, readings, first, pairs, series, PARAMETERS)
    many = pairs.group_by("series").len().filter(pl.col("len") >= 3)["series"]
    return (
        readings.join(series.select("series", "station", "parameter"), on="series")
        .join(first, on=["series", "time"], how="left")
        .join(final, on=["series", "time"], how="left", suffix="_final")
        .with_columns(pl.col("tests", "tests_final").fill_null(0), pl.col("code", "code_final").fill_null(1))
        .with_columns(held=pl.col("series").is_in(many.implode()))
    )


def summary(rows: pl.DataFrame) -> dict[str, int]:
    """Readings with neighbours; suspect by them, and of these good before; readings whose step was objected to, and of
    these no longer."""
    held = rows.filter("held")
    apart = held.filter(pl.col("tests_final") & BITS["neighbours"] != 0)
    objected = held.filter(pl.col("tests") & STEPS != 0)
    return {
        "readings": held.height,
        "apart": apart.height,
        "good_before": apart.filter(pl.col("code") == 1).height,
        "objected": objected.height,
        "lifted": objected.filter(pl.col("tests_final") & STEPS == 0).height,
        "good_after": objected.filter(pl.col("code_final") == 1).height,
    }


def eves(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` of the nights of fireworks."""
    return rows.filter(pl.any_horizontal(pl.col("time").is_between(start, stop, closed="left") for start, stop in EVES))


def main() -> None:
    """Prints the figures."""
    rows = judged(beijing(HELD))
    for name in HELD:
        print(f"Beijing {name:<16}", summary(rows.filter(parameter=name)))
    print("Beijing pm25, New Year's Eves", summary(eves(rows.filter(parameter="pm25"))))
    cheap = judged(taiwan())
    print("Taiwan pm25            ", summary(cheap))
    apart = cheap.group_by("series").agg((pl.col("tests_final") & BITS["neighbours"] != 0).mean().alias("share"))
    print("sensors apart in more than 5 % of their hours:", apart.filter(pl.col("share") > 0.05).height)


if __name__ == "__main__":
    main()
