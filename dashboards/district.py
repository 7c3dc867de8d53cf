"""The district on one screen: is something wrong now, where, and since when."""

from dashboards.pieces import (
    DISTRICT,
    LATE,
    LEVELS,
    TO_STATION,
    YES,
    Dashboard,
    Series,
    Sql,
    Table,
    begun,
    classes,
    coloured,
    curves,
    episodes,
    finished,
    mapping,
    named,
    number,
    prom,
    question,
    rows,
    thresholds,
    timeline,
)

HERE = "district IN (${district:sqlstring})"
OURS = f"station IN (SELECT station FROM report.district WHERE {HERE})"
ZONES = "Times are in the zone of your browser."
#: What stands in the way of a class being of now is its age: shown beside each.
TITLES = {"station": "station 站点", "title": "name 名称", "title_zh": "名称", "label": "class 级别"}


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
        made,
        [
            ("Is something wrong now? 现在有异常吗？", _now()),
            ("Where? 在哪里？", _where()),
            ("Since when? 历程", _history()),
        ],
    )


def _now() -> list[object]:
    open_ones = f"SELECT count(*)::int AS episodes FROM report.episode WHERE NOT closed AND {OURS}"
    age = f"SELECT extract(epoch FROM now() - max(newest))::float8 AS age FROM report.state WHERE {HERE}"
    silent = f"SELECT count(*)::int AS silent FROM report.state WHERE silent AND domain <> '' AND {HERE}"
    dry = "SELECT count(*) FILTER (WHERE water)::int AS zones FROM report.advice"
    some = thresholds((None, "green"), (1, "orange"))
    bad = thresholds((None, "green"), (1, "red"))
    on = 'sum(max by (state) (greenwatch_alarms{state=~"firing|blind|recovering"}))'
    return [
        number(
            prom(on),
            "Alarms on 报警中",
            "Alarms that are firing, or were and are blind or recovering, of all districts; from /metrics. "
            "No data means that greenwatch does not answer, not that nothing is wrong.",
            "short",
        ).thresholds(bad),
        number(
            Sql(open_ones),
            "Open episodes 进行中的过程",
            "Runs over a legal mean that no quiet stretch has ended yet; report.episode.",
            "short",
        ).thresholds(bad),
        number(
            Sql(age),
            "Age of the newest reading 最新读数",
            "Since the newest reading of any station; report.state. Above 10 minutes nothing here is of now.",
            "s",
        ).thresholds(thresholds(*LATE)),
        number(
            Sql(silent),
            "Silent stations 离线站点",
            "No reading for three steps of the station's densest series, and at least 15 minutes; report.state.",
            "short",
        ).thresholds(some),
        number(
            prom("time() - min(greenwatch_settled_timestamp_seconds)"),
            "Work behind 待算积压",
            "Age of the oldest window that is due and not done, over all stages; from /metrics.",
            "s",
        ).thresholds(thresholds((None, "green"), (60, "orange"), (600, "red"))),
        number(
            Sql(dry),
            "Zones to water 需灌溉地块",
            "Zones whose newest advice says water; report.advice.",
            "short",
        ).thresholds(thresholds((None, "green"), (1, "blue"))),
    ]


def _classed(title: str, description: str, domain: str, column: str, head: str, unit: str) -> Table:
    """A row a station of `domain`: class in words and colour, `column`, main pollutants, age; the worst first."""
    query = f"""
        SELECT station, title, label, {column}, "primary",
               extract(epoch FROM now() - assessed)::float8 AS assessed, silent::text AS silent
        FROM report.state WHERE domain = '{domain}' AND {HERE}
        ORDER BY class DESC NULLS LAST, {column} DESC NULLS LAST, station
    """
    heads = TITLES | {
        column: head,
        "primary": "main pollutant 首要污染物",
        "assessed": "period began 时段始于",
        "silent": "silent 离线",
    }
    panel = named(rows(Sql(query), title, description), heads, {column: unit, "assessed": "s"})
    panel = panel.override_by_name("label", coloured(classes())).override_by_name("silent", coloured(YES))
    return panel.override_by_name("station", [TO_STATION])


def _where() -> list[object]:
    domains = f"""
        SELECT domain, count(*)::int AS stations, count(*) FILTER (WHERE NOT silent)::int AS reporting,
               (array_agg(label ORDER BY class DESC NULLS LAST))[1] AS label,
               extract(epoch FROM now() - max(newest))::float8 AS age
        FROM report.state WHERE domain <> '' AND {HERE} GROUP BY domain ORDER BY domain
    """
    alarms = f"""
        SELECT station, title, title_zh, severity, level::text AS level, state, since, edge
        FROM report.alarm WHERE state <> 'ok' AND {OURS} ORDER BY level DESC, since DESC
    """
    moisture = f"""
        SELECT l.station, l.position, l.value, extract(epoch FROM now() - l.time)::float8 AS age
        FROM report.latest l WHERE l.parameter = 'soil_moisture' AND l.statistic = '' AND {OURS}
        ORDER BY l.station, l.position
    """
    advice = """
        SELECT zone, water::text AS water, depth, volume, minutes, latest, reason, reason_zh
        FROM report.advice ORDER BY water DESC, zone
    """
    wet = {"true": ("water 灌溉", "blue"), "false": ("no 无需", "green")}
    return [
        named(
            rows(
                Sql(domains),
                "By domain 分领域",
                "Stations of each domain, those that report, the worst class among them and the age of their newest "
                "reading; report.state.",
                width=8,
                height=6,
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
        named(
            rows(
                Sql(alarms),
                "Alarms 报警",
                "Alarms that are not ok, with the newest evidence they have seen; report.alarm. Blind: the station is "
                "silent, which ends nothing.",
                width=16,
                height=6,
            ),
            {
                "station": "station 站点",
                "title": "what 报警",
                "title_zh": "报警",
                "severity": "severity 分级",
                "level": "level 等级",
                "state": "state 状态",
                "since": "since 自",
                "edge": "evidence up to 证据截至",
            },
        )
        .override_by_name("level", coloured(LEVELS))
        .override_by_name("station", [TO_STATION]),
        _classed(
            "Air index by station 空气质量指数",
            "Newest hourly index (HJ 633, the edition in force) of the last two days, from hourly means of readings "
            "that are not failed; report.state.",
            "air",
            "index",
            "index 指数",
            "none",
        ),
        _classed(
            "Water class by section 断面水质类别",
            "Newest class (GB 3838) of the last two days: the worst of the indicators present, `count` of them; "
            "report.state.",
            "water",
            "count",
            "indicators 指标数",
            "none",
        ),
        _classed(
            "Noise against the zone's limit 噪声与限值",
            "Newest day (06 to 22) or night (22 to 06) level against the limit of the station's noise zone (GB 3096): "
            "positive is over; report.state.",
            "noise",
            "exceedance",
            "over the limit 超标",
            "dB",
        ),
        named(
            rows(
                Sql(moisture),
                "Soil moisture by depth 土壤墒情",
                "Newest reading of each probe and depth as it came, before it is judged; report.latest.",
            ),
            {"station": "station 站点", "position": "height 高度", "value": "moisture 含水量", "age": "age 距今"},
            {"value": "percentunit", "age": "s"},
        ).override_by_name("station", [TO_STATION]),
        named(
            rows(
                Sql(advice),
                "Irrigation advice 灌溉建议",
                "Newest advice of each zone: net depth, gross volume, minutes at its flow, and by when; report.advice.",
                width=24,
                height=5,
            ),
            {
                "zone": "zone 地块",
                "water": "water? 灌溉",
                "depth": "net 净水量",
                "volume": "gross 毛水量",
                "minutes": "run 时长",
                "latest": "by 最迟",
                "reason": "reason",
                "reason_zh": "理由",
            },
            {"depth": "lengthmm", "volume": "m3", "minutes": "m"},
        ).override_by_name("water", coloured(wet)),
    ]


def _history() -> list[object]:
    air = f"""
        SELECT time, max(index)::float8 AS worst, percentile_cont(0.5) WITHIN GROUP (ORDER BY index) AS median,
               min(index)::float8 AS best
        FROM report.assessment WHERE averaging = 'hour' AND standard LIKE 'HJ 633%' AND index IS NOT NULL
              AND $__timeFilter(time) AND {OURS} GROUP BY time ORDER BY time
    """
    water = f"""
        SELECT time, station AS metric, class::float8 AS value FROM report.assessment
        WHERE averaging = 'day' AND standard LIKE 'GB 3838%' AND $__timeFilter(time) AND {OURS} ORDER BY time, station
    """
    noise = f"""
        SELECT time, averaging AS metric, max(exceedance) AS value FROM report.assessment
        WHERE averaging IN ('ld', 'ln') AND standard LIKE 'GB 3096%' AND $__timeFilter(time) AND {OURS}
        GROUP BY time, averaging ORDER BY time
    """
    soil = """
        SELECT time, zone AS metric, depletion AS value FROM report.water_balance
        WHERE $__timeFilter(time) ORDER BY 1, 2
    """
    return [
        curves(
            Series(air),
            "Air index 空气质量指数",
            "Hourly index (HJ 633) over the stations of the district: worst, median, best; report.assessment.",
            "none",
            width=8,
        ).min(0),
        timeline(
            Series(water),
            "Water class 水质类别",
            "Daily class of each section (GB 3838), worst of the indicators present; report.assessment.",
            "none",
            width=8,
        ).mappings(mapping(classes("GB 3838-2002"))),
        curves(
            Series(noise),
            "Noise over the limit 噪声超标",
            "Of the loudest station: day (ld) and night (ln) level less the limit of its zone, above 0 it is "
            "exceeded; report.assessment.",
            "dB",
            width=8,
        ),
        curves(
            Series(soil),
            "Root-zone depletion 根区亏缺",
            "Water missing to field capacity at the end of each day, by zone, from the daily balance (FAO-56); "
            "report.water_balance.",
            "lengthmm",
            width=8,
        ).min(0),
        episodes(
            OURS,
            500,
            "Episodes that touch the time shown, the newest first, at most 500; report.episode.",
            station=True,
            width=16,
        ),
    ]
