"""What a registration writes, and what it leaves alone: as a plan, once, twice and by two at a time."""

import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from analytics.store import connection, register
from analytics.store.connection import Connection
from analytics.store.errors import Nonsense
from jobs import console
from jobs import register as job
from tests.commands.terminal import DONE, greenwatch
from tests.register.drafts import HEADER, SAMPLES, adoption, facts, put, read, series, snapshot, station


def signs(plan: register.Plan) -> list[str]:
    return [f"{'+' if change.new else '~'} {change.noun} {change.subject}" for change in plan.changes]


@pytest.mark.parametrize("name", ["district.toml", "district.csv"])
def test_the_database_holds_what_the_file_says_and_the_second_time_changes_nothing(conn: Connection, name: str) -> None:
    text = (SAMPLES / name).read_text(encoding="utf-8")
    first = put(conn, text, name)
    assert all(change.new for change in first.changes)
    assert len(first.changes) == sum(first.named.values())
    stored = register.load(conn)
    said = read(text, name).rows
    assert stored.series == said.series
    assert stored.memberships == said.memberships
    assert stored.authorities == said.authorities
    assert {name: stored.sources[name] for name in said.sources} == said.sources
    before = snapshot(conn)
    assert put(conn, text, name).changes == []
    assert snapshot(conn) == before


def test_every_new_series_has_its_row_where_savers_queue(conn: Connection) -> None:
    put(conn, (SAMPLES / "district.toml").read_text(encoding="utf-8"))
    assert facts(conn, "SELECT id FROM series EXCEPT SELECT series FROM latest") == []


def test_only_what_the_file_names_changes(conn: Connection) -> None:
    put(conn, station('title = "old"', "longitude = 1", "latitude = 2", 'utc_offset = "+08:00"'))
    plan = put(conn, station('title = "new [x]"'))
    assert plan.changes == [register.Change("station", "A", False, (("title", '"old"', '"new [x]"'),))]
    assert facts(conn, "SELECT title, longitude, latitude, utc_offset FROM station") == [("new [x]", 1.0, 2.0, 480)]


def test_a_membership_ends_by_the_next_one_or_by_leaving(conn: Connection) -> None:
    put(conn, station("[station.membership]", 'grid = "G1"'))
    later = station("[[station.memberships]]", 'kind = "grid"', 'place = "G2"', "since = 2024-01-01")
    left = station("[[station.memberships]]", 'kind = "grid"', 'place = ""', "since = 2025-01-01")
    assert signs(put(conn, later)) == ["+ membership A grid since 2024-01-01"]
    assert signs(put(conn, left)) == ["+ membership A grid since 2025-01-01"]
    assert facts(conn, "SELECT since::text, place FROM membership ORDER BY since") == [
        ("-infinity", "G1"),
        ("2024-01-01", "G2"),
        ("2025-01-01", None),
    ]


def test_another_cadence_is_another_series(conn: Connection) -> None:
    put(conn, series('parameter = "pm25"'))
    (change,) = put(conn, series('parameter = "pm25"', 'cadence = "10m"')).changes
    assert change.remark == "another series beside the one of 1h"
    assert facts(conn, "SELECT cadence FROM series ORDER BY 1") == [(600,), (3600,)]


def test_an_authority_and_an_adoption_change_in_place(conn: Connection) -> None:
    both = series('parameter = "pm25"', "[[station.series]]", 'parameter = "pm25"', 'cadence = "1m"')
    authority = '[[authority]]\nstation = "A"\nparameter = "pm25"\n'
    adopted = adoption('standard = "GB 3095-2026"', "valid_from = 2026-01-01")
    put(conn, both + authority + 'fallback = { cadence = "1m" }\n' + adopted, "folder/site.toml")
    plan = put(conn, authority + 'cadence = "1m"\n' + adopted + "valid_to = 2026-05-31\n")
    assert [change.fields for change in plan.changes] == [
        (("series", "pm25 1h", "pm25 1m"), ("fallback", "pm25 1m", "none")),
        (("valid_to", "open", "2026-05-31"),),
    ]
    assert facts(conn, "SELECT source FROM adoption") == [("site.toml",)]


def test_nothing_is_written_where_one_line_is_nonsense(conn: Connection) -> None:
    before = snapshot(conn)
    with pytest.raises(Nonsense):
        put(conn, series('parameter = "pm25"') + '[[authority]]\nstation = "B"\nparameter = "pm25"\n')
    assert snapshot(conn) == before


def test_two_registers_at_once_end_as_one(dsn: str) -> None:
    lines = [f"S{n:03},{p},1m,Chaoyang" for n in range(60) for p in ("pm25", "o3", "co")]
    text = "\n".join(["station,parameter,cadence,member:district", *lines])
    other = "\n".join(["station,parameter,cadence,member:district", *reversed(lines)])
    failed: list[BaseException] = []

    def work(content: str) -> None:
        try:
            with closing(connection.connect(dsn)) as mine:
                put(mine, content, "site.csv")
        except BaseException as problem:
            failed.append(problem)

    threads = [threading.Thread(target=work, args=[content]) for content in (text, other, text, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with closing(connection.connect(dsn)) as conn:
        assert facts(conn, "SELECT count(*) FROM station") == [(60,)]
        assert facts(conn, "SELECT count(*) FROM series JOIN latest ON id = latest.series") == [(180,)]


# The command


def run(file: Path, dsn: str, *, plan: bool = False) -> None:
    job.main(file, plan=plan, dsn=dsn)


def test_a_plan_writes_nothing_and_shows_the_difference(
    conn: Connection, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = SAMPLES / "district.toml"
    before = snapshot(conn)
    run(file, dsn, plan=True)
    shown = capsys.readouterr().out
    assert snapshot(conn) == before
    assert '+ station    GW01  utc_offset +08:00, title "Pagoda [north]", title_zh "古塔北", longitude 116.407' in shown
    assert "+ series     GW01 air_temperature@2 m 1h" in shown
    run(file, dsn)
    assert capsys.readouterr().out.startswith(shown)
    run(file, dsn)
    assert "nothing to do: all 14 rows" in capsys.readouterr().out
    changed = tmp_path / "changed.toml"
    changed.write_text('[[source]]\nname = "field"\npriority = 11\n', encoding="utf-8")
    run(changed, dsn, plan=True)
    assert "~ source     field  priority 10 -> 11" in capsys.readouterr().out


def test_readings_that_waited_come_in(conn: Connection, dsn: str, tmp_path: Path) -> None:
    data = tmp_path / "late.csv"
    data.write_text("station,parameter,time,value\nA,pm25,2026-05-01T00:00:00Z,12\n", encoding="utf-8")
    assert greenwatch("ingest", data, "--dsn", dsn).code == DONE
    assert facts(conn, "SELECT count(*) FROM observation") == [(0,)]
    file = tmp_path / "site.csv"
    file.write_text("station,parameter\nA,PM2.5\n", encoding="utf-8")
    run(file, dsn)
    assert facts(conn, "SELECT value FROM observation") == [(12.0,)]
    assert facts(conn, "SELECT count(*) FROM reject") == [(0,)]


def test_a_file_that_is_not_there_is_said_in_one_line(dsn: str, tmp_path: Path) -> None:
    for missing in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(console.NotAsAsked, match="cannot be read"):
            run(missing, dsn)


def _district(stations: int) -> Iterable[str]:
    yield HEADER
    names = ("pm25", "pm10", "so2", "no2", "co", "o3", "laeq", "air_temperature")
    for number in range(stations):
        for place, name in enumerate(names):
            first = f"T{number},116.{number:04},39.9,+08:00" if not place else ",,,"
            yield f"S{number:05},{first},{name},,,1m,{'D' if not place else ''}"


def test_a_district_is_registered_by_a_statement_a_table(conn: Connection) -> None:
    text = "\n".join(_district(1500))
    assert len(put(conn, text, "site.csv").changes) == 1500 + 1500 + 12_000
    assert put(conn, text, "site.csv").changes == []
