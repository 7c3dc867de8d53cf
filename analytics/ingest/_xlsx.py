"""The first sheet of an Excel workbook (.xlsx) as rows of text, read as it is unpacked: memory is bounded.

Source: ECMA-376-1, 18.3 (worksheets), 18.4 (shared strings), 18.2.28 (the 1904 date system).
"""

import re
from collections.abc import Iterator
from datetime import datetime
from xml.etree import ElementTree

from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._zip import Archive

SHEET, STRINGS, BOOK = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml"
#: Bytes of shared strings, of the workbook's own words, and of one row at most.
MOST_STRINGS, MOST_BOOK, LONGEST_ROW = 16 * 1024 * 1024, 1024 * 1024, 8 * 1024 * 1024
#: Elements in one another: a cell's text has seven above it.
DEEPEST = 50
#: Columns of a sheet, in letters XFD.
MOST_COLUMNS = 16_384
#: Day 0 of a sheet's dates: of 1900, as they are from March of that year on, and of 1904.
DAYS = {False: datetime(1899, 12, 30), True: datetime(1904, 1, 1)}  # noqa: DTZ001  # a sheet knows no zone
_SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_CELL = re.compile("([A-Z]{1,3})[0-9]{1,7}")

#: Number of a row, and its texts by number of column: what is typed, and of a formula what it came to.
Row = tuple[int, dict[int, str]]


def is_workbook(archive: Archive) -> bool:
    """Has the archive a workbook and a first sheet?"""
    return archive.find(BOOK) is not None and archive.find(SHEET) is not None


def day_zero(source: Source, archive: Archive) -> datetime:
    """The day that is 0 in the sheet. Raises `UnreadableSource`."""
    for element in _elements(source, archive, BOOK, "workbookPr", MOST_BOOK):
        return DAYS[element.get("date1904", "0").lower() in ("1", "true")]
    return DAYS[False]


def rows(source: Source, archive: Archive) -> Iterator[Row]:
    """The rows of the first sheet that are not empty. Raises `UnreadableSource` where it is damaged or a bomb."""
    strings = list(_strings(source, archive))
    last = 0
    for element in _elements(source, archive, SHEET, "row", None):
        last = _number(element.get("r"), last + 1)
        cells: dict[int, str] = {}
        at = -1
        for cell in element.iter(f"{_SPACE}c"):
            at = _column(cell.get("r"), at + 1)
            text = _text(cell, strings)
            if text is not None and at < MOST_COLUMNS:
                cells[at] = text
        if cells:
            yield last, cells


def _strings(source: Source, archive: Archive) -> Iterator[str]:
    if archive.find(STRINGS) is not None:
        for element in _elements(source, archive, STRINGS, "si", MOST_STRINGS):
            yield "".join(part.text or "" for part in element.iter(f"{_SPACE}t"))


def _elements(source: Source, archive: Archive, name: str, tag: str, most: int | None) -> Iterator[ElementTree.Element]:
    """The elements `tag` of the file `name`, each dropped when the next is asked for."""
    which = archive.find(name)
    if which is None:
        raise UnreadableSource(f"{source.name}: is no workbook: there is no {name} in it")
    parser: ElementTree.XMLPullParser[ElementTree.Element] = ElementTree.XMLPullParser(("start", "end"))
    read = since = 0
    open_: list[ElementTree.Element] = []
    try:
        for block in archive.blocks(which):
            read, since = read + len(block), since + len(block)
            if (most is not None and read > most) or since > LONGEST_ROW:
                raise UnreadableSource(f"{source.name}: {name} is longer than it can be")
            if not open_ and b"<!" in block:
                raise UnreadableSource(f"{source.name}: {name} declares entities, which no spreadsheet does")
            parser.feed(block)
            for event in parser.read_events():
                element = event[-1]
                if not isinstance(element, ElementTree.Element):
                    continue
                if event[0] == "start":
                    open_.append(element)
                    if len(open_) > DEEPEST:
                        raise UnreadableSource(f"{source.name}: {name} is deeper than it can be")
                    continue
                open_.pop()
                if element.tag == _SPACE + tag:
                    since = 0
                    yield element
                if element.tag == _SPACE + tag or not any(above.tag == _SPACE + tag for above in open_):
                    element.clear()
                    if open_:
                        open_[-1].remove(element)
        parser.close()
    except ElementTree.ParseError as error:
        raise UnreadableSource(f"{source.name}: {name}: damaged XML: {error}") from error


def _text(cell: ElementTree.Element, strings: list[str]) -> str | None:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return "".join(part.text or "" for part in cell.iter(f"{_SPACE}t"))
    value = cell.find(f"{_SPACE}v")
    if value is None or value.text is None:
        return None
    if kind == "s":
        number = _number(value.text, -1)
        return strings[number] if 0 <= number < len(strings) else f"#{value.text}"
    return value.text


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else otherwise


def _column(reference: str | None, otherwise: int) -> int:
    """0 for A1, 26 for AA1."""
    found = _CELL.fullmatch(reference or "")
    if found is None:
        return otherwise
    out = 0
    for letter in found[1]:
        out = 26 * out + ord(letter) - 64
    return out - 1
