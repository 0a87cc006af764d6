-- The keys of those whom personal data is about.

-- name: SubjectKeyInsert :exec
INSERT INTO trellis.subject_key (tenant_id, subject_id, sealed_key)
VALUES (@tenant_id, @subject_id, @sealed_key);

-- name: SubjectKeyGet :one
SELECT sealed_key
FROM trellis.subject_key
WHERE tenant_id = @tenant_id AND subject_id = @subject_id;

-- What it sealed cannot be read any more, here or in any copy.
-- name: SubjectKeyErase :exec
DELETE FROM trellis.subject_key
WHERE tenant_id = @tenant_id AND subject_id = @subject_id;
