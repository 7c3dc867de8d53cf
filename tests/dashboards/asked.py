"""Every query of the dashboards, and what a page puts into it: all values for two days, one for an hour, none."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

from analytics.store.connection import Connection
from tests.dashboards.world import AIR, WEST
from tests.grafana import AllValue, Frame, Value
from tests.panels import NAMES, load, panels


class Asked(NamedTuple):
    """A query of a panel (its title), of an annotation or of a variable (`variable NAME`)."""

    dashboard: str
    title: str
    form: str
    sql: str

    @property
    def name(self) -> str:
        """As a test calls it."""
        return f"{self.dashboard.removeprefix('greenwatch-')}: {self.title}"


def queries() -> Iterator[Asked]:
    """All that are in SQL."""
    for name in NAMES:
        found = load(name)
        for panel in panels(name):
            for target in panel["targets"]:
                if "rawSql" in target:
                    yield Asked(name, f"{panel['title']} {target['refId']}", target["format"], target["rawSql"])
        for each in found["annotations"].get("list", []):
            if "rawSql" in each.get("target", {}):
                yield Asked(name, f"annotation {each['name']}", "annotation", each["target"]["rawSql"])
        for variable in found["templating"]["list"]:
            if variable["type"] == "query":
                yield Asked(name, f"variable {variable['name']}", "variable", variable["query"]["rawSql"])


def expressions() -> Iterator[tuple[str, str]]:
    """(dashboard and panel, PromQL) of all that Prometheus is asked."""
    for name in NAMES:
        for panel in panels(name):
            for target in panel["targets"]:
                if "expr" in target:
                    yield f"{name}: {panel['title']} {target['refId']}", target["expr"]


class Page(Enum):
    """How much somebody asks for."""

    WHOLE = "all for two days"
    LITTLE = "one for an hour"
    NOTHING = "what there is not"


#: Which value somebody who looks at one thing chooses, where it is offered; else the first.
CHOSEN = {"district": WEST, "station": AIR, "parameter": "pm25", "position": "", "door": "hj212"}
#: In the order in which they are asked of the database, each with the values of those before.
Shown = dict[tuple[str, Page], Frame]
_LONG_AGO = datetime(1999, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(hours=3)


def around(page: Page, variables: Mapping[str, Value], now: datetime) -> Frame:
    """The time that `page` shows, with some of the hours to come, in points of which a screen has some 700."""
    if page is Page.NOTHING:
        return Frame(_LONG_AGO, _LONG_AGO + timedelta(days=1), variables)
    before = timedelta(days=2) if page is Page.WHOLE else timedelta(hours=1)
    minutes = int((before + _AHEAD).total_seconds() / 700 // 60)
    return Frame(now - before, now + _AHEAD, variables, timedelta(minutes=max(1, minutes)))


def filled(conn: Connection, dashboard: str, page: Page, now: datetime) -> Frame:
    """The page with the values that Grafana would put into its variables, which it asks for in their order."""
    values: dict[str, Value] = {}
    for variable in load(dashboard)["templating"]["list"]:
        name, several = variable["name"], variable.get("multi", False)
        match variable["type"]:
            case "datasource":
                continue
            case "query" if page is Page.NOTHING:
                values[name] = ["nobody"] if several else "nobody"
            case "query":
                asked = around(page, values, now).sql(variable["query"]["rawSql"])
                values[name] = _taken(variable, _values(conn, asked), page)
            case "textbox":
                values[name] = "nobody" if page is Page.NOTHING else variable["query"]
            case _:
                values[name] = variable["current"]["value"]
    return around(page, values, now)


def _values(conn: Connection, asked: str) -> list[str]:
    cursor = conn.execute(asked.encode())
    assert cursor.description is not None
    place = [column.name for column in cursor.description].index("__value")
    return [str(row[place]) for row in cursor.fetchall()]


def _taken(variable: Mapping[str, Any], offered: list[str], page: Page) -> Value:
    chosen = CHOSEN.get(variable["name"])
    one = chosen if chosen in offered else (offered or [""])[0]
    if not variable.get("multi"):
        return one
    if page is Page.WHOLE:
        return AllValue(variable["allValue"]) if variable.get("allValue") else offered
    return [one]
