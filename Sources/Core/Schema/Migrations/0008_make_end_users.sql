-- schema 0.8.0
--
-- The end users of tenants' products.

-- What is personal about an end user (name, profile, preferences, identities) is in `personal`, sealed with their
-- subject_key; empty once they were erased. state: 1 active, 2 blocked, 3 erased. merged_into is set of an alias, and never
-- leads to another alias.
CREATE TABLE trellis.end_user (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    end_user_id uuid NOT NULL,
    personal bytea NOT NULL,
    time_zone text NOT NULL,
    language text NOT NULL,
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 3),
    merged_into uuid CHECK (merged_into <> end_user_id),
    last_active_time timestamptz NOT NULL DEFAULT now(),
    version bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    delete_time timestamptz,
    purge_time timestamptz,
    PRIMARY KEY (tenant_id, end_user_id),
    FOREIGN KEY (tenant_id, merged_into) REFERENCES trellis.end_user
);
CREATE INDEX end_user_activity ON trellis.end_user (tenant_id, last_active_time DESC, end_user_id DESC)
    WHERE merged_into IS NULL;
CREATE INDEX end_user_alias ON trellis.end_user (tenant_id, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX end_user_purge ON trellis.end_user (tenant_id, purge_time) WHERE purge_time IS NOT NULL;
CALL trellis.protect_tenant_table('trellis.end_user', platform => true);

-- Who has an identity: one end user at most. external_id_index is a keyed hash of the external id, which itself is in the
-- end user's personal column. It is taken before its end user is made, so that of many who make the same one wins
-- and the others wait for it: hence the deferred reference.
CREATE TABLE trellis.end_user_identity (
    tenant_id uuid NOT NULL,
    channel text NOT NULL,
    external_id_index bytea NOT NULL,
    end_user_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, channel, external_id_index),
    FOREIGN KEY (tenant_id, end_user_id) REFERENCES trellis.end_user ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX end_user_identity_end_user ON trellis.end_user_identity (tenant_id, end_user_id);
CALL trellis.protect_tenant_table('trellis.end_user_identity', platform => true);

-- The history of merges. personal holds the identities that moved, sealed with the source's key.
CREATE TABLE trellis.end_user_merge (
    tenant_id uuid NOT NULL,
    merge_id uuid NOT NULL,
    source_id uuid NOT NULL,
    target_id uuid NOT NULL,
    personal bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, merge_id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES trellis.end_user ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, target_id) REFERENCES trellis.end_user ON DELETE CASCADE
);
CREATE UNIQUE INDEX end_user_merge_source ON trellis.end_user_merge (tenant_id, source_id);
CREATE INDEX end_user_merge_target ON trellis.end_user_merge (tenant_id, target_id, merge_id);
CALL trellis.protect_tenant_table('trellis.end_user_merge', platform => true);

-- Whom the stored answer of a write tells of: when they are erased, response becomes null.
ALTER TABLE trellis.idempotency ADD COLUMN subjects uuid[] NOT NULL DEFAULT '{}';
