"""What the data are, what came of them, what to do next: the terminal's summary."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
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
    # what to do next
    "next": ("what to do next", "下一步"),
    "next_export": ("the daily figures as a file", "导出日报"),
    "next_psql": ("look at the tables", "查看数据库"),
    "next_ingest": ("your own files", "读入自己的文件"),
    "nothing": ("Nothing here yet.", "还没有数据。"),
    "nothing_demo": ("a made-up district", "合成城区"),
    "not_settled": ("No day has an index yet.", "还没有任何一天有指数。"),
    "next_settle": ("judge, average and assess what is due", "判定、平均、评价"),
}
