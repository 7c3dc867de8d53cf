"""Another Greenwatch database as a source: what it holds is here, too, and it is as it was."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import psycopg
import pytest
from psycopg import conninfo

from analytics.store import backfills, connection, register
from analytics.store.connection import Connection
from jobs import console
from jobs.backfill import elsewhere, sources
from jobs.backfill import plan as planning
from jobs.backfill.cli import begin
from jobs.backfill.sources import Ask
from jobs.intake import Order
from tests import world
from tests.backfill import archive
from tests.backfill.test_chunks import do_all
from tests.conftest import Make


@pytest.fixture(scope="module")
def there(make_database: Make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """The other database: six weeks across the turn of months, and minutes of one series beside its hours."""
    dsn = make_database("apache")
    folder = tmp_path_factory.mktemp("there") / "files"
    with pytest.MonkeyPatch.context() as patch, closing(connection.connect(dsn)) as other:
        patch.setenv(elsewhere.PASSWORD, other.info.password)
        patch.setattr(elsewhere, "ROWS", 900)
        with other.transaction():
            facts = {"title": "North", "title_zh": "北", "utc_offset": 330, "longitude": 80.5}
            place: dict[register.Membership, str | None] = {register.Membership("S0", "district", None): "East"}
            register.learn(other, register.Registry(stations={"S0": facts}, memberships=place))
        archive.ingest(other, archive.write(folder, files=3, hours=336, stations=2))
        [minutes] = world.settle_world(other, [("S0", "pm25")], cadence=60)[:1]
        fast = other.execute("SELECT id FROM series WHERE cadence = 60").fetchone()
        assert fast is not None
        start = (archive.START - world.T0) / world.HOUR
        rows = [
            (int(str(fast[0])), start + minute / 60, 40.0, minute % 3, 68 if minute % 5 == 0 else None)
            for minute in range(90)
        ]
        world.send(other, rows)
        archive.settle(other)
        assert minutes
        yield other


def ask(there: Connection, **more: object) -> Ask:
    order = Order(source="archive", register=bool(more.pop("register", True)), kind="backfill")
    return Ask(order, database=with_password(there), **more)  # type: ignore[arg-type]


def with_password(conn: Connection) -> str:
    return conninfo.make_conninfo(conn.info.dsn, password=conn.info.password)


def run(conn: Connection, asked: Ask) -> int:
    number = begin(conn, asked, sources.find(conn, asked))
    do_all(conn, number)
    archive.settle(conn)
    return number


def test_all_of_it_is_here_afterwards(conn: Connection, there: Connection) -> None:
    before = archive.picture(there)
    planned = planning.plan(conn, ask(there))
    number = run(conn, ask(there))
    assert archive.picture(conn) == before == archive.picture(there)
    found = backfills.chunks(conn, number)
    assert found.height == planned.chunks > 5  # of two months, and some series each
    assert planned.counts.new == planned.counts.read == found["new"].sum()
    assert conn.execute("SELECT title, title_zh, utc_offset, longitude FROM station WHERE code = 'S0'").fetchone() == (
        "North",
        "北",
        330,
        80.5,
    )
    assert conn.execute("SELECT kind, place FROM membership").fetchall() == [("district", "East")]
    revisions = (
        "SELECT value, mark, revision FROM observation WHERE mark IS NOT NULL OR revision IS NOT NULL ORDER BY 1, 2, 3"
    )
    assert conn.execute(revisions).fetchall() == there.execute(revisions).fetchall() != []
    again = planning.plan(conn, ask(there))
    assert (again.counts.new, again.counts.replaced) == (0, 0)
    assert again.counts.duplicates == again.counts.read


def test_a_part_of_it(conn: Connection, there: Connection) -> None:
    start, stop = archive.START + timedelta(days=20), archive.START + timedelta(days=40)
    run(conn, ask(there, stations=("S1",), start=start, stop=stop))
    found = conn.execute("SELECT DISTINCT t.code FROM series s JOIN station t ON t.id = s.station").fetchall()
    assert found == [("S1",)]
    query = (
        "SELECT min(o.time), max(o.time), count(*) FROM observation o JOIN series s ON s.id = o.series JOIN station t"
    )
    query += " ON t.id = s.station WHERE t.code = 'S1' AND o.time >= %s AND o.time < %s"
    assert conn.execute(query, [start, stop]).fetchone() == there.execute(query, [start, stop]).fetchone()
    assert conn.execute("SELECT min(time) >= %s, max(time) < %s FROM observation", [start, stop]).fetchone() == (
        True,
        True,
    )


def test_series_that_are_not_registered_wait(conn: Connection, there: Connection) -> None:
    world.settle_world(conn, [("S1", "pm10")])
    number = run(conn, ask(there, register=False, stations=("S1",)))
    found = backfills.chunks(conn, number)
    assert 0 < found["new"].sum() < found["rejects"].sum()
    assert conn.execute("SELECT count(*) FROM series").fetchone() == (1,)


def test_its_password_is_kept_nowhere(conn: Connection, there: Connection) -> None:
    assert there.info.password
    asked = ask(there)
    number = begin(conn, asked, sources.find(conn, asked))
    for query in ("SELECT ask::text FROM backfill", "SELECT piece::text FROM backfill_chunk"):
        assert not [row for row in conn.execute(query) if there.info.password in str(row[0])]
    [kept] = conn.execute("SELECT ask->>'database' FROM backfill WHERE id = %s", [number]).fetchone() or [None]
    assert conninfo.conninfo_to_dict(str(kept)) == conninfo.conninfo_to_dict(there.info.dsn)
    with elsewhere.opened(str(kept)) as other:  # a worker has it in its environment
        assert other.info.password == there.info.password


def test_it_is_only_read(there: Connection) -> None:
    with elsewhere.opened(with_password(there)) as conn, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        conn.execute("DELETE FROM observation")


def test_what_cannot_be_a_source_is_refused(conn: Connection, there: Connection, blank: str) -> None:
    with pytest.raises(console.NotAsAsked, match="this database itself"):
        sources.find(conn, ask(conn))
    with pytest.raises(console.NotAsAsked, match="no observations"):
        sources.find(conn, Ask(Order(), database=blank))
    with pytest.raises(console.NotAsAsked, match="no station 'X'"):
        sources.find(conn, ask(there, stations=("X",)))
    with pytest.raises(console.NotAsAsked, match="no connection string"):
        elsewhere.without_password("nonsense=")
    later = datetime.fromisoformat("2031-01-01T00:00:00+00:00")
    with pytest.raises(console.NotAsAsked, match="nothing to read"):
        sources.find(conn, ask(there, start=later))
