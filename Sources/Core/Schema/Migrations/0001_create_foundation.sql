-- schema 0.1.0
--
-- The ground that every later migration stands on: the schema, the record of what was applied, and the procedures
-- through which a table gets its isolation. Migrations run as trellis_owner, each in a transaction of its own, with
-- search_path = trellis, public.

CREATE SCHEMA IF NOT EXISTS trellis;
GRANT USAGE ON SCHEMA trellis TO trellis_server, trellis_platform;

-- A row for each migration that was applied. The server compares it with the migrations that it carries.
CREATE TABLE trellis.schema_migration (
    number          integer PRIMARY KEY,
    name            text NOT NULL,
    -- of the file's bytes: an edited migration is found by it
    sha256          bytea NOT NULL CHECK (octet_length(sha256) = 32),
    -- what the schema is after this migration, from the file's first line
    schema_version  text NOT NULL CHECK (schema_version ~ '^\d+\.\d+\.\d+$'),
    applied_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by      text NOT NULL DEFAULT session_user
);
GRANT SELECT ON trellis.schema_migration TO trellis_server, trellis_platform;

-- The tenant of this transaction, or NULL. Policies compare with the setting directly (it is faster); this is for
-- functions that run with their owner's rights and must ask for themselves.
CREATE FUNCTION trellis.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('trellis.tenant', true), '')::uuid;

-- Why a table that holds tenants' rows does not keep to the rules; no row when it does.
CREATE FUNCTION trellis.tenant_table_faults(tenant_table regclass) RETURNS SETOF text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog
BEGIN ATOMIC
    WITH tenant_column AS (
        SELECT attnum, atttypid, attnotnull FROM pg_attribute
        WHERE attrelid = tenant_table AND attname = 'tenant_id' AND NOT attisdropped
    )
    SELECT 'it needs a column tenant_id uuid NOT NULL'
    WHERE NOT EXISTS (SELECT FROM tenant_column WHERE atttypid = 'uuid'::regtype AND attnotnull)
    UNION ALL
    SELECT 'it needs a primary key that begins with tenant_id'
    WHERE NOT EXISTS (
        SELECT FROM pg_constraint, tenant_column
        WHERE conrelid = tenant_table AND contype = 'p' AND conkey[1] = attnum
    )
    UNION ALL
    SELECT format('the index %s does not begin with tenant_id', indexrelid::regclass)
    FROM pg_index, tenant_column
    WHERE indrelid = tenant_table AND indkey[0] <> attnum
    -- An index for distances can hold nothing but the vector; the policy filters what it finds.
        AND (SELECT amname FROM pg_class JOIN pg_am ON pg_am.oid = relam WHERE pg_class.oid = indexrelid)
            NOT IN ('hnsw', 'ivfflat')
    UNION ALL
    SELECT format('the foreign key %I does not begin with tenant_id', conname)
    FROM pg_constraint, tenant_column
    WHERE conrelid = tenant_table AND contype = 'f' AND conkey[1] <> attnum;
END;

-- Isolates a table that holds tenants' rows: called once for each such table, by the migration that creates it, after
-- its keys and indexes. It refuses a table that breaks the rules, forces row-level security, makes the policies and
-- grants what the server needs.
--
--   platform    whether trellis_platform sees and changes the rows of all tenants (for cross-tenant RPCs)
--   shared      whether every tenant may read the rows of the zero tenant (what the platform publishes to all)
--   privileges  what both roles may do; leave out what rows of this table never need, such as UPDATE of an audit log
CREATE PROCEDURE trellis.protect_tenant_table(
    tenant_table regclass,
    platform boolean DEFAULT false,
    shared boolean DEFAULT false,
    privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE'
)
    LANGUAGE plpgsql
AS $protect$
DECLARE
    own CONSTANT text := $$tenant_id = nullif(current_setting('trellis.tenant', true), '')::uuid$$;
    readable CONSTANT text := CASE WHEN shared THEN
        $$tenant_id = ANY (ARRAY[nullif(current_setting('trellis.tenant', true), '')::uuid,
            '00000000-0000-0000-0000-000000000000'::uuid])$$
        ELSE own END;
    faults text;
BEGIN
    SELECT string_agg(fault, '; ') INTO faults FROM trellis.tenant_table_faults(tenant_table) AS fault;
    IF faults IS NOT NULL THEN
        RAISE EXCEPTION 'table % cannot hold tenants'' rows: %', tenant_table, faults;
    END IF;

    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
    IF shared THEN
        EXECUTE format('CREATE POLICY tenant_select ON %s FOR SELECT TO trellis_server USING (%s)', tenant_table, readable);
        EXECUTE format('CREATE POLICY tenant_insert ON %s FOR INSERT TO trellis_server WITH CHECK (%s)', tenant_table, own);
        EXECUTE format(
            'CREATE POLICY tenant_update ON %s FOR UPDATE TO trellis_server USING (%s) WITH CHECK (%2$s)',
            tenant_table, own);
        EXECUTE format('CREATE POLICY tenant_delete ON %s FOR DELETE TO trellis_server USING (%s)', tenant_table, own);
    ELSE
        EXECUTE format(
            'CREATE POLICY tenant ON %s FOR ALL TO trellis_server USING (%s) WITH CHECK (%2$s)', tenant_table, own);
    END IF;
    EXECUTE format('GRANT %s ON %s TO trellis_server', privileges, tenant_table);
    IF platform THEN
        EXECUTE format(
            'CREATE POLICY platform ON %s FOR ALL TO trellis_platform USING (true) WITH CHECK (true)', tenant_table);
        EXECUTE format('GRANT %s ON %s TO trellis_platform', privileges, tenant_table);
    END IF;
END
$protect$;

-- Opens a table that belongs to no tenant (it has no tenant_id) to trellis_platform alone.
CREATE PROCEDURE trellis.protect_platform_table(
    platform_table regclass,
    privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE'
)
    LANGUAGE plpgsql
AS $protect$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = platform_table AND attname = 'tenant_id') THEN
        RAISE EXCEPTION 'table % has a tenant_id: use protect_tenant_table', platform_table;
    END IF;
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, trellis_server', platform_table);
    EXECUTE format('GRANT %s ON %s TO trellis_platform', privileges, platform_table);
END
$protect$;

-- Everything in the schema that isolation does not hold for, a row each; none when all is well. Looked at after the
-- migrations were applied and by the tests, so that no table can be forgotten.
CREATE FUNCTION trellis.isolation_faults() RETURNS TABLE (object text, fault text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog
AS $faults$
    WITH our_table AS (
        SELECT pg_class.oid::regclass AS name, relrowsecurity, relforcerowsecurity,
            EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped
            ) AS of_tenants
        FROM pg_class
        WHERE relnamespace = 'trellis'::regnamespace AND relkind IN ('r', 'p')
    )
    SELECT name::text, faults.fault FROM our_table CROSS JOIN LATERAL trellis.tenant_table_faults(name) AS faults (fault)
    WHERE of_tenants
    UNION ALL
    SELECT name::text, 'row-level security is not enabled and forced' FROM our_table
    WHERE of_tenants AND NOT (relrowsecurity AND relforcerowsecurity)
    UNION ALL
    SELECT name::text, 'trellis_server has no policy on it' FROM our_table
    WHERE of_tenants AND NOT EXISTS (
        SELECT FROM pg_policy WHERE polrelid = name AND 'trellis_server'::regrole = ANY (polroles)
    )
    UNION ALL
    SELECT name::text, format('the policy %I does not compare tenant_id with the setting trellis.tenant', polname)
    FROM our_table JOIN pg_policy ON polrelid = name
    WHERE of_tenants AND (
        '0'::oid = ANY (polroles)
        OR 'trellis_server'::regrole = ANY (polroles) AND EXISTS (
            SELECT FROM unnest(ARRAY[pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)]) AS condition
            WHERE condition !~ $$^\(tenant_id = .*current_setting\('trellis.tenant'::text, true\)$$
        )
    )
    UNION ALL
    SELECT name::text, 'trellis_server may change it although it has no tenant_id' FROM our_table
    WHERE NOT of_tenants AND has_table_privilege('trellis_server', name, 'INSERT, UPDATE, DELETE, TRUNCATE')
    UNION ALL
    SELECT name::text, format('%s may TRUNCATE it, which no policy limits', role_name)
    FROM our_table CROSS JOIN unnest(ARRAY['trellis_server', 'trellis_platform']) AS role_name
    WHERE has_table_privilege(role_name, name, 'TRUNCATE')
    UNION ALL
    -- A view runs with its owner's rights unless told otherwise.
    SELECT oid::regclass::text, 'a view needs WITH (security_invoker)' FROM pg_class
    WHERE relnamespace = 'trellis'::regnamespace AND relkind = 'v'
        AND NOT coalesce(reloptions @> ARRAY['security_invoker=true'], false)
    UNION ALL
    SELECT oid::regclass::text, 'a materialized view cannot have row-level security' FROM pg_class
    WHERE relnamespace = 'trellis'::regnamespace AND relkind = 'm'
    UNION ALL
    SELECT oid::regprocedure::text, 'a SECURITY DEFINER function needs SET search_path' FROM pg_proc
    WHERE pronamespace = 'trellis'::regnamespace AND prosecdef
        AND NOT EXISTS (SELECT FROM unnest(proconfig) AS setting WHERE setting LIKE 'search_path=%')
    UNION ALL
    SELECT oid::regclass::text, 'it belongs to a role that the server runs as' FROM pg_class
    WHERE relowner IN ('trellis_server'::regrole, 'trellis_platform'::regrole);
$faults$;
