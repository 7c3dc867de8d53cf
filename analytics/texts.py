"""Words for people, Chinese and English: the one catalogue, so that a thing is called the same wherever it is shown.

Names of parameters, averagings and classes of an index stand in the tables beside what they name; here is the rest.
"""

from collections.abc import Mapping
from enum import StrEnum


class Language(StrEnum):
    """In which words: English, Chinese, or both side by side."""

    both = "both"
    en = "en"
    zh = "zh"


#: key -> (English, Chinese). What stands in braces is filled in by `text`.
TEXTS: Mapping[str, tuple[str, str]] = {
    # what the data are
    "synthetic": ("SYNTHETIC DATA: made up by a program, measured nowhere", "合成数据：由程序生成，并非实测"),
    "summary": ("summary", "概览"),
    "stations": ("stations", "站点"),
    "series": ("series", "序列"),
    "readings": ("readings", "读数"),
    "period": ("period", "时段"),
    "sum": (
        "{read:,} cells read = {new:,} new + {replaced:,} replaced + {duplicates:,} duplicates"
        " + {missing:,} missing + {rejects:,} rejects",
        "读入 {read:,} = 新增 {new:,} + 更正 {replaced:,} + 重复 {duplicates:,} + 缺测 {missing:,} + 拒收 {rejects:,}",
    ),
    "conflicts": (
        "{count:,} cells disagree with another of the same revision",
        "{count:,} 个读数与同一版本的另一读数不一致",
    ),
    "ingested": ("ingested", "入库"),
    "settled": ("settled", "计算"),
    "speed": (
        "{rows:,} {what} in {seconds:.1f} s, {rate:,.0f} a second",
        "{rows:,} {what}，{seconds:.1f} 秒，每秒 {rate:,.0f}",
    ),
    "cells": ("cells", "个单元"),
    "rows_written": ("rows written", "行写入"),
    "due": (
        "{count:,} windows are stale: run `greenwatch settle`",
        "{count:,} 个时段待重算：请运行 greenwatch settle",
    ),
    # what detectors reach
    "score_set": ("set", "数据集"),
    "score_f1": ("F1 of events", "事件F1"),
    "score_precision": ("precision", "精确率"),
    "score_recall": ("recall", "召回率"),
    "score_false_week": ("false/station-week", "误报/站周"),
    "score_delay_hours": ("delay [h]", "延迟[h]"),
    "score_f1_halves": ("F1 of halves", "前后半F1"),
    "score_f1_best": ("F1 at best line", "最佳线F1"),
    "score_vus": ("VUS-PR", "VUS-PR"),
    "score_speed_rows": ("rows/s", "行/秒"),
    "score_elsewhere": (
        "{set}: F1 {f1:.3f} at {rate:.2f} false alarms a station-week, each station at the best line of the others",
        "{set}：各站采用其他站最佳线时 F1 {f1:.3f}，每站周误报 {rate:.2f}",
    ),
    "score_nab": (
        "{set}: NAB at line 1.0 {standard:.1f} standard, {low_fp:.1f} low FP, {low_fn:.1f} low FN",
        "{set}：线 1.0 处 NAB 得分 标准 {standard:.1f}，低误报 {low_fp:.1f}，低漏报 {low_fn:.1f}",
    ),
    # the calendar
    "calendar": ("daily air quality index by class", "每日空气质量指数级别"),
    "cell_day": ("one cell a day", "每格一天"),
    "cell_week": ("a cell pair a week: its median day, its worst day", "每两格一周：左为中位日，右为最差日"),
    "cell_month": ("a cell pair a month: its median day, its worst day", "每两格一月：左为中位日，右为最差日"),
    "no_data": ("no data", "无数据"),
    "no_index": ("pollutants missing: no index", "项目不全，不计指数"),
    "more": ("and {count:,} more stations", "另有 {count:,} 个站点"),
    # the table of stations
    "more_rows": ("and {count:,} more", "另有 {count:,} 条"),
    "by_station": ("by station", "分站点"),
    "station": ("station", "站点"),
    "days": ("days", "天数"),
    "classes": ("days by class", "各级天数"),
    "good": ("good", "优良率"),
    "worst": ("worst day", "最差日"),
    "capture": ("capture", "有效率"),
    "suspect": ("suspect", "可疑"),
    "fail": ("fail", "无效"),
    "stations_note": (
        "days: with an index; good: of them in class 1 or 2; capture: hours with a mean, of all series and the whole"
        " period; suspect, fail: readings, none of them changed or dropped",
        "天数：有指数的天数；优良率：其中一、二级的比例；有效率：全部序列在整个时段内有均值的小时比例；"
        "可疑、无效：读数个数，读数本身不改不删",
    ),
    # limits
    "limits": ("station-days above GB 3095 class 2", "超过 GB 3095 二级日限值的站点·天"),
    "parameter": ("parameter", "项目"),
    "standard": ("standard", "标准"),
    "limit": ("limit", "限值"),
    "above": ("above", "超标"),
    "assessed": ("of", "评价"),
    "highest": ("highest", "最高"),
    "multiple": ("× limit", "倍限值"),
    "primary": ("primary pollutant, share of the days that name one", "首要污染物占比"),
    # editions
    "editions": ("editions", "标准版本"),
    "edition": (
        "{standard}: {first} to {last}, {days:,} daily figures",
        "{standard}：{first} 至 {last}，{days:,} 个日值",
    ),
    "origin": (
        "table rows: {certain} certain, {found} found, {memory} from memory",
        "表中 {certain} 行确证，{found} 行转引，{memory} 行凭记忆",
    ),
    "unverified": ("what is from memory is unverified", "凭记忆录入的未经核实"),
    # what came late
    "repair": ("what came late, and what it made stale", "迟到数据与重算范围"),
    "late": (
        "{new:,} readings arrived after everything was settled; only what stands on them was made again",
        "全部计算完成后，有 {new:,} 个读数才到达；只重算受其影响的部分",
    ),
    "stage": ("stage", "环节"),
    "full": ("rows, all settled", "全量写入"),
    "touched": ("rows, repair", "修复写入"),
    "share": ("share", "占比"),
    "seconds": ("seconds", "秒"),
    "all": ("all", "合计"),
    "stage_decide": ("who is believed", "采信来源"),
    "stage_flag": ("first verdicts", "初步判定"),
    "stage_compare": ("verdicts", "判定"),
    "stage_hour": ("hours", "小时均值"),
    "stage_derive": ("derived series", "衍生序列"),
    "stage_average": ("days and running means", "日均与滑动均值"),
    "stage_assess": ("indices and classes", "指数与类别"),
    "stage_detect": ("episodes and scores", "过程与得分"),
    # the page
    "board": ("district now", "区域现状"),
    "as_of": ("as of {time}", "截至 {time}"),
    "air": ("air", "空气"),
    "water": ("water", "地表水"),
    "noise": ("noise", "噪声"),
    "soil": ("soil", "土壤"),
    "weather": ("weather", "气象"),
    "alarms": ("alarms", "报警"),
    "alarms_on": ("alarms on", "报警中"),
    "no_alarms": ("No alarm is on.", "当前无报警。"),
    "episodes": ("episodes", "污染过程"),
    "episodes_open": ("open episodes", "进行中的过程"),
    "devices_suspect": ("devices suspect", "设备疑似异常"),
    "about_event": ("happens", "过程"),
    "about_ahead": ("expected", "预计"),
    "about_device": ("device suspect", "设备疑似异常"),
    "no_episodes": ("No episode in the last days.", "近日无污染过程。"),
    "reporting": ("stations reporting", "在线站点"),
    "newest": ("newest reading", "最新读数"),
    "zones_dry": ("zones to water", "需灌溉地块"),
    "advice": ("irrigation advice", "灌溉建议"),
    "no_advice": ("No irrigated zone is registered.", "尚未登记灌溉地块。"),
    "zone": ("zone", "地块"),
    "water_it": ("water", "灌溉"),
    "no_water": ("no need", "无需"),
    "unknown_need": ("not known", "未知"),
    "by_when": ("by", "最迟"),
    "from_when": ("from", "始于"),
    "plan_week": ("plan, today and the days after:", "计划（今日及以后各日）："),
    "depletion": ("depletion", "亏缺"),
    "reason": ("reason", "理由"),
    "rule": ("rule", "规则"),
    "since": ("since", "起始"),
    "last": ("until", "截至"),
    "level": ("level", "等级"),
    "peak": ("peak", "峰值"),
    "state": ("state", "状态"),
    "open": ("open", "进行中"),
    "closed": ("over", "已结束"),
    "pending": ("pending", "待确认"),
    "firing": ("firing", "报警"),
    "blind": ("blind: no data", "失明：无数据"),
    "recovering": ("recovering", "恢复中"),
    "withdrawn": ("withdrawn", "已撤销"),
    "ok": ("ok", "正常"),
    "verdict_2": ("not evaluated", "未评估"),
    "verdict_3": ("suspect", "可疑"),
    "verdict_4": ("fail", "无效"),
    "verdict_9": ("missing", "缺测"),
    "silent": ("silent", "失联"),
    "next_day": ("next 24 h", "未来24小时"),
    "next_day_mean": (
        "mean of the next 24 h {value}, 80 % band up to {high} {unit}",
        "未来24小时均值 {value}，80% 区间上限 {high} {unit}",
    ),
    "meets": ("meets the limit", "达标"),
    "exceeds": ("exceeds the limit", "超标"),
    "over_limit": ("{value:+.0f} dB to the limit", "与限值差 {value:+.0f} dB"),
    "section_class": ("class {level}", "{level}类"),
    "worse_than_v": ("worse than class V", "劣V类"),
    "ago_seconds": ("{count} s ago", "{count} 秒前"),
    "ago_minutes": ("{count} min ago", "{count} 分钟前"),
    "ago_hours": ("{count} h ago", "{count} 小时前"),
    "ago_days": ("{count} d ago", "{count} 天前"),
    "quantity": ("quantity", "项目"),
    "value": ("value", "数值"),
    "class": ("class", "级别"),
    "curve": ("last 48 h", "近48小时"),
    "volume": ("volume", "水量"),
    "minutes": ("time", "时长"),
    "empty_board": (
        "No station is registered yet. Send readings or register stations, and they appear here.",
        "尚未登记站点。登记站点或发送读数后，这里会显示。",
    ),
    "chart_readings": ("readings", "读数"),
    "chart_hours": ("hourly mean", "小时均值"),
    "chart_forecast": ("forecast", "预报"),
    "chart_band": ("{percent} % band", "{percent}% 区间"),
    "chart_span": ("minimum and maximum", "最小与最大"),
    "back": ("district", "返回区域"),
    "unknown_station": ("There is no station {code}.", "没有站点 {code}。"),
    "map": ("map", "地图"),
    "map_note": ("north is up; colour is the class of now", "上为北；颜色为当前级别"),
    "unverified_limits": (
        "Quality limits and some table rows are from memory and unverified; each row says so in its table.",
        "质控限值与部分表行凭记忆录入、未经核实；表中逐行注明。",
    ),
    # why an alarm changed (alarms.REASONS)
    "alarm_begun": ("holds, to be confirmed", "达到条件，待确认"),
    "alarm_fired": ("holds at the live edge", "实时数据达到条件"),
    "alarm_passed": ("passed before it was confirmed", "确认前已消失"),
    "alarm_removed": ("what it stood on was corrected away", "所依据的数据已被更正"),
    "alarm_silent": ("no live values", "实时数据中断"),
    "alarm_seen": ("live values again", "实时数据恢复"),
    "alarm_quiet": ("back below the line, to be confirmed", "已回落，待确认"),
    "alarm_again": ("holds again", "再次达到条件"),
    "alarm_cleared": ("below the line for long enough", "持续低于解除线"),
    "alarm_raised": ("a higher level", "级别升高"),
    "alarm_lowered": ("a lower level", "级别降低"),
    "alarm_told": ("still holds, and is held back no more", "仍在持续，不再抑制，现予告警"),
    "alarm_escalated": ("on for long: told more loudly", "持续过久，告警升级"),
    # greenwatch alarms
    "alarm_column_subject": ("subject", "对象"),
    "alarm_column_rule": ("rule", "规则"),
    "alarm_column_state": ("state", "状态"),
    "alarm_column_level": ("level", "级别"),
    "alarm_column_since": ("since", "自"),
    "alarm_column_told": ("told", "告警级别"),
    "alarm_column_incident": ("incident", "事件"),
    "planned_planned": ("number", "编号"),
    "planned_scope": ("covers", "范围"),
    "planned_name": ("name", "名称"),
    "planned_start": ("from", "开始"),
    "planned_stop": ("to", "结束"),
    "planned_author": ("author", "登记人"),
    "planned_reason": ("reason", "原因"),
    "planned_kind": ("kind", "类型"),
    "planned_ended": ("ended", "提前终止"),
    "planned_ended_by": ("by", "终止人"),
    "planned_ended_for": ("because", "终止原因"),
    "planned_scope_all": ("all", "全部"),
    "planned_scope_station": ("station", "站点"),
    "planned_scope_district": ("district", "区"),
    "planned_scope_source": ("source", "数据源"),
    "planned_scope_parameter": ("parameter", "参数"),
    "plan_rule": ("rule", "规则"),
    "plan_severity": ("severity", "告警级别"),
    "plan_now": ("rules now", "现行规则"),
    "plan_then": ("with the file", "按此文件"),
    "plan_difference": ("difference", "差值"),
    "plan_subjects": ("stations or districts", "站点或区"),
    "plan_longest": ("longest [h]", "最长[小时]"),
    "plan_when": ("told at", "告警时间"),
    "plan_apart": (
        "not replayed, since neither means nor readings say it: {rules}",
        "不由均值或读数得出，未重演：{rules}",
    ),
    "plan_assumes_means": (
        "means are those kept now: what was corrected later counts as known from the start",
        "均值取现存值：事后更正视为当时已知",
    ),
    "plan_assumes_arrival": (
        "an hour counts from when its live readings had come; one that came late or by backfill tells nobody",
        "每小时自其实时数据到齐起计；迟到或补录的小时不触发告警",
    ),
    "plan_assumes_archived": (
        "hours whose readings were archived, and those of derived series, count as live and in time",
        "原始读数已归档的小时及衍生序列视为实时且准时",
    ),
    "plan_assumes_look": (
        "somebody looks once an hour, 5 minutes after its end; rules and registry are those of today",
        "每小时结束5分钟后判定一次；规则与登记信息以今日为准",
    ),
    "plan_assumes_readings": (
        "hard limits: readings as kept now, from when they came, looked at once a minute; archived ones tell nothing",
        "硬限值：读数取现存值，自其到达起计，每分钟判定一次；已归档的读数不触发告警",
    ),
    "plan_assumes_held": (
        "planned events and regions hold back; outages of sources do not; what is latched was acknowledged",
        "计划事件与区域告警参与抑制；数据源中断不参与；锁存告警视为已确认",
    ),
    "alarm_told_nobody": ("nobody", "未告警"),
    "alarm_told_ticket": ("ticket", "工单"),
    "alarm_told_page": ("page", "呼叫"),
    # what to do next
    "next": ("what to do next", "下一步"),
    "next_export": ("the daily figures as a file", "导出日报"),
    "next_psql": ("look at the tables", "查看数据库"),
    "next_ingest": ("your own files", "读入自己的文件"),
    "nothing": ("Nothing here yet.", "还没有数据。"),
    "nothing_demo": ("a made-up district", "合成城区"),
    "not_settled": ("No day has an index yet.", "还没有任何一天有指数。"),
    "next_settle": ("judge, average and assess what is due", "判定、平均、评价"),
    # irrigation
    "advice_now": (
        "The root zone has lost {lost:.0f} mm; beyond {raw:.0f} mm plants suffer: water now",
        "根区亏缺 {lost:.0f} mm，已超过易利用水量 {raw:.0f} mm：请立即灌溉",
    ),
    "advice_soon": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm and loses {rate:.1f} mm a day: water within {hours} h",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm，日耗水 {rate:.1f} mm：请在 {hours} 小时内灌溉",
    ),
    "advice_later": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm and loses {rate:.1f} mm a day: enough for {days:.1f} days",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm，日耗水 {rate:.1f} mm：尚可维持 {days:.1f} 天",
    ),
    "advice_enough": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm: no need within {horizon} days",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm：{horizon} 天内无需灌溉",
    ),
    "advice_wet": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm: no need now; how much it loses a day is not known",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm：目前无需灌溉，日耗水量未知",
    ),
    "advice_cold": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm, but yesterday stayed below {cold:.0f} °C ({tmax:.0f} °C):"
        " do not water",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm，但昨日最高气温 {tmax:.0f} °C，低于 {cold:.0f} °C：不宜灌溉",
    ),
    "advice_rain": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm; rain may well make watering a waste (stress by tomorrow:"
        " {risk:.0f} %): wait",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm；预计有雨，灌溉可能浪费（明日前受旱概率 {risk:.0f}%）：请等待",
    ),
    "advice_source": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm, but the water of its source is of too bad a class: do not"
        " water from it",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm，但水源水质类别不达要求：不得取用",
    ),
    "advice_none_left": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm; supply {supply} ({daily:.0f} m³ a day) goes to zones in"
        " greater need today",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm；水源 {supply}（每日 {daily:.0f} m³）今日优先供给更缺水的地块",
    ),
    "advice_short": (
        " Supply {supply} ({daily:.0f} m³ a day) is short: this is its share.",
        "水源 {supply}（每日 {daily:.0f} m³）不足：此为其应得份额。",
    ),
    "advice_risk": (" Without, stress by tomorrow is {risk:.0f} % likely.", "若不灌溉，明日前受旱概率 {risk:.0f}%。"),
    "advice_unknown": (
        "There is neither weather nor a probe of the last days: nothing can be said.",
        "近日既无气象数据也无土壤墒情数据：无法给出建议。",
    ),
    "advice_probe": (" (by the probe and the water balance).", "（依据墒情探头与水量平衡）。"),
    "advice_balance": (" (by the water balance).", "（依据水量平衡）。"),
    "advice_unmetered": (
        " (by the water balance, which knows of no watering).",
        "（依据水量平衡，未见灌溉记录）。",
    ),
    "advice_distrusted": (" The probe says what cannot be, and is not trusted.", "墒情探头读数不合常理，未予采信。"),
    "fallback_humidity_rh_max": ("humidity of the night alone", "仅用夜间最高湿度"),
    "fallback_humidity_rh_mean": ("mean humidity", "用平均湿度"),
    "fallback_humidity_tmin": ("humidity from the lowest temperature", "由最低气温估算湿度"),
    "fallback_radiation_temperature": ("radiation from temperature", "由气温估算辐射"),
    "fallback_wind_default": ("wind taken as 2 m/s", "风速按 2 m/s 计"),
    "fallback_hargreaves": ("temperature alone (Hargreaves)", "仅有气温（Hargreaves 公式）"),
    "fallback_et0_recent": ("evapotranspiration of the days before", "沿用前几日蒸散量"),
    "fallback_no_weather": ("no weather: the soil is taken as it was", "无气象数据：土壤水分按不变计"),
    "fallback_no_rain": ("no rain gauge: no rain taken", "无雨量数据：按无雨计"),
    "fallback_start_raw": ("start: half of the available water taken as lost", "初值：按易利用水量亏缺一半计"),
    # clocks of devices
    "clock": ("Clock", "时钟"),
    "clock_right": ("not off as far as can be told", "未见偏差"),
    "clock_ahead": ("{seconds} s ahead", "快 {seconds} 秒"),
    "clock_behind": ("{seconds} s behind, or its readings are late", "慢 {seconds} 秒，或读数迟到"),
    "clock_drift": ("{seconds} s a day", "每日 {seconds} 秒"),
    # how readings come in
    "doors": ("ways in", "数据入口"),
    "door": ("door", "入口"),
    "door_well": ("well: nothing waits", "正常，无积压"),
    "door_waits": ("{count:,} records wait for the database, the oldest came {age}", "待入库 {count:,} 条，最早 {age}"),
    "door_full": ("its spool is full: readings are refused", "缓存已满，正在拒收"),
    "door_silent": ("its program was last heard {age}", "程序最近一次消息：{age}"),
    "pull_fails": ("failed {count} times in a row", "连续失败 {count} 次"),
    "pull_overdue": ("was due {age}, and nobody asked", "应于 {age} 拉取，未执行"),
    "rejects_wait": (
        "{count:,} readings wait for their series to be registered",
        "{count:,} 个读数等待登记其序列",
    ),
    "no_rejects": ("nothing was refused", "无拒收"),
    "no_doors": ("no spool is in use", "未使用缓存"),
    "look_rejects": ("each of them: `greenwatch rejects list`", "逐条查看：greenwatch rejects list"),
    "source": ("source", "来源"),
    "refused_for": ("refused for", "拒收原因"),
    "count": ("count", "数量"),
    # why a cell was refused (store.rejects.KINDS)
    "reject_unknown station": ("unknown station", "站点未登记"),
    "reject_unknown series": ("unknown series", "序列未登记"),
    "reject_unknown parameter": ("unknown parameter", "指标未知"),
    "reject_derived series": ("derived series", "派生序列，不接收"),
    "reject_approved": ("period is approved", "时段已审定"),
    "reject_archived": ("period is archived", "时段已归档"),
    "reject_ahead of the clock": ("ahead of the clock", "时间超前"),
    "reject_not a number": ("not a number", "不是数值"),
    "reject_broken line": ("broken line", "行格式有误"),
    "reject_unknown device": ("unknown device", "设备未登记"),
    "reject_unknown node": ("unknown node", "节点未登记"),
    "reject_could not be decoded": ("could not be decoded", "无法解码"),
    "reject_damaged in the spool": ("damaged in the spool", "缓存损坏"),
    "reject_unknown code": ("unknown code", "因子编码未知"),
    "reject_time": ("time cannot be read", "时间无法识别"),
    "reject_frame": ("frame is broken", "报文有误"),
    "reject_unit": ("unit cannot be converted", "单位无法换算"),
    "reject_mark": ("mark cannot be read", "标记无法识别"),
    "reject_other": ("another reason", "其他"),
    # what holds readings back from the archive
    "hold_due": ("windows are stale: run `greenwatch settle`", "有时段待重算：请运行 greenwatch settle"),
    "hold_later": ("periods that are not over", "时段尚未结束"),
    "hold_episode": ("open episodes", "污染过程尚未结束"),
    "hold_backfill": ("chunks of a backfill are still to be read", "回补数据尚未读完"),
    "hold_learning": ("fits and forecasts are learned from there", "拟合与预报的学习时段"),
    "hold_opened": ("restored and open for late readings", "已恢复，可补录"),
}


def text(key: str, language: Language = Language.both, between: str = " ", **values: object) -> str:
    """The words of `key` with `values` filled in; both languages are joined by `between`. Raises `KeyError`."""
    english, chinese = (words.format(**values) for words in TEXTS[key])
    if language is Language.both:
        return f"{english}{between}{chinese}"
    return english if language is Language.en else chinese


def choose(english: str, chinese: str, language: Language = Language.both, between: str = " ") -> str:
    """The name of a thing whose two names stand in a table of their own."""
    if language is Language.both and chinese:
        return f"{english}{between}{chinese}"
    return english if language is Language.en or not chinese else chinese
