"""Moving means of 24 hours by pandas: rolling over time with min_periods. `PYTHON averages.py IN OUT`."""

import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any


def rolled(frame: Any, minimum: int) -> Any:
    """Mean of the last 24 hours of each series at each hour, null where fewer than `minimum` came."""
    grouped = frame.set_index("time").groupby("series", sort=False)["value"]
    return grouped.rolling("24h", min_periods=minimum).mean().to_numpy()


def main(source: Path, target: Path) -> None:
    """`source`: series, time, value; `target`: the mean of each row, and the same made from a later start."""
    pandas = import_module("pandas")
    frame = pandas.read_parquet(source)
    began = time.perf_counter()
    whole = rolled(frame, 20)
    seconds = time.perf_counter() - began
    cut = frame["time"].min() + (frame["time"].max() - frame["time"].min()) / 2
    later = frame["time"] >= cut
    piece = pandas.Series(float("nan"), index=frame.index)
    piece[later] = rolled(frame[later], 20)
    pandas.DataFrame({"whole": whole, "piece": piece}).to_parquet(target)
    print(seconds, version("pandas"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
