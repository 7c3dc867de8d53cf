"""What was issued once and is never changed: forecasts, advice."""

from collections.abc import Iterator

import polars as pl

from analytics.store import forecasts, retention, zones
from analytics.store.connection import Connection
from jobs.export import pages
from jobs.export.ask import Ask

#: Hours that a forecast is about, at most.
LEADS = 168

#: Columns of forecasts.
FORECASTS = (
    *("station", "parameter", "issued", "time", "value", "low", "high"),
    *("model", "skill", "level", "reason", "position"),
)


def export_forecasts(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, issued, time (start of the hour it is about), value, low, high, model, skill, level (of the
    band), reason, position. Asked for by the time of issue."""
    names = pages.series(conn, ask)
    spans = forecasts.extent(conn, names["series"].to_list())
    for windows in pages.slices(spans, names, ask, pages.room(3600, rows=LEADS)):
        yield forecasts_in(conn, windows, names, ask).select(*FORECASTS)


def forecasts_in(conn: Connection, windows: pl.DataFrame, names: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """What `export_forecasts` writes of what was issued in `windows` (series, start, stop), and the rest of `names`."""
    rows = forecasts.load_issues(conn, windows, known=ask.known)
    retention.require_issued(conn, "forecast", ask.known, ask.start)
    found = rows.join(names.rename({"code": "station"}), on="series")
    return found.sort("station", "parameter", "position", "statistic", "cadence", "issued", "time")


def export_advice(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """zone, issued, day, water, depth [mm], volume [m³], minutes, latest, depletion [mm], raw [mm], reason, reason_zh,
    weather (station), begin, risk [1], trusted, plan (of today and the days after [m³], a space between), doubted
    (probes, likewise).
    Asked for by the time of issue, and by the station whose weather the zone has."""
    stations = pages.stations(conn, ask).rename({"station": "weather", "code": "name"})
    named = zones.load(conn).join(stations, on="weather").sort("code").select("zone", "code", "name")
    for page in pages.slices(zones.extent(conn), named, ask, pages.room(3600)):
        rows = zones.load_issues(conn, page, known=ask.known)
        yield (
            rows.join(named, on="zone")
            .sort("code", "issued")
            .select(
                pl.col("code").alias("zone"),
                "issued",
                "day",
                "water",
                "depth",
                "volume",
                "minutes",
                "latest",
                "depletion",
                "raw",
                "reason",
                "reason_zh",
                pl.col("name").alias("weather"),
                "begin",
                "risk",
                "trusted",
                plan=pl.col("plan").list.eval(pl.element().round(2).cast(pl.String())).list.join(" "),
                doubted=pl.col("doubted").list.join(" "),
            )
        )
