"""Quality: what is missing, and where it was lost; whom nobody hears; what tests object to; what could not be kept."""

from dashboards.pieces import (
    DISTRICT,
    NONE,
    TO_STATION,
    Begun,
    Dashboard,
    Series,
    Sql,
    begun,
    coloured,
    counted,
    curves,
    finished,
    grid,
    mapping,
    measured,
    named,
    number,
    override,
    prom,
    question,
    rows,
    stacked,
    thresholds,
    typed,
)
from dashboards.shared import OURS, STATIONS
from dashboards.station import ENDS, LAYER

THESE = f"station = ANY({STATIONS})"
#: An hour, or as many as a point of the panel is wide.
WIDE = "make_interval(secs => greatest(1, ceil($__interval_ms / 3600000.0)) * 3600)"
#: More than a week of hours is neither read in time nor seen.
COVERAGE = f"""report.hour_coverage WHERE {THESE} AND $__timeFilter(time)
              AND time > $__timeTo()::timestamptz - interval '7 days'"""

#: What became of an hour of a station: the worst of what a cell holds.
HOURS = {
    "0": ("complete 完整", "green"),
    "1": ("some missing 部分缺失", "yellow"),
    "2": ("missing at the source 源端缺失", "orange"),
    "3": ("lost here 本端丢失", "red"),
}
QUIET = {"true": ("silent 静默", "red"), "false": ("heard 正常", "green")}
WAITS = {"true": ("waits 等待", "orange"), "false": ("refused 拒收", "red")}

#: Whoever has most channels that nobody hears first: so many rows are what one looks through.
WORST = """
    SELECT d.station AS __value, concat_ws(' ', d.station, nullif(d.title, d.station)) AS __text
    FROM report.district d LEFT JOIN (
        SELECT station, count(*) FILTER (WHERE silent) AS silent, min(newest) AS newest FROM report.channel
        GROUP BY station
    ) AS c ON c.station = d.station
    WHERE d.district = ANY(ARRAY[${district:sqlstring}]::text[])
          AND strpos(lower(concat_ws(' ', d.station, d.title, d.title_zh)), lower(${find:sqlstring})) > 0
    ORDER BY c.silent DESC NULLS LAST, c.newest, d.station LIMIT 25
"""


def build() -> Dashboard:
    """The dashboard `greenwatch-quality`."""
    made = begun(
        "greenwatch-quality",
        "Greenwatch: quality 数据质量",
        "Data quality and network health: which hours of which station are missing, at the source or lost here, which "
        "channels are silent, what tests object to, what could not be kept.",
        "now-2d",
        "now",
    )
    return finished(
        _with_variables(made),
        [
            ("Is anything missing? 数据是否齐全？", _now()),
            ("Hour by station 逐时逐站", _hours()),
            ("Who is silent, who is late 静默与迟到", _silent()),
            ("What is odd 可疑数据", _odd()),
        ],
    )


def _with_variables(made: Begun) -> Begun:
    return (
        made.with_variable(question("district", "district 区", DISTRICT, several=True))
        .with_variable(typed("find", "find 查找"))
        .with_variable(question("station", "stations, worst 25 最差25站", WORST, several=True))
    )


def _now() -> list[object]:
    silent = f"SELECT count(*) FILTER (WHERE silent)::int AS silent FROM report.channel WHERE {OURS}"
    never = f"SELECT count(*) FILTER (WHERE never)::int AS never FROM report.channel WHERE {OURS}"
    ended = "time >= now() - interval '25 hours' AND time < now() - interval '1 hour'"
    missing = f"""
        SELECT 1 - sum(received)::float8 / nullif(sum(expected), 0) AS missing FROM report.hour_coverage
        WHERE {THESE} AND {ended}
    """
    lost = f"""
        SELECT coalesce(sum(lost), 0)::float8 / nullif(sum(expected), 0) AS lost FROM report.hour_coverage
        WHERE {THESE} AND {ended}
    """
    shares = thresholds((None, "green"), (0.05, "orange"), (0.25, "red"))
    return [
        counted(
            Sql(silent),
            "Silent channels 静默通道",
            "Channels of these districts that were not heard for longer than they ever were, by their learned cadence; "
            "report.channel.",
        ),
        counted(
            Sql(never),
            "Never heard 从未上报",
            "Channels that are registered and have never said anything: no alarm is made of them; report.channel.",
            bad=False,
        ),
        number(
            Sql(missing),
            "Missing, 24 h 缺失率",
            "Readings of the stations listed that were expected in the 24 hours that ended an hour ago and are not "
            "here; report.hour_coverage.",
            "percentunit",
        ).thresholds(shares),
        number(
            Sql(lost),
            "Lost here, 24 h 本端丢失率",
            "The share of them that came and could not be kept, or was to come while no door of ours was open; "
            "report.hour_coverage.",
            "percentunit",
        ).thresholds(thresholds((None, "green"), (0.001, "orange"), (0.01, "red"))),
        counted(
            prom(f"max(greenwatch_rejects_waiting) or {NONE}"),
            "Rejects that wait 待处理拒收",
            "Readings that come in by themselves once their series is registered; from /metrics.",
            bad=False,
        ),
        counted(
            prom(f"count(max by (station) (abs(greenwatch_clock_offset_seconds)) > 120) or {NONE}"),
            "Clocks that are wrong 时钟偏差",
            "Stations whose clock is off by more than two minutes; from /metrics.",
            bad=False,
        ),
    ]


def _hours() -> list[object]:
    cells = f"""
        SELECT date_bin({WIDE}, time, 'epoch') AS time, station AS metric,
               max(CASE WHEN lost > 0 THEN 3 WHEN received = 0 THEN 2 WHEN received < 0.75 * expected THEN 1 ELSE 0 END)
                   AS value
        FROM {COVERAGE} AND expected > 0 GROUP BY 1, 2 ORDER BY 1, 2
    """
    shares = f"""
        SELECT date_bin({WIDE}, time, 'epoch') AS time, sum(received)::float8 AS received,
               sum(missing)::float8 AS missing, sum(lost)::float8 AS lost
        FROM {COVERAGE} GROUP BY 1 ORDER BY 1
    """
    worst = f"""
        SELECT station, sum(received)::float8 / nullif(sum(expected), 0) AS share, sum(missing)::int8 AS missing,
               sum(lost)::int8 AS lost, count(*) FILTER (WHERE received = 0 AND expected > 0)::int AS hours
        FROM {COVERAGE} GROUP BY station ORDER BY 2, station
    """
    over = stacked(
        curves(
            Series(shares),
            "Readings by what became of them 读数去向",
            "Of the stations listed, hour by hour (of long spans: of their last seven days): here, missing at the "
            "source, lost here; report.hour_coverage.",
            "short",
            height=6,
        )
    )
    for name, (head, colour) in {
        "received": ("received 收到", "green"),
        "missing": ("missing at the source 源端缺失", "orange"),
        "lost": ("lost here 本端丢失", "red"),
    }.items():
        fixed = override("color", {"mode": "fixed", "fixedColor": colour})
        over = over.override_by_name(name, [override("displayName", head), fixed])
    return [
        grid(
            Series(cells),
            "Hours of stations 逐时完整性",
            "Each hour (of long spans: of their last seven days) of the stations listed: complete, some missing (less "
            "than three quarters came), missing at the source, or lost here, which is all that the store can tell: "
            "what a device never sent and what a network lost on the way look alike; report.hour_coverage.",
            "none",
            height=8,
        )
        .mappings(mapping(HOURS))
        .thresholds(thresholds((None, "green"), (1, "yellow"), (2, "orange"), (3, "red"))),
        over,
        named(
            rows(
                Sql(worst),
                "Stations 各站",
                "The stations listed in the time shown, at most its last seven days, the worst first: share of the "
                "expected readings that are here, how many are not, and hours with nothing; report.hour_coverage.",
                height=6,
            ),
            {
                "station": "station 站点",
                "share": "here 完整率",
                "missing": "missing at the source 源端缺失",
                "lost": "lost here 本端丢失",
                "hours": "empty hours 空白小时",
            },
            {"share": "percentunit"},
        ).override_by_name("station", [TO_STATION]),
    ]


def _silent() -> list[object]:
    silent = f"""
        SELECT station, parameter, position, source, silent::text AS silent,
               extract(epoch FROM now() - live)::float8 AS live, extract(epoch FROM now() - newest)::float8 AS newest,
               extract(epoch FROM "limit")::float8 AS "limit", extract(epoch FROM gap)::float8 AS gap
        FROM report.channel WHERE {OURS} AND (silent OR {THESE})
        ORDER BY report.channel.silent DESC, live LIMIT 200
    """
    return [
        named(
            rows(
                Sql(silent),
                "Channels 通道",
                "Silent channels of these districts first, then the others of the stations listed, at most 200: since "
                "their newest live and newest reading at all, how long each may be silent, and its learned gap; "
                "report.channel.",
                width=14,
                height=6,
            ),
            {
                "station": "station 站点",
                "parameter": "parameter 指标",
                "position": "height 高度",
                "source": "source 来源",
                "silent": "heard? 状态",
                "live": "newest live 最近实时",
                "newest": "newest 最近",
                "limit": "may be silent 静默上限",
                "gap": "usual gap 常见间隔",
            },
            {"live": "s", "newest": "s", "limit": "s", "gap": "s"},
        )
        .override_by_name("silent", coloured(QUIET))
        .override_by_name("station", [TO_STATION]),
        measured(
            "sum by (kind) (rate(greenwatch_cells_total[5m]))",
            "{{kind}}",
            "Cells a second, live and late 实时与迟到",
            "Cells in saved batches by kind: live, late, backfill, correction, mean of five minutes; from /metrics.",
            "cps",
            width=10,
        ),
    ]


def _odd() -> list[object]:
    tests = f"""
        SELECT date_bin({WIDE}, v.time, 'epoch') AS time, x.title || ' ' || x.title_zh AS metric, count(*)::int AS value
        FROM report.verdict v JOIN report.test x ON v.tests & x.bit <> 0
        WHERE v.{THESE} AND $__timeFilter(v.time) GROUP BY 1, 2 ORDER BY 1, 2
    """
    channels = f"""
        SELECT v.station, v.parameter, v.position, count(*) FILTER (WHERE v.code = 3)::int AS suspect,
               count(*) FILTER (WHERE v.code > 3)::int AS fail,
               (SELECT string_agg(x.title || ' ' || x.title_zh, ', ' ORDER BY x.bit) FROM report.test x
                WHERE bit_or(v.tests) & x.bit <> 0) AS tests
        FROM report.verdict v WHERE v.{THESE} AND $__timeFilter(v.time) GROUP BY 1, 2, 3
        ORDER BY 5 DESC, 4 DESC LIMIT 100
    """
    rejects = """
        SELECT kept, source, reason, station, channel, stamp, text, waits::text AS waits FROM report.reject
        WHERE $__timeFilter(kept) ORDER BY kept DESC LIMIT 100
    """
    layers = f"""
        SELECT start, {ENDS} AS stop, station, parameter, kind, author, reason FROM report.correction
        WHERE {OURS} AND ended IS NULL AND start <= $__timeTo() AND stop >= $__timeFrom() ORDER BY start DESC LIMIT 100
    """
    clocks = f"""
        SELECT station, source, delay, extract(epoch FROM now() - seen)::float8 AS seen FROM report.clock
        WHERE {OURS} AND abs(delay) > 120 ORDER BY abs(delay) DESC LIMIT 50
    """
    where = {"station": "station 站点", "parameter": "parameter 指标"}
    return [
        stacked(
            curves(
                Series(tests),
                "What tests object to 各检验异议",
                "Readings of the stations listed that a test found suspect or wrong, by test (one may have several), "
                "hour by hour; report.verdict.",
                "short",
                width=10,
                height=6,
            )
        ),
        named(
            rows(
                Sql(channels),
                "Odd channels 可疑通道",
                "Channels of the stations listed with readings that are not good in the time shown, the worst 100, and "
                "which tests objected; report.verdict.",
                width=14,
                height=6,
            ),
            {
                **where,
                "position": "height 高度",
                "suspect": "suspect 可疑",
                "fail": "failed 不合格",
                "tests": "objected 异议检验",
            },
        ).override_by_name("station", [TO_STATION]),
        named(
            rows(
                Sql(rejects),
                "Rejects 拒收",
                "What could not be kept in the time shown, of all districts, the newest 100, in its sender's words; "
                "`greenwatch rejects list` has all; report.reject.",
                width=10,
                height=6,
            ),
            {
                "kept": "received 收到",
                "source": "source 来源",
                "reason": "why 原因",
                "station": "station 站点",
                "channel": "channel 通道",
                "stamp": "stamp 时标",
                "text": "text 原文",
                "waits": "waits? 状态",
            },
        ).override_by_name("waits", coloured(WAITS)),
        named(
            rows(
                Sql(layers),
                "Corrections 订正",
                "Layers in force over readings of the time shown, the newest 100; report.correction.",
                width=8,
                height=6,
            ),
            {
                **where,
                "start": "from 始",
                "stop": "until 至",
                "kind": "what 内容",
                "author": "by 人员",
                "reason": "why 原因",
            },
        )
        .override_by_name("kind", coloured(LAYER))
        .override_by_name("station", [TO_STATION]),
        named(
            rows(
                Sql(clocks),
                "Clocks 时钟",
                "Stations whose stamps and receipts differ by more than two minutes, the worst fifty; negative: ahead; "
                "report.clock.",
                width=6,
                height=6,
            ),
            {"station": "station 站点", "source": "source 来源", "delay": "delay 时延", "seen": "seen 最近"},
            {"delay": "s", "seen": "s"},
        ).override_by_name("station", [TO_STATION]),
    ]
