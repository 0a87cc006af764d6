-- schema 0.11.0
--
-- Plans: how much of the servers a tenant, and each of its credentials, may have. And what the lives of tenants need beside
-- their state.

-- What a tenant is on. The short names are for ever: tenant.plan names them.
CREATE TABLE trellis.plan (
    plan text PRIMARY KEY,
    display_name text NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now()
);
CALL trellis.protect_platform_table('trellis.plan', 'SELECT, UPDATE');

-- A plan's rates, a row for each class of RPCs (trellis.options.v1.RateClass: 1 reads, 2 writes, 3 what reads much, 4
-- credentials): calls a second in the long run, and calls at once, of all of a tenant and of one of its credentials.
CREATE TABLE trellis.plan_rate (
    plan text NOT NULL REFERENCES trellis.plan,
    rate_class smallint NOT NULL CHECK (rate_class BETWEEN 1 AND 4),
    tenant_per_second integer NOT NULL CHECK (tenant_per_second BETWEEN 1 AND 1000000),
    tenant_burst integer NOT NULL CHECK (tenant_burst BETWEEN 1 AND 1000000),
    credential_per_second integer NOT NULL CHECK (credential_per_second BETWEEN 1 AND 1000000),
    credential_burst integer NOT NULL CHECK (credential_burst BETWEEN 1 AND 1000000),
    PRIMARY KEY (plan, rate_class)
);
CALL trellis.protect_platform_table('trellis.plan_rate', 'SELECT, UPDATE');
-- Every tenant may know the rates: a server reads them with the tenant's own rights when it admits a credential.
GRANT SELECT ON trellis.plan_rate TO trellis_server;

INSERT INTO trellis.plan (plan, display_name) VALUES
    ('starter', 'Starter'), ('pro', 'Pro'), ('enterprise', 'Enterprise');

-- Thousands of tenants on starter that are all busy at once are more than a server can do, but they are not: what each may
-- have at once is small, so that those who do come together leave each other room.
INSERT INTO trellis.plan_rate VALUES
    ('starter', 1, 100, 300, 100, 300),
    ('starter', 2, 20, 100, 20, 100),
    ('starter', 3, 5, 20, 5, 20),
    ('starter', 4, 2, 20, 2, 20),
    ('pro', 1, 1000, 2000, 500, 1000),
    ('pro', 2, 200, 500, 100, 250),
    ('pro', 3, 50, 100, 25, 50),
    ('pro', 4, 10, 50, 5, 25),
    ('enterprise', 1, 20000, 40000, 20000, 40000),
    ('enterprise', 2, 5000, 10000, 5000, 10000),
    ('enterprise', 3, 1000, 2000, 1000, 2000),
    ('enterprise', 4, 50, 500, 50, 500);

-- archive_time: everything of the tenant is read, and nothing of it is changed.
-- suspend_time outlasts a deletion, so that a tenant who was suspended when it was deleted comes back suspended.
-- sweep_time: when the last row of a purged tenant was removed.
ALTER TABLE trellis.tenant
    ADD COLUMN suspend_time timestamptz,
    ADD COLUMN archive_time timestamptz,
    ADD COLUMN sweep_time timestamptz;

-- What is to be purged is looked for now and then. Few tenants are.
CREATE INDEX tenant_purge ON trellis.tenant (tenant_id) WHERE state >= 3;

-- Sites that were deleted are looked for, too, when their time to be restored is over.
CREATE INDEX site_purge ON trellis.site (tenant_id, purge_time) WHERE purge_time IS NOT NULL;

-- The tables from which a purge removes the rows of a tenant: all that hold tenants' rows and let the server delete them, but
-- those of the audit trail. What it may not delete stays: the tenant's own row, its access epoch, its trail.
CREATE FUNCTION trellis.purged_tables() RETURNS TABLE (name regclass)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog
BEGIN ATOMIC
    SELECT pg_class.oid::regclass
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped
    WHERE relnamespace = 'trellis'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND has_table_privilege('trellis_server', pg_class.oid, 'DELETE') AND relname NOT LIKE 'audit\_%';
END;

-- Removes what the platform keeps of a tenant in tables that belong to no tenant: all that refers to its row, such as its short
-- name and who is a member. It runs with the rights of who calls it.
CREATE FUNCTION trellis.purge_tenant_references(purged_tenant uuid) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $purge$
DECLARE
    removed bigint := 0;
    changed bigint;
    reference record;
BEGIN
    FOR reference IN
        SELECT conrelid::regclass AS name, attname AS column_name
        FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
        WHERE contype = 'f' AND confrelid = 'trellis.tenant'::regclass AND attname <> 'tenant_id'
    LOOP
        EXECUTE format('DELETE FROM %s WHERE %I = $1', reference.name, reference.column_name) USING purged_tenant;
        GET DIAGNOSTICS changed = ROW_COUNT;
        removed := removed + changed;
    END LOOP;
    RETURN removed;
END
$purge$;

-- Removes rows of the tenant that the transaction works for (trellis.tenant), about `row_count` of them, and says how many;
-- none when none are left. It runs with the rights of who calls it, so it reaches no other tenant's rows.
--
-- A table's turn comes when no other refers to its rows any more. Tables that refer to each other, or to themselves, are
-- emptied in one statement, at whose end PostgreSQL looks at the references.
CREATE FUNCTION trellis.purge_tenant_rows(row_count bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $purge$
DECLARE
    purged_tenant CONSTANT uuid := trellis.current_tenant();
    removed bigint := 0;
    changed bigint;
    has_rows boolean;
    candidate regclass;
    left_over regclass[] := '{}';
BEGIN
    IF purged_tenant IS NULL OR purged_tenant = '00000000-0000-0000-0000-000000000000' THEN
        RAISE EXCEPTION 'a purge needs the tenant whose rows it removes';
    END IF;
    IF NOT EXISTS (SELECT FROM trellis.tenant WHERE tenant_id = purged_tenant AND state = 4) THEN
        RAISE EXCEPTION 'tenant % is not purged: its rows stay', purged_tenant;
    END IF;
    FOR candidate IN SELECT name FROM trellis.purged_tables() LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE tenant_id = $1)', candidate) INTO has_rows USING purged_tenant;
        IF has_rows THEN left_over := left_over || candidate; END IF;
    END LOOP;
    IF left_over = '{}' THEN RETURN 0; END IF;

    FOREACH candidate IN ARRAY left_over LOOP
        EXIT WHEN removed >= row_count;
        -- Referred to by itself, or by what is not empty yet.
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = candidate AND conrelid = ANY (left_over)
        );
        EXECUTE format(
            'DELETE FROM %s WHERE tenant_id = $1 AND ctid = ANY (ARRAY(SELECT ctid FROM %1$s WHERE tenant_id = $1 LIMIT $2))',
            candidate) USING purged_tenant, row_count - removed;
        GET DIAGNOSTICS changed = ROW_COUNT;
        removed := removed + changed;
    END LOOP;
    IF removed > 0 THEN RETURN removed; END IF;

    -- Only tables that refer to each other are left: all of them in one statement.
    EXECUTE (
        SELECT 'WITH ' || string_agg(format('t%s AS (DELETE FROM %s WHERE tenant_id = $1 RETURNING 1)', n, name), ', ')
            || ' SELECT ' || string_agg(format('(SELECT count(*) FROM t%s)', n), ' + ')
        FROM unnest(left_over) WITH ORDINALITY AS left_tables (name, n)
    ) INTO removed USING purged_tenant;
    RETURN removed;
END
$purge$;
