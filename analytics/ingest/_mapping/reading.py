"""A file by its mapping, in batches: rows into cells, their station, channel, time and value."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import LONGEST_NAME, Facts, Told, batch, name, told, words
from analytics.ingest._lines import BOM, Part
from analytics.ingest._mapping.clocks import Reader
from analytics.ingest._mapping.fit import Layout, layout, opened, unreadable
from analytics.ingest._mapping.table import Mapped, Quantity
from analytics.ingest._mapping.words import HOLE, Where, filled, seconds
from analytics.ingest._parquet import Columns
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import MOST_CELLS, hold, stretched
from analytics.tables import TableError

UNKNOWN = "unknown parameter"
UNMARKED = "unknown mark"


def read(mapped: Mapped, source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [the parameter's unit], of every station its offset and what the mapping says.

    Raises `UnreadableSource` where it has no form of `mapped` or is damaged.
    """
    if is_blank(source):
        return
    found = layout(mapped, source)
    if not isinstance(found, Layout):
        raise unreadable(mapped, source, found)
    table = opened(found.form, source)
    if isinstance(table, Columns):
        _hold(source, table, found)
    reading = Reading.of(source, found)
    for part in table.parts(max(1, MOST_CELLS // len(found.values))):
        yield reading.batch(part, table.place)


def is_blank(source: Source) -> bool:
    """Is there nothing in `source`?"""
    return not source.is_parquet() and not source.head().removeprefix(BOM).strip()


def _hold(source: Source, table: Columns, found: Layout) -> None:
    """Raises `UnreadableSource` where a column of a Parquet file has a type that cannot hold what it should."""
    hold(source, table, [str(value.number) for value in found.values], "numbers")
    for number in found.keys.values():
        kind = table.types[number]
        if kind.is_nested() or kind == pl.Binary:
            raise UnreadableSource(f"{source.name}: column {table.names[number]} holds {kind}, no text")


@dataclass(slots=True)
class Reading:
    """A file on its way: its layout, its clock, what is known of its stations."""

    layout: Layout
    clock: Reader
    quantities: Sequence[Quantity]
    #: of each column of values, the number of its quantity (null: the row's word says it) and how much later it is [s]
    which: pl.Series
    after: pl.Series
    facts: Callable[[pl.DataFrame], Facts]

    @classmethod
    def of(cls, source: Source, found: Layout) -> "Reading":
        """Nothing is read yet. Raises `UnreadableSource` where the name of a column makes no sense."""
        form = found.form
        quantities = list({id(q): q for q in (*form.columns.values(), *form.words.values()) if q is not None}.values())
        which = [_place(value.quantity, quantities) if value.channel else None for value in found.values]
        try:
            after = [seconds(value.after, value.after) if value.after else 0 for value in found.values]
        except TableError as error:
            raise UnreadableSource(f"{source.name}: {error}") from error
        return cls(
            found,
            Reader(form.clock),
            quantities,
            pl.Series("which", which, pl.Int32),
            pl.Series("after", after, pl.Int64),
            _facts(found),
        )

    def batch(self, part: Part, place: str) -> Batch:
        """The batch of a part of the file."""
        values, form = self.layout.values, self.layout.form
        rows = self._rows(part.rows)
        cells = stretched(rows, [str(v.number) for v in values], [v.channel for v in values], label="channel")
        cells = cells.with_columns(at=pl.Series(np.repeat(np.arange(len(values)), rows.height), dtype=pl.Int32))
        cells = cells.with_columns(which=self.which.gather(cells["at"]))
        if (self.after != 0).any():
            cells = cells.with_columns(after=self.after.gather(cells["at"]))
            cells = cells.with_columns(time=pl.col("time") + pl.duration(seconds="after"))
        reasons = [name("station", "station"), name("channel", "parameter"), pl.col("reason")]
        if form.parameter:
            cells = self._worded(cells)
            reasons.append(pl.when(pl.col("which").is_null()).then(pl.lit(UNKNOWN)))
        cells = cells.with_columns(station=_filled([v.station for v in values], cells))
        if any(HOLE.search(v.channel) for v in values):
            cells = cells.with_columns(channel=_filled([v.channel for v in values], cells))
        cells = self._valued(cells)
        if any(v.quantity.mark for v in values) or form.mark:
            cells = self._marked(cells)
            reasons.append(pl.when(pl.col("code").is_not_null() & pl.col("mark").is_null()).then(pl.lit(UNMARKED)))
        return batch(cells.with_columns(reason=pl.coalesce(reasons)), part.broken, place, self.facts)

    def _rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Time, stamp and reason of each row, its keys as text (`=name`), what its holes are filled with (`<name>`)."""
        form, keys = self.layout.form, self.layout.keys
        clock = form.clock
        out = rows.with_columns(**{f"={key}": words(str(keys[key])).fill_null("") for key in sorted(form.said())})
        if form.parameter:
            said = pl.concat_str([f"={key.lower()}" for key in form.parameter], separator=" ").str.strip_chars()
            out = out.with_columns(said.alias("=word"))
        holes = {}
        for key in form.asked():
            pairs = form.translate.get(key)
            text = pl.col(f"={key.partition('|')[0]}")
            # An empty cell fills no hole.
            filling = text.replace("", None)
            if pairs is not None:
                filling = text.str.to_lowercase().replace_strict(pairs, default=None, return_dtype=pl.String)
            holes[f"<{key}>"] = filling
        out = out.with_columns(**holes)
        who = pl.concat_str([pl.col(name) for name in ("=word", *holes) if name in out.columns] or [pl.lit("")])
        stamps = [str(keys[column.lower()]) for column in clock.columns]
        add = str(keys[clock.add.lower()]) if clock.add else None
        timed = self.clock.read(rows, stamps, add, out.with_columns(who=who.fill_null(""))["who"])
        title = filled(form.title, self.layout.groups)
        if HOLE.search(title):
            out = out.with_columns(title=_formatted(title))
        used = {str(value.number) for value in self.layout.values}
        spare = [column for column in rows.columns if column not in used and column != "place"]
        return out.drop(spare).with_columns(timed)

    def _worded(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Without the cells of words that are left out; quantity and channel of the others by the row's word."""
        known = self.layout.form.words
        word = pl.col("=word").str.to_lowercase()
        left = [text for text, quantity in known.items() if quantity is None]
        places = {text: _place(q, self.quantities) for text, q in known.items() if q is not None}
        channels = {text: q.channel for text, q in known.items() if q is not None}
        silent = pl.col("which").is_null()
        kept = cells.filter(~(silent & word.is_in(left)))
        which = word.replace_strict(places, default=None, return_dtype=pl.Int32)
        channel = pl.coalesce(word.replace_strict(channels, default=None, return_dtype=pl.String), "=word")
        return kept.with_columns(
            which=pl.when(silent).then(which).otherwise("which"),
            channel=pl.when(silent).then(channel).otherwise("channel"),
        )

    def _valued(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Values in the units of their parameters; no value and no text where the source says that there is none."""
        form, which = self.layout.form, pl.col("which")
        kind = cells.schema["text"]
        text = words("text").str.to_lowercase()
        if not kind.is_numeric() and (form.decimal != "." or form.thousands):
            cells = cells.with_columns(value=number_of(words("text"), form.decimal, form.thousands))
        value = pl.col("value")
        nothing = [_nothing(form.missing, text), _holds(form.missing_where)]
        for place, quantity in enumerate(self.quantities):
            own = [_nothing(quantity.missing, text), _holds(quantity.missing_where)]
            nothing += [(which == place) & test for test in own if test is not None]
        tests = [test.fill_null(value=False) for test in nothing if test is not None]
        if tests:
            none = pl.any_horizontal(tests)
            cells = cells.with_columns(
                value=pl.when(~none).then(value), text=pl.when(~none).then("text").otherwise(None)
            )
        said = changed = value
        for place, quantity in enumerate(self.quantities):
            mine = which == place
            for word, meant in quantity.values.items():
                said = pl.when(mine & (text == word)).then(meant).otherwise(said)
            if quantity.change is not None:
                changed = pl.when(mine).then(quantity.change(value)).otherwise(changed)
        return cells.with_columns(value=said).with_columns(value=changed)

    def _marked(self, cells: pl.DataFrame) -> pl.DataFrame:
        """The source's own flag of each cell as `mark`, and as `code` what it says; null where it says nothing."""
        form = self.layout.form
        columns = [value.quantity.mark or form.mark for value in self.layout.values]
        code = pl.lit(None, pl.String)
        for column in sorted({column for column in columns if column}):
            here = [place for place, of in enumerate(columns) if of == column]
            code = pl.when(pl.col("at").is_in(here)).then(pl.col(f"={column.lower()}")).otherwise(code)
        if form.mark_pattern is not None:
            code = pl.coalesce(code.str.extract(form.mark_pattern, 1), code)
        code = code.str.to_lowercase().replace(dict.fromkeys(["", *(c for c, mark in form.marks.items() if not mark)]))
        marks = {code: ord(mark) for code, mark in form.marks.items() if mark}
        cells = cells.with_columns(code=code)
        return cells.with_columns(mark=pl.col("code").replace_strict(marks, default=None, return_dtype=pl.Int16))


def number_of(text: pl.Expr, decimal: str, thousands: str) -> pl.Expr:
    """`text` as a number written with other signs; null where it is none, as `1.234` where the decimal is a comma."""
    cut = re.escape(thousands)
    whole = f"[0-9]+|[0-9]{{1,3}}(?:{cut}[0-9]{{3}})+" if thousands else "[0-9]*"
    shaped = text.str.contains(f"^[+-]?(?:{whole})(?:[{decimal}][0-9]*)?(?:[eE][+-]?[0-9]+)?$")
    plain = text.str.replace_all(thousands, "", literal=True) if thousands else text
    return pl.when(shaped).then(plain.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False))


def _nothing(sentinels: Collection[str | float], text: pl.Expr) -> pl.Expr | None:
    """Is the cell one of `sentinels`, as a text or as a number?"""
    numbers = [found for found in sentinels if isinstance(found, float)]
    tests = [pl.col("value").is_in(numbers)] if numbers else []
    said = [found.lower() for found in sentinels if isinstance(found, str)]
    if said:
        tests.append(text.is_in(said))
    return pl.any_horizontal(tests) if tests else None


def _holds(where: Where | None) -> pl.Expr | None:
    """Is the row one of `where`?"""
    if where is None:
        return None
    return pl.col(f"={where.column.lower()}").str.to_lowercase().is_in(list(where.texts))


def _place(quantity: Quantity, quantities: Sequence[Quantity]) -> int:
    return next(place for place, other in enumerate(quantities) if other is quantity)


def _filled(texts: Sequence[str], cells: pl.DataFrame) -> pl.Series | pl.Expr:
    """The text of each cell's column (`at`), its holes filled by its row."""
    if not any(HOLE.search(text) for text in texts):
        return pl.Series(texts, dtype=pl.String).gather(cells["at"])
    out = pl.lit(None, pl.String)
    for text in dict.fromkeys(texts):
        here = [place for place, other in enumerate(texts) if other == text]
        out = pl.when(pl.col("at").is_in(here)).then(_formatted(text)).otherwise(out)
    return out


def _formatted(text: str) -> pl.Expr:
    """`text` with its holes filled by the columns `<name>`; null where one is."""
    pieces = HOLE.split(text)
    return pl.concat_str(
        [pl.col(f"<{piece.lower()}>") if odd % 2 else pl.lit(piece) for odd, piece in enumerate(pieces)]
    )


def _facts(found: Layout) -> Callable[[pl.DataFrame], Facts]:
    """What the mapping says of every station, and what rows say of theirs."""
    form = found.form
    base: dict[str, object] = {"utc_offset": form.clock.standard}
    if form.cadence is not None:
        base["cadence"] = form.cadence
    own = [(v.channel, v.quantity) for v in found.values] + [(q.channel, q) for q in form.words.values() if q]
    if cadences := {channel: quantity.cadence for channel, quantity in own if quantity.cadence is not None}:
        base["cadences"] = cadences
    if form.memberships:
        base["memberships"] = {kind: filled(place, found.groups) for kind, place in form.memberships.items()}
    title = filled(form.title, found.groups)
    if not HOLE.search(title):
        if title:
            base["title"] = title[:LONGEST_NAME]
        return lambda good: dict.fromkeys(good["station"].unique().sort(), base)

    def titled(good: pl.DataFrame) -> Facts:
        known = good.group_by("station").agg(told("title")).sort("station")
        return {station: base if text is None else {**base, "title": text} for station, text in known.iter_rows()}

    return Told(titled)
