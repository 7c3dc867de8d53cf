"""Stamps of a table as times: forms tried in order, station clocks with and without summer time."""

import re
from dataclasses import dataclass, field

import polars as pl

from analytics.frames import TIME
from analytics.ingest._cells import words
from analytics.ingest._times import EARLIEST, LATEST, OFFSETS, RANGE, UNREADABLE, iso, shown, stamped, within

ISO, EPOCH = "iso", {"epoch": 1_000_000, "epoch-ms": 1_000}
#: Directives of a form -> what it may look like. chrono alone takes a year of two digits where four are meant.
SHAPES = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "[0-9]{1,2}",
    "d": "[0-9]{1,2}",
    "j": "[0-9]{1,3}",
    "H": "[0-9]{1,2}",
    "I": "[0-9]{1,2}",
    "M": "[0-5][0-9]",
    "S": "[0-5][0-9]",
    "b": "[A-Za-z]{3}",
    "p": "[AaPp][Mm]",
}
FRACTION = "%.f"
REJECT, ORDER, FIRST, SECOND = "reject", "order", "first", "second"
TWICE = (REJECT, ORDER, FIRST, SECOND)
SHOWN_TWICE = "time that the clock shows twice"
SKIPPED = "time that the clock skips"
THIRD = "time that the clock shows twice, a third time"
CROWD = "too many times that the clock shows twice"
#: Stamps of doubled hours that are remembered, one an hour and station and year.
MOST_REMEMBERED = 1_000_000
UNITS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000}
#: The most that can be added to a day or an hour [µs]: its end.
MOST_ADDED = {"h": 24 * 3_600_000_000, "m": 1440 * 60_000_000, "s": 86_400 * 1_000_000}


@dataclass(frozen=True, slots=True)
class Clock:
    """How the stamps of a form are read.

    `columns` are joined by a blank and read by the first of `forms` that fits; the number in the column `add`
    [`add_unit`] is added; the clock is `zone`'s, `offset` [min] from UTC, None where it has summer time; a time is
    `before` [s] earlier than its stamp. The station itself may live by another clock, `standard`.
    """

    columns: tuple[str, ...]
    forms: tuple[str, ...]
    zone: str
    offset: int | None
    #: [min] from UTC, without summer time
    standard: int
    before: int = 0
    add: str = ""
    add_unit: str = "h"
    twice: str = REJECT

    @classmethod
    def made(
        cls,
        *,
        columns: tuple[str, ...],
        forms: tuple[str, ...],
        zone: str,
        before: int,
        add: str,
        add_unit: str,
        twice: str,
        local: str = "",
    ) -> "Clock":
        """A clock. Raises `ValueError` saying what is wrong."""
        if not columns or not forms:
            raise ValueError("'columns' and 'form' must not be empty")
        for form in forms:
            if form not in (ISO, *EPOCH):
                shape(form)
            elif len(forms) > 1:
                raise ValueError(f"'form' {form!r} goes with no other")
        if add_unit not in UNITS:
            raise ValueError(f"'add_unit' cannot be {add_unit!r}: one of {', '.join(UNITS)}")
        if twice not in TWICE:
            raise ValueError(f"'twice' cannot be {twice!r}: one of {', '.join(TWICE)}")
        if add and forms[0] in (ISO, *EPOCH):
            raise ValueError(f"'add' does not go with the form {forms[0]!r}")
        offset, where = _offset(zone), local or zone
        standard = _standard(where) if _offset(where) is None else _offset(where)
        if offset is None:
            _standard(zone)
        return cls(columns, forms, zone, offset, standard or 0, before, add, add_unit, twice)

    @property
    def ordered(self) -> bool:
        """Does the order of rows say which of two equal stamps is meant?"""
        return self.offset is None and self.twice == ORDER


def _offset(zone: str) -> int | None:
    """The distance of `zone` from UTC [min] where it is written so; None of a name."""
    return 0 if zone == "UTC" else OFFSETS.get(zone)


def _standard(zone: str) -> int:
    """The distance of `zone` from UTC without summer time [min]. Raises `ValueError` where there is none."""
    winter = pl.select(pl.datetime(2020, 1, 1))
    try:
        found = winter.select(pl.col("datetime").dt.replace_time_zone(zone).dt.base_utc_offset().dt.total_minutes())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ValueError(f"'zone' cannot be {zone!r}: write UTC, +08:00 or a name like Europe/Madrid") from error
    return int(found.item())


def shape(form: str) -> str:
    """The pattern of stamps written as `form`. Raises `ValueError` where a directive is none that is known."""
    out, rest = "", form
    while rest:
        if rest.startswith(FRACTION):
            out, rest = out + r"(?:\.[0-9]{1,9})?", rest[len(FRACTION) :]
        elif rest[0] == "%":
            if rest[1:2] not in SHAPES:
                known = ", ".join(f"%{name}" for name in SHAPES)
                raise ValueError(f"'form' {form!r}: %{rest[1:2]} is none of {known}, {FRACTION}")
            out, rest = out + SHAPES[rest[1]], rest[2:]
        else:
            out, rest = out + re.escape(rest[0]), rest[1:]
    if not ("%Y" in form or "%y" in form) or not ("%j" in form or ("%d" in form and ("%m" in form or "%b" in form))):
        raise ValueError(f"'form' {form!r}: says no day")
    return f"^{out}$"


@dataclass(slots=True)
class Reader:
    """A clock on its way through a file."""

    clock: Clock
    _seen: dict[tuple[str, object], int] = field(default_factory=dict)

    def read(self, rows: pl.DataFrame, stamps: list[str], add: str | None, who: pl.Series) -> pl.DataFrame:
        """`time` (UTC), `reason` and `stamp` (as it was written) of every row.

        `stamps` are the columns of the stamp, `add` that of what is added; `who` tells apart what has stamps of its
        own.
        """
        kind = rows.schema[stamps[0]]
        alone = len(stamps) == 1 and isinstance(kind, pl.Datetime)
        texts = [shown(column, rows.schema[column]).str.strip_chars().fill_null("") for column in stamps]
        joined = pl.col(stamps[0]) if alone else pl.concat_str(texts, separator=" ")
        stamp = rows.select(stamp=joined)["stamp"]
        found = self._instants(stamp) if alone or self.clock.forms[0] in (ISO, *EPOCH) else _local(stamp, self.clock)
        written = stamp
        if add is not None:
            number = words(add).cast(pl.Float64, strict=False) * UNITS[self.clock.add_unit]
            whole = pl.when(number.is_between(0, MOST_ADDED[self.clock.add_unit])).then(number.round(0))
            more = rows.select(more=whole.cast(pl.Int64).cast(pl.Duration("us")))["more"]
            which = "at" if "at" in found.columns else "time"
            lost = pl.when(pl.col("more").is_null()).then(pl.lit(UNREADABLE))
            found = found.with_columns(more).select(
                (pl.col(which) + pl.col("more")).alias(which), reason=pl.coalesce("reason", lost)
            )
            both = pl.concat_str([*texts, words(add).fill_null("")], separator=" ")
            written = rows.select(both).to_series()
        if "time" not in found.columns:
            found = self._zoned(found, who)
        time = (pl.col("time") - pl.duration(seconds=self.clock.before)).cast(TIME)
        found = found.select(time=time, reason="reason")
        return found.select("time", reason=pl.coalesce("reason", within(pl.col("time"))), stamp=written.alias("stamp"))

    def _instants(self, stamp: pl.Series) -> pl.DataFrame:
        """`time` and `reason` of stamps that are instants by themselves; else `at`, on the clock, and `reason`."""
        if isinstance(stamp.dtype, pl.Datetime):
            naive = stamp.dtype.time_zone is None
            found = stamped(stamp.dt.replace_time_zone("UTC") if naive else stamp)
            if not naive:
                return found.select("time", "reason")
            return found.select(at=pl.col("time").dt.replace_time_zone(None), reason="reason")
        if self.clock.forms[0] == ISO:
            return iso(stamp).select("time", "reason")
        micros = pl.col("stamp").cast(pl.Float64, strict=False) * EPOCH[self.clock.forms[0]]
        inside = micros.is_between(EARLIEST.timestamp() * 1e6, LATEST.timestamp() * 1e6, closed="left")
        late = pl.when(~inside.fill_null(value=True)).then(pl.lit(RANGE))
        time = pl.when(inside).then(micros.round(0)).cast(pl.Int64).cast(TIME)
        found = stamp.to_frame().select(time=time, reason=late)
        return found.with_columns(reason=pl.coalesce("reason", within(pl.col("time"))))

    def _zoned(self, found: pl.DataFrame, who: pl.Series) -> pl.DataFrame:
        """`time` and `reason` of `at` on the clock of the zone."""
        clock, at = self.clock, pl.col("at")
        if clock.offset is not None:
            utc = (at - pl.duration(minutes=clock.offset)).dt.replace_time_zone("UTC")
            return found.select(time=utc, reason="reason")
        near = pl.when(at.is_between(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None))).then(at)
        first, last = (
            near.dt.replace_time_zone(clock.zone, ambiguous=which, non_existent="null").dt.convert_time_zone("UTC")
            for which in ("earliest", "latest")
        )
        both = found.select("reason", near.alias("at"), first=first, last=last)
        both = both.with_columns(twice=(pl.col("first") != pl.col("last")).fill_null(value=False))
        skipped = pl.when(pl.col("at").is_not_null() & pl.col("first").is_null()).then(pl.lit(SKIPPED))
        both = both.with_columns(reason=pl.coalesce("reason", skipped))
        if clock.twice == REJECT:
            late = pl.when("twice").then(pl.lit(SHOWN_TWICE))
            return both.select(time=pl.when(~pl.col("twice")).then("first"), reason=pl.coalesce("reason", late))
        if clock.twice in (FIRST, SECOND):
            return both.select("reason", time="first" if clock.twice == FIRST else "last")
        both = both.with_columns(nth=self._nth(both, who))
        time = pl.when(pl.col("nth") == 0).then("first").when(pl.col("nth") == 1).then("last")
        nobody_knows = pl.when(pl.col("nth") == -1).then(pl.lit(CROWD)).when(pl.col("nth") > 1).then(pl.lit(THIRD))
        return both.select(time=time, reason=pl.coalesce("reason", nobody_knows))

    def _nth(self, both: pl.DataFrame, who: pl.Series) -> pl.Series:
        """How often the stamp of a doubled hour came before for the same `who`; 0 elsewhere, -1: nobody knows."""
        out = [0] * both.height
        for row in both["twice"].arg_true().to_list():
            key = (str(who[row]), both["at"][row])
            if key not in self._seen and len(self._seen) >= MOST_REMEMBERED:
                out[row] = -1
                continue
            out[row] = self._seen[key] = self._seen.get(key, -1) + 1
        return pl.Series("nth", out, pl.Int64)


def _local(stamp: pl.Series, clock: Clock) -> pl.DataFrame:
    """`at`, what the clock showed, and `reason`."""
    text = pl.col("stamp").str.strip_chars()
    read = []
    for form in clock.forms:
        # A day alone is its midnight, an hour alone its first minute: chrono wants an hour and a minute.
        more = " 00:00" if not ("%H" in form or "%I" in form) else " 00" if "%M" not in form else ""
        full = f"{form}{' %H:%M' if len(more) > 3 else ' %M' if more else ''}"
        at = (text + more if more else text).str.to_datetime(full, time_unit="us", strict=False)
        read.append(pl.when(text.str.contains(shape(form))).then(at))
    at = pl.coalesce(read)
    found = stamp.cast(pl.String).to_frame().select(at=at)
    return found.select("at", reason=within(pl.col("at").dt.replace_time_zone("UTC")))
