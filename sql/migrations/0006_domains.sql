-- Water, noise and soil beside air: a row says on how many parameters it rests, and by how much a limit is exceeded.

ALTER TABLE assessment ADD COLUMN count int2, ADD COLUMN exceedance float8;
ALTER TABLE assessment_history ADD COLUMN count int2, ADD COLUMN exceedance float8;
COMMENT ON COLUMN assessment.count IS 'parameters the row rests on; null: made before 0006';
COMMENT ON COLUMN assessment.exceedance IS
    'of the worst parameter, (C - S) / S for concentrations, L - S [dB] for levels; null: no limit of one value';

-- The live edge of a series: the newest reading that came in a live batch. What is only late or backfilled never pages.
ALTER TABLE latest ADD COLUMN live timestamptz;
