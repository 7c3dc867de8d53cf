"""Episodes of kinds that the made-up district has: how many of each are found, and what else is taken for one.

    python -m tests.published.kinds_report [--seeds N ...]

Half a year of hourly means a seed, as they were measured: faults are in them, quality control is not. Of what arrives
down the river or down the wind at another station most is too thin to be one by the definition of its rule: it is asked
for from `least` on, in the unit of the truth. False is an episode where nothing of its kind went on at its station.
"""

import argparse
from datetime import timedelta
from typing import NamedTuple

import polars as pl

from analytics import episodes, regions, standards
from analytics.frames import TIME
from analytics.synthetic import District
from analytics.synthetic.layout import sites
from tests.published.injected_report import START, STOP

HOUR = timedelta(hours=1)
#: Of a degree, at 40 degrees north [km].
WEST, NORTH = 85.0, 111.0
#: The series of several depths that speaks.
UPPER = "soil_moisture@-0.1"


class Asked(NamedTuple):
    """A kind of the truth, the rule that is to find it, and from which magnitude on it is one."""

    kind: str
    rule: str
    least: float = 0.0


KINDS = (
    Asked("local_source", "pm25_local", 40),
    Asked("black_odour", "black_odour", 8),
    Asked("ammonia_pulse", "ammonia_pulse", 2),
    Asked("oxygen_sag", "oxygen_sag"),
    Asked("dry_down", "soil_dry_down"),
    Asked("over_watering", "soil_saturation"),
)


class Told(NamedTuple):
    """`hours` (station, parameter, averaging, time, value), `stations` as `episodes.conditions` takes them and `code`,
    and what is true."""

    hours: pl.DataFrame
    stations: pl.DataFrame
    truth: pl.DataFrame


def tell(seed: int) -> Told:
    """Half a year of the district of that seed."""
    made = District(seed)
    rows = pl.concat([made.readings(START, STOP, cadence) for cadence in (600, 14_400)])
    known = [(site.code, 116 + site.x / WEST, 40 + site.y / NORTH) for site in sites()]
    stations = pl.DataFrame(known, schema=["code", "longitude", "latitude"], orient="row").with_row_index("station")
    stations = stations.with_columns(
        pl.col("station").cast(pl.Int32),
        pl.lit(480, pl.Int16).alias("offset"),
        pl.lit([], standards.PLACES).alias("places"),
    )
    name = pl.col("parameter").cast(pl.String)
    means = (
        rows.filter(~name.str.starts_with("soil_moisture") | (name == UPPER))
        .rename({"station": "code"})
        .join(stations, on="code")
        .group_by("station", name.str.split("@").list.first(), pl.col("time").dt.truncate("1h").cast(TIME))
        .agg(pl.col("value").mean())
    )
    fine = means.filter(parameter="pm25")
    near = regions.near(stations.join(fine, on="station", how="semi"), 25)
    around = regions.background(fine, near)
    said = means.with_columns(averaging=pl.lit("hour")).select(around.columns)
    return Told(pl.concat([said, around]), stations, made.truth(START, STOP))


def found(told: Told, asked: Asked) -> tuple[int, int, int]:
    """How many of the kind were found, of how many, and how many episodes were none."""
    rule = {asked.rule: episodes.load()[asked.rule]}
    made = episodes.runs(episodes.conditions(told.hours, told.stations, rule)).with_row_index("episode")
    true = told.truth.filter(kind=asked.kind).with_row_index("number").rename({"station": "code"})
    meets = (
        made.select("episode", "station", "time", since="stop")
        .join(true.join(told.stations, on="code"), on="station")
        .filter(pl.col("time") < pl.col("stop") + HOUR, pl.col("since") > pl.col("start"))
    )
    wanted = true.filter(pl.col("magnitude") >= asked.least)
    hit = wanted.join(meets, on="number", how="semi").height
    return hit, wanted.height, made.height - meets["episode"].n_unique()


def main() -> None:
    """Print a line a kind, of all seeds together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 11])
    total = dict.fromkeys(KINDS, (0, 0, 0))
    for seed in parser.parse_args().seeds:
        told = tell(seed)
        for asked in KINDS:
            now = found(told, asked)
            total[asked] = (total[asked][0] + now[0], total[asked][1] + now[1], total[asked][2] + now[2])
    for asked, (hit, of, others) in total.items():
        words = f"{hit:>3} of {of:>3} found, {others:>3} episodes where there is none"
        print(f"{asked.kind:<14} by {asked.rule:<16} {words}")


if __name__ == "__main__":
    main()
