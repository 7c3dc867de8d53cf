"""Rules, states and evidence of one alarm, of which a test changes what it is about."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics import alarms
from analytics.alarms import ACTIVE, EVIDENCE, OK, PENDING, STATE

T0 = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOW = T0 + 10 * HOUR
RECORD: dict[str, Any] = {
    "episode": "rule",
    "level": 1,
    "severity": "page",
    "confirm": 2,
    "clear": 4,
    "cadences": 3,
    "at_least": 10,
    "title": "",
    "title_zh": "",
    "source": "OWN",
    "confidence": "memory_low",
}


def rules(**changes: Any) -> dict[str, alarms.Rule]:
    return alarms.parse({"alarm": {**RECORD, **changes}})


def state(name: str, level: int = 1) -> pl.DataFrame:
    """The state of station 1; nothing is remembered of `ok` before."""
    going = name in (PENDING, *ACTIVE)
    row = {
        "subject": 1,
        "rule": "alarm",
        "state": name,
        "level": level,
        "since": T0,
        "episode": T0 + 5 * HOUR,
        "edge": T0 + 9 * HOUR,
        "closed": None,
        "onset": T0 + 5 * HOUR if going else None,
        "seen": T0 + 9 * HOUR if going else None,
        "fired": T0 if name not in (OK, PENDING) else None,
        "first": "page" if name not in (OK, PENDING) else "",
        "told": "page" if name not in (OK, PENDING) else "",
        "incident": 7 if name not in (OK, PENDING) else None,
    }
    return pl.DataFrame([row], schema=dict(STATE)) if name != OK else pl.DataFrame(schema=dict(STATE))


def evidence(**changes: Any) -> pl.DataFrame:
    """It holds at the live edge since five hours, unless said otherwise."""
    row = {
        "subject": 1,
        "rule": "alarm",
        "episode": T0 + 5 * HOUR,
        "onset": T0 + 5 * HOUR,
        "level": 1,
        "on": True,
        "settled": True,
        "confirmed": True,
        "quiet": 0,
        "over": False,
        "edge": NOW,
        "value": 12.0,
        "live": NOW - MINUTE,
        "lateness": 10 * MINUTE,
        "covered": True,
        "stands": True,
        "held": False,
    }
    return pl.DataFrame([{**row, **changes}], schema=dict(EVIDENCE))
