"""Whether it is high when people smell something: reports of odour beside the gas of a station."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from analytics.frames import TIME, conform, settle
from analytics.hints import chance

#: Somebody smelled something, at any time.
REPORTS: Mapping[str, pl.DataType] = {"time": TIME}
HOURS: Mapping[str, pl.DataType] = {"series": pl.Int32(), "time": TIME, "value": pl.Float64()}
#: Of a series, `lag` [h] after the hours of the reports: the `hours` with enough reports and a value, how many are
#: `high`, the `probability` then and at other times (`elsewhere`), `lift` their ratio, mean value of both; `z`, `p` of
#: the difference by `chance.contrast`. Null where nothing can be said.
BESIDE: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "lag": pl.Int32(),
    "hours": pl.Int32(),
    "high": pl.Int32(),
    "probability": pl.Float64(),
    "elsewhere": pl.Float64(),
    "lift": pl.Float64(),
    "z": pl.Float64(),
    "p": pl.Float64(),
}
#: Reports of an hour that count, and how long before and after them is looked at [h].
LEAST, AROUND = 2, 6
HIGH = 90.0


def beside(
    reports: pl.DataFrame, hours: pl.DataFrame, *, least: int = LEAST, around: int = AROUND, high: float = HIGH
) -> pl.DataFrame:
    """`BESIDE` of each series in `hours` (`HOURS`), by series and lag from -`around` to `around`: below 0 the gas comes
    before the reports. An hour counts with `least` reports (`REPORTS`); above the percentile `high` a value is high.

    Only between the first report and the last is anything known of who smelled what.
    """
    smelled = (
        conform(reports, REPORTS).drop_nulls().group_by(pl.col("time").dt.truncate("1h")).agg(pl.len().alias("reports"))
    )
    first, last = smelled["time"].min(), smelled["time"].max()
    parts = [pl.DataFrame(schema=dict(BESIDE))]
    rows = conform(hours, HOURS).drop_nulls("value").sort("series", "time")
    for part in rows.partition_by("series", maintain_order=True) if smelled.height else []:
        parts.append(_of(part.unique("time", keep="first"), smelled, (first, last), least, around, high))
    return pl.concat(parts)


def _of(
    part: pl.DataFrame, smelled: pl.DataFrame, during: tuple[object, object], least: int, around: int, high: float
) -> pl.DataFrame:
    every = pl.DataFrame({"time": pl.datetime_range(part["time"].min(), part["time"].max(), "1h", eager=True)})  # type: ignore[arg-type]
    grid = every.join(part, on="time", how="left").join(smelled, on="time", how="left").sort("time")
    value = grid["value"]
    known = grid["time"].is_between(*during).to_numpy()  # type: ignore[arg-type]  # both are times
    odour = (grid["reports"].fill_null(0) >= least).to_numpy()
    line = value.quantile(high / 100, "linear")
    above, valid = (value > line).fill_null(value=False).to_numpy(), value.is_not_null().to_numpy()
    found = []
    for lag in range(-around, around + 1):
        # What is looked at `lag` hours after the report: the report is laid so much later.
        told = chance.contrast(_later(odour, lag)[None, :], _later(known, lag), above, valid)
        share, elsewhere = _share(told.high, told.count), _share(told.other_high, told.others)
        found.append((int(part["series"][0]), lag, told.count[0], told.high[0], share, elsewhere, told.z[0], told.p[0]))
    schema = ("series", "lag", "hours", "high", "probability", "elsewhere", "z", "p")
    rows = pl.DataFrame(found, schema=schema, orient="row")
    lift = pl.when(pl.col("elsewhere") > 0).then(pl.col("probability") / pl.col("elsewhere")).alias("lift")
    floats = ("probability", "elsewhere", "lift", "z", "p")
    return conform(rows.with_columns(lift).with_columns(settle(pl.col(name).fill_nan(None)) for name in floats), BESIDE)


def _share(high: chance.Array, count: chance.Array) -> float:
    return float(high[0] / count[0]) if count[0] else np.nan


def _later(flags: chance.Flags, hours: int) -> chance.Flags:
    out = np.zeros_like(flags)
    if hours >= 0:
        out[hours:] = flags[: flags.size - hours]
    else:
        out[:hours] = flags[-hours:]
    return out
