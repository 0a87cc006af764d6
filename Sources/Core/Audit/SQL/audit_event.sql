-- What is remembered of everything: how it is read.

-- name: AuditEventGet :one AuditEventRow
SELECT tenant_id, audit_event_id, create_time, category, actor_kind, principal_id, user_id, method, call_id, address,
    outcome, reason, calls, targets, request, mac
FROM trellis.audit_event
WHERE tenant_id = @tenant_id AND audit_event_id = @audit_event_id;

-- Newest first. An empty text, a zero UUID or 0 stands for no filter. To be planned for the values that it has: there is an
-- index for each of the filters but method and outcome.
-- name: AuditEventList :many AuditEventRow
SELECT tenant_id, audit_event_id, create_time, category, actor_kind, principal_id, user_id, method, call_id, address,
    outcome, reason, calls, targets, request, mac
FROM trellis.audit_event
WHERE tenant_id = @tenant_id AND audit_event_id >= @first AND audit_event_id < @before
    AND (@category::smallint = 0 OR category = @category)
    AND (@principal_id::uuid = '00000000-0000-0000-0000-000000000000' OR principal_id = @principal_id)
    AND (@user_id::uuid = '00000000-0000-0000-0000-000000000000' OR user_id = @user_id)
    AND (@method = '' OR method = @method)
    AND (NOT @only_refused OR outcome <> 'OK')
    AND (@target_id = '' OR audit_event_id IN (
        SELECT target.audit_event_id FROM trellis.audit_target AS target
        WHERE target.tenant_id = @tenant_id AND target.target_id = @target_id
            AND (@target_type = '' OR target.target_type = @target_type)
            AND target.audit_event_id >= @first AND target.audit_event_id < @before
    ))
ORDER BY audit_event_id DESC
LIMIT @count;

-- The events of some links. They were made between two times, so that other months are not looked at.
-- name: AuditEventsByID :many AuditEventRow
SELECT tenant_id, audit_event_id, create_time, category, actor_kind, principal_id, user_id, method, call_id, address,
    outcome, reason, calls, targets, request, mac
FROM trellis.audit_event
WHERE tenant_id = @tenant_id AND audit_event_id = ANY (@ids::uuid[])
    AND audit_event_id >= @first AND audit_event_id <= @last;

-- Events after one, each with whether it is linked, or about to be.
-- name: AuditEventPlaces :many
SELECT audit_event_id, (
    EXISTS (
        SELECT FROM trellis.audit_link AS link
        WHERE link.tenant_id = event.tenant_id AND link.audit_event_id = event.audit_event_id
    ) OR EXISTS (
        SELECT FROM trellis.audit_pending AS pending
        WHERE pending.tenant_id = event.tenant_id AND pending.audit_event_id = event.audit_event_id
    )
) AS placed
FROM trellis.audit_event AS event
WHERE tenant_id = @tenant_id AND audit_event_id > @after
ORDER BY audit_event_id
LIMIT @count;

-- Partitions for the months to come. As the platform's role.
-- name: AuditPrepare :one
SELECT trellis.audit_prepare() AS partitions;

-- Forgets what its time is over for, of all tenants. As the platform's role.
-- name: AuditForget :one
SELECT trellis.audit_forget() AS forgotten;

-- How long a category is kept, in days, as the database has it.
-- name: AuditRetentionDays :one
SELECT (extract(epoch FROM trellis.audit_retention(@category::smallint)) / 86400)::integer AS days;

-- The keys of those whom events are about.
-- name: AuditSubjectKeys :many
SELECT subject_id, sealed_key
FROM trellis.subject_key
WHERE tenant_id = @tenant_id AND subject_id = ANY (@subjects::uuid[]);

-- Which of the tenants that unproven credentials name there are, and which of their keys. As the platform's role.
-- name: AuditKnownTenants :many
SELECT tenant.tenant_id, named.key_id AS key_id, EXISTS (
    SELECT FROM trellis.api_key
    WHERE api_key.tenant_id = named.tenant_id AND api_key.api_key_id = named.key_id
) AS knows_key
FROM unnest(@tenant_ids::uuid[], @key_ids::uuid[]) AS named (tenant_id, key_id)
-- not null: key_id
JOIN trellis.tenant ON tenant.tenant_id = named.tenant_id;

-- The migrations that were applied, for their events.
-- name: AuditMigrations :many
SELECT number, name, sha256, schema_version, applied_at, applied_by
FROM trellis.schema_migration
ORDER BY number;
