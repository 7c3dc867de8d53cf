"""Another Greenwatch database as a source: what it stores, by station code and channel. It is only read."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import psycopg
from psycopg import conninfo

from analytics.frames import CELLS, REJECTS, TIME, Batch, conform, empty
from analytics.store import connection, horizon, migrations, observations, register, registry
from analytics.store.connection import Connection
from analytics.store.errors import Archived, StoreError
from jobs import console

#: How its readings are called as a source where nobody says otherwise.
NAME = "greenwatch"
#: Readings of a chunk, about: a batch.
ROWS = 100_000
#: Where a worker finds the password of another database, which is kept nowhere.
PASSWORD = "GREENWATCH_SOURCE_PASSWORD"
_INSTANT = timedelta(microseconds=1)


def without_password(dsn: str) -> tuple[str, str]:
    """`dsn` without its password, and the password ("": none). Raises `NotAsAsked`."""
    try:
        parts = conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as problem:
        raise console.NotAsAsked(f"--database is no connection string: {str(problem).strip()}") from None
    password = str(parts.pop("password", None) or "")
    return conninfo.make_conninfo("", **parts), password


@contextmanager
def opened(dsn: str) -> Iterator[Connection]:
    """A connection to the other database that cannot write, closed at the end. Raises `NotAsAsked`."""
    if not without_password(dsn)[1] and (password := os.environ.get(PASSWORD)):
        dsn = conninfo.make_conninfo(dsn, password=password)
    how = connection.arguments(application="greenwatch backfill: source", options="-c default_transaction_read_only=on")
    try:
        conn = psycopg.connect(dsn, **how)
    except connection.Lost as problem:
        raise console.NotAsAsked(
            f"the other database cannot be used: {str(problem).strip().splitlines()[0]} (a password that is"
            f" not in --database is taken from {PASSWORD} or ~/.pgpass)"
        ) from problem
    with closing(conn):
        row = conn.execute("SELECT to_regclass('public.observation') IS NOT NULL").fetchone()
        if not (row and row[0]):
            raise console.NotAsAsked("the other database holds no observations of greenwatch")
        try:
            migrations.require(conn)
        except StoreError as problem:
            raise console.NotAsAsked(f"the other database is of another version: {problem}") from problem
        yield conn


def same(here: Connection, there: Connection) -> bool:
    """Whether both are connections to one database."""
    query = "SELECT (SELECT system_identifier FROM pg_control_system()), current_database()"
    return here.execute(query).fetchone() == there.execute(query).fetchone()


def pieces(conn: Connection, stations: list[str] | None, start: datetime | None, stop: datetime | None) -> pl.DataFrame:
    """`series` (a list), `cadence` [s], `start`, `stop`, `rows` (about): what there is, by months and groups of series.

    Of `stations` and between `start` and `stop`, where these are given.
    """
    series = registry.load_density(conn, "station", registry.load_stations(conn)["station"].to_list())
    codes = registry.load_stations(conn).select("station", "code")
    if stations is not None:
        if lost := sorted(set(stations) - set(codes["code"])):
            raise console.NotAsAsked(f"the other database has no station {lost[0]!r}")
        codes = codes.filter(pl.col("code").is_in(stations))
    span = observations.extent(conn, series["series"].to_list()).join(series, on="series").join(codes, on="station")
    step = pl.col("spacing").fill_null(pl.col("cadence")).clip(lower_bound=0.001)
    months = (
        span.with_columns(
            pl.max_horizontal("start", pl.lit(start, TIME)), pl.min_horizontal("stop", pl.lit(stop, TIME))
        )
        .filter(pl.col("start") < pl.col("stop"))
        .with_columns(
            pl.datetime_ranges(pl.col("start").dt.truncate("1mo"), pl.col("stop") - _INSTANT, "1mo").alias("month")
        )
        .explode("month")
        .with_columns(
            pl.max_horizontal("start", "month").alias("start"),
            pl.min_horizontal("stop", pl.col("month").dt.offset_by("1mo")).alias("stop"),
        )
        .with_columns(((pl.col("stop") - pl.col("start")).dt.total_seconds() / step + 1).alias("rows"))
        .sort("month", "cadence", "series")
    )
    group = (pl.col("rows").cum_sum() // ROWS).over("month", "cadence")
    return (
        months.group_by("month", "cadence", group.alias("group"), maintain_order=True)
        .agg(
            pl.col("series").cast(pl.Int64),
            pl.col("start").min(),
            pl.col("stop").max(),
            pl.col("rows").sum().cast(pl.Int64),
        )
        .drop("month", "group")
    )


def batch(conn: Connection, piece: Mapping[str, Any]) -> Batch:
    """What is stored of a piece (`series`, `cadence`, `start`, `stop` in ISO 8601); what the other registry says of
    its stations, for `--register`."""
    series = registry.load_series(conn, piece["series"]).join(
        registry.load_stations(conn).select("station", "code"), on="station"
    )
    windows = series.select(
        "series",
        pl.lit(datetime.fromisoformat(piece["start"]), TIME).alias("start"),
        pl.lit(datetime.fromisoformat(piece["stop"]), TIME).alias("stop"),
    )
    names = series.select(
        "series",
        pl.col("code").alias("station"),
        pl.struct("parameter", "position", "statistic")
        .map_elements(lambda row: str(registry.Channel(**row)), return_dtype=pl.String)
        .alias("channel"),
    )
    rows = observations.load(conn, windows).join(names, on="series").sort("station", "channel", "time")
    try:
        horizon.require(conn, windows)  # afterwards: what went while it was read is not missed
    except Archived as problem:
        raise console.NotAsAsked(f"in the other database, {problem}") from problem
    return Batch(conform(rows, CELLS), empty(REJECTS), stations=_facts(conn, set(names["station"]), piece["cadence"]))


def _facts(conn: Connection, codes: set[str], cadence: int) -> dict[str, dict[str, Any]]:
    """What the registry says of the stations `codes`, as a reader of files would."""
    known = register.load(conn)
    facts: dict[str, dict[str, Any]] = {
        code: {name: value for name, value in known.stations[code].items() if value is not None} | {"cadence": cadence}
        for code in sorted(codes)
    }
    for membership, place in known.memberships.items():
        if membership.station in codes and membership.since is None and place is not None:
            facts[membership.station].setdefault("memberships", {})[membership.kind] = place
    return facts
