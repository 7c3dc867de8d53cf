-- How good forecasts were, a row a quantity, day of the truth (UTC) and group of leads (`lead` is its last). `skill`: how
-- much less they were off than staying as it was [1]; `coverage` of a band of `level`, 0.8 as shipped, `wide_coverage` of the
-- wider one; `mase`: how many times as far off as the same hours of the day before (1: no better than the day before);
-- `hits`, `misses`, `false_alarms` by the first limit of the parameter, `brier` of its chance.

CREATE OR REPLACE VIEW report.forecast_score AS
SELECT t.code AS station, s.parameter, s.position, f.day, f.lead::int4 AS lead, f.count, f.off / f.count AS mae,
       sqrt(f.square / f.count) AS rmse, 1 - f.bar_off / nullif(f.bar, 0) AS skill, f.pinball / f.count AS pinball,
       f.inside::float8 / f.count AS coverage, f.wide_inside::float8 / nullif(f.wide_count, 0) AS wide_coverage,
       f.hits, f.misses, f.false_alarms, f.brier / nullif(f.chances, 0) AS brier, f.scored,
       f.wave_off / nullif(f.wave, 0) AS mase
FROM forecast_score f JOIN series s ON s.id = f.series JOIN station t ON t.id = s.station;

GRANT SELECT ON report.forecast_score TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
