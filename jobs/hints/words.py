"""What hints say: key -> (English, Chinese). What stands in braces is filled in by `told`."""

from collections.abc import Mapping

POINTS = (
    ("north", "北"),
    ("north-east", "东北"),
    ("east", "东"),
    ("south-east", "东南"),
    ("south", "南"),
    ("south-west", "西南"),
    ("west", "西"),
    ("north-west", "西北"),
)

SENTENCES: Mapping[str, tuple[str, str]] = {
    **{f"point_{nr}": words for nr, words in enumerate(POINTS)},
    "head": (
        "{station}, {name}, {start} to {stop}: {hours:,} hours, high is above {line:.3g} {unit} (percentile"
        " {percentile:g})",
        "{station}，{name}，{start} 至 {stop}：{hours:,} 小时，高值线 {line:.3g} {unit}（第 {percentile:g} 百分位）",
    ),
    "wind": ("wind of {weather}, {distance:.1f} km off", "风取自 {weather}，相距 {distance:.1f} km"),
    "sector": (
        "wind from the {point} ({sector}°): high in {high:,} of {count:,} hours, {probability:.0%}; by the {days:,}"
        " days it blew, at least in {sure:.0%}",
        "{point}风（{sector}°）：{count:,} 小时中 {high:,} 小时偏高，占 {probability:.0%}；"
        "按出现的 {days:,} 天计，至少 {sure:.0%}",
    ),
    "still": (
        "no wind: high in {calm_high:,} of {calm:,} hours; wind unknown: in {unknown_high:,} of {unknown:,}",
        "静风：{calm:,} 小时中 {calm_high:,} 小时偏高；风不明：{unknown:,} 小时中 {unknown_high:,} 小时",
    ),
    "emitter": (
        "{rank}. {emitter}, {distance:.1f} km to the {point} ({bearing:.0f}°): high in {probability:.0%} of {count:,}"
        " hours with wind from there, in {elsewhere:.0%} of all others; with the wind of other days as much in {p:.0%}"
        " of cases",
        "{rank}. {emitter}，{point}方（{bearing:.0f}°）{distance:.1f} km：来风 {count:,} 小时中 {probability:.0%} "
        "偏高，其余为 {elsewhere:.0%}；换成别日的风，{p:.0%} 的情形不逊于此",
    ),
    "emitter_few": (
        "{rank}. {emitter}, {distance:.1f} km to the {point} ({bearing:.0f}°): {count:,} hours with wind from there say"
        " too little",
        "{rank}. {emitter}，{point}方（{bearing:.0f}°）{distance:.1f} km：来风 {count:,} 小时，不足以判断",
    ),
    "no_emitters": (
        "no emitter within {reach:g} km is registered that may emit it: [[emitter]] in a register file",
        "{reach:g} km 内未登记可能排放它的源：请在登记文件中加入 [[emitter]]",
    ),
    "clock": (
        "{what}: {ratio:.2f} times as much as beside, more on {positive:.0%} of {units:,} {unit}; by chance in"
        " {p:.1%} at most",
        "{what}：为旁侧时段的 {ratio:.2f} 倍，{units:,} {unit}中 {positive:.0%} 偏高；纯属偶然的概率不超过 {p:.1%}",
    ),
    "no_clock": ("no hours of the day or the week stand out", "一日或一周中无突出时段"),
    "clock_work": ("work hours (8 to 18 h, Monday to Friday)", "工作时段（周一至周五 8—18 时）"),
    "clock_night": ("night (22 to 6 h)", "夜间（22—6 时）"),
    "clock_lunch": ("lunch (11 to 13 h)", "午餐（11—13 时）"),
    "clock_dinner": ("dinner (17 to 20 h)", "晚餐（17—20 时）"),
    "clock_weekday": ("Monday to Friday against the weekend", "周一至周五与周末相比"),
    "days": ("days", "天"),
    "weeks": ("weeks", "周"),
    "hot": (
        "{station}: {peak:.3g} {unit} at {peak_time}, {ratio:.1f} times the other cells; high in {hours} of the last"
        " 24 h, since {since}; {state}; at such hours of the day high in {usual:.0%}; worth a visit until {expires}",
        "{station}：{peak_time} 达 {peak:.3g} {unit}，为其他网格的 {ratio:.1f} 倍；近 24 小时有 {hours} 小时偏高，"
        "始于 {since}；{state}；同一时刻平时 {usual:.0%} 偏高；请于 {expires} 前查看",
    ),
    "on": ("still high", "仍偏高"),
    "over": ("last in the hour of {last}", "最近一次 {last}"),
    "blind": ("nothing came of it since {last}", "{last} 之后无数据"),
    "cool": ("none of {cells} cells is worth a visit at {time}", "{time}：{cells} 个网格均无需前往"),
    "lag": (
        "{effect} follows {cause} by {lag} h ({low} to {high} h), correlation {r:.2f}; other days do as well in"
        " {p:.1%} of cases",
        "{effect} 比 {cause} 滞后 {lag} 小时（{low} 至 {high} 小时），相关系数 {r:.2f}；"
        "换成别日，{p:.1%} 的情形不逊于此",
    ),
    "no_lag": (
        "{effect} is not seen to follow {cause}: its best lag, {lag} h, is reached by other days in {p:.0%} of cases",
        "未见 {effect} 随 {cause} 变化：最佳滞后 {lag} 小时，换成别日，{p:.0%} 的情形不逊于此",
    ),
    "odour": (
        "{station}: {name} is high in {probability:.0%} of {hours:,} hours in which people smelled something"
        " ({reports:,} reports), in {elsewhere:.0%} of other hours; the same hours of other days do as well"
        " in {p:.1%} of cases",
        "{station}：有人反映异味的 {hours:,} 小时中（{reports:,} 条反映），{name}有 {probability:.0%} 偏高，"
        "其余时段为 {elsewhere:.0%}；换成别日，{p:.1%} 的情形不逊于此",
    ),
    "no_odour": (
        "{station}: {name} is not seen to be high when people smell something: in {probability:.0%} of {hours:,} such"
        " hours ({reports:,} reports), in {elsewhere:.0%} of others; chance does as well in {p:.0%} of cases",
        "{station}：未见反映异味时{name}偏高：{hours:,} 小时（{reports:,} 条反映）中 {probability:.0%} 偏高，"
        "其余时段为 {elsewhere:.0%}；{p:.0%} 的情形纯属偶然亦不逊于此",
    ),
    "odour_few": (
        "{station}: {reports:,} reports and the hours of {name} are too few, or too much alike, to say anything",
        "{station}：{reports:,} 条反映与{name}的小时数太少或毫无变化，无法判断",
    ),
    "few": ("too few hours of both to say anything", "两者共有的小时太少，无法判断"),
}
