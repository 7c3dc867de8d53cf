"""Advice to water, and why."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
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
    "advice_frost": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm, but frost is foretold ({lowest:.0f} °C within 24 h): do not"
        " water",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm，但预计 24 小时内有霜冻（最低 {lowest:.0f} °C）：不宜灌溉",
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
    "advice_exhausted": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm; supply {supply} ({daily:.0f} m³ a day) has nothing to give"
        " to any zone today",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm；水源 {supply}（每日 {daily:.0f} m³）今日已无水可供",
    ),
    "advice_short": (
        " Supply {supply} ({daily:.0f} m³ a day) is short: this is its share.",
        "水源 {supply}（每日 {daily:.0f} m³）不足：此为其应得份额。",
    ),
    "advice_spent": (
        "The root zone has lost {lost:.0f} of {raw:.0f} mm; of this year's quota supply {supply} has {left:,.0f} m³"
        " left, and none for this zone",
        "根区亏缺 {lost:.0f} mm，易利用水量 {raw:.0f} mm；水源 {supply} 年度指标仅余 {left:,.0f} m³，本地块无水可供",
    ),
    "advice_short_of_year": (
        " Of this year's quota supply {supply} has {left:,.0f} m³ left: this is its share.",
        "水源 {supply} 年度指标仅余 {left:,.0f} m³：此为其应得份额。",
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
    "advice_distrusted": (
        " What probe {probes} says cannot be, and is not trusted.",
        "墒情探头 {probes} 读数不合常理，未予采信。",
    ),
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
}
