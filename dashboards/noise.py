"""Noise: levels of day and night against the limits of the zones, the loudest nights, how a day sounds."""

from dashboards import domain
from dashboards.domain import ALARMED, OF_MINE, of_domain
from dashboards.pieces import (
    TO_STATION,
    Dashboard,
    Series,
    Sql,
    coloured,
    counted,
    curves,
    gauges,
    grid,
    mapping,
    named,
    number,
    rows,
    thresholds,
)
from dashboards.shared import CHOSEN, DAYS, spread

HELD = {"true": ("over 超标", "red"), "false": ("within 达标", "green")}
NIGHTS = {"1": ("meets the limit 达标", "green"), "2": ("exceeds the limit 超标", "red")}
#: At most three days, of the newest of the time shown: hours of hundreds of points.
LATELY = "greatest($__timeFrom(), timestamptz $__timeTo() - interval '3 days'), $__timeTo()"
SHOWN_DAYS = "$__timeFrom(), $__timeTo()"
#: Hour of the stations' day.
LOCAL = "extract(hour FROM m.time AT TIME ZONE 'UTC' + make_interval(mins => p.minutes))::int"
NIGHT = f"({LOCAL} >= 22 OR {LOCAL} < 6)"


def build() -> Dashboard:
    """The dashboard `greenwatch-noise`."""
    return domain.dashboard(
        "noise",
        "Greenwatch: noise 噪声",
        "Noise of the district: levels of day (06 to 22) and night (22 to 06, of the day on which it starts) against "
        "the limits of the zones (GB 3096). Times are in the zone of your browser; hours of the day are the stations'.",
        "now-7d",
        ("laeq",),
        [
            ("Is it too loud now? 现在噪声超标吗？", _now()),
            ("Where? 在哪里？", _where()),
            ("Since when? 历程", _history()),
            ("Nights and hours 夜间与时段", _hours()),
        ],
    )


def _now() -> list[object]:
    over = f"SELECT count(*)::int AS points FROM report.state WHERE domain = 'noise' AND class > 1 AND {domain.MINE}"
    most = f"SELECT max(exceedance) AS over FROM report.state WHERE domain = 'noise' AND {domain.MINE}"
    return [
        counted(
            Sql(over),
            "Points over the limit 超标点位",
            "Points whose newest day or night of the last two days is over the limit of its zone; report.state.",
            bad=False,
        ),
        number(
            Sql(most),
            "Most over the limit 最大超标",
            "Of the newest day or night of each point, the greatest excess over the limit of its zone, negative below "
            "it; report.state.",
            "dB",
        ).thresholds(thresholds((None, "green"), (0.5, "orange"), (5.5, "red"))),
        domain.alarms_on("noise"),
        domain.open_episodes("noise"),
        domain.age("noise"),
        domain.capture(("laeq",), 24),
    ]


def _where() -> list[object]:
    levels = f"""
        WITH newest AS MATERIALIZED (
            SELECT DISTINCT ON (a.station, a.period) a.station, a.period, a.time, a.exceedance FROM (
                SELECT d.*, 'ld' AS period
                FROM report.assessed({CHOSEN}, 'GB 3096', 'ld', now() - interval '3 days', now()) d
                UNION ALL
                SELECT n.*, 'ln' AS period
                FROM report.assessed({CHOSEN}, 'GB 3096', 'ln', now() - interval '3 days', now()) n
            ) AS a ORDER BY a.station, a.period, a.time DESC
        ), wide AS (
            SELECT station, max(exceedance) FILTER (WHERE period = 'ld') AS day_over,
                   max(exceedance) FILTER (WHERE period = 'ln') AS night_over, max(time) AS time
            FROM newest GROUP BY station
        ), zone AS MATERIALIZED (
            SELECT station, max(zone) AS zone, max("limit") FILTER (WHERE averaging = 'ld') AS day_limit,
                   max("limit") FILTER (WHERE averaging = 'ln') AS night_limit
            FROM report.noise_limit WHERE parameter = 'laeq' GROUP BY station
        )
        SELECT w.station, z.zone, z.day_limit + w.day_over AS day, z.day_limit, w.day_over,
               z.night_limit + w.night_over AS night, z.night_limit, w.night_over,
               (greatest(w.day_over, w.night_over) > 0)::text AS over,
               extract(epoch FROM now() - w.time)::float8 AS age
        FROM wide w LEFT JOIN zone z ON z.station = w.station
        ORDER BY greatest(w.day_over, w.night_over) DESC NULLS LAST, w.station LIMIT 200
    """
    cells = f"""
        WITH cell AS MATERIALIZED (
            SELECT station, report.binned(time, $__interval_ms, {DAYS}) AS time, max(class) AS class,
                   max(exceedance) AS exceedance
            FROM report.assessed({CHOSEN}, 'GB 3096', 'ln', {SHOWN_DAYS}) WHERE class IS NOT NULL GROUP BY 1, 2
        )
        SELECT time, station AS metric, class::float8 AS value FROM cell
        WHERE station IN (SELECT station FROM cell GROUP BY station ORDER BY sum(exceedance) DESC, station LIMIT 30)
        ORDER BY time, station
    """
    heads = {
        "station": "point 点位",
        "zone": "zone 功能区",
        "day": "day 昼间",
        "day_limit": "limit 限值",
        "day_over": "over 超",
        "night": "night 夜间",
        "night_limit": "limit 夜限值",
        "night_over": "over 夜超",
        "over": "over? 超标",
        "age": "period began 时段始于",
    }
    decibels = dict.fromkeys(("day", "day_limit", "day_over", "night", "night_limit", "night_over"), "dB")
    return [
        named(
            rows(
                Sql(levels),
                "Day and night against the limit 昼夜声级与限值",
                "Newest day and night of the last three days, as rounded to whole dB by the standard, and the limits "
                "of the point's zone (GB 3096). The 200 loudest; report.assessed, report.noise_limit.",
                height=9,
            ),
            heads,
            {**decibels, "age": "s"},
        )
        .override_by_name("over", coloured(HELD))
        .override_by_name("station", [TO_STATION]),
        grid(
            Series(cells),
            "Nights by point 各点逐夜达标",
            "Whether each night met the limit, the worst of each point in time. The thirty points most over it in the "
            "time shown; an empty cell: too few hours. report.assessed.",
            "string",
            width=12,
        ).mappings(mapping(NIGHTS)),
    ]


def _history() -> list[object]:
    over = f"""
        SELECT time, max(day) AS day, max(night) AS night FROM (
            SELECT report.binned(d.time, $__interval_ms, {DAYS}) AS time, max(d.exceedance) AS day,
                   NULL::float8 AS night
            FROM report.assessed({CHOSEN}, 'GB 3096', 'ld', {SHOWN_DAYS}) d GROUP BY 1
            UNION ALL
            SELECT report.binned(n.time, $__interval_ms, {DAYS}), NULL, max(n.exceedance)
            FROM report.assessed({CHOSEN}, 'GB 3096', 'ln', {SHOWN_DAYS}) n GROUP BY 1
        ) AS a GROUP BY time ORDER BY time
    """
    shares = f"""
        SELECT time, max(day) AS day, max(night) AS night FROM (
            SELECT report.binned(d.time, $__interval_ms, {DAYS}) AS time, avg((d.class = 1)::int)::float8 AS day,
                   NULL::float8 AS night
            FROM report.assessed({CHOSEN}, 'GB 3096', 'ld', {SHOWN_DAYS}) d GROUP BY 1
            UNION ALL
            SELECT report.binned(n.time, $__interval_ms, {DAYS}), NULL, avg((n.class = 1)::int)::float8
            FROM report.assessed({CHOSEN}, 'GB 3096', 'ln', {SHOWN_DAYS}) n GROUP BY 1
        ) AS a GROUP BY time ORDER BY time
    """
    return [
        curves(
            Series(over),
            "Over the limit 超标分贝",
            "Of the loudest point of each day: level less the limit of its zone, above 0 it is exceeded; "
            "report.assessed.",
            "dB",
            width=8,
        ).insert_nulls(3 * 86_400_000),
        curves(
            Series(shares),
            "Points within the limit 达标率",
            "Of the points with a level, those within the limit of their zone, by day and by night; report.assessed.",
            "percentunit",
            width=8,
        )
        .min(0)
        .max(1)
        .insert_nulls(3 * 86_400_000),
        domain.captured("'laeq'", width=8),
        spread(
            "'laeq'", "Levels 声级", "Hourly equivalent levels; their mean is of the figures, not of the energy.", "dB"
        ),
        domain.alarms(f"{of_domain('noise')} AND {ALARMED}", width=8),
        domain.episodes(f"{of_domain('noise')} AND {OF_MINE}", width=8),
    ]


def _hours() -> list[object]:
    loudest = f"""
        WITH zone AS MATERIALIZED (
            SELECT l.station, l.zone, l."limit", p.minutes FROM report.noise_limit l
            JOIN report.place p ON p.station = l.station WHERE l.parameter = 'laeq' AND l.averaging = 'ln'
        ), hour AS MATERIALIZED (
            SELECT m.station, m.time, m.value, m.count, m.expected
            FROM report.means({CHOSEN}, ARRAY['laeq'], 'hour', {LATELY}) m WHERE m.value IS NOT NULL
        )
        SELECT m.station, p.zone, m.time, m.value, p."limit", m.value - p."limit" AS over,
               m.count::float8 / nullif(m.expected, 0) AS capture
        FROM hour m LEFT JOIN zone p ON p.station = m.station
        WHERE {NIGHT} ORDER BY m.value - p."limit" DESC NULLS LAST, m.time, m.station LIMIT 100
    """
    hours = f"""
        SELECT to_char({LOCAL}, 'FM00') AS hour, 10 * log(avg(power(10::float8, m.value / 10))) AS level
        FROM report.means({CHOSEN}, ARRAY['laeq'], 'hour', {LATELY}) m JOIN report.place p ON p.station = m.station
        WHERE m.value IS NOT NULL GROUP BY 1 ORDER BY 1
    """
    peaks = f"""
        SELECT l.station, l.time, l.value, f."limit", l.value - f."limit" AS over,
               extract(epoch FROM now() - l.time)::float8 AS age
        FROM (
            SELECT DISTINCT ON (station) station, time, value FROM report.latest
            WHERE parameter = 'lafmax' AND statistic = '' ORDER BY station, time DESC
        ) AS l LEFT JOIN report.noise_limit f ON f.station = l.station AND f.parameter = 'lafmax'
        WHERE l.{OF_MINE}
        ORDER BY l.value - f."limit" DESC NULLS LAST, l.value DESC, l.station LIMIT 100
    """
    heads = {
        "station": "point 点位",
        "zone": "zone 功能区",
        "time": "at 时间",
        "value": "level 声级",
        "limit": "limit 限值",
        "over": "over 超",
        "capture": "capture 获取率",
        "age": domain.AGE,
    }
    units = {"value": "dB", "limit": "dB", "over": "dB", "capture": "percentunit", "age": "s"}
    return [
        named(
            rows(
                Sql(loudest),
                "Loudest hours of the nights 夜间峰值时段",
                "Hours between 22 and 06 of the last three days of the time shown, the hundred most over the night "
                "limit of their zone; an hour beyond it is a sign, not a verdict. report.means, report.noise_limit.",
                width=8,
            ),
            heads,
            units,
        ).override_by_name("station", [TO_STATION]),
        named(
            rows(
                Sql(peaks),
                "Newest peaks 最新最大声级",
                "Newest highest level (LAFmax) of each point as it came, against what sudden noise may reach at night "
                "(night limit + 15 dB); report.latest, report.noise_limit.",
                width=8,
            ),
            heads,
            units,
        ).override_by_name("station", [TO_STATION]),
        gauges(
            Sql(hours),
            "A day, hour by hour 一日声级",
            "Energy mean of all hourly levels of the last three days of the time shown, by hour of the stations' day; "
            "report.means.",
            "dB",
        )
        .min(30)
        .thresholds(thresholds((None, "blue"))),
    ]
