"""Package tables are dated: an observation is judged by the edition of its own time."""

from contextlib import closing
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from analytics.frames import TIME
from analytics.store import connection, migrations
from analytics.store.connection import Connection
from analytics.store.migrations import Step
from jobs import chain, console
from jobs.rules import within
from tests import world
from tests.conftest import NOW
from tests.migrations.schema import TABLES, migrate, one
from tests.world import HOUR, T0


def with_limit(most: float) -> dict[str, Any]:
    """The package tables with another highest good value of PM2.5."""
    content: Any = TABLES["parameters"]
    quality = {**content["pm25"]["quality"], "gross_range": {**content["pm25"]["quality"]["gross_range"]}}
    quality["gross_range"]["suspect"] = [0, most]
    return {**TABLES, "parameters": {**content, "pm25": {**content["pm25"], "quality": quality}}}


def suspects(conn: Connection) -> list[float]:
    """Hours after T0 of the readings with the bit of gross_range."""
    rows = conn.execute(
        "SELECT extract(epoch FROM time - %s)::float8 / 3600 FROM verdict WHERE tests & 1 = 1 ORDER BY time", [T0]
    )
    return [float(str(row[0])) for row in rows]


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_a_changed_table_holds_from_then_on_by_the_time_of_the_observation(conn: Connection) -> None:
    series = world.settle_world(conn, [("A", "pm25")])[0]
    # 45 and 55 in turn: never flat, never a spike, above 40 and below 500
    world.send(conn, [(series, float(hour), 45.0 + 10 * (hour % 2), 0, None) for hour in range(5)])
    world.settle(conn)
    assert suspects(conn) == []

    change = T0 + 6 * HOUR
    assert migrate(conn, change, with_limit(40)) == [Step("edition", "parameters")]
    assert migrate(conn, change + HOUR, with_limit(40)) == []
    world.send(conn, [(series, float(hour), 45.0 + 10 * (hour % 2), 0, None) for hour in range(6, 12)])
    world.settle(conn)
    assert suspects(conn) == [6, 7, 8, 9, 10, 11]
    # What comes late or is corrected is judged by its own time too, before the change and after it.
    world.send(conn, [(series, hour, 52.0, 1, None) for hour in (2.0, 5.0, 8.0)])
    world.settle(conn)
    assert suspects(conn) == [6, 7, 8, 9, 10, 11]
    assert [rule.since for rule in chain.load_rules(conn)] == [None, change]
    editions = [number for number, _, _ in migrations.editions(conn, "parameters")]
    judged = "SELECT lower(during) >= %s FROM judged WHERE stage = 1 AND rules = %s"
    assert [one(conn, judged, change, number) for number in editions] == [False, True]


def test_what_an_older_edition_never_named_holds_for_the_time_before(empty: Connection) -> None:
    """A store made before water and rated levels were known: what is backfilled into its past is judged by them."""
    rated = {"ld", "ln", "ldn", "lden", "cnel"}
    averagings: Any = TABLES["averagings"]
    known: Any = {name: row for name, row in TABLES["parameters"].items() if name != "nh3n"}  # type: ignore[union-attr]
    kept = [name for name in known["laeq"]["averagings"] if name not in rated]
    adoptions: Any = TABLES["standards/adoptions"]
    old = {
        **TABLES,
        "parameters": {**known, "laeq": {**known["laeq"], "averagings": kept}},
        "averagings": {name: row for name, row in averagings.items() if name not in rated},
        "standards/adoptions": [row for row in adoptions if row["standard"].startswith(("HJ 633", "GB 3095"))],
    }
    list(migrations.migrate(empty, old, T0 - HOUR))
    list(migrations.migrate(empty, TABLES, T0 + 100 * HOUR))
    water, level, air = world.settle_world(empty, [("A", "nh3n"), ("A", "laeq"), ("A", "pm25")])
    empty.execute("INSERT INTO membership (station, kind, place) SELECT id, 'noise_zone', '2' FROM station")
    for series, value in ((water, 1.2), (level, 61.0), (air, 50.0)):
        world.send(empty, [(series, float(hour), value + 0.1 * (hour % 2), 0, None) for hour in range(48)])
    world.settle(empty)
    rows = empty.execute(
        "SELECT DISTINCT d.name, a.class FROM assessment a JOIN term d ON d.id = a.standard WHERE d.name LIKE 'GB 3%'"
    ).fetchall()
    assert sorted(rows) == [("GB 3096-2008", 2), ("GB 3838-2002", 4)]


def test_a_table_that_goes_back_is_in_force_again(conn: Connection) -> None:
    """A limit is lowered for a while and then taken back: three periods, not two."""
    series = world.settle_world(conn, [("A", "pm25")])[0]
    assert migrate(conn, T0 + 6 * HOUR, with_limit(40)) == [Step("edition", "parameters")]
    assert migrate(conn, T0 + 12 * HOUR, TABLES) == [Step("edition", "parameters")]
    world.send(conn, [(series, float(hour), 45.0 + 10 * (hour % 2), 0, None) for hour in range(18)])
    world.settle(conn)
    assert suspects(conn) == [6, 7, 8, 9, 10, 11]


def test_an_edition_of_a_past_time_is_what_was_known_then(conn: Connection) -> None:
    migrate(conn, NOW + HOUR, with_limit(40))
    assert len(migrations.editions(conn, "parameters")) == 2
    assert len(migrations.editions(conn, "parameters", NOW)) == 1
    assert len(migrations.editions(conn, "parameters", NOW - timedelta(days=9999))) == 1
    assert migrations.editions(conn, "parameters")[0][2] == TABLES["parameters"]


def test_the_clock_of_the_command_dates_the_editions(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "now", lambda: NOW)
    with closing(connection.connect(blank)) as conn:
        migrate(conn, console.now())
        assert one(conn, "SELECT count(*) FROM edition WHERE valid_from = '-infinity' AND known = %s", NOW) == len(
            TABLES
        )


def test_few_hours_ask_the_edition_of_their_time_alone(conn: Connection) -> None:
    """Two changes, three periods: what is made of few hours is made once, of a span by all it touches."""
    first, second = T0 + 6 * HOUR, T0 + 12 * HOUR
    migrate(conn, first, with_limit(40))
    migrate(conn, second, with_limit(50))
    rules = chain.load_rules(conn)

    def asked(*windows: tuple[int, int]) -> list[int]:
        rows = pl.DataFrame(
            [(T0 + start * HOUR, T0 + stop * HOUR) for start, stop in windows], ["start", "stop"], orient="row"
        )
        return [rules.index(rule) for rule in within(rules, rows)]

    assert asked((0, 6)) == [0]
    assert asked((6, 12)) == [1]
    assert asked((20, 21)) == [2]
    assert asked((5, 7)) == [0, 1]
    assert asked((0, 1), (13, 14)) == [0, 1, 2]
    assert within(rules, pl.DataFrame(schema={"start": TIME, "stop": TIME})) == rules[-1:]
