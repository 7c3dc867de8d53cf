"""What Grafana makes of a query before it sends it: variables, then `$__interval`, then macros, in that order.

Read in Grafana's sources, not run in a Grafana: no registry holds a server. `test_grafana.py` has the vectors.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

#: A variable holds one value or several; the names of formats are Grafana's.
Value = str | Sequence[str]


class AllValue(str):
    """What a variable says where all are chosen and it does not name them: no format touches it."""

    __slots__ = ()


_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)|\[\[(\w+)\]\]")
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
_STEPS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class UnknownMacro(Exception):
    """A `$name(...)` that the PostgreSQL data source does not know."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the page around a query knows: its time range, its variables, how wide a point is."""

    start: datetime
    stop: datetime
    variables: Mapping[str, Value] = field(default_factory=dict)
    interval: timedelta = timedelta(minutes=1)
    timescale: bool = True

    def sql(self, query: str) -> str:
        """`query` as PostgreSQL gets it. Raises `UnknownMacro`, KeyError for an unknown variable."""
        return _MACRO.sub(self._macro, self._intervals(self._values(query)))

    def promql(self, query: str) -> str:
        """`query` as Prometheus gets it."""
        seconds = int((self.stop - self.start).total_seconds())
        query = query.replace("$__range", f"{seconds}s").replace("$__rate_interval", self._rate())
        return self._intervals(self._values(query))

    def _values(self, query: str) -> str:
        def put(found: re.Match[str]) -> str:
            name = found[1] or found[3] or found[4]
            return found[0] if name.startswith("__") else written(self.variables[name], found[2])

        return _VARIABLE.sub(put, query)

    def _intervals(self, query: str) -> str:
        milliseconds = int(self.interval.total_seconds() * 1000)
        query = query.replace("$__interval_ms", str(milliseconds)).replace("$__interval", _step(self.interval))
        query = query.replace("$__unixEpochFrom()", str(int(self.start.timestamp())))
        return query.replace("$__unixEpochTo()", str(int(self.stop.timestamp())))

    def _rate(self) -> str:
        return _step(max(4 * timedelta(seconds=5), self.interval + timedelta(seconds=5)))

    def _macro(self, found: re.Match[str]) -> str:
        name, words = found[1], [word.strip() for word in found[2].split(",")]
        column = words[0]
        match name:
            case "__time":
                return f'{column} AS "time"'
            case "__timeEpoch":
                return f'extract(epoch from {column}) as "time"'
            case "__timeFilter":
                return f"{column} BETWEEN '{_time(self.start)}' AND '{_time(self.stop)}'"
            case "__timeFrom":
                return f"'{_time(self.start)}'"
            case "__timeTo":
                return f"'{_time(self.stop)}'"
            case "__timeGroup" | "__timeGroupAlias":
                seconds = _seconds(words[1])
                group = f"floor(extract(epoch from {column})/{seconds:.0f})*{seconds:.0f}"
                if self.timescale:
                    group = f"time_bucket('{seconds:.3f}s',{column})"
                return group + (' AS "time"' if name.endswith("Alias") else "")
            case "__unixEpochFilter":
                return f"{column} >= {self.start.timestamp():.0f} AND {column} <= {self.stop.timestamp():.0f}"
            case "__unixEpochGroup" | "__unixEpochGroupAlias":
                seconds = _seconds(words[1])
                alias = ' AS "time"' if name.endswith("Alias") else ""
                return f"floor(({column})/{seconds:.0f})*{seconds:.0f}{alias}"
            case _:
                raise UnknownMacro(f"unknown macro {name}")


def written(value: Value, form: str | None) -> str:
    """`value` in the format `form` of a variable; without one as SQL data sources write it."""
    if isinstance(value, AllValue):
        return str(value)
    values = [value] if isinstance(value, str) else list(value)
    quoted = [each.replace("'", "''") for each in values]
    match form:
        case None:
            return quoted[0] if isinstance(value, str) else ",".join(f"'{each}'" for each in quoted)
        case "sqlstring":
            return ",".join(f"'{each}'" for each in quoted)
        case "regex":
            escaped = [re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", each) for each in values]
            return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
        case "csv" | "raw":
            return ",".join(values)
        case _:
            raise KeyError(form)


def _time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> float:
    found = re.fullmatch(r"'?(\d+)(ms|[smhd])'?", text)
    if found is None:
        raise ValueError(f"{text!r} is no interval")
    return int(found[1]) / 1000 if found[2] == "ms" else float(int(found[1]) * _STEPS[found[2]])


def _step(interval: timedelta) -> str:
    """`interval` as Grafana writes it: in the largest unit that holds it whole."""
    seconds = max(1, math.floor(interval.total_seconds()))
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _STEPS[unit] == 0)
    return f"{seconds // _STEPS[unit]}{unit}"
