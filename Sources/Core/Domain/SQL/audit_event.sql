-- Who did what and when.

-- name: AuditEventInsert :exec
INSERT INTO trellis.audit_event
    (tenant_id, audit_event_id, actor_kind, principal_id, user_id, method, request_id, request)
VALUES (@tenant_id, @audit_event_id, @actor_kind, @principal_id, @user_id?, @method, @request_id, @request::jsonb);

-- name: AuditEventList :many
SELECT audit_event_id, create_time, actor_kind, principal_id, user_id, method, request_id, request::text AS request
FROM trellis.audit_event
WHERE tenant_id = @tenant_id AND audit_event_id > @after
ORDER BY audit_event_id
LIMIT @count;
