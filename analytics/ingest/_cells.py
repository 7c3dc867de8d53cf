"""From texts or numbers with their station, channel and time to a `Batch`: the one place where a cell is judged."""

from collections.abc import Callable, Collection, Mapping

import polars as pl

from analytics.frames import CELLS, REJECTS, TIME, Batch, conform
from analytics.ingest._times import shown, times

#: Texts that stand for no value in every format.
MISSING = ("", "NA")
#: Characters of a station code or a channel.
LONGEST_NAME = 200
KEPT = 1000
#: 8-bit codes beyond ASCII and the zero that no database keeps are no marks.
MARKS = {chr(code): code for code in range(1, 128)}

Facts = Mapping[str, Mapping[str, object]]


def number(column: str, kind: pl.DataType) -> pl.Expr:
    """`column` of type `kind` as Float64; null where it is no number.

    A 32-bit float stands for its shortest decimal: 1.2 is 1.2 and not 1.2000000476837158.
    """
    exact = kind.is_numeric() and kind not in (pl.Float32, pl.Float16)
    return (pl.col(column) if exact else words(column)).cast(pl.Float64, strict=False)


def words(column: str) -> pl.Expr:
    """`column` as text without blanks around it."""
    return pl.col(column).cast(pl.String).str.strip_chars()


def name(column: str, what: str) -> pl.Expr:
    """Why the text of `column` is no name of a `what`: null where it is one."""
    text = pl.col(column)
    return (
        pl.when(text.is_null() | (text == ""))
        .then(pl.lit(f"no {what}"))
        .when((text.str.len_bytes() > LONGEST_NAME) & (text.str.len_chars() > LONGEST_NAME))
        .then(pl.lit(f"{what} too long"))
        .when(text.str.contains(r"\p{Cc}"))  # the zero no database keeps, the others no page shows
        .then(pl.lit(f"unreadable {what}"))
    )


def spelt_out(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that say everything themselves, as `batch` wants them: a row a value.

    `rows` has station, parameter (the channel), time, value and place, as text or in their own types, and mark,
    revision and reason (why a row is none) or not.
    """
    when = times(rows["time"])
    known = rows.rename({"time": "stamp", "value": "text", "parameter": "channel", "reason": "before"}, strict=False)
    known = known.with_columns(words(name) for name in ("station", "channel"))
    reasons = [name("station", "station"), name("channel", "parameter"), pl.col("reason")]
    known = known.with_columns(*when, value=number("text", known.schema["text"]))
    if "before" in known.columns:
        reasons.insert(0, pl.col("before"))
    if "mark" in known.columns:
        known = known.with_columns(sign=words("mark").replace("", None))
        mark = pl.col("sign").replace_strict(MARKS, default=None, return_dtype=pl.Int16)
        known = known.with_columns(mark=mark)
        reasons.append(_lost("sign", "mark", "unreadable mark"))
    if "revision" in known.columns:
        known = known.with_columns(edition=words("revision").replace("", None))
        known = known.with_columns(revision=pl.col("edition").cast(pl.Int64, strict=False))
        reasons.append(_lost("edition", "revision", "unreadable revision"))
    return known.with_columns(reason=pl.coalesce(reasons))


def _lost(before: str, after: str, reason: str) -> pl.Expr:
    """`reason` where something was and could not be read."""
    return pl.when(pl.col(before).is_not_null() & pl.col(after).is_null()).then(pl.lit(reason))


def batch(
    cells: pl.DataFrame,
    broken: pl.DataFrame,
    place: str,
    facts: Callable[[pl.DataFrame], Facts],
    missing: Collection[str] = MISSING,
) -> Batch:
    """The cells that can be kept, the rejects, the count of missing ones: together as many as came in.

    `cells` has station, channel, time, stamp, text, value, place and reason (null where nothing is wrong yet), and
    mark, revision and received or not. `broken` are rejects made before; `facts` is asked about the stations of the
    kept cells; `missing` are the texts that stand for no value.
    """
    optional = [pl.lit(None, CELLS[name]).alias(name) for name in ("mark", "revision") if name not in cells.columns]
    fine = (pl.col("reason").is_null() & pl.col("value").is_finite()).fill_null(False)
    fine_rows = cells.select(fine).to_series()
    # Zero has no sign: of -0.0 and 0.0 the one that came first would be kept (law 2).
    zero = pl.when(pl.col("value") == 0).then(0.0).otherwise("value").alias("value")
    good = (cells if fine_rows.all() else cells.filter(fine_rows)).with_columns(*optional, zero)
    bad = cells.filter(~fine_rows)
    said = bad.select(words("text").is_not_null() & ~words("text").is_in(missing)).to_series()
    rejected = bad.filter(said)
    rejects = rejected.select(
        station=_bounded(pl.col("station"), LONGEST_NAME),
        channel=_bounded(pl.col("channel"), LONGEST_NAME),
        stamp=_bounded(shown("stamp", cells.schema["stamp"]), LONGEST_NAME),
        text=_bounded(pl.col("text").cast(pl.String), KEPT),
        place=pl.format("{} {}", pl.lit(place), "place"),
        reason=pl.col("reason").fill_null("not a number"),
    )
    return Batch(
        conform(good, CELLS),
        conform(pl.concat([rejects, broken]), REJECTS),
        missing=bad.height - rejected.height,
        stations=facts(good),
        places=good["place"],
        vacant=bad["place"].filter(~said),
        place=place,
        received=_received(good),
    )


def _received(cells: pl.DataFrame) -> pl.Series | None:
    """When each of `cells` came; None where that is known of none."""
    found = cells["received"] if cells.schema.get("received") == TIME else None
    return None if found is None or found.null_count() == found.len() else found


def _bounded(words: pl.Expr, most: int) -> pl.Expr:
    """The source's words, bounded, and without the one character no database keeps."""
    return words.str.slice(0, most).str.replace_all("\0", "\ufffd", literal=True)


def same_facts(facts: Mapping[str, object]) -> Callable[[pl.DataFrame], Facts]:
    """Facts that hold for every station of a format."""
    return lambda good: dict.fromkeys(good["station"].unique().sort(), facts)


class Told:
    """Facts of stations out of their rows, each as it was first told, however the rows are cut into batches."""

    def __init__(self, facts: Callable[[pl.DataFrame], Facts]) -> None:
        """Knows no station yet; one is kept for a whole file. `facts` is asked about the kept cells of each batch."""
        self._facts = facts
        self._known: dict[str, dict[str, object]] = {}

    def __call__(self, good: pl.DataFrame) -> Facts:
        """What is known by now of the stations in `good`."""
        here = self._facts(good)
        for station, facts in here.items():
            known = self._known.setdefault(station, {})
            for key, value in facts.items():
                first = known.get(key, value)
                known[key] = {**value, **first} if isinstance(value, dict) and isinstance(first, dict) else first
        return {station: dict(self._known[station]) for station in here}


def told(column: str) -> pl.Expr:
    """What the first row (by place) that says something in `column` says, as a text that is no longer than a name."""
    return pl.col(column).sort_by("place").drop_nulls().first().str.slice(0, LONGEST_NAME)


class Offsets:
    """Facts of stations whose distance from UTC is known by their first kept time only."""

    def __init__(self) -> None:
        """Knows no station yet; one is kept for a whole file."""
        self._known: dict[str, int] = {}

    def __call__(self, good: pl.DataFrame) -> Facts:
        """{"utc_offset": minutes} of the stations in `good` (station, offset, place) that are not at UTC."""
        first = good.group_by("station").agg(pl.col("offset").sort_by("place").first())
        for station, offset in first.sort("station").iter_rows():
            self._known.setdefault(station, offset)
        here = first["station"].sort()
        return {station: {"utc_offset": self._known[station]} for station in here if self._known[station]}
