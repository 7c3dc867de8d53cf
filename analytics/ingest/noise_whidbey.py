"""Days of noise around Naval Air Station Whidbey Island: hourly levels and what was published of each day. CSV.

Origin: Jacuzzi et al. 2024, Journal of Exposure Science and Environmental Epidemiology; giojacuzzi/noise-pollution-pop-
health: `cumulative_NAVY`, `cumulative_JGL`. A row a station (ID) and local day:

- Leq00 to Leq23: A-weighted equivalent levels of the hours [dB], `laeq`.
- Leq, Ldn, Lden and the parts of the last two: what was published, kept as statistics of `laeq` at the start of the
  day (`laeq:lden`, `laeq:lden-night`, ...). Their evening is 19 to 22 and their night 22 to 07.
- SEL, Lmax, LCpeak, L10, L25, L50, L90: of the whole day, `sel`, `lafmax`, `lcpeak`, `la10`, ...

Org, Name and Measurements (seconds measured) are no readings. Missing: NA or empty. The clock is local time without a
zone, in four weeks between December and August. What was published rests on the days of that clock, and a station has
one distance from UTC: UTC-8 for all weeks, so that a day here is the day there; those of summer time lie an hour late.
The lists of single events beside these files are no series and are not read.
"""

from collections.abc import Iterator

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import Facts, Told, batch, name, told
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import columns, keys, lowered, open_table, parts, stretched
from analytics.ingest._times import on_clock

#: Distance from UTC [min].
OFFSET = -480
HOUR, DAY = 3600, 86_400

HOURS = {f"leq{hour:02}": hour for hour in range(24)}
DAILY = {
    "leq": "laeq:mean-24h",
    "ldn": "laeq:ldn",
    "ldn_lday": "laeq:ldn-day",
    "ldn_lnight": "laeq:ldn-night",
    "lden": "laeq:lden",
    "lden_lday": "laeq:lden-day",
    "lden_levening": "laeq:lden-evening",
    "lden_lnight": "laeq:lden-night",
    "sel": "sel",
    "lmax": "lafmax",
    "lcpeak": "lcpeak",
    "l10": "la10",
    "l25": "la25",
    "l50": "la50",
    "l90": "la90",
}
KEYS = ("org", "date", "name", "id", "measurements")
VALUES = (*HOURS, *DAILY)
CADENCES = {"laeq": HOUR, **dict.fromkeys(DAILY.values(), DAY)}


def recognises(source: Source) -> bool:
    """Has `source` just the columns of these files?"""
    return not source.is_parquet() and sorted(lowered(columns(source))) == sorted((*KEYS, *VALUES))


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [dB], of every station its title, its offset of -480 min and the steps of its series.

    Raises `UnreadableSource` where the columns are not those above.
    """
    table = open_table(source)
    if not table.names:
        return
    if source.is_parquet() or len(table.names) != len(KEYS) + len(VALUES):
        raise UnreadableSource(f"{source.name}: has not the {len(KEYS) + len(VALUES)} columns of a Whidbey file")
    numbers = keys(source, table, (*KEYS, *VALUES))
    renamed = {numbers["id"]: "station", numbers["name"]: "title", numbers["date"]: "stamp"}
    unread = [numbers["org"], numbers["measurements"]]
    values = [numbers[value] for value in VALUES]
    channels = pl.Series(["laeq"] * len(HOURS) + list(DAILY.values()), dtype=pl.String)
    facts = Told(_facts)
    for part in parts(table, len(values)):
        rows = part.rows.drop(unread).rename(renamed)
        rows = rows.with_columns(on_clock(rows["stamp"], "%Y-%m-%d", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", offset=OFFSET))
        rows = rows.with_columns(reason=pl.coalesce(name("station", "station"), "reason"))
        cells = stretched(rows, values, list(VALUES), label="channel")
        hour = pl.col("channel").replace_strict(HOURS, default=0, return_dtype=pl.Int64)
        named = pl.col("channel").replace_strict(list(VALUES), channels, return_dtype=pl.String)
        cells = cells.with_columns(time=pl.col("time") + pl.duration(hours=hour), channel=named)
        yield batch(cells, part.broken, table.place, facts)


def _facts(good: pl.DataFrame) -> Facts:
    """What the rows say of their stations."""
    titles = good.group_by("station").agg(told("title")).sort("station")
    return {
        station: ({} if title is None else {"title": title}) | {"utc_offset": OFFSET, "cadences": CADENCES}
        for station, title in titles.iter_rows()
    }
