-- Edges of releases.

-- Adds a chunk's edges and answers with those that were new: one that is missing there was in the release already. A
-- strength below 0 stands for none.
-- name: EdgeInsert :many EdgeName
INSERT INTO reference_edge
    (tenant_id, release_id, source_kind, source_code, kind, target_framework, target_kind, target_code, rank, strength)
SELECT @tenant_id, @release_id, source_kind, source_code, kind, target_framework, target_kind, target_code, rank,
    CASE WHEN strength >= 0 THEN strength END
FROM unnest(
    @source_kinds::integer[], @source_codes::text[], @kinds::integer[], @target_frameworks::text[],
    @target_kinds::integer[], @target_codes::text[], @ranks::integer[], @strengths::double precision[]
) AS e (source_kind, source_code, kind, target_framework, target_kind, target_code, rank, strength)
ON CONFLICT (tenant_id, release_id, source_kind, source_code, kind, target_framework, target_kind, target_code)
    DO NOTHING
RETURNING source_kind, source_code, kind, target_framework, target_kind, target_code;

-- The edges of a release, ordered by source, kind and target. An empty source, kind 0 are all; only_dangling leaves the
-- others out.
-- name: EdgeList :many EdgeRow
SELECT source_kind, source_code, kind, target_framework, target_kind, target_code, rank,
    coalesce(strength, -1) AS strength, dangling
FROM reference_edge
WHERE tenant_id = @tenant_id AND release_id = @release_id
    AND (source_kind, source_code, kind, target_framework, target_kind, target_code)
        > (@after_source_kind, @after_source_code, @after_kind, @after_target_framework, @after_target_kind,
            @after_target_code)
    AND (@kind_filter::integer = 0 OR kind = @kind_filter)
    AND (@source_kind_filter::integer = 0
        OR (source_kind = @source_kind_filter AND source_code = @source_code_filter::text))
    AND (@target_kind_filter::integer = 0
        OR (target_framework = @target_framework_filter::text AND target_kind = @target_kind_filter
            AND target_code = @target_code_filter::text))
    AND (NOT @only_dangling::boolean OR dangling)
ORDER BY source_kind, source_code, kind, target_framework, target_kind, target_code
LIMIT @count::integer;

-- name: EdgeCountByKind :many KindTotal
SELECT kind, count(*)::integer AS count
FROM reference_edge
WHERE tenant_id = @tenant_id AND release_id = @release_id
GROUP BY kind
ORDER BY kind;

-- Edges that begin at a concept that the release does not have; those of missing parents are told of as such.
-- name: EdgeListWithoutSource :many EdgeRow
SELECT source_kind, source_code, kind, target_framework, target_kind, target_code, rank,
    coalesce(strength, -1) AS strength, dangling
FROM reference_edge e
WHERE tenant_id = @tenant_id AND release_id = @release_id AND kind <> 1
    AND NOT EXISTS (
        SELECT FROM reference_concept c
        WHERE c.tenant_id = e.tenant_id AND c.release_id = e.release_id AND c.kind = e.source_kind
            AND c.code = e.source_code)
ORDER BY source_kind, source_code, kind, target_framework, target_kind, target_code
LIMIT @count::integer;

-- Says of each edge whether it leads nowhere, given the releases in which targets are looked for, a framework each.
-- name: EdgeMarkDangling :exec
UPDATE reference_edge e
SET dangling = NOT e.dangling
WHERE e.tenant_id = @tenant_id AND e.release_id = @release_id
    AND e.dangling = EXISTS (
        SELECT
        FROM unnest(@frameworks::text[], @tenant_ids::uuid[], @release_ids::uuid[])
            AS v (framework, tenant_id, release_id)
        JOIN reference_concept c ON c.tenant_id = v.tenant_id AND c.release_id = v.release_id
        WHERE v.framework = e.target_framework AND c.kind = e.target_kind AND c.code = e.target_code);

-- name: EdgeCountDangling :one EdgeTotal
SELECT count(*)::integer AS count
FROM reference_edge
WHERE tenant_id = @tenant_id AND release_id = @release_id AND dangling;
