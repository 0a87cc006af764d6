-- Erasures and their certificates.

-- name: ErasureTimes :one
SELECT now() AS request_time, now() + interval '1 month' AS due_time;

-- name: ErasureCertificateInsert :exec
INSERT INTO trellis.erasure_certificate (tenant_id, certificate_id, certificate)
VALUES (@tenant_id, @certificate_id, @certificate);

-- name: ErasedSubjectInsert :exec
INSERT INTO trellis.erased_subject (tenant_id, subject_id, certificate_id)
SELECT @tenant_id, subject, @certificate_id
FROM unnest(@subjects::uuid[]) AS subject;

-- The certificate of whoever had an id.
-- name: ErasureCertificateOf :one
SELECT certificate
FROM trellis.erased_subject JOIN trellis.erasure_certificate USING (tenant_id, certificate_id)
WHERE tenant_id = @tenant_id AND subject_id = @subject_id;

-- What it finds depends on the role that it runs as: see the function.
-- name: TablesSearch :many
SELECT place, rows_read, rows_found
FROM trellis.search_tables(@texts::text[], @codes::text[]);
