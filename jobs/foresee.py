"""What forecasts are made by is learned: a dated fit a parameter over all stations, by the clock or with `relearn`."""

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from math import ceil

import numpy as np
import polars as pl
import structlog

from analytics import forecasting
from analytics.forecasting import Fit, Plan, boosting
from analytics.frames import TIME
from analytics.store import fits, migrations, registry
from analytics.store.connection import Connection
from jobs.hours import Hours

_HOUR = timedelta(hours=1)
SHAPE = boosting.Shape()
#: The subject of a fit that is about no series by itself.
_ALL = 0
_VERSIONS = {name: version(name) for name in ("greenwatch", "holidays", "scikit-learn", "numpy")}

log = structlog.get_logger()


@dataclass(slots=True)
class Learned:
    """What was done: `parameters` looked at, `fits` kept, parameters that had a `fresh` one or too `short` a past."""

    parameters: int = 0
    fits: int = 0
    fresh: int = 0
    short: int = 0
    seconds: float = 0.0


def kind(parameter: str) -> str:
    """The kind of the fits of a parameter."""
    return f"{boosting.NAME} {parameter}"


def load_plan(conn: Connection, now: datetime) -> Plan:
    """The table in force at `now`."""
    editions = migrations.editions(conn, forecasting.TABLE)
    return forecasting.parse([rows for _, since, rows in editions if since is None or since <= now][-1])


def run(conn: Connection, now: datetime) -> Learned:
    """What was learned of each parameter whose newest fit is older than `learn_every` or cannot be read, from the hours
    before the last midnight. A transaction a fit: killed, what was learned stays."""
    began, done, plan = time.perf_counter(), Learned(), load_plan(conn, now)
    voices = registry.load_voices(conn)
    read: dict[datetime, Hours] = {}
    for parameter, subject in plan.subjects.items():
        mine = voices.filter(parameter=parameter)
        if boosting.NAME not in subject.models or mine.is_empty():
            continue
        done.parameters += 1
        offset = int(str(mine["offset"].mode().min()))
        clock = now + timedelta(minutes=offset)
        stop = clock.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(minutes=offset)
        known = newest(conn, parameter, now)
        if known is not None and stop - known.until < plan.settings.learn_every * _HOUR:
            done.fresh += 1
            continue
        fit = _learn(read.setdefault(stop, Hours(conn, voices, stop, plan.settings.learn)), plan, parameter)
        if fit is None:
            done.short += 1
            continue
        row = {"subject": _ALL, "since": stop - plan.settings.learn * _HOUR, "valid_from": stop}
        made = pl.DataFrame(
            [{**row, "blob": boosting.pack(fit)}],
            schema={"subject": pl.Int32, "since": TIME, "valid_from": TIME, "blob": pl.Binary},
        )
        with conn.transaction():
            new = fits.save(conn, kind(parameter), made, now, _VERSIONS, fit.manifest["seed"])
        done.fits += new.height
        log.info("learned", parameter=parameter, rows=fit.manifest["rows_read"], trust=fit.trust.tolist())
    done.seconds = time.perf_counter() - began
    return done


def _learn(hours: Hours, plan: Plan, parameter: str) -> Fit | None:
    """The fit of a parameter from its stations, or as many of them as are enough, evenly by their number."""
    mine = hours.voices.filter(parameter=parameter)["voice"].unique().sort()
    every = max(ceil(len(mine) / plan.settings.learn_series), 1)
    chosen = mine.gather_every(every).to_list()
    if not boosting.enough(hours.panel(plan, parameter, chosen, ()), plan.settings.learn, SHAPE):
        return None
    known = set(hours.voices["parameter"])
    names = [name for name in plan.settings.beside if name != parameter and name in known]
    if "wind_direction" in names:
        names.remove("wind_direction")
        names += ["wind_east", "wind_north"] if "wind_speed" in names else []
    panel = hours.panel(plan, parameter, chosen, names)
    beside = {name: grid for name, grid in panel.beside.items() if np.isfinite(grid).any()}
    return boosting.learn(replace(panel, beside=beside), plan.settings.learn, plan.settings, SHAPE)


def _newest(conn: Connection, parameter: str, at: datetime) -> tuple[datetime, bytes] | None:
    """From when the newest fit of a parameter holds, and its bytes; None where there is none at that time."""
    moment = pl.DataFrame(
        [(_ALL, at, at + timedelta(microseconds=1))],
        schema={"subject": pl.Int32, "start": TIME, "stop": TIME},
        orient="row",
    )
    found = fits.load(conn, kind(parameter), moment)
    return None if found.is_empty() else (found["valid_from"][-1], found["blob"][-1])


def newest(conn: Connection, parameter: str, at: datetime) -> Fit | None:
    """The fit of a parameter that holds at that time; None where there is none, or none that can be read (logged)."""
    found = _newest(conn, parameter, at)
    if found is None:
        return None
    try:
        return boosting.unpack(found[1])
    except ValueError as problem:
        log.warning("fit", parameter=parameter, valid_from=found[0], problem=str(problem))
        return None
