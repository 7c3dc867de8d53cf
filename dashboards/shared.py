"""What dashboards share beside their panels: variables, annotations, curves at the width of a panel, links to evidence.

For whoever writes a dashboard:

- `marked(made, where)` puts episodes, alarms and planned events on every graph; `where` is a condition on `station`.
- `curve(...)` is the panel of one quantity of one station over any span (`report.curve`): mean with the band of lowest
  and highest, stand-in, suspect and failed values apart. Readings, hours or days are read by the width of a point: do
  not ask `report.reading` or `report.mean` for a long span. Gaps come as rows without values: no `insert_nulls` here.
- `spread(...)` is the same over many stations (`report.spread`).
- `CHOSEN` are the first two arguments of the functions of many stations (`report.means`, `spread`, `assessed`,
  `graded`): what the variables `district` and `station` of `with_stations` say. They must stay literals: of a subquery
  in their place the planner sees nothing.
- `TO_EVIDENCE` leads from a row with `station`, `parameter`, `since_ms`, `until_ms` (columns of words; `EVIDENCE` makes
  the last two of an episode) to the station's dashboard at that time; `TO_STATION` of `pieces` keeps the time shown.
"""

from dashboards.pieces import (
    DISTRICT,
    Begun,
    Graph,
    Series,
    annotation,
    band,
    curves,
    override,
    points,
    question,
    unseen,
)

#: What is chosen of a list, also where the list is empty, and `IN ()` would be no SQL.
DISTRICTS, STATIONS = "ARRAY[${district:sqlstring}]::text[]", "ARRAY[${station:sqlstring}]::text[]"
#: Condition on a column `district`: it is chosen; on a column `station`: it lies in one that is.
HERE = f"district = ANY({DISTRICTS})"
OURS = f"station IN (SELECT station FROM report.district WHERE {HERE})"
#: The districts and stations that are chosen, as functions of many stations take them.
CHOSEN = f"{DISTRICTS}, {STATIONS}"
#: What is shown: both ends of the time, and the width of a point.
SHOWN = "$__timeFrom(), $__timeTo(), $__interval_ms"
#: Last arguments of `report.binned` for days of the stations.
DAYS = "86400, (SELECT min(minutes) FROM report.place)"

#: Columns of a row of report.episode: what `TO_EVIDENCE` needs. A day before it, half a day after: what was it before?
EVIDENCE = """
    (extract(epoch FROM time - interval '1 day') * 1000)::int8::text AS since_ms,
    (extract(epoch FROM least(stop + interval '12 hours', now())) * 1000)::int8::text AS until_ms
"""
#: To the evidence: the station, the quantity and the time of an episode.
TO_EVIDENCE = override(
    "links",
    [
        {
            "title": "evidence 证据",
            "url": "/d/greenwatch-station?var-station=${__data.fields.station}&var-parameter=${__data.fields.parameter}"
            "&from=${__data.fields.since_ms}&to=${__data.fields.until_ms}",
            "targetBlank": False,
        }
    ],
)
HIDDEN = unseen()

#: The unit of the quantity that is chosen, for the titles of its panels.
UNIT = """
    SELECT coalesce(max(nullif(unit, '1')), '–') AS __value
    FROM report.parameter WHERE parameter = ${parameter:sqlstring}
"""

#: Of the chosen districts, those with a series of one of the parameters.
_STATIONS = """
    SELECT d.station AS __value, concat_ws(' ', d.station, nullif(d.title, d.station)) AS __text
    FROM report.district d
    WHERE d.district = ANY(ARRAY[${{district:sqlstring}}]::text[])
          AND d.station IN (SELECT station FROM report.latest WHERE parameter IN ({}))
    ORDER BY 1
"""


def with_stations(made: Begun, *parameters: str) -> Begun:
    """`made` with the variables `district` and `station`, several of each, of those that measure `parameters`."""
    listed = ", ".join(f"'{parameter}'" for parameter in parameters)
    stations = question("station", "station 站点", _STATIONS.format(listed), several=True)
    # Hundreds of names would stand in every query: where all are chosen, it says so.
    return made.with_variable(question("district", "district 区", DISTRICT, several=True)).with_variable(
        stations.all_value("''")
    )


def marked(made: Begun, where: str, parameters: str = "", *, many: bool = False, without: str = "") -> Begun:
    """`made` with what happened as marks on every graph; `where` is a condition on `station`, `parameters` one on
    `parameter` (empty: all). At most 300 of each kind, the newest; none of the kind `without`. Of `many` stations those
    of one rule are one mark as long as they touch one another: else nobody would see the graph."""
    ours = f"{where} AND {parameters}" if parameters else where
    episodes = f"""
        SELECT time, stop AS timeend,
               concat_ws(' ', station, title, title_zh, 'level', level, 'peak', round(peak::numeric, 1), unit) AS text,
               concat_ws(', ', 'episode 过程',
                         CASE about WHEN 'device' THEN 'device 设备' WHEN 'ahead' THEN 'expected 预计'
                                    WHEN 'anomaly' THEN 'unusual 异常' END,
                         CASE WHEN NOT closed THEN 'on 进行中' END) AS tags
        FROM report.episode WHERE {ours} AND time <= $__timeTo() AND stop >= $__timeFrom() ORDER BY 1 DESC LIMIT 300
    """
    turned = f"""{ours} AND $__timeFilter(time)
              AND (before IN ('firing', 'blind', 'recovering')) <> (after IN ('firing', 'blind', 'recovering'))"""
    alarms = f"""
        SELECT time, time AS timeend, concat_ws(' ', name, title, title_zh, 'level', level, after, reason) AS text,
               concat_ws(', ', 'alarm 报警', after, nullif(told, '')) AS tags
        FROM report.alarm_event
        WHERE {turned}
        ORDER BY 1 DESC LIMIT 300
    """
    if many:
        episodes = f"""
            WITH each AS MATERIALIZED (
                SELECT *, coalesce(time > max(stop) OVER (
                           PARTITION BY rule ORDER BY time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                       ), true) AS apart
                FROM (
                    SELECT station, rule, time, stop, level, title, title_zh, closed FROM report.episode
                    WHERE {ours} AND time <= $__timeTo() AND stop >= $__timeFrom()
                ) AS e
            )
            SELECT min(time) AS time, max(stop) AS timeend,
                   concat_ws(' ', title, title_zh, 'level', max(level), 'stations 站点', count(DISTINCT station))
                       AS text,
                   CASE WHEN bool_and(closed) THEN 'episode 过程' ELSE 'episode 过程, on 进行中' END AS tags
            FROM (
                SELECT *, count(*) FILTER (WHERE apart) OVER (PARTITION BY rule ORDER BY time, apart DESC) AS island
                FROM each
            ) AS e
            GROUP BY rule, island, title, title_zh ORDER BY 1 DESC LIMIT 300
        """
        alarms = f"""
            SELECT min(time) AS time, max(time) AS timeend,
                   concat_ws(' ', title, title_zh, after, 'alarms 报警数', count(*)) AS text,
                   concat_ws(', ', 'alarm 报警', after) AS tags
            FROM report.alarm_event
            WHERE {turned}
            GROUP BY rule, title, title_zh, after, report.binned(time, 5 * $__interval_ms, 3600)
            ORDER BY 1 DESC LIMIT 300
        """
    planned = f"""
        SELECT start AS time, stop AS timeend, concat_ws(' ', 'planned 计划', scope, name, reason, author) AS text,
               'planned 计划' AS tags
        FROM report.planned
        WHERE start <= $__timeTo() AND stop >= $__timeFrom() AND CASE scope
              WHEN 'station' THEN name IN (SELECT station FROM report.district WHERE {where})
              WHEN 'district' THEN name IN (SELECT district FROM report.district WHERE {where})
              ELSE true END
        ORDER BY 1 DESC LIMIT 300
    """
    for name, sql, colour in (
        ("episodes 污染过程", episodes, "red"),
        ("alarms 报警", alarms, "orange"),
        ("planned events 计划事件", planned, "blue"),
    ):
        if not without or not name.startswith(without):
            made = made.annotation(annotation(name, sql).icon_color(colour))
    return made


def curve(
    title: str,
    description: str,
    unit: str,
    *,
    station: str = "${station:sqlstring}",
    parameter: str = "${parameter:sqlstring}",
    position: str = "${position:sqlstring}",
    width: int = 12,
    height: int = 7,
) -> Graph:
    """One quantity of a station over any span; the last three are words of SQL."""
    query = f"""
        SELECT time, mean, low, high, filled, suspect, fail
        FROM report.curve({station}, {parameter}, {position}, {SHOWN}) ORDER BY time
    """
    made = band(curves(Series(query), title, f"{description} {OF_A_POINT}", unit, width=width, height=height))
    made = made.override_by_name("filled", points("blue")).override_by_name("suspect", points("orange"))
    return made.override_by_name("fail", points("red"))


#: What a point of `curve` is.
OF_A_POINT = (
    "A point: mean, lowest and highest of the readings that count, of hourly means where it would hold more than "
    "twenty readings, of daily means where more than twenty hours; stand-in (filled), suspect and failed values as "
    "points of their own. Gaps stay gaps. report.curve."
)


def spread(parameter: str, title: str, description: str, unit: str, *, width: int = 8, height: int = 7) -> Graph:
    """One quantity of all chosen stations over any span: mean, lowest and highest; `parameter` is a word of SQL."""
    query = f"""
        SELECT time, mean, low, high FROM report.spread({CHOSEN}, {parameter}, {SHOWN}) ORDER BY time
    """
    described = (
        f"{description} Mean, lowest and highest of the chosen stations' hourly means, of daily ones where that "
        "were too many rows; good and suspect readings count. Gaps stay gaps. report.spread."
    )
    return band(curves(Series(query), title, described, unit, width=width, height=height))
