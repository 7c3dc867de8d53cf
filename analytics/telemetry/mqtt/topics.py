"""Topics of MQTT: which messages are asked for, and what a topic says of them.

A pattern is a filter of MQTT (5.0, chapter 4.7: `+` is any level, `#` all that follow) some of whose levels may have a
name instead: `<station>` and `<channel>` of `sensors/<station>/<channel>` are any level, and what the topic says there;
`<node>` is the sensor, as its network calls it.
"""

from typing import NamedTuple

#: Bytes and levels of a topic; a longer one is nobody's.
LONGEST, DEEPEST = 512, 32
NAMES = ("station", "channel", "node")


class NoPattern(ValueError):
    """A pattern cannot be one: the message says why."""


class Pattern(NamedTuple):
    """A pattern as it was written, taken apart."""

    text: str
    levels: tuple[str, ...]

    @property
    def filter(self) -> str:
        """What a broker is asked for."""
        return "/".join("+" if _named(level) else level for level in self.levels)

    def said(self, topic: str) -> dict[str, str] | None:
        """What `topic` says under the names of the pattern; None where it is none of its topics."""
        levels, found = topic.split("/"), dict[str, str]()
        for number, wanted in enumerate(self.levels):
            if wanted == "#":
                return found
            if number >= len(levels):
                return None
            if name := _named(wanted):
                found[name] = levels[number]
            elif wanted not in ("+", levels[number]):
                return None
        return found if len(levels) == len(self.levels) else None


def pattern(text: str) -> Pattern:
    """The pattern `text`. Raises `NoPattern`."""
    levels = tuple(text.split("/"))
    if not text or len(text.encode("utf-8", "replace")) > LONGEST or len(levels) > DEEPEST:
        raise NoPattern(f"a topic has 1 to {LONGEST} bytes and at most {DEEPEST} levels")
    if not text.isprintable():
        raise NoPattern("a topic holds no control characters")
    names = [name for name in map(_named, levels) if name]
    if strange := [name for name in names if name not in NAMES or names.count(name) > 1]:
        raise NoPattern(f"<{strange[0]}>: a level can be called {', '.join(f'<{name}>' for name in NAMES)}, each once")
    for number, level in enumerate(levels):
        if ("+" in level or "#" in level) and level not in ("+", "#"):
            raise NoPattern(f"{level!r}: + and # are a whole level")
        if level == "#" and number != len(levels) - 1:
            raise NoPattern("# is the last level")
    return Pattern(text, levels)


def _named(level: str) -> str:
    return level[1:-1] if level.startswith("<") and level.endswith(">") else ""
