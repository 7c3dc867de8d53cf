"""How the district stands, in a terminal: the board of the first page as tables."""

from collections.abc import Iterator
from datetime import timedelta, timezone
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from analytics import episodes
from analytics.texts import Language, choose, text
from jobs.board import DOMAINS, Board, Book, Tile, ago, number
from jobs.summary.parts import table_of, title

#: Rows of a part at most; the rest is counted.
MOST = 8
#: A width [columns] from which there is room for titles and curves.
WIDE = 140
ZONE = timezone(timedelta(hours=8))
_BARS = "▁▂▃▄▅▆▇█"


def now(board: Board, book: Book, language: Language, width: int) -> Iterator[RenderableType]:
    """The parts: facts, stations by domain, alarms, episodes, advice."""
    yield title("board", language)
    facts = board.facts
    yield Text.assemble(
        (board.places or "", "bold"),
        "  ",
        text("as_of", language, time=board.now.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")),
        "  ",
        *_fact(facts["alarms"], text("alarms_on", language), "red"),
        *_fact(facts["episodes"], text("episodes_open", language), "red"),
        *(_fact(facts["devices"], text("devices_suspect", language), "yellow") if facts["devices"] else ()),
        *_fact(facts["zones"], text("zones_dry", language), "yellow"),
        (f"{facts['reporting']}/{facts['stations']}", "bold"),
        f" {text('reporting', language)}",
    )
    yield from _stations(board, width, language)
    yield from _alarms(board, book, width, language)
    yield from _episodes(board, book, width, language)
    yield from _advice(board, language)


def _fact(count: int, words: str, colour: str) -> tuple[tuple[str, str], str]:
    return (str(count), f"bold {colour}" if count else "bold green"), f" {words}   "


def _stations(board: Board, width: int, language: Language) -> Iterator[RenderableType]:
    wide = width >= WIDE
    keys = ["station", "value", "class", *(["curve"] if wide else []), "next_day", "newest"]
    for domain in DOMAINS:
        tiles = board.tiles.get(domain, [])
        if not tiles:
            continue
        named = {(tile.quantity, tile.unit) for tile in tiles[:MOST]}
        heading = Text(text(domain, language), style="bold")
        if len(named) == 1:
            heading.append(f"  {tiles[0].quantity} {tiles[0].unit}", style="not bold dim")
        table = table_of(language, *keys, left=(0, 2, 3) if wide else (0, 2))
        table.columns[0].max_width, table.columns[2].max_width = 36, 28
        for tile in tiles[:MOST]:
            value = number(tile.value) if len(named) == 1 else f"{tile.quantity} {number(tile.value)} {tile.unit}"
            mark = Text.assemble(("█ ", tile.colour), tile.label) if tile.label else Text("–", style="dim")
            table.add_row(
                Text(tile.title if wide else tile.code, style="dim" if tile.silent else ""),
                value,
                mark,
                *([Text(curve(tile), style="green")] if wide else []),
                tile.next_day,
                Text(ago(tile.age, language), style="red" if tile.silent else ""),
            )
        yield heading
        yield table
        if len(tiles) > MOST:
            yield Text(text("more", language, count=len(tiles) - MOST), style="dim")


def curve(tile: Tile) -> str:
    """The tile's past as blocks, a block two hours."""
    heights = [float(point.split(",")[1]) for point in tile.past.split()]
    if not heights:
        return ""
    low, high = max(heights), min(heights)  # the page's y grows downwards
    steps = [heights[at] for at in range(len(heights) % 2, len(heights), 2)]
    room = (low - high) or 1.0
    return "".join(_BARS[round((low - height) / room * (len(_BARS) - 1))] for height in steps)


def _alarms(board: Board, book: Book, width: int, language: Language) -> Iterator[RenderableType]:
    if not board.alarms:
        return
    yield title("alarms", language)
    table = table_of(language, "rule", "station", "state", "level", "since", left=(0, 1, 2))
    for row in board.alarms[:MOST]:
        rule, name = _named(row, book, width, language)
        since = row["since"].astimezone(ZONE).strftime("%m-%d %H:%M")
        state = Text(text(row["state"], language), style="red" if row["state"] == "firing" else "yellow")
        table.add_row(rule, name, state, str(row["level"]), since)
    yield table
    yield from _rest(len(board.alarms), language)


def _episodes(board: Board, book: Book, width: int, language: Language) -> Iterator[RenderableType]:
    if not board.episodes:
        return
    yield title("episodes", language)
    table = table_of(language, "rule", "station", "since", "last", "level", "peak", left=(0, 1, 2, 3))
    for row in board.episodes[:MOST]:
        table.add_row(
            *_named(row, book, width, language),
            row["time"].astimezone(ZONE).strftime("%m-%d %H:%M"),
            row["stop"].astimezone(ZONE).strftime("%m-%d %H:%M")
            if row["closed"]
            else Text(text("open", language), "red" if row["about"] == episodes.EVENT else "yellow"),
            str(row["level"]),
            number(row["peak"]),
        )
    yield table
    yield from _rest(len(board.episodes), language)


def _named(row: dict[str, Any], book: Book, width: int, language: Language) -> tuple[str, str]:
    """Rule and station in words, where there is no room for those by their names."""
    if width < WIDE:
        return row["rule"], row.get("name") or row["code"]
    return book.rule(row["rule"], language), choose(row["title"] or row["code"], row["title_zh"], language)


def _advice(board: Board, language: Language) -> Iterator[RenderableType]:
    if not board.advice:
        return
    yield title("advice", language)
    for row in board.advice[:MOST]:
        name = choose(row["title"] or row["code"], row["title_zh"], language)
        words = [text("unknown_need" if row["water"] is None else "no_water", language)]
        if row["water"]:
            amounts = (f"{number(row['depth'])} mm", f"{number(row['volume'])} m³", f"{number(row['minutes'])} min")
            words = [f"{text('water_it', language)} {amounts[0]}", *amounts[1:]]
            if row["latest"]:
                words.append(f"{text('by_when', language)} {row['latest'].astimezone(ZONE):%m-%d %H:%M}")
        yield Text.assemble((name, "bold"), "  ", (" · ".join(words), "yellow" if row["water"] else "green"))
        yield Text(f"  {choose(row['reason'], row['reason_zh'], language)}", style="dim")
    yield from _rest(len(board.advice), language)


def _rest(count: int, language: Language) -> Iterator[RenderableType]:
    if count > MOST:
        yield Text(text("more_rows", language, count=count - MOST), style="dim")
