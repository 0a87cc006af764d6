-- One step of a walk along the edges. A walk goes level by level, and the caller remembers where it has been, so each
-- concept is looked at once however many ways lead to it. (One recursive query visits a concept again at each depth:
-- with the 4,000 edges of IRIS+ and SDG joined both ways, a walk of depth 2 took longer than 20 s; see
-- docs/decisions/0005-reference-releases.md.)

-- The concepts next to those given, each once with the first edge that leads to it, through the releases given, one a
-- framework. OFFSET 0 keeps the planner to one look-up in the right index for each concept, whatever it believes about
-- tables that have just been filled.
-- name: ConceptStep :many StepRow
WITH view AS MATERIALIZED (
    SELECT v.framework COLLATE "C" AS framework, v.tenant_id, v.release_id
    FROM unnest(@frameworks::text[], @tenant_ids::uuid[], @release_ids::uuid[]) AS v (framework, tenant_id, release_id)
), frontier AS MATERIALIZED (
    SELECT f.framework COLLATE "C" AS framework, f.kind, f.code COLLATE "C" AS code
    FROM unnest(@from_frameworks::text[], @from_kinds::integer[], @from_codes::text[]) AS f (framework, kind, code)
), step AS MATERIALIZED (
    SELECT e.framework, e.kind, e.code, e.via_edge, f.framework AS via_framework, f.kind AS via_kind, f.code AS via_code
    FROM frontier f
    JOIN view v ON v.framework = f.framework
    CROSS JOIN LATERAL (
        SELECT target_framework AS framework, target_kind AS kind, target_code AS code, kind AS via_edge
        FROM reference_edge
        WHERE tenant_id = v.tenant_id AND release_id = v.release_id AND source_kind = f.kind AND source_code = f.code
            AND (cardinality(@edge_kinds::integer[]) = 0 OR kind = ANY (@edge_kinds))
        OFFSET 0
    ) e
    WHERE @outgoing::boolean
    UNION ALL
    SELECT v.framework, e.kind, e.code, e.via_edge, f.framework, f.kind, f.code
    FROM frontier f
    CROSS JOIN view v
    CROSS JOIN LATERAL (
        SELECT source_kind AS kind, source_code AS code, kind AS via_edge
        FROM reference_edge
        WHERE tenant_id = v.tenant_id AND release_id = v.release_id AND target_framework = f.framework
            AND target_kind = f.kind AND target_code = f.code
            AND (cardinality(@edge_kinds) = 0 OR kind = ANY (@edge_kinds))
        OFFSET 0
    ) e
    WHERE @incoming::boolean
), neighbour AS MATERIALIZED (
    SELECT DISTINCT ON (framework, kind, code) *
    FROM step
    ORDER BY framework, kind, code, via_edge, via_framework, via_kind, via_code
)
SELECT n.framework, n.kind, n.code, n.via_edge, n.via_framework, n.via_kind, n.via_code
FROM neighbour n
JOIN view v ON v.framework = n.framework
CROSS JOIN LATERAL (
    SELECT
    FROM reference_concept
    WHERE tenant_id = v.tenant_id AND release_id = v.release_id AND kind = n.kind AND code = n.code
    OFFSET 0
) existing
LIMIT @row_limit::integer;

-- The concepts named, each out of the release named beside it.
-- name: ConceptGetMany :many ConceptRow
SELECT c.concept_id, n.framework, c.release_id, c.kind, c.code, c.name, c.description, c.attributes::text AS attributes,
    c.parent_kind, c.parent_code, c.labels::text AS labels, c.content_hash, false AS retired
FROM unnest(@frameworks::text[], @tenant_ids::uuid[], @release_ids::uuid[], @kinds::integer[], @codes::text[])
    WITH ORDINALITY AS n (framework, tenant_id, release_id, kind, code, ordinality)
CROSS JOIN LATERAL (
    SELECT *
    FROM reference_concept
    WHERE tenant_id = n.tenant_id AND release_id = n.release_id AND kind = n.kind AND code = n.code COLLATE "C"
    OFFSET 0
) c
ORDER BY n.ordinality;
