"""Why there is an episode or a score: what was expected and seen, by what, beside whom; and in words."""

from collections.abc import Mapping

import polars as pl

from analytics.frames import TIME
from analytics.store.connection import Connection

#: Columns of report.explanation, with its names for what other answers call otherwise: `norm` is what was expected.
COLUMNS: Mapping[str, pl.DataType] = {
    "station": pl.String(),
    "time": TIME,
    **dict.fromkeys(("kind", "by", "parameter", "position"), pl.String()),
    "stop": TIME,
    **dict.fromkeys(("seen", "norm"), pl.Float64()),
    **dict.fromkeys(("unit", "measure", "besides", "around"), pl.String()),
    **dict.fromkeys(("background", "share"), pl.Float64()),
    "region": pl.Int64(),
    **dict.fromkeys(("sentence", "sentence_zh"), pl.String()),
}
KEYS = ("station", "time", "kind", "by", "parameter", "position")


def load(conn: Connection, windows: pl.DataFrame, parameters: list[str] | None = None) -> pl.DataFrame:
    """`COLUMNS` of what begins in `windows` (code, start, stop), by their keys; of `parameters` alone, if given."""
    rows = conn.execute(
        """
        SELECT x.station, x.time, x.kind, x.by, x.parameter, x.position, x.stop, x.seen, x.expected, x.unit, x.measure,
               x.besides, x.around, x.background, x.share, x.region, x.sentence, x.sentence_zh
        FROM unnest(%(codes)s::text[], %(starts)s::timestamptz[], %(stops)s::timestamptz[]) AS w (station, start, stop)
        CROSS JOIN LATERAL (
            SELECT * FROM report.explanation x
            WHERE x.station = w.station AND x.time >= w.start AND x.time < w.stop
                AND (%(parameters)s::text[] IS NULL OR x.parameter = ANY(%(parameters)s::text[]))
            OFFSET 0
        ) AS x
        """,
        {
            "codes": windows["code"].to_list(),
            "starts": windows["start"].to_list(),
            "stops": windows["stop"].to_list(),
            "parameters": parameters,
        },
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(COLUMNS), orient="row").sort(KEYS)
