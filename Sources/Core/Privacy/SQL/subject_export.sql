-- Exports of everything about a subject.

-- name: SubjectExportInsert :one
INSERT INTO trellis.subject_export (tenant_id, export_id, subject_id, description, expire_time)
VALUES (@tenant_id, @export_id, @subject_id, @description, now() + interval '7 days')
RETURNING create_time, expire_time;

-- name: SubjectExportPartInsert :exec
INSERT INTO trellis.subject_export_part (tenant_id, export_id, part, sealed_json)
VALUES (@tenant_id, @export_id, @part, @sealed_json);

-- One that has not run out.
-- name: SubjectExportGet :one
SELECT subject_id, description, create_time, expire_time
FROM trellis.subject_export
WHERE tenant_id = @tenant_id AND export_id = @export_id AND expire_time > now();

-- A part, with the key that opens it.
-- name: SubjectExportPartGet :one
SELECT subject_id, sealed_json, sealed_key
FROM trellis.subject_export_part JOIN trellis.subject_export USING (tenant_id, export_id)
    JOIN trellis.subject_key USING (tenant_id, subject_id)
WHERE tenant_id = @tenant_id AND export_id = @export_id AND part = @part;

-- name: SubjectExportErase :exec
DELETE FROM trellis.subject_export
WHERE tenant_id = @tenant_id AND subject_id = ANY (@subjects::uuid[]);

-- Those of all tenants that have run out. As the platform's role.
-- name: SubjectExportPurge :exec
DELETE FROM trellis.subject_export
WHERE expire_time <= now();
