"""Sondes of the Logan River Observatory, Utah: temperature, conductivity, pH, oxygen, turbidity, stage. CSV.

Origin: A. S. Jones et al. 2022, PyHydroQC, GitHub AmberSJones/pyhydroqc; data of Utah State University, HydroShare. A
row a quarter of an hour, columns datetime and for each of temp [°C], cond [µS/cm], ph, do [mg/L], turb [NTU] and stage
[cm] three: the raw value, `_cor` what a technician made of it, `_qual` his code. The raw value is the reading; the
corrected one is the source's own statistic, `conductivity:corrected`, and that of stage stands on another datum. Codes
are not read: their meaning is nowhere given. Stage leaves in m. A second form has datetime, temp, cond, ph and do:
corrected values only.

The station is named by the file: `MainStreet2019.csv` is of MainStreet, and so is `MS2017.csv`. The clock is not
stated; the observatory logs local standard time all the year, UTC-7. Stamps come with seconds or without. Missing:
NULL, -9999 or empty.
"""

import re
from collections.abc import Iterator

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import MISSING, batch
from analytics.ingest._columns import Column
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import columns, keys, lowered, open_table, parts, stretched
from analytics.ingest._times import on_clock
from analytics.units import DIGITS, convert

#: Distance from UTC [min].
OFFSET = -420
CADENCE = 900
KEY = "datetime"
STAMP = ("%Y-%m-%d %H:%M:%S%.f", r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$")
SHORT = r"^([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2})$"
NAMED = re.compile(r"(?P<site>[A-Za-z]+)[0-9]{4}")
#: A site that its files call by two names, and one whose file has none.
SITES = {"MS": "MainStreet", "": "logan-river"}
NOTHING, WORDS = -9999.0, (*MISSING, "NULL")
CORRECTED = ":corrected"


COLUMNS = {
    "temp": Column("water_temperature"),
    "cond": Column("conductivity"),
    "ph": Column("ph"),
    "do": Column("dissolved_oxygen"),
    "turb": Column("turbidity"),
    "stage": Column("water_level", "cm", "m"),
}
#: The columns of each form that are read -> channel; those that are there and not read.
WHOLE = {
    f"{name}{ending}": f"{column.channel}{statistic}"
    for name, column in COLUMNS.items()
    for ending, statistic in (("", ""), ("_cor", CORRECTED))
}
CODES = [f"{name}_qual" for name in COLUMNS]
SHORTER = {name: f"{COLUMNS[name].channel}{CORRECTED}" for name in ("temp", "cond", "ph", "do")}


def recognises(source: Source) -> bool:
    """Has `source` just the columns of one of the two forms?"""
    return not source.is_parquet() and _form(columns(source)) is not None


def _form(names: tuple[str, ...]) -> dict[str, str] | None:
    """Columns that are read and their channels; None where `names` are of neither form."""
    forms = {tuple(sorted((KEY, *WHOLE, *CODES))): WHOLE, tuple(sorted((KEY, *SHORTER))): SHORTER}
    return forms.get(tuple(sorted(lowered(names))))


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [see the module], of the station its offset of -420 min and step of 15 minutes.

    Raises `UnreadableSource` where the columns are not those above.
    """
    table = open_table(source)
    if not table.names:
        return
    form = None if source.is_parquet() else _form(tuple(table.names))
    if form is None:
        raise UnreadableSource(f"{source.name}: has not the columns of a Logan River file")
    numbers = keys(source, table, (KEY, *form))
    values = [numbers[column] for column in form]
    found = NAMED.match(source.path.name)
    site = found["site"] if found else ""
    station = SITES.get(site, site)
    facts = {station: {"utc_offset": OFFSET, "cadence": CADENCE}}
    for part in parts(table, len(values)):
        rows = part.rows.rename({numbers[KEY]: "stamp"}).select("stamp", "place", *values)
        full = rows["stamp"].cast(pl.String).str.strip_chars().str.replace(SHORT, "${1}:00")
        rows = rows.with_columns(on_clock(full, *STAMP, offset=OFFSET), station=pl.lit(station))
        cells = stretched(rows, values, list(form.values()), label="channel")
        yield batch(_emptied(cells), part.broken, table.place, lambda good: facts if good.height else {}, WORDS)


def _emptied(cells: pl.DataFrame) -> pl.DataFrame:
    """Values in the units they leave in, none where the file says that there is none."""
    value = pl.col("value")
    nothing = (value == NOTHING).fill_null(value=False)
    for column in COLUMNS.values():
        if column.unit != column.into:
            changed = convert(value, column.unit, column.into).round_sig_figs(DIGITS)
            mine = pl.col("channel").is_in([column.channel, f"{column.channel}{CORRECTED}"])
            value = pl.when(mine).then(changed).otherwise(value)
    text = pl.when(nothing).then(pl.lit("")).otherwise(pl.col("text")).alias("text")
    return cells.with_columns(text, value=pl.when(~nothing).then(value))
