-- Legal holds: who must not be erased.

-- name: LegalHoldInsert :one LegalHold
INSERT INTO trellis.legal_hold (tenant_id, hold_id, subject_kind, subject_id, reason, placed_by)
VALUES (@tenant_id, @hold_id, @subject_kind, @subject_id, @reason, @placed_by)
RETURNING hold_id AS id, subject_kind, subject_id, reason, placed_by, create_time, release_time;

-- Held until the transaction ends.
-- name: LegalHoldLock :one LegalHold
SELECT hold_id AS id, subject_kind, subject_id, reason, placed_by, create_time, release_time
FROM trellis.legal_hold
WHERE tenant_id = @tenant_id AND hold_id = @hold_id
FOR NO KEY UPDATE;

-- name: LegalHoldRelease :one LegalHold
UPDATE trellis.legal_hold
SET release_time = now()
WHERE tenant_id = @tenant_id AND hold_id = @hold_id
RETURNING hold_id AS id, subject_kind, subject_id, reason, placed_by, create_time, release_time;

-- name: LegalHoldList :many LegalHold
SELECT hold_id AS id, subject_kind, subject_id, reason, placed_by, create_time, release_time
FROM trellis.legal_hold
WHERE tenant_id = @tenant_id AND hold_id > @after AND (@show_released OR release_time IS NULL)
ORDER BY hold_id
LIMIT @count;

-- name: LegalHoldListOf :many LegalHold
SELECT hold_id AS id, subject_kind, subject_id, reason, placed_by, create_time, release_time
FROM trellis.legal_hold
WHERE tenant_id = @tenant_id AND subject_id = @subject_id AND hold_id > @after AND (@show_released OR release_time IS NULL)
ORDER BY hold_id
LIMIT @count;

-- The first hold on any of these.
-- name: LegalHoldOn :one LegalHold
SELECT hold_id AS id, subject_kind, subject_id, reason, placed_by, create_time, release_time
FROM trellis.legal_hold
WHERE tenant_id = @tenant_id AND subject_id = ANY (@subjects::uuid[]) AND release_time IS NULL
ORDER BY hold_id
LIMIT 1;
