"""10,000 series x 72 h issued, with reading and writing: `python -m tests.benchmarks.forecasts DSN [STATIONS]`.

Into the empty migrated store of the DSN go sixty days of hours of made-up air and weather of so many stations, and a
fit a parameter, as large as one is. Printed: seconds and the peak of memory of one run, and who was served.
"""

import resource
import sys
import time
from contextlib import closing
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from analytics import forecasting
from analytics.forecasting import Array, Panel, boosting
from analytics.frames import TIME
from analytics.store import connection, fits, packing, register, terms
from analytics.store.connection import Connection
from jobs import forecast, foresee
from tests import world
from tests.benchmarks.common import START

PARAMETERS = ("pm25", "pm10", "so2", "no2", "co", "o3")
WEATHER = ("air_temperature", "wind_speed")
HOUR = timedelta(hours=1)
SETTINGS = forecasting.load().settings
STOP = START + SETTINGS.history * HOUR
STATIONS = 1667


def air(hours: int, stations: int, seed: int) -> dict[str, Array]:
    """[hours, stations] by parameter: a day's wave, and errors that keep 0.97 of themselves, half of them alike."""
    rng = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * np.arange(hours)[:, None] / 24)
    found = {}
    for name in (*PARAMETERS, *WEATHER):
        errors = np.zeros((hours, stations))
        for hour in range(1, hours):
            errors[hour] = 0.97 * errors[hour - 1] + 0.2 * rng.normal() + 0.2 * rng.normal(size=stations)
        values = np.maximum(6 + wave + errors, 0) ** 2 if name in PARAMETERS else 12 + 5 * wave + errors
        found[name] = np.where(rng.random(values.shape) < 0.02, np.nan, values.round(1))
    return found


def fill(conn: Connection, stations: int) -> None:
    """Nothing; the store has the stations and their hours."""
    said = register.Registry(stations={f"S{number}": {} for number in range(stations)})
    for number in range(stations):
        for name in (*PARAMETERS, *WEATHER):
            said.series[register.Series(f"S{number}", name, "", "", 3600)] = None
    register.learn(conn, said)
    world.send(conn, [])
    conn.execute("UPDATE station SET longitude = 116 + random() / 2, latitude = 40 + random() / 2")
    (hour,) = terms.intern(conn, "averaging", ["hour"]).values()
    made = air(SETTINGS.history, stations, 1)
    for name, grid in made.items():
        query = "SELECT s.id FROM series s JOIN station t ON t.id = s.station WHERE parameter = %s ORDER BY t.code"
        ids = [int(str(row[0])) for row in conn.execute(query, [name])]
        times = pl.datetime_range(START, STOP, HOUR, closed="left", eager=True, time_unit="us").cast(TIME)
        for first in range(0, stations, 200):
            some = ids[first : first + 200]
            frame = pl.DataFrame(
                {
                    "time": pl.concat([times] * len(some)),
                    "value": grid[:, first : first + 200].T.ravel(),
                    "series": np.repeat(np.array(some, dtype=np.int32), len(times)),
                }
            ).with_columns(
                pl.lit(1, pl.Int32).alias("count"),
                pl.lit(1, pl.Int32).alias("expected"),
                pl.lit(hour, pl.Int16).alias("averaging"),
            )
            packing.copy(conn, "average", frame.fill_nan(None).drop_nulls())
    conn.execute("UPDATE latest SET first = %s, time = %s", [START, STOP - HOUR])
    conn.execute("VACUUM ANALYZE")


def teach(conn: Connection) -> None:
    """Nothing; each parameter has a fit, learned once of fifty other stations."""
    known = air(4000, 50, 2)
    beside = {name: known[name] for name in WEATHER}
    places = np.random.default_rng(3).uniform(0, 40, (50, 2))
    panel = Panel(START, np.sqrt(known["pm25"]), places, beside)
    began = time.perf_counter()
    fit = boosting.learn(panel, 4000, SETTINGS)
    assert fit is not None
    print(f"one fit of {fit.manifest['rows_read']:,} rows: {time.perf_counter() - began:.0f} s")
    row: dict[str, object] = {"subject": 0, "since": START, "valid_from": START, "blob": boosting.pack(fit)}
    made = pl.DataFrame([row], schema={"subject": pl.Int32, "since": TIME, "valid_from": TIME, "blob": pl.Binary})
    for name in PARAMETERS:
        with conn.transaction():
            fits.save(conn, foresee.kind(name), made, START, {})


def run(dsn: str, now: datetime) -> None:
    """Prints what one run of the job cost."""
    with closing(connection.connect(dsn)) as conn:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        done = forecast.run(conn, now)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"{done.new:,} series x {SETTINGS.leads} h in {done.seconds:.0f} s,"
            f" peak {peak / 1e6:.2f} GB ({before / 1e6:.2f} before)"
        )
        query = "SELECT m, count(*) FROM forecast, unnest(models) AS m GROUP BY 1 ORDER BY 2 DESC"
        print({str(name): int(str(count)) for name, count in conn.execute(query)})


def main() -> None:
    """Prints the seconds and the memory of a run; with `run` as second argument, of a store that was filled before."""
    dsn, *more = sys.argv[1:]
    if more != ["run"]:
        with closing(connection.connect(dsn)) as conn:
            fill(conn, int(more[0]) if more else STATIONS)
            teach(conn)
        print("filled; now run it again with `run` after the DSN: the peak of memory is then that of the run alone")
        return
    run(dsn, STOP + timedelta(minutes=7))


if __name__ == "__main__":
    main()
