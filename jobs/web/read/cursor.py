"""Cursors: the key of the last row of a page, opaque to who gets it, good for the question it was given for.

A cursor is no promise of the server: nothing is kept for it. Rows are sorted by their key, a page begins behind the
cursor's; so what comes in meanwhile is seen where it lies behind it, and no row is seen twice or passed over.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce

import polars as pl

from analytics.frames import TIME
from jobs.web.numbers import LARGEST
from jobs.web.problems import Refused

#: The first parts of a row's key, all of them, or as far as the station or series and the time.
Key = tuple[str | int | datetime, ...]

LONGEST = 4000
#: Keys that are no text.
KINDS: dict[str, type] = {"id": int, "cadence": int, "time": datetime, "issued": datetime}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: Times that a cursor may have: whatever else is a time is none of a row.
_FIRST, _LAST = datetime(1800, 1, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC)


def write(mark: str, key: Key) -> str:
    """The cursor behind `key`, for the question `mark`."""
    parts = [(part - _EPOCH) // _MICROSECOND if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps([mark, *parts]).encode()).decode().rstrip("=")


def read(text: str, mark: str, names: Sequence[str]) -> Key:
    """The key in the cursor `text`, its parts those of `names`. Raises `Refused` where it is none of `mark`."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise Refused("bad-query", "cursor: it is none of ours; take it as it stands in `next`") from None
    if not isinstance(found, list) or not 2 <= len(found) <= len(names) + 1 or not isinstance(found[0], str):
        raise Refused("bad-query", "cursor: it is none of ours; take it as it stands in `next`")
    if found[0] != mark:
        raise Refused("bad-query", "cursor: it was given for another question; follow `next` as it stands")
    return tuple(_part(name, part) for name, part in zip(names, found[1:], strict=False))


def _part(name: str, part: object) -> str | int | datetime:
    kind = KINDS.get(name, str)
    wanted = int if kind is datetime else kind
    if type(part) is wanted:
        if kind is not datetime:
            return part  # type: ignore[return-value]  # of the kind
        first, last = ((end - _EPOCH) // _MICROSECOND for end in (_FIRST, _LAST))
        if first <= part <= last:  # type: ignore[operator]  # a number
            return _EPOCH + part * _MICROSECOND  # type: ignore[operator,no-any-return]  # a number
    raise Refused("bad-query", "cursor: it is none of ours; take it as it stands in `next`")


def number(key: Key) -> int | None:
    """The number that `key` is; None where it is empty. What the database cannot hold is none of ours, and still
    begins a page."""
    return max(-LARGEST, min(int(str(key[0])), LARGEST)) if key else None


def behind(key: Key, names: Sequence[str]) -> pl.Expr:
    """Whether a row, sorted by `names`, comes after all that begin with `key`."""
    parts = [
        (pl.col(name), pl.lit(part, TIME) if isinstance(part, datetime) else pl.lit(part))
        for name, part in zip(names, key, strict=False)
    ]
    if not parts:
        return pl.lit(value=True)
    column, last = parts[-1]
    return reduce(
        lambda later, part: (part[0] > part[1]) | ((part[0] == part[1]) & later), parts[-2::-1], column > last
    )
