"""What `intake` does, in the words of `api`."""

from typing import Any

from jobs.verdicts import VERDICTS
from jobs.web import api
from jobs.web.bodies import LONGEST, MOST_BYTES, MOST_ROWS

_COUNT: api.Json = {"type": "integer", "minimum": 0}
_NAME: api.Json = {"type": "string", "minLength": 1, "maxLength": LONGEST}
_TIME: api.Json = {"type": "string", "description": "ISO 8601 with an offset from UTC: the start of the period."}
_VALUE: api.Json = {
    "type": ["number", "string", "null"],
    "description": "In the parameter's unit; text that is a number, too. Null is missing: counted, not stored.",
}
_MARK: api.Json = {"type": ["string", "null"], "maxLength": 1, "description": "The source's own flag, in ASCII."}
_REVISION: api.Json = {"type": ["integer", "null"], "description": "A greater one replaces a smaller one."}
_STAMP: api.Json = {"type": "string", "format": "date-time"}


def _columns(entry: api.Json) -> api.Json:
    """A list of entries, or one for all rows."""
    return {"anyOf": [{"type": "array", "items": entry, "maxItems": MOST_ROWS}, entry]}


_COUNTS: dict[str, Any] = {
    "read": {**_COUNT, "description": "Rows: new + replaced + duplicates + missing + rejects."},
    "new": _COUNT,
    "replaced": {**_COUNT, "description": "Rows in the place of another value of the same time, which is in history."},
    "duplicates": {**_COUNT, "description": "Rows that were there, or are weaker than what is there."},
    "missing": _COUNT,
    "rejects": {**_COUNT, "description": "Rows not kept as readings, but kept as rejects: nothing is lost."},
    "conflicts": {**_COUNT, "description": "Beside the sum: equal revisions with different values."},
    "waiting": {
        **_COUNT,
        "description": "Of the rejects those that come in by themselves: when their series is registered, or their "
        "period is open again.",
    },
    "reasons": {
        "type": "array",
        "description": "Why rows are rejects: the most frequent reasons, with an example.",
        "items": {
            "type": "object",
            "required": ["reason", "cells", "first"],
            "properties": {"reason": {"type": "string"}, "cells": _COUNT, "first": {"type": ["object", "null"]}},
        },
    },
    "verdicts": {
        "type": "array",
        "description": "With rows=1: what became of each row, in their order.",
        "items": {"type": "string", "enum": list(VERDICTS)},
    },
    "refusals": {
        "type": "object",
        "description": "With rows=1: of the rows rejected or waiting, which (counted from 0), and why.",
        "required": ["row", "reason"],
        "properties": {
            "row": {"type": "array", "items": _COUNT},
            "reason": {"type": "array", "items": {"type": "string"}},
        },
    },
}
_ALWAYS = [name for name in _COUNTS if name not in ("verdicts", "refusals")]

SCHEMAS: api.Json = {
    "Row": {
        "type": "object",
        "description": "A line of NDJSON.",
        "required": ["station", "time"],
        "additionalProperties": False,
        "properties": {
            "station": _NAME,
            "channel": {**_NAME, "description": "parameter[@position][:statistic], as pm25 or soil_moisture@-0.1"},
            "parameter": {**_NAME, "description": "Instead of channel."},
            "position": {"type": ["string", "null"], "description": "What stands behind @, instead."},
            "statistic": {"type": ["string", "null"], "description": "What stands behind :, instead."},
            "time": _TIME,
            "value": _VALUE,
            "mark": _MARK,
            "revision": _REVISION,
        },
    },
    "Columns": {
        "type": "object",
        "description": "Rows as columns: lists of one length, or one entry for all rows.",
        "required": ["station", "channel", "time", "value"],
        "additionalProperties": False,
        "properties": {
            "station": _columns(_NAME),
            "channel": _columns(_NAME),
            "time": _columns(_TIME),
            "value": _columns(_VALUE),
            "mark": _columns(_MARK),
            "revision": _columns(_REVISION),
        },
    },
    "Counts": {"type": "object", "required": _ALWAYS, "properties": _COUNTS},
    "Waiting": {
        "type": "object",
        "required": ["id", "state", "at"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "state": {"const": "waiting"},
            "at": {"type": "string", "description": "Where to ask what became of it."},
        },
    },
    "Batch": {
        "type": "object",
        "required": ["id", "state", "received"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "state": {"enum": ["waiting", "saved", "refused"]},
            "received": _STAMP,
            "settled": {**_STAMP, "description": "When it was saved or refused."},
            "problem": {**api.schema("Problem"), "description": "Why it was refused."},
            **_COUNTS,
        },
    },
}

_LINE = {"station": "A-01", "channel": "pm25", "time": "2026-11-21T08:00:00+08:00", "value": 35.2}
_LINES = (
    '{"station":"A-01","channel":"pm25","time":"2026-11-21T08:00:00+08:00","value":35.2}\n'
    '{"station":"A-01","channel":"o3","time":"2026-11-21T08:00:00+08:00","value":null}\n'
)
_CSV = "station,parameter,time,value\nA-01,pm25,2026-11-21T08:00:00+08:00,35.2\n"
_COLUMN = {**_LINE, "time": ["2026-11-21T08:00:00+08:00", "2026-11-21T08:01:00+08:00"], "value": [35.2, 36.0]}
_SUM = {"read": 2, "new": 1, "replaced": 0, "duplicates": 0, "missing": 1, "rejects": 0, "conflicts": 0}
_ANSWER = {**_SUM, "waiting": 0, "reasons": []}
_ID = "0b5e8a0c-63b4-4c5c-9f3a-5d8f1f6f7c11"
_STATE = {"id": _ID, "state": "saved", "received": "2026-11-21T00:00:07+00:00", "settled": "2026-11-21T00:00:31+00:00"}
_WAITING = {"id": _ID, "state": "waiting", "at": f"/batches/{_ID}"}
_FLAG = {"type": "string", "enum": ["0", "1"], "default": "0"}

PATHS: api.Json = {
    "/observations": {
        "post": api.operation(
            "observations",
            "Send readings",
            words=f"At most {MOST_ROWS:,} rows and {MOST_BYTES >> 20} MiB, packed or not (Content-Encoding: gzip). "
            "Sending the same rows again changes nothing: they are duplicates.",
            scope="write",
            parameters=[
                api.query("source", _NAME, "Who says so; with a key, the key's own.", example="north-loggers"),
                api.query(
                    "cadence",
                    {"type": "integer", "minimum": 1, "maximum": 31_622_400},
                    "Step between readings [s]: which series of a channel is meant. Without it the one that speaks.",
                    example=60,
                ),
                api.query(
                    "kind",
                    {"type": "string", "enum": ["live", "late", "backfill"], "default": "live"},
                    "Only what is live may wake somebody.",
                ),
                api.query(
                    "register", _FLAG, "1: make stations and series that are unknown, where the server lets you."
                ),
                api.query("rows", _FLAG, "1: say what became of each row."),
            ],
            takes={
                api.NDJSON: api.body({"type": "string", "description": "A Row a line."}, rows=_LINES),
                api.JSON: api.body(api.schema("Columns"), row=_LINE, column=_COLUMN),
                api.CSV: api.body(
                    {
                        "type": "string",
                        "description": "A header (station, parameter, time, value; mark, revision), rows.",
                    },
                    rows=_CSV,
                ),
            },
            answers={
                200: api.content(
                    "In the store",
                    {
                        api.JSON: api.body(
                            api.schema("Counts"),
                            counts=_ANSWER,
                            rows={**_ANSWER, "verdicts": ["new", "missing"], "refusals": {"row": [], "reason": []}},
                        )
                    },
                ),
                202: api.content(
                    "Safe on the disk, not in the store yet: do not send it again",
                    {api.JSON: api.body(api.schema("Waiting"), waiting=_WAITING)},
                    headers={"Location": "Where to ask what became of it.", "Retry-After": "When to ask [s]."},
                ),
            },
            errors=(408, 413, 415, 429),
        )
    },
    "/batches/{id}": {
        "get": api.operation(
            "batch",
            "What became of readings that were answered 202",
            scope="write",
            parameters=[api.path("id", {"type": "string", "format": "uuid"}, "As the 202 named it.", example=_ID)],
            answers={
                200: api.content(
                    "Waiting, saved with its counts, or refused with the reason",
                    {api.JSON: api.body(api.schema("Batch"), saved={**_STATE, **_ANSWER})},
                )
            },
            errors=(404,),
        )
    },
}
