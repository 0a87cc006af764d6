-- schema 0.2.0
--
-- Tenants, their sites, users and API keys; the platform's keys; what every write leaves: its outcome and its audit event.
--
-- Texts that are compared without regard to case have a *_key column with the folded form, filled by the server: an
-- index on lower(x) would not be used under row-level security, because lower() is not leakproof.

CREATE TABLE trellis.tenant (
    tenant_id uuid PRIMARY KEY,
    slug text NOT NULL,
    display_name text NOT NULL,
    industry text NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);
CALL trellis.protect_tenant_table('trellis.tenant', platform => true, privileges => 'SELECT, INSERT, UPDATE');

-- Who holds a short name: unique over all tenants, which an index of a tenant table cannot be.
CREATE TABLE trellis.tenant_slug (
    slug text PRIMARY KEY,
    holder uuid NOT NULL REFERENCES trellis.tenant
);
CALL trellis.protect_platform_table('trellis.tenant_slug');

CREATE TABLE trellis.site (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    site_id uuid NOT NULL,
    display_name text NOT NULL,
    display_name_key text NOT NULL,
    description text NOT NULL,
    time_zone text NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, site_id)
);
CREATE UNIQUE INDEX site_display_name ON trellis.site (tenant_id, display_name_key);
CALL trellis.protect_tenant_table('trellis.site');

CREATE TABLE trellis.tenant_user (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    user_id uuid NOT NULL,
    email text NOT NULL,
    email_key text NOT NULL,
    display_name text NOT NULL,
    language text NOT NULL,
    time_zone text NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);
CREATE UNIQUE INDEX tenant_user_email ON trellis.tenant_user (tenant_id, email_key);
CALL trellis.protect_tenant_table('trellis.tenant_user');

-- A key's secret names its tenant and its row, so that it is looked up by the primary key under the tenant's own
-- isolation; secret_hash is the SHA-256 of the whole secret.
CREATE TABLE trellis.api_key (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    api_key_id uuid NOT NULL,
    display_name text NOT NULL,
    permissions text[] NOT NULL,
    user_id uuid,
    obfuscated_secret text NOT NULL,
    secret_hash bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz,
    revoke_time timestamptz,
    PRIMARY KEY (tenant_id, api_key_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES trellis.tenant_user
);
CREATE INDEX api_key_user ON trellis.api_key (tenant_id, user_id, api_key_id) WHERE user_id IS NOT NULL;
CALL trellis.protect_tenant_table('trellis.api_key', platform => true);

-- The platform's own credentials. They belong to no tenant, and only the platform role sees them.
CREATE TABLE trellis.platform_key (
    platform_key_id uuid PRIMARY KEY,
    display_name text NOT NULL UNIQUE,
    secret_hash bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    revoke_time timestamptz
);
CALL trellis.protect_platform_table('trellis.platform_key', 'SELECT, INSERT, UPDATE');

-- What all servers of this database share and no tenant may see, such as the key that page tokens are sealed with.
CREATE TABLE trellis.server_secret (
    name text PRIMARY KEY,
    value bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);
CALL trellis.protect_platform_table('trellis.server_secret', 'SELECT, INSERT');

-- The outcome of a write that carried a request_id, stored with its effect. The row is claimed before the effect: a
-- second call with the same id waits for the first on the primary key and then finds the answer. The id itself is not
-- stored, only its SHA-256 (request_key), and the answer is sealed with a key made of the id: an answer can hold the
-- secret of an API key, and nobody but the caller can open it. tenant_id is the zero UUID for calls of the platform. Rows
-- are deleted after a day.
CREATE TABLE trellis.idempotency (
    tenant_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    method text NOT NULL,
    request_key bytea NOT NULL,
    request_hash bytea NOT NULL,
    response bytea,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, principal_id, method, request_key)
) WITH (fillfactor = 70);
CALL trellis.protect_tenant_table('trellis.idempotency', platform => true);

-- Who did what and when: a row for each audited call that took effect, written with the effect. It outlives what it
-- tells of, so nothing refers to it and it refers to nothing. tenant_id is the tenant that the call was about, the zero
-- UUID if it was about none.
CREATE TABLE trellis.audit_event (
    tenant_id uuid NOT NULL,
    audit_event_id uuid NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    actor_kind text NOT NULL,
    principal_id uuid NOT NULL,
    user_id uuid,
    method text NOT NULL,
    request_id text NOT NULL,
    request jsonb NOT NULL,
    PRIMARY KEY (tenant_id, audit_event_id)
);
CREATE INDEX audit_event_time ON trellis.audit_event (tenant_id, create_time);
CALL trellis.protect_tenant_table('trellis.audit_event', platform => true, privileges => 'SELECT, INSERT');
