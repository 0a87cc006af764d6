-- What both ways write for an audited call of one tenant, but for the chain.
BEGIN;
SELECT set_config('role', 'trellis_server', true), set_config('trellis.tenant', '018f0000-0000-7000-8000-000000000001', true);
\set n random(1, 1000000000000)
INSERT INTO trellis.site (tenant_id, site_id, display_name, display_name_key, description, time_zone)
VALUES ('018f0000-0000-7000-8000-000000000001', gen_random_uuid(), :n::text || :client_id, :n::text || :client_id, '', 'UTC')
ON CONFLICT DO NOTHING;
