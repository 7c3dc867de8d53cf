"""The cost of a row as the table grows: thirty million rows against one million."""

from contextlib import ExitStack, closing
from statistics import median

from analytics.store import connection
from tests.soak import rows
from tests.soak.bulk import SERIES, register
from tests.soak.figures import Outcome
from tests.soak.house import House, pace
from tests.soak.worker import Worker, worker

STEP = 1_000_000
#: So many first and last steps are held against one another; the last ones go into a young table beside it, too.
LATE = 5


def run(house: House, total: int) -> Outcome:
    """Figures of a table that grows to three times `total`, a million rows a step."""
    count = max(3 * total // STEP, 2 * LATE)
    large: list[float] = []
    small: list[float] = []
    with ExitStack() as stack, pace("growth", count + LATE + 1, "million rows") as step:
        folder = stack.enter_context(house.files())
        grown, young = (stack.enter_context(worker(_store(house, stack))) for _ in range(2))

        def one(into: Worker, number: int) -> float:
            frame = rows.readings(SERIES, number * STEP // SERIES, STEP // SERIES)
            path = rows.write(folder / "step.parquet", frame, SERIES)
            seconds = into.ingest(path).seconds
            step(1)
            return seconds

        for number in range(count):
            if number == count - LATE:
                one(young, number - 1)
            large.append(one(grown, number))
            if number >= count - LATE:
                small.append(one(young, number))
    out = Outcome()
    out.add("steps of a million rows", count)
    out.add("the first five", STEP / median(large[:LATE]), "rows/s")
    out.add("the last five", STEP / median(large[-LATE:]), "rows/s")
    out.add("the last into a table of one to five million beside them", STEP / median(small), "rows/s")
    beside = median(a / b for a, b in zip(large[-LATE:], small, strict=True))
    out.add(f"cost a row at {count} million / at 1 million, same minutes", beside, "", most=1.25)
    out.add(
        f"cost a row at {count} million / minutes earlier at the start", median(large[-LATE:]) / median(large[:LATE])
    )
    out.notes.append("the target is held against the small table of the same minutes: another hour is another machine")
    out.details = {"step [s]": [round(s, 3) for s in large], "beside [s]": [round(s, 3) for s in small]}
    return out


def _store(house: House, stack: ExitStack) -> str:
    dsn = stack.enter_context(house.database())
    with closing(connection.connect(dsn)) as conn:
        register(conn, SERIES)
    return dsn
