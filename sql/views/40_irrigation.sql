-- Irrigated zones, their water balance, and the newest advice.

CREATE OR REPLACE VIEW report.zone AS
SELECT z.code AS zone, z.title, z.title_zh, w.code AS weather, p.code AS probe, z.area, z.cover, z.texture, z.root_depth,
       z.flow, z.method, z.altitude, w.longitude, w.latitude,
       ARRAY(SELECT s.code FROM unnest(z.beside) WITH ORDINALITY AS l (id, nr) JOIN station s USING (id) ORDER BY nr)
           AS beside
FROM zone z JOIN station w ON w.id = z.weather LEFT JOIN station p ON p.id = z.probe;

-- `time` is the start of the local day, for a panel's time axis.
CREATE OR REPLACE VIEW report.water_balance AS
SELECT z.code AS zone, b.day, (b.day::timestamp AT TIME ZONE 'UTC') - make_interval(mins => w.utc_offset) AS time, b.et0,
       b.kc, b.etc, b.rain, b.effective AS effective_rain, b.irrigation, b.percolation, b.correction, b.depletion, b.taw,
       b.raw, b.ks, b.moisture, b.fallbacks, b.known, b.factor, b.probe_offset, b.doubt, b.trusted,
       b.doubted
FROM water_balance b JOIN zone z ON z.id = b.zone JOIN station w ON w.id = z.weather;

-- The newest advice of each zone.
CREATE OR REPLACE VIEW report.advice AS
SELECT z.code AS zone, z.title, z.title_zh, a.issued, a.day, a.water, a.depth, a.volume, a.minutes, a.latest, a.depletion,
       a.raw, a.reason, a.reason_zh, w.code AS weather, p.code AS probe, a.begin, a.risk, a.trusted, a.plan,
       a.doubted
FROM zone z
CROSS JOIN LATERAL (SELECT * FROM advice WHERE zone = z.id ORDER BY issued DESC LIMIT 1) AS a
JOIN station w ON w.id = z.weather LEFT JOIN station p ON p.id = z.probe;

-- The plan of the newest advice, a row a day: a panel, a table for the crews, sums over zones. `volume` [m³] and
-- `minutes` are what the emitters give, `depth` [mm] the same over the area; `known`: the hour it was issued.
CREATE OR REPLACE VIEW report.watering_plan AS
SELECT z.code AS zone, z.title, z.title_zh, a.day + (d.number - 1)::int AS day,
       ((a.day + (d.number - 1)::int)::timestamp AT TIME ZONE 'UTC') - make_interval(mins => w.utc_offset) AS time,
       d.volume, d.volume / z.flow * 60 AS minutes, d.volume / z.area * 1000 AS depth, a.issued AS known
FROM zone z
CROSS JOIN LATERAL (SELECT * FROM advice WHERE zone = z.id ORDER BY issued DESC LIMIT 1) AS a
CROSS JOIN LATERAL unnest(a.plan) WITH ORDINALITY AS d (volume, number)
JOIN station w ON w.id = z.weather;

-- Where zones have their water from, a row a local day of the last 90 and of the plan: what meters saw, what is planned
-- of days to come, what it gives a day [m³].
CREATE OR REPLACE VIEW report.supply_day AS
WITH seen AS (
    SELECT z.supply, b.day, sum(b.irrigation * z.area / 1000) AS used, NULL::float8 AS planned
    FROM zone z JOIN water_balance b ON b.zone = z.id
    WHERE z.supply IS NOT NULL AND b.day > current_date - 90 GROUP BY 1, 2
), ahead AS (
    SELECT z.supply, p.day, NULL::float8 AS used, sum(p.volume) AS planned
    FROM zone z JOIN report.watering_plan p ON p.zone = z.code WHERE z.supply IS NOT NULL GROUP BY 1, 2
)
SELECT s.code AS supply, s.title, s.title_zh, d.day, max(d.used) AS used, max(d.planned) AS planned, s.daily,
       s.night, q.code AS source, s.worst
FROM supply s JOIN (SELECT * FROM seen UNION ALL SELECT * FROM ahead) AS d ON d.supply = s.code
LEFT JOIN station q ON q.id = s.source GROUP BY s.code, d.day, q.code;

-- What a supply gives this year, a row a day of it up to today: what meters saw of it so far, what is left, what would be
-- left if it were used evenly [m³]; `out`: the day on which nothing is left, at the pace of the 30 days before.
CREATE OR REPLACE VIEW report.quota AS
WITH used AS (
    SELECT z.supply, b.day, sum(b.irrigation * z.area / 1000) AS volume
    FROM zone z JOIN water_balance b ON b.zone = z.id
    WHERE z.supply IS NOT NULL AND b.day >= date_trunc('year', current_date)::date GROUP BY 1, 2
), day AS (
    SELECT s.code, s.title, s.title_zh, s.yearly, d::date AS day,
           coalesce(sum(u.volume) OVER (PARTITION BY s.code ORDER BY d), 0) AS used,
           sum(u.volume) OVER (PARTITION BY s.code ORDER BY d ROWS BETWEEN 30 PRECEDING AND 1 PRECEDING)
               / least(row_number() OVER (PARTITION BY s.code ORDER BY d) - 1, 30) AS pace
    FROM supply s
    CROSS JOIN generate_series(date_trunc('year', current_date)::timestamp, current_date::timestamp, interval '1 day') AS d
    LEFT JOIN used u ON u.supply = s.code AND u.day = d::date
    WHERE s.yearly IS NOT NULL
)
SELECT code AS supply, title, title_zh, day, day::timestamp AT TIME ZONE 'UTC' AS time, yearly, used,
       greatest(yearly - used, 0) AS "left",
       yearly * (1 - extract(doy FROM day)::float8
           / extract(doy FROM (date_trunc('year', day) + interval '1 year - 1 day'))::float8) AS even,
       CASE WHEN used >= yearly THEN day
            WHEN pace > 0 AND (yearly - used) / pace < 3660 THEN day + ceil((yearly - used) / pace)::int END AS out
FROM day;

-- How far who opens valves was told: the hour of the advice they have, of the newest there is; `problem` of the last try.
CREATE OR REPLACE VIEW report.advice_call AS
SELECT c.issued, (SELECT max(issued) FROM advice) AS newest, c.zones, c.sent, c.tries, c.problem FROM advice_call c;

-- Waterings that were seen: a run of a meter, a rise of the root zone that no rain explains. `volume` [m³] by the meter.
CREATE OR REPLACE VIEW report.watering AS
SELECT z.code AS zone, z.title, z.title_zh, e.start AS time, e.stop, e.moisture, e.meter, e.meter * z.area / 1000 AS volume,
       e.evidence, e.known
FROM watering e JOIN zone z ON z.id = e.zone;

-- A month of a zone: water used, that of a fixed weekly schedule in the same weather for no more days of stress, and what
-- was saved by that [mm], with nine of ten that might be; `volume` [m³] saved; `share` of the schedule's.
CREATE OR REPLACE VIEW report.saving AS
SELECT z.code AS zone, z.title, z.title_zh, s.month,
       (s.month::timestamp AT TIME ZONE 'UTC') - make_interval(mins => w.utc_offset) AS time, s.days, s.stressed, s.used,
       s.baseline, s.baseline - s.used AS saved, s.low - s.used AS saved_low, s.high - s.used AS saved_high,
       (s.baseline - s.used) / nullif(s.baseline, 0) AS share, (s.baseline - s.used) * z.area / 1000 AS volume, s.known
FROM saving s JOIN zone z ON z.id = s.zone JOIN station w ON w.id = z.weather;

-- What the soil of a zone holds [m³/m³]: as the dry-downs of its last year show it, with the standard deviation, beside
-- what it was registered with (null: the middle of its texture's range counts). `days`: with a probe that was believed.
CREATE OR REPLACE VIEW report.soil_limit AS
SELECT z.code AS zone, z.title, z.title_zh, z.texture, z.field_capacity, z.wilting_point, l.fc, l.fc_doubt, l.fc_seen, l.wp,
       l.wp_doubt, l.wp_seen, l.days, l.known
FROM soil_limit l JOIN zone z ON z.id = l.zone;

GRANT SELECT ON report.soil_limit, report.supply_day, report.zone, report.water_balance, report.advice, report.watering_plan, report.quota,
    report.advice_call, report.watering, report.saving
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
