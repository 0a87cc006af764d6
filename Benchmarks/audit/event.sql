-- The event itself.
WITH event AS (
    INSERT INTO trellis.audit_event
    SELECT '018f0000-0000-7000-8000-000000000001', ':id', now(), 1, 'service', gen_random_uuid(), NULL,
        'trellis.tenancy.v1.TenancyService/CreateSite', ':id', '127.0.0.1', 'OK', '', 1, repeat('x', 300), repeat('y', 150),
        sha256(':id'::bytea)
    RETURNING tenant_id, audit_event_id
), found_by AS (
    INSERT INTO trellis.audit_target SELECT tenant_id, audit_event_id::text, 'site', audit_event_id FROM event
)
