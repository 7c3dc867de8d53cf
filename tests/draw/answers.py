"""What Grafana's server answers at `/api/ds/query`: SQL on a real database, PromQL on a real Prometheus, as frames.

Of Grafana's API only this, only as far as the dashboards of this project ask it, and nowhere but in tests.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import psycopg

from tests.grafana import Frame, UnknownMacro

Json = dict[str, Any]
#: Kinds of columns in a frame -> what Grafana's own servers call them.
KINDS = {"time": "time.Time", "number": "float64", "boolean": "bool", "string": "string"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that a page asked: what it was, how it went, how long it took [s], how many rows it brought."""

    ref: str
    text: str
    status: int
    seconds: float
    rows: int
    error: str = ""


@dataclass(slots=True)
class Answers:
    """Answers of one database, as whoever `conn` is, and of the Prometheus at the address `prometheus`."""

    conn: "psycopg.Connection[Any]"
    prometheus: str
    asked: list[Asked] = field(default_factory=list)

    def answer(self, body: Json) -> tuple[int, Json]:
        """Status and body, as Grafana's server has them: 400 where a query failed."""
        start, stop = (datetime.fromtimestamp(int(body[key]) / 1000, UTC) for key in ("from", "to"))
        results, worst = {}, 200
        for query in body["queries"]:
            result = self._one(query, start, stop)
            results[query["refId"]] = result
            worst = max(worst, int(result["status"]))
        return worst, {"results": results}

    def _one(self, query: Json, start: datetime, stop: datetime) -> Json:
        step = timedelta(milliseconds=query.get("intervalMs", 1000))
        frame = Frame(start, stop, {}, step)
        text, began = query.get("rawSql") or query.get("expr", ""), time.perf_counter()
        ref = query["refId"]
        try:
            if "rawSql" in query:
                frames = self._sql(frame.sql(text), query["format"], ref)
            else:
                frames = self._promql(frame.promql(text), query, start, stop, step)
        except (psycopg.Error, httpx.HTTPError, UnknownMacro, KeyError, NoTime) as problem:
            seconds = time.perf_counter() - began
            error = f"{type(problem).__name__}: {problem}".strip()
            self.asked.append(Asked(ref, text, 400, seconds, 0, error))
            return {"status": 400, "error": error}
        rows = sum(len(each["data"]["values"][0]) for each in frames if each["data"]["values"])
        self.asked.append(Asked(ref, text, 200, time.perf_counter() - began, rows))
        return {"status": 200, "frames": frames}

    def _sql(self, text: str, form: str, ref: str) -> list[Json]:
        cursor = self.conn.execute(text.encode())
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        rows = cursor.fetchall()
        columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
        kinds = {
            name: kind(psycopg.adapters.types.get(each.type_code))
            for name, each in zip(names, cursor.description, strict=True)
        }
        if form != "time_series":
            return [made(ref, [(name, kinds[name], columns[name], {}) for name in names])]
        if kinds.get("time") != "time":
            raise NoTime("db has no time column")
        return wide(columns, kinds, ref) if rows else [made(ref, [])]

    def _promql(self, text: str, query: Json, start: datetime, stop: datetime, step: timedelta) -> list[Json]:
        instant = bool(query.get("instant"))
        when = {"time": stop.timestamp()}
        if not instant:
            # Prometheus refuses more than 11,000 points; a step is at least what Grafana asks of it by default.
            seconds = max(15.0, step.total_seconds(), (stop - start).total_seconds() / 11_000)
            when = {"start": start.timestamp(), "end": stop.timestamp(), "step": seconds}
        answer = httpx.get(
            f"{self.prometheus}/api/v1/query{'' if instant else '_range'}",
            params={"query": text, **when},
            timeout=30,
            trust_env=False,
        )
        answer.raise_for_status()
        data = answer.json()["data"]
        found = [{"metric": {}, "value": data["result"]}] if data["resultType"] == "scalar" else data["result"]
        if query.get("format") == "table":
            return [_table(query["refId"], found)]
        frames = []
        for each in found:
            points = each.get("values") or [each["value"]]
            labels = each["metric"]
            shown = {"displayNameFromDS": legend(query.get("legendFormat", ""), labels)}
            times, values = [float(point[0]) * 1000 for point in points], [float(point[1]) for point in points]
            fields = [("Time", "time", times, {}), ("Value", "number", values, labels)]
            frames.append(made(query["refId"], fields, shown))
        return frames


class NoTime(Exception):
    """A time series without a time."""


def kind(column: Any) -> str:
    """Grafana's kind of a column of PostgreSQL's type `column`."""
    name = column.name if column else ""
    if name in ("timestamptz", "timestamp", "date"):
        return "time"
    if name == "bool":
        return "boolean"
    return "number" if name in ("int2", "int4", "int8", "float4", "float8", "numeric") else "string"


Column = tuple[str, str, Sequence[Any], Mapping[str, str]]


def wide(columns: Mapping[str, list[Any]], kinds: Mapping[str, str], ref: str) -> list[Json]:
    """A frame of all curves on common times: what Grafana makes of rows of `time`, numbers and words that name them."""
    words = [name for name, each in kinds.items() if each == "string"]
    numbers = [name for name, each in kinds.items() if each in ("number", "boolean")]
    times = sorted(set(columns["time"]))
    if not words:
        order = sorted(range(len(columns["time"])), key=lambda at: columns["time"][at])
        sorted_ = {name: [columns[name][at] for at in order] for name in ("time", *numbers)}
        return [made(ref, [("time", "time", sorted_["time"], {}), *((n, kinds[n], sorted_[n], {}) for n in numbers)])]
    place = {each: at for at, each in enumerate(times)}
    curves: dict[tuple[str, tuple[str, ...]], list[Any]] = {}
    for at, moment in enumerate(columns["time"]):
        labels = tuple(columns[name][at] for name in words)
        for name in numbers:
            curves.setdefault((name, labels), [None] * len(times))[place[moment]] = columns[name][at]
    fields: list[Column] = [("time", "time", times, {})]
    for (name, labels), values in curves.items():
        # Exactly three columns, one of them `metric`: it is the name of the curve.
        if words == ["metric"] and len(numbers) == 1:
            fields.append((str(labels[0]), kinds[name], values, {}))
        else:
            fields.append((name, kinds[name], values, dict(zip(words, map(str, labels), strict=True))))
    return [made(ref, fields)]


def _table(ref: str, found: Sequence[Json]) -> Json:
    names = sorted({name for each in found for name in each["metric"]})
    rows = [(each.get("values") or [each["value"]], each["metric"]) for each in found]
    points = [(point, metric) for all_of_them, metric in rows for point in all_of_them]
    return made(
        ref,
        [
            ("Time", "time", [float(point[0]) * 1000 for point, _ in points], {}),
            *((name, "string", [metric.get(name, "") for _, metric in points], {}) for name in names),
            ("Value", "number", [float(point[1]) for point, _ in points], {}),
        ],
    )


def legend(form: str, labels: Mapping[str, str]) -> str:
    """Name of a curve of Prometheus: `form` with the values of its labels, else all of them."""
    if form and form != "__auto":
        for name, value in labels.items():
            form = form.replace("{{" + name + "}}", value).replace("{{ " + name + " }}", value)
        return form
    inner = ", ".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return labels.get("__name__", "") + ("{" + inner + "}" if inner or "__name__" not in labels else "")


def made(ref: str, fields: Iterable[Column], config: Json | None = None) -> Json:
    """A data frame in Grafana's JSON."""
    schema, values, entities = [], [], []
    for name, each, column, labels in fields:
        described = {"name": name, "type": each, "typeInfo": {"frame": KINDS[each], "nullable": True}}
        if labels:
            described["labels"] = dict(labels)
        if config and each == "number":
            described["config"] = config
        schema.append(described)
        plain = [_plain(value) for value in column]
        odd = {
            word: [at for at, value in enumerate(plain) if isinstance(value, float) and test(value)]
            for word, test in (("NaN", math.isnan), ("Inf", math.inf.__eq__), ("NegInf", (-math.inf).__eq__))
        }
        some = {word: places for word, places in odd.items() if places}
        for places in some.values():
            for at in places:
                plain[at] = None
        values.append(plain)
        entities.append(some or None)
    data: Json = {"values": values}
    if any(entities):
        data["entities"] = entities
    return {"schema": {"refId": ref, "fields": schema}, "data": data}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp() * 1000
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() * 1000
    if isinstance(value, Decimal):
        return float(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
