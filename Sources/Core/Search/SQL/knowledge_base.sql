-- Knowledge bases. Every query names the tenant beside the policy.

-- name: KnowledgeBaseInsert :one KnowledgeBase
INSERT INTO knowledge_base (tenant_id, knowledge_base_id, display_name, display_name_key, description, language)
VALUES (@tenant_id, @knowledge_base_id, @display_name, @display_name_key, @description, @language)
RETURNING knowledge_base_id AS id, display_name, description, language, create_time;

-- name: KnowledgeBaseGet :one KnowledgeBase
SELECT knowledge_base_id AS id, display_name, description, language, create_time
FROM knowledge_base
WHERE tenant_id = @tenant_id AND knowledge_base_id = @knowledge_base_id;

-- name: KnowledgeBaseList :many KnowledgeBase
SELECT knowledge_base_id AS id, display_name, description, language, create_time
FROM knowledge_base
WHERE tenant_id = @tenant_id AND knowledge_base_id > @after
ORDER BY knowledge_base_id
LIMIT @count::integer;

-- name: KnowledgeBaseGetByName :one KnowledgeBase
SELECT knowledge_base_id AS id, display_name, description, language, create_time
FROM knowledge_base
WHERE tenant_id = @tenant_id AND display_name_key = @display_name_key;

-- Those of the knowledge bases named that exist.
-- name: KnowledgeBaseListExisting :many ExistingKnowledgeBase
SELECT knowledge_base_id
FROM knowledge_base
WHERE tenant_id = @tenant_id AND knowledge_base_id = ANY (@knowledge_base_ids::uuid[]);
