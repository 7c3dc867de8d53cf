"""One station: its readings with their verdicts, its means and classes, its episodes, and what is expected."""

from grafana_foundation_sdk.models import common

from dashboards import domain
from dashboards.domain import STATES
from dashboards.pieces import (
    DISTRICT,
    FULL,
    LATE,
    LEVELS,
    Dashboard,
    Series,
    Sql,
    annotation,
    band,
    begun,
    classes,
    coloured,
    counted,
    curves,
    finished,
    mapping,
    named,
    number,
    override,
    prom,
    question,
    rows,
    thresholds,
    timeline,
)
from dashboards.shared import SHOWN, UNIT, curve, marked

STATION = "station = ${station:sqlstring}"
QUANTITY = f"{STATION} AND parameter = ${{parameter:sqlstring}} AND position = ${{position:sqlstring}}"
#: In PromQL a raw string: what is escaped for a regular expression must not be read as an escape of a string.
SERIES = "station=~`${station:regex}`"
TOUCHES = "start <= $__timeTo() AND stop >= $__timeFrom()"
#: When a correction ends; nothing where it is for all that comes.
ENDS = "CASE WHEN stop < now() + interval '10 years' THEN stop END"

STATIONS = """
    SELECT station AS __value, CASE title WHEN station THEN station ELSE station || ' ' || title END AS __text
    FROM report.district WHERE district = ANY(ARRAY[${district:sqlstring}]::text[]) ORDER BY 1
"""
PARAMETERS = f"""
    SELECT DISTINCT l.parameter AS __value, concat_ws(' ', coalesce(p.title, l.parameter), p.title_zh) AS __text
    FROM report.latest l LEFT JOIN report.parameter p ON p.parameter = l.parameter WHERE l.{STATION} ORDER BY 1
"""
POSITIONS = f"""
    SELECT DISTINCT position AS __value, CASE position WHEN '' THEN '(one 唯一)' ELSE position || ' m' END AS __text
    FROM report.latest WHERE {STATION} AND parameter = ${{parameter:sqlstring}} ORDER BY 1
"""
LAYERS = f"""
    SELECT start AS time, stop AS timeend, concat_ws(' ', kind, author || ':', reason) AS text, kind AS tags
    FROM report.correction WHERE {QUANTITY} AND ended IS NULL AND {TOUCHES}
"""

LAYER = {
    "recalibration": ("recalibrated 重新校准", "blue"),
    "drift": ("drift taken out 漂移校正", "blue"),
    "verdict": ("judged by hand 人工判定", "orange"),
    "withdrawal": ("withdrawn 撤回", "red"),
    "unreviewed": ("unreviewed 未审核", "gray"),
    "reviewed": ("reviewed 已审核", "green"),
    "approved": ("approved 已批准", "green"),
}


def build() -> Dashboard:
    """The dashboard `greenwatch-station`."""
    made = begun(
        "greenwatch-station",
        "Greenwatch: station 站点",
        "One station: readings and their verdicts, means, classes, episodes, alarms, forecast, corrections, data "
        "capture, clock. Times are in the zone of your browser, and reach into the future for the forecast.",
        "now-3d",
        "now+2d",
    )
    made = (
        made.with_variable(question("district", "district 区", DISTRICT, several=True))
        .with_variable(question("station", "station 站点", STATIONS))
        .with_variable(question("parameter", "parameter 指标", PARAMETERS))
        .with_variable(question("position", "height 高度", POSITIONS))
        .with_variable(question("unit", "unit 单位", UNIT, hidden=True))
    )
    made = marked(made, STATION).annotation(annotation("corrections 订正", LAYERS).icon_color("purple"))
    return finished(
        made,
        [
            ("Now 现状", _now()),
            ("${parameter} [${unit}]", _quantity()),
            ("The station ${station} 站点", _station()),
            ("Its instruments 仪器", _instruments()),
        ],
    )


def _now() -> list[object]:
    label = f"SELECT label FROM report.state WHERE {STATION}"
    age = f"SELECT extract(epoch FROM now() - newest)::float8 AS age FROM report.state WHERE {STATION}"
    capture = f"""
        SELECT sum(count)::float8 / nullif(sum(expected), 0) AS capture FROM report.mean
        WHERE {STATION} AND averaging = 'hour'
              AND time >= now() - interval '25 hours' AND time < now() - interval '1 hour'
    """
    open_ones = (
        f"SELECT count(*)::int AS episodes FROM report.episode WHERE {STATION} AND NOT closed AND about = 'event'"
    )
    # 0 only where greenwatch says that it has looked: else there is no figure.
    level = f"max(last_over_time(greenwatch_alarm_level{{{SERIES}}}[6h])) or 0 * max(greenwatch_alarms)"
    verdict = f"SELECT coalesce(exceedance, index)::float8 AS value FROM report.state WHERE {STATION}"
    return [
        number(
            Sql(label),
            "Class 级别",
            "Newest class of the last two days, of the standard of the station's domain; report.state.",
            "string",
            words=True,
        ).mappings(mapping(classes())),
        number(
            Sql(verdict),
            "Index, or over the limit 指数或超标",
            "Of the same row: the air index, or how far the worst parameter is over its limit (of water as a share, of "
            "noise in dB); report.state.",
            "none",
        ),
        number(
            Sql(age),
            "Age of the newest reading 最新读数",
            "Since the newest reading of the station; report.state.",
            "s",
        ).thresholds(thresholds(*LATE)),
        number(
            prom(level),
            "Alarm level 报警等级",
            "Highest level of its alarms, as Prometheus last heard it within 6 h. No data: nothing was heard.",
            "none",
        )
        .mappings(mapping(LEVELS))
        .thresholds(thresholds((None, "green"), (1, "orange"), (2, "red")))
        .time_from("1m")  # Prometheus is asked for the end of the page's time, and that is in the future
        .hide_time_override(True),
        counted(
            Sql(open_ones),
            "Open episodes 进行中的过程",
            "That no quiet stretch has ended yet, without what is expected and hints at devices; report.episode.",
        ),
        number(
            Sql(capture),
            "Data capture, 24 h 数据获取率",
            "Readings that count, of those expected, over all parameters, in the 24 hours that ended an hour ago; "
            "report.mean.",
            "percentunit",
        ).thresholds(FULL),
    ]


def _quantity() -> list[object]:
    # A wide point holds many hours: then the days tell more, and are fewer.
    means = f"""
        SELECT time, averaging AS metric, value FROM report.mean
        WHERE {QUANTITY} AND $__timeFilter(time)
              AND ($__interval_ms <= 7200000 OR averaging IN ('day', 'month', 'year')) ORDER BY 1, 2
    """
    hours = f"""
        SELECT time, mean AS measured FROM report.curve(${{station:sqlstring}}, ${{parameter:sqlstring}},
                                                        ${{position:sqlstring}}, {SHOWN}) ORDER BY time
    """
    ahead = f"""
        SELECT time, value AS forecast, low, high FROM report.forecast
        WHERE {QUANTITY} AND $__timeFilter(time) ORDER BY 1
    """
    capture = f"""
        SELECT time, capture FROM report.mean
        WHERE {QUANTITY} AND averaging = CASE WHEN $__interval_ms <= 7200000 THEN 'hour' ELSE 'day' END
              AND $__timeFilter(time) ORDER BY 1
    """
    scores = f"""
        SELECT time, detector AS metric, max(value) AS value FROM report.score
        WHERE {QUANTITY} AND $__timeFilter(time) GROUP BY 1, 2 ORDER BY 1, 2
    """
    return [
        curve(
            "Readings and verdicts of ${parameter} [${unit}] 读数与判定",
            "Readings of the series that speaks, as they count: corrected, without what was withdrawn.",
            "short",
            width=24,
        ),
        curves(
            Series(means),
            "Means of ${parameter} [${unit}] 均值",
            "Every mean that is kept of it (of long spans those of days and more), at the start of its period (a "
            "running mean: of its last hour); good and suspect readings count. A gap: fewer than the averaging asks "
            "for. report.mean.",
            "short",
        ),
        band(
            curves(
                Series(hours),
                "Forecast of ${parameter} [${unit}] 预报",
                "What was measured, and the newest forecast with the band that is to hold 80 % of its hours; "
                "report.curve, report.forecast. As issued: it is never changed afterwards.",
                "short",
            )
            .with_target(Series(ahead, "B"))
            .override_by_name("forecast", [override("custom.lineStyle", {"fill": "dash", "dash": [6, 4]})])
        ),
        curves(
            Series(capture),
            "Data capture of ${parameter} 数据获取率",
            "Readings that count, of those expected, hour by hour, of long spans day by day; report.mean.",
            "percentunit",
            height=5,
        )
        .min(0)
        .max(1),
        curves(
            Series(scores),
            "Anomaly scores of ${parameter} 异常评分",
            "Of each detector, at its line of 1 or above; lower ones are not kept: none, no point; report.score.",
            "none",
            height=5,
        )
        .min(0)
        .draw_style(common.GraphDrawStyle.POINTS),
    ]


def _station() -> list[object]:
    history = f"""
        SELECT a.time, max(c.label) FILTER (WHERE a.averaging = 'hour') AS hour,
               max(c.label) FILTER (WHERE a.averaging = 'day') AS day,
               max(c.label) FILTER (WHERE a.averaging = 'ld') AS "06-22",
               max(c.label) FILTER (WHERE a.averaging = 'ln') AS "22-06"
        FROM report.assessment a JOIN report.class c ON c.standard = a.standard AND c.class = a.class
        WHERE a.{STATION} AND $__timeFilter(a.time)
              AND ($__interval_ms <= 7200000 OR a.averaging IN ('day', 'ld', 'ln')) GROUP BY a.time ORDER BY a.time
    """
    alarms = f"""
        SELECT time, concat_ws(' ', title, title_zh) AS title, before, after, level::text AS level, reason, told,
               incident
        FROM report.alarm_event WHERE {STATION} AND $__timeFilter(time) ORDER BY time DESC LIMIT 200
    """
    return [
        timeline(
            Sql(history),
            "Classes 级别",
            "Class of each hour (of long spans: day), day, or noise period by the standard of the domain; "
            "report.assessment.",
            "string",
            width=24,
            height=5,
        ).mappings(mapping(classes())),
        domain.episodes(STATION),
        named(
            rows(
                Sql(alarms),
                "Alarms 报警",
                "Each change of an alarm of the station in the time shown, by the clock, and why; blind: its data "
                "stopped, which ends nothing; at most 200; report.alarm_event.",
            ),
            {
                "time": "at 时间",
                "title": "what 事由",
                "before": "from 原",
                "after": "to 现",
                "level": "level 等级",
                "reason": "why 原因",
                "told": "told 通知",
                "incident": "incident 事件",
            },
        )
        .override_by_name("after", coloured(STATES))
        .override_by_name("level", coloured(LEVELS)),
        domain.reasons(STATION),
    ]


def _instruments() -> list[object]:
    newest = f"""
        SELECT l.parameter, p.title, p.title_zh, l.position, l.statistic, l.value, nullif(p.unit, '1') AS unit,
               extract(epoch FROM now() - l.time)::float8 AS age
        FROM report.latest l LEFT JOIN report.parameter p ON p.parameter = l.parameter
        WHERE l.{STATION} ORDER BY l.parameter, l.position, l.statistic, age
    """
    layers = f"""
        SELECT start, {ENDS} AS stop, parameter, position, kind, author, reason FROM report.correction
        WHERE {STATION} AND ended IS NULL AND {TOUCHES}
        UNION ALL
        SELECT start, stop, parameter, position, state, author, reason FROM report.review WHERE {STATION} AND {TOUCHES}
        ORDER BY start DESC LIMIT 100
    """
    clock = f"""
        SELECT source, delay, least, extract(epoch FROM now() - seen)::float8 AS seen FROM report.clock
        WHERE {STATION} ORDER BY source
    """
    return [
        named(
            rows(
                Sql(newest),
                "Newest readings 最新读数",
                "Of every series of the station as they came, before they are judged; report.latest.",
                width=10,
            ),
            {
                "parameter": "parameter 指标",
                "title": "name 名称",
                "title_zh": "名称",
                "position": "height 高度",
                "statistic": "statistic 统计量",
                "value": "value 值",
                "unit": "unit 单位",
                "age": "age 距今",
            },
            {"age": "s"},
        ),
        named(
            rows(
                Sql(layers),
                "Corrections and reviews 订正与审核",
                "Layers in force over readings of the time shown, and how far somebody has looked through them, the "
                "newest first, at most 100; report.correction, report.review.",
                width=8,
            ),
            {
                "start": "from 始",
                "stop": "until 至",
                "parameter": "parameter 指标",
                "position": "height 高度",
                "kind": "what 内容",
                "author": "by 人员",
                "reason": "why 原因",
            },
        ).override_by_name("kind", coloured(LAYER)),
        named(
            rows(
                Sql(clock),
                "Clock 时钟",
                "From the stamps of its readings to their receipt, by source: the median of the least of the last "
                "eight hours, and the least. Negative: its clock is ahead; a reading may come up to its cadence after "
                "its time. report.clock.",
                width=6,
            ),
            {"source": "source 来源", "delay": "delay 时延", "least": "least 最小", "seen": "seen 最近"},
            {"delay": "s", "least": "s", "seen": "s"},
        ),
    ]
