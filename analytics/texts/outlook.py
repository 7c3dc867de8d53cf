"""What is said of the days ahead."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "outlook_day": ("day", "日期"),
    "outlook_standard": ("standard", "标准"),
    "outlook_index": ("index", "AQI"),
    "outlook_band": ("band", "区间"),
    "outlook_primary": ("primary pollutant", "首要污染物"),
    "outlook_calm": ("By these days no warning is called for.", "按预报未达到预警条件。"),
    "outlook_tier": ("These days call for: {tier}.", "按预报已达到{tier}条件。"),
    "outlook_possible": (
        "At the upper end of the band they would call for: {tier}.",
        "若出现区间上限，将达到{tier}条件。",
    ),
    "outlook_none": (
        "Nothing was forecast in the last hours: `greenwatch forecast`, or a worker that runs.",
        "近几小时没有预报：请运行 `greenwatch forecast` 或启动 worker。",
    ),
}
