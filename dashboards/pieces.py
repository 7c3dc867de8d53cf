"""What the dashboards are made of: queries of both kinds, panels that have what each must have, colours with words.

What they share beside (variables, annotations, curves at the width of a panel, links to evidence) is in `shared.py`.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from analytics import standards

with warnings.catch_warnings():
    # The library would rather make v2 dashboards, which servers before Grafana 13 cannot read.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        bargauge,
        prometheus,
        stat,
        statetimeline,
        statushistory,
        table,
        timeseries,
    )
    from grafana_foundation_sdk.builders import common as shared
    from grafana_foundation_sdk.builders import dashboard as board
    from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.cog import builder, runtime, variants
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

POSTGRES = "grafana-postgresql-datasource"
SQL = common.DataSourceRef(POSTGRES, "${sql}")
PROM = common.DataSourceRef("prometheus", "${prom}")
TAG = "greenwatch"

#: Level of an episode or an alarm -> words and colour.
LEVELS = {"0": ("none 无", "green"), "1": ("level 1 一级", "orange"), "2": ("level 2 二级", "red")}
#: What an episode is about.
ABOUT = {"event": ("event 过程", "red"), "ahead": ("expected 预计", "blue"), "device": ("device 设备", "purple")}
ABOUT |= {"anomaly": ("unusual 异常", "yellow")}
OVER = {"true": ("over 结束", "green"), "false": ("on 进行中", "red")}
YES = {"true": ("yes 是", "red"), "false": ("no 否", "green")}

#: Colours of the age of a newest reading, from so many seconds on.
LATE = ((None, "green"), (600, "orange"), (3600, "red"))
#: Of what has no value; and less than any value.
GREY, LEAST = "#808080", -1e9
#: 0 where greenwatch was heard at all: else there is no figure.
NONE = "0 * max(greenwatch_snapshot_timestamp_seconds)"
#: How a column of times is written: a dashboard shows days, not years.
MOMENT = "time:MM-DD HH:mm"
#: A line is broken where the next point is farther away. [ms]
HOUR = 3_600_000

Dashboard = model.Dashboard
#: A dashboard that is still added to; panels that show a figure, rows, lines.
Begun = board.Dashboard
Question = board.QueryVariable
Figure = stat.Panel
Table = table.Panel
Graph = timeseries.Panel
#: One setting of a field.
Setting = model.DynamicConfigValue
Panel = TypeVar(
    "Panel", stat.Panel, table.Panel, timeseries.Panel, statetimeline.Panel, statushistory.Panel, bargauge.Panel
)


class Query(variants.Dataquery):
    """A PostgreSQL query: the library has none."""

    def __init__(self, sql: str, form: str, ref: str) -> None:
        """`form` is table or time_series; `ref` names the query in its panel."""
        self.sql, self.form, self.ref = sql, form, ref

    def to_json(self) -> dict[str, object]:
        """As Grafana keeps it."""
        return {
            "refId": self.ref,
            "datasource": SQL,
            "editorMode": "code",
            "format": self.form,
            "rawQuery": True,
            "rawSql": self.sql,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Query":
        """The query that `to_json` wrote."""
        return cls(data["rawSql"], data["format"], data["refId"])


runtime.register_dataquery_variant(runtime.DataqueryConfig(POSTGRES, Query.from_json))


class Sql(builder.Builder[variants.Dataquery]):
    """A table of rows, in the words of SQL."""

    FORM = "table"

    def __init__(self, sql: str, ref: str = "A") -> None:
        """`sql` may be indented as its surroundings are."""
        lines = [line for line in sql.splitlines() if line.strip()]
        margin = min(len(line) - len(line.lstrip()) for line in lines)
        self._query = Query("\n".join(line[margin:] for line in lines), self.FORM, ref)

    def build(self) -> Query:
        """The query."""
        return self._query


class Series(Sql):
    """Curves: a column `time`, then numbers; a column of words names the curve."""

    FORM = "time_series"


def prom(expr: str, legend: str = "") -> prometheus.Dataquery:
    """The value of `expr` now."""
    query = prometheus.Dataquery().ref_id("A").datasource(PROM).expr(expr).instant().format(PromQueryFormat.TIME_SERIES)
    return query.legend_format(legend) if legend else query


def measured_by(expr: str, legend: str, ref: str = "A") -> prometheus.Dataquery:
    """The values of `expr` over the time shown."""
    query = prometheus.Dataquery().ref_id(ref).datasource(PROM).expr(expr).range()
    return query.format(PromQueryFormat.TIME_SERIES).legend_format(legend)


def dress(panel: Panel, title: str, description: str, unit: str, *, width: int, height: int) -> Panel:
    """`panel` with what each must have; `description` tells source and aggregation."""
    return panel.title(title).description(description).unit(unit).span(width).height(height)


def mapping(words: Mapping[str, tuple[str, str]]) -> list[model.ValueMapping]:
    """Value -> words and colour: never a colour alone."""
    results = {
        value: model.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(words.items())
    }
    return [model.ValueMap(results)]


def classes(key: str = "label") -> dict[str, tuple[str, str]]:
    """Label of a class (report.class) -> itself and its colour, of every standard; or its number, of one standard."""
    out: dict[str, tuple[str, str]] = {}
    for name, rows in standards.tables().items():
        if not name.endswith("_classes"):
            continue
        assert isinstance(rows, list)
        for row in rows:
            words = " ".join(filter(None, (row.get("name"), row["category"], row["category_zh"])))
            if key == "label":
                # Two standards that say the same in one colour are one row; in two colours they would be a mistake.
                assert out.setdefault(words, (words, row["colour"]))[1].lower() == row["colour"].lower(), words
            elif row["standard"].startswith(key):
                out[row["level"]] = (words, row["colour"])
    return out


def thresholds(*steps: tuple[float | None, str]) -> board.ThresholdsConfig:
    """Colour from each value on; the first one, of None, below all others."""
    # Grafana gives what has no value the lowest colour, and that must not be the one of good news.
    made = [model.Threshold(None, GREY), *(model.Threshold(LEAST if v is None else v, colour) for v, colour in steps)]
    return board.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def number(target: Any, title: str, description: str, unit: str, *, words: bool = False) -> stat.Panel:
    """One figure, large; its last row. `words` where it is no number."""
    panel = dress(stat.Panel(), title, description, unit, width=4, height=4)
    reduced = shared.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("/.*/" if words else "")
    panel = panel.datasource(SQL if isinstance(target, Sql) else PROM)
    panel = panel.with_target(target).reduce_options(reduced).graph_mode(common.BigValueGraphMode.NONE)
    panel = panel.color_mode(common.BigValueColorMode.BACKGROUND).no_value("no data 无数据")
    return panel.thresholds(thresholds((None, "blue")))  # a figure of which nobody said what is good


#: Colours of a count of what should not be.
SOME, BAD = thresholds((None, "green"), (1, "orange")), thresholds((None, "green"), (1, "red"))
#: Colours of a share that came.
FULL = thresholds((None, "red"), (0.5, "orange"), (0.75, "green"))


def counted(target: Any, title: str, description: str, *, bad: bool = True) -> stat.Panel:
    """How many of what should not be: 0 is green."""
    return number(target, title, description, "short").thresholds(BAD if bad else SOME)


def rows(target: Sql, title: str, description: str, *, width: int = 12, height: int = 7) -> table.Panel:
    """A table."""
    panel = dress(table.Panel(), title, description, "none", width=width, height=height)
    panel = panel.with_target(target).datasource(SQL).no_value("–").min_width(60)
    panel = panel.override_by_regexp(".*", [override("custom.wrapHeaderText", True)])  # heads are in two languages
    return panel.override_by_field_type("time", [override("unit", MOMENT), override("custom.width", 100)])


def timeline(
    target: Sql, title: str, description: str, unit: str, *, width: int = 12, height: int = 7
) -> statetimeline.Panel:
    """States over time: a bar for each, in the colours of what it says."""
    panel = dress(statetimeline.Panel(), title, description, unit, width=width, height=height)
    return panel.with_target(target).datasource(SQL)


def grid(
    target: Series, title: str, description: str, unit: str, *, width: int = 24, height: int = 9
) -> statushistory.Panel:
    """States over time: a row a curve, a cell a point, in the colours of what it says. No point: an empty cell."""
    panel = dress(statushistory.Panel(), title, description, unit, width=width, height=height)
    panel = panel.with_target(target).datasource(SQL).show_value(common.VisibilityMode.NEVER).row_height(0.9)
    return panel.legend(shared.VizLegendOptions().show_legend(True).display_mode(common.LegendDisplayMode.LIST))


def gauges(target: Sql, title: str, description: str, unit: str, *, width: int = 8, height: int = 7) -> bargauge.Panel:
    """A bar a row, named by its column of words."""
    panel = dress(bargauge.Panel(), title, description, unit, width=width, height=height)
    reduced = shared.ReduceDataOptions().calcs(["lastNotNull"]).values(True)
    panel = panel.with_target(target).datasource(SQL).reduce_options(reduced).no_value("no data 无数据")
    return panel.orientation(common.VizOrientation.VERTICAL).value_mode(common.BarGaugeValueMode.HIDDEN)


def stacked(panel: timeseries.Panel, *, percent: bool = False) -> timeseries.Panel:
    """`panel` with its curves as bars, one on another."""
    mode = common.StackingMode.PERCENT if percent else common.StackingMode.NORMAL
    panel = panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(80).line_width(0)
    return panel.stacking(shared.StackingConfig().mode(mode).group("A"))


def annotation(name: str, sql: str) -> board.AnnotationQuery:
    """Marked times on every graph: rows of time, timeend, text, tags."""
    made = board.AnnotationQuery().name(name).datasource(SQL).enable(True).icon_color("red")
    return made.target(Sql(sql, "annotation"))


def curves(
    target: Any, title: str, description: str, unit: str, *, width: int = 12, height: int = 7
) -> timeseries.Panel:
    """Lines over time. A gap stays a gap."""
    panel = dress(timeseries.Panel(), title, description, unit, width=width, height=height)
    panel = panel.with_target(target).datasource(SQL).span_nulls(False).line_width(1).fill_opacity(0)
    legend = shared.VizLegendOptions().show_legend(True).display_mode(common.LegendDisplayMode.LIST)
    panel = panel.legend(legend.placement(common.LegendPlacement.BOTTOM).calcs([]))
    return panel.tooltip(shared.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))


def measured(
    expr: str,
    legend: str,
    title: str,
    description: str,
    unit: str,
    *,
    more: Mapping[str, str] | None = None,
    width: int = 12,
) -> timeseries.Panel:
    """Lines over time of what Prometheus heard; `more`: legend -> expression of further ones."""
    panel = curves(measured_by(expr, legend), title, description, unit, width=width, height=6).datasource(PROM)
    for ref, (name, other) in zip("BCDEFG", (more or {}).items(), strict=False):
        panel = panel.with_target(measured_by(other, name, ref))
    return panel.min(0)


def listed(
    expr: str, title: str, description: str, unit: str, labels: Mapping[str, str], head: str, *, width: int = 8
) -> table.Panel:
    """A table of what Prometheus says now: a row a sample, a column for each of `labels` (label -> its head), the value
    under `head`, in `unit`."""
    query = prometheus.Dataquery().ref_id("A").datasource(PROM).expr(expr).instant().format(PromQueryFormat.TABLE)
    panel = dress(table.Panel(), title, description, "none", width=width, height=7).with_target(query).datasource(PROM)
    panel = panel.override_by_name("Time", unseen()).no_value("–")
    value = {"type": "color-text"}
    worth = [override("displayName", head), override("unit", unit), override("custom.cellOptions", value)]
    return named(panel, labels).override_by_name("Value", worth)


def band(panel: timeseries.Panel) -> timeseries.Panel:
    """`panel` with the fields `low` and `high` as a band."""
    edge = [override("custom.lineWidth", 0), override("custom.showPoints", "never"), override("custom.hideFrom", QUIET)]
    filled = [override("custom.fillBelowTo", "low"), override("custom.fillOpacity", 15)]
    return panel.override_by_name("low", edge).override_by_name("high", [*edge, *filled])


#: In the legend they would be two lines that nobody sees.
QUIET = {"legend": True, "tooltip": False, "viz": False}


def points(colour: str) -> list[model.DynamicConfigValue]:
    """A field as points of one colour."""
    fixed = {"mode": "fixed", "fixedColor": colour}
    return [override("custom.drawStyle", "points"), override("custom.pointSize", 7), override("color", fixed)]


def bars(panel: Graph, words: Mapping[str, tuple[str, str]]) -> Graph:
    """`panel` with its lines as bars from 0; a field of `words` has its words and colour."""
    panel = panel.min(0).draw_style(common.GraphDrawStyle.BARS).fill_opacity(60)
    for name, (text, colour) in words.items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        panel = panel.override_by_name(name, [override("displayName", text), override("color", fixed)])
    return panel


def coloured(words: Mapping[str, tuple[str, str]]) -> list[model.DynamicConfigValue]:
    """A column whose cells have the colour of what they say."""
    cell = {"type": "color-background", "mode": "basic"}
    # What says nothing has no colour; without steps of its own it would be green.
    bare = {"mode": "absolute", "steps": [{"color": "transparent", "value": None}]}
    seen = [override("mappings", mapping(words)), override("custom.cellOptions", cell), override("thresholds", bare)]
    return [*seen, override("custom.minWidth", 96)]


def unseen() -> list[model.DynamicConfigValue]:
    """A column that links read and nobody sees: in the words of Grafana up to 12.1, and of those after it."""
    hidden = {"viz": True, "legend": False, "tooltip": False}
    return [override("custom.hidden", True), override("custom.hideFrom", hidden)]


def override(key: str, value: object) -> model.DynamicConfigValue:
    """One setting of a field."""
    return model.DynamicConfigValue(key, value)


def named(panel: Panel, names: Mapping[str, str], units: Mapping[str, str] | None = None) -> Panel:
    """`panel` with the heads of its columns, and their units."""
    for column, head in names.items():
        settings = [override("displayName", head)]
        if units and column in units:
            settings.append(override("unit", units[column]))
        panel = panel.override_by_name(column, settings)
    return panel


#: Leads from a row with a column `station` to the dashboard of that station.
TO_STATION = override(
    "links",
    [
        {
            "title": "station 站点",
            "url": "/d/greenwatch-station?var-station=${__data.fields.station}&${__url_time_range}",
            "targetBlank": False,
        }
    ],
)


def question(name: str, label: str, sql: str, *, several: bool = False, hidden: bool = False) -> board.QueryVariable:
    """A variable that is asked from the database at each load; rows of `__value`, `__text`."""
    made = Sql(sql).build()
    variable = board.QueryVariable(name).label(label).datasource(SQL).query({**made.to_json(), "refId": name})
    variable = variable.refresh(model.VariableRefresh.ON_DASHBOARD_LOAD).sort(model.VariableSort.DISABLED)
    if several:
        everything = model.VariableOption(text="All", value="$__all", selected=True)
        variable = variable.multi(True).include_all(True).current(everything)
    return variable.hide(model.VariableHide.HIDE_VARIABLE) if hidden else variable


def typed(name: str, label: str) -> board.TextBoxVariable:
    """A variable that somebody types; empty at first."""
    return board.TextBoxVariable(name).label(label).default_value("")


DISTRICT = """
    SELECT DISTINCT district AS __value, CASE district WHEN '' THEN '(none 未分区)' ELSE district END AS __text
    FROM report.district ORDER BY 2
"""


def begun(uid: str, title: str, description: str, since: str, until: str) -> board.Dashboard:
    """An empty dashboard with the variables that all share: both sources of data, and the district."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made = board.Dashboard(title)
    made = made.uid(uid).description(description).tags([TAG]).readonly().timezone("browser").time(since, until)
    made = made.refresh("1m").tooltip(model.DashboardCursorSync.CROSSHAIR).fiscal_year_start_month(0)
    for name, label, kind in (("sql", "database", POSTGRES), ("prom", "metrics", "prometheus")):
        source = board.DatasourceVariable(name).label(label).type(kind).hide(model.VariableHide.HIDE_VARIABLE)
        chosen = f"greenwatch-{name}"
        made = made.with_variable(source.current(model.VariableOption(text=chosen, value=chosen, selected=True)))
    link = board.DashboardLink("dashboards").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    return made.link(link.keep_time(True).include_vars(True))


def finished(made: board.Dashboard, sections: Sequence[tuple[str, Sequence[Any]]]) -> Dashboard:
    """The dashboard with a headed row of panels a section, each panel with a number of its own."""
    for heading, panels in sections:
        made = made.with_row(board.Row(heading))
        for panel in panels:
            made = made.with_panel(panel)
    out = made.build()
    assert out.panels is not None
    for index, panel in enumerate(out.panels, start=1):
        panel.id_val = index
    out.schema_version = 42
    return out
