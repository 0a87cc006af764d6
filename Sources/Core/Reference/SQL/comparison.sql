-- What differs between two releases, base and next, by the hashes of their concepts.

-- name: ReleaseCompare :one Comparison
WITH concept AS (
    SELECT b.content_hash AS base_hash, n.content_hash AS next_hash
    FROM (
        SELECT kind, code, content_hash FROM reference_concept
        WHERE tenant_id = @base_tenant_id AND release_id = @base_release_id
    ) b
    FULL JOIN (
        SELECT kind, code, content_hash FROM reference_concept
        WHERE tenant_id = @tenant_id AND release_id = @release_id
    ) n USING (kind, code)
), base_edge AS (
    SELECT source_kind, source_code, kind, target_framework, target_kind, target_code, rank, strength
    FROM reference_edge
    WHERE tenant_id = @base_tenant_id AND release_id = @base_release_id
), next_edge AS (
    SELECT source_kind, source_code, kind, target_framework, target_kind, target_code, rank, strength
    FROM reference_edge
    WHERE tenant_id = @tenant_id AND release_id = @release_id
)
SELECT count(*) FILTER (WHERE base_hash IS NULL)::integer AS added,
    count(*) FILTER (WHERE base_hash <> next_hash)::integer AS changed,
    count(*) FILTER (WHERE next_hash IS NULL)::integer AS retired,
    count(*) FILTER (WHERE base_hash = next_hash)::integer AS unchanged,
    (SELECT count(*) FROM (SELECT * FROM next_edge EXCEPT SELECT * FROM base_edge) e)::integer AS edges_added,
    (SELECT count(*) FROM (SELECT * FROM base_edge EXCEPT SELECT * FROM next_edge) e)::integer AS edges_removed
FROM concept;

-- The concepts that differ, ordered by kind and code. change: 1 added, 2 changed, 3 retired, the numbers of ChangeKind.
-- name: ReleaseCompareList :many ConceptDifference
WITH base AS (
    SELECT kind, code, name, description, attributes, parent_kind, parent_code, labels, content_hash
    FROM reference_concept
    WHERE tenant_id = @base_tenant_id AND release_id = @base_release_id
        AND (kind, code) > (@after_kind::integer, @after_code::text)
), next AS (
    SELECT kind, code, name, description, attributes, parent_kind, parent_code, labels, content_hash
    FROM reference_concept
    WHERE tenant_id = @tenant_id AND release_id = @release_id
        AND (kind, code) > (@after_kind::integer, @after_code::text)
)
SELECT kind, code,
    CASE WHEN b.content_hash IS NULL THEN 1 WHEN n.content_hash IS NULL THEN 3 ELSE 2 END AS change,
    coalesce(b.name, '') AS old_name, coalesce(n.name, '') AS new_name,
    coalesce(b.name <> n.name, false) AS name_differs,
    coalesce(b.description <> n.description, false) AS description_differs,
    coalesce(b.attributes <> n.attributes, false) AS attributes_differ,
    coalesce((b.parent_kind, b.parent_code) <> (n.parent_kind, n.parent_code), false) AS parent_differs,
    coalesce(b.labels <> n.labels, false) AS labels_differ
FROM base b
FULL JOIN next n USING (kind, code)
WHERE b.content_hash IS DISTINCT FROM n.content_hash
ORDER BY kind, code
LIMIT @count::integer;
