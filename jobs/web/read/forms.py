"""How an answer is written: JSON, CSV or Parquet, of the same rows; and what may be kept of it for how long."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from jobs.export import writers
from jobs.web.problems import Refused


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and behind which cursor the next ones are; None: these were the last. `known`: as of when they are."""

    rows: pl.DataFrame
    next: str | None = None
    known: datetime | None = None
    #: whether the same question will have the same answer for a while
    lasting: bool = False


def _json(page: Page, link: str | None) -> bytes:
    known = None if page.known is None else page.known.isoformat()
    tail = json.dumps({"next": link, "known": known}, ensure_ascii=False)[1:]
    rows = writers.records(page.rows) if page.rows.height else ""
    return f'{{"rows": [\n{rows}\n], {tail}\n'.encode()


#: How a text begins that a spreadsheet takes for a formula; and those that are a number or an offset from UTC.
#: Source: OWASP, CSV Injection.
_FORMULA, _NUMBER = r"\A[=+\-@\t\r]", r"\A[+-][0-9.:]+\z"


def _csv(page: Page, link: str | None) -> bytes:
    lists = [name for name, dtype in page.rows.schema.items() if dtype == pl.List]
    rows = page.rows.with_columns(pl.col(lists).list.join(";"))
    # What a device sent stands among rejects as it came: whoever opens it must not run it.
    text = pl.col(pl.String)
    formula = text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER)
    out = io.BytesIO()
    writers.csv(rows.with_columns(pl.when(formula).then("'" + text).otherwise(text).name.keep()), out, header=True)
    return out.getvalue()


def _parquet(page: Page, link: str | None) -> bytes:
    out = io.BytesIO()
    page.rows.write_parquet(out)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Form:
    """A form by its media type; `body` writes a page and the address of the next one."""

    media: str
    body: Callable[[Page, str | None], bytes]


#: By the word for `format=`. The first is what one gets who says nothing.
FORMS: Mapping[str, Form] = {
    "json": Form("application/json", _json),
    "csv": Form("text/csv", _csv),
    "parquet": Form("application/vnd.apache.parquet", _parquet),
}


def choose(request: Request) -> str:
    """The form that `request` wants, by its parameter `format`, else its header Accept. Raises `Refused`."""
    said = request.query_params.get("format")
    if said is not None and said in FORMS:
        return said
    wanted = _accepted(request.headers.get("accept", "*/*"))
    # Of equally welcome ones the first of ours.
    best = max(FORMS, key=lambda name: _welcome(FORMS[name].media, wanted))
    if not _welcome(FORMS[best].media, wanted):
        raise Refused("no-such-form", f"there are {', '.join(form.media for form in FORMS.values())}")
    return best


def _accepted(header: str) -> dict[str, float]:
    """Media ranges and how welcome each is (RFC 9110, 12.5.1); what cannot be read is left out."""
    found: dict[str, float] = {}
    for item in header.split(",")[:50]:
        media, *rest = (part.strip().lower() for part in item.split(";"))
        weights = [part[2:] for part in rest if part.startswith("q=")]
        try:
            weight = float(weights[0]) if weights else 1.0
        except ValueError:
            continue
        if media and 0 <= weight <= 1:
            found[media] = weight
    return found or {"*/*": 1.0}


def _welcome(media: str, wanted: Mapping[str, float]) -> float:
    """The weight of the most specific range that `media` is in."""
    ranges = (media, f"{media.partition('/')[0]}/*", "*/*")
    return next((wanted[name] for name in ranges if name in wanted), 0.0)


def answer(request: Request, name: str, form: str, page: Page) -> Response:
    """`page` of what is called `name`, in `form`; 304 where whoever asks has it.

    An answer may be kept, by who asked alone, and must be asked for again: the store changes. What was known at a time
    long past is made of what changes no more, but for titles and the like.
    """
    link = None if page.next is None else _next(request, page.next)
    body = FORMS[form].body(page, link)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=300" if page.lasting else "private, no-cache",
        "Vary": "Accept, Authorization",
    }
    if link is not None:
        headers["Link"] = f'<{link}>; rel="next"'
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if form != "json":
        headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return Response(body, headers=headers, media_type=FORMS[form].media)


def _has(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in [item.strip().removeprefix("W/") for item in header.split(",")]


def _next(request: Request, cursor: str) -> str:
    """The address of the next page: this one's, with another cursor."""
    items = [(name, text) for name, text in request.query_params.multi_items() if name != "cursor"]
    return f"{request.scope['path']}?{urlencode([*items, ('cursor', cursor)])}"
