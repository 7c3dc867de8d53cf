"""Hours of stations, the wind beside them, emitters: what hints are made of. All of it is read, nothing is written."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl

from analytics import parameters
from analytics.hints import candidates
from analytics.hints.candidates import EMITTERS, PLACES
from analytics.parameters import Parameter
from analytics.store import registry
from analytics.store.connection import Connection
from jobs import chain, console, traces

SPEED, DIRECTION = "wind_speed", "wind_direction"
#: So far away [km] the wind is taken for that of a station.
NEAR = 30.0


class Span(NamedTuple):
    """The hours that are looked at: from `start`, those that have ended by `stop`."""

    start: datetime
    stop: datetime


class Wind(NamedTuple):
    """`hours` (time, speed [m/s], direction [°]) of the station with that code, `distance` [km] off."""

    station: str
    distance: float
    hours: pl.DataFrame


def parameter(conn: Connection, word: str) -> Parameter:
    """The parameter that `word` means. Raises `NotAsAsked`."""
    known = chain.load_rules(conn)[-1].parameters
    name = parameters.canonical(word, known)
    if name is None:
        raise console.NotAsAsked(f"no parameter {word!r} is known")
    return known[name]


def voices(conn: Connection) -> pl.DataFrame:
    """series, voice, rank, station, parameter, code, title, title_zh, longitude, latitude, offset: of each station the
    series that speaks for a parameter (rank 0) and its stand-in, of several positions those of the first."""
    found = registry.load_voices(conn).drop("offset", "cadence")
    first = pl.col("voice").first().over("station", "parameter", order_by=["position", "rank"])
    spoken = found.filter(pl.col("voice") == first)
    return spoken.join(registry.load_stations(conn), on="station").sort("code", "parameter", "rank")


def station(all_voices: pl.DataFrame, code: str, name: str) -> dict[str, object]:
    """The voice of `name` at the station with that code. Raises `NotAsAsked`."""
    here = all_voices.filter(code=code)
    if here.is_empty():
        raise console.NotAsAsked(f"no station {code!r} is registered, or it measures nothing")
    if name not in here["parameter"]:
        raise console.NotAsAsked(
            f"{code} does not measure {name}; it measures {', '.join(here['parameter'].unique(maintain_order=True))}"
        )
    return here.filter(parameter=name, rank=0).row(0, named=True)


def hours(conn: Connection, heard: pl.DataFrame, span: Span) -> pl.DataFrame:
    """series (the voice), time, value: hourly means that are settled, of hours that have ended; of the `voices` heard,
    or of their stand-ins."""
    rows = traces.hours(conn, heard, span.start, span.stop).rename({"voice": "series"})
    return rows.filter(pl.col("time") + timedelta(hours=1) <= span.stop)


def wind(conn: Connection, all_voices: pl.DataFrame, code: str, span: Span, weather: str | None = None) -> Wind:
    """The wind at the station with that code: its own, or that of the nearest one that has both, or that of `weather`.

    Raises `NotAsAsked` where there is none.
    """
    blows = all_voices.filter(pl.col("parameter").is_in([SPEED, DIRECTION]))
    both = blows.filter(pl.col("parameter").n_unique().over("station") == 2)
    found, distance = weather, 0.0
    if weather is not None and weather not in both["code"]:
        raise console.NotAsAsked(f"{weather} does not measure {SPEED} and {DIRECTION}")
    if found is None and code in both["code"]:
        found = code
    if found is None:
        near = candidates.bearings(place(all_voices, code), _as_emitters(both), reach=NEAR)
        if near.is_empty():
            raise console.NotAsAsked(f"no station within {NEAR:g} km of {code} measures the wind: say --weather CODE")
        found, distance = near.sort("distance", "emitter").select("emitter", "distance").row(0)
    rows = hours(conn, both.filter(code=found), span).join(
        both.select(series="voice", parameter="parameter").unique(), on="series"
    )
    turned, blown = (
        rows.filter(parameter=one).select("time", pl.col("value").alias(name))
        for one, name in ((DIRECTION, "direction"), (SPEED, "speed"))
    )
    return Wind(found, distance, blown.join(turned, on="time", how="full", coalesce=True).sort("time"))


def place(all_voices: pl.DataFrame, code: str, name: str | None = None) -> pl.DataFrame:
    """`candidates.PLACES` of the voices of a station, or of one of them."""
    here = all_voices.filter(code=code) if name is None else all_voices.filter(code=code, parameter=name)
    columns = here.select(pl.col("voice").alias("series"), "parameter", "longitude", "latitude")
    return columns.cast(dict(PLACES)).head(1)  # type: ignore[arg-type]  # names to types, as it asks for


def members(conn: Connection, place: str, now: datetime) -> list[int]:
    """Stations that are in the `place` (kind:name) on the day (UTC) of `now`."""
    day, since, until = pl.lit(now.date()), pl.col("since"), pl.col("until")
    dated = registry.load_places(conn).explode("places").unnest("places").filter(place=place)
    within = (since.is_null() | (since <= day)) & (until.is_null() | (until > day))
    return dated.filter(within)["station"].to_list()


def local(time: datetime, offset: int) -> str:
    """A time as the clock of a station shows it that is `offset` [min] from UTC."""
    return f"{time.astimezone(UTC) + timedelta(minutes=offset):%Y-%m-%d %H:%M}"


def _as_emitters(stations: pl.DataFrame) -> pl.DataFrame:
    columns = stations.unique("code").select(pl.col("code").alias("emitter"), "longitude", "latitude")
    return columns.with_columns(pl.lit([], EMITTERS["emits"]).alias("emits"))
