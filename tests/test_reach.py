"""Work is proportional to what changed: a late reading touches no more rows than the stages declare."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from analytics.store import connection
from analytics.store.connection import Connection
from jobs import chain, relearn
from jobs.intake import Intake, Order
from tests.soak import rows
from tests.soak.figures import Outcome
from tests.soak.settling import Late, late

#: Five stations of eight series, each of which has the four others around it.
SERIES, STEPS = 40, 144


def test_a_late_reading_touches_no_more_than_its_declared_reach(conn: Connection, dsn: str, tmp_path: Path) -> None:
    ids = rows.register(conn, SERIES)
    every = rows.readings(SERIES, 0, STEPS)
    absent = (pl.col("number") == 0) & (pl.col("time") == rows.START + 100 * rows.CADENCE)
    intake = Intake(conn, Order(format="long", source="soak"))
    intake.file(rows.write(tmp_path / "rows.parquet", every.filter(~absent), SERIES))
    assert relearn.run(conn, datetime.now(UTC)).maps == 35, "relative humidity is not held against neighbours"
    chain.settle(conn, lambda: datetime.now(UTC))
    out, names = Outcome(), rows.names(SERIES)
    chosen = [
        Late(*names[number], rows.START + step * rows.CADENCE, value, ids[number])
        for number, step, value in ((0, 100, 47.0), (9, 50, 2500.0))
    ]

    with closing(connection.connect(dsn)) as then:
        late(out, conn, then, tmp_path, chosen, lambda *_: None)

    found = {figure.name: figure.value for figure in out.figures}
    assert found["stages that touched more than their declared reach"] == 0
    assert found["rows read / rows of the declared reach, at most"] <= 1
    assert found["one late row, compare: rows read and written, most"] > 5 * 9, "neighbours were read"
    # Of six days all are near: rules of devices look back two weeks, and so do those of the stations around it.
    assert found["one late row: rows read and written, all stages, most"] < 0.4 * SERIES * STEPS
