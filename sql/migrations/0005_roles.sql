-- Who may do what. Roles belong to the whole server and may be there already; people and services log in with roles of
-- their own that are members of these.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['greenwatch_writer', 'greenwatch_reader', 'greenwatch_duty', 'greenwatch_admin'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION
                -- Another database of this server is being migrated at this moment.
                WHEN duplicate_object OR unique_violation THEN NULL;
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'this user may not create roles'
                        USING HINT = 'Ask an administrator: CREATE ROLE greenwatch_writer; CREATE ROLE greenwatch_reader; '
                            'CREATE ROLE greenwatch_duty; CREATE ROLE greenwatch_admin; then run migrate again.';
            END;
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA report;

-- The writer runs ingest and stages: rows, no tables. The batch, history and editions are append-only for it.
GRANT USAGE ON SCHEMA public TO greenwatch_writer, greenwatch_admin;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO greenwatch_writer;
GRANT INSERT ON batch, observation_history, assessment_history, edition TO greenwatch_writer;
GRANT INSERT, DELETE ON observation, reject, stale, verdict, average, assessment TO greenwatch_writer;
GRANT INSERT, UPDATE, DELETE ON judged TO greenwatch_writer;
GRANT INSERT, UPDATE ON latest, station, series, source, term TO greenwatch_writer;
GRANT INSERT, UPDATE, DELETE ON membership, authority, adoption TO greenwatch_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_writer;

-- The administrator repairs by hand, with every right on rows.
GRANT ALL ON ALL TABLES IN SCHEMA public TO greenwatch_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO greenwatch_admin;

-- Dashboards and the duty desk see the report schema; the grants on its views stand in their files.
GRANT USAGE ON SCHEMA report TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
