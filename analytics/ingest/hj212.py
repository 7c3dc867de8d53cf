"""Messages of HJ 212 devices (`analytics.telemetry.hj212`) into cells; and files of their frames, as a line had them.

Origin: HJ 212-2017, tables 7 to 9 and annex B, and what devices send. Of an upload (2011, 2031, 2051, 2061) each value
is a cell: `a34004-Rtd`, `-Avg` and `-Data` are the channel itself, the others a statistic of it (`pm25:min`). How often
the command comes is the cadence of the series: the moment's, the minutes', the hours' and the days' figures of one
quantity are series of their own, of which one speaks (`registry.load_authorities`).

`DataTime` is the moment of sampling in 2011 and the start of the interval in the others, in the device's local time.
The letter of `-Flag` is the mark, QN the revision [µs since 1970]: what is sent again later wins. A packet of a message
in parts stands for itself. A code that nobody knows is a reject that keeps the code, its value and its time.

In a file the station is the device's number (MN), and what stands between frames (a time of receipt, say) is nothing.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

import polars as pl

from analytics import parameters as package
from analytics import tables, units
from analytics.frames import CELLS, REJECTS, TIME, Batch, conform, empty
from analytics.ingest._cells import KEPT, same_facts, spelt_out
from analytics.ingest._cells import batch as judged
from analytics.ingest._source import Source
from analytics.parameters import Parameter
from analytics.telemetry.hj212.codes import CADENCES, GRIDS, STATISTICS, Factor, channel, factors
from analytics.telemetry.hj212.devices import Device, masked
from analytics.telemetry.hj212.frames import CHECK, FRONT, HEAD, Decoder, Fault, Frame, Wrong
from analytics.telemetry.hj212.messages import Item, Message, NoMessage, parse

TABLE = "hj212_factors"
#: Texts and numbers that stand for no value; of the numbers where the parameter cannot have them.
NOTHING = ("", "NaN", "nan", "NAN", "null", "NULL", "-", "--")
SENTINELS = (-99.0, -999.0, -9999.0)
#: A time so many seconds past its grid is put back.
SLACK = 2
#: Messages of a file in a batch, at most.
MOST = 20_000
_DIGITS, _LONG = 14, 17
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # in the device's own clock
_BEGINS = re.compile(rb"##[0-9]{4}[^#\r\n]{0,1000}CP=&&")


class Bent(StrEnum):
    """A rule for times that a message does not keep, and is read all the same."""

    long_time = "DataTime with milliseconds"
    past_grid = "DataTime just past its interval"


class Said(NamedTuple):
    """A message, who sent it, where it can be found again, and when it came, where that is known."""

    place: str
    message: Message
    device: Device
    received: datetime | None = None


def recognises(source: Source) -> bool:
    """Does a frame of HJ 212 begin in the head of `source`?"""
    return not source.is_parquet() and _BEGINS.search(source.head()) is not None


def read(source: Source) -> Iterator[Batch]:
    """Batches of the frames in `source`, one a command and some thousand messages; values [the parameter's unit].

    A frame that is damaged is one reject. Raises `UnreadableSource` where nothing of the file can be read.
    """
    decoder, waiting, broken = Decoder(), list[Said](), list[dict[str, str]]()
    number = 0

    def take(found: Iterator[Frame | Fault]) -> None:
        nonlocal number
        for one in found:
            if isinstance(one, Fault) and one.wrong is Wrong.noise:
                continue
            number += 1
            try:
                if isinstance(one, Fault):
                    raise NoMessage(str(one.wrong))
                message = parse(one.segment)
            except NoMessage as problem:
                raw = _judged(one) if isinstance(one, Fault) else one.raw
                broken.append(refusal(f"frame {number}", raw, str(problem)))
            else:
                mn = message.head["MN"]
                waiting.append(Said(str(number), message, Device(mn, mn)))

    for block in source.blocks():
        # In slices: what a block makes is larger than the block.
        for first in range(0, len(block), 1 << 16):
            take(decoder.feed(block[first : first + (1 << 16)]))
            if len(waiting) + len(broken) >= MOST:
                yield from _batches(waiting, broken)
                waiting.clear()
                broken.clear()
    take(decoder.flush())
    yield from _batches(waiting, broken)


def _judged(fault: Fault) -> bytes:
    """The bytes that were found to be no frame, without what happened to be read with them."""
    if fault.wrong is Wrong.cut_off:
        return fault.raw
    size = 0 if fault.wrong is Wrong.too_long else int(fault.raw[len(HEAD) : FRONT]) + CHECK
    return fault.raw[: FRONT + size].rstrip()


def _batches(messages: Sequence[Said], broken: Sequence[Mapping[str, str]]) -> Iterator[Batch]:
    for step, some in grouped(messages).items():
        yield batch(some, step, Counter(), place="frame")
    yield refused(broken)


def uploads(message: Message) -> bool:
    """Whether `message` brings figures."""
    return message.head["CN"] in CADENCES


def refusal(place: str, raw: bytes, reason: str) -> dict[str, str]:
    """A row of REJECTS for bytes that are no message; passwords in them are masked."""
    text = masked(raw).decode("utf-8", "replace").replace("\0", "\ufffd")[:KEPT]
    return {"text": text, "place": place, "reason": reason}


def grouped(messages: Sequence[Said]) -> dict[int, list[Said]]:
    """The messages that bring figures, by the cadence of these [s]."""
    groups: dict[int, list[Said]] = {}
    for said in messages:
        if uploads(said.message):
            groups.setdefault(said.device.step(said.message.head["CN"]), []).append(said)
    return groups


def batch(
    messages: Sequence[Said],
    step: int,
    bends: Counter[str],
    parameters: Mapping[str, Parameter] | None = None,
    known: Mapping[str, Factor] | None = None,
    *,
    place: str = "message",
) -> Batch:
    """What `messages` of one cadence, `step` [s], bring; values [the parameter's unit].

    `bends` counts how often each rule of `Bent` was bent. `parameters` and `known` factors are those of the package
    where none are given.
    """
    here = _package() if parameters is None else parameters
    table = _factors() if known is None else known
    rows = [row for said in messages for row in _rows(said, here, table, bends)]
    return _batch(rows, step, place)


def refused(broken: Sequence[Mapping[str, str]]) -> Batch:
    """A batch of rejects only, of rows that `refusal` made."""
    return Batch(empty(CELLS), conform(pl.DataFrame(list(broken), schema=dict(REJECTS)), REJECTS))


@cache
def _package() -> Mapping[str, Parameter]:
    return package.load()


@cache
def _factors() -> Mapping[str, Factor]:
    rows = tables.read(TABLE)
    assert isinstance(rows, list)
    return factors(rows)


_ROWS: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("station", "parameter", "time", "value", "unit", "into", "mark"), pl.String()),
    "revision": pl.Int64(),
    "place": pl.String(),
    "reason": pl.String(),
    "received": TIME,
}


def _batch(rows: list[tuple[Any, ...]], step: int, place: str) -> Batch:
    frame = spelt_out(pl.DataFrame(rows, schema=dict(_ROWS), orient="row"))
    # After the text was read: a reject keeps what was sent.
    value, reason = pl.col("value"), [pl.col("reason")]
    for unit, into in frame.select("unit", "into").unique(maintain_order=True).drop_nulls().iter_rows():
        here = (pl.col("unit") == unit) & (pl.col("into") == into)
        try:
            value = pl.when(here).then(units.convert(pl.col("value"), unit, into)).otherwise(value)
        except units.UnknownUnit as problem:
            reason.append(pl.when(here).then(pl.lit(str(problem))))
    frame = frame.with_columns(value=value, reason=pl.coalesce(reason))
    return judged(frame, empty(REJECTS), place, same_facts({"cadence": step}), NOTHING)


class _Figure(NamedTuple):
    """What an item says of a series: its channel, the units it is sent and kept in, why it is none."""

    channel: str
    unit: str | None = None
    into: str | None = None
    reason: str | None = None
    #: whether its number stands for no value
    void: bool = False


def _rows(
    said: Said, parameters: Mapping[str, Parameter], known: Mapping[str, Factor], bends: Counter[str]
) -> Iterator[tuple[Any, ...]]:
    """Rows of `_ROWS`: a figure each. What stands before the first DataTime belongs to it, too."""
    place, message, device, received = said
    marks = {item.name.lower(): item.value for item in message.items() if item.suffix == "Flag"}
    stamps = [item.value for item in message.items() if _is_stamp(item)] or [""]
    stamp, stamps = _stamp(stamps[0], message, device, bends), stamps[1:]
    revision = _revision(message.head["QN"], device.utc_offset)
    seen = False
    for item in message.items():
        if _is_stamp(item):
            if seen:
                stamp = _stamp(stamps.pop(0), message, device, bends)
            seen = True
            continue
        figure = _figure(item, message.head["ST"], device, parameters, known)
        if figure is None:
            continue
        reason = figure.reason or (None if stamp else "no DataTime")
        value = "" if figure.void else item.value
        mark = marks.get(item.name.lower())
        yield (
            *(device.station, figure.channel, stamp, value, figure.unit, figure.into, mark, revision, place, reason),
            received,
        )


def _is_stamp(item: Item) -> bool:
    return not item.suffix and item.name.lower() == "datatime"


def _figure(
    item: Item, system: str, device: Device, parameters: Mapping[str, Parameter], known: Mapping[str, Factor]
) -> _Figure | None:
    """What `item` says; None where it is no figure: a mark, a state, a text, a code registered as none of ours."""
    if not item.suffix and "-" in item.name:
        return _Figure(item.name, reason=f"no figure is called -{item.name.rpartition('-')[2]}"[:100])
    if item.suffix not in STATISTICS:
        return None
    code = item.name.lower()
    factor = known.get(code)
    base = device.channels.get(code, factor.channel if factor else None)
    if base is None:
        return _Figure(f"{item.name}-{item.suffix}", reason=f"no parameter has the code {item.name}"[:100])
    if not base:
        return None
    parameter = parameters.get(re.split("[@:]", base)[0])
    void = _void(item.value, device, parameter)
    if item.suffix == "Cou" or parameter is None:
        return _Figure(channel(base, item.suffix), void=void)  # an amount, in the unit of the standard for it
    own = factor.sent(system) if factor and factor.channel == base else parameter.unit
    return _Figure(channel(base, item.suffix), device.units.get(code, own), parameter.unit, void=void)


def _void(text: str, device: Device, parameter: Parameter | None) -> bool:
    """Whether `text` is a number that means none: one of the device's, or one the parameter cannot have."""
    try:
        number = float(text)
    except ValueError:
        return False
    limits = parameter.quality.get("gross_range", {}).get("fail") if parameter else None
    return number in device.sentinels or (number in SENTINELS and limits is not None and number < limits[0])


def _stamp(text: str, message: Message, device: Device, bends: Counter[str]) -> str:
    """`text` in ISO 8601 with the device's offset; as it was sent where it is no time."""
    digits = text
    if len(text) == _LONG and text.isascii() and text.isdecimal():
        digits = text[:_DIGITS]
        bends[Bent.long_time] += 1
    local = _moment(digits)
    if local is None:
        return text
    if grid := GRIDS.get(message.head["CN"]):
        past = int((local - _EPOCH).total_seconds()) % grid
        if 0 < past <= SLACK:
            local -= timedelta(seconds=past)
            bends[Bent.past_grid] += 1
    sign, minutes = ("-" if device.utc_offset < 0 else "+"), abs(device.utc_offset)
    return f"{local:%Y-%m-%dT%H:%M:%S}{sign}{minutes // 60:02}:{minutes % 60:02}"


def _moment(digits: str) -> datetime | None:
    """The local time of fourteen digits; None where they are none."""
    if len(digits) != _DIGITS or not (digits.isascii() and digits.isdecimal()):
        return None
    year = int(digits[:4])
    month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(4, _DIGITS, 2))
    if not 1000 < year < 9999:
        return None  # a clock that is not in UTC could not be put right
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  # in the device's own clock
    except ValueError:
        return None


def _revision(number: str, utc_offset: int) -> int | None:
    """Microseconds since 1970 of a QN; None where it is no time of these years: nothing could ever replace it."""
    local = _moment(number[:_DIGITS])
    if local is None or not 2000 <= local.year < 2100 or not number[_DIGITS:].isdecimal() or len(number) != _LONG:
        return None
    instant = local.replace(tzinfo=UTC) - timedelta(minutes=utc_offset)
    return int(instant.timestamp()) * 1_000_000 + int(number[_DIGITS:]) * 1000
