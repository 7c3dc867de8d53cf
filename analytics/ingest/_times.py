"""Texts and time stamps to times, by Polars expressions only: ISO 8601 with an offset in each, and station clocks."""

from datetime import UTC, datetime

import polars as pl

from analytics.frames import TIME

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

#: Ticks of a second by the unit of a column of time stamps.
SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}

UNREADABLE = "unreadable time"
NAIVE = "time without offset"
RANGE = "time out of range"

#: Offsets as they are mostly written -> minutes from UTC. The widest in use are -12:00 and +14:00.
OFFSETS = {"Z": 0} | {
    f"{sign}{hour:02}:{minute:02}": factor * (60 * hour + minute)
    for sign, factor in (("+", 1), ("-", -1))
    for hour in range(15)
    for minute in range(60)
    if 60 * hour + minute <= 14 * 60
}

#: The common forms, and the pattern of all that are read: date, hour and minute, second, its fraction, offset.
COMMON = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")
TOLERANT = (
    r"^(?<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?<minute>[0-9]{2}:[0-9]{2})"
    r"(?::(?<second>[0-9]{2})(?:[.,](?<fraction>[0-9]{1,12}))?)?"
    r" ?(?<offset>[Zz]|[+\-][0-9]{2}(?::?[0-9]{2})?)?$"
)


def within(time: pl.Expr) -> pl.Expr:
    """Why `time` is none that can be kept: null where it can."""
    inside = (time >= EARLIEST) & (time < LATEST)
    return pl.when(time.is_null()).then(pl.lit(UNREADABLE)).when(~inside).then(pl.lit(RANGE))


def times(stamps: pl.Series) -> pl.DataFrame:
    """`time` (UTC), `offset` [min] and `reason` of every text, time stamp or date; reason is null where all is well."""
    return stamped(stamps) if stamps.dtype.is_temporal() else iso(stamps.cast(pl.String))


def iso(texts: pl.Series) -> pl.DataFrame:
    """`time` (UTC), `offset` [min] and `reason` of every text; reason is null where the time can be used.

    Date and time stand apart by T or a blank; seconds and their fraction may be absent (what is finer than a
    microsecond is cut off); the offset is Z, +08:00, +0800 or +08. Source: ISO 8601-1:2019, 5.4; RFC 3339, 5.6.
    """
    text = texts.str.strip_chars().alias("text").to_frame()
    out = _common(text, COMMON[0])
    for reader in (lambda rest: _common(rest, COMMON[1]), _tolerant):
        rest = out["time"].is_null()
        if rest.any():
            found = reader(text.filter(rest))
            index = rest.arg_true()
            out = out.with_columns(out[name].scatter(index, found[name]) for name in out.columns)
    late = pl.when(pl.col("naive")).then(pl.lit(NAIVE)).otherwise(within(pl.col("time")))
    return out.select("time", "offset", reason=late)


def _common(text: pl.DataFrame, form: str) -> pl.DataFrame:
    """`time`, `offset` and `naive` where a text is of `form` and an offset; the first two null where it is not."""
    body, offset = pl.col("text").str.slice(0, 19), pl.col("text").str.slice(19)
    return text.select(*_moment(body, offset, form), naive=pl.lit(False))


def _moment(body: pl.Expr, offset: pl.Expr, form: str) -> list[pl.Expr]:
    """`time` and `offset` of a common form cut in two; both null unless both can be read."""
    minutes = offset.replace_strict(OFFSETS, default=None, return_dtype=pl.Int16)
    local = body.str.to_datetime(form, time_unit="us", strict=False)
    time = (local - pl.duration(minutes=minutes)).dt.replace_time_zone("UTC")
    return [time.alias("time"), pl.when(time.is_not_null()).then(minutes).alias("offset")]


def _tolerant(text: pl.DataFrame) -> pl.DataFrame:
    """The same for every other form: brought to the common one, then read like it."""
    part = text.select(pl.col("text").str.extract_groups(TOLERANT)).unnest("text")
    offset = pl.col("offset").str.to_uppercase().str.replace(r"^([+-]..):?(..)?$", "$1:$2").str.replace(":$", ":00")
    body = pl.concat_str("date", pl.lit("T"), "minute", pl.lit(":"), pl.col("second").fill_null("00"))
    micros = pl.col("fraction").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    local = body.str.to_datetime(COMMON[0], time_unit="us", strict=False)
    return part.select(
        *_moment(body, offset, COMMON[0]), micros=micros, naive=local.is_not_null() & offset.is_null()
    ).select(pl.col("time") + pl.duration(microseconds="micros"), "offset", "naive")


def stamped(times: pl.Series) -> pl.DataFrame:
    """The same of a column of time stamps: with a time zone they are instants, without one they cannot be used."""
    if not isinstance(times.dtype, pl.Datetime) or times.dtype.time_zone is None:
        naive = pl.when(pl.col("at").is_null()).then(pl.lit(UNREADABLE)).otherwise(pl.lit(NAIVE))
        nothing = {"time": pl.lit(None, TIME), "offset": pl.lit(None, pl.Int16)}
        return times.alias("at").to_frame().select(**nothing, reason=naive)
    at = pl.col("at")
    # Compared as numbers: a stamp of the year 200,000 makes the calendar functions panic.
    second = SECOND[times.dtype.time_unit]
    number = at.to_physical()
    inside = (number >= EARLIEST.timestamp() * second) & (number < LATEST.timestamp() * second)
    late = pl.when(at.is_null()).then(pl.lit(UNREADABLE)).when(~inside).then(pl.lit(RANGE))
    offset = (at.dt.base_utc_offset() + at.dt.dst_offset()).dt.total_minutes().cast(pl.Int16)
    # What is out of range is another stamp meanwhile: the functions look behind a null, too.
    safe = pl.when(inside).then(number).otherwise(0).cast(times.dtype)
    kept = pl.col("kept")
    return (
        times.alias("at")
        .to_frame()
        .select(safe.alias("at"), inside.alias("kept"), reason=late)
        .select(
            time=pl.when(kept).then(at.dt.convert_time_zone("UTC").cast(TIME)),
            offset=pl.when(kept).then(offset),
            reason="reason",
        )
    )


def shown(column: str, kind: pl.DataType) -> pl.Expr:
    """Stamps as text; where they are so far out that the calendar functions panic, their number."""
    stamp = pl.col(column)
    if not isinstance(kind, pl.Datetime | pl.Date):
        return stamp.cast(pl.String)
    day = SECOND[kind.time_unit] * 86_400 if isinstance(kind, pl.Datetime) else 1
    number = stamp.to_physical()
    near = number.is_between(-1_000_000 * day, 1_000_000 * day)
    return pl.when(near).then(stamp).cast(pl.String).fill_null(number.cast(pl.String))


def clock(stamps: pl.Series, day: str, *, offset: int, ends: bool = False) -> pl.DataFrame:
    """`time` (UTC) and `reason` of hours on a clock `offset` [min] from UTC: "2013-3-1 0" where `day` is "%Y-%m-%d".

    With `ends` the hour is named by its end, and the time is an hour earlier.
    """
    stamp = pl.col("stamp")
    shaped = stamp.str.contains(r"^[0-9]{4}(-[0-9]{1,2}-[0-9]{1,2}|[0-9]{4}) [0-9]{1,2}$")
    local = pl.concat_str(stamp, pl.lit(":00")).str.to_datetime(f"{day} %H:%M", time_unit="us", strict=False)
    utc = (local - pl.duration(minutes=offset + 60 * ends)).dt.replace_time_zone("UTC")
    frame = stamps.alias("stamp").to_frame().select(pl.when(shaped).then(utc).alias("time"))
    return frame.with_columns(reason=within(pl.col("time")))


def on_clock(labels: pl.Series, form: str, shape: str, *, offset: int, before: int = 0) -> pl.DataFrame:
    """`time` (UTC) and `reason` of labels on a clock `offset` [min] from UTC.

    Labels are texts of `form` that match the pattern `shape`, or time stamps, those with a zone being instants. The
    time is `before` [s] earlier: for a source whose labels name the end of a period, or its middle.
    """
    if isinstance(labels.dtype, pl.Datetime):
        zoned = labels.dtype.time_zone is not None
        found = stamped(labels if zoned else labels.dt.replace_time_zone("UTC"))
        shift = before + (0 if zoned else 60 * offset)
    else:
        text = pl.col("text").str.strip_chars()
        local = text.str.to_datetime(form, time_unit="us", strict=False).dt.replace_time_zone("UTC")
        read = pl.when(text.str.contains(shape)).then(local)
        found = labels.cast(pl.String).alias("text").to_frame().select(time=read)
        found = found.with_columns(reason=within(pl.col("time")))
        shift = before + 60 * offset
    moved = found.select("reason", time=(pl.col("time") - pl.duration(seconds=shift)).cast(TIME))
    return moved.select("time", reason=pl.coalesce("reason", within(pl.col("time"))))
