"""Pieces that the parts of the summary share."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from analytics.texts import Language, text

#: Stations shown at most.
MOST = 24
SYMBOLS = {"pm25": "PM2.5"}
#: Columns that may take two lines where there is little room.
WORDY = ("worst", "standard", "stage")
NO_DATA, NO_INDEX = "·", "?"


def cell(level: int | None, colours: dict[int, str], *, colour: bool) -> Text:
    """One cell of a class: its colour, or its digit; a sign where there is no index or no data."""
    if level is None:
        return Text(NO_INDEX, style="dim")
    if level not in colours:
        return Text(NO_DATA, style="dim")
    return Text(" ", style=f"on {colours[level]}") if colour else Text(str(level))


def table_of(language: Language, *keys: str, left: tuple[int, ...]) -> Table:
    """An empty table with the words of `keys` above its columns, numbers to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, key in enumerate(keys):
        side, words = number in left, text(key, language, "\n")
        table.add_column(words, justify="left" if side else "right", no_wrap=key not in WORDY, overflow="ellipsis")
    return table


def title(key: str, language: Language) -> RenderableType:
    """A line with the words of `key`, above a part."""
    return Rule(Text(text(key, language), style="bold"), align="left", style="dim")


def one(language: Language) -> Language:
    """English where both are asked for and there is room for one."""
    return Language.en if language is Language.both else language


def symbol(parameter: str) -> str:
    """The parameter as people write it."""
    return SYMBOLS.get(parameter, parameter.upper())


def flow(items: list[Text], width: int) -> Iterator[Text]:
    """`items` in lines, none of them torn apart."""
    line = Text()
    for item in items:
        if line and line.cell_len + 3 + item.cell_len > width:
            yield line
            line = Text()
        line = Text.assemble(line, "   ", item) if line else item.copy()
    yield line
