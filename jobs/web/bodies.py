"""Bodies of posts: what they may be, how large, and what they say. A form is a row of FORMS.

A type that no form of HTML can send also keeps pages of other sites out: a browser asks us before, and we say no.
"""

import gzip
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
from starlette.requests import Request

from analytics.frames import Batch
from analytics.ingest import BODIES, UnreadableSource
from jobs.web.problems import Refused

#: Of one body, packed or not [bytes]; and rows in it.
MOST_BYTES, MOST_ROWS = 8 * 2**20, 50_000
#: Members of a gzip, of which `cat a.gz b.gz` makes two: each costs some microseconds, be it ever so empty. How one
#: begins: by chance these bytes stand in one of 8 MiB every other time.
MOST_MEMBERS, MEMBER = 10_000, b"\x1f\x8b\x08"
#: Characters of a name.
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a body: its decoder among `ingest.BODIES`, what a row of it is called, and a sign of which a body of
    MOST_ROWS rows has at most `most`, so that one of too many is known before it is taken apart."""

    decoder: str
    place: str
    sign: bytes
    header: int = 0
    signs: int = 1

    @property
    def most(self) -> int:
        """How many signs a body may have, a last line feed not counted."""
        return self.signs * MOST_ROWS + self.header


#: By media type. A comma stands between the entries of a column: of six columns, and in a name at times.
FORMS: Mapping[str, Form] = {
    "application/x-ndjson": Form("ndjson", "line", b"\n"),
    "application/json": Form("columnar", "row", b",", signs=8),
    "text/csv": Form("long", "line", b"\n", header=1),
}
TYPES = ", ".join(FORMS)


def media(request: Request) -> str:
    """The media type of the body of `request`, one of FORMS. Raises `Refused` where it is none."""
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said not in FORMS:
        raise Refused("wrong-type", f"Content-Type is one of {TYPES}", Accept=TYPES)
    return said


def packed(request: Request) -> bool:
    """Whether the body is gzip. Raises `Refused` where it is coded otherwise, or says it is too large."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise Refused("wrong-type", "Content-Encoding is gzip or none", Accept_Encoding="gzip, identity")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MOST_BYTES:
        raise too_large()
    return coding == "gzip"


def too_large() -> Refused:
    """What is said to a body that is."""
    return Refused("too-large", f"at most {MOST_BYTES >> 20} MiB, packed or not, and {MOST_ROWS:,} rows in a body")


def unpack(body: bytes) -> bytes:
    """The content of the gzip `body`. Raises `Refused` where it is damaged or larger than a body may be."""
    if body.count(MEMBER) > MOST_MEMBERS:
        raise Refused("unreadable-body", f"the gzip is of more than {MOST_MEMBERS:,} parts")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:  # of one member, or of several as `cat a.gz b.gz` makes
            content = file.read(MOST_BYTES + 1)
    except EOFError:
        raise Refused("unreadable-body", "the gzip ends before its end mark") from None
    except (gzip.BadGzipFile, zlib.error) as problem:
        raise Refused("unreadable-body", f"the body is no gzip: {problem}") from None
    if len(content) > MOST_BYTES:
        raise too_large()
    return content


def read(form: Form, raw: bytes, received: datetime) -> Batch:
    """The rows of `raw`, which came at `received`. Raises `Refused` where nothing of it can be read."""
    if raw.count(form.sign) - raw.endswith(b"\n") * (form.sign == b"\n") >= form.most:
        raise too_large()
    try:
        batch = BODIES[form.decoder](raw)
    except UnreadableSource as problem:
        raise Refused("unreadable-body", str(problem)) from None
    if not batch.read:
        raise Refused("unreadable-body", f"the body has no {form.place}")
    if batch.read > MOST_ROWS:
        raise too_large()
    if not batch.cells.height and not batch.missing and _strange(batch.rejects):
        raise Refused("unreadable-body", f"no {form.place} of the body has a station, a channel or a time")
    return replace(batch, received=received)


def _strange(rejects: pl.DataFrame) -> bool:
    """Whether no reject knows a station, a channel or a time: nothing of them could be read."""
    return rejects.select("station", "channel", "stamp").null_count().row(0) == (rejects.height,) * 3
