"""What people see of zones, and the tables by which a day is judged."""

import copy
import json
from datetime import timedelta
from typing import Any

import pytest
import typer

from analytics import standards
from analytics.store import migrations
from analytics.store.connection import Connection
from jobs import irrigate
from tests.irrigation.park import DAYS, MIDNIGHT, NOW, balance, send
from tests.register.drafts import facts


def test_a_cover_that_is_in_no_table_now_leaves_its_zone_out(site: Connection) -> None:
    site.execute("UPDATE zone SET cover = 'lichen' WHERE code = 'Z01'")
    assert irrigate.run(site, NOW) == irrigate.Irrigated(1, DAYS, 1, ("Z01",))


def test_a_cover_that_older_tables_lack_begins_with_its_edition(site: Connection) -> None:
    site.execute("UPDATE edition SET rows = rows - 0, sha256 = 'without the lawn' WHERE name = 'covers'")
    list(migrations.migrate(site, standards.tables(), MIDNIGHT - timedelta(days=3, hours=5)))
    assert irrigate.run(site, NOW) == irrigate.Irrigated(2, 2 * 3, 2)
    assert balance(site)[0]["fallbacks"] == ["start_raw"]


def test_another_edition_holds_from_its_day_on(site: Connection) -> None:
    irrigate.run(site, NOW)
    before = facts(site, "SELECT day, kc FROM water_balance WHERE zone = 1 ORDER BY 1")
    changed = copy.deepcopy(standards.tables())
    covers: Any = changed["covers"]
    covers[0]["kc_mid"] = "1.05"
    list(migrations.migrate(site, changed, MIDNIGHT - timedelta(days=3, hours=5)))
    irrigate.run(site, NOW)
    after = facts(site, "SELECT day, kc FROM water_balance WHERE zone = 1 ORDER BY 1")
    assert after[:7] == before[:7]
    assert [kc - old for (_, kc), (_, old) in zip(after[7:], before[7:], strict=True)] == pytest.approx([0.1] * 3)


def test_dashboards_read_zones_balance_and_the_newest_advice(site: Connection) -> None:
    irrigate.run(site, NOW)
    send(site, "rain", lambda hour: 6.0, DAYS, DAYS)
    irrigate.run(site, NOW + timedelta(hours=1))
    with site.transaction():
        site.execute("SET LOCAL ROLE greenwatch_reader")
        assert facts(site, "SELECT zone, weather, probe, latitude FROM report.zone ORDER BY 1") == [
            ("Z01", "M01", None, 39.9),
            ("Z02", "M01", "S01", 39.9),
        ]
        (first,) = facts(site, "SELECT min(time) FROM report.water_balance")[0]
        assert first == MIDNIGHT - timedelta(days=DAYS)
        said = facts(site, "SELECT zone, issued, title_zh FROM report.advice ORDER BY 1")
        assert said == [
            ("Z01", MIDNIGHT + timedelta(hours=1), "北草坪"),
            ("Z02", MIDNIGHT + timedelta(hours=1), "南草坪"),
        ]


def test_the_writer_may_irrigate(site: Connection) -> None:
    with site.transaction():
        site.execute("SET LOCAL ROLE greenwatch_writer")
        assert irrigate.run(site, NOW).advice == 2


def test_the_command_prints_the_advice(
    site: Connection, dsn: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.console.now", lambda: NOW)
    irrigate.main(dsn=dsn)
    shown = capsys.readouterr().out
    assert "北草坪" in shown
    assert "yes" in shown
    assert "2026-03-08 16:00Z" in shown
    irrigate.main(as_json=True, dsn=dsn)
    (first, second) = json.loads(capsys.readouterr().out)
    assert (first["code"], second["code"]) == ("Z01", "Z02")
    assert first["water"] is True
    assert first["volume"] == pytest.approx(first["depth"] * 12 / 0.75)
    irrigate.main(since="2026-03-01", dsn=dsn)
    with pytest.raises(typer.BadParameter, match="no day"):
        irrigate.main(since="yesterday", dsn=dsn)


def test_the_command_says_how_to_begin(conn: Connection, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    irrigate.main(dsn=dsn)
    assert "greenwatch register zones.csv" in capsys.readouterr().err


def test_the_plan_of_the_week_is_a_view_and_an_export(site: Connection) -> None:
    irrigate.run(site, NOW)
    rows = facts(site, "SELECT zone, day, time, volume, minutes, depth FROM report.watering_plan ORDER BY zone, day")
    assert len(rows) == 2 * 7
    first = rows[0]
    assert (first[0], str(first[1]), first[2]) == ("Z01", "2026-03-09", MIDNIGHT)
    (volume, flow, area) = facts(
        site, "SELECT a.volume, z.flow, z.area FROM report.advice a JOIN zone z ON z.code = a.zone WHERE zone = 'Z01'"
    )[0]
    assert first[3:] == pytest.approx((volume, volume / flow * 60, volume / area * 1000))
    assert volume > 0
