"""`greenwatch export`: rows of the store as files, long form, times in UTC."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import polars as pl
import typer

from analytics import averaging, quality
from analytics.parameters import canonical
from analytics.store import derived, observations, registry
from analytics.store.connection import Connection
from jobs import chain, console

EXAMPLE = (
    "Example: greenwatch export assessments --averaging day --standard 'HJ 633-2012' --from 2016-01-01T00:00+08:00 "
    "--format csv -o aqi.csv"
)

#: Rows of one page: bounds the memory of an export of any length.
PAGE = 1_000_000
_TIME = "%Y-%m-%dT%H:%M:%S%.fZ"


class Kind(StrEnum):
    """What can be exported."""

    observations = "observations"
    verdicts = "verdicts"
    averages = "averages"
    assessments = "assessments"


class Format(StrEnum):
    """How it is written."""

    csv = "csv"
    parquet = "parquet"
    json = "json"


@dataclass(frozen=True, slots=True)
class Ask:
    """What part is wanted; None is all."""

    stations: list[str] | None = None
    parameters: list[str] | None = None
    standards: list[str] | None = None
    averagings: list[str] | None = None
    statistic: str = ""
    start: datetime | None = None
    stop: datetime | None = None
    known: datetime | None = None


def main(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="observations, verdicts, averages or assessments.")],
    station: Annotated[list[str] | None, typer.Option("--station", help="Station code; may be repeated.")] = None,
    parameter: Annotated[list[str] | None, typer.Option("--parameter", help="Parameter; may be repeated.")] = None,
    standard: Annotated[
        list[str] | None, typer.Option("--standard", help="Of assessments: the edition, as 'HJ 633-2012'.")
    ] = None,
    averaging: Annotated[
        list[str] | None, typer.Option("--averaging", help="hour, moving24, running8, day, mda8, hour-moving24, ...")
    ] = None,
    statistic: Annotated[
        str,
        typer.Option(
            "--statistic", help="Of observations: means the source computed itself, as mean-24h; `all` for every one."
        ),
    ] = "",
    start: Annotated[
        str | None, typer.Option("--from", help="First time: 2016-01-01T00:00+08:00; a date alone is 00:00 UTC.")
    ] = None,
    stop: Annotated[str | None, typer.Option("--to", help="End, itself not included.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="As it was known at this time (with an offset), not as it is now.")
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="csv, parquet or json.")] = Format.csv,
    output: Annotated[str, typer.Option("--output", "-o", help="File to write; - for standard output.")] = "-",
    dsn: console.Dsn = None,
) -> None:
    """Write rows of the store to a file: long form, `station` the source's own code, times in UTC."""
    ask = Ask(
        station,
        parameter,
        standard,
        averaging,
        statistic,
        instant(start, "--from"),
        instant(stop, "--to"),
        instant(as_of, "--as-of", date=False),
    )
    with console.store(dsn) as conn:
        for code in station or []:
            if code not in registry.load_stations(conn)["code"]:
                raise console.NotAsAsked(f"no station {code!r} is registered")
        rows = write(KINDS[kind](conn, ask), format, output)
    console.people.print(f"{rows:,} {kind.value}" + ("" if output == "-" else f" in {output}"))
    if not rows:
        console.people.print("nothing matches; `greenwatch settle` makes what is derived from readings")


def instant(text: str | None, option: str, *, date: bool = True) -> datetime | None:
    """The time in `text`, with its offset; a date alone is midnight UTC. Raises `typer.BadParameter`."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write 2016-01-01T00:00+08:00", param_hint=option) from None
    if found.tzinfo is None:
        if not date or len(text) > len("2016-01-01"):
            raise typer.BadParameter(f"{text!r} has no offset: write {text}+08:00 or {text}Z", param_hint=option)
        found = found.replace(tzinfo=UTC)
    return found


def export_observations(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, time, value, mark, revision, position, statistic, cadence [s]."""
    ordinal = None if ask.known is None else observations.ordinal_at(conn, ask.known)
    for names, windows in _pages(conn, ask):
        rows = observations.load(conn, windows, ordinal=ordinal)
        mark = pl.col("mark").map_elements(chr, return_dtype=pl.String)
        yield _named(rows.with_columns(mark.alias("mark")), names).select(
            "station",
            "parameter",
            "time",
            "value",
            "mark",
            pl.col("revision").fill_null(0),
            "position",
            "statistic",
            "cadence",
        )


def export_verdicts(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, time, code (QARTOD), tests (that objected), position; a good reading has no row."""
    bits = {name: test.bit for name, test in quality.TESTS.items()}
    objected = pl.concat_str(
        [pl.when(pl.col("tests") & bit != 0).then(pl.lit(name)) for name, bit in bits.items()],
        separator=" ",
        ignore_nulls=True,
    )
    for names, windows in _pages(conn, ask):
        rows = derived.load(conn, derived.VERDICT, windows) if ask.known is None else _again(conn, ask, windows)[0]
        yield _named(rows.with_columns(objected.alias("tests")), names).select(
            "station", "parameter", "time", "code", "tests", "position"
        )


def export_averages(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, time, averaging, value, count, expected, position; value is null where too few came."""
    wanted = pl.lit(True) if ask.averagings is None else pl.col("averaging").is_in(ask.averagings)
    for names, windows in _pages(conn, ask, averaging.BACK):
        rows = derived.load(conn, derived.AVERAGE, windows) if ask.known is None else _again(conn, ask, windows)[1]
        yield (
            _named(rows.filter(wanted), names)
            .sort("station", "parameter", "position", "time", "averaging")
            .select("station", "parameter", "time", "averaging", "value", "count", "expected", "position")
        )


def export_assessments(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, time, averaging, standard, index, class, category, primary, count, exceedance."""
    grades = chain.load_rules(conn)[-1].standards.grades
    classes = grades.select("standard", pl.col("class").cast(pl.Int16), "category")
    stations = registry.load_stations(conn).sort("code")
    if ask.stations is not None:
        stations = stations.filter(pl.col("code").is_in(ask.stations))
    limits = {"averaging": ask.averagings, "standard": ask.standards}
    only = {column: names for column, names in limits.items() if names is not None}
    spans = derived.extent(conn, derived.ASSESSMENT, stations["station"].to_list())
    step = timedelta(seconds=PAGE * 3600 // 4)
    for page in _slices(_clip(spans, ask), stations.select(pl.col("station").alias("subject"), pl.col("code")), step):
        rows = derived.load(conn, derived.ASSESSMENT, page, only, known=ask.known)
        yield (
            rows.join(stations.select("station", pl.col("code")), on="station")
            .join(classes, on=["standard", "class"], how="left")
            .sort("code", "time", "averaging", "standard")
            .select(
                pl.col("code").alias("station"),
                "time",
                "averaging",
                "standard",
                "index",
                "class",
                "category",
                "primary",
                "count",
                "exceedance",
            )
        )


KINDS: dict[Kind, Callable[[Connection, Ask], Iterator[pl.DataFrame]]] = {
    Kind.observations: export_observations,
    Kind.verdicts: export_verdicts,
    Kind.averages: export_averages,
    Kind.assessments: export_assessments,
}


def _again(conn: Connection, ask: Ask, windows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Verdicts and averages of `windows` (series, start, stop) made again from what was known at `ask.known`."""
    assert ask.known is not None
    series = registry.load_series(conn, windows["series"].to_list())
    cadence = pl.duration(seconds=quality.CADENCES * pl.col("cadence"))
    reach = averaging.BACK + pl.max_horizontal(pl.lit(quality.BACK), cadence)
    wide = windows.join(series, on="series", maintain_order="left").select(
        "series", pl.col("start") - reach, pl.col("stop") + reach
    )
    readings = observations.load(conn, wide, ordinal=observations.ordinal_at(conn, ask.known))
    rules = chain.load_rules(conn, ask.known)
    verdicts, averages = chain.make_again(readings, series, rules)
    borders = windows.select(pl.col("series"), pl.col("start"), pl.col("stop"))
    return tuple(  # type: ignore[return-value]  # two frames
        rows.join(borders, on="series")
        .filter(pl.col("time") >= pl.col("start"), pl.col("time") < pl.col("stop"))
        .drop("start", "stop")
        for rows in (verdicts, averages)
    )


def _pages(conn: Connection, ask: Ask, before: timedelta = timedelta(0)) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Series with their names, and windows (series, start, stop) of a page of rows, by station and parameter.

    `before` their first reading there may be rows too: a day begins before its first hour.
    """
    parameters = chain.load_rules(conn)[-1].parameters
    names = registry.load_series(conn).join(registry.load_stations(conn).select("station", "code"), on="station")
    if ask.stations is not None:
        names = names.filter(pl.col("code").is_in(ask.stations))
    if ask.parameters is not None:
        names = names.filter(
            pl.col("parameter").is_in([canonical(name, parameters) or name for name in ask.parameters])
        )
    if ask.statistic != "all":
        names = names.filter(pl.col("statistic") == ask.statistic)
    names = names.sort("code", "parameter", "position", "statistic", "cadence")
    spans = observations.extent(conn, names["series"].to_list()).with_columns(pl.col("start") - before)
    step = timedelta(seconds=int(names["cadence"].min() or 3600) * PAGE)  # type: ignore[arg-type]  # of an int column
    for page in _slices(_clip(spans, ask), names.select(pl.col("series").alias("subject"), "code"), step):
        yield names, page


def _clip(spans: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """`spans` (subject, start, stop) as far as they lie in what is asked for."""
    if ask.start is not None:
        spans = spans.with_columns(pl.max_horizontal("start", pl.lit(ask.start).cast(spans["start"].dtype)))
    if ask.stop is not None:
        spans = spans.with_columns(pl.min_horizontal("stop", pl.lit(ask.stop).cast(spans["stop"].dtype)))
    return spans.filter(pl.col("start") < pl.col("stop"))


def _slices(spans: pl.DataFrame, order: pl.DataFrame, step: timedelta) -> Iterator[pl.DataFrame]:
    """`spans` in the order of `order`, as frames of windows that hold at most `step` of time together."""
    subject = spans.columns[0]
    ranked = order.rename({"subject": subject}).join(spans, on=subject, maintain_order="left").select(spans.columns)
    page: list[tuple[int, datetime, datetime]] = []
    room = step
    for number, start, stop in ranked.iter_rows():
        at = start
        while at < stop:
            end = min(stop, at + room)
            page.append((number, at, end))
            room -= end - at
            at = end
            if room <= timedelta(0):
                yield pl.DataFrame(page, schema=spans.schema, orient="row")
                page, room = [], step
    if page or ranked.is_empty():  # nothing to export is a page too: the file still has its columns
        yield pl.DataFrame(page, schema=spans.schema, orient="row")


def _named(rows: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    found = names.select(pl.col("code").alias("station"), "series", "parameter", "position", "statistic", "cadence")
    return rows.join(found, on="series").sort("station", "parameter", "position", "statistic", "cadence", "time")


def write(pages: Iterator[pl.DataFrame], format: Format, output: str) -> int:
    """Number of rows written to the file `output` (or `-`); it appears whole or not at all."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(_workplace(output)))
        part = folder / f"export.{format.value}"
        rows = WRITERS[format](pages, part)
        if output == "-":
            with part.open("rb") as file:
                while block := file.read(1 << 20):
                    sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
        else:
            part.replace(output)
    return rows


def _workplace(output: str) -> TemporaryDirectory[str]:
    """A folder beside `output`, so that the finished file can take its place in one move. Raises `NotAsAsked`."""
    if output == "-":
        return TemporaryDirectory()
    target = Path(output).absolute()
    if target.is_dir():
        raise console.NotAsAsked(f"{output} is a folder: name a file in it")
    try:
        return TemporaryDirectory(dir=target.parent, prefix=".greenwatch-")
    except OSError as problem:
        raise console.NotAsAsked(f"{output} cannot be written: {problem.strerror}") from problem


def _write_csv(pages: Iterator[pl.DataFrame], part: Path) -> int:
    rows = 0
    with part.open("wb") as file:
        for number, page in enumerate(pages):
            page.write_csv(file, include_header=not number, datetime_format=_TIME)
            rows += page.height
    return rows


def _write_json(pages: Iterator[pl.DataFrame], part: Path) -> int:
    """One array of records, a record a line."""
    rows = 0
    with part.open("wb") as file:
        file.write(b"[")
        for page in pages:
            if page.is_empty():
                continue
            text = page.with_columns(pl.col("time").dt.strftime(_TIME)).write_ndjson()
            file.write((",\n" if rows else "\n").encode() + text.rstrip("\n").replace("\n", ",\n").encode())
            rows += page.height
        file.write(b"\n]\n")
    return rows


def _write_parquet(pages: Iterator[pl.DataFrame], part: Path) -> int:
    """Row groups of a page each, put together without holding them all."""
    rows, pieces = 0, []
    for number, page in enumerate(pages):
        piece = part.with_name(f"piece-{number:06}.parquet")
        page.write_parquet(piece)
        pieces.append(piece)
        rows += page.height
    if pieces:
        pl.scan_parquet(pieces).sink_parquet(part)
    else:
        pl.DataFrame().write_parquet(part)
    return rows


WRITERS: dict[Format, Callable[[Iterator[pl.DataFrame], Path], int]] = {
    Format.csv: _write_csv,
    Format.parquet: _write_parquet,
    Format.json: _write_json,
}
