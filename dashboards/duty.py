"""Duty: what is open and whose it is, how soon people were told, answered and were done, what paged for nothing."""

from dashboards.pieces import (
    LEVELS,
    Dashboard,
    Series,
    Sql,
    bars,
    begun,
    coloured,
    counted,
    curves,
    finished,
    listed,
    measured,
    named,
    number,
    override,
    question,
    rows,
    thresholds,
)
from dashboards.shared import HERE, HIDDEN, TO_EVIDENCE

#: An incident of a source is in no district.
NAMES = """
    SELECT district AS __value, CASE district WHEN '' THEN '(none 未分区)' ELSE district END AS __text
    FROM (SELECT district FROM report.district UNION SELECT district FROM report.incident) AS d ORDER BY 2
"""
SHOWN = f"{HERE} AND $__timeFilter(opened)"

STATE = {
    "open": ("open 未确认", "red"),
    "acknowledged": ("acknowledged 已确认", "orange"),
    "dispatched": ("dispatched 已派单", "blue"),
    "recovered": ("recovered 已恢复", "green"),
    "withdrawn": ("withdrawn 已撤回", "gray"),
    "resolved": ("resolved 已办结", "green"),
    "reviewed": ("reviewed 已复核", "green"),
    "cancelled": ("cancelled 已撤销", "gray"),
}
SEVERITY = {"page": ("page 呼叫", "red"), "ticket": ("ticket 工单", "orange")}
ORDER = {
    "waiting": ("waiting 待发", "orange"),
    "sent": ("sent 已发", "blue"),
    "failed": ("failed 失败", "red"),
    "accepted": ("accepted 已接单", "blue"),
    "done": ("done 完成", "green"),
    "refused": ("refused 退回", "red"),
}
INCIDENT, WHAT, STATION, STREET = "no. 编号", "what 事由", "where 地点", "street 街道"

#: Start of the month or week of an incident's place in which it was opened; days of two places share one bar.
_LOCAL = "date_trunc('{}', opened AT TIME ZONE 'UTC' + make_interval(mins => utc_offset)) AT TIME ZONE 'UTC'"


def build() -> Dashboard:
    """The dashboard `greenwatch-duty`."""
    made = begun(
        "greenwatch-duty",
        "Greenwatch: duty 值守",
        "Incidents: what is open and whose it is, how soon people were told, answered and were done, by street and "
        "month, and how much of it should not have paged.",
        "now-90d",
        "now",
    )
    made = made.with_variable(question("district", "district 区", NAMES, several=True))
    return finished(
        made,
        [
            ("Is somebody waiting? 当前待处理", _now()),
            ("Open incidents 未结事件", _open()),
            ("How soon 响应与办结", _soon()),
            ("How many, and how many for nothing 数量与误报", _many()),
            ("What was done and is planned 处置与计划", _done()),
        ],
    )


def _now() -> list[object]:
    going = f"SELECT count(*)::int AS incidents FROM report.incident WHERE ended IS NULL AND {HERE}"
    alone = f"{going} AND acknowledged IS NULL"
    oldest = f"""
        SELECT coalesce(max(extract(epoch FROM now() - opened)), 0)::float8 AS age FROM report.incident
        WHERE ended IS NULL AND acknowledged IS NULL AND {HERE}
    """
    week = f"""
        SELECT count(*)::int AS pages FROM report.incident
        WHERE severity = 'page' AND opened > now() - interval '7 days' AND {HERE}
    """
    median = f"""
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM acknowledged - opened))::float8 AS median
        FROM report.incident WHERE severity = 'page' AND {SHOWN}
    """
    nothing = f"""
        SELECT avg((withdrawn IS NOT NULL OR cancelled IS NOT NULL)::int)::float8 AS share
        FROM report.incident WHERE {SHOWN}
    """
    return [
        counted(
            Sql(going),
            "Open 未结",
            "Incidents whose alarm goes on, as far as anybody knows; report.incident.",
            bad=False,
        ),
        counted(
            Sql(alone),
            "Unacknowledged 未确认",
            "Of these those that nobody has acknowledged; report.incident.",
        ),
        number(
            Sql(oldest),
            "Waiting for longest 最长等待",
            "Since the oldest of the unacknowledged ones was opened; 0: there is none; report.incident.",
            "s",
        ).thresholds(thresholds((None, "green"), (600, "orange"), (2400, "red"))),
        number(
            Sql(week),
            "Pages in seven days 七日呼叫",
            "Incidents opened in the last seven days that somebody was paged for; report.incident.",
            "short",
        ).thresholds(thresholds((None, "green"), (15, "orange"), (40, "red"))),
        number(
            Sql(median),
            "Page to acknowledgement 确认用时",
            "Median of the pages opened in the time shown that were acknowledged; report.incident.",
            "s",
        ).thresholds(thresholds((None, "green"), (600, "orange"), (1200, "red"))),
        number(
            Sql(nothing),
            "For nothing 误报率",
            "Share of the incidents opened in the time shown that were withdrawn, since a correction took away what "
            "they stood on, or cancelled; report.incident.",
            "percentunit",
        ).thresholds(thresholds((None, "green"), (0.05, "orange"), (0.2, "red"))),
    ]


def _open() -> list[object]:
    table = f"""
        SELECT i.incident, i.state, i.severity, concat_ws(' ', i.title, i.title_zh) AS title, i.level::text AS level,
               i.station, coalesce(nullif(i.station, ''), nullif(i.source, ''), i.district) AS place, i.channel,
               i.street,
               coalesce(nullif(substring(i.channel FROM '^[^@:]+'), ''), r.parameter, '') AS parameter,
               extract(epoch FROM now() - i.opened)::float8 AS age, i.tier, i.acknowledged_by, i.assignee,
               extract(epoch FROM now() - i.edge)::float8 AS edge,
               (extract(epoch FROM coalesce(i.onset, i.opened) - interval '1 day') * 1000)::int8::text AS since_ms,
               (extract(epoch FROM least(now(), coalesce(i.edge, i.opened) + interval '12 hours')) * 1000)::int8::text
                   AS until_ms
        FROM report.incident i LEFT JOIN report.alarm_rule r ON r.rule = i.rule
        WHERE i.ended IS NULL AND i.{HERE}
        ORDER BY i.acknowledged IS NOT NULL, i.severity = 'ticket', i.opened LIMIT 200
    """
    panel = named(
        rows(
            Sql(table),
            "Open incidents 未结事件",
            "Those nobody has acknowledged first, pages before tickets, the oldest first, at most 200: for how long "
            "each is open, how often nobody answered in time (tier), and the age of its newest evidence; a click on "
            "the place leads to what was measured there; report.incident.",
            width=24,
            height=7,
        ),
        {
            "incident": INCIDENT,
            "state": "state 状态",
            "severity": "severity 级别",
            "title": WHAT,
            "level": "level 等级",
            "place": STATION,
            "channel": "channel 通道",
            "street": STREET,
            "age": "open for 已持续",
            "tier": "tier 升级",
            "acknowledged_by": "acknowledged by 确认人",
            "assignee": "assigned to 承办人",
            "edge": "evidence 最新依据",
        },
        {"age": "s", "edge": "s"},
    )
    panel = panel.override_by_name("state", coloured(STATE)).override_by_name("severity", coloured(SEVERITY))
    panel = panel.override_by_name("level", coloured(LEVELS)).override_by_name("place", [TO_EVIDENCE])
    for column in ("station", "parameter", "since_ms", "until_ms"):
        panel = panel.override_by_name(column, HIDDEN)
    return [panel]


def _soon() -> list[object]:
    months = f"""
        SELECT {_LOCAL.format("month")} AS time,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM delivered - opened))::float8 AS told,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM acknowledged - opened))::float8
                   AS acknowledged,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM resolved - opened))::float8 AS resolved
        FROM report.incident WHERE withdrawn IS NULL AND cancelled IS NULL AND {SHOWN} GROUP BY 1 ORDER BY 1
    """
    # A month counts whole where any of it is shown.
    streets = f"""
        SELECT to_char(month, 'YYYY-MM') AS month, district, street, severity, incidents, open, delivered_median,
               acknowledged_median, acknowledged_worst, in_time, dispatched_median, resolved_median, resolved_worst
        FROM report.duty_figures
        WHERE {HERE} AND month > $__timeFrom()::timestamptz - interval '32 days' AND month <= $__timeTo()::timestamptz
        ORDER BY month DESC, district, street, severity LIMIT 500
    """
    lines = curves(
        Series(months),
        "How soon, by month 各月用时",
        "Medians since the opening of the incidents of a month (of their place) until somebody was told, acknowledged, "
        "was done; without those withdrawn or cancelled; report.incident.",
        "s",
        width=8,
        height=8,
    ).min(0)
    for column, head in (
        ("told", "told 送达"),
        ("acknowledged", "acknowledged 确认"),
        ("resolved", "resolved 办结"),
    ):
        lines = lines.override_by_name(column, [override("displayName", head), override("custom.showPoints", "always")])
    steps = ("delivered_median", "acknowledged_median", "dispatched_median", "resolved_median")
    seconds = dict.fromkeys((*steps, "acknowledged_worst", "resolved_worst"), "s")
    return [
        named(
            rows(
                Sql(streets),
                "By street and month 各街道各月",
                "Incidents opened in a month (of their place), whether anybody is still at it, medians and worst times "
                "since their opening, the share acknowledged in the time that the policy sets; report.duty_figures.",
                width=16,
                height=8,
            ),
            {
                "month": "month 月份",
                "district": "district 区",
                "street": STREET,
                "severity": "severity 级别",
                "incidents": "incidents 事件",
                "open": "open 未结",
                "delivered_median": "told 送达",
                "acknowledged_median": "acknowledged 确认",
                "acknowledged_worst": "at worst 最长",
                "in_time": "in time 按时",
                "dispatched_median": "dispatched 派单",
                "resolved_median": "resolved 办结",
                "resolved_worst": "at worst 最长",
            },
            {**seconds, "in_time": "percentunit"},
        ).override_by_name("severity", coloured(SEVERITY)),
        lines,
    ]


def _many() -> list[object]:
    weeks = f"""
        SELECT {_LOCAL.format("week")} AS time, severity AS metric, count(*)::int AS value
        FROM report.incident WHERE {SHOWN} GROUP BY 1, 2 ORDER BY 1, 2
    """
    rules = f"""
        SELECT rule, concat_ws(' ', max(title), max(title_zh)) AS title, count(*)::int AS incidents,
               count(*) FILTER (WHERE severity = 'page')::int AS pages,
               avg((withdrawn IS NOT NULL OR cancelled IS NOT NULL)::int)::float8 AS nothing,
               avg((parent IS NOT NULL)::int)::float8 AS joined,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended - opened))::float8 AS lasted
        FROM report.incident WHERE {SHOWN} GROUP BY rule ORDER BY pages DESC, incidents DESC, rule
    """
    weekly = curves(
        Series(weeks),
        "Incidents a week 每周事件",
        "Opened in each week (of their place, from its Monday), by the highest severity somebody was told; "
        "report.incident.",
        "short",
    )
    return [
        bars(weekly, SEVERITY),
        named(
            rows(
                Sql(rules),
                "By rule 各规则",
                "Incidents opened in the time shown by the rule of their alarm: pages, the share that was withdrawn or "
                "cancelled, the share that joined the incident of a region, and how long they lasted (median); "
                "report.incident.",
            ),
            {
                "rule": "rule 规则",
                "title": WHAT,
                "incidents": "incidents 事件",
                "pages": "pages 呼叫",
                "nothing": "for nothing 误报",
                "joined": "of a region 归并",
                "lasted": "lasted 持续",
            },
            {"nothing": "percentunit", "joined": "percentunit", "lasted": "s"},
        ),
    ]


def _done() -> list[object]:
    log = f"""
        SELECT l.time, l.incident, l.author, l.action, l.note, i.street, concat_ws(' ', i.title, i.title_zh) AS title
        FROM report.incident_log l JOIN report.incident i ON i.incident = l.incident
        WHERE i.{HERE} AND $__timeFilter(l.time) ORDER BY l.id DESC LIMIT 100
    """
    orders = f"""
        SELECT o.time, o.incident, o.state, o.made_by, o.tries, o.answered, o.problem
        FROM report.work_order o JOIN report.incident i ON i.incident = o.incident
        WHERE i.{HERE} AND $__timeFilter(o.time) ORDER BY o.time DESC LIMIT 50
    """
    planned = """
        SELECT start, stop, scope, name, author, reason, ended_by, ended_for FROM report.planned
        WHERE start <= $__timeTo()::timestamptz + interval '30 days' AND stop >= $__timeFrom()
        ORDER BY start DESC LIMIT 50
    """
    at, author = "at 时间", "by 人员"
    return [
        named(
            rows(
                Sql(log),
                "Log 处置记录",
                "What was done about the incidents of these districts in the time shown, the newest 100; "
                "report.incident_log.",
                width=12,
                height=8,
            ),
            {
                "time": at,
                "incident": INCIDENT,
                "author": author,
                "action": "action 操作",
                "note": "note 备注",
                "street": STREET,
                "title": WHAT,
            },
        ),
        named(
            rows(
                Sql(orders),
                "Work orders 工单派发",
                "Orders made in the time shown, the newest fifty: whether they went out, and what came back; "
                "report.work_order.",
                width=12,
                height=8,
            ),
            {
                "time": at,
                "incident": INCIDENT,
                "state": "state 状态",
                "made_by": author,
                "tries": "tries 尝试",
                "answered": "answered 回复",
                "problem": "problem 问题",
            },
        ).override_by_name("state", coloured(ORDER)),
        named(
            rows(
                Sql(planned),
                "Planned events 计划事件",
                "The calendar, up to thirty days ahead: while one goes on nobody is told of what it covers, and "
                "nothing that was told ends by it; report.planned.",
                width=12,
                height=7,
            ),
            {
                "start": "from 始",
                "stop": "until 至",
                "scope": "of 范围",
                "name": "name 名称",
                "author": author,
                "reason": "reason 原因",
                "ended_by": "ended by 提前结束人",
                "ended_for": "since 原因",
            },
        ),
        listed(
            "max by (incident, rule, district, team, severity) (greenwatch_incident_tier) > 0",
            "Escalated now 已升级",
            "Incidents that nobody acknowledged in time, and how often; from /metrics.",
            "none",
            {
                "incident": INCIDENT,
                "rule": "rule 规则",
                "district": "district 区",
                "team": "team 班组",
                "severity": "severity 级别",
            },
            "tier 升级",
            width=6,
        ),
        measured(
            "sum(rate(alertmanager_notifications_total[1h])) * 3600",
            "tried 已尝试",
            "Notices an hour 每小时通知",
            "That Alertmanager tried to bring to somebody, and those that failed, mean of an hour; from Alertmanager's "
            "own /metrics.",
            "short",
            more={"failed 失败": "sum(rate(alertmanager_notifications_failed_total[1h])) * 3600"},
            width=6,
        ).height(7),
    ]
