"""Small bodies of JSON: what people and other services say, not readings."""

import json
from typing import Any

import anyio
from starlette.requests import ClientDisconnect, Request

from jobs.web.problems import Refused

JSON = "application/json"
#: A body must be here after so long [s].
SLOWEST = 10.0


async def read(request: Request, most: int) -> bytes:
    """The body of `request`, at most `most` bytes of JSON, as it came. Raises `Refused`.

    A type that no form of HTML can send keeps pages of other sites out.
    """
    pieces, size = [b""], 0
    with anyio.move_on_after(SLOWEST) as reading:
        try:
            async for piece in request.stream():
                size += len(piece)
                if size > most:
                    raise Refused("too-large", f"at most {most >> 10} KiB")
                pieces.append(piece)
        except ClientDisconnect:
            raise Refused("bad-request", "the body ended before its end") from None
    if reading.cancelled_caught:
        raise Refused("too-slow", f"the body was not here after {SLOWEST:.0f} s")
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if size and said != JSON:
        raise Refused("wrong-type", f"Content-Type is {JSON}", Accept=JSON)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refused("wrong-type", "Content-Encoding is none", Accept_Encoding="identity")
    return b"".join(pieces)


def parsed(raw: bytes) -> dict[str, Any]:
    """The object in `raw`; an empty one where that is empty. Raises `Refused`."""
    try:
        found = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise Refused("unreadable-body", "the body is no JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise Refused("unreadable-body", "the body is no object of JSON")
    return found


def text(found: dict[str, Any], name: str, most: int, *, required: bool = False) -> str:
    """The text `name` of `found`, without blanks around it, empty where there is none. Raises `Refused`."""
    said = found.get(name)
    if said is None and not required:
        return ""
    if not isinstance(said, str) or len(said) > most or (required and not said.strip()):
        raise Refused("unreadable-body", f"{name} is a text of at most {most:,} characters")
    if "\0" in said or any("\ud800" <= letter <= "\udfff" for letter in said):
        raise Refused("unreadable-body", f"{name} is no text that could be kept")
    return said.strip()
