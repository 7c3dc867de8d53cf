-- Lineage: which series are derived, of what, by which kind, from when on. A row an input.

CREATE OR REPLACE VIEW report.derivation AS
SELECT t.code AS station, s.parameter, s.position, nullif(d.since, '-infinity') AS since, d.kind,
       k.value ->> 'title' AS title, k.value ->> 'title_zh' AS title_zh, k.value ->> 'method' AS method,
       u.role, it.code AS input_station, i.parameter AS input_parameter, i.position AS input_position,
       make_interval(secs => i.cadence) AS input_cadence,
       EXISTS (SELECT FROM derivation o WHERE o.series = i.id AND o.ended IS NULL) AS input_derived,
       d.given, d.known, d.author,
       k.value ->> 'source' AS source, k.value ->> 'confidence' AS confidence
FROM derivation d JOIN series s ON s.id = d.series JOIN station t ON t.id = s.station
LEFT JOIN LATERAL unnest(d.roles, d.inputs) AS u (role, input) ON true
LEFT JOIN series i ON i.id = u.input LEFT JOIN station it ON it.id = i.station
LEFT JOIN jsonb_each((SELECT rows FROM edition WHERE name = 'derivations' ORDER BY id DESC LIMIT 1)) AS k ON k.key = d.kind
WHERE d.ended IS NULL;

GRANT SELECT ON report.derivation TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
