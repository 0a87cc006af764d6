-- Concepts of releases.

-- Adds a chunk's concepts in its order, and answers with those that were new: a key that is missing there was in the
-- release already. The hash covers the content in jsonb's canonical text, so that neither the order of the keys of an
-- object nor white space makes a difference.
-- name: ConceptInsert :many ConceptName
WITH concept AS (
    SELECT kind, code, concept_id, name, description, attributes::jsonb AS attributes, parent_kind, parent_code,
        labels::jsonb AS labels, ordinality
    FROM unnest(
        @kinds::integer[], @codes::text[], @concept_ids::uuid[], @names::text[], @descriptions::text[],
        @attributes::text[], @parent_kinds::integer[], @parent_codes::text[], @labels::text[]
    ) WITH ORDINALITY AS c (kind, code, concept_id, name, description, attributes, parent_kind, parent_code, labels,
        ordinality)
)
INSERT INTO reference_concept
    (tenant_id, release_id, kind, code, concept_id, ordinal, name, description, attributes, parent_kind, parent_code,
    labels, content_hash)
SELECT @tenant_id, @release_id, kind, code, concept_id, @first_ordinal::integer + ordinality, name, description,
    attributes, parent_kind, parent_code, labels,
    sha256(convert_to(
        jsonb_build_array(name, description, attributes, parent_kind, parent_code, labels)::text, 'UTF8'))
FROM concept
ON CONFLICT (tenant_id, release_id, kind, code) DO NOTHING
RETURNING kind, code;

-- name: ConceptGet :one ConceptRow
SELECT c.concept_id, r.framework, c.release_id, c.kind, c.code, c.name, c.description,
    c.attributes::text AS attributes, c.parent_kind, c.parent_code, c.labels::text AS labels, c.content_hash,
    false AS retired
FROM reference_concept c
JOIN reference_release r ON r.tenant_id = c.tenant_id AND r.release_id = c.release_id
WHERE c.tenant_id = @tenant_id AND c.release_id = @release_id AND c.kind = @kind AND c.code = @code;

-- name: ConceptGetByID :one ConceptRow
SELECT c.concept_id, r.framework, c.release_id, c.kind, c.code, c.name, c.description,
    c.attributes::text AS attributes, c.parent_kind, c.parent_code, c.labels::text AS labels, c.content_hash,
    false AS retired
FROM reference_concept c
JOIN reference_release r ON r.tenant_id = c.tenant_id AND r.release_id = c.release_id
WHERE c.tenant_id = @tenant_id AND c.concept_id = @concept_id AND c.release_id = @release_id;

-- The concept as the active release has it or, where that has retired it, as the latest complete release had it.
-- name: ConceptGetLatest :one ConceptRow
SELECT c.concept_id, r.framework, c.release_id, c.kind, c.code, c.name, c.description,
    c.attributes::text AS attributes, c.parent_kind, c.parent_code, c.labels::text AS labels, c.content_hash,
    f.active_release_id IS DISTINCT FROM r.release_id AS retired
FROM reference_framework f
JOIN reference_release r ON r.tenant_id = f.tenant_id AND r.framework = f.framework
JOIN reference_concept c ON c.tenant_id = r.tenant_id AND c.release_id = r.release_id
WHERE f.tenant_id = @tenant_id AND f.framework = @framework AND r.stage = 2 AND c.kind = @kind AND c.code = @code
ORDER BY f.active_release_id IS DISTINCT FROM r.release_id, r.complete_time DESC
LIMIT 1;

-- The same by id, out of the tenant's own frameworks and the platform's.
-- name: ConceptGetLatestByID :one ConceptRow
SELECT c.concept_id, r.framework, c.release_id, c.kind, c.code, c.name, c.description,
    c.attributes::text AS attributes, c.parent_kind, c.parent_code, c.labels::text AS labels, c.content_hash,
    f.active_release_id IS DISTINCT FROM r.release_id AS retired
FROM reference_concept c
JOIN reference_release r ON r.tenant_id = c.tenant_id AND r.release_id = c.release_id
JOIN reference_framework f ON f.tenant_id = r.tenant_id AND f.framework = r.framework
WHERE c.tenant_id IN (@tenant_id, '00000000-0000-0000-0000-000000000000') AND c.concept_id = @concept_id
    AND r.stage = 2
ORDER BY f.active_release_id IS DISTINCT FROM r.release_id, r.complete_time DESC
LIMIT 1;

-- The concepts of a release in the order in which they were imported; kind 0 is every kind.
-- name: ConceptList :many ListedConcept
SELECT c.concept_id, c.kind, c.code, c.name, c.description, c.attributes::text AS attributes, c.parent_kind,
    c.parent_code, c.labels::text AS labels, c.content_hash, c.ordinal
FROM reference_concept c
WHERE c.tenant_id = @tenant_id AND c.release_id = @release_id AND c.ordinal > @after
    AND (@kind::integer = 0 OR c.kind = @kind)
ORDER BY c.ordinal
LIMIT @count::integer;

-- name: ConceptListByParent :many ListedConcept
SELECT c.concept_id, c.kind, c.code, c.name, c.description, c.attributes::text AS attributes, c.parent_kind,
    c.parent_code, c.labels::text AS labels, c.content_hash, c.ordinal
FROM reference_concept c
WHERE c.tenant_id = @tenant_id AND c.release_id = @release_id AND c.parent_kind = @parent_kind AND c.parent_kind <> 0
    AND c.parent_code = @parent_code AND c.ordinal > @after
    AND (@kind::integer = 0 OR c.kind = @kind)
ORDER BY c.ordinal
LIMIT @count::integer;

-- name: ConceptCount :many KindTotal
SELECT kind, count(*)::integer AS count
FROM reference_concept
WHERE tenant_id = @tenant_id AND release_id = @release_id
GROUP BY kind
ORDER BY kind;

-- Concepts whose parent the release does not have.
-- name: ConceptListOrphans :many Orphan
SELECT c.kind, c.code, c.parent_kind, c.parent_code
FROM reference_concept c
WHERE c.tenant_id = @tenant_id AND c.release_id = @release_id AND c.parent_kind <> 0
    AND NOT EXISTS (
        SELECT FROM reference_concept p
        WHERE p.tenant_id = c.tenant_id AND p.release_id = c.release_id AND p.kind = c.parent_kind
            AND p.code = c.parent_code)
ORDER BY c.ordinal
LIMIT @count::integer;
