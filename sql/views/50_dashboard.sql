-- What a dashboard asks first: one row a station, one value a quantity. Nothing here reads minutes unless asked for them.

-- Parameters, and classes of the standards, as the newest edition of their tables has them.
CREATE OR REPLACE VIEW report.parameter AS
SELECT p.key AS parameter, p.value ->> 'title' AS title, p.value ->> 'title_zh' AS title_zh,
       p.value ->> 'domain' AS domain, p.value ->> 'unit' AS unit
FROM (SELECT rows FROM edition WHERE name = 'parameters' ORDER BY id DESC LIMIT 1) AS e
CROSS JOIN LATERAL jsonb_each(e.rows) AS p;

-- `label` tells water's "II excellent" from air's "excellent": a colour goes with it, and never without it.
CREATE OR REPLACE VIEW report.class AS
SELECT c ->> 'standard' AS standard, (c ->> 'level')::int2 AS class, c ->> 'category' AS category,
       c ->> 'category_zh' AS category_zh, c ->> 'colour' AS colour,
       concat_ws(' ', c ->> 'name', c ->> 'category', c ->> 'category_zh') AS label
FROM (
    SELECT DISTINCT ON (name) rows FROM edition WHERE name LIKE 'standards/%\_classes' ORDER BY name, id DESC
) AS e
CROSS JOIN LATERAL jsonb_array_elements(e.rows) AS c;

-- Which series speaks for a quantity of a station (rank 0) and which one stands in (1). Not for dashboards: it names ids.
CREATE OR REPLACE VIEW report.voice AS
SELECT station, parameter, position, series, cadence, rank FROM (
    SELECT t.code AS station, s.parameter, s.position, s.id AS series, make_interval(secs => s.cadence) AS cadence,
           row_number() OVER (
               PARTITION BY t.code, s.parameter, s.position
               ORDER BY s.id IS DISTINCT FROM a.series, s.id IS DISTINCT FROM a.fallback, s.cadence, s.id
           ) - 1 AS rank
    FROM series s JOIN station t ON t.id = s.station
    LEFT JOIN authority a ON a.station = s.station AND a.parameter = s.parameter
    WHERE s.statistic = '' OR s.id IN (a.series, a.fallback)
) AS ranked
WHERE rank < 2;

-- Readings and means of a quantity, of who speaks at that time, else of its stand-in. `verdict`: QARTOD, null: good.
-- `value` as it counts, null where every reading of the time is withdrawn; `received` as it came.
CREATE OR REPLACE VIEW report.reading AS
SELECT DISTINCT ON (v.station, v.parameter, v.position, o.time)
       v.station, v.parameter, v.position, o.time,
       CASE WHEN c.series IS NULL THEN o.value ELSE c.value END AS value, d.code AS verdict, v.cadence,
       o.value AS received
FROM report.voice v JOIN observation o ON o.series = v.series
LEFT JOIN verdict d ON d.series = o.series AND d.time = o.time
LEFT JOIN corrected c ON c.series = o.series AND c.time = o.time
ORDER BY v.station, v.parameter, v.position, o.time, c.series IS NOT NULL AND c.value IS NULL, v.rank;

CREATE OR REPLACE VIEW report.mean AS
SELECT DISTINCT ON (v.station, v.parameter, v.position, g.name, a.time)
       v.station, v.parameter, v.position, g.name AS averaging, a.time, a.value, a.count, a.expected,
       a.count::float8 / nullif(a.expected, 0) AS capture
FROM report.voice v JOIN average a ON a.series = v.series JOIN term g ON g.id = a.averaging
ORDER BY v.station, v.parameter, v.position, g.name, a.time, a.value IS NULL, v.rank;

-- Where a station is, for what asks no more: the state costs a look at assessments.
CREATE OR REPLACE VIEW report.district AS
SELECT t.code AS station, coalesce(nullif(t.title, ''), t.code) AS title,
       coalesce(nullif(t.title_zh, ''), nullif(t.title, ''), t.code) AS title_zh, coalesce(m.place, '') AS district
FROM station t
LEFT JOIN LATERAL (
    SELECT place FROM membership
    WHERE station = t.id AND kind = 'district' AND since <= now() ORDER BY since DESC LIMIT 1
) AS m ON true;

-- A row a station: how fresh it is, its newest class of the last two days in words and colour. `silent` after three
-- steps of its densest series and a quarter of an hour. A station that measures only weather is of the domain weather.
CREATE OR REPLACE VIEW report.state AS
WITH newest AS (
    SELECT s.station, max(l.time) AS time, min(s.cadence) AS cadence, min(array_position(
               ARRAY['water', 'noise', 'soil', 'air', 'weather'], p.domain)) AS domain
    FROM latest l JOIN series s ON s.id = l.series LEFT JOIN report.parameter p ON p.parameter = s.parameter
    WHERE l.time IS NOT NULL GROUP BY s.station
), classes AS MATERIALIZED (
    SELECT * FROM report.class
), kinds AS MATERIALIZED (    -- which class is a station's state
    SELECT g.id AS averaging, g.name AS averaging_name, d.id AS standard, d.name AS standard_name
    FROM term g CROSS JOIN term d
    WHERE g.kind = 'averaging' AND d.kind = 'standard'
        AND (g.name = 'hour' AND d.name ~ '^(HJ 633|GB 3838)' OR g.name IN ('ld', 'ln') AND d.name ~ '^GB 3096')
)
SELECT w.station, w.title, w.title_zh, w.district,
       coalesce((ARRAY['water', 'noise', 'soil', 'air', 'weather'])[n.domain], '') AS domain, n.time AS newest,
       n.time IS NULL OR now() - n.time > greatest(interval '15 minutes', 3 * make_interval(secs => n.cadence)) AS silent,
       a.standard, a.averaging, a.time AS assessed, a.index, a.class, c.category, c.category_zh, c.colour, c.label,
       p.name AS "primary", a.exceedance, a.count
FROM report.district w JOIN station t ON t.code = w.station
LEFT JOIN newest n ON n.station = t.id
LEFT JOIN LATERAL (
    SELECT k.standard_name AS standard, k.averaging_name AS averaging, x.*
    FROM kinds k CROSS JOIN LATERAL (
        SELECT y.time, y.index, y.class, y."primary", y.exceedance, y.count FROM assessment y
        WHERE y.station = t.id AND y.averaging = k.averaging AND y.standard = k.standard AND y.class IS NOT NULL
            AND y.time > now() - interval '2 days' AND y.time <= now()
        ORDER BY y.time DESC LIMIT 1
    ) AS x
    ORDER BY x.time DESC, k.standard_name DESC LIMIT 1
) AS a ON true
LEFT JOIN term p ON p.id = a."primary"
LEFT JOIN classes c ON c.standard = a.standard AND c.class = a.class;

GRANT SELECT ON report.voice, report.parameter, report.class, report.reading, report.mean, report.district, report.state
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
