"""What was measured of a zone: its days, its weather, what its meters and probes said; all from averages."""

from datetime import timedelta

import polars as pl

from analytics import evapotranspiration, irrigation
from analytics.crops import Land
from analytics.frames import ZONES, settle
from analytics.store import derived, registry
from analytics.store.connection import Connection

_DAY = timedelta(days=1)

#: What a day's weather is made of: (parameter, averaging) -> column of irrigation.DAYS.
_WEATHER = {
    ("air_temperature", "mda1"): "tmax",
    ("air_temperature", "day_low"): "tmin",
    ("dew_point", "day"): "dewpoint",
    ("relative_humidity", "mda1"): "rh_max",
    ("relative_humidity", "day_low"): "rh_min",
    ("relative_humidity", "day"): "rh_mean",
    ("wind_speed", "day"): "wind",
    ("solar_radiation", "day"): "radiation",
    ("rain", "day"): "rain",
}


def days(conn: Connection, spans: pl.DataFrame, land: Land) -> pl.DataFrame:
    """irrigation.DAYS of zones with `begin` and `stop`: a row a local day, whatever was measured."""
    grid = spans.select(
        "zone",
        "weather",
        "probe",
        "beside",
        "latitude",
        "altitude",
        "offset",
        day=pl.date_ranges("begin", pl.col("stop") - _DAY),
    ).explode("day")
    measured = weather(conn, spans, land)
    met = grid.join(measured, left_on=["weather", "day"], right_on=["station", "day"], how="left")
    # A gauge that was silent for some hours has no sum of the day; what fell in the others fell all the same.
    gaps = met.filter(pl.col("rain").is_null()).select(
        "zone", "offset", station="weather", start=start(pl.col("day")), stop=start(pl.col("day") + _DAY)
    )
    some = metered(conn, gaps, "rain").rename({"rain": "_some"})
    met = met.join(some, on=["zone", "day"], how="left").with_columns(rain=pl.coalesce("rain", "_some")).drop("_some")
    watered = spans.drop_nulls("probe").select(
        "zone", "offset", station="probe", start=start(pl.col("begin")), stop=start(pl.col("stop"))
    )
    met = met.join(metered(conn, watered, "irrigation"), on=["zone", "day"], how="left")
    ends = grid.drop_nulls("probe").select("zone", "probe", "beside", "day", stop=start(pl.col("day") + _DAY))
    roots = irrigation.soil(spans.select(*ZONES), land).select("zone", "root")
    met = met.join(probed(conn, ends, roots, land), on=["zone", "day"], how="left")
    absent = [name for name in irrigation.DAYS if name not in met.columns]
    met = met.with_columns(pl.lit(None, irrigation.DAYS[name]).alias(name) for name in absent)
    return met.select(pl.col(name).cast(dtype) for name, dtype in irrigation.DAYS.items())


def start(day: pl.Expr) -> pl.Expr:
    """UTC start of a local day."""
    return (day.cast(pl.Datetime("us")).dt.replace_time_zone("UTC") - pl.duration(minutes="offset")).alias("start")


def _metres() -> pl.Expr:
    """The position as a height [m]; null where it names none: `nan` is a number to a cast, and to nobody else."""
    height = pl.col("position").cast(pl.Float64, strict=False)
    return pl.when(height.is_finite()).then(height)


def _local_day() -> pl.Expr:
    return (pl.col("time") + pl.duration(minutes="offset")).dt.date().alias("day")


def weather(conn: Connection, spans: pl.DataFrame, land: Land) -> pl.DataFrame:
    """`station`, `day`, the columns of _WEATHER that are measured, and `wind_height` [m]."""
    voices = registry.load_series(conn).join(registry.load_authorities(conn), on="series")
    stations = spans.group_by("weather").agg(
        start=start(pl.col("begin")).min(), stop=start(pl.col("stop")).max(), offset=pl.col("offset").first()
    )
    names = sorted({averaging for _, averaging in _WEATHER})
    asked = voices.drop("offset").join(stations, left_on="station", right_on="weather")
    asked = asked.filter(pl.col("parameter").is_in([parameter for parameter, _ in _WEATHER]))
    rows = derived.load(conn, derived.AVERAGE, asked.select("series", "start", "stop"), {"averaging": names})
    columns = pl.DataFrame(
        [(*key, column) for key, column in _WEATHER.items()], schema=["parameter", "averaging", "column"], orient="row"
    )
    spoken = (
        rows.filter(pl.col("value").is_not_null())
        .join(asked.drop("start", "stop"), on="series")
        .join(columns, on=["parameter", "averaging"])
        .with_columns(_local_day())
        .sort("rank")
        .unique(["station", "day", "column"], keep="first", maintain_order=True)
    )
    height = _metres()
    heights = spoken.filter(pl.col("column") == "wind").select(
        "station",
        "day",
        # Equation 47 has no sense in the grass itself.
        wind_height=pl.when(height > 0.1).then(height).otherwise(land.rules["anemometer"]["height"]),
    )
    found = sorted(set(_WEATHER.values()))
    wide = spoken.pivot("column", index=["station", "day"], values="value", on_columns=found)
    return wide.with_columns(pl.col("radiation") * evapotranspiration.W_TO_MJ_DAY).join(
        heights, on=["station", "day"], how="left"
    )


def metered(conn: Connection, windows: pl.DataFrame, parameter: str) -> pl.DataFrame:
    """`zone`, `day`, `parameter` [mm] in `windows` (zone, station, offset, start, stop): the hours that came, added up.

    A meter that was silent for an hour let nothing through.
    """
    voices = registry.load_series(conn).join(registry.load_authorities(conn), on="series")
    sums = _hours(conn, windows, voices.filter(pl.col("parameter") == parameter), ["zone", "offset", "time"])
    return (
        sums.with_columns(_local_day())
        .group_by("zone", "day", maintain_order=True)
        .agg(settle(pl.col("value").sum()).alias(parameter))
    )


def probed(conn: Connection, ends: pl.DataFrame, roots: pl.DataFrame, land: Land) -> pl.DataFrame:
    """`zone`, `day`, `moisture` and `others` [m³/m³] of the root zone, as in irrigation.DAYS, before `stop` of `ends`
    (zone, probe, beside, day, stop).

    The newest hour of each depth within the last few. `roots` has `zone`, `root` [m].
    """
    back = timedelta(hours=land.rules["balance"]["probe"])
    placed = _each(ends)
    windows = placed.select("zone", "station", "day", "stop", start=pl.col("stop") - back)
    voices = registry.load_voices(conn).filter(pl.col("parameter") == "soil_moisture")
    key = ["zone", "station", "day", "position"]
    newest = _hours(conn, windows, voices, [*key, "time"]).sort("time").unique(key, keep="last", maintain_order=True)
    found = newest.with_columns(depth=_depth()).filter(pl.col("depth") >= 0).join(roots, on="zone")
    said = irrigation.root_zone(found, ["zone", "station", "day"])
    told = placed.join(said, on=["zone", "station", "day"], how="left").sort("zone", "day", "place")
    further = pl.col("moisture").filter(pl.col("place") > 0)
    return told.group_by("zone", "day", maintain_order=True).agg(
        pl.col("moisture").filter(pl.col("place") == 0).first(), others=further
    )


def _each(zones: pl.DataFrame) -> pl.DataFrame:
    """`zones` with a row for each of their probes: its `station`, and its `place` among them, from 0."""
    listed = zones.with_columns(station=pl.concat_list("probe", pl.col("beside").fill_null([])))
    placed = listed.with_columns(place=pl.int_ranges(pl.col("station").list.len()))
    return placed.drop("probe", "beside").explode("station", "place")


def _depth() -> pl.Expr:
    """Depths are heights below 0; a probe without one stands for the whole root zone."""
    return pl.when(pl.col("position") == "").then(0.0).otherwise(-_metres())


def hours(conn: Connection, spans: pl.DataFrame, roots: pl.DataFrame, land: Land) -> pl.DataFrame:
    """irrigation.HOURS of zones with a probe in `spans` (zone, weather, probe, beside, offset, start, stop); `roots`
    as in `probed`. The moisture is the mean of the probes, `depths` are those of all."""
    asked = spans.drop_nulls("probe")
    voices, speakers = (
        registry.load_voices(conn),
        registry.load_series(conn).join(registry.load_authorities(conn), on="series"),
    )
    at_probe = asked.select("zone", "start", "stop", station="probe")
    at_each = _each(asked.select("zone", "start", "stop", "probe", "beside")).drop("place")
    by_depth = _hours(
        conn,
        at_each,
        voices.filter(pl.col("parameter") == "soil_moisture"),
        ["zone", "station", "position", "time"],
    )
    placed = by_depth.with_columns(depth=_depth()).filter(pl.col("depth") >= 0)
    counted = placed.group_by("zone", "time").agg(depths=pl.len().cast(pl.Int64))
    of_each = irrigation.root_zone(placed.join(roots, on="zone"), ["zone", "station", "time"])
    means = of_each.group_by("zone", "time", maintain_order=True).agg(settle(pl.col("moisture").mean()))
    out = means.join(counted, on=["zone", "time"])
    for name, windows in (("rain", asked.select("zone", "start", "stop", station="weather")), ("irrigation", at_probe)):
        sums = _hours(conn, windows, speakers.filter(pl.col("parameter") == name), ["zone", "time"])
        out = out.join(
            sums.select("zone", "time", pl.col("value").alias(name)), ["zone", "time"], "full", coalesce=True
        )
    placed = out.join(asked.select("zone", "offset"), on="zone").with_columns(_local_day())
    out = placed.join(_lowest(conn, asked, land), on=["zone", "day"], how="left")
    return out.select(pl.col(name).cast(dtype) for name, dtype in irrigation.HOURS.items())


def _lowest(conn: Connection, spans: pl.DataFrame, land: Land) -> pl.DataFrame:
    """`zone`, `day`, `lowest` [°C] air of it and of the days before it in which frost may still thaw."""
    back = timedelta(days=land.rules["watering"]["thaw"])
    begin, stop = (
        (pl.col(name) + pl.duration(minutes="offset")).dt.date().alias(day)
        for name, day in (("start", "begin"), ("stop", "stop"))
    )
    asked = spans.select("zone", "weather", "offset", begin - back, stop + _DAY)
    lows = weather(conn, asked, land).select("station", "day", "tmin")
    days = asked.select("zone", station="weather", day=pl.date_ranges("begin", "stop")).explode("day")
    beside = days.join(lows, on=["station", "day"], how="left").sort("zone", "day")
    reach = f"{back.days + 1}d"
    return beside.rolling("day", period=reach, group_by="zone").agg(lowest=pl.col("tmin").min())


def _hours(conn: Connection, windows: pl.DataFrame, voices: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Hours with a value that start in `windows` (zone, station, start, stop and more), by `key` that of least rank.

    The windows of a zone at a station do not overlap.
    """
    heard = voices.select("series", "station", "position", "rank")
    asked = windows.join(heard, on="station").select("series", "start", "stop").unique()
    rows = derived.load(conn, derived.AVERAGE, asked, {"averaging": ["hour"]})
    rows = rows.filter(pl.col("value").is_not_null()).select("series", "time", "value").unique()
    return (
        windows.select("zone", "station")
        .unique()
        .join(heard, on="station")
        .join(rows, on="series")
        .sort("zone", "station", "time")
        .join_asof(
            windows.sort("zone", "station", "start"),
            left_on="time",
            right_on="start",
            by=["zone", "station"],
            check_sortedness=False,
        )
        .filter(pl.col("time") < pl.col("stop"))
        .sort("rank", "time", "series")
        .unique(key, keep="first", maintain_order=True)
    )
