"""Irrigated zones as the database holds them and as they are written."""

import json

from analytics.store.connection import Connection
from analytics.store.register.model import ZONE, Registry


def load(conn: Connection) -> dict[str, dict[str, object]]:
    """The facts of each zone (ZONE), by code."""
    rows = conn.execute(
        """
        SELECT z.code, z.title, z.title_zh, w.code, p.code,
               (SELECT coalesce(array_agg(s.code ORDER BY nr), '{}')
                FROM unnest(z.beside) WITH ORDINALITY AS l (id, nr) JOIN station s ON s.id = l.id),
               z.area, z.cover, z.texture, z.root_depth,
               z.field_capacity, z.wilting_point, z.flow, z.method, z.altitude
        FROM zone z JOIN station w ON w.id = z.weather LEFT JOIN station p ON p.id = z.probe
        """
    ).fetchall()
    return {str(code): dict(zip(ZONE, facts, strict=True)) for code, *facts in rows}


def write(conn: Connection, write: Registry) -> None:
    """Nothing; what `write` says of zones is there."""
    # A fact that the file leaves out stays; a probe that it says is none goes.
    conn.execute(
        """
        INSERT INTO zone AS z (code, title, title_zh, weather, probe, beside, area, cover, texture, root_depth,
                               field_capacity, wilting_point, flow, method, altitude)
        SELECT w.code, coalesce(w.title, o.title, ''), coalesce(w.title_zh, o.title_zh, ''),
               coalesce((SELECT id FROM station WHERE code = w.weather), o.weather),
               CASE WHEN w.probed THEN (SELECT id FROM station WHERE code = w.probe) ELSE o.probe END,
               CASE WHEN w.beside IS NULL THEN coalesce(o.beside, '{}')
                    ELSE ARRAY(SELECT s.id FROM jsonb_array_elements_text(w.beside) WITH ORDINALITY AS l (code, nr)
                               JOIN station s USING (code) ORDER BY nr) END,
               coalesce(w.area, o.area), coalesce(w.cover, o.cover), coalesce(w.texture, o.texture),
               coalesce(w.root_depth, o.root_depth), coalesce(w.field_capacity, o.field_capacity),
               coalesce(w.wilting_point, o.wilting_point), coalesce(w.flow, o.flow), coalesce(w.method, o.method),
               coalesce(w.altitude, o.altitude, 50)
        FROM unnest(%s::text[], %s::boolean[], %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[],
                    %s::float8[], %s::text[], %s::text[], %s::float8[], %s::float8[], %s::float8[], %s::float8[],
                    %s::text[], %s::float8[])
            WITH ORDINALITY AS w (code, probed, title, title_zh, weather, probe, beside, area, cover, texture,
                                  root_depth, field_capacity, wilting_point, flow, method, altitude, nr)
        LEFT JOIN zone o ON o.code = w.code
        ORDER BY nr
        ON CONFLICT (code) DO UPDATE SET title = EXCLUDED.title, title_zh = EXCLUDED.title_zh,
            weather = EXCLUDED.weather, probe = EXCLUDED.probe, beside = EXCLUDED.beside, area = EXCLUDED.area,
            cover = EXCLUDED.cover, texture = EXCLUDED.texture, root_depth = EXCLUDED.root_depth,
            field_capacity = EXCLUDED.field_capacity,
            wilting_point = EXCLUDED.wilting_point, flow = EXCLUDED.flow,
            method = EXCLUDED.method, altitude = EXCLUDED.altitude
        """,
        [
            list(write.zones),
            ["probe" in facts for facts in write.zones.values()],
            *([_sent(facts.get(key)) for facts in write.zones.values()] for key in ZONE),
        ],
    )


def _sent(fact: object) -> object:
    """A list as JSON: an array of arrays would have to be even."""
    return json.dumps(fact) if isinstance(fact, list) else fact
