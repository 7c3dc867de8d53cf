"""Four tests by ioos_qc, a series at a time as its interface asks. `PYTHON quality.py IN OUT`."""

import json
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path


def main(source: Path, target: Path) -> None:
    """`source`: series, time, value, and beside it the limits; `target`: flag of each row and test."""
    numpy, pandas, qartod = (import_module(name) for name in ("numpy", "pandas", "ioos_qc.qartod"))
    limits = json.loads(source.with_suffix(".json").read_text())
    frame = pandas.read_parquet(source)
    frame["time"] = frame["time"].dt.tz_localize(None)
    began = time.perf_counter()
    parts = []
    for _, rows in frame.groupby("series", sort=False):
        value, at = rows["value"].to_numpy(), rows["time"].to_numpy()
        parts.append(
            {
                "gross_range": qartod.gross_range_test(value, limits["fail"], limits["suspect"]),
                "spike": qartod.spike_test(value, suspect_threshold=limits["spike"]),
                "rate": qartod.rate_of_change_test(value, at, limits["rate"] / 3600),
                "flat_line": qartod.flat_line_test(value, at, limits["flat"], 10**9, limits["tolerance"]),
            }
        )
    flags = {name: numpy.concatenate([part[name] for part in parts]) for name in parts[0]}
    seconds = time.perf_counter() - began
    pandas.DataFrame({name: numpy.asarray(found).astype("int16") for name, found in flags.items()}).to_parquet(target)
    print(seconds, version("ioos-qc"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
