"""Figures of the store in Prometheus's words, from a snapshot that somebody else took; written down once."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from analytics.frames import TIME
from analytics.metrics.families import FAMILIES, MOST, QUANTITY, UNITS, Family

#: Letters of a label: the names of stations and channels are shorter. What is longer ends in a sum of the whole.
LETTERS = 200
#: Of a compression that is done every two seconds: a tenth of the bytes for little time.
LEVEL = 1
_GZIP = zlib.MAX_WBITS | 16


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store as it was at `taken`: the frames FAMILIES asks for, as far as they could be loaded.

    `latest` has `unit` and `value` [unit] beside the columns of its family; times are UTC, null where there is none.
    """

    taken: datetime
    frames: Mapping[str, pl.DataFrame] = field(default_factory=dict)


def seconds(time: pl.Expr) -> pl.Expr:
    """Seconds since 1970 of a time, as Prometheus counts."""
    return time.dt.timestamp("us") / 1_000_000


@dataclass(frozen=True, slots=True)
class Block:
    """A metric as it is answered: what it is, and a line a sample."""

    family: Family
    lines: str
    samples: int
    #: rows that had no room
    omitted: int

    def written(self, *, openmetrics: bool) -> str:
        """Head and lines. A counter's name has its ending, in OpenMetrics in the lines only."""
        name = self.family.name.removesuffix("_total") if openmetrics else self.family.name
        words = self.family.words.replace("\\", "\\\\").replace("\n", "\\n")
        if openmetrics:
            words = words.replace('"', '\\"')
        return f"# HELP {name} {words}\n# TYPE {name} {self.family.kind}\n{self.lines}"


class Body:
    """Bytes to be answered, and the same compressed, to both of which more is added later."""

    def __init__(self, plain: bytes) -> None:
        """`plain`, not compressed yet."""
        self.plain = plain
        self._packed: tuple[bytes, zlib._Compress] | None = None

    def pack(self) -> None:
        """Nothing; from now on it can be had compressed."""
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
        self._packed = packer.compress(self.plain) + packer.flush(zlib.Z_SYNC_FLUSH), packer

    def with_end(self, end: bytes, *, packed: bool) -> tuple[bytes, bool]:
        """All of it and `end`; and whether it is compressed, which it is where that was asked for and is at hand."""
        if not packed or self._packed is None:
            return self.plain + end, False
        begun, packer = self._packed
        packer = packer.copy()
        return begun + packer.compress(end) + packer.flush(), True


def bodies(snapshot: Snapshot) -> tuple[Body, Body]:
    """`snapshot` as text and as OpenMetrics, which is to be ended yet."""
    found = list(blocks(snapshot))
    written = ("".join(block.written(openmetrics=new) for block in found).encode() for new in (False, True))
    text, openmetrics = map(Body, written)
    return text, openmetrics


def blocks(snapshot: Snapshot) -> Iterator[Block]:
    """The metrics of `snapshot`: when it was taken, those of FAMILIES in their order, the newest values, a metric a
    base unit; last how many samples these are, and how many had no room."""
    taken = pl.DataFrame({"taken": [snapshot.taken]}, schema={"taken": TIME})
    yield _block(_TAKEN, taken)
    made = [_block(each, snapshot.frames[each.frame]) for each in FAMILIES if each.frame in snapshot.frames]
    over = 0
    if "latest" in snapshot.frames:
        made += _newest(snapshot.frames["latest"])
        over = max(0, snapshot.frames["latest"].height - MOST[QUANTITY])
    yield from made
    yield _block(_SAMPLES, pl.DataFrame({"samples": [sum(block.samples for block in made)]}))
    yield _block(_OMITTED, pl.DataFrame({"omitted": [over + sum(block.omitted for block in made)]}))


_TAKEN = Family(
    "greenwatch_snapshot_timestamp_seconds",
    "gauge",
    "When the figures of the store were read; a scrape never waits for it.",
    "",
    "taken",
)
_SAMPLES = Family("greenwatch_samples", "gauge", "Samples of the store that are served.", "", "samples")
_OMITTED = Family(
    "greenwatch_samples_omitted", "gauge", "Samples that are not, since there are too many.", "", "omitted"
)


def _block(family: Family, frame: pl.DataFrame) -> Block:
    value = seconds(pl.col(family.value)) if frame.schema[family.value] == TIME else pl.col(family.value)
    rows = frame.with_columns(value.cast(pl.Float64).alias("_value")).drop_nulls("_value")
    omitted = max(0, rows.height - family.most)
    if family.first and omitted:
        rows = rows.sort(family.first, descending=True, maintain_order=True)
    number = (
        pl.when(pl.col("_value").is_infinite())
        .then(pl.when(pl.col("_value") > 0).then(pl.lit("+Inf")).otherwise(pl.lit("-Inf")))
        .otherwise(pl.col("_value").cast(pl.String))
    )
    parts = [pl.lit(f"{family.name} ")]
    if family.labels:
        named = [part for name in family.labels for part in (pl.lit(f'",{name}="'), _escaped(pl.col(name)))]
        parts = [pl.lit(f'{family.name}{{{family.labels[0]}="'), *named[1:], pl.lit('"} ')]
    # What has no room costs nothing either.
    lines = rows.head(family.most).select(pl.concat_str(*parts, number, pl.lit("\n")).alias("line"))["line"]
    return Block(family, "".join(lines), lines.len(), omitted)


def _escaped(label: pl.Expr) -> pl.Expr:
    """`label` as it stands between quotes; one that is too long, cut, its sum behind."""
    text = label.cast(pl.String).fill_null("")
    cut = pl.concat_str(text.str.slice(0, LETTERS - 21), pl.lit("~"), text.hash().cast(pl.String))
    text = pl.when(text.str.len_chars() > LETTERS).then(cut).otherwise(text)
    for sign, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.str.replace_all(sign, written, literal=True)
    return text


def _newest(latest: pl.DataFrame) -> Iterator[Block]:
    served = pl.DataFrame(
        [(unit, *how) for unit, how in UNITS.items()],
        schema={"unit": pl.String, "base": pl.String, "times": pl.Int64, "per": pl.Int64},
        orient="row",
    )
    # Divided, not multiplied by a fraction: 75 µg/m³ is 7.5e-05 and not 7.500000000000001e-05.
    value = (pl.col("value") * pl.col("times") / pl.col("per")).alias("served")
    # All bases together have so many, in the order in which their times have room.
    rows = latest.head(MOST[QUANTITY]).join(served, on="unit", maintain_order="left").with_columns(value)
    words = "Newest reading as it came, before it is judged; the time of it is greenwatch_latest_timestamp_seconds."
    for (base,), some in rows.group_by("base", maintain_order=True):
        yield _block(Family(f"greenwatch_latest_{base}", "gauge", words, "latest", "served", QUANTITY), some)
