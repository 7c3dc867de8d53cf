-- Who answers for /v1: nothing but SELECT, of what it answers from. Programs log in as a member of the writer, and put
-- the rest of their rights down for it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'greenwatch_api') THEN
        BEGIN
            CREATE ROLE greenwatch_api NOLOGIN;
        EXCEPTION
            -- Another database of this server is being migrated at this moment.
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'this user may not create roles'
                    USING HINT = 'Ask an administrator: CREATE ROLE greenwatch_api; '
                        'GRANT greenwatch_api TO greenwatch_writer, greenwatch_admin; then run migrate again.';
        END;
    END IF;
    BEGIN
        IF NOT pg_has_role('greenwatch_writer', 'greenwatch_api', 'MEMBER') THEN
            GRANT greenwatch_api TO greenwatch_writer;
        END IF;
        IF NOT pg_has_role('greenwatch_admin', 'greenwatch_api', 'MEMBER') THEN
            GRANT greenwatch_api TO greenwatch_admin;
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL;
        WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'this user may not grant roles'
                USING HINT = 'Ask an administrator: GRANT greenwatch_api TO greenwatch_writer, greenwatch_admin; '
                    'then run migrate again.';
    END;
END
$$;

GRANT USAGE ON SCHEMA public TO greenwatch_api;
GRANT SELECT ON
    edition, term, station, membership, source, series, authority, adoption,
    batch, observation, observation_history, latest, verdict, average, forecast,
    assessment, assessment_history, episode, episode_history,
    fit, correction, review, derivation, registry_change, registry_span,
    archive, archive_series, forgotten
TO greenwatch_api;
