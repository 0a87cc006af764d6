-- What is remembered of everything: how it is written.

-- Writes an event, what it is found by, and that it is to be linked to the tenant's chain. Nothing when there is an event of
-- this id already.
-- name: AuditEventInsert :exec
WITH event AS (
    INSERT INTO trellis.audit_event
        (tenant_id, audit_event_id, create_time, category, actor_kind, principal_id, user_id, method, call_id, address,
        outcome, reason, calls, targets, request, mac)
    VALUES (@tenant_id, @audit_event_id, @create_time, @category, @actor_kind, @principal_id, @user_id?, @method,
        @call_id, @address, @outcome, @reason, @calls, @targets, @request, @mac)
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, audit_event_id
), found_by AS (
    INSERT INTO trellis.audit_target (tenant_id, target_id, target_type, audit_event_id)
    SELECT tenant_id, target.id, target.type, audit_event_id
    FROM event, unnest(@target_ids::text[], @target_types::text[]) AS target (id, type)
    ON CONFLICT DO NOTHING
)
INSERT INTO trellis.audit_pending (tenant_id, audit_event_id)
SELECT tenant_id, audit_event_id FROM event;
