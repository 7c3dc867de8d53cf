"""One station: its readings with their verdicts, its means and classes, its episodes, and what is expected."""

from dashboards.pieces import (
    DISTRICT,
    HOUR,
    LATE,
    LEVELS,
    Dashboard,
    Series,
    Sql,
    annotation,
    band,
    begun,
    classes,
    curves,
    episodes,
    finished,
    mapping,
    named,
    number,
    override,
    points,
    prom,
    question,
    rows,
    thresholds,
    timeline,
)

STATION = "station = ${station:sqlstring}"
QUANTITY = f"{STATION} AND parameter = ${{parameter:sqlstring}} AND position = ${{position:sqlstring}}"
#: In PromQL a raw string: what is escaped for a regular expression must not be read as an escape of a string.
SERIES = "station=~`${station:regex}`"

STATIONS = """
    SELECT station AS __value, CASE title WHEN station THEN station ELSE station || ' ' || title END AS __text
    FROM report.district WHERE district IN (${district:sqlstring}) ORDER BY 1
"""
PARAMETERS = f"""
    SELECT DISTINCT l.parameter AS __value, concat_ws(' ', coalesce(p.title, l.parameter), p.title_zh) AS __text
    FROM report.latest l LEFT JOIN report.parameter p ON p.parameter = l.parameter WHERE l.{STATION} ORDER BY 1
"""
POSITIONS = f"""
    SELECT DISTINCT position AS __value, CASE position WHEN '' THEN '(one 唯一)' ELSE position || ' m' END AS __text
    FROM report.latest WHERE {STATION} AND parameter = ${{parameter:sqlstring}} ORDER BY 1
"""
UNIT = """
    SELECT coalesce(max(nullif(unit, '1')), '–') AS __value
    FROM report.parameter WHERE parameter = ${parameter:sqlstring}
"""
EPISODES = f"""
    SELECT time, stop AS timeend,
           concat_ws(' ', title, title_zh, 'level', level, 'peak', round(peak::numeric, 1), unit) AS text,
           CASE WHEN closed THEN 'over' ELSE 'open' END AS tags
    FROM report.episode WHERE {STATION} AND time <= $__timeTo() AND stop >= $__timeFrom()
"""


def build() -> Dashboard:
    """The dashboard `greenwatch-station`."""
    made = begun(
        "greenwatch-station",
        "Greenwatch: station 站点",
        "One station: readings and their verdicts, means, classes, episodes, forecast and data capture. Times are in "
        "the zone of your browser, and reach into the future for the forecast.",
        "now-3d",
        "now+2d",
    )
    made = (
        made.with_variable(question("district", "district 区", DISTRICT, several=True))
        .with_variable(question("station", "station 站点", STATIONS))
        .with_variable(question("parameter", "parameter 指标", PARAMETERS))
        .with_variable(question("position", "height 高度", POSITIONS))
        .with_variable(question("unit", "unit 单位", UNIT, hidden=True))
        .annotation(annotation("episodes 污染过程", EPISODES))
    )
    return finished(
        made,
        [
            ("Now 现状", _now()),
            ("${parameter} [${unit}]", _quantity()),
            ("The station ${station} 站点", _station()),
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
    open_ones = f"SELECT count(*)::int AS episodes FROM report.episode WHERE {STATION} AND NOT closed"
    # 0 only where greenwatch says that it has looked: else there is no figure.
    level = f"max(last_over_time(greenwatch_alarm_level{{{SERIES}}}[6h])) or 0 * max(greenwatch_alarms)"
    verdict = f"SELECT coalesce(exceedance, index)::float8 AS value FROM report.state WHERE {STATION}"
    full = thresholds((None, "red"), (0.5, "orange"), (0.75, "green"))
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
        .thresholds(thresholds((None, "green"), (1, "orange"), (2, "red"))),
        number(
            Sql(open_ones),
            "Open episodes 进行中的过程",
            "That no quiet stretch has ended yet; report.episode.",
            "short",
        ).thresholds(thresholds((None, "green"), (1, "red"))),
        number(
            Sql(capture),
            "Data capture, 24 h 数据获取率",
            "Readings that count, of those expected, over all parameters, in the 24 hours that ended an hour ago; "
            "report.mean.",
            "percentunit",
        ).thresholds(full),
    ]


def _quantity() -> list[object]:
    readings = f"""
        SELECT $__timeGroupAlias(time,'$__interval'),
               avg(value) FILTER (WHERE coalesce(verdict, 2) = 2) AS mean,
               min(value) FILTER (WHERE coalesce(verdict, 2) = 2) AS low,
               max(value) FILTER (WHERE coalesce(verdict, 2) = 2) AS high,
               max(value) FILTER (WHERE verdict = 3) AS suspect, max(value) FILTER (WHERE verdict > 3) AS fail
        FROM report.reading WHERE {QUANTITY} AND $__timeFilter(time) GROUP BY 1 ORDER BY 1
    """
    means = f"""
        SELECT time, averaging AS metric, value FROM report.mean WHERE {QUANTITY} AND $__timeFilter(time) ORDER BY 1, 2
    """
    hours = f"""
        SELECT time, value AS hour FROM report.mean
        WHERE {QUANTITY} AND averaging = 'hour' AND $__timeFilter(time) ORDER BY 1
    """
    ahead = f"""
        SELECT time, value AS forecast, low, high FROM report.forecast
        WHERE {QUANTITY} AND $__timeFilter(time) ORDER BY 1
    """
    capture = f"""
        SELECT time, capture FROM report.mean WHERE {QUANTITY} AND averaging = 'hour' AND $__timeFilter(time) ORDER BY 1
    """
    return [
        band(
            curves(
                Series(readings),
                "Readings and verdicts of ${parameter} [${unit}] 读数与判定",
                "Readings of the series that speaks, else of its stand-in: mean, lowest and highest of each point's "
                "time, as they count: corrected, without what was withdrawn; suspect and failed ones apart, as points. "
                "report.reading.",
                "short",
                width=24,
            )
        )
        .insert_nulls(HOUR)
        .override_by_name("suspect", points("orange"))
        .override_by_name("fail", points("red")),
        curves(
            Series(means),
            "Means of ${parameter} [${unit}] 均值",
            "Every mean that is kept of it, at the start of its period (a running mean: of its last hour); good and "
            "suspect readings count. A gap: fewer than the averaging asks for. report.mean.",
            "short",
        ),
        band(
            curves(
                Series(hours),
                "Forecast of ${parameter} [${unit}] 预报",
                "Hourly means, and the newest forecast with the band that is to hold 80 % of them; report.mean, "
                "report.forecast. As issued: it is never changed afterwards.",
                "short",
            )
            .with_target(Series(ahead, "B"))
            .override_by_name("forecast", [override("custom.lineStyle", {"fill": "dash", "dash": [6, 4]})])
        ),
        curves(
            Series(capture),
            "Data capture of ${parameter} 数据获取率",
            "Readings that count, of those expected, hour by hour; report.mean.",
            "percentunit",
            width=24,
            height=5,
        )
        .min(0)
        .max(1),
    ]


def _station() -> list[object]:
    history = f"""
        SELECT a.time, max(c.label) FILTER (WHERE a.averaging = 'hour') AS hour,
               max(c.label) FILTER (WHERE a.averaging = 'day') AS day,
               max(c.label) FILTER (WHERE a.averaging = 'ld') AS "06-22",
               max(c.label) FILTER (WHERE a.averaging = 'ln') AS "22-06"
        FROM report.assessment a JOIN report.class c ON c.standard = a.standard AND c.class = a.class
        WHERE a.{STATION} AND $__timeFilter(a.time) GROUP BY a.time ORDER BY a.time
    """
    newest = f"""
        SELECT l.parameter, p.title, p.title_zh, l.position, l.statistic, l.value, nullif(p.unit, '1') AS unit,
               extract(epoch FROM now() - l.time)::float8 AS age
        FROM report.latest l LEFT JOIN report.parameter p ON p.parameter = l.parameter
        WHERE l.{STATION} ORDER BY l.parameter, l.position, l.statistic, age
    """
    return [
        timeline(
            Sql(history),
            "Classes 级别",
            "Class of each hour, day, or noise period by the standard of the domain; report.assessment.",
            "string",
            width=24,
            height=6,
        ).mappings(mapping(classes())),
        named(
            rows(
                Sql(newest),
                "Newest readings 最新读数",
                "Of every series of the station as they came, before they are judged; report.latest.",
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
        episodes(STATION, 200, "Episodes that touch the time shown, the newest first, at most 200; report.episode."),
    ]
