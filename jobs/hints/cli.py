"""`greenwatch hints`: where it may come from and where to look now, each with what it stands on. Nothing is written."""

import json
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from analytics.hints import candidates, grid, lags, odours, signature, winds
from analytics.hints.lags import MOST
from analytics.hints.winds import HIGH
from analytics.store import connection, emitters
from analytics.texts import Language
from jobs import console
from jobs.export.ask import instant
from jobs.hints import picture, reading, reports, told
from jobs.hints.reading import Span
from jobs.hints.told import Words
from jobs.spread import spread

app = typer.Typer(
    help="Where it may come from, and where to look now: hints with their evidence. They read, and change nothing.",
    no_args_is_help=True,
)
#: Days that are looked at, at most: five years of hours of some stations fit in memory.
LONGEST = 1_830
#: Of a list of emitters so many are shown; --json has all.
SHOWN = 5

Days = Annotated[int, typer.Option("--days", min=1, max=LONGEST, help="Days before that time that are looked at.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What every hint is asked alike."""

    to: Annotated[
        str | None,
        typer.Option("--to", help="As if it were that time, with an offset. Default: now.", show_default=False),
    ] = None
    language: Annotated[Language, typer.Option("--language", help="Words of the sentences.")] = Language.both
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON: all figures, sentences in both.")] = False
    dsn: console.Dsn = None

    def span(self, days: int) -> Span:
        """So many days before the time that was asked for."""
        stop = (instant(self.to, "--to", date=False) or console.now()).astimezone(UTC)
        return Span(stop - timedelta(days=days), stop)


@app.command("station", epilog="Example: greenwatch hints station A12 --parameter so2 --days 365")
@spread
def of_station(
    code: Annotated[str, typer.Argument(metavar="STATION", help="Its code.")],
    asked: Asked,
    parameter: Annotated[str, typer.Option("--parameter", help="What rises there.")],
    days: Days = 90,
    high: Annotated[float, typer.Option("--high", min=50, max=99.9, help="High is above this percentile.")] = HIGH,
    reach: Annotated[
        float, typer.Option("--reach", min=0.1, max=200, help="How far [km] an emitter is looked for.")
    ] = candidates.REACH,
    weather: Annotated[
        str | None, typer.Option("--weather", metavar="STATION", help="Whose wind. Default: its own, or the nearest.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Draw the polar plot, too: by direction and speed.")
    ] = None,
) -> None:
    """Say with which winds it is high at a station, which emitters lie there, and by whose clock it rises."""
    span = asked.span(days)
    with console.store(asked.dsn) as conn, connection.reading(conn):
        measured = reading.parameter(conn, parameter)
        voices = reading.voices(conn)
        station = reading.station(voices, code, measured.name)
        wind = reading.wind(conn, voices, code, span, weather)
        hours = reading.hours(conn, voices.filter(voice=station["voice"]), span)
        known = emitters.load(conn)
    if hours.is_empty():
        raise console.NotAsAsked(f"no hour of {measured.name} at {code} is settled in these {days} days")
    rows = winds.beside(hours, wind.hours)
    table = winds.sectors(rows, high=high)
    found = candidates.candidates(rows, reading.place(voices, code, measured.name), known, reach=reach, high=high)
    clocks = signature.signatures(hours.with_columns(offset=pl.lit(station["offset"], pl.Int16)))
    line = winds.placed(rows).filter(pl.col("wind") != winds.UNKNOWN)["value"].quantile(high / 100, "linear")
    if svg is not None:
        _draw(svg, picture.polar(winds.surface(rows, high=high), f"{code} {measured.name}"))
    head = told.head(station, measured, hours["time"], line, high)
    sides, works, habits = (
        list(each) for each in (told.sectors(table), told.candidates(found, known), told.signatures(clocks))
    )
    if asked.as_json:
        _print(
            {
                "station": code,
                "parameter": measured.name,
                "unit": measured.unit,
                "from": hours["time"].min(),
                "to": hours["time"].max(),
                "high": {"percentile": high, "above": line},
                "wind": {"station": wind.station, "distance": wind.distance},
                "sectors": table.drop("series").to_dicts(),
                "emitters": [fact | words.facts for fact, words in works],
                "clocks": clocks.drop("series").to_dicts(),
                "hints": [words.facts for _, words in (*sides, *works[:SHOWN], *habits)],
            }
        )
        return
    none = Words("no_emitters", {"reach": reach})
    lines = [
        head,
        Words("wind", {"weather": wind.station, "distance": wind.distance}),
        *(words for _, words in sides),
        told.still(table),
        *([words for _, words in works[:SHOWN]] or [none]),
        *([words for _, words in habits] or [Words("no_clock", {})]),
    ]
    _say(lines, asked.language)


@app.command("grid", epilog="Example: greenwatch hints grid --parameter tvoc --place district:Chaoyang")
@spread
def of_grid(
    asked: Asked,
    parameter: Annotated[str, typer.Option("--parameter", help="What the cells of the grid measure.")] = "tvoc",
    place: Annotated[
        str | None, typer.Option("--place", help="Only cells in that place now, as street:NAME. Default: all.")
    ] = None,
    days: Days = 28,
) -> None:
    """List the cells of a grid to visit now: high above the others, since when, how usual that is, and until when."""
    span = asked.span(days)
    with console.store(asked.dsn) as conn, connection.reading(conn):
        measured = reading.parameter(conn, parameter)
        cells = reading.voices(conn).filter(parameter=measured.name)
        if place is not None:
            cells = cells.filter(pl.col("station").is_in(reading.members(conn, place, span.stop)))
        hours = reading.hours(conn, cells, span)
    if cells.is_empty():
        where = f" in {place}" if place else ""
        raise console.NotAsAsked(f"no station{where} measures {measured.name}")
    cells = cells.filter(rank=0)
    rows = hours.join(cells.select(pl.col("voice").alias("series"), "station", "offset"), on="series")
    standing = grid.standing(rows)
    facts = cells.select("station", "code", "title", "title_zh", "offset")
    hot = grid.hot(standing, span.stop).join(facts, on="station", maintain_order="left").to_dicts()
    listed = [(row, told.hot(row, measured)) for row in hot]
    if asked.as_json:
        hidden = ("station", "offset", "title", "title_zh")
        usual = grid.by_hour(standing).join(facts.select("station", "code"), on="station").drop("station")
        _print(
            {
                "parameter": measured.name,
                "unit": measured.unit,
                "at": span.stop,
                "cells": cells.height,
                "hot": [{k: v for k, v in row.items() if k not in hidden} | words.facts for row, words in listed],
                "hours": usual.sort("code", "hour").to_dicts(),
            }
        )
        return
    at = reading.local(span.stop, int(cells["offset"][0]))
    _say([words for _, words in listed] or [Words("cool", {"cells": cells.height, "time": at})], asked.language)


@app.command("section", epilog="Example: greenwatch hints section W05 W03 --parameter nh3n")
@spread
def of_section(
    outfall: Annotated[str, typer.Argument(metavar="OUTFALL", help="The station from where it may come.")],
    section: Annotated[str, typer.Argument(metavar="SECTION", help="The station downstream.")],
    asked: Asked,
    parameter: Annotated[str, typer.Option("--parameter", help="What is measured at the section.")],
    of_outfall: Annotated[
        str | None, typer.Option("--outfall-parameter", help="What is measured at the outfall. Default: the same.")
    ] = None,
    days: Days = 180,
    most: Annotated[int, typer.Option("--most", min=1, max=240, help="Lags that are looked at [h].")] = MOST,
) -> None:
    """Say whether a section follows an outfall, by how many hours, and how often chance does as well."""
    span = asked.span(days)
    with console.store(asked.dsn) as conn, connection.reading(conn):
        measured = reading.parameter(conn, parameter)
        other = reading.parameter(conn, of_outfall) if of_outfall else measured
        voices = reading.voices(conn)
        cause, effect = (
            reading.station(voices, code, name) for code, name in ((outfall, other.name), (section, measured.name))
        )
        both = voices.filter(pl.col("voice").is_in([cause["voice"], effect["voice"]]))
        rows = reading.hours(conn, both, span)
    first, second = (rows.filter(series=one["voice"]).select("time", "value") for one in (cause, effect))
    found = lags.arrival(first, second, most=most)
    words = told.lag(found, cause, effect)
    if asked.as_json:
        facts: dict[str, Any] = {"outfall": outfall, "section": section, "parameter": measured.name}
        facts |= {name: value for name, value in found._asdict().items() if name != "lags"}
        _print(facts | {"lags": found.lags.to_dicts()} | words.facts)
        return
    _say([words], asked.language)


@app.command("odours", epilog="Example: greenwatch hints odours smelled.csv A12 --parameter h2s")
@spread
def of_odours(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Reports: a CSV with a column time, with offsets.")],
    code: Annotated[str, typer.Argument(metavar="STATION", help="Its code.")],
    asked: Asked,
    parameter: Annotated[str, typer.Option("--parameter", help="The gas that is measured there.")],
    days: Days = 365,
    least: Annotated[int, typer.Option("--least", min=1, help="Reports of an hour that count.")] = odours.LEAST,
) -> None:
    """Say whether a gas is high when people smell something, before it or after, and how often chance does as well."""
    span = asked.span(days)
    smelled = reports.read(file).filter(pl.col("time").is_between(span.start, span.stop))
    with console.store(asked.dsn) as conn, connection.reading(conn):
        measured = reading.parameter(conn, parameter)
        voices = reading.voices(conn)
        station = reading.station(voices, code, measured.name)
        hours = reading.hours(conn, voices.filter(voice=station["voice"]), span)
    found = odours.beside(smelled, hours, least=least)
    words = told.odour(found, station, measured, smelled.height)
    if asked.as_json:
        facts = {"station": code, "parameter": measured.name, "reports": smelled.height}
        _print(facts | {"lags": found.drop("series").to_dicts()} | words.facts)
        return
    _say([words], asked.language)


def _draw(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise console.NotAsAsked(f"{path} cannot be written: {problem.strerror}") from problem


def _say(lines: list[Words], language: Language) -> None:
    for words in lines:
        print(console.printable(words.said(language)))


def _print(facts: dict[str, Any]) -> None:
    print(json.dumps(facts, default=_text, ensure_ascii=False))


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
