"""US Climate Reference Network, daily: weather, soil moisture and soil temperature at five depths. CSV or Parquet.

Origin: NOAA National Centers for Environmental Information, USCRN product DAILY01, H. J. Diamond et al. 2013, Bull.
Amer. Meteor. Soc. 94, 485-498; as CSV with the codes of the original, and as a Parquet table of GitHub zmoon/uscrn with
the same names in lower case. A row a day, columns WBANNO or wban, LST_DATE (20031001, or a date), CRX_VN, LONGITUDE,
LATITUDE, T_DAILY_MAX, ... A station is its WBAN number.

Highest, lowest and mean of the day are statistics, `air_temperature:max-24h`; T_DAILY_AVG is the mean, T_DAILY_MEAN is
half of highest and lowest together and is not read. P_DAILY_CALC [mm] is `rain`; SOLARAD_DAILY [MJ/m² in the day]
leaves in W/m²; SUR_TEMP is `surface_temperature`, its type (R, C, U) is not read; depths are positions in metres below
ground.

A day is one of local standard time, whose distance from UTC the files do not say: `OFFSETS` has it, by the standard
time of the IANA time zone in which the station lies, at the coordinates of the files. The days of any other station are
rejects. Missing: empty, -9999, and -99 of soil moisture.
"""

from collections.abc import Iterator

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import Facts, Told, batch, name, words
from analytics.ingest._columns import Column, converted
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import columns, hold, keys, lowered, open_table, parts, stretched
from analytics.ingest._times import UNREADABLE, within

DAY = 86_400
#: Distance from UTC [min] -> the stations that keep it.
OFFSETS = {
    -600: "21514 21515",
    -540: (
        "23583 25379 25380 25381 25382 25522 25630 26494 26562 26563 26564 26565 26655 26656 27516 56401 "
        "96404 96405 96406 96407 96408 96409"
    ),
    -480: ("04125 04128 04136 04139 04141 04222 04223 04236 04237 53136 53138 53139 53150 53151 53152 93243 93245"),
    -420: (
        "03048 03060 03061 03062 03063 03074 04126 04127 04131 04137 04138 04140 53131 53132 53149 53154 "
        "53155 94059 94060 94074 94075 94077 94078 94079 94080 94081 94082 94088"
    ),
    -360: (
        "03047 03054 03055 03067 03072 04990 04994 12987 13301 22016 23801 23802 23803 23904 23906 23907 "
        "23908 23909 53182 53926 53927 53960 53961 53968 53974 54808 54811 54902 54903 54932 54933 54937 "
        "63831 63849 63855 63857 63858 63862 63867 63868 63869 63891 63892 63893 63894 63895 63896 63897 "
        "63899 73801 73802 73803 94084 94085 94995 94996"
    ),
    -300: (
        "03728 03733 03739 03758 03759 03761 53877 53878 54794 54795 54796 54797 54810 54854 54856 63826 "
        "63828 63829 63838 63850 63856 63898 64756 64757 64758 92821 92826 92827 94644 94645"
    ),
}
CLOCKS = {station: offset for offset, stations in OFFSETS.items() for station in stations.split()}
SHAPE = "^([0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2})$"
DEPTHS = (5, 10, 20, 50, 100)
NOTHING, NO_MOISTURE = -9999.0, -99.0


COLUMNS = {
    "t_daily_max": Column("air_temperature:max-24h"),
    "t_daily_min": Column("air_temperature:min-24h"),
    "t_daily_avg": Column("air_temperature:mean-24h"),
    "p_daily_calc": Column("rain"),
    "solarad_daily": Column("solar_radiation:mean-24h", "MJ/(m²·d)", "W/m²"),
    "sur_temp_daily_max": Column("surface_temperature:max-24h"),
    "sur_temp_daily_min": Column("surface_temperature:min-24h"),
    "sur_temp_daily_avg": Column("surface_temperature:mean-24h"),
    "rh_daily_max": Column("relative_humidity:max-24h"),
    "rh_daily_min": Column("relative_humidity:min-24h"),
    "rh_daily_avg": Column("relative_humidity:mean-24h"),
    **{f"soil_moisture_{depth}_daily": Column(f"soil_moisture@-{depth / 100:g}:mean-24h") for depth in DEPTHS},
    **{f"soil_temp_{depth}_daily": Column(f"soil_temperature@-{depth / 100:g}:mean-24h") for depth in DEPTHS},
}
STATION, DATE, PLACE = ("wbanno", "wban"), "lst_date", ("longitude", "latitude")
BESIDE = ("crx_vn", "t_daily_mean", "sur_temp_daily_type")


def recognises(source: Source) -> bool:
    """Has `source` just the columns of the daily product?"""
    return _station(columns(source)) is not None


def _station(names: tuple[str, ...]) -> str | None:
    """What the column of the station is called, where `names` are those of the product."""
    known = sorted(lowered(names))
    fits = (station for station in STATION if known == sorted((station, DATE, *PLACE, *BESIDE, *COLUMNS)))
    return next(fits, None)


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [see the module], of every station its place, its offset and its step of a day.

    Raises `UnreadableSource` where the columns are not those above or a Parquet file is damaged.
    """
    table = open_table(source)
    if not table.names:
        return
    station = _station(table.names)
    if station is None:
        raise UnreadableSource(f"{source.name}: has not just the columns of the daily product of the USCRN")
    key = keys(source, table, (station, DATE, *PLACE, *COLUMNS))
    hold(source, table, [key[column] for column in COLUMNS], "numbers")
    hold(source, table, [key[station]], "names")
    hold(source, table, [key[DATE]], "times")
    renamed = {key[station]: "station", key[DATE]: "stamp"} | {key[column]: column for column in (*PLACE, *COLUMNS)}
    facts = Told(_facts)
    for part in parts(table, len(COLUMNS)):
        rows = part.rows.rename(renamed).select("station", "stamp", "place", *PLACE, *COLUMNS)
        rows = _dated(rows.with_columns(words("station"), words("stamp")))
        cells = stretched(rows, [*COLUMNS], [column.channel for column in COLUMNS.values()], label="channel")
        yield batch(_valued(cells), part.broken, table.place, facts)


def _dated(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `time`, the start of the station's day, and `reason`."""
    clock = pl.col("station").replace_strict(CLOCKS, default=None, return_dtype=pl.Int32)
    bare = pl.when(pl.col("stamp").str.contains(SHAPE)).then(pl.col("stamp").str.replace_all("-", "", literal=True))
    day = bare.str.to_date("%Y%m%d", strict=False).cast(pl.Datetime("us"))
    time = (day - pl.duration(minutes=clock)).dt.replace_time_zone("UTC")
    unread = pl.when(day.is_null()).then(pl.lit(UNREADABLE))
    unknown = pl.when(clock.is_null()).then(pl.lit("time without offset"))
    made = rows.with_columns(time=time, offset=clock)
    return made.with_columns(reason=pl.coalesce(name("station", "station"), unread, unknown, within(pl.col("time"))))


def _valued(cells: pl.DataFrame) -> pl.DataFrame:
    """Values in the units they leave in, none where the file says that there is none."""
    dry = pl.col("channel").str.starts_with("soil_moisture@") & (pl.col("value") == NO_MOISTURE)
    nothing = ((pl.col("value") == NOTHING) | dry).fill_null(value=False)
    value = converted(COLUMNS.values())
    text = pl.when(~nothing).then(pl.col("text").cast(pl.String))
    return cells.with_columns(text=text, value=pl.when(~nothing).then(value))


def _facts(good: pl.DataFrame) -> Facts:
    """Where the stations in `good` are."""
    first = good.group_by("station").agg(
        *(words(name).cast(pl.Float64, strict=False).sort_by("place").first().alias(name) for name in PLACE),
        pl.col("offset").first(),
    )
    return {
        station: {"longitude": longitude, "latitude": latitude, "utc_offset": offset, "cadence": DAY}
        for station, longitude, latitude, offset in first.sort("station").iter_rows()
    }
