"""A district of 2,000 zones: the first balance and plans, and an hour later."""

import time
from collections.abc import Callable
from datetime import timedelta

from analytics.store.connection import Connection
from jobs import irrigate
from tests.irrigation.park import DAYS, NOW, send
from tests.register.drafts import facts

MANY = 2_000


def seconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def test_two_thousand_zones_have_their_plans_within_a_minute(site: Connection) -> None:
    site.execute(
        """
        INSERT INTO zone (code, weather, probe, area, cover, texture, root_depth, flow, method)
        SELECT 'N' || n, z.weather, z.probe, 100 + n, z.cover, z.texture, 0.3 + n %% 7 / 10.0, 5, z.method
        FROM generate_series(1, %s) AS n JOIN zone z ON z.code = CASE WHEN n %% 2 = 0 THEN 'Z01' ELSE 'Z02' END
        """,
        [MANY - 2],
    )
    send(site, "soil_moisture@-0.1", lambda hour: 0.22 - 0.0004 * hour, 2, DAYS - 1, "S01")
    first = seconds(lambda: irrigate.run(site, NOW))
    send(site, "soil_moisture@-0.1", lambda hour: 0.30, DAYS, DAYS, "S01")
    again = seconds(lambda: irrigate.run(site, NOW + timedelta(hours=1)))
    print(f"2,000 zones: the first balance of {DAYS} days and the plans {first:.1f} s, an hour later {again:.1f} s")
    assert facts(site, "SELECT count(*) FROM report.watering_plan") == [(7 * MANY,)]
    # An hour later only those with the probe hear anything.
    (late,) = facts(
        site,
        "SELECT count(*) FILTER (WHERE z.probe IS NULL) FROM advice a JOIN zone z ON z.id = a.zone"
        f" WHERE a.issued > '{NOW.isoformat()}'",
    )[0]
    (heard,) = facts(site, f"SELECT count(*) FROM advice WHERE issued > '{NOW.isoformat()}'")[0]
    assert late == 0
    assert heard > 0
    assert first < 60
    assert again < 60
