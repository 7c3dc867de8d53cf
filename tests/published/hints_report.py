"""Hints of sources on two published sets whose sources are known: what is said of them, and what we find.

`python -m tests.published.hints_report` prints the tables. The sets are not part of the repository: `../shared/data`.

`openair-mydata`, Marylebone Road, London: openair's manual shows and says which winds bring what (the openair book,
chapters on polar plots, percentile roses and polar frequencies). `OPENAIR` has the sentences, as sectors.

`smell-pittsburgh`: hydrogen sulphide and sulphur dioxide at Liberty come from the coke works of Clairton, sulphur
dioxide at North Braddock from the steel works Edgar Thomson. Their places are those of Wikipedia and Wikimapia, a point
each, though the first lies along 3 km of the river. A sector points at a source where it is no more than `ASIDE` off
its bearing. Each half of the time by itself, too. Citizens' reports (rated 3 and more) stand beside the gas; nothing
is read of them but the time.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

import polars as pl

from analytics.frames import TIME, conform
from analytics.hints import candidates, odours, signature, winds
from analytics.hints.candidates import ASIDE, EMITTERS, PLACES
from analytics.hints.winds import FROM, ROWS, STILL
from tests.conftest import SHARED

LONDON, PITTSBURGH = SHARED / "data" / "openair-mydata", SHARED / "data" / "smell-pittsburgh"
MILES = 0.44704
HALF = timedelta(minutes=30)
#: Local time of most of the year there [min]: summer time is not looked at.
PITTSBURGH_OFFSET = -240


class Said(NamedTuple):
    """A sentence of openair's manual: from `first` to `last` [°, clockwise] the top of the `measure` of `gas` lies,
    above the percentile `high`, of cells those with a speed of `fastest` [m/s] or more only."""

    words: str
    gas: str
    measure: str
    first: int
    last: int
    high: float = 95.0
    upto: float = 100.0
    fastest: float = 0.0


#: A point of the compass is 45° to both sides.
EAST, SOUTH_WEST, NORTH = (45, 135), (180, 270), (315, 45)
OPENAIR = (
    Said("high SO2 dominated by easterly winds (CPF, 95th)", "so2", "probability", *EAST),
    Said("highest NOx totally dominated by south/south-westerly winds", "nox", "probability", 135, 270),
    Said("and so is highest CO", "co", "probability", 135, 270),
    Said("mean NOx totally dominated by south-westerly winds", "nox", "share", *SOUTH_WEST),
    Said("mean SO2 dominated by south-westerly winds", "so2", "share", *SOUTH_WEST),
    Said("higher O3 for northerly winds", "o3", "mean", *NORTH),
    Said("high SO2 with high speeds from the east (polar plot)", "so2", "mean", *EAST, fastest=8.0),
    Said("SO2 clearly higher to the east (bivariate, 90th)", "so2", "probability", *EAST, high=90, fastest=1.0),
    Said("the road's SO2 to the south-west, 60th to 90th", "so2", "probability", *SOUTH_WEST, 60, 90, 1.0),
    Said("the stacks' SO2 to the east, 90th to 100th", "so2", "probability", *EAST, high=90, fastest=1.0),
)
#: "Two potential sources of SO2" to the east above the 90th percentile; above the 95th the one at the higher speed is
#: gone.
SOURCES = {90.0: 2, 95.0: 1}
#: Percentile -> ppb of SO2, as the caption of the bivariate plot prints it (two digits).
PRINTED = (90.0, "9.2")


class Works(NamedTuple):
    """A known source, [°]."""

    name: str
    longitude: float
    latitude: float


CLAIRTON = Works("Clairton Coke Works", -79.871, 40.297)
THOMSON = Works("Edgar Thomson", -79.8517, 40.3939)
#: Other works and places of the county, so that there is something to choose from.
OTHERS = (
    Works("ALCOSAN", -80.0440, 40.4755),
    Works("downtown", -79.9959, 40.4406),
    Works("airport", -80.2329, 40.4915),
    Works("Irvin", -79.9130, 40.3390),
    Works("Liberty, north", -79.8681, 40.3600),
    Works("Liberty, east", -79.8200, 40.3240),
)
#: number, name, its source or none, place, file, column of the gas.
Site = tuple[int, str, Works | None, float, float, str, str]
SITES: tuple[Site, ...] = (
    (1, "Liberty H2S", CLAIRTON, -79.868062, 40.323768, "Feed_28_Liberty_ACHD", "3.feed_28.H2S_PPM"),
    (2, "Liberty SO2", CLAIRTON, -79.868062, 40.323768, "Feed_28_Liberty_ACHD", "3.feed_28.SO2_PPM"),
    (3, "North Braddock SO2", THOMSON, -79.860973, 40.402328, "Feed_3_North_Braddock_ACHD", "3.feed_3.SO2_PPM"),
    (4, "Avalon H2S", None, -80.071337, 40.499767, "Feed_1_Avalon_ACHD_others", "3.feed_1.H2S_PPM"),
)


def london(gas: str) -> pl.DataFrame:
    """`winds.ROWS` of a gas at Marylebone Road [as the set has it]."""
    return pl.read_parquet(LONDON / "mydata.parquet").select(
        pl.lit(1, pl.Int32).alias("series"),
        pl.col("date").dt.replace_time_zone("UTC").alias("time"),
        pl.col(gas).cast(pl.Float64).alias("value"),
        pl.col("ws").alias("speed"),
        pl.col("wd").alias("direction"),
    )


def pittsburgh() -> pl.DataFrame:
    """`winds.ROWS` of the `SITES` [ppb]; the set stamps the middle of the hour."""
    return pl.concat([_site(site) for site in SITES])


def _site(site: Site) -> pl.DataFrame:
    number, _, _, _, _, file, column = site
    feed = column.rpartition(".")[0]
    table = pl.read_csv(PITTSBURGH / "esdr" / f"{file}.csv.gz", infer_schema_length=None)
    rows = table.select(
        pl.lit(number).alias("series"),
        (pl.from_epoch("EpochTime").dt.replace_time_zone("UTC").cast(TIME) - HALF).alias("time"),
        (pl.col(column) * 1000).alias("value"),
        (pl.col(f"{feed}.SONICWS_MPH") * MILES).alias("speed"),
        pl.col(f"{feed}.SONICWD_DEG").alias("direction"),
    )
    return conform(rows, ROWS)


def places() -> pl.DataFrame:
    """`candidates.PLACES` of the `SITES`."""
    rows = [(number, column.rpartition(".")[2][:3].lower(), x, y) for number, _, _, x, y, _, column in SITES]
    return pl.DataFrame(rows, schema=dict(PLACES), orient="row")


def works() -> pl.DataFrame:
    """`candidates.EMITTERS`: the known ones and the others, of which nothing is said."""
    rows: list[tuple[object, ...]] = [(*one, []) for one in (CLAIRTON, THOMSON, *OTHERS)]
    return pl.DataFrame(rows, schema=dict(EMITTERS), orient="row")


def top(rows: pl.DataFrame, by: str = "sure") -> dict[str, float]:
    """The sector whose probability is highest for sure, as a row of `winds.SECTORS`."""
    return winds.sectors(rows).filter(pl.col("wind") == FROM).sort(by, nulls_last=False).row(-1, named=True)


def found(said: Said) -> tuple[int, float, bool]:
    """The direction where the top lies, the measure there, and whether that is where openair says."""
    rows = london(said.gas)
    if said.fastest:
        told = winds.surface(rows, high=said.high, upto=said.upto).filter(pl.col("speed") >= said.fastest)
        told = told.drop_nulls(said.measure).rename({"direction": "sector"})
    else:
        told = winds.sectors(rows, high=said.high, upto=said.upto).filter(pl.col("wind") == FROM)
    best = told.sort(said.measure, nulls_last=False).row(-1, named=True)
    inside = (best["sector"] - said.first) % 360 <= (said.last - said.first) % 360
    return best["sector"], best[said.measure], inside


def eastern(high: float) -> pl.DataFrame:
    """direction, speed, probability: peaks of SO2 from the east, above half of the highest of all."""
    tops = winds.peaks(winds.surface(london("so2"), high=high))
    east = tops.filter(pl.col("direction").is_between(*EAST), pl.col("probability") > pl.col("probability").max() / 2)
    return east.select("direction", "speed", "probability")


def seen(rows: pl.DataFrame) -> pl.DataFrame:
    """`candidates.CANDIDATES` of the `SITES`."""
    return candidates.candidates(rows, places(), works())


def halves(rows: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
    """`rows` of the whole time, and of each half of it."""
    first, last = rows["time"].min(), rows["time"].max()
    middle = first + (last - first) / 2  # type: ignore[operator]  # both are times
    return {"all": rows, "1st": rows.filter(pl.col("time") < middle), "2nd": rows.filter(pl.col("time") >= middle)}


def reports() -> pl.DataFrame:
    """`odours.REPORTS`: those of 3 and more, by their time alone."""
    table = pl.read_csv(PITTSBURGH / "smell_raw.csv.gz", columns=["EpochTime", "smell_value"])
    times = pl.from_epoch("EpochTime").dt.replace_time_zone("UTC").cast(TIME).alias("time")
    return table.filter(pl.col("smell_value") >= 3).select(times)


def lines() -> Iterator[str]:
    """The tables, line by line."""
    yield "openair's manual, Marylebone Road"
    yield f"{'what it says':62}{'top':>6}{'there':>8}  as said"
    for said in OPENAIR:
        sector, value, as_said = found(said)
        yield f"{said.words:62}{sector:5}°{value:8.3f}  {'yes' if as_said else 'NO'}"
    rows = winds.placed(london("so2"))
    line = rows.filter(pl.col("wind") != "unknown")["value"].quantile(PRINTED[0] / 100, "linear")
    for high, count in SOURCES.items():
        tops = ", ".join(f"{turn}° {speed:.0f} m/s ({share:.2f})" for turn, speed, share in eastern(high).rows())
        yield f"sources of SO2 to the east above the {high:.0f}th: as it says {count}, here {tops}"
    yield f"90th percentile of SO2: printed {PRINTED[1]} ppb, here {line:.2f} ppb"
    still = winds.sectors(london("so2"), calm=0.0).filter(pl.col("wind") == STILL)["count"].item()
    yield f"hours of 0 m/s: {still}, of which openair keeps those that have a direction"
    yield ""
    rows = pittsburgh()
    yield "Pittsburgh: top sector against the known source"
    yield f"{'':20}{'time':>5}{'bearing':>9}{'top':>6}{'off':>6}{'prob.':>7}{'sure':>6}{'curve':>7}  points at it"
    bearings = candidates.bearings(places(), works(), reach=30)
    for number, name, source, *_ in SITES:
        if source is None:
            continue
        bearing = bearings.filter(series=number, emitter=source.name)["bearing"].item()
        for when, part in halves(rows.filter(series=number)).items():
            best = top(part)
            peak = winds.curve(part, width=1).sort("probability")["direction"][-1]
            off = winds.apart(best["sector"], bearing)
            yield (
                f"{name:20}{when:>5}{bearing:8.0f}°{best['sector']:5}°{off:5.0f}°{best['probability']:7.2f}"
                f"{best['sure']:6.2f}{peak:6}°  {'yes' if off <= ASIDE else 'NO'}"
            )
    yield ""
    yield "Pittsburgh: emitters by the wind from them"
    yield f"{'':20}{'emitter':22}{'km':>5}{'bearing':>9}{'prob.':>7}{'else':>6}{'lift':>6}{'z':>7}{'p':>7}"
    known = {number: name for number, name, *_ in SITES}
    for row in seen(rows).filter(pl.int_range(pl.len()).over("series") < 3).iter_rows(named=True):
        numbers = (row[key] for key in ("probability", "elsewhere", "lift", "z", "p"))
        cells = "".join(
            f"{value:{wide}}" for value, wide in zip(numbers, ("7.2f", "6.2f", "6.1f", "7.1f", "7.3f"), strict=True)
        )
        yield f"{known[row['series']]:20}{row['emitter']:22}{row['distance']:5.1f}{row['bearing']:8.0f}°{cells}"
    yield ""
    yield "Pittsburgh: reports of odour beside H2S at Liberty (lag below 0: the gas comes first)"
    yield f"{'lag':>4}{'hours':>7}{'prob.':>7}{'else':>6}{'lift':>6}{'z':>7}{'p':>7}"
    gas = rows.filter(series=1)
    for row in odours.beside(reports(), gas.select("series", "time", "value")).iter_rows(named=True):
        yield (
            f"{row['lag']:4}{row['hours']:7}{row['probability']:7.2f}{row['elsewhere']:6.2f}{row['lift']:6.1f}"
            f"{row['z']:7.1f}{row['p']:7.3f}"
        )
    yield ""
    yield "Pittsburgh: by whose clock H2S at Liberty rises"
    yield f"{'signature':12}{'units':>6}{'inside':>8}{'beside':>8}{'ratio':>7}{'positive':>10}{'p':>8}"
    hours = gas.select("series", "time", "value", pl.lit(PITTSBURGH_OFFSET, pl.Int16).alias("offset"))
    for row in signature.signatures(hours).iter_rows(named=True):
        yield (
            f"{row['signature']:12}{row['units']:6}{row['inside']:8.2f}{row['beside']:8.2f}{row['ratio']:7.2f}"
            f"{row['positive']:10.2f}{row['p']:8.4f}"
        )


if __name__ == "__main__":
    print(*lines(), sep="\n")
