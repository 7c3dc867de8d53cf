"""How readings come in: clocks, doors, what was refused, what is held back from the archive."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
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
