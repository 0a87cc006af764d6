-- Tokens that stand for personal texts. A text comes sealed, with the key that opens it.

-- name: SubjectTokenInsert :exec
INSERT INTO trellis.subject_token (tenant_id, token, subject_id, kind, sealed_text)
VALUES (@tenant_id, @token, @subject_id, @kind, @sealed_text)
ON CONFLICT DO NOTHING;

-- name: SubjectTokenGet :many SubjectTokenRow
SELECT token, subject_token.subject_id, kind, sealed_text, sealed_key
FROM trellis.subject_token JOIN trellis.subject_key USING (tenant_id, subject_id)
WHERE tenant_id = @tenant_id AND token = ANY (@tokens::text[]);

-- name: SubjectTokenListOf :many SubjectTokenRow
SELECT token, subject_token.subject_id, kind, sealed_text, sealed_key
FROM trellis.subject_token JOIN trellis.subject_key USING (tenant_id, subject_id)
WHERE tenant_id = @tenant_id AND subject_token.subject_id = @subject_id AND token > @after
ORDER BY token
LIMIT @count;

-- name: SubjectTokenErase :exec
DELETE FROM trellis.subject_token
WHERE tenant_id = @tenant_id AND subject_id = ANY (@subjects::uuid[]);
