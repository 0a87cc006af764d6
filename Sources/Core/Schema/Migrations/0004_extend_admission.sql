-- schema 0.4.0
--
-- Who is let in, and from where: API keys that hold on single sites, are rotated and know when they were last used; programs
-- that are known by their certificates; the addresses from which a tenant is administered.

-- site_ids are the sites on which the key's permissions hold; none: on the whole tenant. The secret before the last rotation
-- is let in until previous_secret_expire_time. last_use_time is some minutes old: it is written in batches.
ALTER TABLE trellis.api_key
    ADD COLUMN site_ids uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD COLUMN last_use_time timestamptz,
    ADD COLUMN previous_secret_hash bytea,
    ADD COLUMN previous_secret_expire_time timestamptz,
    ADD CHECK ((previous_secret_hash IS NULL) = (previous_secret_expire_time IS NULL));

-- Programs that prove who they are with a client certificate. certificate is one of the names that such a one bears, with
-- its kind before it: uri:, dns:, subject: or sha256:.
CREATE TABLE trellis.service_principal (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    service_principal_id uuid NOT NULL,
    display_name text NOT NULL,
    certificate text NOT NULL,
    permissions text[] NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    last_use_time timestamptz,
    revoke_time timestamptz,
    PRIMARY KEY (tenant_id, service_principal_id)
);
CALL trellis.protect_tenant_table('trellis.service_principal', platform => true);

-- Whose a certificate's name is: of one principal of all tenants, which an index of a tenant table cannot say. A name whose
-- principal was revoked can be given to another.
CREATE TABLE trellis.certificate_name (
    certificate text PRIMARY KEY,
    holder uuid NOT NULL,
    service_principal_id uuid NOT NULL,
    FOREIGN KEY (holder, service_principal_id) REFERENCES trellis.service_principal ON DELETE CASCADE
);
CALL trellis.protect_platform_table('trellis.certificate_name');

-- From where a tenant is administered: networks such as 192.0.2.0/24. None, or no row: from everywhere.
CREATE TABLE trellis.allow_list (
    tenant_id uuid PRIMARY KEY REFERENCES trellis.tenant,
    networks text[] NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    update_time timestamptz NOT NULL DEFAULT now()
);
CALL trellis.protect_tenant_table('trellis.allow_list', platform => true);
