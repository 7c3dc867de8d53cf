"""The hourly index by aqi-hub, a row at a time as its interface asks. `PYTHON aqi.py IN OUT`."""

import sys
import time
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path


def main(source: Path, target: Path) -> None:
    """`source`: pm25, pm10, so2, no2, co, o3 a row; `target`: index of each."""
    pandas, aqi = import_module("pandas"), import_module("aqi_hub.aqi_cn.aqi")
    columns = ["pm25", "pm10", "so2", "no2", "co", "o3"]
    rows = list(pandas.read_parquet(source)[columns].itertuples(index=False, name=None))
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    found = [aqi.cal_aqi_cn(*row, data_type="hourly")[0] for row in rows]
    seconds = time.perf_counter() - began
    pandas.DataFrame({"index": found}).to_parquet(target)
    print(seconds, version("aqi-hub"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
