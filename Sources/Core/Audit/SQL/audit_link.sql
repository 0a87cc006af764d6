-- The tenants' chains of audit events.

-- The tenants of which events wait to be linked. As the platform's role.
-- name: AuditPendingTenants :many
WITH RECURSIVE pending AS (
    (SELECT tenant_id FROM trellis.audit_pending ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT next.tenant_id FROM trellis.audit_pending AS next
        WHERE next.tenant_id > pending.tenant_id ORDER BY next.tenant_id LIMIT 1
    )
    FROM pending WHERE pending.tenant_id IS NOT NULL
)
-- not null: tenant_id
SELECT tenant_id FROM pending WHERE tenant_id IS NOT NULL LIMIT @count;

-- Events that wait, the oldest first, each with whether it is linked all the same; those of a transaction that is not over
-- yet come another time.
-- name: AuditPendingList :many
SELECT audit_event_id, EXISTS (
    SELECT FROM trellis.audit_link AS link
    WHERE link.tenant_id = pending.tenant_id AND link.audit_event_id = pending.audit_event_id
) AS linked
FROM trellis.audit_pending AS pending
WHERE tenant_id = @tenant_id AND audit_event_id > @after
ORDER BY audit_event_id
LIMIT @count;

-- name: AuditPendingDelete :exec
DELETE FROM trellis.audit_pending
WHERE tenant_id = @tenant_id AND audit_event_id = ANY (@ids::uuid[]);

-- name: AuditHeadInsert :exec
INSERT INTO trellis.audit_head (tenant_id, sequence, hash, mac)
VALUES (@tenant_id, 0, @hash, @mac)
ON CONFLICT DO NOTHING;

-- Whoever holds it links events of this tenant; others wait.
-- name: AuditHeadLock :one AuditHead
SELECT sequence, hash, mac
FROM trellis.audit_head
WHERE tenant_id = @tenant_id
FOR UPDATE;

-- The head, and the last link that there is, at one moment.
-- name: AuditChainEnd :one
SELECT sequence, hash, mac, coalesce((
    SELECT max(link.sequence) FROM trellis.audit_link AS link WHERE link.tenant_id = @tenant_id
), 0) AS last_link
FROM (SELECT) AS nothing LEFT JOIN trellis.audit_head ON tenant_id = @tenant_id;

-- name: AuditHeadUpdate :exec
UPDATE trellis.audit_head
SET sequence = @sequence, hash = @hash, mac = @mac
WHERE tenant_id = @tenant_id;

-- name: AuditLinkInsert :exec
INSERT INTO trellis.audit_link (tenant_id, sequence, audit_event_id, create_time, category, event_mac, hash)
SELECT @tenant_id, link.sequence, link.audit_event_id, link.create_time, link.category, link.event_mac, link.hash
FROM unnest(
    @sequences::bigint[], @ids::uuid[], @create_times::timestamptz[], @categories::smallint[], @event_macs::bytea[],
    @hashes::bytea[]
) AS link (sequence, audit_event_id, create_time, category, event_mac, hash);

-- name: AuditLinkList :many
SELECT sequence, audit_event_id, create_time, category, event_mac, hash
FROM trellis.audit_link
WHERE tenant_id = @tenant_id AND sequence > @after
ORDER BY sequence
LIMIT @count;
