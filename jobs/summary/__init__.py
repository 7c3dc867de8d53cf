"""What is in the store, shown in a terminal: what came in, how the days were, what stands above a limit.

`facts` reads, the rest only draws: frames in, Rich out. Without colour a class is its digit, one to six.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import polars as pl
from rich.cells import cell_len, set_cell_size
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from analytics.store.connection import Connection
from analytics.texts import Language, choose, text
from jobs import chain, console
from jobs.board import Board, Book
from jobs.summary.calendar import calendar
from jobs.summary.facts import Facts, load
from jobs.summary.now import now
from jobs.summary.parts import MOST, cell, flow, one, symbol, table_of, title

__all__ = ["Facts", "Run", "load", "now", "one", "render", "show"]

#: A width [columns] from which there is room for titles.
WIDE = 110


@dataclass(slots=True)
class Run:
    """What the demo did: seconds and cells of the ingest, the work of each stage; of what came late, the readings and
    the work of their repair. `dsn`: shell words that give the address."""

    ingest: float = 0.0
    read: int = 0
    settle: Sequence[chain.Work] = ()
    repair: Sequence[chain.Work] = ()
    late: int = 0
    dsn: str = ""


def show(
    conn: Connection,
    out: Console,
    *,
    language: Language = Language.both,
    run: Run | None = None,
    board: Board | None = None,
) -> None:
    """Nothing; the summary of the store on `out`, and how the district stands where there is a `board`."""
    colour = out.color_system is not None and not out.no_color
    for part in render(load(conn), run, language, out.width, colour=colour, board=board):
        out.print(part)


def render(
    facts: Facts, run: Run | None, language: Language, width: int, *, colour: bool, board: Board | None = None
) -> Iterator[RenderableType]:
    """The parts of the summary for a terminal of `width` columns."""
    if not facts.counts.read and not facts.days.height:
        yield _empty(language)
        return
    yield from headline(facts, run, language, width)
    if facts.days.height:
        yield from calendar(facts, language, width, colour=colour)
        yield from station_table(facts, language, width, colour=colour)
        yield from limit_table(facts, language, width)
    elif board is None:
        yield _commands(text("not_settled", language), [("greenwatch settle", "next_settle")], language)
        return
    if run is not None and run.late:
        yield from repair_table(run, language)
    if board is not None and board.facts["stations"]:
        yield from now(board, Book.load(), one(language), width)
    yield _next(run, language)


def headline(facts: Facts, run: Run | None, language: Language, width: int) -> Iterator[RenderableType]:
    """What is there: numbers, period, and counts that add up."""
    if facts.synthetic:
        yield Panel(Text(text("synthetic", language, "\n"), justify="center", style="bold"), border_style="yellow")
    yield title("summary", language)
    numbers = {
        "stations": f"{facts.stations.height:,}",
        "series": f"{facts.series:,}",
        "readings": f"{facts.counts.new:,}",
        "period": f"{facts.first} – {facts.last}",
    }
    yield from flow(
        [Text.assemble((value, "bold"), f" {text(name, language)}") for name, value in numbers.items()], width
    )
    yield Text(text("sum", language, "\n", **asdict(facts.counts)))
    if facts.counts.conflicts:
        yield Text(text("conflicts", language, "\n", count=facts.counts.conflicts), style="yellow")
    if run is not None:
        settled = _total(run.settle)
        done = {
            "ingested": (run.read, "cells", run.ingest),
            "settled": (settled.written, "rows_written", settled.seconds),
        }
        for name, (count, what, seconds) in done.items():
            words = text(what, one(language))
            speed = text(
                "speed", one(language), rows=count, what=words, seconds=seconds, rate=count / max(seconds, 1e-3)
            )
            yield Text(f"{text(name, language)}: {speed}")
    if facts.due:
        yield Text(text("due", language, "\n", count=facts.due), style="yellow")


def station_table(facts: Facts, language: Language, width: int, *, colour: bool) -> Iterator[RenderableType]:
    """A row a station: how its days were, and how well it measured."""
    years = facts.days["day"].dt.year().n_unique() > 2
    colours = dict(facts.classes.select("level", "colour").iter_rows())
    keys = ("station", "days", "classes", "good", "worst", "capture", "suspect", "fail")
    table = table_of(language, *keys, left=(0, 2, 4))
    lines: list[list[str]] = []
    levels: list[dict[int, int]] = []
    for row in facts.stations.join(facts.days, on="code", how="semi").head(MOST).iter_rows(named=True):
        mine = facts.days.filter(pl.col("code") == row["code"], pl.col("index").is_not_null())
        levels.append(dict(mine.group_by("class").len().iter_rows()))
        good = levels[-1].get(1, 0) + levels[-1].get(2, 0)
        name = choose(row["title"], row["title_zh"], one(language)) if width >= WIDE else ""
        lines.append(
            [
                set_cell_size(f"{row['code']} {name}", 38).strip(),
                f"{mine.height:,}",
                "",
                f"{100 * good / mine.height:.0f} %" if mine.height else "-",
                _worst(mine, years=years),
                f"{100 * row['hours'] / row['expected']:.1f} %" if row["expected"] else "-",
                f"{row['suspect']:,}",
                f"{row['fail']:,}",
            ]
        )
    heads = [max(map(cell_len, text(key, language, "\n").split("\n"))) for key in keys]
    taken = sum(max(head, *(cell_len(line[n]) for line in lines)) + 2 for n, head in enumerate(heads) if n != 2)
    bar = max(heads[2], min(width - taken - 1, 40))
    for line, level in zip(lines, levels, strict=True):
        table.add_row(*line[:2], _bar(level, bar, colours, colour=colour), *line[3:])
    yield title("by_station", language)
    yield table
    yield Text(text("stations_note", language, "\n"), style="dim")


def _worst(mine: pl.DataFrame, *, years: bool) -> str:
    """Day, index and primary pollutants of the highest index, the first of several days."""
    if mine.is_empty():
        return "-"
    worst = mine.sort("index", "day", descending=[True, False])
    day, index, primary = worst.select("day", "index", "primary").row(0)
    names = ",".join(symbol(name) for name in (primary or "").split(",") if name)
    return f"{day if years else day.strftime('%m-%d')} {index} {names}".strip()


def _bar(levels: dict[int, int], width: int, colours: dict[int, str], *, colour: bool) -> Text:
    """`width` cells shared among the classes as their days are, by largest remainder."""
    total = sum(levels.values())
    out = Text()
    if not total:
        return out
    exact = {level: levels.get(level, 0) * width / total for level in colours}
    cells = {level: int(share) for level, share in exact.items()}
    rest = sorted(exact, key=lambda level: (cells[level] - exact[level], level))
    for level in rest[: width - sum(cells.values())]:
        cells[level] += 1
    for level, count in cells.items():
        for _ in range(count):
            out.append_text(cell(level, colours, colour=colour))
    return out


def limit_table(facts: Facts, language: Language, width: int) -> Iterator[RenderableType]:
    """What stood above the daily limits, which pollutants were primary, and which edition held when."""
    table = table_of(
        language, "parameter", "standard", "limit", "above", "assessed", "highest", "multiple", left=(0, 1)
    )
    for row in facts.limits.iter_rows(named=True):
        edition = row["standard"] if row["phase"] == "base" else f"{row['standard']} {row['phase']}"
        table.add_row(
            symbol(row["parameter"]),
            edition,
            f"{row['limit']:g} {row['unit']}",
            f"{row['above']:,}",
            f"{row['assessed']:,}",
            f"{row['highest']:.1f}",
            f"{row['highest'] / row['limit']:.1f}",
            style=None if row["above"] else "dim",
        )
    yield title("limits", language)
    yield table
    named = facts.days.filter(pl.col("primary").is_not_null()).with_columns(pl.col("primary").str.split(","))
    if named.height:
        # Two pollutants of one index share the day.
        part = (1 / pl.col("primary").list.len()).alias("part")
        shares = named.with_columns(part).explode("primary").group_by("primary").agg(pl.col("part").sum())
        yield title("primary", language)
        for name, days in shares.sort("part", "primary", descending=[True, False]).iter_rows():
            share = days / named.height
            length = round(share * (width - 16))
            yield Text.assemble(f"{symbol(name):<6}{share:>6.1%}  ", ("█" * length or "▏", "cyan"))
    yield title("editions", language)
    for row in facts.editions.iter_rows(named=True):
        yield Text(text("edition", one(language), **row))
        yield Text(f"  {text('origin', language, '; ', **row)}", style="yellow" if row["memory"] else "dim")
    if facts.editions["memory"].sum():
        yield Text(text("unverified", language), style="yellow")


def repair_table(run: Run, language: Language) -> Iterator[RenderableType]:
    """What a late file made stale, against everything."""
    yield title("repair", language)
    yield Text(text("late", language, "\n", new=run.late))
    table = table_of(language, "stage", "full", "touched", "share", "seconds", left=(0,))
    works = [*zip(run.settle, run.repair, strict=True), (_total(run.settle), _total(run.repair))]
    for full, late in works:
        if not (full.written or late.written):
            continue  # no source disagrees, nothing is derived
        name = text("all" if full.stage == "all" else f"stage_{full.stage}", language)
        share = f"{late.written / full.written:.1%}" if full.written else "-"
        times = f"{full.seconds:.2f} → {late.seconds:.2f}"
        style = "bold" if full.stage == "all" else None
        table.add_row(name, f"{full.written:,}", f"{late.written:,}", share, times, style=style)
    yield table


def _total(work: Sequence[chain.Work]) -> chain.Work:
    return chain.Work("all", written=sum(w.written for w in work), seconds=sum(w.seconds for w in work))


def _next(run: Run | None, language: Language) -> RenderableType:
    dsn = run.dsn if run is not None else ""
    option, address = (' --dsn "$DSN"', "$DSN") if dsn else ("", "$(greenwatch database dsn)")
    commands = [
        (f"greenwatch export assessments --averaging day -o days.csv{option}", "next_export"),
        (f'psql "{address}"', "next_psql"),
        ("greenwatch demo FILE..." if dsn else "greenwatch ingest --register FILE...", "next_ingest"),
    ]
    return _commands(text("next", language), commands, language, dsn)


def _empty(language: Language) -> RenderableType:
    ingest = "greenwatch ingest --register FILE... && greenwatch settle"
    commands = [("greenwatch demo", "nothing_demo"), (ingest, "next_ingest")]
    return _commands(text("nothing", language), commands, language)


def _commands(title: str, commands: list[tuple[str, str]], language: Language, dsn: str = "") -> RenderableType:
    lines = Text()
    if dsn:
        lines.append(f"DSN={dsn}\n", style="bold")
    for number, (command, key) in enumerate(commands):
        words = command.replace("greenwatch ", f"{console.program()} ", 1)
        lines.append(f"{text(key, language)}\n", style="dim").append(f"  {words}", style="bold")
        lines.append("\n" if number + 1 < len(commands) else "")
    return Panel(lines, title=title, title_align="left", border_style="green")
