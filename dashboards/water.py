"""Water: the class of each section, its indicators against their limits, oxygen and ammonia, level and rain."""

from dashboards import domain
from dashboards.domain import ALARMED, OF_MINE, array, of_domain
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
    number,
    override,
    rows,
    stacked,
    thresholds,
)
from dashboards.shared import CHOSEN, DAYS, SHOWN, spread

#: What sections measure and the standard has limits for, without what only laboratories do.
INDICATORS = ("dissolved_oxygen", "nh3n", "codmn", "tp", "tn", "ph")
HELD = {"true": ("beyond 超标", "red"), "false": ("within 达标", "green")}
CLASSES = mapping(classes("GB 3838-2002"))


def build() -> Dashboard:
    """The dashboard `greenwatch-water`."""
    return domain.dashboard(
        "water",
        "Greenwatch: water 水质",
        "Sections of the district's waters: classes, indicators against limits, oxygen and ammonia, level and rain. "
        "Times are in the zone of your browser; a day is the stations'.",
        "now-7d",
        (*INDICATORS, "water_level", "conductivity", "turbidity"),
        [
            ("Is the water bad now? 现在水质如何？", _now()),
            ("Where? 在哪里？", _where()),
            ("Since when? 历程", _history()),
            ("Oxygen, ammonia, level and rain 溶解氧、氨氮、水位与降雨", _curves()),
        ],
    )


def _now() -> list[object]:
    worse = f"SELECT count(*)::int AS sections FROM report.state WHERE domain = 'water' AND class > 3 AND {domain.MINE}"
    oxygen = f"""
        SELECT min(value) AS oxygen FROM (
            SELECT DISTINCT ON (m.station, m.position) m.value
            FROM report.means({CHOSEN}, ARRAY['dissolved_oxygen'], 'hour', now() - interval '6 hours', now()) m
            WHERE m.value IS NOT NULL ORDER BY m.station, m.position, m.time DESC
        ) AS newest
    """
    return [
        domain.worst("water", "GB 3838"),
        counted(
            Sql(worse),
            "Worse than III 劣于三类",
            "Sections whose newest class of the last two days is IV or worse; report.state.",
            bad=False,
        ),
        domain.alarms_on("water"),
        number(
            Sql(oxygen),
            "Lowest oxygen 最低溶解氧",
            "Lowest of the sections' newest hourly means of the last six hours; report.means. Steps at classes V, "
            "IV, III.",
            "suffix:mg/L",
        ).thresholds(thresholds((None, "red"), (2, "orange"), (3, "yellow"), (5, "green"))),
        domain.age("water"),
        domain.capture(("dissolved_oxygen", "ph", "nh3n"), 24),
    ]


def _where() -> list[object]:
    limits = f"""
        WITH newest AS MATERIALIZED (
            SELECT DISTINCT ON (m.station, m.parameter, m.position)
                   m.station, m.parameter, m.position, m.time, m.value,
                   m.count::float8 / nullif(m.expected, 0) AS capture
            FROM report.means({CHOSEN}, {array(INDICATORS)}, 'hour', now() - interval '8 hours', now()) m
            WHERE m.value IS NOT NULL ORDER BY m.station, m.parameter, m.position, m.time DESC
        )
        SELECT n.station, n.parameter, concat_ws(' ', p.title, p.title_zh) AS name, n.value, l.low, l.high, p.unit,
               (n.value < l.low OR n.value > l.high)::text AS beyond,
               greatest(n.value / nullif(l.high, 0), l.low / nullif(n.value, 0)) AS share,
               extract(epoch FROM now() - n.time - interval '1 hour')::float8 AS age, n.capture
        FROM newest n JOIN report.water_body b ON b.station = n.station
        JOIN report.water_limit l ON l.parameter = n.parameter AND l.water_body = b.water_body AND l.class = 3
        LEFT JOIN report.parameter p ON p.parameter = n.parameter
        ORDER BY (n.value < l.low OR n.value > l.high) DESC NULLS LAST, share DESC NULLS LAST, n.station, n.parameter
        LIMIT 300
    """
    heads = {
        "station": "section 断面",
        "parameter": "indicator 指标",
        "name": domain.NAME,
        "value": "hour 小时值",
        "low": "from 下限",
        "high": "to 上限",
        "unit": "unit 单位",
        "beyond": "class III? 三类",
        "share": "of the limit 占限值",
        "age": domain.AGE,
        "capture": "capture 获取率",
    }
    return [
        domain.classed(
            "Class by section 断面水质类别",
            "Newest class (GB 3838) of the last two days: the worst of the indicators present, `count` of them; "
            "report.state.",
            "water",
            "count",
            "indicators 指标数",
            "none",
            height=9,
        ),
        named(
            rows(
                Sql(limits),
                "Indicators against class III 指标与三类限值",
                "Newest hourly mean of the last eight hours of each indicator, and the range that meets class III in "
                "this kind of water body (GB 3838); a single hour is a sign, not a verdict. The 300 worst; "
                "report.means, report.water_limit.",
                height=9,
            ),
            heads,
            {"share": "percentunit", "age": "s", "capture": "percentunit"},
        )
        .override_by_name("beyond", coloured(HELD))
        .override_by_name("station", [TO_STATION]),
    ]


def _history() -> list[object]:
    daily = f"report.assessed({CHOSEN}, 'GB 3838', 'day', $__timeFrom(), $__timeTo())"
    cells = domain.worst_cells(daily, DAYS, 30)
    shares = f"""
        SELECT report.binned(a.time, $__interval_ms, {DAYS}) AS time, coalesce(c.label, 'class ' || a.class) AS metric,
               count(*)::float8 AS value
        FROM report.assessed({CHOSEN}, 'GB 3838', 'day', $__timeFrom(), $__timeTo()) a
        LEFT JOIN report.class c ON c.standard = a.standard AND c.class = a.class
        WHERE a.class IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
    """
    made = stacked(
        curves(
            Series(shares),
            "Sections by class 各类别断面占比",
            "Of the sections with a daily class (GB 3838), those of each; report.assessed.",
            "percentunit",
            width=8,
            height=8,
        ),
        percent=True,
    )
    for words, colour in classes("GB 3838-2002").values():
        made = made.override_by_name(words, [override("color", {"mode": "fixed", "fixedColor": colour})])
    return [
        grid(
            Series(cells),
            "Class by section and day 断面逐日类别",
            "Daily class (GB 3838), worst of the indicators present, the worst of each point. The thirty worst "
            "sections of the time shown; an empty cell: no class. report.assessed.",
            "string",
            width=16,
            height=8,
        ).mappings(CLASSES),
        made,
    ]


def _curves() -> list[object]:
    levels = f"""
        WITH hour AS MATERIALIZED (
            SELECT station, report.binned(time, $__interval_ms, 3600) AS time, avg(value) AS value
            FROM report.traces({CHOSEN}, 'water_level', {SHOWN}) WHERE value IS NOT NULL GROUP BY 1, 2
        )
        SELECT time, station AS metric, value FROM hour
        WHERE station IN (
            SELECT station FROM hour GROUP BY station ORDER BY max(value) - min(value) DESC, station LIMIT 10
        )
        ORDER BY time, station
    """
    return [
        spread(
            "'dissolved_oxygen'",
            "Dissolved oxygen 溶解氧",
            "Class III from 5 mg/L on, V from 2.",
            "suffix:mg/L",
        ).min(0),
        spread("'nh3n'", "Ammonia nitrogen 氨氮", "Class III up to 1 mg/L, V up to 2.", "suffix:mg/L").min(0),
        domain.captured("'dissolved_oxygen'", width=8),
        curves(
            Series(levels),
            "Level 水位",
            "Hourly means, daily ones where hours were too many rows, of the ten sections whose level moved most; "
            "report.traces.",
            "lengthm",
            width=8,
        ),
        spread("'rain'", "Rain 降雨", "Hourly or daily sums of the rain gauges.", "suffix:mm").min(0),
        spread("'conductivity'", "Conductivity 电导率", "What is dissolved.", "suffix:µS/cm").min(0),
        domain.alarms(f"{of_domain('water')} AND {ALARMED}"),
        domain.episodes(f"{of_domain('water')} AND {OF_MINE}"),
        _runoff(),
    ]


def _runoff() -> object:
    storms = f"""
        SELECT station, concat_ws(' ', title, title_zh) AS title, time AS began, peak, peak_time, depth, dry, lag,
               recovery, gauge, distance
        FROM report.runoff WHERE time <= $__timeTo() AND stop >= $__timeFrom() AND {OF_MINE}
        ORDER BY time DESC, station LIMIT 100
    """
    return named(
        rows(
            Sql(storms),
            "Run-off after rain 降雨径流",
            "What washed into the water after a storm, the newest first: the highest reading, the rain before it at "
            "the nearest gauge that spoke, how long it was dry before (empty: the gauge was silent), hours from the "
            "heaviest rain to the peak and from there to its end (empty: not over). report.runoff. Empty: none.",
            width=24,
        ),
        {
            "station": domain.STATION,
            "title": "where 位置",
            "began": "began 开始",
            "peak": "peak 峰值",
            "peak_time": "at 峰时",
            "depth": "rain 雨量",
            "dry": "dry before 前期干期",
            "lag": "to the peak 滞后",
            "recovery": "to its end 恢复",
            "gauge": "gauge 雨量站",
            "distance": "away 距离",
        },
        {"depth": "suffix:mm", "dry": "h", "lag": "h", "recovery": "h", "distance": "lengthkm"},
    ).override_by_name("station", [TO_STATION])
