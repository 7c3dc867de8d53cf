"""What people say of readings, as layers over them: calibrations, drift, manual verdicts, withdrawals.

A layer (`frames.CORRECTIONS`) holds for one series in [start, stop). Layers that overlap apply in the order they were
entered. A reading is never touched: it counts as what the layers in force make of it, and that is rounded once, at the
end. What a layer makes of a reading depends on that reading and the layer alone (DESIGN.md, law 3).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from analytics.frames import CORRECTED, VERDICTS, conform, settle

#: Bit of `tests` of a verdict that a person gave.
MANUAL = 1 << 30
#: QARTOD flags a person may give: good, suspect, fail.
CODES = (1, 3, 4)
VALUE = pl.col("value")


class CorrectionError(ValueError):
    """A correction says what cannot be; the message names its kind and the key."""


Given = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of layer. `forms`: sets of keys, one of which is given whole; `wrong`: why given numbers cannot be."""

    forms: tuple[frozenset[str], ...]
    #: what a reading of `value` counts as, null: not at all; None: the kind leaves values alone
    value: Callable[[], pl.Expr] | None
    wrong: Callable[[Given], str | None] = lambda given: None
    #: keys that may be given beside any form
    beside: frozenset[str] = frozenset()


def recalibration() -> pl.Expr:
    """gain × value + offset [unit]: the line that a calibration found."""
    return VALUE * _given("gain") + _given("offset")


def drift() -> pl.Expr:
    """The value without the drift between two calibrations, which grew linearly in time: f from 0 to 1, the last
    instant of the layer.

    One point: value + f × gap, the gap being standard - reading at the second calibration. Two points: with
    low(f) = low_standard - f × (low_standard - low_reading), high(f) likewise,
    (value - low) / (high - low) × (high_standard - low_standard) + low_standard. R package driftR 1.1, dr_factor,
    dr_correctOne, dr_correctTwo (since 2022-07-22; before, the low point drifted the other way).
    """
    length = (pl.col("_stop") - pl.col("_start")).dt.total_microseconds() - 1
    f = (pl.col("time") - pl.col("_start")).dt.total_microseconds() / pl.max_horizontal(length, 1)
    bottom, top = _given("low_standard"), _given("high_standard")
    low, high = bottom - f * (bottom - _given("low_reading")), top - f * (top - _given("high_reading"))
    gap = pl.coalesce(_given("gap"), _given("standard") - _given("reading"))
    two = (VALUE - low) / (high - low) * (top - bottom) + bottom
    return pl.when(bottom.is_not_null()).then(two).otherwise(VALUE + f * gap)


def withdrawal() -> pl.Expr:
    """Null: the reading was never one."""
    return pl.lit(None, pl.Float64)


def _flat(given: Given) -> str | None:
    return "'gain' cannot be 0" if given["gain"] == 0 else None


def _crossed(given: Given) -> str | None:
    """Both points in one order, so that no moment between the calibrations has low and high as one."""
    if "low_standard" not in given:
        return None
    for what in ("standard", "reading"):
        if given[f"low_{what}"] >= given[f"high_{what}"]:
            return f"'low_{what}' must be below 'high_{what}'"
    return None


def _no_code(given: Given) -> str | None:
    known = ", ".join(map(str, CODES))
    return None if given["code"] in CODES else f"'code' cannot be {given['code']:g}, it is one of {known}"


_POINTS = frozenset({"low_standard", "low_reading", "high_standard", "high_reading"})
#: Values of a circle, as a direction of 360°, come back into it.
_MODULO = frozenset({"modulo"})

#: name -> what it is. A new kind is a row here, and its name in the table `correction`.
KINDS: Mapping[str, Kind] = {
    "recalibration": Kind((frozenset({"gain", "offset"}),), recalibration, _flat, _MODULO),
    "drift": Kind((frozenset({"gap"}), frozenset({"standard", "reading"}), _POINTS), drift, _crossed, _MODULO),
    "verdict": Kind((frozenset({"code"}),), None, _no_code),
    "withdrawal": Kind((frozenset(),), withdrawal),
}
#: No number of a layer is so far from 0 [any unit].
_MOST = 1e300
_KEYS = sorted({key for kind in KINDS.values() for form in kind.forms for key in (*form, *kind.beside)})


def check(kind: str, given: Mapping[str, object]) -> dict[str, float]:
    """`given` as numbers. Raises `CorrectionError` where a layer of `kind` cannot be given that."""
    if kind not in KINDS:
        raise CorrectionError(f"no kind {kind!r}; there are {', '.join(KINDS)}")
    rule = KINDS[kind]
    numbers: dict[str, float] = {}
    for key, number in given.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not -_MOST <= number <= _MOST:
            raise CorrectionError(f"{kind}: {key!r} must be a number, it cannot be {_short(number)}")
        numbers[key] = float(number)
    said = frozenset(numbers) - rule.beside
    if said not in rule.forms:
        forms = "; or ".join(" and ".join(repr(key) for key in sorted(form)) or "nothing" for form in rule.forms)
        raise CorrectionError(f"{kind}: takes {forms}; not {', '.join(map(repr, sorted(said))) or 'nothing'}")
    if numbers.get("modulo", 1.0) <= 0:
        raise CorrectionError(f"{kind}: 'modulo' must be above 0")
    if problem := rule.wrong(numbers):
        raise CorrectionError(f"{kind}: {problem}")
    return numbers


def _short(thing: object) -> str:
    """`thing` as people may read it: an integer of a thousand digits is none."""
    return "so great" if isinstance(thing, int) and abs(thing) > _MOST else repr(thing)


def in_force(layers: pl.DataFrame) -> pl.DataFrame:
    """Those of `layers` that were not ended."""
    return layers.filter(pl.col("ended").is_null())


def apply(readings: pl.DataFrame, layers: pl.DataFrame) -> pl.DataFrame:
    """`readings` (series, time, value, ...) as they count under `layers`, in no promised order.

    Values that a layer makes are settled; readings that are withdrawn, or whose value becomes infinite, are gone.
    """
    changing = [name for name, kind in KINDS.items() if kind.value is not None]
    held = in_force(layers).filter(pl.col("kind").is_in(changing))
    if held.is_empty():
        return readings
    mine = pl.col("series").is_in(held["series"].unique().implode())
    rows = readings.filter(mine).with_columns(_touched=pl.lit(False))
    for some in _rounds(_read(held)):
        rows = _laid(rows, some).with_columns(
            value=_counted(), _touched=pl.col("_touched") | pl.col("id").is_not_null()
        )
        rows = rows.select(*readings.columns, "_touched")
    rows = rows.filter(VALUE.is_finite().fill_null(value=False)).with_columns(
        value=pl.when("_touched").then(settle(VALUE)).otherwise(VALUE)
    )
    return pl.concat([readings.filter(~mine), rows.drop("_touched")])


def differing(received: pl.DataFrame, counted: pl.DataFrame) -> pl.DataFrame:
    """`frames.CORRECTED` of the readings `received` that are `counted` as another value, or (null) not at all."""
    joined = received.join(counted.select("series", "time", _counted="value"), on=["series", "time"], how="left")
    other = joined.filter(pl.col("_counted").ne_missing(VALUE))
    return conform(other.select("series", "time", value="_counted"), CORRECTED)


def verdicts(final: pl.DataFrame, layers: pl.DataFrame, readings: pl.DataFrame) -> pl.DataFrame:
    """`frames.VERDICTS` that `final` becomes by the manual verdicts of `layers`, the last word on `readings` there.

    A reading that a person calls good has no row; else `tests` has MANUAL beside the bits of the tests that objected.
    """
    held = in_force(layers).filter(pl.col("kind") == "verdict")
    if held.is_empty():
        return final
    rows = readings.filter(pl.col("series").is_in(held["series"].unique().implode())).select(
        "series", "time", code=pl.lit(None, pl.Int16)
    )
    for some in _rounds(_read(held)):
        rows = _laid(rows, some).select("series", "time", code=pl.coalesce(_given("code").cast(pl.Int16), "code"))
    said = rows.drop_nulls("code")
    key = ["series", "time"]
    tests = pl.col("tests").fill_null(0) | pl.lit(MANUAL, pl.Int32)
    spoken = said.join(final.select(*key, "tests"), on=key, how="left").filter(pl.col("code") != CODES[0])
    kept = final.join(said, on=key, how="anti")
    return pl.concat([kept, conform(spoken.with_columns(tests), VERDICTS)]).sort(key)


def _given(key: str) -> pl.Expr:
    return pl.col(f"given_{key}")


def _counted() -> pl.Expr:
    """The value under the layer beside it, unchanged where there is none."""
    made = VALUE
    for name, kind in KINDS.items():
        if kind.value is not None:
            made = pl.when((pl.col("kind") == name).fill_null(value=False)).then(kind.value()).otherwise(made)
    within = settle(made % _given("modulo"))
    circle = pl.when(within == _given("modulo")).then(0.0).otherwise(within)
    return pl.when(_given("modulo").is_not_null()).then(circle).otherwise(made)


def _read(layers: pl.DataFrame) -> pl.DataFrame:
    """`layers` in their order, a column a key that may be given."""
    given = [json.loads(text) for text in layers["given"]]
    columns = [pl.Series(f"given_{key}", [row.get(key) for row in given], pl.Float64, strict=False) for key in _KEYS]
    return layers.drop("given", "ended").with_columns(columns).sort("id")


def _rounds(layers: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """`layers` in rounds, one after the other: no two layers of a series overlap in a round, and each comes after those
    before it that it overlaps."""
    placed: dict[int, list[tuple[object, object, int]]] = {}
    depths = []
    for series, start, stop in layers.select("series", "start", "stop").iter_rows():
        mine = placed.setdefault(series, [])
        depth = 1 + max((at for begun, over, at in mine if begun < stop and start < over), default=-1)
        mine.append((start, stop, depth))
        depths.append(depth)
    ranked = layers.with_columns(_depth=pl.Series(depths, dtype=pl.Int32))
    for depth in range(max(depths, default=-1) + 1):
        yield ranked.filter(pl.col("_depth") == depth).drop("_depth")


def _laid(rows: pl.DataFrame, layers: pl.DataFrame) -> pl.DataFrame:
    """`rows` with the columns of the layer that holds at their time, null where none of `layers` does."""
    borders = layers.rename({"start": "_start", "stop": "_stop"}).with_columns(time="_start").sort("series", "time")
    joined = rows.sort("series", "time").join_asof(
        borders, on="time", by="series", strategy="backward", check_sortedness=False
    )
    inside = (pl.col("time") < pl.col("_stop")).fill_null(value=False)
    beside = [name for name in borders.columns if name not in ("series", "time")]
    return joined.with_columns(pl.when(inside).then(pl.col(name)).alias(name) for name in beside)
