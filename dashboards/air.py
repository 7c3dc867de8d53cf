"""Air: the index by station and hour, the pollutants behind it, VOC cells that stand out, what is expected."""

from dashboards import domain
from dashboards.domain import ALARMED, MINE, OF_MINE, array, of_domain
from dashboards.pieces import (
    TO_STATION,
    Dashboard,
    Series,
    Sql,
    classes,
    coloured,
    counted,
    curves,
    grid,
    mapping,
    named,
    question,
    rows,
    stacked,
)
from dashboards.shared import CHOSEN, DAYS, SHOWN, UNIT, spread

#: What the index is made of, and its units in Grafana.
INDEX = {"pm25": "conμgm3", "pm10": "conμgm3", "so2": "conμgm3", "no2": "conμgm3", "co": "conmgm3", "o3": "conμgm3"}
NAMES = {"pm25": "PM2.5", "pm10": "PM10", "so2": "SO2", "no2": "NO2", "co": "CO", "o3": "O3"}
VOC = ("tvoc", "nmhc", "benzene")
WORDS = {
    "true": ("high 高值", "red"),
    "false": ("usual 正常", "green"),
}
PARAMETERS = """
    SELECT p.parameter AS __value, concat_ws(' ', coalesce(p.title, p.parameter), p.title_zh) AS __text
    FROM report.parameter p
    WHERE p.domain = 'air' AND p.parameter IN (SELECT parameter FROM report.latest)
    ORDER BY array_position(ARRAY['pm25', 'pm10', 'o3', 'no2', 'so2', 'co'], p.parameter), 1
"""


def build() -> Dashboard:
    """The dashboard `greenwatch-air`."""
    return domain.dashboard(
        "air",
        "Greenwatch: air 空气",
        "Air quality of the district: index, pollutants, VOC grid, forecasts and early warnings. Times are in the zone "
        "of your browser; a day is the stations'.",
        "now-48h",
        (*INDEX, *VOC),
        [
            ("Is the air bad now? 现在空气如何？", _now()),
            ("Where? 在哪里？", _where()),
            ("What is expected, what stands out 预报预警与高值", _ahead()),
            ("Since when? 历程", _history()),
        ],
        more=(question("parameter", "pollutant 污染物", PARAMETERS), question("unit", "unit 单位", UNIT, hidden=True)),
    )


def _now() -> list[object]:
    polluted = f"SELECT count(*)::int AS stations FROM report.state WHERE domain = 'air' AND index > 100 AND {MINE}"
    warnings = (
        f"SELECT count(*)::int AS warnings FROM report.alarm WHERE kind = 'forecast' AND {domain.ON} AND {ALARMED}"
    )
    return [
        domain.worst("air", "HJ 633"),
        counted(
            Sql(polluted),
            "Stations over 100 超标站点",
            "Stations whose newest index of the last two days is over 100; report.state.",
        ),
        domain.alarms_on("air"),
        counted(
            Sql(warnings),
            "Early warnings 预警",
            "Alarms that stand on a forecast: a level that is expected, not measured; report.alarm.",
            bad=False,
        ),
        domain.age("air"),
        domain.capture(list(INDEX), 3),
    ]


def _where() -> list[object]:
    columns = ",\n".join(
        f"               max(value) FILTER (WHERE parameter = '{name}' AND latest) AS {name}" for name in INDEX
    )
    pollutants = f"""
        SELECT station,
{columns},
               extract(epoch FROM now() - max(time) - interval '1 hour')::float8 AS age,
               sum(count)::float8 / nullif(sum(expected), 0) AS capture
        FROM (
            SELECT m.*, row_number() OVER (PARTITION BY station, parameter ORDER BY time DESC) = 1 AS latest
            FROM report.means({CHOSEN}, {array(list(INDEX))}, 'hour', now() - interval '3 hours', now()) m
            WHERE value IS NOT NULL
        ) AS newest GROUP BY station ORDER BY pm25 DESC NULLS LAST, station LIMIT 200
    """
    cells = domain.worst_cells(f"report.graded({CHOSEN}, 'HJ 633', {SHOWN})", "3600", 30)
    heads = {"station": domain.STATION, **NAMES, "age": domain.AGE, "capture": "capture 获取率"}
    return [
        domain.classed(
            "Index by station 各站指数",
            "Newest hourly index (HJ 633, the edition in force) of the last two days, from hourly means of readings "
            "that are not failed; report.state.",
            "air",
            "index",
            "index 指数",
            "none",
        ),
        named(
            rows(
                Sql(pollutants),
                "Pollutants by station 各站污染物",
                "Newest hourly means of the last three hours, good and suspect readings; since the end of the newest "
                "hour; readings that came of those expected. The 200 highest in PM2.5; report.means.",
            ),
            heads,
            {**INDEX, "age": "s", "capture": "percentunit"},
        ).override_by_name("station", [TO_STATION]),
        grid(
            Series(cells),
            "Class by station and hour 各站逐时级别",
            "Hourly class (HJ 633), the worst of each point; days where hours were too many rows. The thirty worst "
            "stations of the time shown; an empty cell: no index. report.graded.",
            "string",
            height=7,
        ).mappings(mapping(classes("HJ 633-2026"))),
    ]


def _ahead() -> list[object]:
    peaks = f"""
        SELECT station, parameter, value, low, high, time, issued, skill
        FROM report.outlook({CHOSEN}, ARRAY[${{parameter:sqlstring}}]::text[])
        ORDER BY value DESC NULLS LAST, station LIMIT 100
    """
    high = f"""
        WITH lately AS MATERIALIZED (
            SELECT station, parameter, time, value, count::float8 / nullif(expected, 0) AS capture
            FROM report.means({CHOSEN}, {array(VOC)}, 'hour', now() - interval '2 days', now()) WHERE value IS NOT NULL
        ), hour AS MATERIALIZED (
            SELECT DISTINCT ON (station, parameter) * FROM lately WHERE time > now() - interval '5 hours'
            ORDER BY station, parameter, time DESC
        ), usual AS MATERIALIZED (
            SELECT station, parameter, avg(value) AS value FROM lately GROUP BY 1, 2
        ), cell AS (
            SELECT h.*, o.median FROM hour h JOIN (
                SELECT parameter, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS median
                FROM hour GROUP BY parameter
            ) AS o USING (parameter)
        )
        SELECT c.station, c.parameter, c.value, c.value / nullif(c.median, 0) AS others,
               c.value / nullif(u.value, 0) AS itself,
               (c.value > 1.5 * c.median AND c.value > 1.5 * u.value)::text AS high,
               extract(epoch FROM now() - c.time - interval '1 hour')::float8 AS age, c.capture
        FROM cell c LEFT JOIN usual u ON u.station = c.station AND u.parameter = c.parameter
        ORDER BY 6 DESC NULLS LAST, 4 DESC NULLS LAST, 1, 2 LIMIT 100
    """
    heads = {
        "station": domain.STATION,
        "parameter": "pollutant 污染物",
        "value": "highest hour 最高小时值",
        "low": "low 下限",
        "high": "high 上限",
        "time": "at 时间",
        "issued": "issued 发布",
        "skill": "skill 技巧",
    }
    stands = {
        "station": domain.STATION,
        "parameter": "what 指标",
        "value": "hour 小时值",
        "others": "× median of all 与中位数之比",
        "itself": "× its own two days 与自身两日之比",
        "high": "high? 高值",
        "age": domain.AGE,
        "capture": "capture 获取率",
    }
    units = {"value": "conmgm3", "others": "none", "itself": "none", "age": "s", "capture": "percentunit"}
    return [
        named(
            rows(
                Sql(peaks),
                "Forecast of ${parameter} [${unit}], 24 h 预报峰值",
                "Highest hour of the next 24 in the newest forecast of the last day, with the band that is to hold "
                "80 %; skill: 1 less its error over that of the best naive one. The 100 highest; report.outlook.",
                height=6,
            ),
            heads,
            {"skill": "percentunit"},
        ).override_by_name("station", [TO_STATION]),
        domain.alarms(f"{of_domain('air')} AND {ALARMED}", title="Alarms and early warnings 报警与预警", height=6),
        named(
            rows(
                Sql(high),
                "Cells that stand out 高值网格",
                "Newest hourly mean of each VOC point, against the median of all chosen points and against its own "
                "hours of two days: high where both are exceeded by half, a rule of ours. report.means.",
                height=6,
            ),
            stands,
            units,
        )
        .override_by_name("high", coloured(WORDS))
        .override_by_name("station", [TO_STATION]),
        domain.episodes(f"{of_domain('air')} AND {OF_MINE}", height=6),
    ]


def _history() -> list[object]:
    index = f"SELECT time, worst, median, best FROM report.indices({CHOSEN}, 'HJ 633', {SHOWN}) ORDER BY time"
    primary = f"""
        SELECT report.binned(time, $__interval_ms, {DAYS}) AS time, coalesce("primary", 'none 无') AS metric,
               count(*)::float8 AS value
        FROM report.graded({CHOSEN}, 'HJ 633', {SHOWN}) WHERE index IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
    """
    return [
        curves(
            Series(index),
            "Index 指数",
            "Hourly index (HJ 633) over the chosen stations, of days where hours were too many rows: worst, median, "
            "best. Gaps stay gaps. report.indices.",
            "none",
            width=8,
            height=6,
        ).min(0),
        stacked(
            curves(
                Series(primary),
                "Main pollutant, shares by day 首要污染物占比",
                "Of the hours (days over long spans) of each day that have an index, those with each main pollutant; "
                "none: index up to 50. report.graded.",
                "percentunit",
                width=8,
                height=6,
            ),
            percent=True,
        ),
        domain.captured("${parameter:sqlstring}", width=8, height=6),
        spread(
            "${parameter:sqlstring}",
            "${parameter} [${unit}] over the stations 各站均值",
            "The chosen pollutant.",
            "short",
            height=6,
        ).min(0),
        spread("'nmhc'", "NMHC 非甲烷总烃", "Non-methane hydrocarbons as C.", "conmgm3", height=6).min(0),
        spread("'tvoc'", "TVOC 总挥发性有机物", "Volatile organic compounds in total.", "conmgm3", height=6).min(0),
    ]
