"""Every query of the dashboards, on a real database, as Grafana sends it: as a member of `greenwatch_reader`."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import Column

from analytics import quality
from analytics.store import ledger, registry
from analytics.store.connection import Connection, connect
from jobs import chain
from tests.dashboards.asked import Asked, Page, Shown, filled, queries
from tests.dashboards.world import AIR, WEST
from tests.grafana import Frame
from tests.panels import NAMES

QUERIES = list(queries())
each_query = pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: asked.name)

#: Types that Grafana makes numbers of. `numeric` is none: it comes as words.
NUMBERS = {"float8", "float4", "int2", "int4", "int8", "bool"}
#: What a table may show.
SHOWN = NUMBERS | {"text", "varchar", "timestamptz", "date", "jsonb", "json"}
#: What a figure says of nothing.
NO_FIGURE = (None, 0, "", "–", "0")


@pytest.fixture(scope="module")
def shown(grafana: Connection) -> Shown:
    """Every page of every dashboard, its variables filled."""
    now = datetime.now(UTC)
    return {(name, page): filled(grafana, name, page, now) for name in NAMES for page in Page}


def run(conn: Connection, asked: Asked, where: Frame) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    """Kinds of the columns, and the rows."""
    sent = where.sql(asked.sql)
    assert "$" not in sent, sent
    cursor = conn.execute(sent.encode())
    assert cursor.description is not None
    return {column.name: kind(column) for column in cursor.description}, cursor.fetchall()


def kind(column: Column) -> str:
    """Name of the type of `column`."""
    known = psycopg.adapters.types.get(column.type_code)
    return known.name if known else str(column.type_code)


@each_query
@pytest.mark.parametrize("page", [Page.WHOLE, Page.LITTLE], ids=lambda page: page.name.lower())
def test_a_query_runs_and_is_of_the_types_that_its_panel_draws(
    grafana: Connection, shown: Shown, asked: Asked, page: Page
) -> None:
    kinds, rows = run(grafana, asked, shown[asked.dashboard, page])
    typed(asked, kinds)
    if page is Page.WHOLE:
        assert rows, "nothing of the seeded days"
        assert any(value is not None for row in rows for value in row[1:] or row), rows[:3]


@each_query
def test_of_nothing_there_is_nothing(grafana: Connection, shown: Shown, asked: Asked) -> None:
    where = shown[asked.dashboard, Page.NOTHING]
    if where.sql(asked.sql) == shown[asked.dashboard, Page.WHOLE].sql(asked.sql):
        return  # it asks neither of a place nor of a time: what is now is now
    _, rows = run(grafana, asked, where)
    assert no_figures(rows), rows[:3]


def no_figures(rows: Sequence[Sequence[object]]) -> bool:
    """Whether there is no row, or the one of a count of nothing."""
    return not rows or (len(rows) == 1 and all(value in NO_FIGURE for value in rows[0]))


def typed(asked: Asked, kinds: Mapping[str, str]) -> None:
    """Nothing; the columns are such as Grafana can make of them what `asked` is for."""
    match asked.form:
        case "time_series":
            rest = dict(kinds)
            assert rest.pop("time") == "timestamptz"
            numbers = [name for name, each in rest.items() if each in NUMBERS]
            words = [name for name, each in rest.items() if each == "text"]
            assert numbers, kinds
            assert words in ([], ["metric"]), kinds
            assert len(rest) == len(numbers) + len(words), kinds
        case "annotation":
            assert kinds == {"time": "timestamptz", "timeend": "timestamptz", "text": "text", "tags": "text"}
        case "variable":
            assert set(kinds) <= {"__value", "__text"}
            assert kinds["__value"] == "text"
        case "table":
            assert set(kinds.values()) <= SHOWN, kinds
        case other:
            raise AssertionError(other)


def test_the_queries_are_there_and_no_two_have_one_name() -> None:
    assert len(QUERIES) >= 150
    assert len({asked.name for asked in QUERIES}) == len(QUERIES)
    assert {asked.dashboard for asked in QUERIES} == set(NAMES)


def test_grafana_sees_the_schema_report_and_nothing_else(grafana: Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        grafana.execute("SELECT * FROM public.observation")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        grafana.execute("CREATE TEMP TABLE t (x int)")


def test_a_value_with_a_quote_is_one_of_those_asked_for(shown: Shown) -> None:
    assert WEST in shown["greenwatch-district", Page.WHOLE].variables["district"]
    assert shown["greenwatch-station", Page.LITTLE].variables["station"] == AIR


# --- what views say


def test_who_speaks_in_the_view_is_who_speaks_in_the_store(seeded: str) -> None:
    with closing(connect(seeded)) as conn, conn.transaction(force_rollback=True):
        conn.execute(
            "INSERT INTO authority SELECT station, parameter, id FROM series WHERE parameter = 'pm25' AND cadence = 600"
        )
        voices = registry.load_voices(conn).join(registry.load_stations(conn).select("station", "code"), on="station")
        ours = set(voices.select("code", "series", "rank").iter_rows())
        assert set(conn.execute("SELECT station, series, rank::int FROM report.voice").fetchall()) == ours


def test_of_two_series_of_a_quantity_one_value_shows(grafana: Connection) -> None:
    rows = grafana.execute(
        "SELECT time, extract(epoch FROM cadence)::int FROM report.reading WHERE station = %s AND parameter = 'pm25'",
        [AIR],
    ).fetchall()
    times = [row[0] for row in rows]
    assert len(times) == len(set(times))
    assert {row[1] for row in rows} == {60, 600}


def test_the_state_of_a_station_in_words(grafana: Connection) -> None:
    cursor = grafana.execute(
        "SELECT station, domain, district, label, colour, silent, index FROM report.state WHERE station = ANY (%s)"
        " ORDER BY 1",
        [["LAWN", AIR, "RIVER", "STREET"]],
    )
    assert cursor.fetchall() == [
        ("LAWN", "soil", "", None, None, False, None),
        (AIR, "air", WEST, "moderately polluted 中度污染", "#FF0000", False, 180),
        ("RIVER", "water", WEST, "worse than V heavy pollution 重度污染", "red", False, None),
        ("STREET", "noise", WEST, "exceeds the limit 超标", "red", False, None),
    ]


def test_the_stages_of_the_view_are_those_of_the_ledger(grafana: Connection) -> None:
    told = [
        (str(name), stage) for name, stage in grafana.execute("SELECT name, stage FROM report.ledger ORDER BY place")
    ]
    assert dict(told) == dict(ledger.CODES)
    assert [name for name, _ in told] == list(chain.STAGES)


def test_the_tests_of_the_view_are_those_of_verdicts(grafana: Connection) -> None:
    told = [(str(test), bit) for test, bit in grafana.execute("SELECT test, bit FROM report.test")]
    assert dict(told) == dict(quality.BITS)
