"""Stations, series, sources: what is true at a site."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from analytics.frames import SERIES, TIME
from analytics.parameters import Parameter, canonical
from analytics.store.connection import Connection

#: Usual step between readings where neither the registry nor the user says [s]. One rule for every file: a step
#: guessed from the rows at hand would depend on how they were cut into files, and verdicts with it (law 2).
DEFAULT_CADENCE = 3600
#: Why a channel has no series and gets none by being registered (`resolve`).
HOPELESS = ("unknown parameter", "derived series")
#: Chinese standard time, where a source says nothing of its stations' clocks [min].
DEFAULT_OFFSET = 480


@dataclass(frozen=True, slots=True)
class Channel:
    """How a source names a series of a station: `parameter[@position][:statistic]`."""

    parameter: str
    position: str = ""
    statistic: str = ""

    @classmethod
    def parse(cls, text: str) -> "Channel":
        """The parts of `text`, stripped."""
        rest, _, statistic = text.partition(":")
        parameter, _, position = rest.partition("@")
        return cls(parameter.strip(), position.strip(), statistic.strip())

    def __str__(self) -> str:
        position = f"@{self.position}" if self.position else ""
        statistic = f":{self.statistic}" if self.statistic else ""
        return f"{self.parameter}{position}{statistic}"


def source(conn: Connection, name: str) -> int:
    """The id of the source `name`, made with priority 0 where it is new."""
    query = "SELECT id FROM source WHERE name = %s"
    # Looked for first: an insert that finds it there has used up a number all the same, and every batch comes by here.
    row = conn.execute(query, [name]).fetchone()
    if row is None:
        conn.execute("INSERT INTO source (name) VALUES (%s) ON CONFLICT DO NOTHING", [name])
        row = conn.execute(query, [name]).fetchone()
    assert row is not None
    return int(str(row[0]))


def load_series(conn: Connection, ids: Iterable[int] | None = None, *, known: datetime | None = None) -> pl.DataFrame:
    """`frames.SERIES` of all series or those of `ids`; with the offset from UTC that was `known` at a time."""
    rows = conn.execute(
        """
        SELECT s.id, s.station, s.parameter, s.position, s.statistic, s.cadence, coalesce(r.value, t.utc_offset)
        FROM series s JOIN station t ON t.id = s.station
        LEFT JOIN registry_span r
            ON r.fact = 'utc_offset' AND r.subject = t.id AND r.since <= %(known)s AND %(known)s < r.until
        WHERE %(ids)s::int4[] IS NULL OR s.id = ANY(%(ids)s) ORDER BY 1
        """,
        {"ids": None if ids is None else list(ids), "known": known},
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(SERIES), orient="row")


def hold(conn: Connection, ids: list[int]) -> pl.DataFrame:
    """`series`, `newest`: time of the newest reading of each of `ids`, null where it has none.

    Nobody else saves, corrects or reviews these series until the transaction ends. Raises `ValueError`.
    """
    rows = conn.execute(
        "SELECT series, time FROM latest WHERE series = ANY(%s) ORDER BY series FOR UPDATE", [sorted(ids)]
    ).fetchall()
    if len(rows) != len(ids):
        raise ValueError("a series without a row in `latest`: it was not made by the registry")
    return pl.DataFrame(rows, schema={"series": pl.Int32, "newest": TIME}, orient="row")


def load_density(conn: Connection, subject: str, ids: list[int]) -> pl.DataFrame:
    """`series`, `station`, `cadence` [s], `first` and `last`: times of its readings, null where there is none, and
    `spacing` [s]: the mean step between them, null where unknown.

    Of the series `ids`, or of all series of the stations `ids`: `subject` says which.
    """
    column = {"series": "id", "station": "station"}[subject]
    rows = conn.execute(
        """
        SELECT s.id, s.station, s.cadence, l.first, l.time,
               extract(epoch FROM l.time - l.first)::float8 / nullif(l.rows - 1, 0)
        FROM series s LEFT JOIN latest l ON l.series = s.id WHERE s.{} = ANY(%s)
        """.format(column),  # noqa: UP032  # the braces of SQL are none of Python's
        [ids],
    ).fetchall()
    schema = {
        **dict.fromkeys(("series", "station", "cadence"), pl.Int32()),
        **dict.fromkeys(("first", "last"), TIME),
        "spacing": pl.Float64(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def load_stations(conn: Connection) -> pl.DataFrame:
    """`station`, `code`, `title`, `title_zh`, `longitude`, `latitude`, `offset` [min], a row a station."""
    rows = conn.execute(
        "SELECT id, code, title, title_zh, longitude, latitude, utc_offset FROM station ORDER BY id"
    ).fetchall()
    schema: dict[str, pl.DataType] = {
        "station": pl.Int32(),
        "code": pl.String(),
        "title": pl.String(),
        "title_zh": pl.String(),
        "longitude": pl.Float64(),
        "latitude": pl.Float64(),
        "offset": pl.Int16(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def load_places(conn: Connection) -> pl.DataFrame:
    """`station`, `places` (standards.PLACES): the dated memberships, a row a station that has any."""
    rows = conn.execute(
        """
        SELECT station, kind || ':' || place, nullif(since, '-infinity'),
               lead(since) OVER (PARTITION BY station, kind ORDER BY since)
        FROM membership ORDER BY 1, 2
        """
    ).fetchall()
    schema = {"station": pl.Int32, "place": pl.String, "since": pl.Date, "until": pl.Date}
    found = pl.DataFrame(rows, schema=schema, orient="row").filter(pl.col("place").is_not_null())
    return found.group_by("station").agg(pl.struct("place", "since", "until").alias("places"))


def load_districts(conn: Connection, now: datetime) -> pl.DataFrame:
    """`station`, `place`: the district that each station lies in at `now`, by its own clock."""
    rows = conn.execute(
        """
        SELECT DISTINCT ON (m.station) m.station, m.place FROM membership m JOIN station t ON t.id = m.station
        WHERE m.kind = 'district' AND m.since <= (%s AT TIME ZONE 'UTC' + make_interval(mins => t.utc_offset))::date
        ORDER BY m.station, m.since DESC
        """,
        [now],
    ).fetchall()
    return pl.DataFrame(rows, schema={"station": pl.Int32, "place": pl.String}, orient="row").drop_nulls()


def load_adoptions(conn: Connection) -> list[dict[str, object]]:
    """Adoptions of this site, in the form of the package table."""
    rows = conn.execute(
        """
        SELECT standard, place, valid_from::text, coalesce(nullif(valid_to, 'infinity')::text, ''), source
        FROM adoption ORDER BY 1, 2, 3
        """
    ).fetchall()
    names = ("standard", "place", "valid_from", "valid_to", "source")
    return [dict(zip(names, row, strict=True)) | {"confidence": "site", "note": ""} for row in rows]


def load_authorities(conn: Connection, stations: Collection[int] | None = None) -> pl.DataFrame:
    """`series`, `rank`: which series speaks for its station's parameter (0) or stands in (1); others are absent.
    Of all `stations`, or of those with these ids.

    Where nothing is registered, the reading itself (no statistic) with the least position and the shortest cadence
    speaks, the next one stands in.
    """
    rows = conn.execute(
        """
        SELECT id, (row_number() OVER (PARTITION BY station, parameter ORDER BY position, cadence, id) - 1)::int2
        FROM series s WHERE statistic = '' AND (%(stations)s::int4[] IS NULL OR s.station = ANY(%(stations)s))
            AND NOT EXISTS (SELECT FROM authority a WHERE a.station = s.station AND a.parameter = s.parameter)
        UNION ALL SELECT series, 0::int2 FROM authority
        WHERE %(stations)s::int4[] IS NULL OR station = ANY(%(stations)s)
        UNION ALL SELECT fallback, 1::int2 FROM authority
        WHERE fallback IS NOT NULL AND (%(stations)s::int4[] IS NULL OR station = ANY(%(stations)s))
        """,
        {"stations": None if stations is None else list(stations)},
    ).fetchall()
    return pl.DataFrame(rows, schema={"series": pl.Int32, "rank": pl.Int16}, orient="row").filter(pl.col("rank") < 2)


def load_voices(conn: Connection) -> pl.DataFrame:
    """`series`, `voice`, `rank`, `station`, `parameter`, `position`, `cadence` [s], `offset` [min].

    Which series speaks (rank 0) for its (station, parameter, position) and which one stands in (1), others are absent;
    `voice` is the id of the one that speaks, under which what is made of both is kept. As `load_authorities`, but each
    position has a voice of its own.
    """
    rows = conn.execute(
        """
        WITH ranked AS (
            SELECT s.*, (row_number() OVER w - 1)::int2 AS rank, first_value(s.id) OVER w AS voice
            FROM series s LEFT JOIN authority a ON a.station = s.station AND a.parameter = s.parameter
            WHERE s.statistic = '' OR s.id IN (a.series, a.fallback)
            WINDOW w AS (
                PARTITION BY s.station, s.parameter, s.position
                ORDER BY s.id IS DISTINCT FROM a.series, s.id IS DISTINCT FROM a.fallback, s.cadence, s.id
            )
        )
        SELECT r.id, r.voice, r.rank, r.station, r.parameter, r.position, r.cadence, t.utc_offset
        FROM ranked r JOIN station t ON t.id = r.station WHERE r.rank < 2 ORDER BY 1
        """
    ).fetchall()
    schema = {
        "series": pl.Int32,
        "voice": pl.Int32,
        "rank": pl.Int16,
        "station": pl.Int32,
        "parameter": pl.String,
        "position": pl.String,
        "cadence": pl.Int32,
        "offset": pl.Int16,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def resolve(
    conn: Connection, pairs: pl.DataFrame, parameters: Mapping[str, Parameter], cadence: int | None
) -> pl.DataFrame:
    """`pairs` (station, channel) with `series` (null: unknown) and `reason` why there is none.

    A channel names no cadence: without one the series that speaks for the parameter is meant.
    """
    wanted = pairs.with_columns(
        pl.col("channel")
        .map_elements(lambda text: str(_channel(text, parameters)), return_dtype=pl.String)
        .alias("key"),
        pl.col("channel")
        .map_elements(lambda text: _channel(text, parameters).parameter in parameters, return_dtype=pl.Boolean)
        .alias("measured"),
    )
    # What is asked for is read, and no more: a batch of a few devices comes by here twice a second.
    ids: list[Any] = conn.execute(
        "SELECT s.id, t.id, t.code FROM station t LEFT JOIN series s ON s.station = t.id WHERE t.code = ANY(%s)",
        [pairs["station"].unique().drop_nulls().to_list()],
    ).fetchall()
    codes = {station: code for _, station, code in ids}
    stations = pl.DataFrame(list(codes.items()), schema={"station": pl.Int32, "code": pl.String}, orient="row")
    known = (
        load_series(conn, [number for number, _, _ in ids if number is not None])
        .join(load_authorities(conn, codes), on="series", how="left")
        .join(stations, on="station")
        .filter(pl.lit(True) if cadence is None else pl.col("cadence") == cadence)
        .sort("rank", "cadence", "series", nulls_last=True)
        .select(
            pl.col("code").alias("station"),
            pl.struct("parameter", "position", "statistic")
            .map_elements(lambda row: str(Channel(**row)), return_dtype=pl.String)
            .alias("key"),
            "series",
        )
        .unique(["station", "key"], keep="first", maintain_order=True)
    )
    there = pl.col("station").is_in(stations["code"].implode())
    # What is derived is measured nowhere: a reading of it would count for nothing.
    rows = conn.execute("SELECT DISTINCT series FROM derivation WHERE ended IS NULL").fetchall()
    derived = pl.col("series").is_in([row[0] for row in rows]).fill_null(value=False)
    return wanted.join(known, on=["station", "key"], how="left").select(
        "station",
        "channel",
        "key",
        pl.when(~derived).then("series").alias("series"),
        pl.when(~pl.col("measured"))
        .then(pl.lit("unknown parameter"))
        .when(~there)
        .then(pl.lit("unknown station"))
        .when(derived)
        .then(pl.lit("derived series"))
        .when(pl.col("series").is_null())
        .then(pl.lit("unknown series"))
        .alias("reason"),
    )


def _channel(text: str, parameters: Mapping[str, Parameter]) -> Channel:
    channel = Channel.parse(text)
    return Channel(canonical(channel.parameter, parameters) or channel.parameter, channel.position, channel.statistic)
