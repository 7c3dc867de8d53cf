"""The pipeline behind the doors: what is due, what workers and the clock do, whether alarms are watched and carried."""

from dashboards.domain import STATES
from dashboards.pieces import (
    Dashboard,
    Series,
    Sql,
    bars,
    begun,
    coloured,
    counted,
    curves,
    finished,
    mapping,
    measured,
    named,
    number,
    override,
    prom,
    rows,
    thresholds,
)

GOOD = {"1": ("loaded 已加载", "green"), "0": ("refused 被拒", "red")}
BACKFILL = {
    "done": ("done 完成", "green"),
    "running": ("running 进行中", "blue"),
    "waiting": ("waiting 等待", "orange"),
    "failed": ("failed 失败", "red"),
    "cancelled": ("cancelled 已取消", "gray"),
}
#: Heads of the sums that the tables of jobs and backfills share.
READ, FAILURES, PROBLEM = "read 读取行", "failures 失败", "problem 问题"


def build() -> Dashboard:
    """The dashboard `greenwatch-pipeline`."""
    made = begun(
        "greenwatch-pipeline",
        "Greenwatch: pipeline 处理链",
        "From the store to the page: the ledger of what is to be made again, the workers and the clock, the watch over "
        "alarms, backfills, and those who carry alarms to people. What comes in is on the dashboard of the doors.",
        "now-6h",
        "now",
    )
    return finished(
        made,
        [
            ("Does everything go on? 处理是否正常？", _now()),
            ("The ledger, from reading to episode 待算账本", _ledger()),
            ("Workers and the clock 计算进程与定时任务", _workers()),
            ("The watch, and what changes 报警值守与变更", _watch()),
            ("Backfills 历史回填", _backfills()),
            ("Who carries it: Prometheus, Alertmanager 告警传送", _carriers()),
        ],
    )


def _now() -> list[object]:
    behind = "SELECT max(extract(epoch FROM behind))::float8 AS behind FROM report.ledger"
    watch = "SELECT extract(epoch FROM age)::float8 AS age FROM report.work WHERE job = 'watch'"
    failing = "SELECT count(*) FILTER (WHERE problem <> '')::int AS failing FROM report.work"
    soon = thresholds((None, "green"), (60, "orange"), (600, "red"))
    quick = thresholds((None, "green"), (30, "orange"), (120, "red"))
    return [
        number(
            Sql(behind),
            "Work behind 待算积压",
            "Since when the oldest window is due that nobody has made again; 0: nothing is due; report.ledger.",
            "s",
        ).thresholds(soon),
        number(
            Sql(watch),
            "Alarms, last looked at 报警最近检查",
            "Since a worker last decided on every alarm; it does so every two seconds; report.work.",
            "s",
        ).thresholds(quick),
        counted(
            Sql(failing),
            "Jobs that fail 失败的任务",
            "Stages and jobs of the clock whose last run ended in an error; report.work.",
        ),
        number(
            prom("time() - min(greenwatch_snapshot_timestamp_seconds)"),
            "Age of the figures 指标快照",
            "Since greenwatch last took the figures that Prometheus reads; a few seconds where all is well. No data: "
            "it does not answer. From /metrics.",
            "s",
        ).thresholds(quick),
        number(
            prom("sum(up{job=~`greenwatch.*`})"),
            "Processes that answer 在线进程",
            "Servers, listeners and subscribers of greenwatch that Prometheus reaches.",
            "short",
        ).thresholds(thresholds((None, "red"), (1, "green"))),
        counted(
            prom("sum(increase(prometheus_notifications_dropped_total[1h])) or 0 * max(prometheus_build_info)"),
            "Alerts lost in an hour 丢失告警",
            "That Prometheus could hand to no Alertmanager in the last hour; from Prometheus itself. No data: it does "
            "not scrape itself.",
        ),
    ]


def _ledger() -> list[object]:
    table = """
        SELECT name AS stage, due, extract(epoch FROM behind)::float8 AS behind FROM report.ledger ORDER BY place
    """
    return [
        named(
            rows(
                Sql(table),
                "What is due now 当前待算",
                "Windows that are due by stage, in the order of the flow (counted to 20,000), and for how long the "
                "oldest of them is; report.ledger.",
                width=8,
                height=6,
            ),
            {"stage": "stage 阶段", "due": "due 待算", "behind": "oldest 最早"},
            {"behind": "s"},
        ),
        measured(
            "sum by (stage) (greenwatch_stale_windows)",
            "{{stage}}",
            "Windows that are due 待算窗口",
            "By stage; it falls back to none after each round where workers keep up; from /metrics.",
            "short",
            width=8,
        ),
        measured(
            "time() - min by (stage) (greenwatch_settled_timestamp_seconds)",
            "{{stage}}",
            "How far each stage is behind 各阶段滞后",
            "Age of the oldest window that is due; 0 where nothing is; from /metrics.",
            "s",
            width=8,
        ),
    ]


def _workers() -> list[object]:
    table = """
        SELECT job, extract(epoch FROM age)::float8 AS age, runs, seconds / nullif(runs, 0) AS mean, read, written,
               failures, extract(epoch FROM now() - failed)::float8 AS failed, problem
        FROM report.work ORDER BY problem = '', job
    """
    return [
        named(
            rows(
                Sql(table),
                "Jobs 任务",
                "Stages and jobs of the clock, those first whose last run failed: since one ended well, and sums since "
                "the store was made; report.work.",
                width=16,
                height=6,
            ),
            {
                "job": "job 任务",
                "age": "last success 最近成功",
                "runs": "runs 次数",
                "mean": "a run takes 平均耗时",
                "read": READ,
                "written": "changed 变更行",
                "failures": FAILURES,
                "failed": "last failure 最近失败",
                "problem": PROBLEM,
            },
            {"age": "s", "mean": "s", "failed": "s"},
        ),
        measured(
            "sum by (task) (rate(greenwatch_work_seconds_total[5m]))",
            "{{task}}",
            "How busy workers are 繁忙程度",
            "Workers at work at once by stage and job, mean of five minutes; from /metrics.",
            "short",
            width=8,
        ),
    ]


def _watch() -> list[object]:
    changes = """
        SELECT date_bin(make_interval(secs => $__interval_ms / 1000.0), time, 'epoch') AS time, after AS metric,
               count(*)::int AS value
        FROM report.alarm_event WHERE $__timeFilter(time) GROUP BY 1, 2 ORDER BY 1, 2
    """
    return [
        measured(
            "max by (state) (greenwatch_alarms)",
            "{{state}}",
            "Alarms by state 报警状态",
            "Every alarm that ever was, by its state; blind: its data stopped, which is no recovery; from /metrics.",
            "short",
            width=8,
        ),
        bars(
            curves(
                Series(changes),
                "Changes of alarms 报警变更",
                "How many alarms came into a state, by the clock, in each point's time; report.alarm_event.",
                "short",
                width=8,
                height=6,
            ),
            STATES,
        ),
        measured(
            "sum by (task) (rate(greenwatch_work_rows_written_total[5m]))",
            "{{task}}",
            "Rows changed a second 变更速率",
            "By stage and job, mean of five minutes; from /metrics.",
            "cps",
            width=8,
        ),
    ]


def _backfills() -> list[object]:
    table = """
        SELECT backfill, begun, state, share, chunks, running, failed, extract(epoch FROM age)::float8 AS age, read,
               new, replaced, rejects, problem
        FROM report.backfill ORDER BY backfill DESC LIMIT 20
    """
    return [
        named(
            rows(
                Sql(table),
                "Backfills 回填",
                "The newest twenty: how much is done, chunks, when one last moved, what became of the cells; "
                "`greenwatch backfill diff` says what each changed; report.backfill.",
                width=16,
                height=6,
            ),
            {
                "backfill": "no. 编号",
                "begun": "begun 开始",
                "state": "state 状态",
                "share": "done 完成",
                "chunks": "chunks 分块",
                "running": "running 进行",
                "failed": "failed 失败",
                "age": "last moved 最近进展",
                "read": READ,
                "new": "new 新增",
                "replaced": "replaced 更正",
                "rejects": "rejects 拒收",
                "problem": PROBLEM,
            },
            {"share": "percentunit", "age": "s"},
        ).override_by_name("state", coloured(BACKFILL)),
        measured(
            "sum(rate(greenwatch_backfill_rows_total[5m]))",
            "cells 单元",
            "Backfilled cells a second 回填速率",
            "Cells that backfills read, mean of five minutes; from /metrics.",
            "cps",
            width=8,
        ),
    ]


def _carriers() -> list[object]:
    reload = "min(prometheus_config_last_reload_successful)"
    return [
        number(
            prom(reload),
            "Rules 规则",
            "Whether Prometheus took its configuration when it was last told to; from Prometheus itself. No data: it "
            "does not scrape itself.",
            "none",
        )
        .mappings(mapping(GOOD))
        .thresholds(thresholds((None, "red"), (1, "green"))),
        measured(
            "sum(increase(prometheus_rule_evaluation_failures_total[5m]))",
            "rules 规则",
            "What fails on the way 传送失败",
            "In five minutes: rules that could not be evaluated, alerts that no Alertmanager took, notices that no "
            "receiver took; from Prometheus and Alertmanager themselves.",
            "short",
            more={
                "dropped": "sum(increase(prometheus_notifications_dropped_total[5m]))",
                "{{integration}}": "sum by (integration) (increase(alertmanager_notifications_failed_total[5m]))",
            },
            width=10,
        ),
        measured(
            "max by (job) (scrape_duration_seconds{job=~`greenwatch.*`})",
            "{{job}}",
            "How long a scrape takes 抓取耗时",
            "As Prometheus measures it; a scrape never waits for the database.",
            "s",
            more={"samples {{job}}": "max by (job) (scrape_samples_scraped{job=~`greenwatch.*`})"},
            width=10,
        ).override_by_regexp("/^samples/", [override("unit", "short"), override("custom.axisPlacement", "right")]),
    ]
