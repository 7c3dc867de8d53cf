"""Law 7: doors killed under load and the database gone have lost nothing acknowledged, and nothing is counted twice."""

import os
import random
import re
from contextlib import closing
from pathlib import Path

import pytest

from analytics.spool import Spool
from tests.doors.siege import DATABASE, LOAD, page, siege
from tests.listen.line import PASSWORD

pytestmark = pytest.mark.long

#: Another one at each run; said where the test fails.
SEED = int(os.environ.get("GREENWATCH_KILL_SEED") or random.randrange(2**32))
#: What a process says of itself that was started after another one was killed.
TOLD = {
    "listen": (
        r'^greenwatch_listen_frames_total{command="2011"} [1-9]',
        r'^greenwatch_listen_seen_timestamp_seconds{device="listen-0"} 1',
        r"^greenwatch_listen_connections 3",
    ),
    "mqtt": (
        r'^greenwatch_mqtt_messages_total{format="plain"} [1-9]',
        r"^greenwatch_mqtt_commit_seconds_count [1-9]",
    ),
}


def test_what_was_acknowledged_is_in_the_store_once(tmp_path: Path) -> None:
    """Each door is killed once and the database crashed once, and one of them again, in any order."""
    print(f"GREENWATCH_KILL_SEED={SEED}")
    with siege(tmp_path, SEED) as place:
        names = [*LOAD, DATABASE]
        names.append(place.dice.choice(names))
        place.dice.shuffle(names)
        for name in names:
            place.strike(name)
        place.flow()
        for name, patterns in TOLD.items():
            told = page(place.metrics[name])
            assert [one for one in patterns if not re.search(one, told, re.MULTILINE)] == []
            assert PASSWORD not in told
        assert place.finish() == []
        assert place.again == 0  # no process ended by itself, with the database or without
    for spool in ("hj212", "mqtt"):
        with closing(Spool(tmp_path / "spool" / spool)):
            pass  # it is nobody's: the lock went with the process
