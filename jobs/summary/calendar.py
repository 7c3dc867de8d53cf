"""The calendar: a line a station, a coloured cell a day."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby

import polars as pl
from rich.cells import cell_len, set_cell_size
from rich.console import RenderableType
from rich.text import Text

from analytics.texts import Language, choose, text
from jobs.summary.facts import Facts
from jobs.summary.parts import MOST, NO_DATA, NO_INDEX, cell, flow, title

#: Lines at most; beyond them a cell is a week, then a month.
LINES = 48


def calendar(facts: Facts, language: Language, width: int, *, colour: bool) -> Iterator[RenderableType]:
    """One line a station, coloured cells in the order of time, months above, what the colours mean below."""
    codes = facts.days["code"].unique().sort().to_list()
    shown = codes[:MOST]
    label = min(max(map(cell_len, shown)), 14) + 1
    found = {(code, day): level for code, day, level in facts.days.select("code", "day", "class").iter_rows()}
    unit, periods, lines = _layout(_all_days(facts.days), width - label, len(shown))
    yield title("calendar", language)
    colours = dict(facts.classes.select("level", "colour").iter_rows())
    for line in lines:
        yield Text(" " * label + _ruler(line, unit), style="dim")
        for code in shown:
            row = Text(set_cell_size(code, label - 1) + " ")
            for period in line:
                for level in _cells([found.get((code, day), -1) for day in periods[period]], unit):
                    row.append_text(cell(level, colours, colour=colour))
            yield row
    yield from flow([*_legend(facts.classes, language, colour=colour), *_marks(unit, language)], width)
    if len(codes) > len(shown):
        yield Text(text("more", language, count=len(codes) - len(shown)), style="dim")


Periods = dict[date, list[date]]


def _all_days(days: pl.DataFrame) -> list[date]:
    first, last = days["day"].min(), days["day"].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _layout(days: list[date], room: int, stations: int) -> tuple[str, Periods, list[list[date]]]:
    """The finest unit of day, week, month that keeps to LINES; its periods with their days; its lines of periods."""
    for unit in ("day", "week", "month"):
        periods: Periods = {}
        for day in days:
            periods.setdefault(_start(day, unit), []).append(day)
        lines = _lines(list(periods), max(room // _size(unit), 1), unit)
        if len(lines) * (stations + 1) <= LINES or len(lines) == 1:
            break
    return unit, periods, lines


def _start(day: date, unit: str) -> date:
    back = {"day": 0, "week": day.weekday(), "month": day.day - 1}[unit]
    return day - timedelta(days=back)


def _size(unit: str) -> int:
    return 1 if unit == "day" else 2


def _mark(period: date, unit: str) -> tuple[int, int]:
    """What the ruler names and lines break at: the month, of months the year."""
    return (period.year, period.month if unit != "month" else 0)


def _lines(periods: list[date], most: int, unit: str) -> list[list[date]]:
    """`periods` in lines of at most `most`, broken where the ruler has a mark if it can be."""
    lines: list[list[date]] = [[]]
    for _, group in groupby(periods, lambda period: _mark(period, unit)):
        items = list(group)
        for begin in range(0, len(items), most):
            piece = items[begin : begin + most]
            if len(lines[-1]) + len(piece) > most:
                lines.append([])
            lines[-1].extend(piece)
    return [line for line in lines if line]


def _ruler(line: list[date], unit: str) -> str:
    out, at = "", 0
    for (year, month), group in groupby(line, lambda period: _mark(period, unit)):
        room = len(list(group)) * _size(unit)
        names = (f"{year}-{month:02}" if month else str(year), f"{month or year % 100:02}")
        out += next((name for name in names if len(name) < room), "").ljust(room)
        at += room
    return out.rstrip()


def _cells(levels: list[int | None], unit: str) -> list[int | None]:
    """Of a day its class; of a longer time the class of its median day (the worse of two) and of its worst day."""
    if unit == "day":
        return levels
    known = sorted(level for level in levels if level is not None and level > 0)
    if known:
        return [known[len(known) // 2], known[-1]]
    return [None if None in levels else -1] * 2


def _legend(classes: pl.DataFrame, language: Language, *, colour: bool) -> Iterator[Text]:
    for level, english, chinese, shade in classes.select("level", "category", "category_zh", "colour").iter_rows():
        # Black on the light half of the colours, white on the dark one.
        style = f"{'black' if level < 4 else 'white'} on {shade}" if colour else ""
        name = choose(english, chinese, language)
        yield Text.assemble((f" {level} " if colour else str(level), style), f" {name}")


def _marks(unit: str, language: Language) -> Iterator[Text]:
    yield Text(f"{NO_DATA} {text('no_data', language)}", style="dim")
    yield Text(f"{NO_INDEX} {text('no_index', language)}", style="dim")
    yield Text(text(f"cell_{unit}", language), style="dim")
