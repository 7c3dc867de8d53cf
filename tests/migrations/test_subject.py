"""0025: what was told of stations is told of the same ones as subjects, and who reads the views sees no break."""

import shutil
from pathlib import Path

import pytest

from analytics.store import alarms
from analytics.store.connection import Connection
from tests.conftest import NOW
from tests.migrations.schema import MIGRATIONS, REPOSITORY, migrate

#: The views as they were before.
OLD = """
CREATE OR REPLACE VIEW report.alarm AS
SELECT t.code AS station, r.name AS rule, a.state, a.level, a.since, a.episode, a.edge, a.closed, d.severity,
       d.parameter, d.title, d.title_zh
FROM alarm a JOIN station t ON t.id = a.station JOIN term r ON r.id = a.rule
LEFT JOIN report.alarm_rule d ON d.rule = r.name;

CREATE OR REPLACE VIEW report.alarm_event AS
SELECT e.at AS time, t.code AS station, r.name AS rule, e.before, e.after, e.level, e.reason, e.evidence, d.severity,
       d.parameter, d.title, d.title_zh
FROM alarm_event e JOIN station t ON t.id = e.station JOIN term r ON r.id = e.rule
LEFT JOIN report.alarm_rule d ON d.rule = r.name;

"""


@pytest.mark.parametrize("plain", [False, True], ids=["apache", "plain"])
def test_what_was_told_of_stations_is_told_of_subjects(empty: Connection, folders: Path, plain: bool) -> None:
    later = [path for path in (folders / "migrations").glob("*.sql") if path.name >= "0025"]
    views = folders / "views" / "20_episode.sql"
    text = views.read_text(encoding="utf-8")
    # The views of episodes stand on tables that came later.
    marks = ("CREATE OR REPLACE VIEW report.episode AS", "-- `parameter`, `averaging`", "-- What alarms are about.")
    episodes, rules, subjects, tail = (text.index(mark) for mark in (*marks, "GRANT SELECT"))
    views.write_text(text[:episodes] + text[rules:subjects] + OLD + text[tail:], encoding="utf-8")
    others = [path for path in (folders / "views").glob("*.sql") if path.name > "20_episode.sql"]
    for path in [*later, *others]:
        path.unlink()
    migrate(empty, plain=plain)
    empty.execute("INSERT INTO station (code) VALUES ('A'), ('B'), ('C')")
    empty.execute("INSERT INTO term (kind, name) VALUES ('alarm', 'pm25_heavy'), ('alarm', 'no2_high')")
    empty.execute(
        """
        INSERT INTO alarm (station, rule, state, level, since, closed)
        SELECT t.id, r.id, CASE t.code WHEN 'A' THEN 'blind' ELSE 'ok' END, 2, %(now)s,
               CASE t.code WHEN 'B' THEN %(now)s END
        FROM station t, term r WHERE t.code <> 'C' AND r.kind = 'alarm'
        """,
        {"now": NOW},
    )
    empty.execute(
        """
        INSERT INTO alarm_event (at, station, rule, before, after, level, reason, evidence)
        SELECT %s, a.station, a.rule, 'recovering', 'ok', 2, 'cleared', '{}' FROM alarm a WHERE a.state = 'ok'
        """,
        [NOW],
    )
    before = [
        empty.execute(f"SELECT * FROM report.{name} ORDER BY 1, 2").fetchall() for name in ("alarm", "alarm_event")
    ]
    for path in later:
        shutil.copy(MIGRATIONS / path.name, path)
    for path in [views, *others]:
        shutil.copy(REPOSITORY / "sql" / "views" / path.name, path)
    migrate(empty, plain=plain)
    for name, rows in zip(("alarm", "alarm_event"), before, strict=True):
        now = empty.execute(f"SELECT * FROM report.{name} ORDER BY 1, 3").fetchall()
        kept = sorted(row[: len(rows[0])] for row in now)
        assert [str(row) for row in kept] == [str(row) for row in sorted(rows)]
    gauge = alarms.gauge(empty, NOW).select("rule", "station", "severity", "level").rows()
    assert gauge == [
        ("no2_high", "A", "ticket", 2),
        ("no2_high", "B", "ticket", 0),
        ("pm25_heavy", "A", "page", 2),
        ("pm25_heavy", "B", "page", 0),
    ]
    assert alarms.load(empty).select("state", "first", "told").unique().rows() != []
