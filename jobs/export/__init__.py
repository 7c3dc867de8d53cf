"""`greenwatch export`: rows of the store as files, long form, times in UTC; as they are, or as they were known.

What a past time means, kind by kind (`kinds.KINDS`):

- *observations, corrections*: what was known then. Of readings that disagree the one that won by the priorities then.
- *verdicts, averages*: made again of what was known then (readings, corrections, fits, offsets of stations, package
  tables), as if all of it had been settled. An export really taken while settling was behind may show less.
- *assessments, episodes, forecasts, advice*: as they stood in the store then, settled or not: what people saw. A
  version counts from the moment it was written, which may be some seconds before its transaction ended.
- *scores*: not kept by version, no past time.

What of the registry is not dated by when it was known: which series speaks for a station, memberships and adoptions.
They change what is said of stations, which is kept by version; nothing that is made again reads them. Titles, codes and
coordinates are as they are now.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from analytics.store import registry
from analytics.store.connection import Connection
from jobs import console
from jobs.export import manifest
from jobs.export.ask import Ask, as_of, instant
from jobs.export.kinds import KINDS
from jobs.export.manifest import Watched
from jobs.export.writers import Format, write

EXAMPLE = (
    "Example: greenwatch export assessments --averaging day --standard 'HJ 633-2012' --from 2016-01-01T00:00+08:00 "
    "--format csv -o aqi.csv"
)


def main(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help=f"{', '.join(KINDS)}.")] = None,
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
        str | None,
        typer.Option(
            "--from", help="First time, of forecasts and advice of issue: 2016-01-01T00:00+08:00; a date is 00:00 UTC."
        ),
    ] = None,
    stop: Annotated[str | None, typer.Option("--to", help="End, itself not included.")] = None,
    past: Annotated[
        str | None, typer.Option("--as-of", help="As it was known at this time (with an offset), not as it is now.")
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="csv, parquet or json.")] = Format.csv,
    output: Annotated[str, typer.Option("--output", "-o", help="File to write; - for standard output.")] = "-",
    manifest_to: Annotated[
        Path | None,
        typer.Option("--manifest", help="Also write what the rows were made of, and their hash, to this file."),
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option("--verify", help="Make the export of this manifest again and say whether it is equal."),
    ] = None,
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
        instant(past, "--as-of", date=False),
    )
    if verify is not None:
        if kind is not None or manifest_to is not None or ask != Ask():
            raise typer.BadParameter("the manifest says what is made again: leave the rest out", param_hint="--verify")
        _verify(verify, dsn)
        return
    if kind is None:
        raise typer.BadParameter("Missing argument KIND, or a manifest to --verify", param_hint="KIND")
    if kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}", param_hint="KIND")
    if manifest_to is not None and output != "-" and manifest_to.resolve() == Path(output).resolve():
        raise typer.BadParameter("is the file of the rows: name another one", param_hint="--manifest")
    dated = ask.known is not None or manifest_to is not None
    if dated and not KINDS[kind].past:
        option = "--as-of" if ask.known else "--manifest"
        raise typer.BadParameter(f"{kind} are not kept by version: they are only as they are now", param_hint=option)
    with console.store(dsn) as conn:
        for code in station or []:
            if code not in registry.load_stations(conn)["code"]:
                raise console.NotAsAsked(f"no station {code!r} is registered")
        rows = _export(conn, kind, as_of(conn, ask) if dated else ask, format, output, manifest_to)
    console.people.print(f"{rows:,} {kind}" + ("" if output == "-" else f" in {output}"))
    if not rows:
        console.people.print("nothing matches; `greenwatch settle` makes what is derived from readings")


def _export(conn: Connection, kind: str, ask: Ask, format: Format, output: str, manifest_to: Path | None) -> int:
    pages = KINDS[kind].pages(conn, ask)
    if manifest_to is None:
        return write(pages, format, output)
    seen = Watched()
    rows = write(seen.watch(pages), format, output)
    text = json.dumps(manifest.say(conn, kind, ask, seen), indent=2, ensure_ascii=False)
    try:
        manifest_to.write_text(f"{text}\n", encoding="utf-8")
    except OSError as problem:
        raise console.NotAsAsked(f"{manifest_to} cannot be written: {problem.strerror}") from problem
    return rows


def _verify(path: Path, dsn: str | None) -> None:
    said = manifest.load(path)
    with console.store(dsn) as conn:
        found = manifest.verify(conn, said)
    for line in found.differences:
        console.people.print(line, markup=False, soft_wrap=True)
    if not found.equal:
        raise console.NotAsAsked(f"{said['kind']} of {path} are not what they were: the lines above say what differs")
    console.people.print(f"equal: {found.rows:,} {said['kind']}, sha256 {said['sha256']}", soft_wrap=True)
