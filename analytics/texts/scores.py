"""What detectors reach."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
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
}
