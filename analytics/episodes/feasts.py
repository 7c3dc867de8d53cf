"""Evenings that come every year (tables/feasts.toml), as planned events of every station."""

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from analytics import tables
from analytics.episodes.conditions import PLANNED
from analytics.tables import Content, TableError

TABLE = "feasts"
_TEXTS = ("kind", "title", "title_zh", "source", "confidence")


def feasts(content: Content, offset: int) -> pl.DataFrame:
    """`PLANNED` of the evenings of `content`, by their start, where clocks are `offset` [min] ahead of UTC.

    Raises `TableError` naming block and key.
    """
    rows = []
    for name, record in tables.records(content, TABLE).items():
        place = f"{TABLE}: [{name}]"
        lists, hours = ("firsts", "evenings"), ("start", "stop")
        tables.check(
            record,
            place,
            needs={**dict.fromkeys(_TEXTS, str), **dict.fromkeys(lists, list), **dict.fromkeys(hours, int)},
        )
        if not 0 <= record["start"] < record["stop"] <= 48:
            raise TableError(f"{place}: 'start' must lie before 'stop', both from 0 to 48")
        for first in record["firsts"]:
            midnight = _midnight(place, first) - timedelta(minutes=offset)
            for evening in record["evenings"]:
                start, stop = (midnight + timedelta(days=evening, hours=record[key]) for key in hours)
                rows.append((None, record["kind"], start, stop))
    return pl.DataFrame(rows, schema=dict(PLANNED), orient="row").sort("start")


def _midnight(place: str, text: Any) -> datetime:
    try:
        return datetime.fromisoformat(f"{date.fromisoformat(text)}T00:00:00+00:00")
    except (TypeError, ValueError):
        raise TableError(f"{place} 'firsts' cannot be {text!r}: dates as 2026-02-17") from None
