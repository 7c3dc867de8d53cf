"""The hours ahead by statsforecast and by mlforecast's LightGBM. `PYTHON forecasts.py TAUGHT ASKED OUT MODEL...`.

Series come as rows (unique_id, ds, y) by the hour and without gaps. Of TAUGHT the one model of many series learns; each
series of ASKED ends at its time of issue, and OUT has, a model a column, the `LEADS` hours after it; null where a model
is not asked.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

LEADS, DAY, WEEK = 72, 24, 168
#: Leads that LightGBM is taught, a model each: hour after hour of what it said itself, it runs away.
DIRECT = (1, 2, 3, 6, 12, 24, 48, 72)
#: Lags and means that a user of mlforecast would begin with.
LAGS, MEANS = (1, 2, 3, 6, 12, 24, 48, 168), (6, 24, 168)


def one_by_one(name: str) -> Callable[[Any, Any], Any]:
    """A model of statsforecast with a day as its season (MSTL: a day and a week), fitted to each series by itself."""

    def forecast(_: Any, asked: Any) -> Any:
        core, models = import_module("statsforecast"), import_module("statsforecast.models")
        chosen = {
            "AutoETS": lambda: models.AutoETS(season_length=DAY),
            "AutoTheta": lambda: models.AutoTheta(season_length=DAY),
            "MSTL": lambda: models.MSTL(season_length=[DAY, WEEK], alias="MSTL"),
            # Its own shorter search: with the whole one a series takes minutes.
            "AutoARIMA": lambda: models.AutoARIMA(
                season_length=DAY, approximation=True, max_p=3, max_q=3, max_P=1, max_Q=1, nmodels=12
            ),
        }[name]()
        return core.StatsForecast(models=[chosen], freq="h", n_jobs=1).forecast(df=asked, h=LEADS)

    return forecast


def lightgbm(taught: Any, asked: Any) -> Any:
    """LightGBM of all series, one for each of DIRECT, by lags, means, hour, day and month."""
    core, lags = import_module("mlforecast"), import_module("mlforecast.lag_transforms")
    model = import_module("lightgbm").LGBMRegressor(
        objective="l1", n_estimators=500, learning_rate=0.05, num_leaves=63, random_state=7, n_jobs=1, verbosity=-1
    )
    made = core.MLForecast(
        models={"LightGBM": model},
        freq="h",
        lags=list(LAGS),
        lag_transforms={1: [lags.RollingMean(window_size=rows) for rows in MEANS]},
        date_features=["hour", "dayofweek", "month"],
    )
    made.fit(taught, static_features=[], horizons=list(DIRECT))
    return made.predict(h=LEADS, new_df=asked)


RIVALS = {name: one_by_one(name) for name in ("AutoETS", "AutoTheta", "MSTL", "AutoARIMA")} | {"LightGBM": lightgbm}


def main(taught: Path, asked: Path, out: Path, names: list[str]) -> None:
    """Writes what each of `names` says, and prints seconds by name and the versions."""
    pandas = import_module("pandas")
    known, rows = pandas.read_parquet(taught), pandas.read_parquet(asked)
    ends = rows.groupby("unique_id")["ds"].max().reset_index()
    said = ends.merge(pandas.DataFrame({"lead": range(1, LEADS + 1)}), how="cross")
    said["ds"] += pandas.to_timedelta(said.pop("lead"), unit="h")
    seconds: dict[str, float] = {}
    for name in names:
        began = time.perf_counter()
        found = RIVALS[name](known, rows)[["unique_id", "ds", name]]
        seconds[name] = round(time.perf_counter() - began, 1)
        said = said.merge(found, on=["unique_id", "ds"], how="left")
    said.to_parquet(out)
    print(json.dumps({"seconds": seconds, **{of: version(of) for of in ("statsforecast", "mlforecast", "lightgbm")}}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
