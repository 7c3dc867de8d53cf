"""Every query of the dashboards, on a real database, as Grafana sends it: as a member of `greenwatch_reader`."""

import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import conninfo, sql

from analytics.store import registry
from analytics.store.connection import Connection, connect
from tests.conftest import Make
from tests.grafana import Frame, Value
from tests.panels import NAMES, load, panels

WEST = "l'Ouest"
AIR = 'O\'HARE "1"'


def seed(conn: Connection) -> None:
    """Two days up to now of four stations of four domains, one of them in a place with a quote in its name."""
    conn.execute("INSERT INTO station (code, title, title_zh) VALUES (%s, 'O''Hare', '奥黑尔')", [AIR])
    conn.execute("INSERT INTO station (code) VALUES ('RIVER'), ('STREET'), ('LAWN')")
    conn.execute(
        "INSERT INTO membership SELECT id, 'district', '-infinity', %s FROM station WHERE code <> 'LAWN'", [WEST]
    )
    conn.execute(
        """
        INSERT INTO series (station, parameter, position, cadence) SELECT t.id, v.parameter, v.position, v.cadence
        FROM (VALUES (%s, 'pm25', '', 60), (%s, 'pm25', '', 600), (%s, 'air_temperature', '', 600),
                     ('RIVER', 'nh3n', '', 14400), ('STREET', 'laeq', '', 600), ('LAWN', 'soil_moisture', '-0.2', 600))
             AS v (code, parameter, position, cadence) JOIN station t ON t.code = v.code
        """,
        [AIR] * 3,
    )
    conn.execute(
        """
        INSERT INTO observation (time, value, series, batch)
        SELECT time, 10 + extract(hour FROM time), s.id, 1 FROM series s CROSS JOIN LATERAL generate_series(
            date_trunc('day', now()) - interval '1 day', now(), make_interval(secs => s.cadence)) AS time
        WHERE NOT (s.cadence = 60 AND time < now() - interval '6 hours')
        """
    )
    conn.execute(
        """
        INSERT INTO latest (series, time, value, first, rows)
        SELECT series, max(time), 1, min(time), count(*) FROM observation GROUP BY series
        """
    )
    conn.execute(
        "INSERT INTO verdict SELECT time, series, 1, CASE WHEN extract(hour FROM time) < 12 THEN 3 ELSE 4 END"
        " FROM observation WHERE extract(minute FROM time) = 30"
    )
    conn.execute(
        """
        INSERT INTO term (kind, name) SELECT * FROM (VALUES ('averaging', 'hour'), ('averaging', 'day'),
            ('averaging', 'ld'), ('averaging', 'ln'), ('standard', 'HJ 633-2026'), ('standard', 'GB 3838-2002'),
            ('standard', 'GB 3096-2008'), ('primary', 'pm25'), ('rule', 'pm25_24h'), ('alarm', 'pm25_heavy'))
            AS v (kind, name)
        ON CONFLICT DO NOTHING
        """
    )
    conn.execute(
        """
        INSERT INTO average (time, value, series, count, expected, averaging)
        SELECT date_trunc('hour', o.time), avg(o.value), o.series, count(*), 6, g.id
        FROM observation o CROSS JOIN term g WHERE g.kind = 'averaging' AND g.name IN ('hour', 'day') GROUP BY 1, 3, 6
        """
    )
    conn.execute(
        """
        INSERT INTO assessment (time, known, station, averaging, standard, index, class, "primary", count, exceedance)
        SELECT time, time, t.id, g.id, d.id, v.index, v.class, p.id, 1, v.exceedance
        FROM (VALUES (%s, 'hour', 'HJ 633-2026', 180, 4, NULL), ('RIVER', 'hour', 'GB 3838-2002', NULL, 6, 1.5),
                     ('RIVER', 'day', 'GB 3838-2002', NULL, 5, 0.5), ('STREET', 'ln', 'GB 3096-2008', NULL, 2, 7.2))
             AS v (code, averaging, standard, index, class, exceedance)
        JOIN station t ON t.code = v.code JOIN term g ON g.kind = 'averaging' AND g.name = v.averaging
        JOIN term d ON d.kind = 'standard' AND d.name = v.standard JOIN term p ON p.kind = 'primary'
        CROSS JOIN generate_series(date_trunc('hour', now()) - interval '30 hours', now(), '1 hour') AS time
        """,
        [AIR],
    )
    conn.execute(
        """
        INSERT INTO episode (time, known, stop, peak_time, station, rule, level, closed, peak, dose, count, levels)
        SELECT now() - interval '20 hours', now(), now(), now(), t.id, r.id, 2, false, 187.5, 100, 20, '[]'
        FROM station t, term r WHERE t.code = %s AND r.kind = 'rule'
        """,
        [AIR],
    )
    conn.execute(
        """
        INSERT INTO alarm (station, rule, state, level, since, episode, edge)
        SELECT station, t.id, 'firing', 2, now(), time, now() FROM episode, term t WHERE t.kind = 'alarm'
        """
    )
    conn.execute(
        """
        INSERT INTO forecast (series, issued, start, step, level, value, low, high, models, skill, known)
        SELECT id, date_trunc('hour', now()), date_trunc('hour', now()), 3600, 0.8, array_fill(20.0::float8, '{24}'),
               array_fill(10.0::float8, '{24}'), array_fill(30.0::float8, '{24}'), array_fill('theta'::text, '{24}'),
               array_fill(0.1::float8, '{24}'), now()
        FROM series WHERE parameter = 'pm25' AND cadence = 60
        """
    )
    conn.execute(
        """
        INSERT INTO zone (code, weather, probe, area, cover, texture, flow, method)
        SELECT 'Z''1', id, id, 100, 'turf', 'loam', 2, 'sprinkler' FROM station WHERE code = 'LAWN'
        """
    )
    conn.execute(
        """
        INSERT INTO water_balance (zone, day, known, effective, irrigation, percolation, correction, depletion, taw,
                                   raw, ks, fallbacks)
        SELECT id, current_date - d, now(), 0, 0, 0, 0, 10 + d, 60, 30, 1, '{}' FROM zone, generate_series(0, 3) AS d
        """
    )
    conn.execute(
        """
        INSERT INTO spool (door, told, bytes, records, oldest)
        VALUES ('hj212', now(), 900, 3, now() - interval '1 minute')
        """
    )
    conn.execute("INSERT INTO pull (name, connector, ids) VALUES ('calder', 'ea-hydrology', '{}')")
    conn.execute("INSERT INTO pull_state (pull, tried, succeeded, due) VALUES ('calder', now(), now(), now())")
    conn.execute(
        """
        INSERT INTO advice (zone, issued, day, water, depth, volume, minutes, latest, depletion, raw, reason, reason_zh)
        SELECT id, now(), current_date, true, 12, 1.6, 48, now(), 31, 30, 'dry', '干' FROM zone
        """
    )


@pytest.fixture(scope="module")
def seeded(make_database: Make) -> str:
    """The DSN of a database with all domains in it."""
    dsn = make_database("apache")
    with closing(connect(dsn)) as conn:
        seed(conn)
    return dsn


@pytest.fixture(scope="module")
def grafana(seeded: str) -> Iterator[Connection]:
    """Grafana's connection: a login that is a member of `greenwatch_reader` and of nothing else."""
    name, password = f"gw_grafana_{secrets.token_hex(4)}", secrets.token_hex(8)
    with closing(psycopg.connect(seeded, autocommit=True)) as admin:
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE greenwatch_reader").format(
                sql.Identifier(name), sql.Literal(password)
            )
        )
        try:
            address = conninfo.make_conninfo(seeded, user=name, password=password)
            options = "-c statement_timeout=2s -c default_transaction_read_only=on"
            with closing(psycopg.connect(address, autocommit=True, options=options)) as opened:
                yield opened
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


Case = tuple[str, str, str]


def queries() -> Iterator[Case]:
    """(dashboard and panel, format, SQL) of each panel, annotation and variable."""
    for name in NAMES:
        found = load(name)
        for panel in panels(name):
            for target in panel["targets"]:
                if "rawSql" in target:
                    yield f"{name} panel {panel['id']}{target['refId']}", target["format"], target["rawSql"]
        for each in found["annotations"].get("list", []):
            if "rawSql" in each.get("target", {}):
                yield f"{name} annotation", "annotation", each["target"]["rawSql"]
        for variable in found["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{name} {variable['name']}", "variable", variable["query"]["rawSql"]


def frame(span: timedelta, variables: dict[str, Value]) -> Frame:
    now = datetime.now(UTC)
    return Frame(now - span, now + timedelta(hours=3), variables)


PM25: dict[str, Value] = {"station": AIR, "parameter": "pm25", "position": "", "door": "hj212"}
EVERYTHING = frame(timedelta(days=2), {"district": [WEST, ""], **PM25})
ONE = frame(timedelta(hours=1), {"district": [WEST], **PM25})
NOTHING = Frame(
    datetime(1999, 1, 1, tzinfo=UTC),
    datetime(1999, 1, 2, tzinfo=UTC),
    {"district": ["nowhere"], "station": "nobody", "parameter": "nothing", "position": "x", "door": ["none"]},
)
#: Queries that count, and so have a row where there is nothing; and those that know neither district nor time.
COUNTS = re.compile(r"SELECT (count|extract|sum|coalesce|DISTINCT district|door AS)|report\.(advice|pull)")


@pytest.mark.parametrize("case", list(queries()), ids=lambda case: case[0])
def test_a_query_runs_as_grafana_sends_it(grafana: Connection, case: Case) -> None:
    _, form, query = case
    for where in (EVERYTHING, ONE, NOTHING):
        sent = where.sql(query)
        assert "$" not in sent
        cursor = grafana.execute(sent.encode())
        assert cursor.description is not None
        columns = {column.name: psycopg.adapters.types.get(column.type_code) for column in cursor.description}
        kinds = {name: kind.name if kind else "" for name, kind in columns.items()}
        rows = cursor.fetchall()
        if where is EVERYTHING:
            assert rows, sent
            assert any(value is not None for value in rows[-1]), sent
        if where is NOTHING and not COUNTS.search(query):
            assert rows == [], sent
        match form:
            case "time_series":
                assert kinds.pop("time") == "timestamptz"
                numbers = [name for name, kind in kinds.items() if kind in ("float8", "int4", "int2", "int8")]
                words = [name for name, kind in kinds.items() if kind == "text"]
                assert numbers
                assert words in ([], ["metric"])
                assert len(kinds) == len(numbers) + len(words), kinds
            case "annotation":
                assert kinds == {"time": "timestamptz", "timeend": "timestamptz", "text": "text", "tags": "text"}
            case "variable":
                assert set(kinds) <= {"__value", "__text"}
                assert "__value" in kinds


def test_the_queries_are_there() -> None:
    assert len(list(queries())) >= 25


def test_grafana_sees_the_schema_report_and_nothing_else(grafana: Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        grafana.execute("SELECT * FROM public.observation")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        grafana.execute("CREATE TEMP TABLE t (x int)")


def test_who_speaks_in_the_view_is_who_speaks_in_the_store(seeded: str) -> None:
    with closing(connect(seeded)) as conn:
        conn.execute(
            "INSERT INTO authority SELECT station, parameter, id FROM series WHERE parameter = 'pm25' AND cadence = 600"
        )
        voices = registry.load_voices(conn).join(registry.load_stations(conn).select("station", "code"), on="station")
        ours = set(voices.select("code", "series", "rank").iter_rows())
        assert set(conn.execute("SELECT station, series, rank::int FROM report.voice").fetchall()) == ours
        conn.execute("DELETE FROM authority")


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
        "SELECT station, domain, district, label, colour, silent, index FROM report.state ORDER BY 1"
    )
    assert cursor.fetchall() == [
        ("LAWN", "soil", "", None, None, False, None),
        (AIR, "air", WEST, "moderately polluted 中度污染", "#FF0000", False, 180),
        ("RIVER", "water", WEST, "worse than V heavy pollution 重度污染", "red", False, None),
        ("STREET", "noise", WEST, "exceeds the limit 超标", "red", False, None),
    ]


def test_a_long_range_reads_by_key(seeded: str) -> None:
    """The planner prefers a scan for so few rows; told not to, it must find its way by series and time."""
    with closing(connect(seeded)) as conn:
        conn.execute("SET enable_seqscan = off")
        conn.execute("SET enable_bitmapscan = off")
        for _, _, query in queries():
            if "report.reading" in query or "report.mean" in query:
                plan = "\n".join(str(row[0]) for row in conn.execute(("EXPLAIN " + EVERYTHING.sql(query)).encode()))
                hyper = re.findall(r"(Seq|Index(?: Only)?) Scan(?: using \S+)? on (_hyper\S+)", plan)
                assert hyper
                assert {kind for kind, _ in hyper} <= {"Index", "Index Only"}, plan
                assert re.search(r"Index Cond: .*series.*", plan)
