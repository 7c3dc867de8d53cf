"""The doors: does everything come in, what is refused and why, how soon it is in the store, whose clock is wrong."""

from dashboards.pieces import (
    LATE,
    NONE,
    SOME,
    Dashboard,
    Sql,
    begun,
    coloured,
    finished,
    listed,
    mapping,
    measured,
    named,
    number,
    prom,
    question,
    rows,
    thresholds,
)

DOORS = "SELECT door AS __value FROM report.spool ORDER BY 1"
HERE = "door = ANY(ARRAY[${door:sqlstring}]::text[])"
#: In PromQL a raw string: what is escaped for a regular expression must not be read as an escape of a string.
DOOR = "door=~`${door:regex}`"
ON = {"1": ("connected 已连接", "green"), "0": ("lost 已断开", "red")}
FULL = {"true": ("full 已满", "red"), "false": ("no 否", "green")}


def build() -> Dashboard:
    """The dashboard `greenwatch-doors`."""
    made = begun(
        "greenwatch-doors",
        "Greenwatch: doors 数据入口",
        "Every way in: what comes, what is refused, what waits, how soon it is in the store, and who is silent.",
        "now-6h",
        "now",
    )
    made = made.with_variable(question("door", "door 入口", DOORS, several=True))
    return finished(
        made,
        [
            ("Does everything come in? 数据是否正常进入？", _now()),
            ("What comes, what is refused 接收与拒收", _flow()),
            ("Spools and lag 缓存与时延", _spools()),
            ("Who is silent, whose clock is wrong 失联与时钟", _senders()),
        ],
    )


def _now() -> list[object]:
    age = f"SELECT coalesce(max(extract(epoch FROM age)), 0)::float8 AS age FROM report.spool WHERE {HERE}"
    failing = 'SELECT count(*) FILTER (WHERE failures > 0)::int AS failing FROM report.pull WHERE "on"'
    wrong = "count(max by (station) (abs(greenwatch_clock_offset_seconds)) > 120)"
    return [
        number(
            prom(f"max(greenwatch_rejects_waiting) or {NONE}"),
            "Rejects that wait 待处理拒收",
            "Readings that come in by themselves once their series is registered; from /metrics.",
            "short",
        ).thresholds(SOME),
        number(
            Sql(age),
            "Oldest in a spool 缓存最早记录",
            "How long the oldest record waits that is acknowledged and not in the store; report.spool.",
            "s",
        ).thresholds(thresholds((None, "green"), (60, "orange"), (300, "red"))),
        number(
            prom("sum(greenwatch_listen_connections)"),
            "Connections of devices 设备连接",
            "Open connections of the HJ 212 listener; from its /metrics. No data: no listener is scraped.",
            "short",
        ),
        number(
            prom("min(greenwatch_mqtt_connected)"),
            "MQTT broker 服务器",
            "Whether the broker sends what was asked for; from /metrics of the subscriber. No data: none is scraped.",
            "none",
        )
        .mappings(mapping(ON))
        .thresholds(thresholds((None, "red"), (1, "green"))),
        number(
            Sql(failing),
            "Pulls that fail 失败的拉取",
            "Pulls that are on and failed since they last went well; report.pull.",
            "short",
        ).thresholds(SOME),
        number(
            prom(f"{wrong} or {NONE}"),
            "Clocks that are wrong 时钟偏差",
            "Stations whose clock is off by more than two minutes; from /metrics.",
            "short",
        ).thresholds(SOME),
    ]


def _flow() -> list[object]:
    came = 'sum by (source) (rate(greenwatch_source_cells_total{outcome!="reject"}[5m]))'
    outcomes = "sum by (outcome) (rate(greenwatch_source_cells_total[5m]))"
    refused = "max by (source, reason) (greenwatch_rejects)"
    posts = "sum by (handler, code) (rate(greenwatch_http_requests_total{handler=~`observations|batch`}[5m]))"
    return [
        measured(
            came,
            "{{source}}",
            "Cells a second by source 各来源接收速率",
            "Cells in saved batches that are no rejects, mean of five minutes; from /metrics.",
            "cps",
        ),
        measured(
            outcomes,
            "{{outcome}}",
            "Cells a second by outcome 各结果速率",
            "What became of all cells: new, replaced, duplicate, missing, reject; from /metrics.",
            "cps",
        ),
        measured(
            refused,
            "{{source}}: {{reason}}",
            "Rejects by source and reason 拒收原因",
            "Cells among the newest 200,000 rejects by source and kind of reason; from /metrics. "
            "`greenwatch rejects list` has each.",
            "short",
        ),
        measured(
            posts,
            "{{handler}} {{code}}",
            "HTTP answers a second HTTP 应答速率",
            "Answers to those who send, by status; from /metrics.",
            "reqps",
        ),
    ]


def _spools() -> list[object]:
    table = f"""
        SELECT door, records, bytes, extract(epoch FROM age)::float8 AS age, "full"::text AS full,
               extract(epoch FROM silent)::float8 AS silent, appended, refused, problem
        FROM report.spool WHERE {HERE} ORDER BY door
    """
    lag = "histogram_quantile({}, sum by (le) (rate(greenwatch_{}_commit_seconds_bucket[5m])))"
    return [
        named(
            rows(
                Sql(table),
                "Spools 缓存",
                "What is acknowledged and not in the store, by door, and when its owner last told of it; report.spool.",
                width=24,
                height=5,
            ),
            {
                "door": "door 入口",
                "records": "records 记录",
                "bytes": "bytes 字节",
                "age": "oldest 最早",
                "full": "full? 已满",
                "silent": "told 上报于",
                "appended": "acknowledged 已应答",
                "refused": "refused 已拒绝",
                "problem": "problem 问题",
            },
            {"bytes": "bytes", "age": "s", "silent": "s"},
        ).override_by_name("full", coloured(FULL)),
        measured(
            f"max by (door) (greenwatch_spool_bytes{{{DOOR}}})",
            "{{door}}",
            "Depth of the spools 缓存深度",
            "Acknowledged bytes that wait for the store, by door; from /metrics.",
            "bytes",
            width=8,
        ),
        measured(
            f"time() - min by (door) (greenwatch_spool_oldest_timestamp_seconds{{{DOOR}}})",
            "{{door}}",
            "Age of the spools 缓存时龄",
            "How long the oldest record waits, by door; a gap: nothing waits. From /metrics.",
            "s",
            width=8,
        ),
        measured(
            lag.format(0.5, "listen"),
            "HJ 212 p50",
            "Lag, frame to commit 入库时延",
            "From the receipt of a frame or message to its commit, median and 99 of 100 of five minutes; from "
            "/metrics of listener and subscriber.",
            "s",
            more={
                "HJ 212 p99": lag.format(0.99, "listen"),
                "MQTT p50": lag.format(0.5, "mqtt"),
                "MQTT p99": lag.format(0.99, "mqtt"),
            },
            width=8,
        ),
    ]


def _senders() -> list[object]:
    pulls = """
        SELECT pull, connector, extract(epoch FROM age)::float8 AS age, extract(epoch FROM now() - due)::float8 AS due,
               failures, read, new, replaced, rejects, problem
        FROM report.pull WHERE "on" ORDER BY failures DESC NULLS LAST, pull
    """
    clocks = "max by (station, source) (greenwatch_clock_offset_seconds)"
    return [
        listed(
            "sort_desc(time() - max by (source) (greenwatch_source_saved_timestamp_seconds))",
            "Sources, last saved 来源最近入库",
            "Since a batch of each source was last saved, live or not; from /metrics.",
            "s",
            {"source": "source 来源"},
            "last saved 最近入库",
        ).thresholds(thresholds(*LATE)),
        listed(
            "topk(50, time() - max by (device) (greenwatch_listen_seen_timestamp_seconds))",
            "Devices, last heard 设备最近通信",
            "Of the HJ 212 devices heard since the listener was started, the fifty that are silent for longest; "
            "from its /metrics.",
            "s",
            {"device": "device 设备"},
            "last heard 最近通信",
        ).thresholds(thresholds(*LATE)),
        listed(
            f"{clocks} and topk(50, abs({clocks}) > 0)",
            "Clocks that are off 时钟偏差",
            "What clocks of stations are ahead at least (behind: negative), by source, the fifty worst; from /metrics.",
            "s",
            {"station": "station 站点", "source": "source 来源"},
            "ahead 快",
        ),
        measured(
            "sum(greenwatch_listen_connections)",
            "devices",
            "Connections 连接",
            "Open connections of devices, and of the subscriber to its broker; from /metrics of both.",
            "short",
            more={"broker": "sum(greenwatch_mqtt_connected)"},
            width=8,
        ),
        named(
            rows(
                Sql(pulls),
                "Pulls 拉取",
                "Services that are asked: since they last went well, how long they are due (negative: not yet), "
                "failures in a row, sums of rows; report.pull.",
                width=16,
                height=6,
            ),
            {
                "pull": "pull 任务",
                "connector": "service 服务",
                "age": "last success 最近成功",
                "due": "due since 逾期",
                "failures": "failures 连续失败",
                "read": "read 读取",
                "new": "new 新增",
                "replaced": "replaced 更正",
                "rejects": "rejects 拒收",
                "problem": "problem 问题",
            },
            {"age": "s", "due": "s"},
        ),
    ]
