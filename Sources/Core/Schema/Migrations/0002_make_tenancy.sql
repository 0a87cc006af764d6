-- schema 0.2.0
--
-- Tenants, their sites, users and API keys; the platform's keys; the outcome that every write leaves.
--
-- Texts that are compared without regard to case have a *_key column with the folded form, filled by the server: an
-- index on lower(x) would not be used under row-level security, because lower() is not leakproof.

-- state: 1 active, 2 suspended, 3 deleted (purge_time says until when it can be restored), 4 purged (nothing of it is left
-- but this row and its audit trail).
CREATE TABLE trellis.tenant (
    tenant_id uuid PRIMARY KEY,
    slug text NOT NULL,
    display_name text NOT NULL,
    industry text NOT NULL,
    plan text NOT NULL DEFAULT 'starter',
    settings_json text NOT NULL DEFAULT '{}',
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 4),
    version bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    delete_time timestamptz,
    purge_time timestamptz
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
    archive_time timestamptz,
    delete_time timestamptz,
    purge_time timestamptz,
    PRIMARY KEY (tenant_id, site_id)
);
CREATE UNIQUE INDEX site_display_name ON trellis.site (tenant_id, display_name_key);
CALL trellis.protect_tenant_table('trellis.site', platform => true);

-- The keys that the personal columns of somebody are sealed with (people, end users), themselves sealed with a key of the
-- server's that is not in the database. Erasing somebody deletes their row here, which makes every copy of what it sealed
-- unreadable, those in backups too: so this table has backups of its own, kept for days (docs/operating.md). Subjects
-- of no tenant (people who sign in) are the zero tenant's.
CREATE TABLE trellis.subject_key (
    tenant_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    sealed_key bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subject_id)
);
CALL trellis.protect_tenant_table('trellis.subject_key', platform => true);

-- Whoever works for a tenant. What is personal about them (e-mail address, name) is in `personal`, sealed with their
-- subject_key; email_index is a keyed hash of the folded address, by which it is found, null once they are erased.
-- person_id is who signs in as this user, if anybody does yet. state: 1 active, 2 suspended.
CREATE TABLE trellis.tenant_user (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    user_id uuid NOT NULL,
    person_id uuid,
    email_index bytea,
    personal bytea NOT NULL,
    language text NOT NULL,
    time_zone text NOT NULL,
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 2),
    version bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    delete_time timestamptz,
    purge_time timestamptz,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE UNIQUE INDEX tenant_user_email ON trellis.tenant_user (tenant_id, email_index);
CREATE UNIQUE INDEX tenant_user_person ON trellis.tenant_user (tenant_id, person_id) WHERE person_id IS NOT NULL;
CALL trellis.protect_tenant_table('trellis.tenant_user', platform => true);

-- Roles that a tenant has made beside the system roles, which are code. role is a short name.
CREATE TABLE trellis.role (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    role text NOT NULL,
    display_name text NOT NULL,
    description text NOT NULL,
    permissions text[] NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, role)
);
CALL trellis.protect_tenant_table('trellis.role');

-- Who has which role where: on one site, or, with the zero UUID, on the tenant and so on all its sites. role is a system
-- role or one of trellis.role, which cannot be deleted while somebody has it.
CREATE TABLE trellis.role_binding (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    site_id uuid NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, role, site_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES trellis.tenant_user ON DELETE CASCADE
);
CREATE INDEX role_binding_role ON trellis.role_binding (tenant_id, role, site_id, user_id);
CREATE INDEX role_binding_site ON trellis.role_binding (tenant_id, site_id, user_id);
CALL trellis.protect_tenant_table('trellis.role_binding', platform => true);

-- Invitations to become a user. Whoever has the token may accept; token_hash is its SHA-256. roles and sites are as long
-- as each other: the bindings that the user will have. personal holds the e-mail address and the name, sealed with the
-- key of the user-to-be (subject_key of user_id).
CREATE TABLE trellis.invitation (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    invitation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    personal bytea NOT NULL,
    email_index bytea NOT NULL,
    roles text[] NOT NULL,
    sites uuid[] NOT NULL,
    token_hash bytea NOT NULL,
    inviter_id uuid NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz NOT NULL,
    accept_time timestamptz,
    revoke_time timestamptz,
    PRIMARY KEY (tenant_id, invitation_id)
);
CREATE UNIQUE INDEX invitation_email ON trellis.invitation (tenant_id, email_index)
    WHERE accept_time IS NULL AND revoke_time IS NULL;
CALL trellis.protect_tenant_table('trellis.invitation', platform => true);

-- How often what decides about who may do what in a tenant has changed: its roles, users, credentials. Servers that remember
-- callers hear of each change, and forget the tenant's.
CREATE TABLE trellis.access_epoch (
    tenant_id uuid PRIMARY KEY,
    epoch bigint NOT NULL
);
CALL trellis.protect_tenant_table('trellis.access_epoch', platform => true, privileges => 'SELECT, INSERT, UPDATE');

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
    -- the tenants of which the call has changed who may do what: a retry waits until all servers know, too
    access_tenants uuid[] NOT NULL DEFAULT '{}',
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, principal_id, method, request_key)
) WITH (fillfactor = 70);
CALL trellis.protect_tenant_table('trellis.idempotency', platform => true);
