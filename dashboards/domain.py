"""What the dashboards of air, water, noise and soil have alike: the top row, classes, alarms, episodes, coverage."""

from collections.abc import Sequence
from typing import Any

from dashboards.pieces import (
    ABOUT,
    FULL,
    LATE,
    LEVELS,
    OVER,
    TO_STATION,
    YES,
    Dashboard,
    Figure,
    Graph,
    Question,
    Series,
    Setting,
    Sql,
    Table,
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
    rows,
    thresholds,
)
from dashboards.shared import (
    CHOSEN,
    DISTRICTS,
    EVIDENCE,
    HIDDEN,
    SHOWN,
    STATIONS,
    TO_EVIDENCE,
    marked,
    with_stations,
)

#: Heads of the columns of a table of episodes.
EPISODE = {
    "station": "station 站点",
    "title": "what 过程",
    "about": "about 性质",
    "level": "level 等级",
    "began": "began 始",
    "stop": "until 至",
    "closed": "over? 结束",
    "peak": "peak 峰值",
    "peak_time": "peak at 峰现",
}
#: Condition on the columns `district` and `station`: what is chosen; on `station` alone.
MINE = f"district = ANY({DISTRICTS}) AND ('' = ANY({STATIONS}) OR station = ANY({STATIONS}))"
OF_MINE = f"station IN (SELECT station FROM report.district WHERE {MINE})"
#: The same of alarms, which also are about districts.
ALARMED = (
    f"coalesce(district, '') = ANY({DISTRICTS}) "
    f"AND (station IS NULL OR '' = ANY({STATIONS}) OR station = ANY({STATIONS}))"
)
ON = "state IN ('firing', 'blind', 'recovering')"
STATES = {
    "pending": ("pending 待确认", "yellow"),
    "firing": ("firing 报警", "red"),
    "blind": ("blind 数据中断", "purple"),
    "recovering": ("recovering 恢复中", "orange"),
    "withdrawn": ("withdrawn 已撤回", "gray"),
    "ok": ("ok 正常", "green"),
}
WET = {"true": ("water 灌溉", "blue"), "false": ("no 无需", "green")}
STATION, NAME, NAME_ZH, AGE = "station 站点", "name 名称", "名称", "age 距今"


def wide(pixels: int) -> Setting:
    """A column of this width."""
    return override("custom.width", pixels)


def of_domain(domain: str) -> str:
    """Condition on a column `parameter`."""
    return f"parameter IN (SELECT parameter FROM report.parameter WHERE domain = '{domain}')"


def dashboard(
    domain: str,
    title: str,
    description: str,
    since: str,
    measured: Sequence[str],
    sections: Sequence[tuple[str, Sequence[Any]]],
    *,
    more: Sequence[Question] = (),
    without: str = "",
) -> Dashboard:
    """The dashboard `greenwatch-DOMAIN` of the districts and stations that have any of `measured`; further variables
    are `more`. What happened there stands as marks on its graphs, but for the kind `without`."""
    made = with_stations(begun(f"greenwatch-{domain}", title, description, since, "now"), *measured)
    for each in more:
        made = made.with_variable(each)
    return finished(marked(made, OF_MINE, of_domain(domain), many=True, without=without), sections)


def worst(domain: str, standard: str) -> Figure:
    """The worst class that holds now."""
    query = f"""
        SELECT label FROM report.state WHERE domain = '{domain}' AND {MINE} AND class IS NOT NULL
        ORDER BY class DESC, index DESC NULLS LAST LIMIT 1
    """
    return number(
        Sql(query),
        "Worst class now 当前最差",
        f"Worst of the newest classes ({standard}) of the last two days; report.state.",
        "string",
        words=True,
    ).mappings(mapping(classes()))


def alarms_on(domain: str) -> Figure:
    """How many alarms are on."""
    query = f"SELECT count(*)::int AS alarms FROM report.alarm WHERE {ON} AND {of_domain(domain)} AND {ALARMED}"
    return counted(
        Sql(query),
        "Alarms on 报警中",
        "Alarms of this domain that are firing, or were and are blind or recovering; report.alarm.",
    )


def open_episodes(domain: str) -> Figure:
    """How many episodes go on."""
    query = (
        "SELECT count(*)::int AS episodes FROM report.episode "
        f"WHERE NOT closed AND about = 'event' AND {of_domain(domain)} AND {OF_MINE}"
    )
    return counted(
        Sql(query),
        "Open episodes 进行中的过程",
        "Runs over a line that no quiet stretch has ended yet, without what is expected and hints at devices; "
        "report.episode.",
    )


def age(domain: str) -> Figure:
    """How old the newest reading is."""
    query = f"SELECT extract(epoch FROM now() - max(newest))::float8 AS age FROM report.state WHERE domain = '{domain}'"
    return number(
        Sql(f"{query} AND {MINE}"),
        "Newest reading 最新读数",
        "Age: since the newest reading of any chosen station; report.state. Nothing here is of later.",
        "s",
    ).thresholds(thresholds(*LATE))


def capture(parameters: Sequence[str], hours: int = 6) -> Figure:
    """How much of what was expected came."""
    query = f"""
        SELECT sum(count)::float8 / nullif(sum(expected), 0) AS capture
        FROM report.means({CHOSEN}, {array(parameters)}, 'hour',
                          date_trunc('hour', now()) - interval '{hours} hours',
                          date_trunc('hour', now()) - interval '1 hour')
    """
    return number(
        Sql(query),
        f"Capture, {hours} h 获取率",
        f"Readings that count, of those expected, in the last {hours} full hours, over {', '.join(parameters)}; "
        "report.means.",
        "percentunit",
    ).thresholds(FULL)


def captured(parameter: str, *, width: int = 12, height: int = 7) -> Graph:
    """Data capture over time; `parameter` is a word of SQL."""
    query = f"SELECT time, capture FROM report.spread({CHOSEN}, {parameter}, {SHOWN}) ORDER BY time"
    return (
        curves(
            Series(query),
            "Data capture 数据获取率",
            "Readings that count, of those expected, over the chosen stations, hour by hour (day by day where that "
            "were too many rows); report.spread.",
            "percentunit",
            width=width,
            height=height,
        )
        .min(0)
        .max(1)
    )


def array(words: Sequence[str]) -> str:
    """`words` as a list in SQL."""
    return f"ARRAY[{', '.join(repr(word) for word in words)}]"


def worst_cells(source: str, step: str, most: int) -> str:
    """SQL: the worst class of each station of `source` a bin (`step` as in `report.binned`), of the `most` worst."""
    return f"""
        WITH cell AS MATERIALIZED (
            SELECT station, report.binned(time, $__interval_ms, {step}) AS time, max(class) AS class
            FROM {source}
            WHERE class IS NOT NULL GROUP BY 1, 2
        )
        SELECT time, station AS metric, class::float8 AS value FROM cell
        WHERE station IN (SELECT station FROM cell GROUP BY station ORDER BY sum(class) DESC, station LIMIT {most})
        ORDER BY time, station
    """


def classed(
    title: str, description: str, domain: str, column: str, head: str, unit: str, *, mine: str = MINE, height: int = 7
) -> Table:
    """A row a station of `domain`: class in words and colour, `column`, main pollutants, ages; the worst first."""
    query = f"""
        SELECT station, label, {column}, "primary", extract(epoch FROM now() - assessed)::float8 AS assessed,
               extract(epoch FROM now() - newest)::float8 AS age, silent::text AS silent, title, title_zh
        FROM report.state WHERE domain = '{domain}' AND {mine}
        ORDER BY class DESC NULLS LAST, {column} DESC NULLS LAST, station LIMIT 200
    """
    heads = {
        "station": STATION,
        "title": NAME,
        "title_zh": NAME_ZH,
        "label": "class 级别",
        column: head,
        "primary": "main pollutant 首要污染物",
        "assessed": "period began 时段始于",
        "age": "newest 最新",
        "silent": "silent 离线",
    }
    panel = rows(Sql(query), title, f"{description} The worst 200.", height=height)
    panel = named(panel, heads, {column: unit, "assessed": "s", "age": "s"})
    panel = panel.override_by_name("label", [*coloured(classes()), wide(190)]).override_by_name("silent", coloured(YES))
    return panel.override_by_name("station", [TO_STATION])


def alarms(where: str, *, width: int = 12, height: int = 7, title: str = "Alarms 报警") -> Table:
    """Alarms that are not ok; `where` is a condition on report.alarm."""
    query = f"""
        SELECT name, concat_ws(' ', title, title_zh) AS title, severity, level::text AS level, state, since, edge,
               coalesce(told, '') AS told, incident::text AS incident, coalesce(station, '') AS station,
               coalesce(parameter, '') AS parameter,
               (extract(epoch FROM coalesce(episode, since) - interval '1 day') * 1000)::int8::text AS since_ms,
               (extract(epoch FROM now()) * 1000)::int8::text AS until_ms
        FROM report.alarm WHERE state <> 'ok' AND {where} ORDER BY report.alarm.level DESC, since DESC LIMIT 200
    """
    panel = rows(
        Sql(query),
        title,
        "Alarms that are not ok, with the newest evidence they have seen and who was told, at most 200; report.alarm. "
        "Empty: none. Blind: its readings stopped, which ends nothing. The subject leads to the evidence.",
        width=width,
        height=height,
    )
    heads = {
        "name": "subject 对象",
        "title": "what 报警",
        "severity": "severity 分级",
        "level": "level 等级",
        "state": "state 状态",
        "since": "since 自",
        "edge": "evidence up to 证据截至",
        "told": "told 已通知",
        "incident": "incident 事件",
    }
    panel = named(panel, heads).override_by_name("level", coloured(LEVELS)).override_by_name("state", coloured(STATES))
    return _to_evidence(panel.override_by_name("title", [wide(160)]), "name", "station", "parameter")


def episodes(where: str, *, width: int = 12, height: int = 7, most: int = 300) -> Table:
    """Episodes that touch the time shown, the newest first; `where` is a condition on report.episode."""
    query = f"""
        SELECT station, concat_ws(' ', title, title_zh) AS title, about, level::text AS level, time AS began, stop,
               closed::text AS closed, concat_ws(' ', round(peak::numeric, 2)::text, unit) AS peak, peak_time,
               coalesce(parameter, '') AS parameter, {EVIDENCE.strip()}
        FROM report.episode WHERE time <= $__timeTo() AND stop >= $__timeFrom() AND {where}
        ORDER BY time DESC, station LIMIT {most}
    """
    panel = rows(
        Sql(query),
        "Episodes 污染过程",
        f"Episodes that touch the time shown, the newest first, at most {most}; report.episode. Empty: none. The "
        "station leads to the evidence.",
        width=width,
        height=height,
    )
    panel = named(panel, EPISODE).override_by_name("title", [wide(160)]).override_by_name("level", coloured(LEVELS))
    panel = panel.override_by_name("closed", [override("mappings", mapping(OVER))])
    panel = panel.override_by_name("about", coloured(ABOUT))
    return _to_evidence(panel, "station", "parameter")


def regions(where: str, *, width: int = 12, height: int = 7, most: int = 100) -> Table:
    """Regional episodes that touch the time shown, the newest first; `where` is a condition on a station of theirs."""
    query = f"""
        SELECT concat_ws(' ', title, title_zh) AS title, about, level::text AS level, time AS began, stop,
               closed::text AS closed, stations, core, most, first, worst,
               concat_ws(' ', round(peak::numeric, 2)::text, unit) AS peak, share::float8 AS share, name::text AS name
        FROM report.region g WHERE time <= $__timeTo() AND stop >= $__timeFrom() AND EXISTS (
            SELECT FROM report.region_member m
            WHERE m.rule = g.rule AND m.start = g.time AND m.name = g.name AND {where}
        ) ORDER BY time DESC LIMIT {most}
    """
    panel = rows(
        Sql(query),
        "Regional episodes 区域过程",
        "Episodes of stations near one another as one, the newest first: where it began, how many stations it reached, "
        "how many of them it stayed at, how many at once, and what share lay above the stations around each; at most "
        f"{most}; report.region. Empty: none.",
        width=width,
        height=height,
    )
    heads = {
        "title": "what 过程",
        "about": "about 性质",
        "level": "level 等级",
        "began": "began 始",
        "stop": "until 至",
        "closed": "over 结束",
        "stations": "stations 站点数",
        "core": "core 核心",
        "most": "at once 同时",
        "first": "first 首站",
        "worst": "worst 最重",
        "peak": "peak 峰值",
        "share": "their own 本地占比",
        "name": "name 编号",
    }
    panel = named(panel, heads).override_by_name("title", [wide(160)]).override_by_name("level", coloured(LEVELS))
    panel = panel.override_by_name("closed", [override("mappings", mapping(OVER))])
    panel = panel.override_by_name("share", [override("unit", "percentunit")])
    return panel.override_by_name("about", coloured(ABOUT))


def reasons(where: str, *, width: int = 24, height: int = 7, most: int = 100) -> Table:
    """Why there were episodes and scores in the time shown, the newest first; `where` is a condition on
    report.explanation."""
    query = f"""
        SELECT time, kind, by, sentence, sentence_zh FROM report.explanation
        WHERE $__timeFilter(time) AND {where} ORDER BY time DESC, kind, by LIMIT {most}
    """
    panel = rows(
        Sql(query),
        "Why? 成因说明",
        "Of each episode and score that began in the time shown: what was expected, what was seen, by what it was "
        f"found, and what the stations around had; the newest first, at most {most}; report.explanation. Empty: none.",
        width=width,
        height=height,
    )
    heads = {"time": "began 始", "kind": "kind 种类", "by": "found by 依据", "sentence": "why", "sentence_zh": "说明"}
    panel = named(panel, heads).override_by_name("time", [wide(160)]).override_by_name("kind", [wide(90)])
    whole = override("custom.cellOptions", {"type": "auto", "wrapText": True})
    panel = panel.override_by_name("sentence", [whole]).override_by_name("sentence_zh", [whole])
    return panel.override_by_name("by", [wide(130)])


def _to_evidence(panel: Table, column: str, *unseen: str) -> Table:
    panel = panel.override_by_name(column, [TO_EVIDENCE])
    for each in (*unseen, "since_ms", "until_ms"):
        panel = panel.override_by_name(each, HIDDEN)
    return panel
