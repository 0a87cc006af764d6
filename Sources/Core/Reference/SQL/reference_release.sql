-- Releases. Their state is made of their stage and their framework's pointer: 1 STAGING, 2 ACTIVE, 3 SUPERSEDED,
-- 4 ABANDONED, the numbers of ReleaseState.

-- name: ReleaseInsert :exec
INSERT INTO reference_release
    (tenant_id, release_id, framework, version, title, licence, attribution, source_uri, language, dangling_policy,
    expected_concept_kinds, expected_concept_counts, expected_edge_kinds, expected_edge_counts)
VALUES (@tenant_id, @release_id, @framework, @version, @title, @licence, @attribution, @source_uri, @language,
    @dangling_policy, @expected_concept_kinds, @expected_concept_counts, @expected_edge_kinds, @expected_edge_counts);

-- A release that the tenant can see: its own or, once it is complete, the platform's.
-- name: ReleaseGet :one ReleaseRow
SELECT r.release_id, r.tenant_id, r.framework, r.version, r.title, r.licence, r.attribution, r.source_uri, r.language,
    r.dangling_policy, r.expected_concept_kinds, r.expected_concept_counts, r.expected_edge_kinds,
    r.expected_edge_counts, r.concept_count, r.edge_count, r.dangling_edge_count, r.create_time, r.complete_time,
    r.activate_time,
    CASE WHEN r.stage = 1 THEN 1 WHEN r.stage = 3 THEN 4 WHEN f.active_release_id = r.release_id THEN 2 ELSE 3 END
        AS state
FROM reference_release r
JOIN reference_framework f ON f.tenant_id = r.tenant_id AND f.framework = r.framework
WHERE r.tenant_id IN (@tenant_id, '00000000-0000-0000-0000-000000000000') AND r.release_id = @release_id
    AND (r.tenant_id = @tenant_id OR r.stage = 2);

-- The tenant's releases and the platform's complete ones, oldest first. An empty framework and state 0 are all of them.
-- name: ReleaseList :many ReleaseRow
SELECT r.release_id, r.tenant_id, r.framework, r.version, r.title, r.licence, r.attribution, r.source_uri, r.language,
    r.dangling_policy, r.expected_concept_kinds, r.expected_concept_counts, r.expected_edge_kinds,
    r.expected_edge_counts, r.concept_count, r.edge_count, r.dangling_edge_count, r.create_time, r.complete_time,
    r.activate_time,
    CASE WHEN r.stage = 1 THEN 1 WHEN r.stage = 3 THEN 4 WHEN f.active_release_id = r.release_id THEN 2 ELSE 3 END
        AS state
FROM reference_release r
JOIN reference_framework f ON f.tenant_id = r.tenant_id AND f.framework = r.framework
WHERE r.tenant_id IN (@tenant_id, '00000000-0000-0000-0000-000000000000') AND r.release_id > @after
    AND (r.tenant_id = @tenant_id OR r.stage = 2)
    AND (@framework::text = '' OR r.framework = @framework)
    AND (@state::integer = 0 OR @state = CASE WHEN r.stage = 1 THEN 1 WHEN r.stage = 3 THEN 4
        WHEN f.active_release_id = r.release_id THEN 2 ELSE 3 END)
ORDER BY r.release_id
LIMIT @count::integer;

-- What decides on the next step of a release of the tenant's own, held until the transaction ends: chunks of one import
-- take turns.
-- name: ReleaseLock :one ReleaseStage
SELECT framework, stage, language, dangling_policy, concept_count
FROM reference_release
WHERE tenant_id = @tenant_id AND release_id = @release_id
FOR NO KEY UPDATE;

-- name: ReleaseGrow :exec
UPDATE reference_release
SET concept_count = concept_count + @concepts, edge_count = edge_count + @edges
WHERE tenant_id = @tenant_id AND release_id = @release_id;

-- name: ReleaseComplete :exec
UPDATE reference_release
SET stage = 2, complete_time = now(), dangling_edge_count = @dangling_edges
WHERE tenant_id = @tenant_id AND release_id = @release_id;

-- name: ReleaseTouch :exec
UPDATE reference_release
SET activate_time = now()
WHERE tenant_id = @tenant_id AND release_id = @release_id;

-- Gives a release up: its records go, the release stays as the memory of it.
-- name: ReleaseAbandon :exec
WITH edges AS (
    DELETE FROM reference_edge
    WHERE tenant_id = @tenant_id AND release_id = @release_id
), concepts AS (
    DELETE FROM reference_concept
    WHERE tenant_id = @tenant_id AND release_id = @release_id
)
UPDATE reference_release
SET stage = 3
WHERE tenant_id = @tenant_id AND release_id = @release_id;

-- Lets the planner know about tables that have grown much.
-- name: ReferenceAnalyze :one AnalyzedTables
SELECT coalesce(trellis.reference_analyze(), 0) AS count;
