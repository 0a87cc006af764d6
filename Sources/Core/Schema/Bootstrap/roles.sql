-- The roles that the schema is built for, and who may become which. Roles belong to the whole cluster, so this is not a
-- migration: it runs before them each time, in every database, and changes nothing when all is there. It works for a
-- superuser and for a role with CREATEROLE that owns the database.
DO $roles$
DECLARE
    role_name text;
BEGIN
    -- trellis_owner     owns the schema and runs migrations
    -- trellis_server    owns nothing, sees the rows of one tenant at a time
    -- trellis_platform  sees all tenants' rows, in the tables that were opened to it
    FOREACH role_name IN ARRAY ARRAY['trellis_owner', 'trellis_server', 'trellis_platform'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database's bootstrap made it in the meantime
            END;
        END IF;
    END LOOP;

    IF NOT pg_has_role(current_user, 'trellis_owner', 'SET') THEN
        EXECUTE format('GRANT trellis_owner TO %I WITH INHERIT TRUE, SET TRUE', current_user);
    END IF;
    -- Membership must not lend trellis_server the other role's policies: it has to change into it, for one transaction.
    IF NOT EXISTS (
        SELECT FROM pg_auth_members
        WHERE roleid = 'trellis_platform'::regrole AND member = 'trellis_server'::regrole
            AND set_option AND NOT inherit_option
    ) THEN
        GRANT trellis_platform TO trellis_server WITH INHERIT FALSE, SET TRUE;
    END IF;
    IF NOT has_database_privilege('trellis_owner', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO trellis_owner', current_database());
    END IF;
END
$roles$;
