-- Events of months that ended more than a year ago: audit_event.sql says how the others are read, and these are the same.

-- Archives a month that is to be, unless there is none. As the platform's role. Events so old that are not linked are none
-- that a server has written: nothing is archived until somebody has looked at them.
-- name: AuditArchiveMonth :one
-- nullable: archived
SELECT CASE WHEN NOT EXISTS (
    SELECT FROM trellis.audit_pending
    WHERE audit_event_id < trellis.audit_first_id(now() - interval '365 days')
) THEN trellis.audit_archive_month() END AS archived;

-- name: AuditArchivedEvent :one AuditEventRow
SELECT archive.tenant_id, event.audit_event_id, event.create_time, event.category, event.actor_kind, event.principal_id, event.user_id,
    event.method, event.call_id, event.address, event.outcome, event.reason, event.calls, event.targets, event.request, event.mac
-- nullable: user_id
FROM trellis.audit_archive AS archive CROSS JOIN unnest(events) AS event
WHERE archive.tenant_id = @tenant_id AND first_id <= @audit_event_id AND last_id >= @audit_event_id
    AND event.audit_event_id = @audit_event_id;

-- The rows that may have events between two ids, those first that end last.
-- name: AuditArchiveRows :many
SELECT first_id, last_id
FROM trellis.audit_archive
WHERE tenant_id = @tenant_id AND last_id >= @first AND first_id < @before AND last_id < @ends_before
ORDER BY last_id DESC
LIMIT @count;

-- Of some rows, the newest events that AuditEventList would list.
-- name: AuditArchivedList :many AuditEventRow
SELECT archive.tenant_id, event.audit_event_id, event.create_time, event.category, event.actor_kind, event.principal_id, event.user_id,
    event.method, event.call_id, event.address, event.outcome, event.reason, event.calls, event.targets, event.request, event.mac
-- nullable: user_id
FROM trellis.audit_archive AS archive CROSS JOIN unnest(events) AS event
WHERE archive.tenant_id = @tenant_id AND first_id = ANY (@rows::uuid[])
    AND event.audit_event_id >= @first AND event.audit_event_id < @before
    AND (@category::smallint = 0 OR event.category = @category)
    AND (@principal_id::uuid = '00000000-0000-0000-0000-000000000000' OR event.principal_id = @principal_id)
    AND (@user_id::uuid = '00000000-0000-0000-0000-000000000000' OR event.user_id = @user_id)
    AND (@method = '' OR event.method = @method)
    AND (NOT @only_refused OR event.outcome <> 'OK')
    AND (@target_id = '' OR EXISTS (
        SELECT FROM trellis.audit_target AS target
        WHERE target.tenant_id = @tenant_id AND target.target_id = @target_id
            AND (@target_type = '' OR target.target_type = @target_type)
            AND target.audit_event_id = event.audit_event_id
    ))
ORDER BY event.audit_event_id DESC
LIMIT @count;

-- The archived ones of the events of some links, made between two times.
-- name: AuditArchivedByID :many AuditEventRow
SELECT archive.tenant_id, event.audit_event_id, event.create_time, event.category, event.actor_kind, event.principal_id, event.user_id,
    event.method, event.call_id, event.address, event.outcome, event.reason, event.calls, event.targets, event.request, event.mac
-- nullable: user_id
FROM trellis.audit_archive AS archive CROSS JOIN unnest(events) AS event
WHERE archive.tenant_id = @tenant_id AND last_id >= @first AND first_id <= @last
    AND event.audit_event_id = ANY (@ids::uuid[]);

-- Rows after one, each with the first of its events that is not linked.
-- name: AuditArchivePlaces :many
SELECT last_id, (
    SELECT event.audit_event_id FROM unnest(events) AS event
    WHERE NOT EXISTS (
        SELECT FROM trellis.audit_link AS link
        WHERE link.tenant_id = archive.tenant_id AND link.audit_event_id = event.audit_event_id
    )
    ORDER BY event.audit_event_id LIMIT 1
) AS stray
-- nullable: stray
FROM trellis.audit_archive AS archive
WHERE tenant_id = @tenant_id AND last_id > @after
ORDER BY last_id
LIMIT @count;
