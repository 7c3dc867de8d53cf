"""The text of a segment: who speaks (`QN;ST;CN;PW;MN;Flag;PNUM;PNO;RF`), and what is said (`CP=&&...&&`), in groups.

Groups are divided by `;`, the items of one by `,`; what stands between `//` and `//` is one value, whatever is in it.
Read as the printed examples of the standard and devices in the field have it: what was bent is named.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

#: Fields of the head; HJ 212-2017 table 3, RF of 2025.
HEAD = ("QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO", "RF")
#: What may follow `-` in the name of an item; RawAvg is seen in examples of 2025.
SUFFIXES = (
    *("SampleTime", "Rtd", "Min", "Avg", "Max", "ZsRtd", "ZsMin", "ZsAvg", "ZsMax", "Flag", "EFlag", "Cou", "RS", "RT"),
    *("Data", "DayData", "NightData", "Info", "SN", "RawAvg"),
)
_SUFFIX = {name.lower(): name for name in SUFFIXES}
_OPEN, _CLOSE, _QUOTE = "CP=&&", "&&", "//"
#: Around names and values of the head: what `devices.masked` knows as blanks, or a password would be kept unmasked.
_BLANKS = " \t\r\n\f\v"


class Bent(StrEnum):
    """A rule of the standard that a text does not keep, and is read all the same."""

    gb18030 = "text in GB18030"
    blanks = "blanks around names or values"
    unknown_head = "a field the head does not have"
    no_separator = "no semicolon before CP"
    no_qn = "no QN"
    no_flag = "no Flag"
    name_twice = "a name twice"
    no_assignment = "an item without ="


class NoMessage(ValueError):
    """The text of a frame is none that the standard or the field knows."""


@dataclass(frozen=True, slots=True)
class Item:
    """`name-suffix=value`; `suffix` as the standard writes it, empty where there is none."""

    name: str
    suffix: str
    value: str


@dataclass(frozen=True, slots=True)
class Message:
    """What a frame says. Fields of the head as they were sent, without blanks; those that are not there are empty."""

    head: Mapping[str, str]
    groups: tuple[tuple[Item, ...], ...]
    bent: tuple[Bent, ...] = field(default=())

    @property
    def edition(self) -> int:
        """2005, 2017 or 2025, as its Flag says: a hint, since devices send what they like."""
        flag = self.flag
        return {0: 2005, 1: 2017, 2: 2025}.get(flag >> 2, 2025) if flag is not None else 2005

    @property
    def flag(self) -> int | None:
        """The number of its Flag; None where there is none."""
        text = self.head["Flag"]
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 and int(text) < 256 else None

    @property
    def wants_answer(self) -> bool:
        """Whether the sender waits for one: bit 0 of its Flag."""
        return bool((self.flag or 0) & 1)

    def said(self, name: str) -> str:
        """The value of the first item called `name`, in whatever case; empty where there is none."""
        wanted = name.lower()
        return next((item.value for item in self.items() if not item.suffix and item.name.lower() == wanted), "")

    def items(self) -> Iterator[Item]:
        """All items in their order."""
        for group in self.groups:
            yield from group


def parse(segment: bytes) -> Message:
    """What `segment` says. Raises `NoMessage`."""
    bent: list[Bent] = []
    text = _text(segment, bent)
    before, opened, rest = text.partition(_OPEN)
    if not opened or not rest.endswith(_CLOSE):
        raise NoMessage("there is no CP=&&...&&")
    if before and not before.endswith(";"):
        bent.append(Bent.no_separator)
    head = _head(before, bent)
    groups = tuple(group for part in _divided(rest[: -len(_CLOSE)], ";") if (group := tuple(_items(part, bent))))
    for name, missing in (("QN", Bent.no_qn), ("Flag", Bent.no_flag)):
        if not head[name]:
            bent.append(missing)
    return Message(head, groups, tuple(dict.fromkeys(bent)))


def _text(segment: bytes, bent: list[Bent]) -> str:
    try:
        return segment.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        text = segment.decode("gb18030")
    except UnicodeDecodeError as problem:
        raise NoMessage("the text is neither UTF-8 nor GB18030") from problem
    bent.append(Bent.gb18030)
    return text


def _head(text: str, bent: list[Bent]) -> dict[str, str]:
    head = dict.fromkeys(HEAD, "")
    known = {name.lower(): name for name in HEAD}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, assigned, value = part.partition("=")
        if not assigned:
            raise NoMessage(f"{part[:20]!r} in the head says nothing")
        name, value = name.strip(_BLANKS), value.strip(_BLANKS)
        if part != f"{name}={value}":
            bent.append(Bent.blanks)
        title = known.get(name.lower())
        if title is None:
            bent.append(Bent.unknown_head)
        elif head[title]:
            bent.append(Bent.name_twice)
        else:
            head[title] = value
    if not (head["CN"].isascii() and head["CN"].isdecimal() and len(head["CN"]) == 4):
        raise NoMessage("CN is no four digits")
    if not head["MN"]:
        raise NoMessage("there is no MN")
    return head


def _items(text: str, bent: list[Bent]) -> Iterator[Item]:
    for part in _divided(text, ","):
        if not part.strip():
            continue
        label, assigned, value = part.partition("=")
        if not assigned:
            bent.append(Bent.no_assignment)
            continue
        if part != f"{label.strip()}={value.strip()}":
            bent.append(Bent.blanks)
        name, dash, suffix = label.strip().rpartition("-")
        known = _SUFFIX.get(suffix.lower()) if dash else None
        yield Item(name, known, value.strip()) if known and name else Item(label.strip(), "", value.strip())


def _divided(text: str, by: str) -> Iterator[str]:
    """The parts of `text` between `by`, none of them within // and //."""
    if _QUOTE not in text:
        yield from text.split(by)
        return
    start = position = 0
    quoted = False
    while position < len(text):
        if text.startswith(_QUOTE, position):
            quoted, position = not quoted, position + len(_QUOTE)
            continue
        if text[position] == by and not quoted:
            yield text[start:position]
            start = position + 1
        position += 1
    yield text[start:]
