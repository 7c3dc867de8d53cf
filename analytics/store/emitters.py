"""What may emit, as hints of a source ask for it."""

import polars as pl

from analytics.store.connection import Connection


def load(conn: Connection) -> pl.DataFrame:
    """`emitter` (its name), `title`, `title_zh`, `longitude`, `latitude` [°], `emits` (parameters; none: anything)."""
    rows = conn.execute(
        "SELECT name, title, title_zh, longitude, latitude, emits FROM emitter ORDER BY name"
    ).fetchall()
    schema = {
        **dict.fromkeys(("emitter", "title", "title_zh"), pl.String()),
        **dict.fromkeys(("longitude", "latitude"), pl.Float64()),
        "emits": pl.List(pl.String()),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
