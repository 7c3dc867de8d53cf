"""Soil and irrigation: moisture by depth, what the root zones lack, what to water, what that saved, rain and ET0."""

from dashboards import domain
from dashboards.domain import ALARMED, MINE, OF_MINE, of_domain
from dashboards.pieces import (
    TO_STATION,
    Dashboard,
    Series,
    Sql,
    coloured,
    curves,
    named,
    number,
    override,
    rows,
    stacked,
    thresholds,
)
from dashboards.shared import CHOSEN, DAYS, SHOWN, spread

#: Zones whose probe is chosen; those without one, by the station of their weather.
ZONES = f"""SELECT z.zone FROM report.zone z JOIN report.district ON station = coalesce(z.probe, z.weather)
               WHERE {MINE}"""
ZONE = f"zone IN ({ZONES})"
#: What the columns of a zone's names are called in a table.
CALLED = {"zone": "zone 地块", "title": domain.NAME, "title_zh": domain.NAME_ZH}


def build() -> Dashboard:
    """The dashboard `greenwatch-soil`."""
    return domain.dashboard(
        "soil",
        "Greenwatch: soil and irrigation 墒情与灌溉",
        "Soil moisture and the irrigated zones of the district: what they lack, what is advised, what was saved, rain "
        "and evapotranspiration. Times are in the zone of your browser; a day is the stations'.",
        "now-30d",
        ("soil_moisture", "soil_temperature", "rain", "reference_evapotranspiration"),
        [
            ("Is anything dry now? 现在缺水吗？", _now()),
            ("Where? 在哪里？", _where()),
            ("The soil 土壤", _soil()),
            ("Water: need, rain, irrigation 需水、降雨与灌溉", _water()),
        ],
        without="episodes",  # there is no rule of them
    )


def _now() -> list[object]:
    dry = f"SELECT count(*) FILTER (WHERE water)::int AS zones FROM report.advice WHERE {ZONE}"
    volume = f"SELECT coalesce(sum(volume) FILTER (WHERE water), 0)::float8 AS volume FROM report.advice WHERE {ZONE}"
    lack = f"SELECT max(depletion / nullif(raw, 0)) AS share FROM report.advice WHERE {ZONE}"
    told = f"SELECT extract(epoch FROM now() - min(issued))::float8 AS age FROM report.advice WHERE {ZONE}"
    blue = thresholds((None, "green"), (1, "blue"))
    return [
        number(
            Sql(dry),
            "Zones to water 需灌溉地块",
            "Zones whose newest advice says water; report.advice.",
            "short",
        ).thresholds(blue),
        number(
            Sql(volume),
            "Water to give 应灌水量",
            "Gross volume of all zones whose newest advice says water; report.advice.",
            "m3",
        ).thresholds(thresholds((None, "green"), (0.001, "blue"))),
        number(
            Sql(lack),
            "Driest zone 最旱地块",
            "Depletion of the root zone, of what is readily available, of the driest zone by its newest advice: over "
            "100 % plants suffer; report.advice.",
            "percentunit",
        ).thresholds(thresholds((None, "green"), (0.8, "orange"), (1, "red"))),
        number(
            Sql(told),
            "Oldest advice 建议时效",
            "Since the newest advice of the zone whose advice is oldest; report.advice.",
            "s",
        ).thresholds(thresholds((None, "green"), (129_600, "orange"), (216_000, "red"))),
        domain.age("soil"),
        domain.capture(("soil_moisture",), 24),
    ]


def _where() -> list[object]:
    advice = f"""
        SELECT zone, title, title_zh, water::text AS water, depth, volume, minutes, latest,
               depletion / nullif(raw, 0) AS share, extract(epoch FROM now() - issued)::float8 AS age, reason, reason_zh
        FROM report.advice WHERE {ZONE} ORDER BY water DESC NULLS LAST, share DESC NULLS LAST, zone LIMIT 200
    """
    probes = f"""
        SELECT l.station, l.position || ' m' AS position, l.value, extract(epoch FROM now() - l.time)::float8 AS age
        FROM report.latest l
        WHERE l.parameter = 'soil_moisture' AND l.statistic = '' AND l.{OF_MINE}
        ORDER BY l.value, 1, 2 LIMIT 200
    """
    return [
        named(
            rows(
                Sql(advice),
                "Irrigation advice 灌溉建议",
                "Newest advice of each zone: net depth, gross volume, minutes at its flow, and by when; depletion of "
                "what is readily available; the 200 driest. report.advice.",
                width=16,
                height=8,
            ),
            {
                **CALLED,
                "water": "water? 灌溉",
                "depth": "net 净水量",
                "volume": "gross 毛水量",
                "minutes": "run 时长",
                "latest": "by 最迟",
                "share": "depletion 亏缺",
                "age": domain.AGE,
                "reason": "reason",
                "reason_zh": "理由",
            },
            {"depth": "suffix:mm", "volume": "m3", "minutes": "m", "share": "percentunit", "age": "s"},
        ).override_by_name("water", coloured(domain.WET)),
        named(
            rows(
                Sql(probes),
                "Soil moisture now 当前墒情",
                "Newest reading of each probe and depth as it came, before it is judged, the 200 driest; "
                "report.latest.",
                width=8,
                height=8,
            ),
            {"station": domain.STATION, "position": "height 高度", "value": "moisture 含水量", "age": domain.AGE},
            {"value": "percentunit", "age": "s"},
        ).override_by_name("station", [TO_STATION]),
    ]


def _seen() -> object:
    seen = f"""
        SELECT time, stop, zone, title, title_zh, meter, moisture, volume, evidence FROM report.watering
        WHERE $__timeFilter(time) AND {ZONE} ORDER BY time DESC, zone LIMIT 200
    """
    return named(
        rows(
            Sql(seen),
            "Waterings seen 已见灌溉",
            "Runs of a meter, and rises of the root zone that no rain explains, the 200 newest: mm by the meter, mm by "
            "which the moisture rose beyond the rain; report.watering.",
            width=12,
            height=8,
        ),
        {
            "time": "from 开始",
            "stop": "to 结束",
            **CALLED,
            "meter": "by meter 水表",
            "moisture": "by moisture 墒情",
            "volume": "volume 水量",
            "evidence": "evidence 依据",
        },
        {"meter": "suffix:mm", "moisture": "suffix:mm", "volume": "m3"},
    )


def _limits() -> object:
    limits = f"""
        SELECT zone, title, title_zh, texture, field_capacity, fc, fc_doubt, fc_seen, wilting_point, wp, wp_doubt,
               wp_seen, days
        FROM report.soil_limit WHERE {ZONE} ORDER BY zone LIMIT 200
    """
    return named(
        rows(
            Sql(limits),
            "What the soil holds 土壤持水",
            "Field capacity and wilting point as the dry-downs of the last year show them, with their standard "
            "deviation, beside what the zone is registered with (none: the table's); of fewer than 3 dry-downs it is "
            "the table's range. Nothing goes by it until somebody registers it. report.soil_limit.",
            width=12,
            height=8,
        ),
        {
            **CALLED,
            "texture": "texture 质地",
            "field_capacity": "capacity registered 登记田持",
            "fc": "capacity 田间持水量",
            "fc_doubt": "± 田持",
            "fc_seen": "of dry-downs 次数",
            "wilting_point": "wilting registered 登记凋萎",
            "wp": "wilting 凋萎含水量",
            "wp_doubt": "± 凋萎",
            "wp_seen": "of dry-downs 干旱次数",
            "days": "days 天数",
        },
        dict.fromkeys(("field_capacity", "fc", "fc_doubt", "wilting_point", "wp", "wp_doubt"), "percentunit"),
    )


def _quota() -> object:
    burnt = """
        WITH last AS (SELECT DISTINCT ON (supply) supply, out FROM report.quota ORDER BY supply, day DESC)
        SELECT q.time, concat_ws(' ', q.supply, 'left 剩余', to_char(l.out, '"(out 用尽 "YYYY-MM-DD")"')) AS metric,
               q."left" AS value
        FROM report.quota q JOIN last l USING (supply) WHERE $__timeFilter(q.time)
        UNION ALL
        SELECT time, supply || ' if even 匀速' AS metric, even AS value FROM report.quota WHERE $__timeFilter(time)
        ORDER BY 1, 2 LIMIT 8000
    """
    return curves(
        Series(burnt),
        "Quota burn-down 用水指标消耗",
        "What is left of the year's quota of each supply by what meters saw, and what would be left if it were used "
        "evenly; the day on which nothing is left at the pace of the last 30 days. report.quota.",
        "m3",
        width=12,
    ).min(0)


def _proved() -> object:
    proved = f"""
        SELECT zone, title, title_zh, to_char(month, 'YYYY-MM') AS month, used, baseline, saved, saved_low, saved_high,
               share, volume, stressed FROM report.saving
        WHERE time < $__timeTo() AND time + interval '1 month' > $__timeFrom() AND {ZONE}
        ORDER BY month DESC, volume DESC NULLS LAST, zone LIMIT 200
    """
    return named(
        rows(
            Sql(proved),
            "Saved against a fixed schedule 较定时灌溉节水",
            "Months of the time shown: water used as meters and moisture saw it, and what a weekly schedule "
            "would have used in the same weather for no more days of stress, with nine of ten that might be; "
            "report.saving.",
            width=24,
            height=8,
        ),
        {
            **CALLED,
            "month": "month 月份",
            "used": "used 用水",
            "baseline": "schedule 定时灌溉",
            "saved": "saved 节水",
            "saved_low": "at least 至少",
            "saved_high": "at most 至多",
            "share": "share 节水率",
            "volume": "saved, volume 节水量",
            "stressed": "days of stress 受旱日",
        },
        {
            **dict.fromkeys(("used", "baseline", "saved", "saved_low", "saved_high"), "suffix:mm"),
            "share": "percentunit",
            "volume": "m3",
        },
    )


def _soil() -> list[object]:
    depths = f"""
        SELECT CASE grain WHEN 'hour' THEN report.binned(time, $__interval_ms, 3600)
                          ELSE report.binned(time, $__interval_ms, {DAYS}) END AS time,
               position || ' m' AS metric, avg(value) AS value
        FROM report.traces({CHOSEN}, 'soil_moisture', {SHOWN}) WHERE value IS NOT NULL
        GROUP BY 1, position ORDER BY 1, 2
    """
    return [
        curves(
            Series(depths),
            "Moisture by depth 分层墒情",
            "Mean of the chosen probes by depth (height below 0), from hourly means, from daily ones where hours were "
            "too many rows; report.traces.",
            "percentunit",
        ),
        _limits(),
        spread("'soil_temperature'", "Soil temperature 土壤温度", "All depths of the chosen probes.", "celsius"),
        domain.captured("'soil_moisture'", width=8),
        domain.alarms(f"{of_domain('soil')} AND {ALARMED}", width=8),
    ]


def _water() -> list[object]:
    depletion = f"""
        WITH day AS MATERIALIZED (
            SELECT time, zone, depletion, raw FROM report.water_balance
            WHERE $__timeFilter(time) AND {ZONE}
        )
        SELECT time, zone AS metric, depletion / nullif(raw, 0) AS value FROM day
        WHERE zone IN (
            SELECT zone FROM day GROUP BY zone ORDER BY max(depletion / nullif(raw, 0)) DESC NULLS LAST, zone LIMIT 15
        )
        ORDER BY 1, 2
    """
    flows = f"""
        SELECT time, avg(rain) AS rain, avg(irrigation) AS irrigation FROM report.water_balance
        WHERE $__timeFilter(time) AND {ZONE} GROUP BY time ORDER BY time
    """
    need = f"""
        SELECT time, avg(et0) AS et0, avg(etc) AS etc FROM report.water_balance
        WHERE $__timeFilter(time) AND {ZONE} GROUP BY time ORDER BY time
    """
    saved = f"""
        SELECT b.zone, z.title, z.title_zh, sum(b.etc) AS need, sum(b.irrigation) AS irrigation,
               sum(b.effective_rain) AS rain, sum(b.etc) - sum(b.irrigation) AS saved,
               (sum(b.etc) - sum(b.irrigation)) * max(z.area) / 1000 AS volume,
               count(*) FILTER (WHERE b.ks < 1)::int AS stressed, count(*)::int AS days,
               avg((b.fallbacks = '{{}}')::int)::float8 AS complete
        FROM report.water_balance b JOIN report.zone z ON z.zone = b.zone
        WHERE $__timeFilter(b.time) AND b.{ZONE} GROUP BY b.zone, z.title, z.title_zh
        ORDER BY volume DESC NULLS LAST, b.zone LIMIT 200
    """
    return [
        curves(
            Series(depletion),
            "Root-zone depletion 根区亏缺",
            "Water missing to field capacity at the end of each day, of what is readily available: over 100 % plants "
            "suffer. From the daily balance (FAO-56), the fifteen driest zones of the time shown; "
            "report.water_balance.",
            "percentunit",
            width=8,
        )
        .min(0)
        .insert_nulls(3 * 86_400_000),
        stacked(
            curves(
                Series(flows),
                "Rain and irrigation 降雨与灌溉",
                "Mean of the zones by day: rain as measured, irrigation as far as a meter tells; report.water_balance.",
                "suffix:mm",
                width=8,
            )
        ).min(0),
        curves(
            Series(need),
            "Evapotranspiration 蒸散量",
            "Mean of the zones by day: reference (ET0) and of the cover after stress (ETc), FAO-56; "
            "report.water_balance.",
            "suffix:mm",
            width=8,
        )
        .min(0)
        .insert_nulls(3 * 86_400_000),
        named(
            rows(
                Sql(saved),
                "Water saved 节水",
                "Over the days shown: what the plants used (ETc) less what was irrigated, that is what rain and the "
                "soil's store gave; net, against a schedule that brings back all that evaporates. Beside it the days "
                "under stress and the share of days for which nothing was filled in. report.water_balance, "
                "report.zone.",
                width=24,
            ),
            {
                **CALLED,
                "need": "used 需水",
                "irrigation": "irrigated 灌溉",
                "rain": "effective rain 有效降雨",
                "saved": "saved 节水",
                "volume": "saved, volume 节水量",
                "stressed": "days of stress 受旱日",
                "days": "days 天数",
                "complete": "days complete 完整率",
            },
            {
                **dict.fromkeys(("need", "irrigation", "rain", "saved"), "suffix:mm"),
                "volume": "m3",
                "complete": "percentunit",
            },
        ).override_by_name("saved", [override("custom.cellOptions", {"type": "color-text"})]),
        _seen(),
        _quota(),
        _proved(),
    ]
