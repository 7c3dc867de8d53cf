"""What a supply lets: its quota, its nights, the class of its water."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer

from analytics.store import registry, supplies, weather
from analytics.store.connection import Connection
from jobs import irrigate
from tests.irrigation.park import MIDNIGHT, NOW
from tests.register.drafts import facts

HEAD = "supply,title,title_zh,daily,night,source,worst,zones\n"
YEARLY = HEAD.replace("night", "yearly,night")


def enter(conn: Connection, dsn: str, path: Path, text: str, monkeypatch: pytest.MonkeyPatch, head: str = HEAD) -> None:
    file = path / "supplies.csv"
    file.write_text(head + text, encoding="utf-8")
    monkeypatch.setattr("jobs.console.now", lambda: NOW)
    irrigate.main(as_json=True, entered=file, dsn=dsn)


def said(conn: Connection) -> dict[str, dict[str, Any]]:
    names = ("zone", "water", "volume", "begin", "reason", "reason_zh")
    rows = facts(conn, f"SELECT {', '.join(names)} FROM report.advice ORDER BY 1")
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def test_a_quota_is_kept_and_shared(
    site: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    irrigate.run(site, NOW)
    alone = said(site)
    wanted = sum(row["volume"] for row in alone.values())
    assert wanted > 400
    site.execute("TRUNCATE advice")
    enter(site, dsn, tmp_path, "well,Well,井,400,no,,,Z01 Z02\n", monkeypatch)
    shared = said(site)
    assert sum(row["volume"] for row in shared.values()) == pytest.approx(400, abs=0.1)
    plans = facts(site, "SELECT day, sum(volume) FROM report.watering_plan GROUP BY 1")
    assert all(volume <= 400.1 for _, volume in plans)
    burnt = facts(site, "SELECT day, used, planned, daily FROM report.supply_day ORDER BY day")
    assert [(day, planned) for day, _, planned, _ in burnt if planned is not None] == sorted(plans)
    assert {daily for *_, daily in burnt} == {400.0}
    assert any("Supply well (400 m³ a day) is short" in row["reason"] for row in shared.values())
    assert any("不足" in row["reason_zh"] or "优先供给" in row["reason_zh"] for row in shared.values())
    site.execute("TRUNCATE advice")
    enter(site, dsn, tmp_path, "well,,,0,,,,Z01\n", monkeypatch)
    none = said(site)
    assert none["Z01"]["water"] is False
    assert "nothing to give to any zone" in none["Z01"]["reason"]
    assert none["Z02"]["volume"] == alone["Z02"]["volume"]  # it has another supply now


def test_what_meters_saw_counts_against_the_quota(
    site: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(site, dsn, tmp_path, "well,,,400,no,,,Z01 Z02\n", monkeypatch)
    site.execute("DELETE FROM water_balance WHERE day < (SELECT max(day) FROM water_balance)")
    site.execute("UPDATE water_balance SET day = current_date - 1, irrigation = 2")
    areas = facts(site, "SELECT sum(area) FROM zone")[0][0]
    used = facts(site, "SELECT used, daily FROM report.supply_day WHERE day = current_date - 1")
    assert used == [(pytest.approx(2 * areas / 1000), 400.0)]


def test_what_is_left_of_the_year_is_shared(
    site: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of what a week would take: that of all days is limited, though each day by itself is not."""
    irrigate.run(site, NOW)
    alone = facts(site, "SELECT sum(volume) FROM report.watering_plan")[0][0]
    site.execute("TRUNCATE advice")
    enter(site, dsn, tmp_path, f"well,,,,{alone / 2},,,,Z01 Z02\n", monkeypatch, YEARLY)
    planned = facts(site, "SELECT sum(volume) FROM report.watering_plan")[0][0]
    assert planned == pytest.approx(alone / 2, abs=5)
    words = [row["reason"] + row["reason_zh"] for row in said(site).values()]
    assert any(f"well has {alone / 2:,.0f} m³ left" in text and "年度指标仅余" in text for text in words)
    site.execute("TRUNCATE advice")
    enter(site, dsn, tmp_path, "well,,,900,0,,,,Z01 Z02\n", monkeypatch, YEARLY)
    assert {row["water"] for row in said(site).values()} == {False}
    assert all("has 0 m³ left, and none for this zone" in row["reason"] for row in said(site).values())


def test_a_quota_burns_down(site: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(site, dsn, tmp_path, "well,,,,1000,,,,Z01\nriver,,,,,,,,Z02\n", monkeypatch, YEARLY)
    site.execute("DELETE FROM water_balance WHERE day < (SELECT max(day) FROM water_balance)")
    site.execute(
        "UPDATE water_balance SET day = date_trunc('year', current_date), irrigation = 1e5 / z.area FROM zone z"
    )
    rows = facts(site, 'SELECT day, yearly, used, "left", even, out FROM report.quota ORDER BY day')
    first, days = rows[0], 366 if rows[0][0].year % 4 == 0 else 365
    assert first[1:4] == (1000, pytest.approx(100), pytest.approx(900))
    assert first[4] == pytest.approx(1000 * (1 - 1 / days))
    assert first[5] is None  # nothing is known of the days before
    assert all(row[2] == pytest.approx(100) for row in rows)
    assert [row[5] for row in rows[1:2]] == [first[0] + timedelta(days=10)] * len(rows[1:2])
    assert len(rows) < 32 or rows[-1][5] is None  # it is not used any more
    assert facts(site, "SELECT DISTINCT supply FROM report.quota") == [("well",)]
    this_year, next_year = (datetime(first[0].year + number, 1, 1, 3, tzinfo=UTC) for number in (0, 1))
    assert supplies.load(site, this_year)["left"].to_list() == [pytest.approx(900), None]
    assert supplies.load(site, next_year)["left"].to_list() == [1000, None]  # it begins anew


def test_a_supply_for_the_night_waits_for_it(
    site: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(site, dsn, tmp_path, "river,,,,yes,,,Z01\n", monkeypatch)
    irrigate.run(site, NOW + timedelta(days=1, hours=12))  # noon of the day after
    noon = MIDNIGHT + timedelta(days=1, hours=12)
    found = said(site)
    assert found["Z01"]["begin"] == noon + timedelta(hours=9)
    assert found["Z02"]["begin"] == noon


def test_water_of_a_bad_class_is_not_used(
    site: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.execute(
        """
        INSERT INTO term (kind, name) VALUES ('standard', 'gb3838-test'), ('averaging', 'hour') ON CONFLICT DO NOTHING;
        INSERT INTO assessment (time, known, station, averaging, standard, class, count)
        SELECT '2026-03-08 14:00Z', now(), s.id, g.id, d.id, 5, 9 FROM station s, term g, term d
        WHERE s.code = 'S01' AND g.kind = 'averaging' AND g.name = 'hour' AND d.name = 'gb3838-test'
        """
    )
    enter(site, dsn, tmp_path, "river,,,,,S01,5,Z01\n", monkeypatch)
    assert said(site)["Z01"]["water"] is True
    site.execute("TRUNCATE advice")
    enter(site, dsn, tmp_path, "river,,,,,S01,4,Z01\n", monkeypatch)
    found = said(site)
    assert found["Z01"]["water"] is False
    assert "too bad a class" in found["Z01"]["reason"]
    later = facts(site, "SELECT sum(volume) FROM report.watering_plan WHERE zone = 'Z01'")
    assert later == [(0,)]  # nobody knows when it will be better
    assert found["Z02"]["water"] is True


def test_what_a_weather_service_foretells_is_heard(site: Connection) -> None:
    """Of the first day frost, of the second only some hours: those say nothing of it."""
    (station,) = facts(site, "SELECT id FROM station WHERE code = 'M01'")[0]
    hours = [MIDNIGHT + timedelta(hours=number) for number in (*range(24), 26, 27)]
    rows = {"station": station, "parameter": "air_temperature", "value": -3.0}
    weather.save(site, pl.DataFrame({**rows, "time": hours}), registry.source(site, "service"), MIDNIGHT)
    irrigate.run(site, NOW)
    found = said(site)["Z01"]
    assert found["water"] is False
    assert "frost is foretold (-3 °C within 24 h)" in found["reason"]
    plan = facts(site, "SELECT volume FROM report.watering_plan WHERE zone = 'Z01' ORDER BY day")
    assert plan[0] == (0.0,)
    assert plan[1][0] > 100


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("well,,,-1,,,,Z01\n", "line 2"),
        ("well,,,nan,,,,Z01\n", "line 2"),
        ("well,,,,maybe,,,Z01\n", "line 2"),
        ("well,,,,,,9,Z01\n", "line 2"),
        (",,,,,,,Z01\n", "line 2"),
        ("well,,,,,,,Z01\nwell,,,,,,,Z02\n", "twice"),
        ("well,,,,,,,Z09\n", "nobody registered Z09"),
        ("well,,,,,S09,,Z01\n", "nobody registered S09"),
    ],
)
def test_a_list_that_cannot_be_is_refused(
    site: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    with pytest.raises(typer.BadParameter, match=reason):
        enter(site, dsn, tmp_path, text, monkeypatch)
    assert facts(site, "SELECT count(*) FROM supply") == [(0,)]
