-- schema 0.9.0
--
-- What people may ask of a tenant that holds data about them.

-- That a subject must not be erased or purged, until release_time.
CREATE TABLE trellis.legal_hold (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    hold_id uuid NOT NULL,
    subject_kind smallint NOT NULL,
    subject_id uuid NOT NULL,
    reason text NOT NULL,
    placed_by uuid NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    release_time timestamptz,
    PRIMARY KEY (tenant_id, hold_id)
);
CREATE INDEX legal_hold_subject ON trellis.legal_hold (tenant_id, subject_id, hold_id);
CALL trellis.protect_tenant_table('trellis.legal_hold', platform => true, privileges => 'SELECT, INSERT, UPDATE');

-- Certificates of erasure: serialized and signed. They outlive what they tell of, and are never changed.
CREATE TABLE trellis.erasure_certificate (
    tenant_id uuid NOT NULL,
    certificate_id uuid NOT NULL,
    certificate bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, certificate_id)
);
CALL trellis.protect_tenant_table('trellis.erasure_certificate', privileges => 'SELECT, INSERT');

-- The certificate of each id that was erased: of a subject, and of its aliases.
CREATE TABLE trellis.erased_subject (
    tenant_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    certificate_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, subject_id),
    FOREIGN KEY (tenant_id, certificate_id) REFERENCES trellis.erasure_certificate
);
CALL trellis.protect_tenant_table('trellis.erased_subject', privileges => 'SELECT, INSERT');

-- Documents with everything about a subject, in parts that are sealed with the subject's key: so an erasure takes them
-- along. description is a SubjectExport.
CREATE TABLE trellis.subject_export (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    export_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    description bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, export_id)
);
CREATE INDEX subject_export_subject ON trellis.subject_export (tenant_id, subject_id);
CREATE INDEX subject_export_expire ON trellis.subject_export (tenant_id, expire_time);
CALL trellis.protect_tenant_table('trellis.subject_export', platform => true);

CREATE TABLE trellis.subject_export_part (
    tenant_id uuid NOT NULL,
    export_id uuid NOT NULL,
    part integer NOT NULL,
    sealed_json bytea NOT NULL,
    PRIMARY KEY (tenant_id, export_id, part),
    FOREIGN KEY (tenant_id, export_id) REFERENCES trellis.subject_export ON DELETE CASCADE
);
CALL trellis.protect_tenant_table('trellis.subject_export_part', platform => true);

-- Tokens that stand for personal texts outside the system. The text is sealed with its subject's key.
CREATE TABLE trellis.subject_token (
    tenant_id uuid NOT NULL,
    token text NOT NULL,
    subject_id uuid NOT NULL,
    kind text NOT NULL,
    sealed_text bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, token)
);
CREATE INDEX subject_token_subject ON trellis.subject_token (tenant_id, subject_id, token);
CALL trellis.protect_tenant_table('trellis.subject_token', platform => true);

-- Searches every table for texts, without regard to case, and for codes (hexadecimal), which columns of bytes may hold. A row
-- a table: how many rows were read and in how many of them something was found.
--
-- It runs with the rights of whoever calls it. As trellis_server it searches the tables of tenants, as far as the tenant of
-- the transaction can see; as trellis_platform all others. A table that neither may read is an error, so none is left out.
CREATE FUNCTION trellis.search_tables(texts text[], codes text[])
    RETURNS TABLE (place text, rows_read bigint, rows_found bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog
AS $search$
DECLARE
    as_platform CONSTANT boolean := current_user = 'trellis_platform';
    patterns CONSTANT text[] := ARRAY(
        SELECT '%' || replace(replace(replace(lower(wanted), '\', '\\'), '%', '\%'), '_', '\_') || '%'
        FROM unnest(texts) AS wanted
    );
    wanted_bytes CONSTANT bytea[] := ARRAY(
        SELECT decode(wanted, 'hex') FROM unnest(codes) AS wanted
        UNION ALL
        SELECT convert_to(wanted, 'UTF8') FROM unnest(texts) AS wanted
    );
    candidate regclass;
    condition text;
BEGIN
    FOR candidate IN
        SELECT oid::regclass FROM pg_class
        WHERE relnamespace = 'trellis'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            AND as_platform <> (
                has_table_privilege('trellis_server', oid, 'SELECT') AND EXISTS (
                    SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped
                )
            )
        ORDER BY relname
    LOOP
        SELECT string_agg(
            CASE WHEN atttypid = 'bytea'::regtype
                THEN format('EXISTS (SELECT FROM unnest($2) AS wanted WHERE position(wanted IN place.%I) > 0)', attname)
                ELSE format('lower(place.%I::text) LIKE ANY ($1)', attname)
            END,
            ' OR ')
        INTO condition
        FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
        -- Numbers, times, truth values and ids cannot hold a text.
        WHERE attrelid = candidate AND attnum > 0 AND NOT attisdropped AND typcategory NOT IN ('N', 'B', 'D', 'T')
            AND atttypid <> 'uuid'::regtype;
        RETURN QUERY EXECUTE format(
            'SELECT %L, count(*), count(*) FILTER (WHERE %s) FROM %s AS place',
            candidate::text, coalesce(condition, 'false'), candidate
        ) USING patterns, wanted_bytes;
    END LOOP;
END
$search$;
REVOKE ALL ON FUNCTION trellis.search_tables(text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trellis.search_tables(text[], text[]) TO trellis_server, trellis_platform;
