"""How good forecasts were, kept by day of the truth: made when it is there, and again where it changed since."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.store import terms
from analytics.store.connection import Connection
from analytics.store.packing import array

Array = npt.NDArray[np.float64]

_HOUR = timedelta(hours=1)

#: A forecast reaches so many hours.
REACH = 72
#: Hours of truth that a day is scored by: itself, those in which it was forecast, and the one before these.
HOURS = 24 + REACH + 1


def changed(conn: Connection, day: datetime, voices: pl.DataFrame) -> list[int]:
    """Those of `voices` (series, voice, rank) whose truth of that day is not the one their scores were made by."""
    query = """
        WITH truth AS (
            SELECT DISTINCT ON (w.voice, a.time) w.voice, a.time, a.value
            FROM unnest(%(series)s::int4[], %(voice)s::int4[], %(rank)s::int4[]) AS w (series, voice, rank)
            JOIN average a ON a.series = w.series AND a.averaging = %(hour)s AND a.value IS NOT NULL
                AND a.time >= %(day)s AND a.time < %(day)s + interval '1 day'
            ORDER BY w.voice, a.time, w.rank
        ),
        come AS (SELECT voice, count(*) AS hours, sum(value ORDER BY time) AS total FROM truth GROUP BY voice),
        scored AS (
            SELECT DISTINCT ON (series) series, hours, total FROM forecast_score
            WHERE day = %(day)s AND series = ANY (%(voice)s::int4[]) ORDER BY series
        )
        SELECT coalesce(n.voice, t.series) FROM come n FULL JOIN scored t ON t.series = n.voice
        WHERE (n.hours, n.total) IS DISTINCT FROM (t.hours::bigint, t.total)
            AND (t.series IS NOT NULL OR EXISTS (
                SELECT FROM forecast f WHERE f.series = n.voice AND f.issued > %(day)s - %(reach)s
                    AND f.issued < %(day)s + interval '1 day'
            ))
        ORDER BY 1
    """
    hour = terms.intern(conn, "averaging", ["hour"])["hour"]
    asked = {name: array(voices[name].cast(pl.Int32)) for name in ("series", "voice", "rank")}
    return [
        int(str(row[0])) for row in conn.execute(query, {**asked, "day": day, "hour": hour, "reach": REACH * _HOUR})
    ]


def score(conn: Connection, day: datetime, voices: Sequence[int], truth: Array, groups: Sequence[int]) -> int:
    """Rows of scores of `voices` on that day, made anew by `truth` [HOURS, voices]: hourly means up to its end, NaN for
    gaps. One transaction."""
    asked = {
        "day": day,
        "voice": list(voices),
        "truth": array(pl.Series(truth.T.ravel(), dtype=pl.Float64)),
        "length": HOURS,
        "reach": REACH * _HOUR,
        "groups": list(groups),
        "firsts": [1, *(last + 1 for last in groups[:-1])],
    }
    with conn.transaction():
        conn.execute("DELETE FROM forecast_score WHERE day = %(day)s AND series = ANY (%(voice)s::int4[])", asked)
        return conn.execute(_SCORE, asked).rowcount


#: Truth stands in an array a voice: to look a place up in it is the cheapest join of millions of pairs.
_SCORE = """
    WITH voice AS MATERIALIZED (
        SELECT v.id, (%(truth)s::float8[])[(v.n - 1) * %(length)s + 1 : v.n * %(length)s] AS came
        FROM unnest(%(voice)s::int4[]) WITH ORDINALITY AS v (id, n)
    ),
    pair AS (
        SELECT v.id AS series, a.came, nullif(a.before, 'NaN') AS before, nullif(f.stayed, 'NaN') AS stayed,
               f.level, f.wide, f.edge, a.value, a.low, a.high, a.wide_low, a.wide_high, a.chance,
               width_bucket((g.first + a.place - 1)::int4, %(firsts)s::int4[]) AS part
        FROM voice v
        CROSS JOIN LATERAL (
            SELECT o.*, o.limits[1] AS edge, p.place, v.came[p.place] AS stayed
            FROM forecast o
            CROSS JOIN LATERAL (
                -- Of the hour before it was issued; the place of its first hour is the next.
                SELECT floor(extract(epoch FROM o.start - %(day)s + %(reach)s) / 3600)::int4 + 1 AS place
            ) AS p
            WHERE o.series = v.id AND o.step = 3600
                AND o.issued > %(day)s - %(reach)s AND o.issued < %(day)s + interval '1 day'
        ) AS f
        CROSS JOIN LATERAL (
            SELECT greatest(%(length)s - 23 - f.place, 1) AS first,
                   least(%(length)s - f.place, cardinality(f.value)) AS last
        ) AS g
        CROSS JOIN LATERAL unnest(
            v.came[f.place + g.first : f.place + g.last], v.came[f.place + g.first - 24 : f.place + g.last - 24],
            f.value[g.first:g.last], f.low[g.first:g.last],
            f.high[g.first:g.last], f.wide_low[g.first:g.last], f.wide_high[g.first:g.last], f.chance[g.first:g.last]
        ) WITH ORDINALITY AS a (came, before, value, low, high, wide_low, wide_high, chance, place)
        WHERE g.first <= g.last
            AND a.came <> 'NaN' AND a.value IS NOT NULL AND a.low IS NOT NULL AND a.high IS NOT NULL
    ),
    day AS (
        SELECT v.id AS voice, count(*) AS hours, sum(u.value ORDER BY u.place) AS total
        FROM voice v CROSS JOIN LATERAL unnest(v.came[%(length)s - 23 : %(length)s]) WITH ORDINALITY AS u (value, place)
        WHERE u.value <> 'NaN' GROUP BY v.id
    )
    INSERT INTO forecast_score
    SELECT p.series, %(day)s, (%(groups)s::int4[])[p.part], count(*), sum(abs(came - value)), sum((came - value) ^ 2),
        sum((
            abs(came - value) / 2
            + greatest((1 - level) / 2 * (came - low), ((1 - level) / 2 - 1) * (came - low))
            + greatest((1 + level) / 2 * (came - high), ((1 + level) / 2 - 1) * (came - high))
            + coalesce(greatest((1 - wide) / 2 * (came - wide_low), ((1 - wide) / 2 - 1) * (came - wide_low)), 0)
            + coalesce(greatest((1 + wide) / 2 * (came - wide_high), ((1 + wide) / 2 - 1) * (came - wide_high)), 0)
        ) / CASE WHEN wide_low IS NULL THEN 3 ELSE 5 END),
        count(*) FILTER (WHERE came BETWEEN low AND high),
        count(*) FILTER (WHERE came BETWEEN wide_low AND wide_high), count(wide_low),
        count(stayed), coalesce(sum(abs(came - stayed)), 0),
        coalesce(sum(abs(came - value)) FILTER (WHERE stayed IS NOT NULL), 0),
        count(*) FILTER (WHERE came > edge AND value > edge), count(*) FILTER (WHERE came > edge AND value <= edge),
        count(*) FILTER (WHERE came <= edge AND value > edge),
        coalesce(sum((chance - (came > edge)::int4) ^ 2), 0), count(chance),
        max(d.hours), max(d.total), clock_timestamp(), count(before), coalesce(sum(abs(came - before)), 0),
        coalesce(sum(abs(came - value)) FILTER (WHERE before IS NOT NULL), 0)
    FROM pair p JOIN day d ON d.voice = p.series
    GROUP BY p.series, p.part
"""

#: What `load` gives, a row a parameter and group of leads.
SKILLS = {
    "parameter": pl.String(),
    "lead": pl.Int32(),
    "series": pl.Int64(),
    "count": pl.Int64(),
    "mae": pl.Float64(),
    "rmse": pl.Float64(),
    "mase": pl.Float64(),
    "skill": pl.Float64(),
    "pinball": pl.Float64(),
    "coverage": pl.Float64(),
    "wide_coverage": pl.Float64(),
    "hits": pl.Int64(),
    "misses": pl.Int64(),
    "false_alarms": pl.Int64(),
    "brier": pl.Float64(),
}


def load(conn: Connection, start: datetime, stop: datetime) -> pl.DataFrame:
    """SKILLS of the forecasts of days from `start` until `stop`; `skill` is how much less off they were than staying as
    it was, `mase` how many times as much as the same hours of the day before; null where nothing was off then."""
    rows = conn.execute(
        """
        SELECT s.parameter, f.lead, count(DISTINCT f.series), sum(f.count), sum(f.off) / sum(f.count),
            sqrt(sum(f.square) / sum(f.count)), sum(f.wave_off) / nullif(sum(f.wave), 0),
            1 - sum(f.bar_off) / nullif(sum(f.bar), 0),
            sum(f.pinball) / sum(f.count), sum(f.inside)::float8 / sum(f.count),
            sum(f.wide_inside)::float8 / nullif(sum(f.wide_count), 0), sum(f.hits), sum(f.misses), sum(f.false_alarms),
            sum(f.brier) / nullif(sum(f.chances), 0)
        FROM forecast_score f JOIN series s ON s.id = f.series WHERE f.day >= %s AND f.day < %s
        GROUP BY 1, 2 ORDER BY 1, 2
        """,
        [start, stop],
    ).fetchall()
    return pl.DataFrame(rows, schema=SKILLS, orient="row")


#: What `coverage` gives: of the forecasts of a parameter and group of leads, which share of the truth lay in the band
#: of so much (`band`), 0.8 or 0.95 as shipped.
COVERAGE = {"parameter": pl.String(), "lead": pl.String(), "band": pl.String(), "share": pl.Float64()}
#: Fewer forecasts, or of fewer days, say nothing of a band.
_FEWEST, _DAYS = 500, 7


def coverage(conn: Connection, since: datetime, level: float, wide: float) -> pl.DataFrame:
    """COVERAGE of the bands `level` and `wide` over the days since then, by parameter, lead and band; none of what was
    seen too little of."""
    rows = conn.execute(
        """
        WITH seen AS (
            SELECT s.parameter, f.lead, sum(f.count) AS count, sum(f.inside) AS inside, sum(f.wide_count) AS wide_count,
                   sum(f.wide_inside) AS wide_inside
            FROM forecast_score f JOIN series s ON s.id = f.series WHERE f.day >= %(since)s
            GROUP BY 1, 2 HAVING count(DISTINCT f.day) >= %(days)s
        )
        SELECT parameter, lead::text, %(level)s::float8::text, inside::float8 / count FROM seen
        WHERE count >= %(fewest)s
        UNION ALL
        SELECT parameter, lead::text, %(wide)s::float8::text, wide_inside::float8 / wide_count FROM seen
        WHERE wide_count >= %(fewest)s
        ORDER BY 1, 2, 3
        """,
        {"since": since, "level": level, "wide": wide, "days": _DAYS, "fewest": _FEWEST},
    ).fetchall()
    return pl.DataFrame(rows, schema=COVERAGE, orient="row")
