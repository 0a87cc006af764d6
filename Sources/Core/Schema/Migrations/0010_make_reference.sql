-- schema 0.10.0
--
-- Frameworks of reference knowledge, their releases, the concepts and edges of each release.
--
-- Rows of the platform carry the zero UUID as tenant_id and can be read by every tenant. Concepts and edges are named
-- by (kind, code), as their publishers name them, so that a release can be compared with another and an edge can lead
-- to a concept that comes later, never comes, or belongs to another framework. Kinds are the numbers of the API's
-- enums.

-- A framework and its pointer: activating a release, or going back to an earlier one, is one update of this row.
CREATE TABLE reference_framework (
    tenant_id uuid NOT NULL,
    framework text COLLATE "C" NOT NULL,
    active_release_id uuid,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, framework)
);
CALL protect_tenant_table('reference_framework', shared => true);

-- A release. Whether it is active is said by its framework alone; `stage` says what can still be done with it:
-- 1 records can be added (STAGING), 2 complete, 3 given up (ABANDONED).
CREATE TABLE reference_release (
    tenant_id uuid NOT NULL,
    release_id uuid NOT NULL,
    framework text COLLATE "C" NOT NULL,
    version text NOT NULL,
    title text NOT NULL,
    licence text NOT NULL,
    attribution text NOT NULL,
    source_uri text NOT NULL,
    language text NOT NULL,
    dangling_policy integer NOT NULL,
    expected_concept_kinds integer[] NOT NULL,
    expected_concept_counts integer[] NOT NULL,
    expected_edge_kinds integer[] NOT NULL,
    expected_edge_counts integer[] NOT NULL,
    stage integer NOT NULL DEFAULT 1 CHECK (stage BETWEEN 1 AND 3),
    concept_count integer NOT NULL DEFAULT 0,
    edge_count integer NOT NULL DEFAULT 0,
    dangling_edge_count integer NOT NULL DEFAULT 0,
    create_time timestamptz NOT NULL DEFAULT now(),
    complete_time timestamptz,
    activate_time timestamptz,
    PRIMARY KEY (tenant_id, release_id),
    FOREIGN KEY (tenant_id, framework) REFERENCES reference_framework
);
CREATE UNIQUE INDEX reference_release_version ON reference_release (tenant_id, framework, version) WHERE stage < 3;
CALL protect_tenant_table('reference_release', shared => true);

ALTER TABLE reference_framework
    ADD FOREIGN KEY (tenant_id, active_release_id) REFERENCES reference_release (tenant_id, release_id);

-- A concept as one release has it. concept_id is derived from (tenant_id, framework, kind, code), so it is the same in
-- each release. content_hash covers what the publisher decides on: it tells whether two releases differ.
CREATE TABLE reference_concept (
    tenant_id uuid NOT NULL,
    release_id uuid NOT NULL,
    kind integer NOT NULL,
    code text COLLATE "C" NOT NULL,
    concept_id uuid NOT NULL,
    ordinal integer NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    attributes jsonb NOT NULL,
    parent_kind integer NOT NULL,
    parent_code text COLLATE "C" NOT NULL,
    labels jsonb NOT NULL,
    content_hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, release_id, kind, code),
    FOREIGN KEY (tenant_id, release_id) REFERENCES reference_release
);
CREATE UNIQUE INDEX reference_concept_ordinal ON reference_concept (tenant_id, release_id, ordinal);
CREATE INDEX reference_concept_id ON reference_concept (tenant_id, concept_id);
CREATE INDEX reference_concept_parent
    ON reference_concept (tenant_id, release_id, parent_kind, parent_code, ordinal) WHERE parent_kind <> 0;
CALL protect_tenant_table('reference_concept', shared => true);

-- An edge as one release has it. It begins at a concept of the release's own framework; target_framework is that
-- framework too, or another one. The primary key finds what a concept leads to, the other index what leads to it.
CREATE TABLE reference_edge (
    tenant_id uuid NOT NULL,
    release_id uuid NOT NULL,
    source_kind integer NOT NULL,
    source_code text COLLATE "C" NOT NULL,
    kind integer NOT NULL,
    target_framework text COLLATE "C" NOT NULL,
    target_kind integer NOT NULL,
    target_code text COLLATE "C" NOT NULL,
    rank integer NOT NULL,
    strength double precision CHECK (strength BETWEEN 0 AND 1),
    dangling boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, release_id, source_kind, source_code, kind, target_framework, target_kind, target_code),
    FOREIGN KEY (tenant_id, release_id) REFERENCES reference_release
);
CREATE INDEX reference_edge_target
    ON reference_edge
    (tenant_id, release_id, target_framework, target_kind, target_code, kind, source_kind, source_code);
CREATE INDEX reference_edge_dangling ON reference_edge (tenant_id, release_id) WHERE dangling;
CALL protect_tenant_table('reference_edge', shared => true);

-- Tells the planner about tables that an import has made much larger. Without it the first minute after a first import,
-- until autovacuum comes, looks concepts up by the tenant alone: 1 ms each instead of 0.04 ms. What another session
-- analyzes already is skipped. It answers with the number of tables. It runs as
-- the owner, because the server's role may not analyze, and takes nothing from
-- its caller.
CREATE FUNCTION trellis.reference_analyze() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = trellis, pg_catalog
AS $analyze$
DECLARE
    grown regclass;
    analyzed integer := 0;
BEGIN
    FOR grown IN
        SELECT oid FROM pg_class
        WHERE oid IN ('trellis.reference_concept'::regclass, 'trellis.reference_edge'::regclass)
            AND (reltuples < 0 OR pg_relation_size(oid) > (2 * relpages + 16) * current_setting('block_size')::bigint)
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown);
        analyzed := analyzed + 1;
    END LOOP;
    RETURN analyzed;
END
$analyze$;
REVOKE ALL ON FUNCTION trellis.reference_analyze() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trellis.reference_analyze() TO trellis_server;
