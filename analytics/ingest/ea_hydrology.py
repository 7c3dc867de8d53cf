"""River levels, flows and rain of England, as downloaded from the Environment Agency's hydrology service. CSV.

Origin: Environment Agency, Hydrology Data Explorer, environment.data.gov.uk/hydrology. A row a reading: measure,
dateTime, date, value, completeness, quality, qcode. The measure is a URI that says all: <station>-<quantity>-<kind>-
<period in seconds>-<unit>-<qualified>, for instance `...-level-i-900-m-qualified`, `...-rainfall-t-900-mm-qualified`. A
station is the first part; a file's name tells its title. Level [m, above the gauge's datum, may be below zero] is
`water_level`, flow [m³/s] `discharge`, rainfall [mm] `rain`; daily means, minima and maxima are statistics of them
(`discharge:mean-24h`).

dateTime is GMT all the year. Whether it is the start or the end of a total the file does not say: taken as the start.
Quality Good is the mark N, Estimated and Suspect are S, Unchecked is none, a value of any other quality is refused;
completeness and qcode are not read. Missing: empty.
"""

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import LONGEST_NAME, Facts, Told, batch, number, words
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import columns, keys, lowered, open_table, parts
from analytics.ingest._times import on_clock

COLUMNS = ("measure", "datetime", "date", "value", "completeness", "quality", "qcode")
STAMP = ("%Y-%m-%dT%H:%M:%S", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$")
MEASURE = (
    r"^https?://environment\.data\.gov\.uk/hydrology/id/measures/(?<station>[0-9A-Za-z_-]{1,200})"
    r"-(?<what>(?:level|flow|rainfall)-(?:i|t|m|min|max))-(?<period>[1-9][0-9]{0,7})-(?<unit>m|m3s|mm)-[a-z]+$"
)
#: What a measure counts, and its unit -> channel. A mean or an extreme is of a day.
CHANNELS = {
    "level-i m": "water_level",
    "level-min m": "water_level:min-24h",
    "level-max m": "water_level:max-24h",
    "level-m m": "water_level:mean-24h",
    "flow-i m3s": "discharge",
    "flow-min m3s": "discharge:min-24h",
    "flow-max m3s": "discharge:max-24h",
    "flow-m m3s": "discharge:mean-24h",
    "rainfall-t mm": "rain",
}
DAY = 86_400
#: A year and a day [s].
LONGEST_STEP = 31_622_400
MARKS = {"good": ord("N"), "estimated": ord("S"), "suspect": ord("S")}
UNMARKED = ("", "unchecked")
NAMED = re.compile(r"(?P<title>.+?)-(?:level|flow|rainfall)-", re.IGNORECASE)


def recognises(source: Source) -> bool:
    """Has `source` just the seven columns of a download?"""
    return not source.is_parquet() and sorted(lowered(columns(source))) == sorted(COLUMNS)


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [m, m³/s, mm], of every station its title, its offset of 0, the steps of its series.

    Raises `UnreadableSource` where the columns are not those above.
    """
    table = open_table(source)
    if not table.names:
        return
    if source.is_parquet() or len(table.names) != len(COLUMNS):
        raise UnreadableSource(f"{source.name}: has not the {len(COLUMNS)} columns of a download")
    numbers = keys(source, table, COLUMNS)
    renamed = {numbers["measure"]: "measure", numbers["datetime"]: "stamp", numbers["value"]: "text"}
    renamed |= {numbers["quality"]: "quality"}
    unread = [numbers[column] for column in ("date", "completeness", "qcode")]
    steps, title = Steps(), _title(source)
    facts = Told(lambda good: _facts(good, title))
    for part in parts(table, 1):
        rows = steps.checked(_measured(part.rows.drop(unread).rename(renamed)))
        rows = rows.with_columns(on_clock(rows["stamp"], *STAMP, offset=0))
        quality = words("quality").fill_null("").str.to_lowercase()
        mark = quality.replace_strict(MARKS, default=None, return_dtype=pl.Int16)
        odd = pl.when(mark.is_null() & ~quality.is_in(UNMARKED)).then(pl.lit("unknown quality"))
        reason = pl.coalesce("unknown", "reason", odd)
        cells = rows.with_columns(value=number("text", rows.schema["text"]), mark=mark, reason=reason)
        yield batch(cells, part.broken, table.place, facts)


def _measured(rows: pl.DataFrame) -> pl.DataFrame:
    """With station, channel and period [s] of the measure, and `unknown` where it is none of ours."""
    parts = rows.select(words("measure").str.extract_groups(MEASURE)).unnest("measure")
    counted = pl.concat_str("what", pl.lit(" "), "unit").replace_strict(CHANNELS, default=None, return_dtype=pl.String)
    parts = parts.select("station", channel=counted, period=pl.col("period").cast(pl.Int32))
    period = pl.col("period")
    fits = (period <= LONGEST_STEP) & (~pl.col("channel").str.contains(":", literal=True) | (period == DAY))
    unknown = pl.when(~fits.fill_null(value=False)).then(pl.lit("unknown measure"))
    found = rows.with_columns(parts.with_columns(unknown=unknown))
    return found.with_columns(channel=pl.coalesce("channel", words("measure")))


class Steps:
    """The step between the readings of each series of a file, as its measure says it."""

    def __init__(self) -> None:
        """Knows no series yet; one is kept for a whole file."""
        self._known: dict[tuple[str, str], int] = {}

    def checked(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows` with `unknown` where a series comes with another step than before: it would be two in one."""
        sure = rows.filter(pl.col("unknown").is_null())
        first = sure.group_by("station", "channel").agg(pl.col("period").sort_by("place").first())
        for station, channel, period in first.iter_rows():
            self._known.setdefault((station, channel), period)
        known = [(*series, period) for series, period in self._known.items()]
        schema = {"station": pl.String, "channel": pl.String, "usual": pl.Int32}
        usual = pl.DataFrame(known, schema=schema, orient="row")
        found = rows.join(usual, on=["station", "channel"], how="left", maintain_order="left")
        other = pl.when(pl.col("period") != pl.col("usual")).then(pl.lit("another step of the same series"))
        return found.with_columns(unknown=pl.coalesce("unknown", other)).drop("usual")


def _facts(good: pl.DataFrame, title: str | None) -> Facts:
    """What the file says of the stations in `good`."""
    out: dict[str, dict[str, Any]] = {}
    steps = good.group_by("station", "channel").agg(pl.col("period").first()).sort("station", "channel")
    for station, channel, period in steps.iter_rows():
        known = {"utc_offset": 0} if title is None else {"utc_offset": 0, "title": title}
        out.setdefault(station, {**known, "cadences": {}})["cadences"][channel] = period
    return out


def _title(source: Source) -> str | None:
    """What the file is called by before its quantity, blanks for hyphens."""
    named = NAMED.match(source.path.name)
    return named["title"].replace("-", " ")[:LONGEST_NAME] if named else None
