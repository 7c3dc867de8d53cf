"""Four tests of ioos_qc as a detector, a series at a time as its interface asks. `PYTHON detection.py IN OUT`.

Its limits are those of the rows before, learned as often as the other rivals of tests/published/rivals.py learn: gross
range and change from one row to the next beyond all that was seen and a tenth, a spike beyond the last in a thousand,
and a flat line that lasts longer than any before and a quarter of a day.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

WINDOW, LEAST, BEFORE = 2000, 200, 100
QUARTER = 6 * 3600.0


def main(source: Path, target: Path) -> None:
    """`source`: series, time, value; `target`: score, 1 where a test says suspect or fail, null where none was run."""
    numpy, pandas = (import_module(name) for name in ("numpy", "pandas"))
    frame = pandas.read_parquet(source)
    frame["time"] = frame["time"].dt.tz_localize(None)
    scores = numpy.full(len(frame), numpy.nan)
    for rows in frame.groupby("series", sort=False).indices.values():
        value, at = frame["value"].to_numpy()[rows], frame["time"].to_numpy()[rows].astype("datetime64[ns]")
        starts = [LEAST, *range(WINDOW, len(rows), WINDOW)] if len(rows) > LEAST else []
        for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
            past = slice(max(start - WINDOW, 0), start)
            here = slice(start - BEFORE, stop)
            said = objections(numpy, value[past], at[past], value[here], at[here])
            scores[rows[start:stop]] = said[BEFORE:]
    pandas.DataFrame({"score": scores}).to_parquet(target)


def objections(numpy: Any, past: Any, when: Any, value: Any, at: Any) -> Any:
    """Of each row of `value`, whether a test objects whose limits `past` gave."""
    qartod = import_module("ioos_qc.qartod")
    room = 0.1 * (past.max() - past.min())
    span = (past.min() - room, past.max() + room)
    # Off the mean of its neighbours, as the test has it.
    off = numpy.abs(past[1:-1] - (past[:-2] + past[2:]) / 2)
    seconds = numpy.maximum(numpy.diff(when) / numpy.timedelta64(1, "s"), 1.0)
    rate = 1.1 * (numpy.abs(numpy.diff(past)) / seconds).max()
    same = numpy.flatnonzero(numpy.concatenate([[True], numpy.diff(past) != 0, [True]]))
    longest = numpy.diff(same).max() * numpy.median(seconds)
    flags = [
        qartod.gross_range_test(value, span, span),
        qartod.spike_test(value, suspect_threshold=max(numpy.quantile(off, 0.999), 1e-9)),
        qartod.rate_of_change_test(value, at, max(rate, 1e-9)),
        qartod.flat_line_test(value, at, longest + QUARTER, longest + QUARTER, 1e-9),
    ]
    return numpy.any([numpy.isin(numpy.asarray(flag), (3, 4)) for flag in flags], axis=0).astype(float)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
