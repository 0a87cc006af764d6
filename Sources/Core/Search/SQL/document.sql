-- Documents of knowledge bases.

-- Adds documents in their order, all with the time of this transaction.
-- name: DocumentInsert :many NewDocumentRow
INSERT INTO document
    (tenant_id, document_id, knowledge_base_id, title, content, source_uri, metadata, language, chunk_count,
    content_hash)
SELECT @tenant_id, document_id, @knowledge_base_id, title, content, source_uri, metadata::jsonb, language, chunk_count,
    content_hash
FROM unnest(
    @document_ids::uuid[], @titles::text[], @contents::text[], @source_uris::text[], @metadatas::text[],
    @languages::text[], @chunk_counts::integer[], @content_hashes::bytea[]
) AS d (document_id, title, content, source_uri, metadata, language, chunk_count, content_hash)
RETURNING document_id, create_time, metadata::text AS metadata;

-- name: DocumentGet :one Document
SELECT document_id AS id, knowledge_base_id, title, content, source_uri, metadata::text AS metadata_json, language,
    chunk_count, encode(content_hash, 'hex') AS content_hash, create_time
FROM document
WHERE tenant_id = @tenant_id AND document_id = @document_id;

-- name: DocumentList :many Document
SELECT document_id AS id, knowledge_base_id, title, '' AS content, source_uri, metadata::text AS metadata_json,
    language, chunk_count, encode(content_hash, 'hex') AS content_hash, create_time
FROM document
WHERE tenant_id = @tenant_id AND knowledge_base_id = @knowledge_base_id AND document_id > @after
ORDER BY document_id
LIMIT @count::integer;

-- name: DocumentDelete :one Document
DELETE FROM document
WHERE tenant_id = @tenant_id AND document_id = @document_id
RETURNING document_id AS id, knowledge_base_id, title, source_uri, metadata::text AS metadata_json, language, chunk_count,
    encode(content_hash, 'hex') AS content_hash, create_time;
