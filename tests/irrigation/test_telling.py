"""Who opens valves is told of advice: signed, whole, again until they have it, and of the newest alone."""

import json
from contextlib import closing
from datetime import timedelta
from threading import Event

import pytest

from analytics.store import calls, connection
from analytics.store.connection import Connection
from jobs import console, irrigate
from jobs.incidents import sending, signing
from jobs.irrigate import telling
from jobs.irrigate.telling import Teller
from tests.incidents.conftest import SECRET
from tests.incidents.test_orders import KEY, desk
from tests.irrigation.park import NOW
from tests.register.drafts import facts
from tests.serving import until

_STATE = "SELECT zones, tries, problem, issued = newest FROM report.advice_call"


def test_all_zones_are_told_once_and_again_when_it_is_other(site: Connection, dsn: str) -> None:
    irrigate.run(site, NOW)
    with desk(200) as (target, got):
        teller = Teller("advice", dsn, Event(), target, lambda: NOW)
        call = calls.claim(site, NOW, sending.LEASE)
        assert call is not None
        assert calls.claim(site, NOW, sending.LEASE) is None  # it is somebody's
        teller.tell(site, call)
        assert calls.claim(site, NOW + timedelta(hours=1), sending.LEASE) is None  # they have it
        assert facts(site, _STATE) == [(2, 0, "", True)]
        ((headers, body),) = got
        assert signing.wrong(KEY, headers, body, NOW.timestamp()) == ""
        said = json.loads(body)
        assert said["type"] == "advice.issued"
        one, other = said["data"]["advice"]
        assert (one["zone"], one["water"], other["zone"]) == ("Z01", True, "Z02")
        assert len(one["plan"]) == 7
        assert one["volume"] == pytest.approx(one["plan"][0])
        assert one["reason"]
        assert one["reason_zh"]
        # Only one zone has newer advice: both are said again.
        site.execute("UPDATE advice SET issued = issued + interval '1 hour' WHERE zone = (SELECT max(id) FROM zone)")
        later = calls.claim(site, NOW + timedelta(hours=1), sending.LEASE)
        assert later is not None
        teller.tell(site, later)
        assert later.id != call.id
        assert [row["zone"] for row in json.loads(got[1][1])["data"]["advice"]] == ["Z01", "Z02"]


def test_who_does_not_answer_is_asked_again_with_the_newest(site: Connection, dsn: str) -> None:
    irrigate.run(site, NOW)
    with desk(503, 503, 200) as (target, got):
        now = [NOW]
        teller = Teller("advice", dsn, Event(), target, lambda: now[0])
        for pause in telling.PAUSES[:2]:
            call = calls.claim(site, now[0], sending.LEASE)
            assert call is not None
            teller.tell(site, call)
            assert facts(site, "SELECT problem FROM report.advice_call") == [("answered 503",)]
            assert calls.claim(site, now[0] + timedelta(seconds=pause - 1), sending.LEASE) is None
            now[0] += timedelta(seconds=pause)
        call = calls.claim(site, now[0], sending.LEASE)
        assert call is not None
        assert call.tries == 3
        teller.tell(site, call)
        assert len({headers["webhook-id"] for headers, _ in got}) == 1  # the same call
        assert facts(site, _STATE) == [(2, 0, "", True)]


def test_a_worker_tells_and_none_that_has_nobody_to_tell(site: Connection, dsn: str) -> None:
    with desk(200) as (target, got), closing(connection.connect(dsn)) as other:
        stopping = Event()
        thread = Teller("advice", dsn, stopping, target)
        thread.start()
        irrigate.run(other, NOW)
        until(lambda: bool(got))
        stopping.set()
        assert thread.join(20)
    assert sending.target({}, signing.ADVICE) is None
    with pytest.raises(console.NotAsAsked, match="GREENWATCH_ADVICE_SECRET is not"):
        sending.target({"GREENWATCH_ADVICE_URL": "http://x/"}, signing.ADVICE)
    with pytest.raises(console.NotAsAsked, match="GREENWATCH_ADVICE_SECRET is no secret"):
        sending.target({"GREENWATCH_ADVICE_URL": "http://x/", "GREENWATCH_ADVICE_SECRET": SECRET[:20]}, signing.ADVICE)
