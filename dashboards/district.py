"""The district on one screen: is something wrong now, where, and since when."""

from dashboards import domain
from dashboards.pieces import (
    DISTRICT,
    LATE,
    TO_STATION,
    Dashboard,
    Series,
    Sql,
    begun,
    classes,
    coloured,
    counted,
    curves,
    finished,
    grid,
    mapping,
    named,
    number,
    prom,
    question,
    rows,
    thresholds,
)
from dashboards.shared import DAYS, DISTRICTS, HERE, OURS, SHOWN, marked

#: All stations of the chosen districts, as functions of many stations take them.
ALL = f"{DISTRICTS}, ARRAY['']"
#: Zones whose probe, or else weather station, is of the chosen districts.
ZONE = (
    "zone IN (SELECT z.zone FROM report.zone z JOIN report.district ON station = coalesce(z.probe, z.weather) "
    f"WHERE {HERE})"
)
#: [ms]
DAY = 86_400_000
ZONES = "Times are in the zone of your browser."


def build() -> Dashboard:
    """The dashboard `greenwatch-district`."""
    made = begun(
        "greenwatch-district",
        "Greenwatch: district 区域总览",
        f"Air, water, noise and soil of the district: what is wrong now, where, and since when. {ZONES}",
        "now-7d",
        "now",
    )
    made = made.with_variable(question("district", "district 区", DISTRICT, several=True))
    return finished(
        marked(made, OURS, many=True),
        [
            ("Is something wrong now? 现在有异常吗？", _now()),
            ("Where? 在哪里？", _where()),
            ("Since when? 历程", _history()),
        ],
    )


def _now() -> list[object]:
    open_ones = f"SELECT count(*)::int AS episodes FROM report.episode WHERE NOT closed AND about = 'event' AND {OURS}"
    age = f"SELECT extract(epoch FROM now() - max(newest))::float8 AS age FROM report.state WHERE {HERE}"
    silent = f"SELECT count(*)::int AS silent FROM report.state WHERE silent AND domain <> '' AND {HERE}"
    dry = f"SELECT count(*) FILTER (WHERE water)::int AS zones FROM report.advice WHERE {ZONE}"
    on = 'sum(max by (state) (greenwatch_alarms{state=~"firing|blind|recovering"}))'
    return [
        counted(
            prom(on),
            "Alarms on 报警中",
            "Alarms that are firing, or were and are blind or recovering, of all districts; from /metrics. "
            "No data means that greenwatch does not answer, not that nothing is wrong.",
        ),
        counted(
            Sql(open_ones),
            "Open episodes 进行中的过程",
            "Runs over a line that no quiet stretch has ended yet, without what is expected and hints at devices; "
            "report.episode.",
        ),
        number(
            Sql(age),
            "Newest reading 最新读数",
            "Age: since the newest reading of any station; report.state. Above 10 minutes nothing here is of now.",
            "s",
        ).thresholds(thresholds(*LATE)),
        counted(
            Sql(silent),
            "Silent stations 离线站点",
            "No reading for three steps of the station's densest series, and at least 15 minutes; report.state.",
            bad=False,
        ),
        number(
            prom("time() - min(greenwatch_settled_timestamp_seconds)"),
            "Work behind 待算积压",
            "Age of the oldest window that is due and not done, over all stages; from /metrics.",
            "s",
        ).thresholds(thresholds((None, "green"), (60, "orange"), (600, "red"))),
        number(
            Sql(dry),
            "Zones to water 需灌溉地块",
            "Zones of the district whose newest advice says water; report.advice.",
            "short",
        ).thresholds(thresholds((None, "green"), (1, "blue"))),
    ]


def _where() -> list[object]:
    domains = f"""
        SELECT domain, count(*)::int AS stations, count(*) FILTER (WHERE NOT silent)::int AS reporting,
               (array_agg(label ORDER BY class DESC NULLS LAST))[1] AS label,
               extract(epoch FROM now() - max(newest))::float8 AS age
        FROM report.state WHERE domain <> '' AND {HERE} GROUP BY domain ORDER BY domain
    """
    moisture = f"""
        SELECT l.station, l.position || ' m' AS position, l.value, extract(epoch FROM now() - l.time)::float8 AS age
        FROM report.latest l WHERE l.parameter = 'soil_moisture' AND l.statistic = '' AND {OURS}
        ORDER BY l.value, 1, 2 LIMIT 200
    """
    advice = f"""
        SELECT zone, water::text AS water, depth, volume, minutes, latest,
               extract(epoch FROM now() - issued)::float8 AS age, reason, reason_zh
        FROM report.advice WHERE {ZONE} ORDER BY water DESC NULLS LAST, depletion / nullif(raw, 0) DESC NULLS LAST, zone
        LIMIT 200
    """
    return [
        named(
            rows(
                Sql(domains),
                "By domain 分领域",
                "Stations of each domain, those that report, the worst class among them and the age of their newest "
                "reading; report.state.",
                width=8,
                height=8,
            ),
            {
                "domain": "domain 领域",
                "stations": "stations 站点",
                "reporting": "reporting 在线",
                "label": "worst 最差",
                "age": "newest 最新",
            },
            {"age": "s"},
        ).override_by_name("label", coloured(classes())),
        domain.alarms("coalesce(district, '') = ANY(ARRAY[${district:sqlstring}]::text[])", width=16, height=8),
        domain.classed(
            "Air index by station 空气质量指数",
            "Newest hourly index (HJ 633, the edition in force) of the last two days, from hourly means of readings "
            "that are not failed; report.state.",
            "air",
            "index",
            "index 指数",
            "none",
            mine=HERE,
            height=8,
        ),
        domain.classed(
            "Water class by section 断面水质类别",
            "Newest class (GB 3838) of the last two days: the worst of the indicators present, `count` of them; "
            "report.state.",
            "water",
            "count",
            "indicators 指标数",
            "none",
            mine=HERE,
            height=8,
        ),
        domain.classed(
            "Noise against the zone's limit 噪声与限值",
            "Newest day (06 to 22) or night (22 to 06) level against the limit of the station's noise zone (GB 3096): "
            "positive is over; report.state.",
            "noise",
            "exceedance",
            "over the limit 超标",
            "dB",
            mine=HERE,
            height=8,
        ),
        named(
            rows(
                Sql(moisture),
                "Soil moisture by depth 土壤墒情",
                "Newest reading of each probe and depth as it came, before it is judged, the 200 driest; "
                "report.latest.",
                height=8,
            ),
            {"station": "station 站点", "position": "height 高度", "value": "moisture 含水量", "age": "age 距今"},
            {"value": "percentunit", "age": "s"},
        ).override_by_name("station", [TO_STATION]),
        named(
            rows(
                Sql(advice),
                "Irrigation advice 灌溉建议",
                "Newest advice of each zone: net depth, gross volume, minutes at its flow, and by when, the 200 "
                "driest; report.advice.",
                width=24,
                height=7,
            ),
            {
                "zone": "zone 地块",
                "water": "water? 灌溉",
                "depth": "net 净水量",
                "volume": "gross 毛水量",
                "minutes": "run 时长",
                "latest": "by 最迟",
                "age": domain.AGE,
                "reason": "reason",
                "reason_zh": "理由",
            },
            {"depth": "suffix:mm", "volume": "m3", "minutes": "m", "age": "s"},
        ).override_by_name("water", coloured(domain.WET)),
    ]


def _history() -> list[object]:
    air = f"SELECT time, worst, median, best FROM report.indices({ALL}, 'HJ 633', {SHOWN}) ORDER BY time"
    daily = f"report.assessed({ALL}, 'GB 3838', 'day', $__timeFrom(), $__timeTo())"
    water = domain.worst_cells(daily, DAYS, 15)
    noise = f"""
        SELECT report.binned(time, $__interval_ms, {DAYS}) AS time, max(day) AS day, max(night) AS night FROM (
            SELECT d.time, d.exceedance AS day, NULL::float8 AS night
            FROM report.assessed({ALL}, 'GB 3096', 'ld', $__timeFrom(), $__timeTo()) d
            UNION ALL
            SELECT n.time, NULL, n.exceedance
            FROM report.assessed({ALL}, 'GB 3096', 'ln', $__timeFrom(), $__timeTo()) n
        ) AS a GROUP BY 1 ORDER BY 1
    """
    soil = f"""
        SELECT b.time, max(b.depletion / nullif(b.raw, 0)) AS driest,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY b.depletion / nullif(b.raw, 0)) AS median
        FROM report.water_balance b WHERE $__timeFilter(b.time) AND b.{ZONE}
        GROUP BY b.time ORDER BY b.time
    """
    return [
        curves(
            Series(air),
            "Air index 空气质量指数",
            "Hourly index (HJ 633) over the stations of the district, of days where hours were too many rows: worst, "
            "median, best. Gaps stay gaps. report.indices.",
            "none",
            width=8,
        ).min(0),
        grid(
            Series(water),
            "Water class 水质类别",
            "Daily class (GB 3838) of the fifteen worst sections, worst of the indicators present and of each point; "
            "an empty cell: no class. report.assessed.",
            "string",
            width=8,
            height=7,
        ).mappings(mapping(classes("GB 3838-2002"))),
        curves(
            Series(noise),
            "Noise over the limit 噪声超标",
            "Of the loudest station: level of day and night less the limit of its zone, above 0 it is exceeded; "
            "report.assessed.",
            "dB",
            width=8,
        ).insert_nulls(3 * DAY),
        curves(
            Series(soil),
            "Root-zone depletion 根区亏缺",
            "Water missing to field capacity at the end of each day, of what is readily available, of the driest zone "
            "and in the middle; over 100 % plants suffer. From the daily balance (FAO-56); report.water_balance.",
            "percentunit",
            width=8,
        )
        .min(0)
        .insert_nulls(3 * DAY),
        domain.episodes(OURS, width=16),
        domain.regions(OURS, width=24),
    ]
