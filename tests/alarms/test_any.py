"""An alarm on any of several conditions: it stands as long as one does, and ends when all it stood on are quiet."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest

from analytics import alarms
from analytics.alarms import BLIND, EVIDENCE, FIRING, OK, RECOVERING, WITHDRAWN, episode
from analytics.frames import TIME
from analytics.store import alarms as store
from tests.alarms.facts import HOUR, NOW, RECORD, T0, rules, state


def of_either(first: dict[str, Any], second: dict[str, Any], onset: datetime = T0) -> dict[str, Any]:
    """Evidence of an alarm that fires on any of two conditions, at `NOW`: hours of each, of which some are over 10."""
    rule = alarms.parse(
        {"alarm": {key: value for key, value in RECORD.items() if key not in ("episode", "level")} | EITHER}
    )
    rows, lives = [], []
    for name, sent in (("one", first), ("two", second)):
        for hour, value in enumerate(sent["values"]):
            rows.append((1, name, T0 + hour * HOUR, value, int(value > 5)))
        lives.append((1, name, sent["live"], None, 60))
    kinds = (pl.Int32(), pl.String(), TIME, pl.Float64(), pl.Int16())
    names = ("subject", "episode_rule", "time", "value", "hold")
    values = pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")
    turns = [
        (1, name, T0, T0 + stop * HOUR, False, T0, 1)
        for name, sent in (("one", first), ("two", second))
        if (stop := sum(value > 5 for value in sent["values"]))
    ]
    held = episode.stretches(pl.DataFrame(turns, schema=store.TURNS, orient="row").rename({"station": "subject"}), rule)
    schema = {"subject": pl.Int32(), "episode_rule": pl.String(), "live": TIME, "filled": TIME, "cadence": pl.Int32()}
    edges = episode.edges(pl.DataFrame(lives, schema=schema, orient="row"), rule)
    known = state(FIRING).with_columns(pl.lit(onset).cast(TIME).alias("onset"))
    asked = episode.asked(known, held, edges, NOW)
    return episode.evidence(known, asked, held, values, edges, rule, NOW).row(0, named=True)


EITHER = {"any": [{"episode": "one", "level": 1}, {"episode": "two", "level": 1}]}
BAD, GOOD = [12.0] * 10, [12.0] * 6 + [0.0] * 4


@pytest.mark.parametrize(
    ("first", "second", "after"),
    [
        ({"values": BAD, "live": NOW}, {"values": GOOD, "live": NOW}, FIRING),
        ({"values": BAD, "live": T0}, {"values": BAD, "live": NOW}, FIRING),  # one is blind, the other is seen
        ({"values": GOOD, "live": NOW}, {"values": GOOD, "live": NOW}, OK),
        (
            {"values": GOOD[:8], "live": NOW - 2 * HOUR},
            {"values": GOOD, "live": NOW},
            BLIND,
        ),  # not quiet for long enough
        ({"values": [0.0] * 10, "live": NOW}, {"values": GOOD, "live": NOW}, OK),  # it never stood on the first one
        ({"values": [], "live": None}, {"values": GOOD, "live": NOW}, OK),
        ({"values": [*BAD[:9], 0.0], "live": NOW}, {"values": GOOD, "live": NOW}, RECOVERING),
        ({"values": [], "live": NOW}, {"values": [], "live": NOW}, WITHDRAWN),
    ],
)
def test_any_of_two_conditions(first: dict[str, Any], second: dict[str, Any], after: str) -> None:
    """It stands as long as one of them does, and ends when all it stood on are measured quiet."""
    known = pl.DataFrame([of_either(first, second)], schema=dict(EVIDENCE))
    states, _ = alarms.watch(state(FIRING), known, rules(), NOW)
    assert (states["state"].to_list() or [FIRING]) == [after]
